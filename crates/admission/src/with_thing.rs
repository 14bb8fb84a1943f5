//! A smart device and the thing that it is for its owner come together and go together: one commit each.
//!
//! Source: ADR 0310.

use clock::Now;
use hub::{AddThing, Binding, Effect, Fault, Refusal, RemoveThing, Thing};
use osap_proto::Serial;
use store::{Batch, Decision, Operation, ReadSet, Snapshot, decided};

use crate::enrolling::{Earlier, Enrol, Enrolled, NoCredential, Remove};
use crate::record::CannotDecide;
use crate::spaces::device_key;

/// Why a device and its thing were not added; neither was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAdded {
    /// The thing cannot be: [`Refusal::Exists`] also when a thing is bound to the device already.
    Thing(Refusal),
    /// The credentials make no record.
    Credential(NoCredential),
}

impl From<CannotDecide> for NotAdded {
    fn from(why: CannotDecide) -> Self {
        Self::Thing(fault(why))
    }
}

fn fault(why: CannotDecide) -> Refusal {
    Refusal::Fault(match why {
        CannotDecide::Record(_) => Fault::BadRecord,
        CannotDecide::NoClock => Fault::NoClock,
    })
}

/// Adds a thing and puts its device on record.
///
/// A record of this serial that no thing is bound to is what was left of an earlier owner's or of an earlier
/// thing: it goes, with all its tickets.
#[derive(Clone, Debug)]
pub struct AddWithThing {
    /// The thing; bound to the device.
    pub add: AddThing,
    /// The device; linked to the thing.
    pub enrol: Enrol,
}

impl Operation for AddWithThing {
    type Reply = Result<Thing, NotAdded>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        let mut reads = self.add.reads();
        reads.keys.extend(self.enrol.reads().keys);
        reads
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let thing = self.add.decide_into(snapshot, now, batch).map_err(NotAdded::Thing)?;
            match self.enrol.decide_over(Earlier::Goes, snapshot, now, batch)? {
                Enrolled::Added => Ok(thing),
                Enrolled::Exists => Err(NotAdded::Thing(Refusal::Exists)),
                Enrolled::Refused(why) => Err(NotAdded::Credential(why)),
            }
        })
    }
}

/// Erases a thing, and what is on record of its device: nothing that the device has proves anything afterwards.
#[derive(Clone, Debug)]
pub struct RemoveWithThing(pub RemoveThing);

impl RemoveWithThing {
    fn remove(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<Found, Refusal> {
        let binding = self.0.decide_into(snapshot, now, batch)?;
        let Binding::Osap { serial, .. } = &binding else { return Ok(Found::All(binding)) };
        let Some(serial) = Serial::new(serial.as_bytes()) else { return Ok(Found::All(binding)) };
        if !snapshot.covers(&device_key(&serial)) {
            return Ok(Found::Unread(serial));
        }
        let remove = Remove { serial, origin: self.0.origin.clone() };
        remove.decide_into(snapshot, now, batch).map_err(fault)?;
        Ok(Found::All(binding))
    }
}

enum Found {
    All(Binding),
    /// What is on record of this device was not read yet.
    Unread(Serial),
}

impl Operation for RemoveWithThing {
    /// What the thing was bound to.
    type Reply = Result<Binding, Refusal>;
    type Effect = Effect;

    fn reads(&self) -> ReadSet {
        self.0.reads()
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, Effect> {
        let mut batch = Batch::default();
        match self.remove(snapshot, now, &mut batch) {
            Ok(Found::Unread(serial)) => Decision::Need(ReadSet::of([device_key(&serial)])),
            Ok(Found::All(binding)) => {
                let effects = vec![Effect::Judge { thing: self.0.thing, party: None }];
                Decision::Done { batch, reply: Ok(binding), effects }
            }
            Err(why) => Decision::Done { batch: Batch::default(), reply: Err(why), effects: Vec::new() },
        }
    }
}
