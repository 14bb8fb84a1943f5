//! What a device answers to its orders.

use clock::{Now, Timestamp};
use model::Uuid;
use store::{Batch, Decision, Operation, Range, ReadSet, Snapshot};

use crate::adding::PROPERTY_COUNT_MAX;
use crate::desired::Desired;
use crate::notice::{Effect, Settled};
use crate::operations::Call;
use crate::order::{OrderKind, Outcome, order_number};
use crate::refusal::{Fault, Refusal};
use crate::spaces::{DESIRED, OPERATION, all_of, numbered_key, thing_key};
use crate::thing::Thing;

/// A device answered an order.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The device's own thing.
    pub thing: Uuid,
    /// What it answered.
    pub outcome: Outcome,
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It is stored.
    Stored,
    /// Nothing waits for it: it was answered before, replaced by a newer value, or never asked.
    NotAwaited,
}

impl Answer {
    fn desired(&self) -> Range {
        all_of(DESIRED, self.thing, PROPERTY_COUNT_MAX)
    }

    fn settle(&self, snapshot: &Snapshot, at: Timestamp) -> Result<Option<(Batch, Settled)>, Refusal> {
        let Outcome { id, result } = &self.outcome;
        Thing::read(snapshot, self.thing)?.ok_or(Refusal::NotHere)?;
        let mut batch = Batch::default();
        let settled = Settled { thing: self.thing, order: *id, result: result.clone() };
        match order_number(*id) {
            Some((OrderKind::Call, number)) => {
                let call = Call::read(snapshot, self.thing, number)?;
                let Some(mut call) = call.filter(Call::awaits_an_answer) else { return Ok(None) };
                call.answer(result, at)?;
                batch.put(numbered_key(OPERATION, self.thing, number), call.to_value());
            }
            Some((OrderKind::Set, number)) => {
                for (key, record) in &snapshot.page(&self.desired()).records {
                    let mut desired = Desired::from_value(&record.value)?;
                    if desired.number == number && desired.is_wanted() {
                        desired.settle(result, at);
                        batch.put(key.clone(), desired.to_value());
                    }
                }
                if batch.is_empty() {
                    return Ok(None);
                }
            }
            Some((OrderKind::Query, _)) | None => return Ok(None),
        }
        Ok(Some((batch, settled)))
    }
}

impl Operation for Answer {
    type Reply = Result<Answered, Refusal>;
    type Effect = Effect;

    fn reads(&self) -> ReadSet {
        let reads = ReadSet::of([thing_key(self.thing)]);
        match order_number(self.outcome.id) {
            Some((OrderKind::Call, number)) => {
                let mut reads = reads;
                reads.keys.push(numbered_key(OPERATION, self.thing, number));
                reads
            }
            Some((OrderKind::Set, _)) => reads.with_range(self.desired()),
            Some((OrderKind::Query, _)) | None => reads,
        }
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, Effect> {
        let ends = |reply| Decision::Done { batch: Batch::default(), reply, effects: Vec::new() };
        let Some(at) = now.utc else { return ends(Err(Refusal::Fault(Fault::NoClock))) };
        match self.settle(snapshot, at) {
            Ok(Some((batch, settled))) => {
                Decision::Done { batch, reply: Ok(Answered::Stored), effects: vec![Effect::Settled(settled)] }
            }
            Ok(None) => ends(Ok(Answered::NotAwaited)),
            Err(why) => ends(Err(why)),
        }
    }
}
