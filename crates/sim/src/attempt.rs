//! A domain operation, a look and a commit at a time, so that others come in between.

use clock::Now;
use store::{CommitError, Decision, Memory, Operation, ReadSet, STALE_RETRIES_MAX, Snapshot, Table as _};

/// How far an operation got by one step.
pub(crate) enum Progress<R> {
    /// It looked, or must look again.
    UnderWay,
    /// It committed.
    Done(R),
    /// Others came first too often; nothing was changed.
    Busy,
}

/// An operation under way.
pub(crate) struct Attempt<O> {
    operation: O,
    reads: ReadSet,
    seen: Option<Snapshot>,
    stale: usize,
}

impl<O: Operation> Attempt<O> {
    pub(crate) fn new(operation: O) -> Self {
        let reads = operation.reads();
        Self { operation, reads, seen: None, stale: 0 }
    }

    /// Looks, or decides on what it saw and commits.
    pub(crate) fn step(&mut self, table: &Memory, now: Now) -> Progress<O::Reply> {
        let Some(snapshot) = self.seen.take() else {
            self.seen = Some(table.snapshot(&self.reads).expect("memory does not fail"));
            return Progress::UnderWay;
        };
        match self.operation.decide(&snapshot, now) {
            Decision::Need(more) => {
                self.reads.extend(more);
                Progress::UnderWay
            }
            Decision::Done { batch, reply, .. } => match table.commit(&snapshot, &batch) {
                Ok(_) => Progress::Done(reply),
                Err(CommitError::Stale) if self.stale < STALE_RETRIES_MAX => {
                    self.stale += 1;
                    Progress::UnderWay
                }
                Err(_) => Progress::Busy,
            },
        }
    }
}
