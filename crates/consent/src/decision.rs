//! The one decision: may this party do that, and which rule says so.

use clock::{Now, Timestamp};
use ledger::BadRecord;
use model::Uuid;
use store::{ReadSet, Snapshot};

use crate::act::Act;
use crate::grant::Grant;
use crate::granting::GRANTS_PER_THING_MAX;
use crate::party::Party;
use crate::spaces::{ids_of, of_thing};

/// What a decision rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The owner may everything.
    Owner,
    /// This grant allows it.
    Grant(Uuid),
    /// Nothing allows it.
    Default,
}

/// A decision with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the party may.
    pub is_allowed: bool,
    /// By which rule.
    pub rule: Rule,
    /// When the rule ends by itself: whoever goes on acting on this verdict asks again then.
    pub until: Option<Timestamp>,
}

impl Verdict {
    const DENIED: Self = Self { is_allowed: false, rule: Rule::Default, until: None };
}

/// What [`decide`], [`standing`] and [`permitted`] want to see.
#[must_use]
pub fn reads(party: &Party, thing: Uuid) -> ReadSet {
    match party {
        Party::Owner | Party::Stranger => ReadSet::default(),
        Party::Person(_) | Party::Client(_) | Party::Thing(_) => {
            ReadSet::default().with_range(of_thing(thing, None, GRANTS_PER_THING_MAX))
        }
    }
}

/// Every grant on a thing of a snapshot that holds its range.
pub(crate) fn grants_on(snapshot: &Snapshot, thing: Uuid) -> Result<Vec<Grant>, BadRecord> {
    let page = snapshot.page(&of_thing(thing, None, GRANTS_PER_THING_MAX));
    let read = page.records.iter().map(|(key, record)| {
        let (thing, id) = ids_of(&key.name).ok_or(BadRecord)?;
        Grant::from_value(thing, id, &record.value)
    });
    read.collect()
}

/// The grants to `party` on `thing` that hold now; empty for the owner, who needs none.
///
/// # Errors
/// [`BadRecord`] when a stored grant cannot be read.
pub fn standing(snapshot: &Snapshot, party: &Party, thing: Uuid, now: Now) -> Result<Vec<Grant>, BadRecord> {
    match party {
        Party::Owner | Party::Stranger => Ok(Vec::new()),
        Party::Person(_) | Party::Client(_) | Party::Thing(_) => {
            let grants = grants_on(snapshot, thing)?;
            Ok(grants.into_iter().filter(|grant| grant.party == *party && grant.holds(now)).collect())
        }
    }
}

/// Decides by grants that [`standing`] found: the one that holds longest is named.
#[must_use]
pub fn permitted(party: &Party, standing: &[Grant], act: Act, name: &str) -> Verdict {
    match party {
        Party::Owner => Verdict { is_allowed: true, rule: Rule::Owner, until: None },
        Party::Stranger => Verdict::DENIED,
        Party::Person(_) | Party::Client(_) | Party::Thing(_) => {
            let allowing = standing.iter().filter(|grant| grant.allows(act, name));
            let longest =
                allowing.max_by_key(|grant| grant.until.map_or(u64::MAX, Timestamp::as_unix_millis));
            longest.map_or(Verdict::DENIED, |grant| Verdict {
                is_allowed: true,
                rule: Rule::Grant(grant.id),
                until: grant.until,
            })
        }
    }
}

/// Whether `party` may do `act` with `name` of `thing` now, and why.
///
/// `snapshot` must hold [`reads`] of the same party and thing. Whether the thing or the name exists is not
/// asked here.
///
/// # Errors
/// [`BadRecord`] when a stored grant cannot be read.
pub fn decide(
    snapshot: &Snapshot,
    party: &Party,
    thing: Uuid,
    act: Act,
    name: &str,
    now: Now,
) -> Result<Verdict, BadRecord> {
    Ok(permitted(party, &standing(snapshot, party, thing, now)?, act, name))
}

/// Every party with a grant on `thing`, each once; [`crate::forget_reads`] must be in the snapshot.
///
/// # Errors
/// [`BadRecord`] when a stored grant cannot be read.
pub fn parties_on(snapshot: &Snapshot, thing: Uuid) -> Result<Vec<Party>, BadRecord> {
    let mut parties: Vec<_> = grants_on(snapshot, thing)?.into_iter().map(|grant| grant.party).collect();
    parties.sort();
    parties.dedup();
    Ok(parties)
}
