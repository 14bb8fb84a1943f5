//! A device as a face sees it: a client over DTLS that asks one thing, with nothing between the two.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use assure_proto::{
    DerivationCache, HeldKey, HeldKeys, KeyDefinition, PskHint, RoundBudget, derive_chain,
    encode_psk_identity,
};
use clock::{Dice, Now};
use coap_proto::{Config, Endpoint, Request, Response};
use coaps::{AssociationId, Coaps, CoapsLimits, Output};
use crypto::{PrivateKey, Provider, Secret};
use dtls_proto::{Alert, Answer, CipherSuite, ClientSetup, Credential, Question};
use model::{KeyId, Uuid};
use net::udp::{self, DatagramMachine};

use super::child::{internal, thread_time};
use crate::failure::Outcome;

/// Where all faces are.
const FACE: ([u8; 4], u16) = ([192, 0, 2, 1], 49684);

/// What a device proves itself with.
#[derive(Clone)]
pub(super) enum DeviceKey {
    /// A secret that the server holds, too.
    Shared(KeyId, Secret),
    /// Its own secret, from which it derives the one that a hint names.
    Own(Secret),
    /// Its own private key.
    Private(Arc<dyn PrivateKey>),
}

/// A device that has nothing but its own secret.
struct Held<'a>(KeyId, &'a Secret);

impl HeldKeys for Held<'_> {
    fn held_key(&self, id: KeyId) -> Option<HeldKey<'_>> {
        (id == self.0).then_some(HeldKey::Secret(self.1))
    }

    fn is_root_secret(&self, _: &Secret) -> bool {
        false
    }
}

/// One device on its line.
pub(super) struct DeviceLine {
    provider: Arc<dyn Provider>,
    lines: Coaps<SocketAddr>,
    association: AssociationId,
    uuid: Uuid,
    key: DeviceKey,
    address: SocketAddr,
    is_up: bool,
    /// Its one request, sent once it is connected.
    request: Option<Request>,
    pub(super) answer: Option<Response>,
}

impl DeviceLine {
    /// Device `number`, which calls from an address of its own with the suites of `suites`.
    pub(super) fn call(
        provider: &Arc<dyn Provider>,
        number: u32,
        (uuid, key): (Uuid, DeviceKey),
        suites: &[CipherSuite],
        request: Request,
        now: Now,
    ) -> Outcome<Self> {
        let mut dice = Dice::numbered(u64::from(number));
        let own = match &key {
            DeviceKey::Shared(..) | DeviceKey::Own(_) => None,
            DeviceKey::Private(own) => Some(Credential::raw(own.clone())),
        };
        let setup = match own {
            None => {
                ClientSetup { suites: suites.to_vec(), ..ClientSetup::psk(provider.clone(), dice.split()) }
            }
            Some(own) => ClientSetup::keyed(provider.clone(), dice.split(), suites, Some(own)),
        };
        let setup = ClientSetup { name: Some(uuid.0), ..setup };
        let mut lines =
            Coaps::new(None, Endpoint::new(Config::default(), dice.split()), CoapsLimits::default());
        let association = lines.connect(FACE.into(), setup, now);
        let association = association.map_err(|error| internal("a device", format!("{error:?}")))?;
        let [_, high, middle, low] = number.to_be_bytes();
        let address = SocketAddr::from(([10, high, middle, low], 40_000));
        let provider = provider.clone();
        let request = Some(request);
        Ok(Self { provider, lines, association, uuid, key, address, is_up: false, request, answer: None })
    }

    /// Talks with a face until both are silent; gives what the face's part took. `decide` answers its events,
    /// which counts as its part.
    pub(super) fn talk<M: DatagramMachine>(
        &mut self,
        face: &mut M,
        now: Now,
        mut decide: impl FnMut(M::Event) -> Outcome<Option<M::Command>>,
    ) -> Outcome<Duration> {
        let mut spent = Duration::ZERO;
        let mut back = Vec::new();
        loop {
            let datagrams = self.drain(now)?;
            if datagrams.is_empty() {
                return Ok(spent);
            }
            let begin = thread_time()?;
            for datagram in datagrams {
                face.receive(self.address, &datagram, now);
                while let Some(output) = face.next_output() {
                    match output {
                        udp::Output::Transmit(transmit) => back.push(transmit.datagram),
                        udp::Output::Event(event) => {
                            if let Some(command) = decide(event)? {
                                face.command(command, now);
                            }
                        }
                    }
                }
            }
            spent += thread_time()?.saturating_sub(begin);
            for datagram in back.drain(..) {
                self.lines.receive(FACE.into(), &datagram, now);
            }
        }
    }

    fn drain(&mut self, now: Now) -> Outcome<Vec<Vec<u8>>> {
        let mut datagrams = Vec::new();
        loop {
            while let Some(output) = self.lines.next_output() {
                match output {
                    Output::Transmit { datagram, .. } => datagrams.push(datagram),
                    Output::Ask { association, question, .. } => {
                        let answer = self.decide(question)?;
                        let answered = self.lines.answer(association, answer, now);
                        answered.map_err(|_| internal("a device", "it answered what nobody asked"))?;
                    }
                    Output::Connected { .. } => self.is_up = true,
                    Output::Ended { end, .. } => {
                        return Err(internal("a device was refused", format!("{end:?}")));
                    }
                    Output::Coap(coap_proto::Output::Answer { response, .. }) => self.answer = Some(response),
                    Output::Ticket { .. } | Output::Coap(_) => {}
                }
            }
            let Some(request) = self.request.take_if(|_| self.is_up) else { return Ok(datagrams) };
            let asked = self.lines.request(self.association, request, now);
            asked.map_err(|error| internal("a device", format!("{error:?}")))?;
        }
    }

    fn decide(&self, question: Question) -> Outcome<Answer> {
        let (id, key) = match (question, &self.key) {
            (Question::PeerKey { .. }, _) => return Ok(Answer::AcceptKey { ticket_state: None }),
            (Question::ServerNamed { .. }, DeviceKey::Shared(id, secret)) => (*id, secret.clone()),
            (Question::ServerNamed { hint: Some(hint), .. }, DeviceKey::Own(secret)) => {
                self.follow(&hint, secret)?
            }
            _ => return Ok(Answer::Refuse(Alert::InternalError)),
        };
        Ok(Answer::PskCredential { identity: encode_psk_identity(&id).into_bytes(), key })
    }

    /// The key at the end of the hinted chain.
    fn follow(&self, hint: &[u8], secret: &Secret) -> Outcome<(KeyId, Secret)> {
        let Ok(PskHint::Definitions(chain)) = PskHint::decode(hint) else {
            return Err(internal("a device", "the hint names no chain"));
        };
        let chain: Vec<_> = chain.into_iter().map(KeyDefinition::Derived).collect();
        let last = chain.last().ok_or_else(|| internal("a device", "the chain is empty"))?.id();
        let own = KeyId::from(self.uuid);
        let (held, mut budget) = (Held(own, secret), RoundBudget::handshake());
        let mut cache = DerivationCache::new();
        let derived = derive_chain(&*self.provider, &held, own, &chain, &mut budget, &mut cache);
        Ok((last, derived.map_err(|error| internal("a device", error))?))
    }
}
