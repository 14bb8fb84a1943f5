//! Grants are made and taken back.

use clock::{Now, Timestamp};
use ledger::{BadRecord, Origin};
use model::Uuid;
use store::{Batch, Decision, Operation, ReadSet, Snapshot};

use crate::act::Acts;
use crate::decision::grants_on;
use crate::grant::{Grant, NAMES_PER_GRANT_MAX, Names};
use crate::party::Party;
use crate::spaces::{by_id, by_party, grant_key, of_thing};

/// Grants that one thing may have; a decision reads them all.
pub const GRANTS_PER_THING_MAX: usize = 256;

/// Makes a grant. Whether the thing exists is the caller's to check, in the same commit.
#[derive(Clone, Debug)]
pub struct AddGrant {
    /// Who may.
    pub party: Party,
    /// With which thing.
    pub thing: Uuid,
    /// What; not empty.
    pub acts: Acts,
    /// With which properties, actions and events.
    pub names: Names,
    /// From then on.
    pub from: Option<Timestamp>,
    /// Before then; must lie ahead.
    pub until: Option<Timestamp>,
    /// Who asks.
    pub origin: Origin,
}

/// Why no grant is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotGranted {
    /// The owner needs none, and strangers get none; or the name is too long.
    Party,
    /// Nothing would be allowed: no act, or no name.
    Nothing,
    /// More names than one grant lists.
    Names,
    /// It would never hold.
    Times,
    /// The thing has as many as may be.
    Full,
    /// We do not know the time.
    NoClock,
    /// A stored record cannot be read.
    BadRecord,
}

impl From<BadRecord> for NotGranted {
    fn from(_: BadRecord) -> Self {
        Self::BadRecord
    }
}

impl AddGrant {
    /// What the decision wants to see.
    #[must_use]
    pub fn reads(&self) -> ReadSet {
        ReadSet::default().with_range(of_thing(self.thing, None, GRANTS_PER_THING_MAX))
    }

    /// Decides, and writes the grant with its indexes and audit entry into `batch`.
    ///
    /// # Errors
    /// See [`NotGranted`]; then nothing is written.
    pub fn decide_into(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<Grant, NotGranted> {
        let at = now.utc.ok_or(NotGranted::NoClock)?;
        match self.party {
            Party::Owner | Party::Stranger => return Err(NotGranted::Party),
            Party::Person(_) | Party::Client(_) | Party::Thing(_) if !self.party.is_storable() => {
                return Err(NotGranted::Party);
            }
            Party::Person(_) | Party::Client(_) | Party::Thing(_) => {}
        }
        if self.acts.is_empty() {
            return Err(NotGranted::Nothing);
        }
        if let Names::Set(names) = &self.names {
            if names.is_empty() {
                return Err(NotGranted::Nothing);
            }
            if names.len() > NAMES_PER_GRANT_MAX || names.iter().any(|name| name.len() > 64) {
                return Err(NotGranted::Names);
            }
        }
        let ends_before_it_begins = self.until.zip(self.from).is_some_and(|(until, from)| until <= from);
        if ends_before_it_begins || self.until.is_some_and(|until| until <= at) {
            return Err(NotGranted::Times);
        }
        let standing = grants_on(snapshot, self.thing)?;
        // A grant that is over makes room; the others are the owner's to revoke.
        let over = standing.iter().filter(|grant| grant.is_over(now));
        let room = GRANTS_PER_THING_MAX - standing.len();
        match over.clone().next() {
            Some(grant) if room == 0 => erase(grant, batch),
            Some(_) => {}
            None if room == 0 => return Err(NotGranted::Full),
            None => {}
        }
        let grant = Grant {
            id: Uuid::v4(*self.origin.seed.first_chunk().expect("a seed has 32 bytes")),
            party: self.party.clone(),
            thing: self.thing,
            acts: self.acts,
            names: self.names.clone(),
            from: self.from,
            until: self.until,
            made: at,
            made_by: self.origin.actor.clone(),
        };
        batch.put(grant_key(grant.thing, grant.id), grant.to_value());
        batch.put(by_id(grant.id), [&[1], &grant.thing.0[..]].concat());
        batch.put(by_party(&grant.party, grant.thing, grant.id), [1]);
        self.origin.audit(batch, "grant.add", Some(grant.thing), &grant.party.to_string(), at);
        Ok(grant)
    }
}

fn erase(grant: &Grant, batch: &mut Batch) {
    batch.delete(grant_key(grant.thing, grant.id));
    batch.delete(by_id(grant.id));
    batch.delete(by_party(&grant.party, grant.thing, grant.id));
}

impl Operation for AddGrant {
    type Reply = Result<Grant, NotGranted>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        Self::reads(self)
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        store::decided(|batch| self.decide_into(snapshot, now, batch))
    }
}

/// Takes a grant back. What went on by it ends with the commit: its effect says whose.
#[derive(Clone, Debug)]
pub struct RevokeGrant {
    /// Which.
    pub id: Uuid,
    /// Who asks.
    pub origin: Origin,
}

/// What became of a revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// It holds no more.
    Done(Grant),
    /// There is none of this id.
    Unknown,
    /// We do not know the time.
    NoClock,
    /// A stored record cannot be read.
    BadRecord,
}

/// Whose use of which thing is to be judged again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedGrant {
    /// Who was granted.
    pub party: Party,
    /// The thing.
    pub thing: Uuid,
}

impl Operation for RevokeGrant {
    type Reply = Revoked;
    type Effect = RevokedGrant;

    fn reads(&self) -> ReadSet {
        ReadSet::of([by_id(self.id)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Revoked, RevokedGrant> {
        let ends = |reply| Decision::Done { batch: Batch::default(), reply, effects: Vec::new() };
        let Some(at) = now.utc else { return ends(Revoked::NoClock) };
        let thing = match snapshot.value(&by_id(self.id)) {
            None => return ends(Revoked::Unknown),
            Some([1, thing @ ..]) => thing.try_into().ok().map(Uuid),
            Some(_) => None,
        };
        let Some(thing) = thing else { return ends(Revoked::BadRecord) };
        let key = grant_key(thing, self.id);
        if !snapshot.covers(&key) {
            return Decision::Need(ReadSet::of([key]));
        }
        let Some(Ok(grant)) = snapshot.value(&key).map(|value| Grant::from_value(thing, self.id, value))
        else {
            return ends(Revoked::BadRecord);
        };
        let mut batch = Batch::default();
        erase(&grant, &mut batch);
        self.origin.audit(&mut batch, "grant.revoke", Some(thing), &grant.party.to_string(), at);
        let effects = vec![RevokedGrant { party: grant.party.clone(), thing }];
        Decision::Done { batch, reply: Revoked::Done(grant), effects }
    }
}

/// What [`forget`] wants to see.
#[must_use]
pub fn forget_reads(thing: Uuid) -> ReadSet {
    ReadSet::default().with_range(of_thing(thing, None, GRANTS_PER_THING_MAX))
}

/// Erases every grant on `thing`, which is no more, into `batch`.
///
/// # Errors
/// [`BadRecord`] when a stored grant cannot be read.
pub fn forget(snapshot: &Snapshot, thing: Uuid, batch: &mut Batch) -> Result<(), BadRecord> {
    grants_on(snapshot, thing)?.iter().for_each(|grant| erase(grant, batch));
    Ok(())
}
