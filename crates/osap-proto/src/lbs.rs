//! A run on the side of the load balancer.
//!
//! ```text
//! device                                  load balancer         who knows the devices
//! H1-I            -------------------->   LookUp  ----------->
//!                                                 <-----------  record
//!                 <--------------------   H1-II
//! H1-III, 72      -------------------->   Grant   ----------->
//!                                                 <-----------  grant
//!                 <--------------------   82
//! 92, A2          -------------------->   Commit  ----------->
//!                                                 <-----------  committed
//!                                         AskDas  ----------->
//!                                                 <-----------  das
//!                 <--------------------   B2, closed
//! ```
//! Before mac_d is verified nothing but H1-II goes out, and it looks alike for devices that exist and that
//! do not. Kind 1 may have to wait, before anything is looked up; what it tries is counted when H1-II goes out, and
//! the wait is looked at again there: others may have tried while the record was looked up.
//! Source: OSAP secure profile sections 3 to 8, 10 and 14.

mod judgement;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use clock::{Dice, Moment};
use crypto::{PrivateKey, Provider, Secret};
use wire::Cursor;

use judgement::NoAnswer;
pub use judgement::{AllowedKinds, DeviceRecord, TicketOnRecord};

use crate::messages::encode_fifth;
use crate::negotiation::mismatch;
use crate::record::{RecordError, RecordLine};
use crate::run_clock::RunClock;
use crate::{
    AddressPrefix, Claim, CodeTries, Connection, DasInfo, DasRequest, Devid, Ephemeral, FakeRecords, First,
    Frame, FrameError, Header, Inlet, MessageKind, Mode, ProtocolType, Realm, ResultCode, Second, SeenShares,
    Serial, Ticket, TypeGroup,
};
use judgement::Proof;

/// What one load balancer remembers over all its runs; in memory only.
#[derive(Debug, Default)]
pub struct LbsMemory {
    /// Shares of devices.
    pub seen: SeenShares,
    /// Tries with codes.
    pub tries: CodeTries,
}

impl LbsMemory {
    /// Nothing is remembered.
    #[must_use]
    pub const fn new() -> Self {
        Self { seen: SeenShares::new(), tries: CodeTries::new() }
    }
}

/// What a run begins with.
#[derive(Clone, Debug)]
pub struct LbsSetup {
    /// What the port serves, weakest first.
    pub served: TypeGroup,
    /// What the connection is.
    pub connection: Connection,
    /// The exporter of the TLS connection (RFC 9266); none on plain TCP.
    pub exporter: Option<[u8; 32]>,
    /// Where the connection comes from.
    pub from: AddressPrefix,
    /// The name under which devices reach this load balancer.
    pub realm: Realm,
    /// The serial in the client certificate.
    pub certificate_serial: Option<Serial>,
    /// The key of the load balancer, on P-256.
    pub key: Arc<dyn PrivateKey>,
    /// The records of serials that have none.
    pub fakes: Arc<FakeRecords>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LbsEnd {
    /// B2 was sent.
    Completed,
    /// B2 or 82 said this result to a device that had proven itself.
    Told(ResultCode),
    /// An answer outside the records said this result.
    Refused(ResultCode),
    /// The framing is against the rules; nothing was answered.
    Framing(FrameError),
    /// The connection did not begin with H1-I; nothing was answered.
    NoOffer,
    /// A record that is not the next one; nothing was answered.
    Record(RecordError),
    /// A record that opens and cannot be read; nothing was answered.
    Malformed,
    /// The time is over.
    TimeOver,
    /// Our own key or exchange does not do its work; nothing was answered.
    OwnFault,
}

/// What the machine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LbsOutput {
    /// Send these bytes.
    Send(Vec<u8>),
    /// Look up the record of a serial, then call [`LbsRun::record`].
    LookUp {
        /// Who the device says it is.
        serial: Serial,
        /// What the serial is.
        mode: Mode,
        /// How it means to prove that.
        claim: Claim,
    },
    /// The serial was tried with codes a hundred times within a day: raise an alert. The run goes on.
    ManyTries {
        /// Which serial; it need not exist.
        serial: Serial,
    },
    /// The device proved itself and asks for its id: call [`LbsRun::grant`].
    Grant {
        /// Who it is.
        serial: Serial,
    },
    /// The device has stored id and ticket: compare and swap its record, then call [`LbsRun::committed`].
    Commit(Commit),
    /// The device asks for an access service: call [`LbsRun::das`].
    AskDas {
        /// What it asks for.
        request: DasRequest,
        /// The type of the run.
        protocol: ProtocolType,
        /// The das secret, for the ticket.
        das_secret: Secret,
    },
    /// Close the connection.
    Close(LbsEnd),
}

