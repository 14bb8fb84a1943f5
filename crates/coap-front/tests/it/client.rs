//! A device as the faces see it: a CoAP client over DTLS with one key.

use std::net::SocketAddr;
use std::sync::Arc;

use assure_proto::{
    DerivationCache, HeldKey, HeldKeys, KeyDefinition, PskHint, RoundBudget, derive_chain,
    encode_psk_identity,
};
use clock::{Dice, Now};
use coap_proto::{Code, Config, Endpoint, Failure, Request, Response};
use coaps::{AssociationId, Coaps, CoapsLimits, End, Output};
use crypto::{KeyKind, PrivateKey, Provider, Secret};
use dtls_proto::{
    Alert, Answer, CipherSuite, ClientSetup, Credential, PeerName, PeerProof, PeerSummary, Question,
    Resumption, Ticket,
};
use model::{KeyId, Uuid};

/// What a device proves itself with.
#[derive(Clone)]
pub(crate) enum ClientKey {
    /// Its own secret; the hint says what is derived from it.
    Device(Uuid, Secret),
    /// A secret that both sides know.
    Shared(KeyId, Secret),
    /// Its own private key.
    Private(Arc<dyn PrivateKey>),
}

struct Own<'a>(KeyId, &'a Secret);

impl HeldKeys for Own<'_> {
    fn held_key(&self, id: KeyId) -> Option<HeldKey<'_>> {
        (id == self.0).then_some(HeldKey::Secret(self.1))
    }

    fn is_root_secret(&self, _: &Secret) -> bool {
        false
    }
}

pub(crate) struct Client {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) lines: Coaps<SocketAddr>,
    pub(crate) address: SocketAddr,
    pub(crate) key: ClientKey,
    pub(crate) name: Option<Uuid>,
    /// Sent in place of the identity that the key has.
    pub(crate) identity: Option<Vec<u8>>,
    /// Whether it offers connection ids, as devices do.
    pub(crate) offers_connection_id: bool,
    pub(crate) association: Option<AssociationId>,
    pub(crate) hint: Option<Vec<u8>>,
    pub(crate) server_name: Option<PeerName>,
    pub(crate) summary: Option<PeerSummary>,
    pub(crate) ticket: Option<Ticket>,
    pub(crate) end: Option<End>,
    pub(crate) answers: Vec<Result<Response, Failure>>,
    /// Requests of the server, answered 2.05 with their own path.
    pub(crate) asked: Vec<coap_proto::Incoming>,
    dice: Dice,
}

impl Client {
    pub(crate) fn new(number: u8, name: Option<Uuid>, key: ClientKey) -> Self {
        let mut dice = Dice::numbered(1000 + u64::from(number));
        let endpoint = Endpoint::new(Config::default(), dice.split());
        Self {
            provider: crate::world::provider(),
            lines: Coaps::new(None, endpoint, CoapsLimits::default()),
            address: SocketAddr::from(([10, 0, 0, number], 1000)),
            key,
            name,
            identity: None,
            offers_connection_id: true,
            association: None,
            hint: None,
            server_name: None,
            summary: None,
            ticket: None,
            end: None,
            answers: Vec::new(),
            asked: Vec::new(),
            dice,
        }
    }

    fn setup(&mut self) -> ClientSetup {
        let (provider, dice) = (self.provider.clone(), self.dice.split());
        let setup = match &self.key {
            ClientKey::Device(..) | ClientKey::Shared(..) => ClientSetup::psk(provider, dice),
            ClientKey::Private(key) => {
                let suites: &[CipherSuite] = match key.public().kind() {
                    KeyKind::Ec(_) => &[CipherSuite::EcdheEcdsaAes128Ccm8],
                    KeyKind::Rsa { .. } => &[CipherSuite::EcdheRsaAes128GcmSha256],
                };
                ClientSetup::keyed(provider, dice, suites, Some(Credential::raw(key.clone())))
            }
        };
        let connection_id = setup.connection_id.clone().filter(|_| self.offers_connection_id);
        ClientSetup { name: self.name.map(|name| name.0), connection_id, ..setup }
    }

