//! A person or client goes, and what was granted to it goes in the same commit.

use clock::Now;
use ledger::Origin;
use store::{Batch, Decision, Operation, ReadSet, Snapshot};

use crate::granting::RevokedGrant;
use crate::party::Party;
use crate::spaces::{by_id, by_party, grant_key, indexed_of, of_party};

/// Grants that one commit takes back.
pub const GRANTS_PER_COMMIT_MAX: usize = 1_000;

/// Does `change`, which ends an account or client, with everything that was granted to it: whoever is given the name
/// later has none of it. What went on by those grants ends with the commit: the effects say where.
#[derive(Clone, Debug)]
pub struct Leave<O: Operation> {
    /// What ends it.
    pub change: O,
    /// Whether by that answer it did.
    pub is_gone: fn(&O::Reply) -> bool,
    /// Who goes.
    pub party: Party,
    /// Who asks.
    pub origin: Origin,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left<R> {
    /// What the change answered, done or refused; when it was done, no grant is left.
    Answered(R),
    /// Grants were taken back, as many as fit a commit; the party is still there. Ask again.
    More,
}

impl<O: Operation<Effect = ()>> Operation for Leave<O> {
    type Reply = Left<O::Reply>;
    type Effect = RevokedGrant;

    fn reads(&self) -> ReadSet {
        self.change.reads().with_range(of_party(&self.party, None, GRANTS_PER_COMMIT_MAX))
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, RevokedGrant> {
        let (mut batch, reply) = match self.change.decide(snapshot, now) {
            Decision::Need(more) => return Decision::Need(more),
            Decision::Done { batch, reply, .. } => (batch, reply),
        };
        let Some(at) = now.utc.filter(|_| (self.is_gone)(&reply)) else {
            return Decision::Done { batch, reply: Left::Answered(reply), effects: Vec::new() };
        };
        let page = snapshot.page(&of_party(&self.party, None, GRANTS_PER_COMMIT_MAX));
        let reply = if page.more { Left::More } else { Left::Answered(reply) };
        if page.more {
            batch = Batch::default();
        }
        let mut things = Vec::new();
        let indexed = page.records.iter().filter_map(|(key, _)| indexed_of(&key.name, &self.party));
        for (thing, grant) in indexed {
            batch.delete(grant_key(thing, grant));
            batch.delete(by_id(grant));
            batch.delete(by_party(&self.party, thing, grant));
            things.push(thing);
        }
        if !things.is_empty() {
            let result = format!("{}, all: {}", self.party, things.len());
            self.origin.audit(&mut batch, "grant.revoke", None, &result, at);
        }
        things.dedup();
        let effects = things.into_iter().map(|thing| RevokedGrant { party: self.party.clone(), thing });
        Decision::Done { batch, reply, effects: effects.collect() }
    }
}