/// What record 92 changes, all at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Whose record.
    pub serial: Serial,
    /// The credential of the run. For a ticket the swap holds only if that ticket is still the one on record.
    pub claim: Claim,
    /// The device id.
    pub devid: Devid,
    /// The new ticket in place of any old one.
    pub ticket: Ticket,
    /// How long it lives, in seconds.
    pub lifetime_secs: u32,
    /// The pre-shared key of the enrolment, after a run of kind 1.
    pub enrol_psk: Option<Secret>,
}

/// What a device that proved itself gets in record 82.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Its id, and a new ticket.
    Devid {
        /// The id on record, or a new one.
        devid: Devid,
        /// Random.
        ticket_id: [u8; 16],
        /// At most 2,592,000 seconds.
        lifetime_secs: u32,
    },
    /// It is blocked.
    Blocked,
}

/// How the compare and swap of a [`Commit`] went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// All of it holds.
    Swapped,
    /// Another run used the ticket first.
    LostRace,
}

/// What record B2 says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DasAnswer {
    /// An access service.
    Das(Box<DasInfo>),
    /// None is there.
    None,
}

#[derive(Debug)]
struct Lines {
    serial: Serial,
    claim: Claim,
    protocol: ProtocolType,
    input: RecordLine,
    out: RecordLine,
    resume: Secret,
    das: Secret,
    enrol: Option<Secret>,
}

#[derive(Debug)]
enum State {
    AwaitFirst,
    AwaitRecord { offer: Box<First>, bytes: Vec<u8> },
    AwaitThird(Box<Proof>),
    AwaitApply(Box<Lines>),
    AwaitGrant(Box<Lines>),
    AwaitConfirm { lines: Box<Lines>, devid: Devid, ticket_id: [u8; 16], lifetime_secs: u32 },
    AwaitCommit(Box<Lines>),
    AwaitAsk { lines: Box<Lines>, outcome: Committed },
    AwaitDas(Box<Lines>),
    Over,
}

/// One run of a load balancer: from an accepted connection to record B2.
#[derive(Debug)]
pub struct LbsRun {
    provider: Arc<dyn Provider>,
    setup: LbsSetup,
    ephemeral: Option<Ephemeral>,
    dice: Dice,
    state: State,
    inlet: Inlet,
    clock: RunClock,
    /// Who proved itself by a code just now: its tries are to be cleared.
    proven_by_code: Option<Serial>,
    outputs: VecDeque<LbsOutput>,
}

impl LbsRun {
    /// A run on a connection that was accepted at `accepted`, TLS included where it is. What it draws, it draws
    /// when the record is there: connections that ask for nothing cost nothing.
    #[must_use]
    pub fn new(provider: Arc<dyn Provider>, setup: LbsSetup, dice: Dice, accepted: Moment) -> Self {
        let (inlet, outputs, clock) = (Inlet::new(), VecDeque::new(), RunClock::accepted(accepted));
        Self {
            provider,
            setup,
            ephemeral: None,
            dice,
            state: State::AwaitFirst,
            inlet,
            clock,
            proven_by_code: None,
            outputs,
        }
    }

    /// The same with what it would draw: for dialogues that are given.
    #[must_use]
    pub fn with_drawn(self, ephemeral: Ephemeral) -> Self {
        Self { ephemeral: Some(ephemeral), ..self }
    }

