//! Who is it, and is it proven? The part of a face that stands before all requests.
//!
//! ```text
//! hello with a name ----> LookingUp(name) --admitted--> Admitted --Connected, names agree--> Live
//! hello without a name -> Nameless --identity or key--> LookingUp(key) --admitted--> Admitted
//! hello with a ticket --> LookingUp(ticket) --still stands--> Admitted (resumed)
//! ```
//! Everything that does not fit is refused with access_denied, whatever the reason: a stranger learns no
//! more than that it may not come in. A device has one live association: a newer proof of it closes the older.
//! Source: aSSURE 8.3, 8.4; decisions M4, M5, G 26.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use assure_proto::decode_psk_identity;
use clock::{Deadlines, Dice, Moment, Now};
use coap_proto::{Busy, Config, Endpoint, ExchangeId, Incoming, Request, RequestId, Response};
use coaps::{AssociationId, Coaps, CoapsLimits, End};
use crypto::{Provider, PublicKey};
use dtls_proto::{
    Alert, Answer, Credential, Limits, Listener, ListenerSetup, PeerKey, PeerName, PeerProof, PeerSummary,
    Question,
};
use model::Uuid;

use crate::admission::nameless_choice;
use crate::guest::{Asked, Concern, Guest};
use crate::ticket_state::TicketState;
use crate::{Admission, Claim, Counters, EntranceLimits, Proven};

/// Length of our connection ids in bytes: enough that none is met twice by chance.
const CONNECTION_ID_LENGTH: usize = 8;

/// What an entrance is made with.
pub(crate) struct EntranceSetup {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) dice: Dice,
    /// Our keys for clients that give no name.
    pub(crate) own: Vec<Credential>,
    pub(crate) limits: EntranceLimits,
    /// How long a key of tickets serves; `None` gives and takes no tickets.
    pub(crate) ticket_key_duration: Option<Duration>,
    pub(crate) coap: Config,
}

/// One step that the face has to know of.
#[derive(Debug)]
pub(crate) enum Seen {
    Transmit { to: SocketAddr, datagram: Vec<u8> },
    LookUp { association: AssociationId, claim: Claim },
    Arrived(Box<Arrival>),
    Left { association: AssociationId, device: Uuid, end: End },
    Asks { association: AssociationId, device: Uuid, incoming: Incoming },
    Coap(coap_proto::Output),
}

/// A device that has proven itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) association: AssociationId,
    pub(crate) device: Uuid,
    pub(crate) address: SocketAddr,
    pub(crate) proven: Proven,
    pub(crate) resumed: bool,
}

pub(crate) struct Entrance {
    lines: Coaps<SocketAddr>,
    dice: Dice,
    own: Vec<Credential>,
    limits: EntranceLimits,
    guests: BTreeMap<AssociationId, Guest>,
    present: BTreeMap<Uuid, AssociationId>,
    looking_up_count: usize,
    /// When a question of ours, or a session, has lasted too long.
    due: Deadlines<AssociationId>,
    counters: Counters,
}

impl Entrance {
    pub(crate) fn new(setup: EntranceSetup, now: Moment) -> Self {
        let EntranceSetup { provider, mut dice, own, limits, ticket_key_duration, coap } = setup;
        let sessions = Limits { handshake_duration_max: limits.handshake_duration_max, ..Limits::default() };
        let listener = ListenerSetup {
            limits: sessions,
            ticket_key_duration,
            ..ListenerSetup::new(provider, dice.split())
        };
        let bounds = CoapsLimits {
            association_count_max: limits.association_count_max,
            rising_count_max: limits.handshake_count_max,
            rising_per_net_max: limits.handshakes_per_net_max,
            idle_duration_max: limits.idle_duration_max,
        };
        let endpoint = Endpoint::new(coap, dice.split());
        let lines = Coaps::new(Some(Listener::new(listener, now)), endpoint, bounds)
            .with_connection_ids(CONNECTION_ID_LENGTH);
        Self {
            lines,
            dice,
            own,
            limits,
            guests: BTreeMap::new(),
            present: BTreeMap::new(),
            looking_up_count: 0,
            due: Deadlines::new(),
            counters: Counters::default(),
        }
    }

