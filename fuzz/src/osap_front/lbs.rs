//! The load balancer with many lines: honest devices, strangers, a slow owner, one that refuses.

use std::collections::BTreeMap;
use std::time::Duration;

use clock::{Dice, Moment, Now, Timestamp};
use osap_front::lbs::{Arrival, LbsCommand, LbsEvent, LbsFace, LbsSettings};
use osap_front::{LineId, Output};
use osap_proto::*;

use super::LINE_COUNT;
use crate::memory;
use crate::osap::parties;
use crate::rules::reached;
use crate::script::{Recorder, Script};
use crate::{Reached, Target};

pub(super) const LBS: Target = Target {
    name: "osap_front_lbs",
    about: "LbsFace: many lines, honest devices and any bytes, answers late, twice, never; time",
    length_max: 768,
    run: |input| memory::within(2 * 1024 * 1024 + 96 * input.len(), || run(input)),
    seeds,
};

const RUN_COUNT_MAX: usize = 3;

/// One connection as the owner and the network see it.
struct Line {
    id: LineId,
    /// What waits for the owner's answer.
    asked: Option<LbsEvent>,
    device: Option<Box<DeviceRun>>,
    to_device: Vec<u8>,
    was_looked_up: bool,
    was_granted: bool,
}

struct Run {
    face: LbsFace,
    now: Now,
    lines: BTreeMap<u64, Line>,
    last: u64,
    opened: u64,
    is_done: bool,
}

fn run(input: &[u8]) -> Reached {
    let mut script = Script::new(input);
    let settings = LbsSettings {
        served: parties::group(&[2, 4, 8]),
        realm: parties::realm(),
        key: parties::lbs_key(),
        fakes: parties::fakes(),
        run_count_max: RUN_COUNT_MAX,
    };
    let utc = Some(Timestamp::from_unix_millis(10_000));
    let mut run = Run {
        face: LbsFace::new(parties::provider(), settings, Dice::numbered(5)),
        now: Now { moment: Moment::START, utc },
        lines: BTreeMap::new(),
        last: 0,
        opened: 0,
        is_done: false,
    };
    while !script.is_empty() {
        run.step(&mut script);
        run.drain();
    }
    run.pass(Duration::from_secs(60));
    run.drain();
    assert!(run.lines.is_empty(), "every run ends");
    assert_eq!(run.face.next_deadline(), None);
    let counted = run.face.counters();
    let ends = counted.completed + counted.refused + counted.broken + counted.late;
    assert_eq!(counted.runs, ends + counted.unanswered + counted.lost, "each run ends once: {counted:?}");
    assert_eq!(run.opened, counted.runs + counted.over_limit);
    reached(run.is_done)
}

impl Run {
    fn step(&mut self, script: &mut Script<'_>) {
        let (operation, now) = (script.u8(), self.now);
        let slot = u64::from(script.u8()) % LINE_COUNT;
        match operation % 12 {
            0 | 1 => self.open(slot, script.u8()),
            2 | 3 => self.talk(slot, usize::MAX),
            4 => self.talk(slot, usize::from(script.u8())),
            5 => {
                let id = self.id_of(slot);
                self.face.receive(id, script.bytes(), now);
            }
            6..=8 => self.answer(slot, script.u8()),
            9 => {
                if let Some(line) = self.lines.remove(&slot) {
                    self.face.closed(line.id, now);
                }
            }
            10 => self.pass(Duration::from_millis(u64::from(script.u16()))),
            _ => {
                // An owner that is full says so of a question that it was asked.
                if let Some(event) = self.lines.get_mut(&slot).and_then(|line| line.asked.take()) {
                    self.face.refused(event, now);
                }
            }
        }
    }

    /// The line of a slot; one that is not there has a number that is nobody's.
    fn id_of(&self, slot: u64) -> LineId {
        self.lines.get(&slot).map_or(LineId(u64::MAX), |line| line.id)
    }

    fn open(&mut self, slot: u64, kind: u8) {
        if let Some(line) = self.lines.remove(&slot) {
            self.face.closed(line.id, self.now);
        }
        self.last += 1;
        self.opened += 1;
        let id = LineId(self.last);
        let from = [192, 0, 2, kind >> 6].into();
        let device = (kind & 4 == 0).then(|| Box::new(parties::device(kind)));
        let line =
            Line { id, asked: None, device, to_device: Vec::new(), was_looked_up: false, was_granted: false };
        self.lines.insert(slot, line);
        self.face.opened(id, Arrival { from, accepted: self.now.moment, tls: None }, self.now);
    }

    /// The honest device of a line goes on; at most so many of its bytes arrive.
    fn talk(&mut self, slot: u64, amount: usize) {
        let now = self.now;
        let Some(line) = self.lines.get_mut(&slot) else { return };
        let (id, Some(device)) = (line.id, line.device.as_deref_mut()) else { return };
        device.receive(&std::mem::take(&mut line.to_device), now.moment);
        let mut said = Vec::new();
        while let Some(output) = device.next_output() {
            match output {
                DeviceOutput::Send(bytes) => said.extend(bytes),
                DeviceOutput::Store(_) => device.stored(now.moment),
                DeviceOutput::Done(_) => self.is_done = true,
                DeviceOutput::Failed(_) => {}
            }
        }
        said.truncate(amount);
        if !said.is_empty() {
            self.face.receive(id, &said, now);
        }
    }

