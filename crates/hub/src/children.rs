//! Sub-devices behind a gateway: it tells of them, the owner decides which become things.
//!
//! ```text
//! gateway --TellChildren--> offer waits --Adopt----> a thing, bound to (gateway, serial)
//!                                       --Decline--> stays refused, whatever the gateway says
//! ```
//! A sub-device proves nothing itself: its gateway vouches for it, and for none behind another gateway.
//! Source: ADR 0370.

use clock::{Now, Timestamp};
use ledger::{BadRecord, Origin};
use minicbor::{Decode, Encode};
use model::Uuid;
use store::{Batch, Decision, Operation, ReadSet, Snapshot, decided};

use crate::adding::AddThing;
use crate::model::ThingModel;
use crate::refusal::{Fault, Refusal};
use crate::spaces::{CHILD, adopted, adopted_serial, all_of, child_key, name_of, thing_key, unversioned};
use crate::thing::{Binding, Marks, Thing};

/// Sub-devices that a gateway may tell of, and that may be things behind it.
pub const CHILD_COUNT_MAX: usize = 64;

/// Sub-devices of one gateway that stay refused.
pub const DECLINED_COUNT_MAX: usize = 64;

/// Records of one gateway at most.
const RECORD_COUNT_MAX: usize = CHILD_COUNT_MAX + DECLINED_COUNT_MAX;

/// What a gateway says of one sub-device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldChild {
    /// Its serial.
    pub serial: String,
    /// Whether the gateway reaches it.
    pub is_connected: bool,
}

/// How a sub-device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildState {
    /// The owner has not decided.
    Waiting,
    /// The owner refused it.
    Declined,
    /// It is this thing.
    Adopted(Uuid),
}

/// A sub-device as its gateway's owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildView {
    /// Its serial.
    pub serial: String,
    /// How it stands.
    pub state: ChildState,
    /// Whether the gateway told of it last time.
    pub is_told: bool,
    /// Whether the gateway said that it reaches it.
    pub is_connected: bool,
    /// When the gateway first told of it; `None` for a thing of which it tells no more.
    pub since: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Stored {
    #[n(0)]
    is_declined: bool,
    #[n(1)]
    is_told: bool,
    #[n(2)]
    is_connected: bool,
    #[n(3)]
    since_unix_millis: u64,
}

fn reads(hub: Uuid) -> ReadSet {
    ReadSet::of([thing_key(hub)])
        .with_range(all_of(CHILD, hub, RECORD_COUNT_MAX + 1))
        .with_range(adopted(hub, CHILD_COUNT_MAX + 1))
}

fn records(snapshot: &Snapshot, hub: Uuid) -> Result<Vec<(String, Stored)>, BadRecord> {
    let page = snapshot.page(&all_of(CHILD, hub, RECORD_COUNT_MAX + 1));
    let read = |(key, record): &(store::Key, store::Record)| {
        Ok((name_of(key).ok_or(BadRecord)?.to_owned(), ledger::from_bytes(&record.value)?))
    };
    page.records.iter().map(read).collect()
}

fn things(snapshot: &Snapshot, hub: Uuid) -> Result<Vec<(String, Uuid)>, BadRecord> {
    let page = snapshot.page(&adopted(hub, CHILD_COUNT_MAX + 1));
    let read = |(key, record): &(store::Key, store::Record)| {
        let id = unversioned(&record.value)?.try_into().map_err(|_| BadRecord)?;
        Ok((adopted_serial(key).ok_or(BadRecord)?.to_owned(), Uuid(id)))
    };
    page.records.iter().map(read).collect()
}

/// A gateway tells of all its sub-devices: offers come and go with what it says.
#[derive(Clone, Debug)]
pub struct TellChildren {
    /// The thing of the gateway.
    pub hub: Uuid,
    /// All of them, no serial twice.
    pub told: Vec<ToldChild>,
}

impl TellChildren {
    fn tell(
        &self,
        snapshot: &Snapshot,
        at: Timestamp,
        batch: &mut Batch,
    ) -> Result<Vec<(String, Uuid)>, Refusal> {
        if snapshot.value(&thing_key(self.hub)).is_none() {
            return Err(Refusal::NotHere);
        }
        if self.told.len() > CHILD_COUNT_MAX {
            return Err(Refusal::Full);
        }
        let binding = |serial: &str| Binding::Child { hub: self.hub, serial: serial.to_owned() };
        if self.told.iter().any(|one| !binding(&one.serial).is_well_formed()) {
            return Err(Refusal::BadBinding);
        }
        let mut before = records(snapshot, self.hub)?;
        for ToldChild { serial, is_connected } in &self.told {
            let place = before.iter().position(|(known, _)| known == serial);
            let earlier = place.map(|place| before.swap_remove(place).1);
            let mut now = earlier.clone().unwrap_or(Stored {
                is_declined: false,
                is_told: true,
                is_connected: *is_connected,
                since_unix_millis: at.as_unix_millis(),
            });
            (now.is_told, now.is_connected) = (true, *is_connected);
            if earlier.as_ref() != Some(&now) {
                batch.put(child_key(self.hub, serial), ledger::to_bytes(&now));
            }
        }
        for (serial, mut gone) in before {
            if !gone.is_declined {
                batch.delete(child_key(self.hub, &serial));
            } else if gone.is_told {
                (gone.is_told, gone.is_connected) = (false, false);
                batch.put(child_key(self.hub, &serial), ledger::to_bytes(&gone));
            }
        }
        let is_told = |serial: &String| self.told.iter().any(|one| one.serial == *serial);
        Ok(things(snapshot, self.hub)?.into_iter().filter(|(serial, _)| is_told(serial)).collect())
    }
}

