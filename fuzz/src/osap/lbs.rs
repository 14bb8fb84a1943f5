//! A load balancer's machine: a device that sends anything, and an owner that answers when it likes.

use std::time::Duration;

use clock::Moment;
use osap_proto::*;

use super::parties::{self, NOW};
use crate::memory;
use crate::rules::reached;
use crate::script::{Recorder, Script};
use crate::{Reached, Target};

pub(super) const LBS: Target = Target {
    name: "osap_lbs",
    about: "LbsRun: bytes of a device, time, answers of the owner in any order",
    length_max: 1536,
    run: |input| memory::within(256 * 1024 + 96 * input.len(), || run(input)),
    seeds,
};

struct Run {
    lbs: LbsRun,
    memory: LbsMemory,
    now: Moment,
    is_over: bool,
    is_answered: bool,
    is_proven: bool,
}

fn run(input: &[u8]) -> Reached {
    let mut script = Script::new(input);
    let mut run = Run {
        lbs: parties::lbs(),
        memory: LbsMemory::new(),
        now: NOW,
        is_over: false,
        is_answered: false,
        is_proven: false,
    };
    while !script.is_empty() {
        run.step(&mut script);
        run.drain();
    }
    run.now = run.now + Duration::from_secs(30);
    run.lbs.expire(run.now);
    run.drain();
    assert!(run.is_over, "every run ends");
    assert_eq!(run.lbs.next_deadline(), None);
    reached(run.is_proven)
}

impl Run {
    fn step(&mut self, script: &mut Script<'_>) {
        let now = self.now;
        match script.u8() & 7 {
            0..=2 => self.lbs.receive(script.bytes(), &mut self.memory, now),
            3 => {
                let record = parties::record();
                let found = (script.u8() & 1 == 0).then_some(&record);
                self.lbs.record(found, u64::from(script.u8()) * 8, &mut self.memory, now);
            }
            4 => self.lbs.grant(if script.u8() & 1 == 0 { parties::grant() } else { Grant::Blocked }, now),
            5 => {
                let outcome = if script.u8() & 1 == 0 { Committed::Swapped } else { Committed::LostRace };
                self.lbs.committed(outcome, now);
            }
            6 => {
                let answer = if script.u8() & 1 == 0 { parties::das_answer() } else { DasAnswer::None };
                self.lbs.das(&answer, now);
            }
            _ => {
                self.now = self.now + Duration::from_millis(u64::from(script.u16()));
                self.lbs.expire(self.now);
                assert!(self.lbs.next_deadline().is_none_or(|due| due > self.now), "nothing stays due");
            }
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.lbs.next_output() {
            assert!(!self.is_over, "nothing follows the end: {output:?}");
            match output {
                LbsOutput::Send(bytes) => {
                    let frame = Frame::read(&bytes).expect("our own framing").expect("a whole message");
                    assert_eq!(frame.bytes(), bytes);
                    match frame.kind() {
                        Some(MessageKind::Second) => {
                            assert!(!self.is_answered, "one H1-II");
                            self.is_answered = true;
                        }
                        Some(MessageKind::Fifth) => assert!(!self.is_proven),
                        Some(MessageKind::Devid | MessageKind::Das) => {
                            assert!(self.is_proven, "records only to who is proven")
                        }
                        other => panic!("a load balancer says {other:?}"),
                    }
                }
                LbsOutput::LookUp { .. } | LbsOutput::ManyTries { .. } => assert!(!self.is_answered),
                LbsOutput::Grant { .. } => self.is_proven = true,
                LbsOutput::Commit(commit) => {
                    assert!(self.is_proven);
                    assert_eq!(commit.enrol_psk.is_some(), matches!(commit.claim, Claim::Code(_)));
                }
                LbsOutput::AskDas { request, .. } => assert_eq!(request.serial, parties::serial()),
                LbsOutput::Close(_) => self.is_over = true,
            }
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for kind in 0..4 {
        let (said, _) = parties::honest(kind);
        let [offer, proof, stored] = &said[..] else { panic!("an honest device speaks three times") };
        let mut script = Recorder::default();
        script.u8(0).bytes(offer).u8(3).u8(0).u8(0).u8(0).bytes(proof).u8(4).u8(0).u8(0).bytes(stored);
        script.u8(5).u8(0).u8(6).u8(0);
        seeds.push(script.0);
        let mut unknown = Recorder::default();
        unknown.u8(0).bytes(&offer[..20]).u8(0).bytes(&offer[20..]).u8(3).u8(1).u8(0).u8(0).bytes(proof);
        unknown.u8(7).u16(5000);
        seeds.push(unknown.0);
    }
    seeds
}
