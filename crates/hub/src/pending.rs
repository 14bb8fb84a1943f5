//! What waits for a device: values that are wanted of it, and operations of its queue.
//!
//! Whoever asked for something is judged again when it goes out, which may be long after: what it may not ask for any
//! more is withdrawn. Source: ADR 0430.

use std::collections::BTreeMap;

use clock::{Now, Timestamp};
use consent::{Act, Party};
use ledger::BadRecord;
use model::Uuid;
use store::{Batch, Decision, Key, Operation, Range, ReadSet, Snapshot, decided};

use crate::access::{Standing, affordance, standing};
use crate::adding::PROPERTY_COUNT_MAX;
use crate::desired::Desired;
use crate::model::{AffordanceKind, Place};
use crate::operations::{CALLS_KEPT_MAX, kept};
use crate::order::{Order, OrderKind, order_id};
use crate::refusal::{Fault, Refusal};
use crate::spaces::{DESIRED, OPERATION, affordance_key, all_of, name_of, numbered, numbered_key, thing_key};
use crate::thing::Thing;

/// What a decision about waiting orders sees of the store, and what it would have to see.
struct View<'a> {
    snapshot: &'a Snapshot,
    thing: Uuid,
    now: Now,
    at: Timestamp,
    missing: ReadSet,
    /// Of each party that waits for something, looked up once.
    standings: BTreeMap<Party, Standing>,
}

/// Values that are wanted.
struct Wanted {
    /// Orders for those that still may be, oldest first.
    orders: Vec<Order>,
    /// Those of somebody who may not want them any more.
    barred: Vec<(Key, Desired)>,
}

impl<'a> View<'a> {
    fn new(snapshot: &'a Snapshot, thing: Uuid, now: Now, at: Timestamp) -> Self {
        Self { snapshot, thing, now, at, missing: ReadSet::default(), standings: BTreeMap::new() }
    }

    /// The place of an affordance that still exists; `None` also while its record is missing.
    fn place(&mut self, kind: AffordanceKind, name: &str) -> Result<Option<Place>, BadRecord> {
        let key = affordance_key(self.thing, kind, name);
        if !self.snapshot.covers(&key) {
            self.missing.keys.push(key);
            return Ok(None);
        }
        affordance(self.snapshot, self.thing, kind, name)?.map(|found| found.place()).transpose()
    }

    /// Whether `party` may still do what it asked for; also while a record of that is missing.
    fn may_still(&mut self, party: Party, act: Act, name: &str) -> Result<bool, BadRecord> {
        if let Some(standing) = self.standings.get(&party) {
            return Ok(standing.may(act, name));
        }
        let mut missing = consent::reads(&party, self.thing);
        missing.keys.retain(|key| !self.snapshot.covers(key));
        missing.ranges.retain(|range| !self.snapshot.covers_range(range));
        if missing != ReadSet::default() {
            missing.ranges.retain(|range| !self.missing.ranges.contains(range));
            self.missing.extend(missing);
            return Ok(true);
        }
        let standing = standing(self.snapshot, &party, self.thing, self.now)?;
        let may = standing.may(act, name);
        self.standings.insert(party, standing);
        Ok(may)
    }

    /// `found`, or what must be read first.
    fn complete<T>(self, found: T) -> Result<T, ReadSet> {
        if self.missing == ReadSet::default() { Ok(found) } else { Err(self.missing) }
    }

    /// The values of the thing that are wanted.
    fn wanted(&mut self) -> Result<Wanted, BadRecord> {
        let (mut orders, mut barred) = (Vec::new(), Vec::new());
        for (key, record) in &self.snapshot.page(&all_of(DESIRED, self.thing, PROPERTY_COUNT_MAX)).records {
            let desired = Desired::from_value(&record.value)?;
            if !desired.is_wanted() {
                continue;
            }
            let name = name_of(key).ok_or(BadRecord)?;
            let place = self.place(AffordanceKind::Property, name)?;
            if !self.may_still(desired.party()?, Act::Write, name)? {
                barred.push((key.clone(), desired));
            } else if let Some(place) = place {
                orders.push(desired.order(self.thing, name, place, self.at)?);
            }
        }
        orders.sort_by_key(|order| order.id);
        Ok(Wanted { orders, barred })
    }
}

/// The values that are wanted of a thing, oldest first: for a device that asks.
#[derive(Clone, Debug)]
pub struct DesiredOf {
    /// The device's own thing.
    pub thing: Uuid,
}

impl Operation for DesiredOf {
    type Reply = Result<Vec<Order>, Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([thing_key(self.thing)]).with_range(all_of(DESIRED, self.thing, PROPERTY_COUNT_MAX))
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let Some(at) = now.utc else { return decided(|_| Err(Refusal::Fault(Fault::NoClock))) };
        let mut view = View::new(snapshot, self.thing, now, at);
        match view.wanted().map(|wanted| view.complete(wanted.orders)) {
            Ok(Err(missing)) => Decision::Need(missing),
            Ok(Ok(orders)) => decided(|_| {
                Thing::read(snapshot, self.thing)?.ok_or(Refusal::NotHere)?;
                Ok(orders)
            }),
            Err(bad) => decided(|_| Err(bad.into())),
        }
    }
}

/// Takes what waits for a device that is there now: values that are wanted, and operations of the queue,
/// which are stored as sent before they leave, so that none is ever sent twice. What its party may not ask for
/// any more is stored as withdrawn.
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

    fn take(&self, mut view: View<'_>) -> Result<Result<(Batch, Vec<Order>), ReadSet>, BadRecord> {
        let (mut orders, mut batch, mut calls) = (Vec::new(), Batch::default(), Vec::new());
        if let Some(behind) = self.desired_behind {
            let wanted = view.wanted()?;
            orders = wanted.orders;
            orders.retain(|order| order.id >> 2 > behind);
            for (key, mut desired) in wanted.barred {
                desired.withdraw(view.at);
                batch.put(key, desired.to_value());
            }
        }
        for call in kept(view.snapshot.page(&self.calls())) {
            let (number, mut call) = call?;
            if !call.is_queued(view.at) {
                continue;
            }
            let place = view.place(AffordanceKind::Action, &call.name)?;
            if !view.may_still(call.party()?, Act::Call, &call.name)? {
                call.withdraw(view.at);
                batch.put(numbered_key(OPERATION, self.thing, number), call.to_value());
            } else if let Some(place) = place {
                orders.push(call.order(self.thing, number, place)?);
                call.send(view.at);
                calls.push((number, call));
            }
        }
        orders.sort_by_key(|order| order.id >> 2);
        orders.truncate(self.room);
        for (number, call) in calls {
            let id = order_id(OrderKind::Call, number);
            if orders.iter().any(|order| order.id == id) {
                batch.put(numbered_key(OPERATION, self.thing, number), call.to_value());
            }
        }
        Ok(view.complete((batch, orders)))
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
        match self.take(View::new(snapshot, self.thing, now, at)) {
            Ok(Ok((batch, orders))) => Decision::Done { batch, reply: Ok(orders), effects: Vec::new() },
            Ok(Err(missing)) => Decision::Need(missing),
            Err(bad) => ends(Err(bad.into())),
        }
    }
}
