//! The load balancer: one run for each connection.
//!
//! ```text
//! connection -> run -- LookUp, Grant, Commit, ChooseDas --> owner
//!                   <- Found, Granted, Committed, Das  ---
//! ```
//! Shares and tries with codes are remembered over all runs. A run whose question the owner cannot take or
//! answer is closed without a word: the device comes again. Type 1 is run on connections of its own door alone.

mod compat;
mod machine;
mod words;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use clock::{Deadlines, Dice, Moment, Now};
use crypto::{PrivateKey, Provider};
use osap_proto::{
    AddressPrefix, Claim, Connection, DasAnswer, DeviceRecord, Devid, FakeRecords, LbsEnd, LbsMemory,
    LbsOutput, LbsRun, LbsSetup, ProtocolType, Realm, Serial, TypeGroup,
};

use crate::{LineId, Output};
use machine::Machine;
pub use words::{Arrival, DeviceCertificate, LbsCommand, LbsEvent, Tls};

/// What a load balancer is.
#[derive(Clone)]
pub struct LbsSettings {
    /// What the port serves, weakest first.
    pub served: TypeGroup,
    /// The name under which devices reach it.
    pub realm: Realm,
    /// Its key, on P-256.
    pub key: Arc<dyn PrivateKey>,
    /// The records of serials that have none.
    pub fakes: Arc<FakeRecords>,
    /// Runs at once; the newest over it is closed.
    pub run_count_max: usize,
}

impl fmt::Debug for LbsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LbsSettings").field("served", &self.served).finish_non_exhaustive()
    }
}

/// What a load balancer counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LbsCounters {
    /// Runs that began.
    pub runs: u64,
    /// Connections closed because too many runs were under way.
    pub over_limit: u64,
    /// Runs that ended with record B2 and an access service.
    pub completed: u64,
    /// Runs that ended with an answer that says why not.
    pub refused: u64,
    /// Runs that ended without an answer, for what the peer sent.
    pub broken: u64,
    /// Runs that took too long.
    pub late: u64,
    /// Runs closed because a question of theirs was not taken or answered.
    pub unanswered: u64,
    /// Runs that ended with their connection.
    pub lost: u64,
    /// Runs of type 1 that began; they are among the runs.
    pub compat_runs: u64,
}

struct Run {
    machine: Machine,
    /// What its port serves.
    served: TypeGroup,
    certificate: Option<DeviceCertificate>,
    claim: Option<Claim>,
    generation: u64,
    devid: Option<Devid>,
    serial: Option<Serial>,
}

/// The load balancer for many connections.
pub struct LbsFace {
    provider: Arc<dyn Provider>,
    settings: LbsSettings,
    dice: Dice,
    memory: LbsMemory,
    /// Boxed: the map moves its values about whenever one comes or goes.
    runs: BTreeMap<LineId, Box<Run>>,
    due: Deadlines<LineId>,
    outputs: VecDeque<Output<LbsEvent>>,
    counters: LbsCounters,
}

impl fmt::Debug for LbsFace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LbsFace").field("runs", &self.runs.len()).finish_non_exhaustive()
    }
}

impl LbsFace {
    /// A load balancer that remembers nothing yet.
    #[must_use]
    pub fn new(provider: Arc<dyn Provider>, settings: LbsSettings, dice: Dice) -> Self {
        Self {
            provider,
            settings,
            dice,
            memory: LbsMemory::new(),
            runs: BTreeMap::new(),
            due: Deadlines::new(),
            outputs: VecDeque::new(),
            counters: LbsCounters::default(),
        }
    }

    /// What was counted so far.
    #[must_use]
    pub const fn counters(&self) -> LbsCounters {
        self.counters
    }

    /// A connection is there.
    pub fn opened(&mut self, line: LineId, arrival: Arrival, now: Now) {
        if self.is_full(line) {
            return;
        }
        let served = self.settings.served.clone();
        let machine = Machine::Secure(Box::new(self.run_of(&arrival, &served)));
        self.begin(line, machine, served, arrival, now);
    }

    /// Whether no run more may begin: the connection is closed then.
    fn is_full(&mut self, line: LineId) -> bool {
        let is_full = self.runs.len() >= self.settings.run_count_max;
        if is_full {
            self.counters.over_limit += 1;
            self.outputs.push_back(Output::Close { line });
        }
        is_full
    }

