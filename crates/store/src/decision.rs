//! From reads to commit: how a domain operation runs.

use alloc::vec::Vec;

use clock::Now;

use crate::{Batch, CommitError, Fault, ReadSet, Snapshot, Table};

/// How often a decision is made again because its snapshot had gone stale.
pub const STALE_RETRIES_MAX: usize = 5;

/// What a domain operation says after looking at a snapshot.
#[derive(Debug)]
pub enum Decision<R, E> {
    /// It must see more before it can decide; the new set is added to the old one.
    Need(ReadSet),
    /// It has decided.
    Done {
        /// What changes; may be empty.
        batch: Batch,
        /// What the caller hears once the batch is durable.
        reply: R,
        /// Notices and orders that leave after the commit.
        effects: Vec<E>,
    },
}

/// A decision without effects that writes only when it ends well.
pub fn decided<T, E, F>(decide: impl FnOnce(&mut Batch) -> Result<T, E>) -> Decision<Result<T, E>, F> {
    let mut batch = Batch::default();
    let reply = decide(&mut batch);
    if reply.is_err() {
        batch = Batch::default();
    }
    Decision::Done { batch, reply, effects: Vec::new() }
}

/// A domain operation: two pure functions of what is stored.
pub trait Operation {
    /// What the caller hears.
    type Reply;
    /// What leaves after the commit.
    type Effect;

    /// What the first look must contain.
    fn reads(&self) -> ReadSet;

    /// Decides on the basis of `snapshot` alone.
    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, Self::Effect>;
}

/// A decision whose batch is durable.
#[derive(Debug)]
pub struct Committed<R, E> {
    /// For the caller.
    pub reply: R,
    /// To be sent now.
    pub effects: Vec<E>,
}

/// Why an operation did not run to its commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunError {
    /// Others changed the same records [`STALE_RETRIES_MAX`] times in a row.
    Busy,
    /// The disk is full: nothing was changed.
    Full,
    /// Whether it happened is not known.
    OutcomeUnknown(Fault),
    /// Nothing was changed.
    Unavailable(Fault),
}

/// Runs `operation` on a blocking back end: snapshot, decide, commit; again when stale.
///
/// # Errors
/// See [`RunError`].
///
/// # Panics
/// When the operation needs only what its snapshot already holds: it would never decide.
pub fn run<O: Operation>(
    table: &dyn Table,
    operation: &O,
    now: Now,
) -> Result<Committed<O::Reply, O::Effect>, RunError> {
    let mut reads = operation.reads();
    let mut attempts = 0;
    loop {
        let snapshot = table.snapshot(&reads).map_err(RunError::Unavailable)?;
        match operation.decide(&snapshot, now) {
            Decision::Need(more) => {
                let asks_for_more = more.keys.iter().any(|key| !snapshot.covers(key))
                    || more.ranges.iter().any(|range| !snapshot.covers_range(range));
                assert!(asks_for_more, "an operation asked again for what it had been given");
                reads.extend(more);
            }
            Decision::Done { batch, reply, effects } => match table.commit(&snapshot, &batch) {
                Ok(_) => return Ok(Committed { reply, effects }),
                Err(CommitError::Stale) if attempts < STALE_RETRIES_MAX => attempts += 1,
                Err(CommitError::Stale) => return Err(RunError::Busy),
                Err(CommitError::Full) => return Err(RunError::Full),
                Err(CommitError::OutcomeUnknown(fault)) => return Err(RunError::OutcomeUnknown(fault)),
                Err(CommitError::Unavailable(fault)) => return Err(RunError::Unavailable(fault)),
            },
        }
    }
}
