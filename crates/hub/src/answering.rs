//! The device's side of orders: what waits for it, and what it answers.

use clock::{Now, Timestamp};
use ledger::BadRecord;
use model::Uuid;
use store::{Batch, Decision, Operation, Range, ReadSet, Snapshot, decided};

use crate::access::affordance;
use crate::adding::PROPERTY_COUNT_MAX;
use crate::desired::Desired;
use crate::model::AffordanceKind;
use crate::notice::{Effect, Settled};
use crate::operations::{CALLS_KEPT_MAX, Call, kept};
use crate::order::{Order, OrderKind, Outcome, order_number};
use crate::refusal::{Fault, Refusal};
use crate::spaces::{DESIRED, OPERATION, affordance_key, all_of, name_of, numbered, numbered_key, thing_key};
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

/// The values that are wanted of a thing, oldest first: for a device that asks.
#[derive(Clone, Debug)]
pub struct DesiredOf {
    /// The device's own thing.
    pub thing: Uuid,
}

/// Orders for the values that are still wanted, or the places that must be read first.
fn wanted(snapshot: &Snapshot, thing: Uuid, at: Timestamp) -> Result<Result<Vec<Order>, ReadSet>, BadRecord> {
    let (mut orders, mut missing) = (Vec::new(), ReadSet::default());
    for (key, record) in &snapshot.page(&all_of(DESIRED, thing, PROPERTY_COUNT_MAX)).records {
        let desired = Desired::from_value(&record.value)?;
        if !desired.is_wanted() {
            continue;
        }
        let name = name_of(key).ok_or(BadRecord)?;
        let place = affordance_key(thing, AffordanceKind::Property, name);
        if !snapshot.covers(&place) {
            missing.keys.push(place);
        } else if let Some(property) = affordance(snapshot, thing, AffordanceKind::Property, name)? {
            orders.push(desired.order(thing, name, property.place()?, at)?);
        }
    }
    orders.sort_by_key(|order| order.id);
    Ok(if missing.keys.is_empty() { Ok(orders) } else { Err(missing) })
}

impl Operation for DesiredOf {
    type Reply = Result<Vec<Order>, Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([thing_key(self.thing)]).with_range(all_of(DESIRED, self.thing, PROPERTY_COUNT_MAX))
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let at = now.utc.unwrap_or(Timestamp::from_unix_millis(0));
        match wanted(snapshot, self.thing, at) {
            Ok(Err(missing)) => Decision::Need(missing),
            Ok(Ok(orders)) => decided(|_| {
                now.utc.ok_or(Refusal::Fault(Fault::NoClock))?;
                Thing::read(snapshot, self.thing)?.ok_or(Refusal::NotHere)?;
                Ok(orders)
            }),
            Err(bad) => decided(|_| Err(bad.into())),
        }
    }
}

/// Takes what waits for a device that is there now: values that are wanted, and operations of the queue,
/// which are stored as sent before they leave, so that none is ever sent twice.
#[derive(Clone, Debug)]
pub struct TakePending {
    /// The device's own thing.
    pub thing: Uuid,
    /// At most so many; the others wait.
    pub room: usize,
    /// Also the values that are wanted, behind the order of this number (0: all of them): these go again with
    /// every new connection of the device.
    pub desired_behind: Option<u64>,
}

impl TakePending {
    fn calls(&self) -> Range {
        numbered(OPERATION, self.thing, None, CALLS_KEPT_MAX + 1)
    }

    fn take(
        &self,
        snapshot: &Snapshot,
        at: Timestamp,
    ) -> Result<Result<(Batch, Vec<Order>), ReadSet>, BadRecord> {
        let mut orders = Vec::new();
        if let Some(behind) = self.desired_behind {
            match wanted(snapshot, self.thing, at)? {
                Ok(wanted) => orders = wanted,
                Err(missing) => return Ok(Err(missing)),
            }
            orders.retain(|order| order.id >> 2 > behind);
        }
        let (mut calls, mut missing) = (Vec::new(), ReadSet::default());
        for call in kept(snapshot.page(&self.calls())) {
            let (number, mut call) = call?;
            if !call.is_queued(at) {
                continue;
            }
            let key = affordance_key(self.thing, AffordanceKind::Action, &call.name);
            if !snapshot.covers(&key) {
                missing.keys.push(key);
            } else if let Some(action) = affordance(snapshot, self.thing, AffordanceKind::Action, &call.name)?
            {
                orders.push(call.order(self.thing, number, action.place()?)?);
                call.send(at);
                calls.push((number, call));
            }
        }
        if !missing.keys.is_empty() {
            return Ok(Err(missing));
        }
        orders.sort_by_key(|order| order.id >> 2);
        orders.truncate(self.room);
        let mut batch = Batch::default();
        for (number, call) in calls {
            let id = crate::order::order_id(OrderKind::Call, number);
            if orders.iter().any(|order| order.id == id) {
                batch.put(numbered_key(OPERATION, self.thing, number), call.to_value());
            }
        }
        Ok(Ok((batch, orders)))
    }
}

impl Operation for TakePending {
    type Reply = Result<Vec<Order>, Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        let mut reads = ReadSet::of([thing_key(self.thing)]).with_range(self.calls());
        if self.desired_behind.is_some() {
            reads = reads.with_range(all_of(DESIRED, self.thing, PROPERTY_COUNT_MAX));
        }
        reads
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let ends = |reply| Decision::Done { batch: Batch::default(), reply, effects: Vec::new() };
        let Some(at) = now.utc else { return ends(Err(Refusal::Fault(Fault::NoClock))) };
        match Thing::read(snapshot, self.thing) {
            Ok(Some(_)) => {}
            Ok(None) => return ends(Err(Refusal::NotHere)),
            Err(bad) => return ends(Err(bad.into())),
        }
        match self.take(snapshot, at) {
            Ok(Ok((batch, orders))) => Decision::Done { batch, reply: Ok(orders), effects: Vec::new() },
            Ok(Err(missing)) => Decision::Need(missing),
            Err(bad) => ends(Err(bad.into())),
        }
    }
}
