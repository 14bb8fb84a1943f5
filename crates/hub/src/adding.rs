//! Things are added, and their models replaced.

use clock::{Now, Timestamp};
use ledger::Origin;
use model::Uuid;
use store::{Batch, Decision, Operation, ReadSet, Snapshot, decided};

use crate::history::SAMPLES_MAX;
use crate::model::{AFFORDANCE_COUNT_MAX, AffordanceKind, ThingModel};
use crate::refusal::{Fault, Refusal};
use crate::spaces::{
    DESIRED, HISTORY, MODEL, VALUE, affordance_key, all_of, binding_key, model_key, name_of, place_key,
    sampled_name, thing_key, unversioned, versioned,
};
use crate::thing::{Binding, Marks, Thing};

/// Properties that one thing may have; as many actions and events.
pub const PROPERTY_COUNT_MAX: usize = AFFORDANCE_COUNT_MAX;

/// Records that one model takes in its space: itself, and two for each affordance.
const MODEL_RECORD_COUNT_MAX: usize = 1 + 3 * 2 * AFFORDANCE_COUNT_MAX;

/// Adds a thing for a device.
///
/// Whatever else must hold from the same moment on, as a device's credential, is decided over the same
/// snapshot with [`AddThing::decide_into`] and written into the same batch.
#[derive(Clone, Debug)]
pub struct AddThing {
    /// Its UUID.
    pub id: Uuid,
    /// What it offers; its title is the thing's.
    pub model: ThingModel,
    /// Through what its device is reached.
    pub binding: Binding,
    /// What is to be seen at a glance.
    pub marks: Marks,
    /// Who asks; that it is the owner was checked.
    pub origin: Origin,
}

impl AddThing {
    /// What the decision wants to see.
    #[must_use]
    pub fn reads(&self) -> ReadSet {
        ReadSet::of([thing_key(self.id), binding_key(&self.binding)])
    }

    /// Decides, and writes the thing with its model and audit entry into `batch`.
    ///
    /// # Errors
    /// [`Refusal::Exists`], [`Refusal::BadModel`] for a binding of no accepted form, [`Refusal::Fault`]; then
    /// nothing is written.
    pub fn decide_into(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<Thing, Refusal> {
        let at = now.utc.ok_or(Refusal::Fault(Fault::NoClock))?;
        if !self.binding.is_well_formed() {
            return Err(Refusal::BadBinding);
        }
        let is_taken = snapshot.value(&thing_key(self.id)).is_some()
            || snapshot.value(&binding_key(&self.binding)).is_some();
        if is_taken {
            return Err(Refusal::Exists);
        }
        let thing = Thing {
            id: self.id,
            title: self.model.title().to_owned(),
            binding: self.binding.clone(),
            marks: self.marks,
            created: at,
            modified: at,
        };
        batch.put(thing_key(self.id), thing.to_value());
        batch.put(binding_key(&self.binding), versioned(&self.id.0));
        write_model(&self.model, self.id, batch)?;
        self.origin.audit(batch, "things.add", Some(self.id), "done", at);
        Ok(thing)
    }
}

impl Operation for AddThing {
    type Reply = Result<Thing, Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        Self::reads(self)
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| self.decide_into(snapshot, now, batch))
    }
}

fn write_model(model: &ThingModel, thing: Uuid, batch: &mut Batch) -> Result<(), Refusal> {
    let text = serde_json::Value::Object(model.members().clone()).to_string();
    batch.put(model_key(thing), versioned(text.as_bytes()));
    for kind in AffordanceKind::ALL {
        for affordance in model.affordances(kind) {
            let place = place_key(thing, kind, &affordance.place()?);
            batch.put(place, versioned(affordance.name.as_bytes()));
            let key = affordance_key(thing, kind, &affordance.name);
            let text = serde_json::Value::Object(affordance.json).to_string();
            batch.put(key, versioned(text.as_bytes()));
        }
    }
    Ok(())
}