    /// Takes bytes of the connection, in segments of any size; `memory` is of the whole load balancer.
    pub fn receive(&mut self, bytes: &[u8], memory: &mut LbsMemory, now: Moment) {
        self.expire(now);
        if matches!(self.state, State::Over) {
            return;
        }
        if let Err(error) = self.inlet.push(bytes) {
            return self.close(LbsEnd::Framing(error));
        }
        if matches!(self.state, State::AwaitFirst) {
            // The first byte decides before its message is whole.
            if bytes.first().is_some_and(|_| !self.inlet.begins_with(MessageKind::First)) {
                return self.close(LbsEnd::NoOffer);
            }
            match self.inlet.take() {
                Ok(Some(message)) => self.first(message, memory, now),
                Ok(None) => {}
                Err(error) => self.close(LbsEnd::Framing(error)),
            }
        }
        self.pump(now);
        self.clear_tries(memory);
    }

    /// Answers [`LbsOutput::LookUp`]; `None` for a serial that has no record. `unix_secs` judges the ticket.
    ///
    /// Without effect in another state, as all commands.
    pub fn record(
        &mut self,
        found: Option<&DeviceRecord>,
        unix_secs: u64,
        memory: &mut LbsMemory,
        now: Moment,
    ) {
        self.expire(now);
        match core::mem::replace(&mut self.state, State::Over) {
            State::AwaitRecord { offer, bytes } => {
                let header = Header { protocol: offer.header.protocol, group: self.setup.served.clone() };
                let tried = matches!(offer.claim, Claim::Code(_)).then(|| offer.serial.clone());
                // Offers that came together all saw that nobody waits: only here they pass one by one.
                if let Some(serial) = &tried
                    && let Some(secs) = memory.tries.wait_secs(serial, self.setup.from, now)
                {
                    return self.refuse_with(&header, ResultCode::LATER, &secs.to_be_bytes());
                }
                match self.prepare(*offer, &bytes, found, unix_secs) {
                    Ok((answer, proof)) => {
                        // It lets the other side test one code, even when it never answers.
                        if let Some(serial) = tried
                            && memory.tries.count(&serial, self.setup.from, now)
                        {
                            self.outputs.push_back(LbsOutput::ManyTries { serial });
                        }
                        self.outputs.push_back(LbsOutput::Send(answer));
                        self.clock.await_message(now);
                        self.state = State::AwaitThird(Box::new(proof));
                        self.pump(now);
                        self.clear_tries(memory);
                    }
                    Err(NoAnswer::Refused(result, behind)) => self.refuse_with(&header, result, &behind),
                    Err(NoAnswer::OwnFault) => self.close(LbsEnd::OwnFault),
                }
            }
            other => self.state = other,
        }
    }

    /// Answers [`LbsOutput::Grant`].
    ///
    /// # Panics
    /// When a ticket is to live longer than 2,592,000 seconds.
    pub fn grant(&mut self, grant: Grant, now: Moment) {
        self.expire(now);
        match core::mem::replace(&mut self.state, State::Over) {
            State::AwaitGrant(mut lines) => match grant {
                Grant::Devid { devid, ticket_id, lifetime_secs } => {
                    assert!(lifetime_secs <= 2_592_000, "a ticket lives 30 days at most");
                    let plain =
                        [&[0][..], devid.as_bytes(), &ticket_id, &lifetime_secs.to_be_bytes()].concat();
                    self.outputs.push_back(LbsOutput::Send(lines.out.seal(MessageKind::Devid, &plain)));
                    self.clock.await_message(now);
                    self.state = State::AwaitConfirm { lines, devid, ticket_id, lifetime_secs };
                    self.pump(now);
                }
                Grant::Blocked => self.tell(&mut lines, MessageKind::Devid, ResultCode::BLOCKED),
            },
            other => self.state = other,
        }
    }

    /// Answers [`LbsOutput::Commit`].
    pub fn committed(&mut self, outcome: Committed, now: Moment) {
        self.expire(now);
        match core::mem::replace(&mut self.state, State::Over) {
            State::AwaitCommit(lines) => {
                self.clock.await_message(now);
                self.state = State::AwaitAsk { lines, outcome };
                self.pump(now);
            }
            other => self.state = other,
        }
    }

