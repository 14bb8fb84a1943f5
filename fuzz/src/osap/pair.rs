//! A device and a load balancer over a network that cuts, alters, repeats and drops: what both believe agrees.

use osap_proto::*;

use super::parties::{self, NOW};
use crate::rules::reached;
use crate::script::{Recorder, Script};
use crate::{Reached, Target};

pub(super) const PAIR: Target = Target {
    name: "osap_pair",
    about: "DeviceRun and LbsRun: pieces, flips, drops and repeats; both sides agree or none goes on",
    length_max: 256,
    run,
    seeds,
};

struct Run {
    device: DeviceRun,
    lbs: LbsRun,
    memory: LbsMemory,
    to_device: Vec<u8>,
    to_lbs: Vec<u8>,
    is_altered: bool,
    stored: Option<Pending>,
    committed: Option<Commit>,
    asked: Option<crypto::Secret>,
    done: Option<Completed>,
}

fn run(input: &[u8]) -> Reached {
    let mut script = Script::new(input);
    let mut run = Run {
        device: parties::device(script.u8()),
        lbs: parties::lbs(),
        memory: LbsMemory::new(),
        to_device: Vec::new(),
        to_lbs: Vec::new(),
        is_altered: false,
        stored: None,
        committed: None,
        asked: None,
        done: None,
    };
    run.drain();
    while !script.is_empty() {
        run.step(&mut script);
        run.drain();
    }
    for _ in 0..8 {
        run.carry(true, usize::MAX);
        run.carry(false, usize::MAX);
        run.drain();
    }
    run.check();
    reached(run.done.is_some())
}

impl Run {
    fn step(&mut self, script: &mut Script<'_>) {
        let operation = script.u8();
        let is_up = operation & 0x80 == 0;
        let at = usize::from(script.u8());
        let line = if is_up { &mut self.to_lbs } else { &mut self.to_device };
        match operation & 7 {
            0..=3 => self.carry(is_up, at),
            4 if !line.is_empty() => {
                let at = at % line.len();
                line[at] ^= script.u8().max(1);
                self.is_altered = true;
            }
            5 => {
                let kept = at.min(line.len());
                self.is_altered |= kept < line.len();
                line.truncate(kept);
            }
            6 => {
                let again = line[..at.min(line.len())].to_vec();
                self.is_altered |= !again.is_empty();
                line.extend_from_slice(&again);
            }
            _ => {}
        }
    }

    fn carry(&mut self, is_up: bool, amount: usize) {
        if is_up {
            let bytes: Vec<u8> = self.to_lbs.drain(..amount.min(self.to_lbs.len())).collect();
            self.lbs.receive(&bytes, &mut self.memory, NOW);
        } else {
            let bytes: Vec<u8> = self.to_device.drain(..amount.min(self.to_device.len())).collect();
            self.device.receive(&bytes, NOW);
        }
    }

    fn drain(&mut self) {
        loop {
            let mut is_quiet = true;
            while let Some(output) = self.device.next_output() {
                is_quiet = false;
                match output {
                    DeviceOutput::Send(bytes) => self.to_lbs.extend(bytes),
                    DeviceOutput::Store(pending) => {
                        self.stored = Some(pending);
                        self.device.stored(NOW);
                    }
                    DeviceOutput::Done(done) => self.done = Some(done),
                    DeviceOutput::Failed(_) => {}
                }
            }
            while let Some(output) = self.lbs.next_output() {
                is_quiet = false;
                match output {
                    LbsOutput::Send(bytes) => self.to_device.extend(bytes),
                    LbsOutput::LookUp { .. } => {
                        self.lbs.record(Some(&parties::record()), 0, &mut self.memory, NOW);
                    }
                    LbsOutput::Grant { .. } => self.lbs.grant(parties::grant(), NOW),
                    LbsOutput::Commit(commit) => {
                        self.committed = Some(commit);
                        self.lbs.committed(Committed::Swapped, NOW);
                    }
                    LbsOutput::AskDas { das_secret, .. } => {
                        self.asked = Some(das_secret);
                        self.lbs.das(&parties::das_answer(), NOW);
                    }
                    LbsOutput::ManyTries { .. } | LbsOutput::Close(_) => {}
                }
            }
            if is_quiet {
                return;
            }
        }
    }

    fn check(&self) {
        if let Some(commit) = &self.committed {
            let stored = self.stored.as_ref().expect("the device stored before it said so");
            assert_eq!((commit.devid, &commit.ticket), (stored.devid, &stored.ticket));
            assert_eq!(commit.enrol_psk, stored.enrol_psk, "one key of the enrolment");
        }
        if let Some(done) = &self.done {
            assert_eq!(Some(&done.das_secret), self.asked.as_ref(), "one das secret");
            assert!(self.committed.is_some());
        }
        assert!(self.is_altered || self.done.is_some(), "an honest network brings a run to its end");
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for kind in 0..4 {
        let mut script = Recorder::default();
        script.u8(kind);
        for _ in 0..6 {
            script.u8(0).u8(90).u8(0x81).u8(120);
        }
        seeds.push(script.0);
        let mut altered = Recorder::default();
        altered.u8(kind).u8(0).u8(255).u8(0x84).u8(77 + kind).u8(1).u8(0x80).u8(255);
        seeds.push(altered.0);
    }
    seeds
}