    fn begin(&mut self, line: LineId, machine: Machine, served: TypeGroup, arrival: Arrival, now: Now) {
        let certificate = arrival.tls.and_then(|tls| tls.certificate);
        let (claim, devid, serial) = (None, None, None);
        self.counters.runs += 1;
        let run = Run { machine, served, certificate, claim, generation: 0, devid, serial };
        self.runs.insert(line, Box::new(run));
        self.settle(line, now);
    }

    /// A run of the profile.
    fn run_of(&mut self, arrival: &Arrival, served: &TypeGroup) -> LbsRun {
        let exporter = arrival.tls.as_ref().map(|tls| tls.exporter);
        let certificate = arrival.tls.as_ref().and_then(|tls| tls.certificate.as_ref());
        let connection = match (&exporter, certificate) {
            (None, _) => Connection::Plain,
            (Some(_), None) => Connection::Tls,
            (Some(_), Some(_)) => Connection::Mutual,
        };
        let setup = LbsSetup {
            served: served.clone(),
            connection,
            exporter,
            from: AddressPrefix::of(arrival.from),
            realm: self.settings.realm.clone(),
            certificate_serial: certificate.and_then(|certificate| certificate.serial.clone()),
            key: Arc::clone(&self.settings.key),
            fakes: Arc::clone(&self.settings.fakes),
        };
        let provider = Arc::clone(&self.provider);
        LbsRun::new(provider, setup, self.dice.split(), arrival.accepted)
    }

    /// Bytes arrived.
    pub fn receive(&mut self, line: LineId, bytes: &[u8], now: Now) {
        let Some(run) = self.runs.get_mut(&line) else { return };
        match &mut run.machine {
            Machine::Secure(machine) => machine.receive(bytes, &mut self.memory, now.moment),
            Machine::Compat(machine) => machine.receive(bytes, &mut self.memory, now.moment),
            Machine::Undecided(waiting) => {
                waiting.bytes.extend_from_slice(bytes);
                return self.decide(line, now);
            }
        }
        self.settle(line, now);
    }

    /// The connection is gone.
    pub fn closed(&mut self, line: LineId, _now: Now) {
        if self.runs.remove(&line).is_some() {
            self.counters.lost += 1;
            self.due.clear(&line);
        }
    }

    /// The owner answers.
    pub fn command(&mut self, command: LbsCommand, now: Now) {
        let line = command.line();
        let Some(run) = self.runs.get_mut(&line) else { return };
        match (command, &mut run.machine) {
            (LbsCommand::Unable { .. }, _) => return self.drop_unanswered(line),
            (LbsCommand::Found { record, generation, .. }, Machine::Secure(machine)) => {
                let Some(utc) = now.utc else { return self.drop_unanswered(line) };
                let is_own = |record: &DeviceRecord| {
                    machine.protocol() != Some(ProtocolType::MUTUAL)
                        || run.certificate.as_ref().is_some_and(|shown| shown.is_of(record))
                };
                let record =
                    record.map(|record| if is_own(&record) { *record } else { record.for_a_stranger() });
                run.generation = generation;
                let unix_secs = utc.as_unix_millis() / 1000;
                machine.record(record.as_ref(), unix_secs, &mut self.memory, now.moment);
            }
            (LbsCommand::Granted { grant, .. }, Machine::Secure(machine)) => machine.grant(grant, now.moment),
            (LbsCommand::Committed { outcome, .. }, Machine::Secure(machine)) => {
                machine.committed(outcome, now.moment);
            }
            (LbsCommand::Das { mut answer, .. }, Machine::Secure(machine)) => {
                if let DasAnswer::Das(info) = answer.as_mut() {
                    // What is said under the device's keys is what this very port serves.
                    info.served = run.served.clone();
                }
                machine.das(&answer, now.moment);
            }
            (LbsCommand::FoundCompat { device, .. }, Machine::Compat(machine)) => {
                machine.record(device.as_deref(), &mut self.memory, now.moment);
            }
            (LbsCommand::CompatDas { das, .. }, Machine::Compat(machine)) => {
                machine.das(das.as_ref(), now.moment);
            }
            // An answer to what this run never asked.
            (_, Machine::Secure(_) | Machine::Compat(_) | Machine::Undecided(_)) => return,
        }
        self.settle(line, now);
    }