    /// Answers [`LbsOutput::AskDas`].
    pub fn das(&mut self, answer: &DasAnswer, now: Moment) {
        self.expire(now);
        match core::mem::replace(&mut self.state, State::Over) {
            State::AwaitDas(mut lines) => match answer {
                DasAnswer::Das(das) => match das.encode() {
                    Some(json) if das.served == self.setup.served => {
                        let plain = [&[0][..], &json].concat();
                        self.outputs.push_back(LbsOutput::Send(lines.out.seal(MessageKind::Das, &plain)));
                        self.close(LbsEnd::Completed);
                    }
                    Some(_) | None => self.close(LbsEnd::OwnFault),
                },
                DasAnswer::None => self.tell(&mut lines, MessageKind::Das, ResultCode::NO_DAS),
            },
            other => self.state = other,
        }
    }

    /// The type that the offer asks for, while its record is looked up; `None` in other states.
    #[must_use]
    pub fn protocol(&self) -> Option<ProtocolType> {
        match &self.state {
            State::AwaitRecord { offer, .. } => Some(offer.header.protocol),
            _ => None,
        }
    }

    /// Ends the run when its time is over.
    pub fn expire(&mut self, now: Moment) {
        if !matches!(self.state, State::Over) && self.clock.is_over(now) {
            self.close(LbsEnd::TimeOver);
        }
    }

