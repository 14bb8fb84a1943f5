//! One association, from its first message to its last.
//!
//! ```text
//! Handshaking --Finished both ways--> Connected --alert, exhaustion, close--> Closed
//!      +------ violation, refusal, silence -----------------------------------^
//! ```
//! While handshaking, clear and protected handshake records feed the reassembly, and complete messages feed
//! the role one by one until it asks something. When it is over, everything the handshake needed is dropped,
//! except a last flight of ours that the peer may not have heard.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use clock::{Dice, Moment};
use crypto::Provider;

use crate::alert::{Level, Stop};
use crate::client::{AwaitServerHello, ClientState};
use crate::codec::client_hello::random_of;
use crate::flight::{Due, Flight};
use crate::handshake::{Done, Role, Step, Tools};
use crate::line::Line;
use crate::listener::first_hello;
use crate::record::{RawRecords, RecordLayer, first_connection_id};
use crate::server::{TicketReader, greet};
use crate::{
    Alert, Answer, ClientSetup, Closing, Limits, Noise, NoiseCounts, NotAsked, Output, SendError, SetupError,
};

/// A datagram limit below this could not hold one fragment in each record.
const DATAGRAM_SIZE_MIN: usize = 256;

/// How long a last flight is kept for a peer that did not hear it. Source: RFC 6347 section 4.2.4
/// (twice the maximum segment lifetime, which TCP sets to two minutes).
const LAST_FLIGHT_DURATION: Duration = Duration::from_secs(240);

/// How long after the last record prepared keys are kept (ADR 0170).
const PREPARED_DURATION: Duration = Duration::from_secs(10);

/// What a datagram turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It held a genuine protected record that is newer than all before: the peer is where it came from.
    /// Only now may an association move to a new address (RFC 9146 section 6).
    Newest,
    /// It was of use, but proves nothing about the address.
    Useful,
    /// Nothing in it was of use.
    Noise,
}

/// One DTLS association, client or server.
pub struct Session {
    pub(crate) line: Line,
    pub(crate) phase: Phase,
    /// The start of the hello's random, to know the hello again.
    hello_mark: Option<[u8; 8]>,
}

pub(crate) enum Phase {
    Handshaking(Box<Handshaking>),
    Connected {
        /// Ours was the last flight, and the peer has not shown that it heard it.
        last_flight: Option<Box<LastFlight>>,
        /// When keys were last used, whether or not the record was genuine.
        last_record: Moment,
        /// When it is looked at whether the association has fallen silent; `None` while it is.
        look_at: Option<Moment>,
    },
    Closed,
}

pub(crate) struct Handshaking {
    pub(crate) role: Role,
    pub(crate) tools: Tools,
    /// Protected records that came before their keys.
    pub(crate) early: Vec<Vec<u8>>,
    /// Plaintext that came before Finished.
    pub(crate) held: Vec<Vec<u8>>,
    /// Protected records that were not genuine.
    pub(crate) forged: u8,
    /// Whether a genuine protected record came; clear alerts count no more from then on.
    pub(crate) heard_protected: bool,
    give_up_at: Moment,
}

pub(crate) struct LastFlight {
    pub(crate) flight: Flight,
    keep_until: Moment,
}

/// What a listener hands over with a stranger.
pub(crate) struct Accepted<'a> {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) dice: Dice,
    pub(crate) limits: Limits,
    pub(crate) tickets: TicketReader,
    pub(crate) record_sequence: u64,
    pub(crate) message_seq: u16,
    pub(crate) hello: &'a [u8],
    pub(crate) now: Moment,
}

impl Session {
    /// Starts a handshake as client; its hello is the first output.
    ///
    /// # Errors
    /// What in the setup cannot work.
    pub fn client(setup: ClientSetup, now: Moment) -> Result<Self, SetupError> {
        let mut setup = setup;
        let limits = setup.limits;
        if limits.datagram_size_max < DATAGRAM_SIZE_MIN {
            return Err(SetupError::DatagramsTooSmall);
        }
        let provider = setup.provider.clone();
        let dice = setup.dice.split();
        let mut tools = Tools::new(dice, limits, 0, 0);
        let hello = AwaitServerHello::new(setup, &mut tools.dice)?;
        let line = Line::new(RecordLayer::starting_at(provider, 0), limits.datagram_size_max);
        let mut session = Self::handshaking(line, tools, now);
        session.take_step(now, |_, step| {
            hello.send(step)?;
            Ok(Role::Client(ClientState::Hello(Box::new(hello))))
        });
        Ok(session)
    }

