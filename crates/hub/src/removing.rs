//! A thing is removed: everything that was kept of it is erased.

use clock::Now;
use ledger::Origin;
use model::Uuid;
use store::{Batch, Decision, Operation, ReadSet, Snapshot};

use crate::adding::PROPERTY_COUNT_MAX;
use crate::history::SAMPLES_MAX;
use crate::notice::Effect;
use crate::refusal::{Fault, Refusal};
use crate::spaces::{OF_ONE_THING, all_of, binding_key, thing_key};
use crate::thing::{Binding, Thing};

/// More than a thing can have in any one space: the rings of all its properties are the most.
const RECORD_COUNT_MAX: usize = PROPERTY_COUNT_MAX * SAMPLES_MAX + 1;

/// Erases a thing with its model, values, desired values, operations, events and grants in one commit.
///
/// What ends with it elsewhere, as a device's credential, goes into the same batch with
/// [`RemoveThing::decide_into`].
#[derive(Clone, Debug)]
pub struct RemoveThing {
    /// Which.
    pub thing: Uuid,
    /// Who asks; that it is the owner was checked.
    pub origin: Origin,
}

impl RemoveThing {
    /// What the decision wants to see.
    #[must_use]
    pub fn reads(&self) -> ReadSet {
        let mut reads = consent::forget_reads(self.thing);
        reads.keys.push(thing_key(self.thing));
        for space in OF_ONE_THING {
            reads = reads.with_range(all_of(space, self.thing, RECORD_COUNT_MAX));
        }
        reads
    }

    /// Decides, and writes the removals and the audit entry into `batch`. Answers what the thing was bound to.
    ///
    /// # Errors
    /// [`Refusal::NotHere`], [`Refusal::Fault`]; then nothing is written.
    pub fn decide_into(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<Binding, Refusal> {
        let at = now.utc.ok_or(Refusal::Fault(Fault::NoClock))?;
        let thing = Thing::read(snapshot, self.thing)?.ok_or(Refusal::NotHere)?;
        consent::forget(snapshot, self.thing, batch)?;
        for space in OF_ONE_THING {
            for (key, _) in &snapshot.page(&all_of(space, self.thing, RECORD_COUNT_MAX)).records {
                batch.delete(key.clone());
            }
        }
        batch.delete(binding_key(&thing.binding));
        batch.delete(thing_key(self.thing));
        self.origin.audit(batch, "things.remove", Some(self.thing), "done", at);
        Ok(thing.binding)
    }
}

impl Operation for RemoveThing {
    type Reply = Result<Binding, Refusal>;
    type Effect = Effect;

    fn reads(&self) -> ReadSet {
        Self::reads(self)
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, Effect> {
        let mut batch = Batch::default();
        match self.decide_into(snapshot, now, &mut batch) {
            Ok(binding) => {
                let effects = vec![Effect::Judge { thing: self.thing, party: None }];
                Decision::Done { batch, reply: Ok(binding), effects }
            }
            Err(why) => Decision::Done { batch: Batch::default(), reply: Err(why), effects: Vec::new() },
        }
    }
}
