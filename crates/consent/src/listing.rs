//! Which grants there are, and which things a party sees by them.

use clock::Now;
use ledger::BadRecord;
use model::Uuid;
use store::{Decision, Operation, Range, ReadSet, Snapshot, decided};

use crate::grant::Grant;
use crate::party::Party;
use crate::spaces::{everything, grant_key, ids_of, indexed_of, of_party, of_thing};

/// Lists grants: of one thing, or of all, in the order of things and ids.
#[derive(Clone, Debug)]
pub struct ListGrants {
    /// Only those on this thing.
    pub thing: Option<Uuid>,
    /// Goes on behind this grant: its thing and id.
    pub after: Option<(Uuid, Uuid)>,
    /// At most so many.
    pub limit: usize,
}

/// One page of grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantPage {
    /// Grants, those that are over included.
    pub grants: Vec<Grant>,
    /// Whether more follow behind the last one.
    pub more: bool,
}

impl ListGrants {
    fn range(&self) -> Range {
        match self.thing {
            Some(thing) => of_thing(thing, self.after.map(|(_, id)| id), self.limit),
            None => everything(self.after.map(|(thing, id)| grant_key(thing, id).name), self.limit),
        }
    }
}

impl Operation for ListGrants {
    type Reply = Result<GrantPage, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default().with_range(self.range())
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            let page = snapshot.page(&self.range());
            let read = page.records.iter().map(|(key, record)| {
                let (thing, id) = ids_of(&key.name).ok_or(BadRecord)?;
                Grant::from_value(thing, id, &record.value)
            });
            Ok(GrantPage { grants: read.collect::<Result<_, _>>()?, more: page.more })
        })
    }
}

/// The range over which the things are found that `party` was granted something with, behind `after`.
///
/// Entries of grants that are over or not yet begun are in it: whoever shows a thing asks [`crate::decide`].
#[must_use]
pub fn things_page(party: &Party, after: Option<Uuid>, limit: usize) -> ThingsOf {
    ThingsOf { party: party.clone(), range: of_party(party, after, limit) }
}

/// A page of things of one party.
#[derive(Clone, Debug)]
pub struct ThingsOf {
    party: Party,
    /// What is to be read.
    pub range: Range,
}

impl ThingsOf {
    /// The things of the page, each once and in their order, and whether more may follow.
    ///
    /// # Errors
    /// [`BadRecord`] when an entry cannot be read.
    ///
    /// # Panics
    /// When the range was not in the read set.
    pub fn things(&self, snapshot: &Snapshot) -> Result<(Vec<Uuid>, bool), BadRecord> {
        let page = snapshot.page(&self.range);
        let indexed = page.records.iter().map(|(key, _)| indexed_of(&key.name, &self.party).ok_or(BadRecord));
        let mut things = indexed.map(|ids| ids.map(|(thing, _)| thing)).collect::<Result<Vec<_>, _>>()?;
        things.dedup();
        Ok((things, page.more))
    }
}
