//! The directory: which things there are for whom, and one thing whole.

use clock::Now;
use consent::Party;
use model::Uuid;
use store::{Decision, Operation, Range, ReadSet, Snapshot, decided};

use crate::access::{Admitted, Standing, admit, admit_reads};
use crate::adding::stored_model;
use crate::model::ThingModel;
use crate::refusal::{Fault, Refusal};
use crate::spaces::{THING, binding_key, model_key, unversioned};
use crate::thing::{Binding, Thing};

/// Things that one look at the store considers.
const LOOK: usize = 50;

/// A thing as the caller sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThingView {
    /// The thing.
    pub thing: Thing,
    /// What it offers, whole: what of it the caller may use is asked of `standing`.
    pub model: ThingModel,
    /// What the caller may do with it.
    pub standing: Standing,
}

/// Reads one thing.
#[derive(Clone, Debug)]
pub struct ReadThing {
    /// Which.
    pub thing: Uuid,
    /// For whom.
    pub party: Party,
}

impl Operation for ReadThing {
    type Reply = Result<ThingView, Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        let mut reads = admit_reads(&self.party, self.thing);
        reads.keys.push(model_key(self.thing));
        reads
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            let Admitted { thing, standing } = admit(snapshot, &self.party, self.thing, now)?;
            Ok(ThingView { thing, model: stored_model(snapshot, self.thing)?, standing })
        })
    }
}

/// What the listed things have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThingFilter {
    /// These words all stand in the title or begin the UUID; capitals make no difference.
    pub words: Vec<String>,
    /// Only devices behind the old, weak protocol, or only others.
    pub compat: Option<bool>,
    /// Only smart devices of the access service (`Some(true)`), or only clients of the broker.
    pub osap: Option<bool>,
}

impl ThingFilter {
    fn takes(&self, thing: &Thing) -> bool {
        let (title, id) = (thing.title.to_lowercase(), thing.id.to_string());
        let is_osap = matches!(thing.binding, Binding::Osap { .. } | Binding::Child { .. });
        self.compat.is_none_or(|wanted| thing.marks.compat == wanted)
            && self.osap.is_none_or(|wanted| is_osap == wanted)
            && self.words.iter().all(|word| {
                let word = word.to_lowercase();
                title.contains(&word) || id.starts_with(&word)
            })
    }
}

/// Lists the things that the caller sees, by UUID.
///
/// One operation considers up to 50 things: a page may be short, even empty, and go on.
#[derive(Clone, Debug)]
pub struct ListThings {
    /// For whom.
    pub party: Party,
    /// Which.
    pub filter: ThingFilter,
    /// Goes on behind this one.
    pub after: Option<Uuid>,
}

/// One page of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThingPage {
    /// Things, by UUID.
    pub things: Vec<ThingView>,
    /// Where to go on; `None`: that was all.
    pub next: Option<Uuid>,
}

impl ListThings {
    fn everything(&self) -> Range {
        let after = self.after.map(|thing| thing.0.to_vec());
        Range { space: THING, prefix: Vec::new(), after, limit: LOOK }
    }

    fn candidates(&self, snapshot: &Snapshot) -> Result<(Vec<Uuid>, bool), Refusal> {
        if self.party == Party::Owner {
            let page = snapshot.page(&self.everything());
            let ids = page.records.iter().map(|(key, _)| key.name.as_slice().try_into().map(Uuid));
            let ids = ids.collect::<Result<_, _>>().map_err(|_| Refusal::Fault(Fault::BadRecord))?;
            return Ok((ids, page.more));
        }
        Ok(consent::things_page(&self.party, self.after, LOOK).things(snapshot)?)
    }

    fn list(&self, snapshot: &Snapshot, now: Now) -> Result<ThingPage, Refusal> {
        let (ids, more) = self.candidates(snapshot)?;
        let next = if more { ids.last().copied() } else { None };
        let mut things = Vec::new();
        for id in ids {
            let Admitted { thing, standing } = match admit(snapshot, &self.party, id, now) {
                Ok(admitted) => admitted,
                Err(Refusal::NotHere) => continue,
                Err(why) => return Err(why),
            };
            if self.filter.takes(&thing) {
                things.push(ThingView { model: stored_model(snapshot, id)?, thing, standing });
            }
        }
        Ok(ThingPage { things, next })
    }
}

impl Operation for ListThings {
    type Reply = Result<ThingPage, Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        let range = match self.party {
            Party::Owner => self.everything(),
            Party::Person(_) | Party::Client(_) | Party::Thing(_) | Party::Stranger => {
                consent::things_page(&self.party, self.after, LOOK).range
            }
        };
        ReadSet::default().with_range(range)
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        if let Ok((ids, _)) = self.candidates(snapshot) {
            let mut missing = ReadSet::default();
            for id in ids.into_iter().filter(|id| !snapshot.covers(&model_key(*id))) {
                missing.extend(admit_reads(&self.party, id));
                missing.keys.push(model_key(id));
            }
            if !missing.keys.is_empty() {
                return Decision::Need(missing);
            }
        }
        decided(|_| self.list(snapshot, now))
    }
}

/// Finds the thing behind a device.
#[derive(Clone, Debug)]
pub struct FindThing {
    /// What it is bound to; the mode of a serial makes no difference.
    pub binding: Binding,
}

impl Operation for FindThing {
    type Reply = Result<Option<Uuid>, Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([binding_key(&self.binding)])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            let Some(stored) = snapshot.value(&binding_key(&self.binding)) else { return Ok(None) };
            let id = unversioned(stored)?.try_into().map_err(|_| Refusal::Fault(Fault::BadRecord))?;
            Ok(Some(Uuid(id)))
        })
    }
}