    pub(crate) fn connect(&mut self, to: SocketAddr, now: Now) {
        let setup = self.setup();
        self.association = Some(self.lines.connect(to, setup, now).unwrap());
        (self.summary, self.end) = (None, None);
    }

    /// Connects with the ticket of the last session, or asks for one.
    pub(crate) fn connect_resuming(&mut self, to: SocketAddr, now: Now) {
        let resumption = self.ticket.take().map_or(Resumption::Ask, Resumption::With);
        let setup = ClientSetup { resumption, ..self.setup() };
        self.association = Some(self.lines.connect(to, setup, now).unwrap());
        (self.summary, self.end) = (None, None);
    }

    pub(crate) fn ask(&mut self, request: Request, now: Now) {
        self.lines.request(self.association.unwrap(), request, now).unwrap();
    }

    /// Why the server ended the association.
    pub(crate) fn alert(&self) -> Option<Alert> {
        match self.end {
            Some(End::Closed(closing)) => closing.alert(),
            _ => None,
        }
    }

    pub(crate) fn last_code(&self) -> Option<Code> {
        Some(self.answers.last()?.as_ref().ok()?.code)
    }

    /// Takes what came out; gives the datagrams.
    pub(crate) fn drain(&mut self, now: Now) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut datagrams = Vec::new();
        while let Some(output) = self.lines.next_output() {
            match output {
                Output::Transmit { to, datagram } => datagrams.push((to, datagram)),
                Output::Ask { association, question, .. } => {
                    let answer = self.decide(question);
                    self.lines.answer(association, answer, now).unwrap();
                }
                Output::Connected { summary, .. } => self.summary = Some(*summary),
                Output::Ticket { ticket, .. } => self.ticket = Some(ticket),
                Output::Ended { end, .. } => self.end = Some(end),
                Output::Coap(coap_proto::Output::Answer { response, .. }) => self.answers.push(Ok(response)),
                Output::Coap(coap_proto::Output::Failed { reason, .. }) => self.answers.push(Err(reason)),
                Output::Coap(coap_proto::Output::Request(incoming)) => {
                    let path: Vec<_> = incoming.options().path().map(<[u8]>::to_vec).collect();
                    let mut response = Response::new(Code::CONTENT);
                    response.payload = path.join(&b'/');
                    self.lines.respond(incoming.exchange, response, now).unwrap();
                    self.asked.push(incoming);
                }
                Output::Coap(_) => {}
            }
        }
        datagrams
    }

    fn decide(&mut self, question: Question) -> Answer {
        match question {
            Question::ServerNamed { peer_name, hint } => {
                self.server_name = peer_name;
                self.hint.clone_from(&hint);
                let (id, key) = match &self.key {
                    ClientKey::Shared(id, secret) => (*id, secret.clone()),
                    ClientKey::Device(device, secret) => self.follow(*device, secret),
                    ClientKey::Private(_) => unreachable!("it offers no such suites"),
                };
                let own = || encode_psk_identity(&id).into_bytes();
                Answer::PskCredential { identity: self.identity.clone().unwrap_or_else(own), key }
            }
            Question::PeerKey { peer_name, .. } => {
                self.server_name = peer_name;
                Answer::AcceptKey { ticket_state: None }
            }
            other => unreachable!("a client is not asked {other:?}"),
        }
    }

    /// The key at the end of the hinted chain.
    fn follow(&self, device: Uuid, secret: &Secret) -> (KeyId, Secret) {
        let hint = PskHint::decode(self.hint.as_deref().unwrap()).unwrap();
        let PskHint::Definitions(chain) = hint else { panic!("a key id at bootstrap") };
        let chain: Vec<_> = chain.into_iter().map(KeyDefinition::Derived).collect();
        let (own, mut budget) = (Own(device.into(), secret), RoundBudget::handshake());
        let mut cache = DerivationCache::new();
        let derived =
            derive_chain(&*self.provider, &own, device.into(), &chain, &mut budget, &mut cache).unwrap();
        (chain.last().unwrap().id(), derived)
    }

    pub(crate) fn proof_of_server(&self) -> &PeerProof {
        &self.summary.as_ref().unwrap().proof
    }
}