    /// Starts a handshake as server, with a hello whose cookie was genuine.
    pub(crate) fn accept(accepted: Accepted<'_>) -> Self {
        let Accepted { provider, dice, limits, tickets, record_sequence, message_seq, hello, now } = accepted;
        let records = RecordLayer::starting_at(provider, record_sequence);
        let line = Line::new(records, limits.datagram_size_max.max(DATAGRAM_SIZE_MIN));
        let tools = Tools::new(dice, limits, message_seq, message_seq + 1);
        let mut session = Self::handshaking(line, tools, now);
        session.hello_mark = mark_of(hello);
        session.take_step(now, |_, step| {
            let code = crate::codec::MessageType::ClientHello.code();
            step.tools.transcript.append(code, message_seq, hello)?;
            greet(hello, tickets, step)
        });
        session
    }

    fn handshaking(line: Line, tools: Tools, now: Moment) -> Self {
        let give_up_at = now + tools.limits.handshake_duration_max;
        let handshaking = Handshaking {
            role: Role::Spent,
            tools,
            early: Vec::new(),
            held: Vec::new(),
            forged: 0,
            heard_protected: false,
            give_up_at,
        };
        Self { line, phase: Phase::Handshaking(Box::new(handshaking)), hello_mark: None }
    }

    /// Takes a datagram of the peer.
    pub fn receive(&mut self, datagram: &[u8], now: Moment) -> Arrival {
        let id_length = self.line.records.own_connection_id().map_or(0, <[u8]>::len);
        let mut arrival = Arrival::Noise;
        for record in RawRecords::new(datagram, id_length) {
            let outcome = record.and_then(|record| self.on_record(&record, now));
            match outcome {
                Ok(Arrival::Newest) => arrival = Arrival::Newest,
                Ok(Arrival::Useful) if arrival == Arrival::Noise => arrival = Arrival::Useful,
                Ok(Arrival::Useful | Arrival::Noise) => {}
                Err(noise) => {
                    self.line.count(noise);
                    self.on_noise(noise);
                }
            }
            self.advance(now);
        }
        arrival
    }

    /// Does what is due at `now`.
    pub fn expire(&mut self, now: Moment) {
        match &mut self.phase {
            Phase::Handshaking(state) => {
                let due = if state.give_up_at <= now { Due::GiveUp } else { state.tools.flight.due(now) };
                match due {
                    Due::Nothing => {}
                    Due::Again => self.repeat_flight(now),
                    Due::GiveUp => self.end(Closing::TimedOut),
                }
            }
            Phase::Connected { last_flight, last_record, look_at } => {
                if last_flight.as_ref().is_some_and(|last| last.keep_until <= now) {
                    *last_flight = None;
                }
                let rest_at = *last_record + PREPARED_DURATION;
                if look_at.is_some_and(|at| at <= now) {
                    *look_at = (rest_at > now).then_some(rest_at);
                    if look_at.is_none() {
                        self.line.records.rest();
                    }
                }
            }
            Phase::Closed => {}
        }
    }

