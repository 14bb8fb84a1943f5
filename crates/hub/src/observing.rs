//! Who may subscribe to what, and who may manage things.

use clock::Now;
use consent::{Act, Party};
use model::Uuid;
use store::{Decision, Operation, ReadSet, Snapshot, decided};

use crate::access::{Standing, admit, admit_reads, affordance};
use crate::command::{Interest, Pick};
use crate::model::AffordanceKind;
use crate::refusal::Refusal;
use crate::spaces::affordance_key;

/// Judges an interest, when it is taken and whenever the rights of its party may have changed.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// In what.
    pub interest: Interest,
    /// Whose.
    pub party: Party,
}

impl Subscribe {
    fn names(&self) -> impl Iterator<Item = (AffordanceKind, &String)> {
        fn picked(kind: AffordanceKind, pick: &Pick) -> impl Iterator<Item = (AffordanceKind, &String)> {
            let names = match pick {
                Pick::Set(names) => Some(names),
                Pick::Nothing | Pick::All => None,
            };
            names.into_iter().flatten().map(move |name| (kind, name))
        }
        picked(AffordanceKind::Property, &self.interest.properties)
            .chain(picked(AffordanceKind::Event, &self.interest.events))
    }
}

impl Operation for Subscribe {
    /// What the party may do, for as long as nothing is revoked.
    type Reply = Result<Standing, Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        let mut reads = admit_reads(&self.party, self.interest.thing);
        let keys = self.names().map(|(kind, name)| affordance_key(self.interest.thing, kind, name));
        reads.keys.extend(keys);
        reads
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            let thing = self.interest.thing;
            let admitted = admit(snapshot, &self.party, thing, now)?;
            for (kind, name) in self.names() {
                admitted.permit(Act::Observe, name)?;
                let affordance = affordance(snapshot, thing, kind, name)?.ok_or(Refusal::NoSuchName)?;
                if kind == AffordanceKind::Property && !affordance.is_observable() {
                    return Err(Refusal::NotObservable);
                }
            }
            Ok(admitted.standing)
        })
    }
}

/// Refuses whoever is not the owner in the words that tell nothing: a thing that the party does not see is not
/// here, one that it sees is not its to manage.
#[derive(Clone, Debug)]
pub struct MayManage {
    /// Who.
    pub party: Party,
    /// Which thing; `None`: things at large.
    pub thing: Option<Uuid>,
}

impl Operation for MayManage {
    type Reply = Result<(), Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        self.thing.map_or_else(ReadSet::default, |thing| admit_reads(&self.party, thing))
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            if self.party == Party::Owner {
                return Ok(());
            }
            if let Some(thing) = self.thing {
                admit(snapshot, &self.party, thing, now)?;
            }
            Err(Refusal::NotPermitted)
        })
    }
}