    fn answer(&mut self, slot: u64, choice: u8) {
        let Some(asked) = self.lines.get_mut(&slot).and_then(|line| line.asked.take()) else {
            // An answer that nobody waits for.
            let line = self.id_of(slot);
            return self.face.command(LbsCommand::Granted { line, grant: parties::grant() }, self.now);
        };
        let at = self.id_of(slot);
        let command = match asked {
            LbsEvent::LookUp { line, serial, .. } => {
                let is_known = choice & 1 == 0 && serial == parties::serial();
                let record = is_known.then(|| Box::new(parties::record()));
                LbsCommand::Found { line, record, generation: 3 }
            }
            LbsEvent::Grant { line, .. } => {
                let grant = if choice & 3 == 3 { Grant::Blocked } else { parties::grant() };
                LbsCommand::Granted { line, grant }
            }
            LbsEvent::Commit { line, generation, .. } => {
                assert_eq!(generation, 3, "what came with the record comes back");
                let outcome = if choice & 3 == 3 { Committed::LostRace } else { Committed::Swapped };
                LbsCommand::Committed { line, outcome }
            }
            LbsEvent::ChooseDas { line, devid, .. } => {
                assert_eq!(devid, parties::devid());
                let answer = if choice & 3 == 3 { DasAnswer::None } else { parties::das_answer() };
                LbsCommand::Das { line, answer: Box::new(answer) }
            }
            LbsEvent::ManyTries { .. } | LbsEvent::Ended { .. } => return,
            LbsEvent::LookUpCompat { .. }
            | LbsEvent::CodeShown { .. }
            | LbsEvent::CommitCompat { .. }
            | LbsEvent::EndedCompat { .. } => panic!("type 1 on a line that is not its own"),
        };
        let command = if choice > 0xf0 { LbsCommand::Unable { line: at } } else { command };
        self.face.command(command, self.now);
    }

    fn pass(&mut self, span: Duration) {
        self.now.moment = self.now.moment + span;
        self.face.expire(self.now);
        assert!(self.face.next_deadline().is_none_or(|due| due > self.now.moment), "nothing stays due");
    }

    fn drain(&mut self) {
        while let Some(output) = self.face.next_output() {
            match output {
                Output::Transmit { line, bytes } => {
                    assert!(!bytes.is_empty());
                    self.line(line).to_device.extend(bytes);
                }
                Output::Close { line } => {
                    let slot = self.lines.iter().find(|(_, open)| open.id == line).map(|(slot, _)| *slot);
                    let closed = self.lines.remove(&slot.expect("a line that is open is closed, once"));
                    // What was sent before still arrives.
                    if let Some(mut device) = closed.and_then(|mut closed| {
                        let bytes = std::mem::take(&mut closed.to_device);
                        closed.device.take().map(|device| (device, bytes))
                    }) {
                        device.0.receive(&device.1, self.now.moment);
                        while let Some(output) = device.0.next_output() {
                            self.is_done |= matches!(output, DeviceOutput::Done(_));
                        }
                    }
                }
                Output::Event(event) => self.event(event),
            }
        }
    }

    fn line(&mut self, id: LineId) -> &mut Line {
        let line = self.lines.values_mut().find(|open| open.id == id);
        line.expect("nothing is said on a line that is not open")
    }

    fn event(&mut self, event: LbsEvent) {
        let line = match &event {
            LbsEvent::LookUp { line, .. } => {
                let open = self.line(*line);
                assert!(!open.was_looked_up, "one question after the other");
                open.was_looked_up = true;
                *line
            }
            LbsEvent::Grant { line, serial, .. } => {
                assert_eq!(*serial, parties::serial(), "nobody else can have proven itself");
                let open = self.line(*line);
                assert!(open.was_looked_up && !open.was_granted);
                open.was_granted = true;
                *line
            }
            LbsEvent::Commit { line, .. } | LbsEvent::ChooseDas { line, .. } => {
                assert!(self.line(*line).was_granted);
                *line
            }
            LbsEvent::ManyTries { .. } | LbsEvent::Ended { .. } => return,
            LbsEvent::LookUpCompat { .. }
            | LbsEvent::CodeShown { .. }
            | LbsEvent::CommitCompat { .. }
            | LbsEvent::EndedCompat { .. } => panic!("type 1 on a line that is not its own"),
        };
        let before = self.line(line).asked.replace(event);
        assert!(before.is_none(), "one question at a time: {before:?}");
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for kind in 0..4 {
        let mut script = Recorder::default();
        script.u8(0).u8(0).u8(kind).u8(0).u8(1).u8(4).u8(5).u8(1).bytes(&[0x12, 3, 1, 2, 3]);
        script.u8(2).u8(0).u8(6).u8(0).u8(0).u8(2).u8(0).u8(2).u8(0).u8(6).u8(0).u8(0).u8(2).u8(0);
        script.u8(2).u8(0).u8(6).u8(0).u8(0).u8(2).u8(0).u8(6).u8(0).u8(0).u8(2).u8(0);
        seeds.push(script.0);
    }
    let mut crowd = Recorder::default();
    for slot in 0..4 {
        crowd.u8(0).u8(slot).u8(1 | slot << 6).u8(4).u8(slot).u8(20).u8(2).u8(slot);
    }
    crowd.u8(11).u8(1).u8(6).u8(2).u8(255).u8(9).u8(0).u8(10).u8(0).u16(12_000).u8(6).u8(3).u8(1);
    seeds.push(crowd.0);
    seeds
}