/// The model of a thing whose record is in the snapshot.
pub(crate) fn stored_model(snapshot: &Snapshot, thing: Uuid) -> Result<ThingModel, Refusal> {
    let stored = snapshot.value(&model_key(thing)).ok_or(Refusal::Fault(Fault::BadRecord))?;
    let text = std::str::from_utf8(unversioned(stored)?).map_err(|_| Refusal::Fault(Fault::BadRecord))?;
    Ok(ThingModel::stored(text)?)
}

/// Gives a thing another model. Values and desired values of properties that are no more are erased;
/// operations and events stay.
#[derive(Clone, Debug)]
pub struct ReplaceModel {
    /// Which thing.
    pub thing: Uuid,
    /// What it offers from now on.
    pub model: ThingModel,
    /// Who asks; that it is the owner was checked.
    pub origin: Origin,
}

impl ReplaceModel {
    fn replace(&self, snapshot: &Snapshot, at: Timestamp, batch: &mut Batch) -> Result<Thing, Refusal> {
        let mut thing = Thing::read(snapshot, self.thing)?.ok_or(Refusal::NotHere)?;
        let page = snapshot.page(&all_of(MODEL, self.thing, MODEL_RECORD_COUNT_MAX));
        page.records.iter().for_each(|(key, _)| {
            batch.delete(key.clone());
        });
        write_model(&self.model, self.thing, batch)?;
        let kept: Vec<_> = self.model.affordances(AffordanceKind::Property).collect();
        for space in [VALUE, DESIRED] {
            for (key, _) in &snapshot.page(&all_of(space, self.thing, PROPERTY_COUNT_MAX)).records {
                if !kept.iter().any(|property| name_of(key) == Some(property.name.as_str())) {
                    batch.delete(key.clone());
                }
            }
        }
        for (key, _) in &snapshot.page(&all_of(HISTORY, self.thing, PROPERTY_COUNT_MAX * SAMPLES_MAX)).records
        {
            if !kept.iter().any(|property| sampled_name(key) == Some(property.name.as_str())) {
                batch.delete(key.clone());
            }
        }
        thing.title = self.model.title().to_owned();
        thing.modified = at;
        batch.put(thing_key(self.thing), thing.to_value());
        self.origin.audit(batch, "things.replace", Some(self.thing), "done", at);
        Ok(thing)
    }
}

impl Operation for ReplaceModel {
    type Reply = Result<Thing, Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([thing_key(self.thing)])
            .with_range(all_of(MODEL, self.thing, MODEL_RECORD_COUNT_MAX))
            .with_range(all_of(VALUE, self.thing, PROPERTY_COUNT_MAX))
            .with_range(all_of(DESIRED, self.thing, PROPERTY_COUNT_MAX))
            .with_range(all_of(HISTORY, self.thing, PROPERTY_COUNT_MAX * SAMPLES_MAX))
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = now.utc.ok_or(Refusal::Fault(Fault::NoClock))?;
            self.replace(snapshot, at, batch)
        })
    }
}

/// Sets what is to be seen on a thing at a glance.
#[derive(Clone, Debug)]
pub struct MarkThing {
    /// Which thing.
    pub thing: Uuid,
    /// What is to be seen from now on.
    pub marks: Marks,
    /// Who says so.
    pub origin: Origin,
}

impl Operation for MarkThing {
    /// Whether that is new.
    type Reply = Result<bool, Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([thing_key(self.thing)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = now.utc.ok_or(Refusal::Fault(Fault::NoClock))?;
            let mut thing = Thing::read(snapshot, self.thing)?.ok_or(Refusal::NotHere)?;
            if thing.marks == self.marks {
                return Ok(false);
            }
            (thing.marks, thing.modified) = (self.marks, at);
            batch.put(thing_key(self.thing), thing.to_value());
            let what = if self.marks.compat { "things.mark" } else { "things.unmark" };
            self.origin.audit(batch, what, Some(self.thing), "done", at);
            Ok(true)
        })
    }
}