    /// When [`Self::expire`] is due; `None` once the run is over.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        (!matches!(self.state, State::Over)).then(|| self.clock.deadline())
    }

    /// What is to be done next.
    pub fn next_output(&mut self) -> Option<LbsOutput> {
        self.outputs.pop_front()
    }

    fn clear_tries(&mut self, memory: &mut LbsMemory) {
        if let Some(serial) = self.proven_by_code.take() {
            memory.tries.clear(&serial, self.setup.from);
        }
    }

    fn close(&mut self, end: LbsEnd) {
        self.state = State::Over;
        self.outputs.push_back(LbsOutput::Close(end));
    }

    fn refuse(&mut self, header: &Header, result: ResultCode) {
        self.refuse_with(header, result, &[]);
    }

    fn refuse_with(&mut self, header: &Header, result: ResultCode, behind: &[u8]) {
        self.outputs.push_back(LbsOutput::Send(Second::encode_refusal(header, result, behind)));
        self.close(LbsEnd::Refused(result));
    }

    fn refuse_proof(&mut self, result: ResultCode) {
        self.outputs.push_back(LbsOutput::Send(encode_fifth(result)));
        self.close(LbsEnd::Refused(result));
    }

    fn tell(&mut self, lines: &mut Lines, kind: MessageKind, result: ResultCode) {
        self.outputs.push_back(LbsOutput::Send(lines.out.seal(kind, &[result.0])));
        self.close(LbsEnd::Told(result));
    }

    /// Judges an offer as far as no record is needed.
    fn first(&mut self, message: Vec<u8>, memory: &mut LbsMemory, now: Moment) {
        let frame = Frame::read(&message).ok().flatten().expect("the inlet gives whole messages");
        let mut cursor = Cursor::new(frame.body());
        let Ok(header) = Header::decode(&mut cursor) else {
            let header =
                Header { protocol: self.setup.served.strongest_served(), group: self.setup.served.clone() };
            return self.refuse(&header, ResultCode::MALFORMED);
        };
        if !self.setup.served.has(header.protocol) || !self.setup.connection.can_run(header.protocol) {
            let (answer, result) = mismatch(&header.group, &self.setup.served, ProtocolType::COMPAT);
            self.outputs.push_back(LbsOutput::Send(answer));
            return self.close(LbsEnd::Refused(result));
        }
        let answered = Header { protocol: header.protocol, group: self.setup.served.clone() };
        let offer = match First::decode_payload(self.provider.as_ref(), header, cursor) {
            Ok(offer) => offer,
            Err(error) => return self.refuse(&answered, error.result()),
        };
        if !memory.seen.note(&offer.share) {
            return self.refuse(&answered, ResultCode::BAD_POINT);
        }
        if matches!(offer.claim, Claim::Code(_))
            && let Some(secs) = memory.tries.wait_secs(&offer.serial, self.setup.from, now)
        {
            return self.refuse_with(&answered, ResultCode::LATER, &secs.to_be_bytes());
        }
        self.outputs.push_back(LbsOutput::LookUp {
            serial: offer.serial.clone(),
            mode: offer.mode,
            claim: offer.claim,
        });
        self.clock.await_ourselves();
        self.state = State::AwaitRecord { offer: Box::new(offer), bytes: message };
    }

    fn pump(&mut self, now: Moment) {
        while matches!(
            self.state,
            State::AwaitThird(_) | State::AwaitApply(_) | State::AwaitConfirm { .. } | State::AwaitAsk { .. }
        ) {
            match self.inlet.take() {
                Ok(Some(message)) => self.message(&message, now),
                Ok(None) => return,
                Err(error) => self.close(LbsEnd::Framing(error)),
            }
        }
    }

    fn message(&mut self, message: &[u8], now: Moment) {
        let frame = Frame::read(message).ok().flatten().expect("the inlet gives whole messages");
        match core::mem::replace(&mut self.state, State::Over) {
            State::AwaitThird(proof) => match self.verify(&frame, *proof) {
                Ok(lines) => {
                    self.clock.await_message(now);
                    self.proven_by_code = matches!(lines.claim, Claim::Code(_)).then(|| lines.serial.clone());
                    self.state = State::AwaitApply(Box::new(lines));
                }
                Err(result) => self.refuse_proof(result),
            },
            State::AwaitApply(mut lines) => match opened_empty(&mut lines, &frame, MessageKind::AskDevid) {
                Ok(()) => {
                    self.outputs.push_back(LbsOutput::Grant { serial: lines.serial.clone() });
                    self.clock.await_ourselves();
                    self.state = State::AwaitGrant(lines);
                }
                Err(end) => self.close(end),
            },
            State::AwaitConfirm { mut lines, devid, ticket_id, lifetime_secs } => {
                match opened_empty(&mut lines, &frame, MessageKind::Stored) {
                    Ok(()) => self.commit(lines, devid, ticket_id, lifetime_secs),
                    Err(end) => self.close(end),
                }
            }
            State::AwaitAsk { lines, outcome } => self.ask(&frame, lines, outcome),
            state @ (State::AwaitFirst
            | State::AwaitRecord { .. }
            | State::AwaitGrant(_)
            | State::AwaitCommit(_)
            | State::AwaitDas(_)
            | State::Over) => self.state = state,
        }
    }

    fn commit(&mut self, lines: Box<Lines>, devid: Devid, ticket_id: [u8; 16], lifetime_secs: u32) {
        self.outputs.push_back(LbsOutput::Commit(Commit {
            serial: lines.serial.clone(),
            claim: lines.claim,
            devid,
            ticket: Ticket { id: ticket_id, secret: lines.resume.clone() },
            lifetime_secs,
            enrol_psk: lines.enrol.clone(),
        }));
        self.clock.await_ourselves();
        self.state = State::AwaitCommit(lines);
    }

    fn ask(&mut self, frame: &Frame<'_>, mut lines: Box<Lines>, outcome: Committed) {
        let plain = match lines.input.open(frame, MessageKind::AskDas) {
            Ok(plain) => plain,
            Err(error) => return self.close(LbsEnd::Record(error)),
        };
        let request = DasRequest::decode(plain.expose()).filter(|request| request.serial == lines.serial);
        let Some(request) = request else { return self.close(LbsEnd::Malformed) };
        match outcome {
            Committed::Swapped => {
                let (protocol, das_secret) = (lines.protocol, lines.das.clone());
                self.outputs.push_back(LbsOutput::AskDas { request, protocol, das_secret });
                self.clock.await_ourselves();
                self.state = State::AwaitDas(lines);
            }
            Committed::LostRace => self.tell(&mut lines, MessageKind::Das, ResultCode::TICKET),
        }
    }
}

fn opened_empty(lines: &mut Lines, frame: &Frame<'_>, kind: MessageKind) -> Result<(), LbsEnd> {
    let plain = lines.input.open(frame, kind).map_err(LbsEnd::Record)?;
    if plain.is_empty() { Ok(()) } else { Err(LbsEnd::Malformed) }
}