impl Operation for TellChildren {
    /// Those that are things, with their things.
    type Reply = Result<Vec<(String, Uuid)>, Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        reads(self.hub)
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = now.utc.ok_or(Refusal::Fault(Fault::NoClock))?;
            self.tell(snapshot, at, batch)
        })
    }
}

/// Lists the sub-devices of a gateway, by serial.
#[derive(Clone, Debug)]
pub struct ListChildren {
    /// The thing of the gateway; that the caller is its owner was checked.
    pub hub: Uuid,
}

impl Operation for ListChildren {
    type Reply = Result<Vec<ChildView>, Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        reads(self.hub)
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            if snapshot.value(&thing_key(self.hub)).is_none() {
                return Err(Refusal::NotHere);
            }
            let mut things = things(snapshot, self.hub)?;
            let mut views = Vec::new();
            for (serial, stored) in records(snapshot, self.hub)? {
                let place = things.iter().position(|(known, _)| *known == serial);
                let state = match place.map(|place| things.swap_remove(place).1) {
                    Some(thing) => ChildState::Adopted(thing),
                    None if stored.is_declined => ChildState::Declined,
                    None => ChildState::Waiting,
                };
                let since = Some(Timestamp::from_unix_millis(stored.since_unix_millis));
                let Stored { is_told, is_connected, .. } = stored;
                views.push(ChildView { serial, state, is_told, is_connected, since });
            }
            views.extend(things.into_iter().map(|(serial, thing)| ChildView {
                serial,
                state: ChildState::Adopted(thing),
                is_told: false,
                is_connected: false,
                since: None,
            }));
            views.sort_by(|one, other| one.serial.cmp(&other.serial));
            Ok(views)
        })
    }
}

/// Makes a thing of a sub-device that its gateway tells of, also of one that was refused.
#[derive(Clone, Debug)]
pub struct Adopt {
    /// The thing of the gateway.
    pub hub: Uuid,
    /// The sub-device.
    pub serial: String,
    /// The UUID of its thing.
    pub id: Uuid,
    /// What it offers.
    pub model: ThingModel,
    /// Who asks; that it is the owner was checked.
    pub origin: Origin,
}

impl Adopt {
    fn binding(&self) -> Binding {
        Binding::Child { hub: self.hub, serial: self.serial.clone() }
    }

    fn add(&self) -> AddThing {
        let (id, model, binding) = (self.id, self.model.clone(), self.binding());
        AddThing { id, model, binding, marks: Marks::default(), origin: self.origin.clone() }
    }
}

impl Operation for Adopt {
    type Reply = Result<Thing, Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        let mut all = reads(self.hub);
        all.extend(self.add().reads());
        all
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            if snapshot.value(&thing_key(self.hub)).is_none() {
                return Err(Refusal::NotHere);
            }
            let things = things(snapshot, self.hub)?;
            if things.iter().any(|(serial, _)| *serial == self.serial) {
                return Err(Refusal::Exists);
            }
            let mut all = records(snapshot, self.hub)?.into_iter();
            let (_, mut told) = all
                .find(|(serial, stored)| *serial == self.serial && stored.is_told)
                .ok_or(Refusal::NoSuchName)?;
            if things.len() >= CHILD_COUNT_MAX {
                return Err(Refusal::Full);
            }
            let thing = self.add().decide_into(snapshot, now, batch)?;
            if told.is_declined {
                told.is_declined = false;
                batch.put(child_key(self.hub, &self.serial), ledger::to_bytes(&told));
            }
            self.origin.audit(batch, "things.adopt", Some(self.hub), "done", thing.created);
            Ok(thing)
        })
    }
}

/// Refuses a sub-device: it becomes a thing only by [`Adopt`].
#[derive(Clone, Debug)]
pub struct Decline {
    /// The thing of the gateway.
    pub hub: Uuid,
    /// The sub-device.
    pub serial: String,
    /// Who asks; that it is the owner was checked.
    pub origin: Origin,
}

impl Operation for Decline {
    type Reply = Result<(), Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        reads(self.hub)
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = now.utc.ok_or(Refusal::Fault(Fault::NoClock))?;
            if snapshot.value(&thing_key(self.hub)).is_none() {
                return Err(Refusal::NotHere);
            }
            // One that is a thing is removed first.
            if things(snapshot, self.hub)?.iter().any(|(serial, _)| *serial == self.serial) {
                return Err(Refusal::Exists);
            }
            let all = records(snapshot, self.hub)?;
            let found = all.iter().find(|(serial, _)| *serial == self.serial);
            let (_, mut stored) = found.cloned().ok_or(Refusal::NoSuchName)?;
            if stored.is_declined {
                return Ok(());
            }
            if all.iter().filter(|(_, stored)| stored.is_declined).count() >= DECLINED_COUNT_MAX {
                return Err(Refusal::Full);
            }
            stored.is_declined = true;
            batch.put(child_key(self.hub, &self.serial), ledger::to_bytes(&stored));
            self.origin.audit(batch, "things.decline", Some(self.hub), "done", at);
            Ok(())
        })
    }
}