    /// The owner cannot take a question.
    pub fn refused(&mut self, event: LbsEvent, _now: Now) {
        match event {
            LbsEvent::LookUp { line, .. }
            | LbsEvent::Grant { line, .. }
            | LbsEvent::Commit { line, .. }
            | LbsEvent::ChooseDas { line, .. }
            | LbsEvent::LookUpCompat { line, .. }
            | LbsEvent::CodeShown { line, .. }
            | LbsEvent::CommitCompat { line, .. } => self.drop_unanswered(line),
            LbsEvent::ManyTries { .. } | LbsEvent::Ended { .. } | LbsEvent::EndedCompat { .. } => {}
        }
    }

    /// Ends what is late.
    pub fn expire(&mut self, now: Now) {
        while let Some(line) = self.due.take_due(now.moment) {
            let Some(run) = self.runs.get_mut(&line) else { continue };
            match &mut run.machine {
                Machine::Secure(machine) => machine.expire(now.moment),
                Machine::Compat(machine) => machine.expire(now.moment),
                Machine::Undecided(_) => {
                    self.counters.late += 1;
                    self.runs.remove(&line);
                    self.outputs.push_back(Output::Close { line });
                    continue;
                }
            }
            self.settle(line, now);
        }
    }

    /// The process stops.
    pub fn stop(&mut self, _now: Now) {
        for line in std::mem::take(&mut self.runs).into_keys() {
            self.outputs.push_back(Output::Close { line });
        }
    }

    /// What is to be done next.
    pub fn next_output(&mut self) -> Option<Output<LbsEvent>> {
        self.outputs.pop_front()
    }

    /// When [`Self::expire`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        self.due.next()
    }

    fn drop_unanswered(&mut self, line: LineId) {
        if self.runs.remove(&line).is_some() {
            self.counters.unanswered += 1;
            self.due.clear(&line);
            self.outputs.push_back(Output::Close { line });
        }
    }

    fn settle(&mut self, line: LineId, _now: Now) {
        let Some(run) = self.runs.get_mut(&line) else { return };
        let Machine::Secure(machine) = &mut run.machine else { return self.settle_compat(line) };
        let mut end = None;
        while let Some(output) = machine.next_output() {
            let event = match output {
                LbsOutput::Send(bytes) => {
                    self.outputs.push_back(Output::Transmit { line, bytes });
                    continue;
                }
                LbsOutput::Close(how) => {
                    end = Some(how);
                    continue;
                }
                LbsOutput::LookUp { serial, mode, claim } => {
                    (run.claim, run.serial) = (Some(claim), Some(serial.clone()));
                    LbsEvent::LookUp { line, serial, mode }
                }
                LbsOutput::ManyTries { serial } => LbsEvent::ManyTries { serial },
                LbsOutput::Grant { serial } => match run.claim {
                    Some(claim) => LbsEvent::Grant { line, serial, claim },
                    // A device is granted nothing before it was looked up.
                    None => continue,
                },
                LbsOutput::Commit(commit) => {
                    run.devid = Some(commit.devid);
                    LbsEvent::Commit { line, commit: Box::new(commit), generation: run.generation }
                }
                LbsOutput::AskDas { request, protocol, das_secret } => match run.devid {
                    Some(devid) => LbsEvent::ChooseDas { line, request, devid, protocol, das_secret },
                    None => continue,
                },
            };
            self.outputs.push_back(Output::Event(event));
        }
        match end {
            None => match machine.next_deadline() {
                Some(due) => self.due.set(line, due),
                None => self.due.clear(&line),
            },
            Some(end) => self.ended(line, end),
        }
    }

    fn ended(&mut self, line: LineId, end: LbsEnd) {
        let counter = match end {
            LbsEnd::Completed => &mut self.counters.completed,
            LbsEnd::Told(_) | LbsEnd::Refused(_) => &mut self.counters.refused,
            LbsEnd::TimeOver => &mut self.counters.late,
            LbsEnd::Framing(_)
            | LbsEnd::NoOffer
            | LbsEnd::Record(_)
            | LbsEnd::Malformed
            | LbsEnd::OwnFault => &mut self.counters.broken,
        };
        *counter += 1;
        self.due.clear(&line);
        let run = self.runs.remove(&line);
        self.outputs.push_back(Output::Close { line });
        if let Some(serial) = run.and_then(|run| run.serial) {
            self.outputs.push_back(Output::Event(LbsEvent::Ended { serial, end }));
        }
    }
}
