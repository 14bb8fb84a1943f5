//! Honest servers in memory: a bootstrap server with an image, and the owner's management system.

use std::net::SocketAddr;
use std::time::Duration;

use agent::{Agent, Settings};
use assure_proto::{KeyDefinition, PskHint, encode_psk_identity};
use clock::{Dice, Moment, Now};
use coap_proto::{Config, ContentFormat, Endpoint, Request, Response};
use coaps::{AssociationId, Coaps, CoapsLimits, Output};
use dtls_proto::{
    Alert, Answer, CertificateType, CipherSuite, ClientAuthentication, Credential, DEFAULT_GROUPS,
    HelloChoice, Listener, ListenerSetup, Question,
};
use model::KeyId;

use super::platform::Platform;
use crate::world::{BOOTSTRAP, Held, MANAGEMENT, Party, World, provider};

pub(super) const START: Moment = Moment::from_micros(1_000_000);
const TICK: Duration = Duration::from_millis(10);

/// One server, honest.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    id: KeyId,
    key: Held,
    hint: Option<Vec<u8>>,
    image: Vec<u8>,
    machine: Coaps<SocketAddr>,
    pub(super) connected: Option<AssociationId>,
    pub(super) answers: usize,
}

impl Peer {
    fn new(address: SocketAddr, party: &Party, hint: Option<Vec<u8>>, image: Vec<u8>) -> Self {
        let mut dice = Dice::numbered(u64::from(address.port()));
        let listener = Listener::new(
            ListenerSetup::new(provider(matches!(party.key, Held::Private(_))), dice.split()),
            START,
        );
        let endpoint = Endpoint::new(Config::default(), dice.split());
        let machine = Coaps::new(Some(listener), endpoint, CoapsLimits::default());
        let (id, key) = (party.id, party.key.clone());
        Self { address, id, key, hint, image, machine, connected: None, answers: 0 }
    }

    /// The servers of a world: bootstrap and management.
    pub(super) fn both(world: &World) -> [Self; 2] {
        let definition = match world.bootstrap.proof.definition() {
            KeyDefinition::Derived(derived) => Some(PskHint::Definitions(vec![derived.clone()])),
            KeyDefinition::Ec(_) | KeyDefinition::Rsa(_) => None,
        };
        let named = world.channel.as_ref().map(|_| PskHint::KeyId(world.channel_name()));
        let [first, second] = [definition, named]
            .map(|hint| hint.map(|hint| hint.encode().expect("a short hint").into_bytes()));
        let manager = world.channel.as_ref().unwrap_or(&world.owner);
        [
            Self::new(BOOTSTRAP, &world.bootstrap, first, world.image.clone()),
            Self::new(MANAGEMENT, manager, second, Vec::new()),
        ]
    }

