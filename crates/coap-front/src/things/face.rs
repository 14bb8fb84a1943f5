//! The machine of all callers.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clock::{Dice, Moment, Now};
use coap_proto::{Config, Delivery, Endpoint, ExchangeId, Incoming, Limits, Response};
use coaps::{AssociationId, Coaps, CoapsLimits};
use crypto::{Provider, Secret};
use dtls_proto::{
    Alert, Answer, ClientAuthentication, DEFAULT_GROUPS, HelloChoice, Listener, ListenerSetup, PeerProof,
    PeerSummary, Question,
};

use super::values::{ThingsCaller, ThingsCommand, ThingsEvent};
use crate::admission::SECRET_SUITES;
use crate::{EntranceLimits, Output};

/// After so long an event is offered again that the owner could not take and that nobody else can answer.
const OFFER_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Length of our connection ids in bytes.
const CONNECTION_ID_LENGTH: usize = 8;
/// The longest name of a caller, in bytes.
const NAME_SIZE_MAX: usize = 64;
/// Seconds after which a caller that found us busy may come again.
const BUSY_SECS: u32 = 1;

/// What a face of callers is made with.
#[derive(Debug)]
pub struct ThingsSetup {
    /// Does the cryptography.
    pub provider: Arc<dyn Provider>,
    /// Randomness of the face.
    pub dice: Dice,
    /// Bounds.
    pub limits: EntranceLimits,
}

impl ThingsSetup {
    /// Bounds: 10,000 associations, closed after a day of silence; 256 handshakes of at most a minute (32 with one
    /// net).
    pub const LIMITS: EntranceLimits = EntranceLimits {
        association_count_max: 10_000,
        handshake_count_max: 256,
        handshakes_per_net_max: 32,
        handshake_duration_max: Duration::from_secs(60),
        look_up_count_max: 256,
        look_up_duration_max: Duration::from_secs(10),
        idle_duration_max: Duration::from_secs(24 * 60 * 60),
        session_duration_max: None,
    };
}

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Caller {
    /// It said hello.
    Nameless,
    /// The owner is asked for the key of this name.
    Claimed(String),
    /// It was given the key of its name to prove.
    Admitted(ThingsCaller),
    /// It has proven it.
    Live(ThingsCaller),
}

/// Callers of things. Plain CoAP gets no answer.
pub struct ThingsFace {
    lines: Coaps<SocketAddr>,
    dice: Dice,
    callers: BTreeMap<AssociationId, Caller>,
    /// Events that came back, oldest first.
    owed: VecDeque<ThingsEvent>,
    offer_at: Option<Moment>,
    outputs: VecDeque<Output<ThingsEvent>>,
    /// Handshakes that asked for a key and did not prove it.
    denied_count: u64,
}

impl std::fmt::Debug for ThingsFace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ThingsFace").field("callers", &self.callers.len()).finish_non_exhaustive()
    }
}

impl ThingsFace {
    /// A face that listens from `now` on.
    #[must_use]
    pub fn new(setup: ThingsSetup, now: Now) -> Self {
        let ThingsSetup { provider, mut dice, limits } = setup;
        let sessions = dtls_proto::Limits {
            handshake_duration_max: limits.handshake_duration_max,
            ..dtls_proto::Limits::default()
        };
        let listener = ListenerSetup {
            limits: sessions,
            ticket_key_duration: None,
            ..ListenerSetup::new(provider, dice.split())
        };
        let bounds = CoapsLimits {
            association_count_max: limits.association_count_max,
            rising_count_max: limits.handshake_count_max,
            rising_per_net_max: limits.handshakes_per_net_max,
            idle_duration_max: limits.idle_duration_max,
        };
        let coap = Config {
            limits: Limits { peer_count_max: limits.association_count_max, ..Limits::default() },
            ..Config::default()
        };
        let endpoint = Endpoint::new(coap, dice.split());
        let lines = Coaps::new(Some(Listener::new(listener, now.moment)), endpoint, bounds)
            .with_connection_ids(CONNECTION_ID_LENGTH);
        Self {
            lines,
            dice,
            callers: BTreeMap::new(),
            owed: VecDeque::new(),
            offer_at: None,
            outputs: VecDeque::new(),
            denied_count: 0,
        }
    }