    pub(crate) fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Now) {
        self.lines.receive(from, datagram, now);
    }

    pub(crate) fn expire(&mut self, now: Now) {
        while let Some(association) = self.due.take_due(now.moment) {
            match self.guests.get(&association) {
                Some(Guest::LookingUp(_)) => {
                    Counters::add(&mut self.counters.look_ups_late);
                    self.lines.discard(association, now);
                }
                Some(Guest::Live(_)) => self.lines.close(association, now),
                Some(Guest::Nameless | Guest::Admitted(_)) | None => {}
            }
        }
        self.lines.expire(now);
    }

    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        [self.due.next(), self.lines.next_deadline()].into_iter().flatten().min()
    }

    pub(crate) fn counters(&mut self) -> &mut Counters {
        &mut self.counters
    }

    pub(crate) const fn lines_counted(&self) -> (Counters, coaps::Counters) {
        (self.counters, self.lines.counters())
    }

    pub(crate) fn association_count(&self) -> usize {
        self.lines.len()
    }

    /// The live association of a device.
    pub(crate) fn association_of(&self, device: Uuid) -> Option<AssociationId> {
        self.present.get(&device).copied()
    }

    pub(crate) fn respond(&mut self, exchange: ExchangeId, response: Response, now: Now) {
        // An exchange that is gone has nobody who waits for it.
        self.lines.respond(exchange, response, now).ok();
    }

    pub(crate) fn request(
        &mut self,
        association: AssociationId,
        request: Request,
        now: Now,
    ) -> Result<RequestId, Busy> {
        self.lines.request(association, request, now)
    }

    /// Says goodbye to everybody.
    pub(crate) fn close_all(&mut self, now: Now) {
        let all: Vec<_> = self.guests.keys().copied().collect();
        for association in all {
            self.lines.close(association, now);
        }
    }

    /// Ends everything that concerns a device, so that nothing known of it before has an effect any more:
    /// its association, handshakes on the way to it, and questions whose answers may be of yesterday.
    /// Source: decision M5.
    pub(crate) fn drop_device(&mut self, device: Uuid, now: Now) {
        let all: Vec<_> = self.guests.iter().map(|(id, guest)| (*id, guest.concern(device))).collect();
        for (association, concern) in all {
            match concern {
                Concern::None => {}
                Concern::Live => self.lines.close(association, now),
                Concern::Admitted => self.lines.abort(association, Alert::AccessDenied, now),
                Concern::LookingUp => self.lines.discard(association, now),
            }
        }
    }

    /// The owner cannot take a question: the handshake never happened.
    pub(crate) fn forget_question(&mut self, association: AssociationId, now: Now) {
        if matches!(self.guests.get(&association), Some(Guest::LookingUp(_))) {
            Counters::add(&mut self.counters.look_ups_over_limit);
            self.lines.discard(association, now);
        }
    }

    /// The owner could not find out; the client comes again.
    pub(crate) fn could_not_look_up(&mut self, association: AssociationId, now: Now) {
        if matches!(self.guests.get(&association), Some(Guest::LookingUp(_))) {
            self.lines.abort(association, Alert::InternalError, now);
        }
    }

    /// The owner's answer; `None`: nobody of that name or key may come in.
    pub(crate) fn decide(&mut self, association: AssociationId, admission: Option<Admission>, now: Now) {
        if !matches!(self.guests.get(&association), Some(Guest::LookingUp(_))) {
            return;
        }
        let Some(Guest::LookingUp(asked)) = self.guests.remove(&association) else { return };
        self.looking_up_count -= 1;
        self.due.clear(&association);
        let answer = admission.as_ref().and_then(|admission| match &*asked {
            Asked::Hello(name) if *name == admission.device => self.choose(admission),
            Asked::Hello(_) => None,
            Asked::Ticket(state, proof) => Some(self.judge_ticket(admission, state, proof)),
            Asked::Identity(named) => admission.answer_to_identity(*named),
            Asked::Key(shown) => admission.answer_to_key(shown),
        });
        match (admission, answer) {
            (Some(admission), Some(answer)) => {
                self.guests.insert(association, Guest::Admitted(Box::new(admission)));
                self.answer(association, answer, now);
            }
            (Some(_), None) => self.mismatch(association, now),
            (None, _) => self.deny(association, now),
        }
    }

    fn choose(&mut self, admission: &Admission) -> Option<Answer> {
        let connection_id = self.dice.bytes::<CONNECTION_ID_LENGTH>().to_vec();
        admission.choice(Some(connection_id)).map(Answer::Hello)
    }

    /// A ticket of an earlier key or number is worth nothing; its holder proves itself in full.
    fn judge_ticket(&mut self, admission: &Admission, state: &TicketState, proof: &PeerProof) -> Answer {
        if admission.device == state.device && admission.still_stands(state, proof) {
            let connection_id = Some(self.dice.bytes::<CONNECTION_ID_LENGTH>().to_vec());
            Answer::Resume { name: Some(admission.own_name), connection_id }
        } else {
            Answer::FullHandshake
        }
    }

    fn deny(&mut self, association: AssociationId, now: Now) {
        Counters::add(&mut self.counters.denied);
        self.guests.insert(association, Guest::Nameless);
        self.answer(association, Answer::Refuse(Alert::AccessDenied), now);
    }

    fn mismatch(&mut self, association: AssociationId, now: Now) {
        Counters::add(&mut self.counters.mismatched);
        self.deny(association, now);
    }

    fn answer(&mut self, association: AssociationId, answer: Answer, now: Now) {
        if self.lines.answer(association, answer, now).is_err() {
            self.lines.abort(association, Alert::InternalError, now);
        }
    }

    /// The next step; questions are answered on the way where nobody else has to decide.
    pub(crate) fn next_seen(&mut self, now: Now) -> Option<Seen> {
        while let Some(output) = self.lines.next_output() {
            let seen = match output {
                coaps::Output::Transmit { to, datagram } => Some(Seen::Transmit { to, datagram }),
                coaps::Output::Ask { association, question, .. } => self.ask(association, question, now),
                coaps::Output::Connected { association, address, summary } => {
                    self.connected(association, address, &summary, now)
                }
                // tickets are given by servers, and we never call
                coaps::Output::Ticket { .. } => None,
                coaps::Output::Ended { association, end } => self.ended(association, end),
                coaps::Output::Coap(coap_proto::Output::Request(incoming)) => self.asks(incoming),
                coaps::Output::Coap(other) => Some(Seen::Coap(other)),
            };
            if seen.is_some() {
                return seen;
            }
        }
        None
    }

    fn ask(&mut self, association: AssociationId, question: Question, now: Now) -> Option<Seen> {
        match question {
            Question::Hello(offer) => self.on_hello(association, offer.peer_name, now),
            Question::Ticket { state, proof, peer_name } => {
                match TicketState::from_bytes(&state) {
                    Some(state) if peer_name.is_none_or(|name| name == state.device.0) => {
                        return self.look_up(association, Asked::Ticket(state, proof), now);
                    }
                    Some(_) => self.mismatch(association, now),
                    None => self.answer(association, Answer::FullHandshake, now),
                }
                None
            }
            Question::PskIdentity { identity, .. } => self.on_identity(association, &identity, now),
            Question::PeerKey { key: PeerKey::Raw(key), .. } => self.on_key(association, key, now),
            Question::PeerKey { key: PeerKey::Chain(_), .. } => {
                self.answer(association, Answer::Refuse(Alert::UnsupportedCertificate), now);
                None
            }
            // asked of clients only
            Question::ServerNamed { .. } => {
                self.answer(association, Answer::Refuse(Alert::InternalError), now);
                None
            }
        }
    }

    fn on_hello(&mut self, association: AssociationId, name: Option<PeerName>, now: Now) -> Option<Seen> {
        let Some(name) = name.map(Uuid) else {
            let connection_id = self.dice.bytes::<CONNECTION_ID_LENGTH>().to_vec();
            let choice = nameless_choice(&self.own, Some(connection_id));
            self.guests.insert(association, Guest::Nameless);
            self.answer(association, Answer::Hello(choice), now);
            return None;
        };
        // A ticket of this device that was not good any more has brought its admission already.
        let known = match self.guests.get(&association) {
            Some(Guest::Admitted(admission)) if admission.device == name => Some(admission.clone()),
            Some(Guest::Admitted(_) | Guest::LookingUp(_) | Guest::Nameless | Guest::Live(_)) | None => None,
        };
        let Some(admission) = known else { return self.look_up(association, Asked::Hello(name), now) };
        match self.choose(&admission) {
            Some(answer) => self.answer(association, answer, now),
            None => self.deny(association, now),
        }
        None
    }

    fn on_identity(&mut self, association: AssociationId, identity: &[u8], now: Now) -> Option<Seen> {
        let Ok(named) = decode_psk_identity(identity) else {
            self.deny(association, now);
            return None;
        };
        match self.guests.get(&association) {
            Some(Guest::Admitted(admission)) => match admission.answer_to_identity(named) {
                Some(answer) => self.answer(association, answer, now),
                None => self.mismatch(association, now),
            },
            Some(Guest::Nameless) => return self.look_up(association, Asked::Identity(named), now),
            Some(Guest::LookingUp(_) | Guest::Live(_)) | None => self.deny(association, now),
        }
        None
    }

    fn on_key(&mut self, association: AssociationId, key: PublicKey, now: Now) -> Option<Seen> {
        match self.guests.get(&association) {
            Some(Guest::Admitted(admission)) => match admission.answer_to_key(&key) {
                Some(answer) => self.answer(association, answer, now),
                None => self.mismatch(association, now),
            },
            Some(Guest::Nameless) => return self.look_up(association, Asked::Key(key), now),
            Some(Guest::LookingUp(_) | Guest::Live(_)) | None => self.deny(association, now),
        }
        None
    }

    fn look_up(&mut self, association: AssociationId, asked: Asked, now: Now) -> Option<Seen> {
        if self.looking_up_count >= self.limits.look_up_count_max {
            Counters::add(&mut self.counters.look_ups_over_limit);
            self.lines.discard(association, now);
            return None;
        }
        let claim = asked.claim();
        self.guests.insert(association, Guest::LookingUp(Box::new(asked)));
        self.looking_up_count += 1;
        self.due.set(association, now.moment + self.limits.look_up_duration_max);
        Some(Seen::LookUp { association, claim })
    }

    /// Name, identity and proven key must name one device.
    /// Source: decision M4.
    fn connected(
        &mut self,
        association: AssociationId,
        address: SocketAddr,
        summary: &PeerSummary,
        now: Now,
    ) -> Option<Seen> {
        let Some(Guest::Admitted(admission)) = self.guests.remove(&association) else {
            self.lines.abort(association, Alert::AccessDenied, now);
            return None;
        };
        let device = admission.device;
        let agree = summary.peer_name.is_none_or(|name| name == device.0)
            && admission.key.is_proven_by(&summary.proof);
        if !agree {
            Counters::add(&mut self.counters.mismatched);
            Counters::add(&mut self.counters.denied);
            self.lines.abort(association, Alert::AccessDenied, now);
            return None;
        }
        Counters::add(&mut self.counters.admitted);
        if summary.resumed {
            Counters::add(&mut self.counters.resumed);
        }
        self.guests.insert(association, Guest::Live(device));
        if let Some(older) = self.present.insert(device, association) {
            self.lines.close(older, now);
        }
        if let Some(duration) = self.limits.session_duration_max {
            self.due.set(association, now.moment + duration);
        }
        let proven = admission.key.proven();
        let resumed = summary.resumed;
        Some(Seen::Arrived(Box::new(Arrival { association, device, address, proven, resumed })))
    }

    fn ended(&mut self, association: AssociationId, end: End) -> Option<Seen> {
        self.due.clear(&association);
        match self.guests.remove(&association)? {
            Guest::Live(device) => {
                if self.present.get(&device) == Some(&association) {
                    self.present.remove(&device);
                }
                Some(Seen::Left { association, device, end })
            }
            Guest::LookingUp(_) => {
                self.looking_up_count -= 1;
                None
            }
            Guest::Nameless | Guest::Admitted(_) => None,
        }
    }

    fn asks(&self, incoming: Incoming) -> Option<Seen> {
        let association = AssociationId::from(incoming.peer);
        match self.guests.get(&association) {
            Some(Guest::Live(device)) => Some(Seen::Asks { association, device: *device, incoming }),
            // Requests come out of connected associations alone; one that was refused right then is closed.
            Some(Guest::LookingUp(_) | Guest::Nameless | Guest::Admitted(_)) | None => None,
        }
    }
}