    pub(super) fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Now) -> Vec<Vec<u8>> {
        self.machine.receive(from, datagram, now);
        self.drain(now)
    }

    pub(super) fn expire(&mut self, now: Now) -> Vec<Vec<u8>> {
        if self.machine.next_deadline().is_some_and(|at| at <= now.moment) {
            self.machine.expire(now);
        }
        self.drain(now)
    }

    pub(super) fn ask(&mut self, request: Request, now: Now) -> Vec<Vec<u8>> {
        if let Some(association) = self.connected {
            // Too many at once are refused here already.
            let _ = self.machine.request(association, request, now);
        }
        self.drain(now)
    }

    fn drain(&mut self, now: Now) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        while let Some(output) = self.machine.next_output() {
            match output {
                Output::Transmit { datagram, .. } => sent.push(datagram),
                Output::Ask { association, question, .. } => {
                    let answer = self.answer(&question);
                    self.machine.answer(association, answer, now).expect("it was asked");
                }
                Output::Connected { association, .. } => self.connected = Some(association),
                Output::Ended { association, .. } if self.connected == Some(association) => {
                    self.connected = None
                }
                Output::Ended { .. } | Output::Ticket { .. } => {}
                Output::Coap(coap_proto::Output::Request(incoming)) => {
                    let is_image = incoming.options().path().last() == Some(b"bootstrap");
                    let response = if is_image {
                        Response::content(ContentFormat::CBOR, self.image.clone())
                    } else {
                        Response::new(coap_proto::Code::CHANGED)
                    };
                    self.machine.respond(incoming.exchange, response, now).expect("it was just asked");
                }
                Output::Coap(coap_proto::Output::Answer { .. }) => self.answers += 1,
                Output::Coap(_) => {}
            }
        }
        sent
    }

    fn answer(&self, question: &Question) -> Answer {
        match (question, &self.key) {
            (Question::Hello(_), _) => Answer::Hello(self.hello()),
            (Question::PskIdentity { identity, .. }, Held::Secret(secret))
                if *identity == encode_psk_identity(&self.id).into_bytes() =>
            {
                Answer::PskKey { key: secret.clone(), ticket_state: None }
            }
            (Question::PeerKey { .. }, _) => Answer::AcceptKey { ticket_state: None },
            (Question::Ticket { .. }, _) => Answer::FullHandshake,
            (Question::PskIdentity { .. } | Question::ServerNamed { .. }, _) => {
                Answer::Refuse(Alert::UnknownPskIdentity)
            }
        }
    }

    fn hello(&self) -> HelloChoice {
        let is_keyed = matches!(self.key, Held::Private(_));
        HelloChoice {
            name: Some(self.id.0),
            suites: CipherSuite::ALL
                .into_iter()
                .filter(|suite| suite.key_agreement().uses_psk() != is_keyed)
                .collect(),
            groups: DEFAULT_GROUPS.to_vec(),
            hint: self.hint.clone(),
            credentials: match &self.key {
                Held::Private(key) => vec![Credential::raw(key.clone())],
                Held::Secret(_) => Vec::new(),
            },
            client_authentication: ClientAuthentication::Required(vec![CertificateType::RawPublicKey]),
            connection_id: None,
        }
    }
}

/// A device that starts with `stored`, the same at every call.
pub(super) fn device(stored: &[u8], is_keyed: bool) -> Platform {
    let now = Now::without_utc(START);
    let started = Agent::start(stored, &Settings::default(), provider(is_keyed), Dice::numbered(3), now);
    let mut platform = Platform::new(started.expect("the state is one"), START);
    platform.settle();
    platform
}

/// Lets device and servers talk for `ticks` of 10 ms; `note` hears of ticks and of datagrams to the device.
pub(super) fn talk(
    platform: &mut Platform,
    peers: &mut [Peer],
    ticks: usize,
    mut note: impl FnMut(Option<(SocketAddr, &[u8])>),
) {
    for _ in 0..ticks {
        note(None);
        platform.pass(TICK);
        let now = platform.now();
        let mut back = Vec::new();
        for (to, datagram) in std::mem::take(&mut platform.way) {
            if let Some(peer) = peers.iter_mut().find(|peer| peer.address == to) {
                let sent = peer.receive(crate::world::DEVICE, &datagram, now);
                back.extend(sent.into_iter().map(|datagram| (peer.address, datagram)));
            }
        }
        for peer in peers.iter_mut() {
            let sent = peer.expire(now);
            back.extend(sent.into_iter().map(|datagram| (peer.address, datagram)));
        }
        for (from, datagram) in back {
            note(Some((from, &datagram)));
            platform.receive(from, &datagram);
        }
    }
}

/// The state from the factory, and the one in the service of the owner.
pub(super) fn states(is_keyed: bool) -> Vec<Vec<u8>> {
    let world = World::of(is_keyed);
    let first = world.first_state();
    let mut platform = device(first.expose(), is_keyed);
    talk(&mut platform, &mut Peer::both(world), 200, |_| {});
    assert!(platform.has_opened, "the device comes into service");
    vec![first.expose().to_vec(), platform.agent.snapshot().expose().to_vec()]
}
