//! Runs of type 1, at a door of their own.
//!
//! The profile is run there too: what the port serves stands in its answers, so that a device that can do more finds
//! out. No failure leads from one to the other: the first bytes of a connection decide.
//! Source: OSAP secure profile sections 2, 3 and 9; decision H13; ADR 0300.

use std::sync::Arc;
use std::time::Duration;

use clock::Now;
use osap_proto::compat::{
    Beginning, CompatChance, CompatLbsEnd, CompatLbsOutput, CompatLbsRun, CompatLbsSetup, beginning,
};
use osap_proto::{AddressPrefix, ProtocolType, TypeGroup};

use super::machine::{Machine, Waiting};
use super::{Arrival, LbsEvent, LbsFace};
use crate::{LineId, Output};

/// A first message has to be there after this.
/// Source: OSAP secure profile section 2.
const FIRST_MESSAGE_TIME_MAX: Duration = Duration::from_secs(10);

impl LbsFace {
    /// What the door of type 1 serves: that, and what the other one does.
    fn compat_served(&self) -> TypeGroup {
        let weakest = [ProtocolType::COMPAT.0];
        let all = [&weakest[..], self.settings.served.as_bytes()].concat();
        // A group that has type 1 already is served as it is.
        TypeGroup::new(&all).unwrap_or_else(|| self.settings.served.clone())
    }

    /// A connection is there, at the door where type 1 is switched on. Inside TLS it is none of type 1.
    pub fn opened_compat(&mut self, line: LineId, arrival: Arrival, now: Now) {
        if self.is_full(line) {
            return;
        }
        let served = self.compat_served();
        let machine = if arrival.tls.is_some() {
            Machine::Secure(Box::new(self.run_of(&arrival, &served)))
        } else {
            let until = arrival.accepted + FIRST_MESSAGE_TIME_MAX;
            let waiting = Waiting { arrival: arrival.clone(), bytes: Vec::new(), until };
            Machine::Undecided(Box::new(waiting))
        };
        self.begin(line, machine, served, arrival, now);
    }

    /// The first bytes say which protocol it is, or more are needed.
    pub(super) fn decide(&mut self, line: LineId, now: Now) {
        let Some(Machine::Undecided(waiting)) = self.runs.get(&line).map(|run| &run.machine) else { return };
        let (arrival, bytes) = (waiting.arrival.clone(), waiting.bytes.clone());
        let machine = match beginning(&bytes) {
            Beginning::More => return,
            Beginning::Compat => self.compat_run_of(&arrival).map(|run| Machine::Compat(Box::new(run))),
            Beginning::Other => {
                let served = self.compat_served();
                Some(Machine::Secure(Box::new(self.run_of(&arrival, &served))))
            }
        };
        let (Some(machine), Some(run)) = (machine, self.runs.get_mut(&line)) else {
            return self.drop_unanswered(line);
        };
        self.counters.compat_runs += u64::from(matches!(machine, Machine::Compat(_)));
        run.machine = machine;
        self.receive(line, &bytes, now);
    }

    fn compat_run_of(&mut self, arrival: &Arrival) -> Option<CompatLbsRun> {
        let chance = CompatChance::draw(self.provider.as_ref(), &mut self.dice).ok()?;
        let setup = CompatLbsSetup { served: self.compat_served(), from: AddressPrefix::of(arrival.from) };
        Some(CompatLbsRun::new(Arc::clone(&self.provider), setup, chance, arrival.accepted))
    }

    pub(super) fn settle_compat(&mut self, line: LineId) {
        let Some(run) = self.runs.get_mut(&line) else { return };
        let machine = match &mut run.machine {
            Machine::Compat(machine) => machine,
            Machine::Undecided(waiting) => return self.due.set(line, waiting.until),
            Machine::Secure(_) => return,
        };
        let mut end = None;
        while let Some(output) = machine.next_output() {
            let event = match output {
                CompatLbsOutput::Send(bytes) => {
                    self.outputs.push_back(Output::Transmit { line, bytes });
                    continue;
                }
                CompatLbsOutput::Close(how) => {
                    end = Some(how);
                    continue;
                }
                CompatLbsOutput::LookUp { serial, mode } => {
                    run.serial = Some(serial.clone());
                    LbsEvent::LookUpCompat { line, serial, mode }
                }
                CompatLbsOutput::CodeShown { serial } => LbsEvent::CodeShown { line, serial },
                CompatLbsOutput::ManyTries { serial } => LbsEvent::ManyTries { serial },
                CompatLbsOutput::Ask { commit, .. } => LbsEvent::CommitCompat { line, commit },
            };
            self.outputs.push_back(Output::Event(event));
        }
        match end {
            None => match machine.next_deadline() {
                Some(due) => self.due.set(line, due),
                None => self.due.clear(&line),
            },
            Some(end) => self.ended_compat(line, end),
        }
    }

    fn ended_compat(&mut self, line: LineId, end: CompatLbsEnd) {
        let counter = match end {
            CompatLbsEnd::Completed => &mut self.counters.completed,
            CompatLbsEnd::Refused(_) => &mut self.counters.refused,
            CompatLbsEnd::TimeOver => &mut self.counters.late,
            CompatLbsEnd::Malformed | CompatLbsEnd::OwnFault => &mut self.counters.broken,
        };
        *counter += 1;
        self.due.clear(&line);
        let run = self.runs.remove(&line);
        self.outputs.push_back(Output::Close { line });
        if let Some(serial) = run.and_then(|run| run.serial) {
            self.outputs.push_back(Output::Event(LbsEvent::EndedCompat { serial, end }));
        }
    }
}