    /// Takes in one datagram.
    pub fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Now) {
        self.lines.receive(from, datagram, now);
        self.drain(now);
    }

    /// Takes an answer of the owner; one that comes too late changes nothing.
    pub fn command(&mut self, command: ThingsCommand, now: Now) {
        match command {
            ThingsCommand::Known { association, key, for_owner } => {
                self.decide(association, Some((key, for_owner)), now);
            }
            ThingsCommand::Unknown { association } => self.decide(association, None, now),
            ThingsCommand::Respond { exchange, response } => self.respond(exchange, response, now),
            ThingsCommand::RespondObserved { exchange, response } => {
                let observer = self.lines.respond_observed(exchange, response, now);
                let observer = observer.unwrap_or_default();
                self.tell(ThingsEvent::Observing { exchange, observer });
            }
            ThingsCommand::Notify { observer, response } => {
                // One that is gone is told of by its own event.
                self.lines.notify(observer, response, Delivery::Confirmable, now).ok();
            }
            ThingsCommand::Drop { name } => {
                let is_named = |caller: &Caller| match caller {
                    Caller::Nameless => false,
                    Caller::Claimed(own) => *own == name,
                    Caller::Admitted(caller) | Caller::Live(caller) => caller.name == name,
                };
                let all: Vec<_> =
                    self.callers.iter().filter(|(_, caller)| is_named(caller)).map(|(id, _)| *id).collect();
                for association in all {
                    self.lines.abort(association, Alert::AccessDenied, now);
                }
            }
        }
        self.drain(now);
    }

    /// The owner could not take this event.
    pub fn refused(&mut self, event: ThingsEvent, now: Now) {
        match event {
            ThingsEvent::WhoIs { association, .. } => {
                self.lines.abort(association, Alert::InternalError, now);
            }
            ThingsEvent::Asks { incoming, .. } => {
                self.respond(incoming.exchange, Response::busy(BUSY_SECS), now);
            }
            event @ (ThingsEvent::Observing { .. } | ThingsEvent::ObserverGone { .. }) => {
                self.owed.push_back(event);
                self.offer_at.get_or_insert(now.moment + OFFER_AGAIN_AFTER);
            }
        }
        self.drain(now);
    }

    /// Does what is due.
    pub fn expire(&mut self, now: Now) {
        self.lines.expire(now);
        if self.offer_at.is_some_and(|at| at <= now.moment) {
            self.offer_at = None;
            self.outputs.extend(self.owed.drain(..).map(Output::Event));
        }
        self.drain(now);
    }

    /// Says goodbye to everybody.
    pub fn stop(&mut self, now: Now) {
        let all: Vec<_> = self.callers.keys().copied().collect();
        for association in all {
            self.lines.close(association, now);
        }
        self.drain(now);
    }

    /// The next effect.
    pub fn next_output(&mut self) -> Option<Output<ThingsEvent>> {
        self.outputs.pop_front()
    }

    /// When to call [`ThingsFace::expire`].
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        [self.offer_at, self.lines.next_deadline()].into_iter().flatten().min()
    }

    /// Handshakes that ended because nobody proved the key of a name.
    #[must_use]
    pub const fn denied_count(&self) -> u64 {
        self.denied_count
    }

    fn tell(&mut self, event: ThingsEvent) {
        let may_wait = matches!(event, ThingsEvent::Observing { .. } | ThingsEvent::ObserverGone { .. });
        match may_wait && !self.owed.is_empty() {
            true => self.owed.push_back(event),
            false => self.outputs.push_back(Output::Event(event)),
        }
    }

    fn respond(&mut self, exchange: ExchangeId, response: Response, now: Now) {
        // An exchange that is gone has nobody who waits for it.
        self.lines.respond(exchange, response, now).ok();
    }

    fn answer(&mut self, association: AssociationId, answer: Answer, now: Now) {
        if self.lines.answer(association, answer, now).is_err() {
            self.lines.abort(association, Alert::InternalError, now);
        }
    }

    fn drain(&mut self, now: Now) {
        while let Some(output) = self.lines.next_output() {
            match output {
                coaps::Output::Transmit { to, datagram } => {
                    self.outputs.push_back(Output::Transmit { to, datagram });
                }
                coaps::Output::Ask { association, question, .. } => self.ask(association, question, now),
                coaps::Output::Connected { association, summary, .. } => {
                    self.connected(association, &summary, now);
                }
                coaps::Output::Ended { association, .. } => {
                    if !matches!(self.callers.remove(&association), Some(Caller::Live(_)) | None) {
                        self.denied_count = self.denied_count.saturating_add(1);
                    }
                }
                coaps::Output::Coap(coap_proto::Output::Request(incoming)) => self.asks(incoming),
                coaps::Output::Coap(coap_proto::Output::ObserverGone { observer, .. }) => {
                    self.tell(ThingsEvent::ObserverGone { observer });
                }
                // Tickets are given by servers, and we never call. Who is due a word of life is told the next
                // value; a silent thing needs none, since a caller that is gone is found out by its association.
                coaps::Output::Ticket { .. } | coaps::Output::Coap(_) => {}
            }
        }
    }

    fn ask(&mut self, association: AssociationId, question: Question, now: Now) {
        match question {
            Question::Hello(_) => {
                self.callers.insert(association, Caller::Nameless);
                let choice = HelloChoice {
                    name: None,
                    suites: SECRET_SUITES.to_vec(),
                    groups: DEFAULT_GROUPS.to_vec(),
                    hint: None,
                    credentials: Vec::new(),
                    client_authentication: ClientAuthentication::None,
                    connection_id: Some(self.dice.bytes::<CONNECTION_ID_LENGTH>().to_vec()),
                };
                self.answer(association, Answer::Hello(choice), now);
            }
            Question::PskIdentity { identity, .. } => {
                let name = String::from_utf8(identity).ok();
                match name.filter(|name| (1..=NAME_SIZE_MAX).contains(&name.len())) {
                    Some(name) => {
                        self.callers.insert(association, Caller::Claimed(name.clone()));
                        self.tell(ThingsEvent::WhoIs { association, name });
                    }
                    None => self.deny(association, now),
                }
            }
            Question::Ticket { .. } => self.answer(association, Answer::FullHandshake, now),
            Question::PeerKey { .. } | Question::ServerNamed { .. } => {
                self.answer(association, Answer::Refuse(Alert::AccessDenied), now);
            }
        }
    }

    /// Goes on with a key that nobody has: a name that is not there looks like a wrong key.
    fn deny(&mut self, association: AssociationId, now: Now) {
        self.callers.insert(association, Caller::Nameless);
        let key = Secret::from(&self.dice.bytes::<32>()[..]);
        self.answer(association, Answer::PskKey { key, ticket_state: None }, now);
    }

    fn decide(&mut self, association: AssociationId, known: Option<(Secret, bool)>, now: Now) {
        let Some(Caller::Claimed(name)) = self.callers.get(&association) else { return };
        match known {
            Some((key, for_owner)) => {
                let admitted = Caller::Admitted(ThingsCaller { name: name.clone(), for_owner });
                self.callers.insert(association, admitted);
                self.answer(association, Answer::PskKey { key, ticket_state: None }, now);
            }
            None => self.deny(association, now),
        }
    }

    fn connected(&mut self, association: AssociationId, summary: &PeerSummary, now: Now) {
        let proven = match &summary.proof {
            PeerProof::Psk { identity, .. } => Some(identity.as_slice()),
            PeerProof::Nothing | PeerProof::RawKey(_) | PeerProof::Chain(_) => None,
        };
        match self.callers.get(&association) {
            Some(Caller::Admitted(caller)) if proven == Some(caller.name.as_bytes()) => {
                let live = Caller::Live(caller.clone());
                self.callers.insert(association, live);
            }
            _ => self.lines.abort(association, Alert::AccessDenied, now),
        }
    }

    fn asks(&mut self, incoming: Incoming) {
        let association = AssociationId::from(incoming.peer);
        let Some(Caller::Live(caller)) = self.callers.get(&association) else { return };
        let Some(address) = self.lines.address(association).copied() else { return };
        let (caller, incoming) = (caller.clone(), Box::new(incoming));
        let asks = ThingsEvent::Asks { association, caller, address, incoming };
        self.tell(asks);
    }
}