    /// When [`Session::expire`] has something to do next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        match &self.phase {
            Phase::Handshaking(state) => {
                let flight = state.tools.flight.deadline();
                Some(flight.map_or(state.give_up_at, |at| at.min(state.give_up_at)))
            }
            Phase::Connected { last_flight, look_at, .. } => {
                let keep_until = last_flight.as_ref().map(|last| last.keep_until);
                [keep_until, *look_at].into_iter().flatten().min()
            }
            Phase::Closed => None,
        }
    }

    /// Answers the open question.
    ///
    /// # Errors
    /// [`NotAsked`] when no question is open that this answers; nothing changed.
    pub fn answer(&mut self, answer: Answer, now: Moment) -> Result<(), NotAsked> {
        match &self.phase {
            Phase::Handshaking(state) if state.role.wants(&answer) => {}
            Phase::Handshaking(_) | Phase::Connected { .. } | Phase::Closed => return Err(NotAsked),
        }
        self.take_step(now, |role, step| role.answer(answer, step));
        self.advance(now);
        Ok(())
    }

    /// Sends plaintext as one record in one datagram.
    ///
    /// # Errors
    /// Why it was not sent; only [`SendError::Exhausted`] ends the session.
    pub fn send(&mut self, plaintext: &[u8], now: Moment) -> Result<(), SendError> {
        match self.phase {
            Phase::Handshaking(_) => return Err(SendError::NotConnected),
            Phase::Closed => return Err(SendError::Closed),
            Phase::Connected { .. } => {}
        }
        let limit = self.line.plaintext_size_max();
        if plaintext.len() > limit {
            return Err(SendError::TooLong { limit });
        }
        let sent = self.line.send(plaintext);
        self.note_record(now);
        if sent.is_err() {
            self.end(Closing::Exhausted);
            return Err(SendError::Exhausted);
        }
        Ok(())
    }

    /// Says goodbye and ends the session.
    pub fn close(&mut self, _now: Moment) {
        let alert = match self.phase {
            Phase::Handshaking(_) => Alert::UserCanceled,
            Phase::Connected { .. } => Alert::CloseNotify,
            Phase::Closed => return,
        };
        let level = if alert == Alert::CloseNotify { Level::Warning } else { Level::Fatal };
        self.line.alert(level, alert);
        self.end(Closing::ByUs(alert));
    }

    /// Ends the session with a fatal alert, for a caller that finds after `Connected` that names and keys do
    /// not belong together (decision M4).
    pub fn abort(&mut self, alert: Alert, _now: Moment) {
        if !matches!(self.phase, Phase::Closed) {
            self.fail(Stop::Refused(alert));
        }
    }

    /// The next output, in order; `None` when all have been taken.
    pub fn next_output(&mut self) -> Option<Output> {
        let output = self.line.outputs.pop_front();
        if output.is_none() {
            self.line.outputs = alloc::collections::VecDeque::new();
        }
        output
    }

    /// Whether plaintext can be sent.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected { .. })
    }

    /// Whether the session is over.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// Whether this session was accepted from the very hello that `datagram` carries: then the datagram is a
    /// repetition and belongs here, not to the listener.
    #[must_use]
    pub fn accepted_from(&self, datagram: &[u8]) -> bool {
        let Ok((_, hello)) = first_hello(datagram) else { return false };
        self.hello_mark.is_some() && mark_of(hello.body) == self.hello_mark
    }

    /// The connection id that peers put on records for us, once it is settled.
    #[must_use]
    pub fn own_connection_id(&self) -> Option<&[u8]> {
        self.line.records.own_connection_id()
    }

    /// Bytes of plaintext that [`Session::send`] takes at once.
    #[must_use]
    pub fn plaintext_size_max(&self) -> usize {
        self.line.plaintext_size_max()
    }

    /// Changes the largest datagram that is sent; values under 256 count as 256.
    pub fn set_datagram_size_max(&mut self, bytes: usize) {
        self.line.datagram_size_max = bytes.max(DATAGRAM_SIZE_MIN);
    }

    /// What was dropped so far.
    #[must_use]
    pub const fn noise(&self) -> NoiseCounts {
        self.line.noise
    }

    /// Takes one step of the handshake, and carries its consequences.
    pub(crate) fn take_step(
        &mut self,
        now: Moment,
        act: impl FnOnce(Role, &mut Step<'_>) -> Result<Role, Stop>,
    ) {
        let Phase::Handshaking(state) = &mut self.phase else { return };
        let role = core::mem::replace(&mut state.role, Role::Spent);
        let mut step = Step { line: &mut self.line, tools: &mut state.tools, now };
        match act(role, &mut step) {
            Ok(Role::Done(done)) => self.connect(*done, now),
            Ok(role) => state.role = role,
            Err(stop) => self.fail(stop),
        }
    }

    /// Hands complete messages to the role until it asks, waits or ends.
    pub(crate) fn advance(&mut self, now: Moment) {
        loop {
            self.replay_early(now);
            let Phase::Handshaking(state) = &mut self.phase else { return };
            if state.role.is_asking() {
                return;
            }
            match state.tools.reassembly.take_next() {
                Ok(Some(message)) => self.take_step(now, |role, step| role.receive(&message, step)),
                Ok(None) => return,
                Err(stop) => return self.fail(stop),
            }
        }
    }

    /// Opens records that had come before their keys.
    fn replay_early(&mut self, now: Moment) {
        let Phase::Handshaking(state) = &mut self.phase else { return };
        if !self.line.records.can_read_protected() || state.early.is_empty() {
            return;
        }
        let early = core::mem::take(&mut state.early);
        let id_length = self.line.records.own_connection_id().map_or(0, <[u8]>::len);
        for whole in early {
            for record in RawRecords::new(&whole, id_length) {
                if let Err(noise) = record.and_then(|record| self.on_record(&record, now)) {
                    self.line.count(noise);
                }
            }
        }
    }

    pub(crate) fn repeat_flight(&mut self, now: Moment) {
        let Phase::Handshaking(state) = &mut self.phase else { return };
        let size = self.line.datagram_size_max;
        match state.tools.flight.transmit(&mut self.line.records, size, now) {
            Ok(datagrams) => self.line.transmit_all(datagrams),
            Err(stop) => self.fail(stop),
        }
    }

    fn connect(&mut self, done: Done, now: Moment) {
        let before = core::mem::replace(&mut self.phase, Phase::Closed);
        let Phase::Handshaking(state) = before else { return };
        let mut flight = state.tools.flight;
        flight.stop_clock();
        let last = LastFlight { flight, keep_until: now + LAST_FLIGHT_DURATION };
        let last_flight = done.sent_last.then(|| Box::new(last));
        let look_at = Some(now + PREPARED_DURATION);
        self.phase = Phase::Connected { last_flight, last_record: now, look_at };
        if let Some(ticket) = done.ticket {
            self.line.put(Output::Ticket(ticket));
        }
        self.line.put(Output::Connected(Box::new(done.summary)));
        for plaintext in state.held {
            self.line.put(Output::Data(plaintext));
        }
    }

    /// Notes that keys were used, if they were. The moment to look does not move with each record: whoever
    /// keeps deadlines is not troubled by traffic.
    pub(crate) fn note_record(&mut self, now: Moment) {
        let Phase::Connected { last_record, look_at, .. } = &mut self.phase else { return };
        if look_at.is_some() {
            *last_record = now;
        } else if self.line.records.is_prepared() {
            (*last_record, *look_at) = (now, Some(now + PREPARED_DURATION));
        }
    }

    pub(crate) fn fail(&mut self, stop: Stop) {
        let closing = match stop {
            Stop::Violated(violation) => Closing::Violated(violation),
            Stop::Refused(alert) => Closing::ByUs(alert),
            Stop::Fault => Closing::Fault,
            Stop::Exhausted => Closing::Exhausted,
        };
        if let Some(alert) = closing.alert() {
            self.line.alert(Level::Fatal, alert);
        }
        self.end(closing);
    }

    pub(crate) fn end(&mut self, closing: Closing) {
        self.phase = Phase::Closed;
        self.line.put(Output::Closed(closing));
    }

    /// Watches for protected records that do not open while Finished is awaited. A single one may be forged
    /// by anybody; after the third the peer is told, since more likely it has another key. Records that
    /// came before the keys are not watched: anybody can send those. A record with another connection id is of
    /// a peer that took the hello of another handshake for ours.
    fn on_noise(&mut self, noise: Noise) {
        const FORGED_MAX: u8 = 3;
        let Phase::Handshaking(state) = &mut self.phase else { return };
        let is_watched = matches!(noise, Noise::NotGenuine | Noise::WrongConnectionId);
        if !is_watched || state.heard_protected {
            return;
        }
        state.forged += 1;
        if state.forged == FORGED_MAX {
            self.fail(Stop::rule(Alert::BadRecordMac, "RFC6347-4.1.2.7"));
        }
    }
}

impl core::fmt::Debug for Session {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self.phase {
            Phase::Handshaking(_) => "Session(handshaking)",
            Phase::Connected { .. } => "Session(connected)",
            Phase::Closed => "Session(closed)",
        })
    }
}

fn mark_of(hello: &[u8]) -> Option<[u8; 8]> {
    random_of(hello).and_then(|random| random.first_chunk().copied())
}

/// The connection id on the first record of a datagram, when it has one and ids here have `length` bytes.
#[must_use]
pub fn connection_id_of(datagram: &[u8], length: usize) -> Option<&[u8]> {
    first_connection_id(datagram, length)
}
