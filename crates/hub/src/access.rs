//! The only door to a thing for whoever asks from outside.

use clock::{Now, Timestamp};
use consent::{Act, Grant, Party, Verdict};
use ledger::BadRecord;
use model::Uuid;
use store::{ReadSet, Snapshot};

use crate::model::{Affordance, AffordanceKind};
use crate::refusal::Refusal;
use crate::spaces::{affordance_key, thing_key};
use crate::thing::Thing;

/// What a caller may do with one thing at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    party: Party,
    grants: Vec<Grant>,
}

impl Standing {
    /// Whether the caller may do `act` with `name`, and why.
    #[must_use]
    pub fn judge(&self, act: Act, name: &str) -> Verdict {
        consent::permitted(&self.party, &self.grants, act, name)
    }

    /// Whether the caller may do `act` with `name`.
    #[must_use]
    pub fn may(&self, act: Act, name: &str) -> bool {
        self.judge(act, name).is_allowed
    }

    /// Whether the caller may still do `act` with `name` at a later time, as far as grants end by themselves.
    #[must_use]
    pub fn may_still(&self, act: Act, name: &str, now: Now) -> bool {
        let holding: Vec<_> = self.grants.iter().filter(|grant| grant.holds(now)).cloned().collect();
        consent::permitted(&self.party, &holding, act, name).is_allowed
    }

    /// When the first of the grants ends by itself.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        self.grants.iter().filter_map(|grant| grant.until).min()
    }

    /// Since when the caller may do `act` with `name`; `None`: since ever, or not at all.
    #[must_use]
    pub fn since(&self, act: Act, name: &str) -> Option<Timestamp> {
        let allows = |grant: &&Grant| {
            consent::permitted(&self.party, std::slice::from_ref(*grant), act, name).is_allowed
        };
        let holds_since = |grant: &Grant| grant.from.map_or(grant.made, |from| from.max(grant.made));
        if self.is_owner() {
            return None;
        }
        self.grants.iter().filter(allows).map(holds_since).min()
    }

    /// Whether the caller is the owner.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.party == Party::Owner
    }
}

/// What `party` may do with `thing` now; [`consent::reads`] must be in the snapshot.
pub(crate) fn standing(
    snapshot: &Snapshot,
    party: &Party,
    thing: Uuid,
    now: Now,
) -> Result<Standing, BadRecord> {
    Ok(Standing { party: party.clone(), grants: consent::standing(snapshot, party, thing, now)? })
}

/// A thing that the caller sees.
pub(crate) struct Admitted {
    pub(crate) thing: Thing,
    pub(crate) standing: Standing,
}

/// What [`admit`] wants to see.
pub(crate) fn admit_reads(party: &Party, thing: Uuid) -> ReadSet {
    let mut reads = consent::reads(party, thing);
    reads.keys.push(thing_key(thing));
    reads
}

/// The thing, if it exists and the caller is the owner or was granted anything with it that holds now.
pub(crate) fn admit(snapshot: &Snapshot, party: &Party, thing: Uuid, now: Now) -> Result<Admitted, Refusal> {
    let standing = standing(snapshot, party, thing, now)?;
    let is_seen = standing.is_owner() || !standing.grants.is_empty();
    match Thing::read(snapshot, thing)? {
        Some(thing) if is_seen => Ok(Admitted { thing, standing }),
        Some(_) | None => Err(Refusal::NotHere),
    }
}

impl Admitted {
    /// Refuses what no rule allows, whether `name` exists or not.
    pub(crate) fn permit(&self, act: Act, name: &str) -> Result<Verdict, Refusal> {
        let verdict = self.standing.judge(act, name);
        if verdict.is_allowed { Ok(verdict) } else { Err(Refusal::NotPermitted) }
    }
}

/// The affordance of this name, which must be in the read set.
pub(crate) fn affordance(
    snapshot: &Snapshot,
    thing: Uuid,
    kind: AffordanceKind,
    name: &str,
) -> Result<Option<Affordance>, BadRecord> {
    let stored = snapshot.value(&affordance_key(thing, kind, name));
    stored.map(|stored| Affordance::stored(name, kind, stored)).transpose()
}
