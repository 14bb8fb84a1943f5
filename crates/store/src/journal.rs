//! Append-only messages.

use alloc::vec::Vec;

use crate::{Fault, Space};

/// The place of an entry in its journal: rises by one from 0 with every append, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// One stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands.
    pub position: Position,
    /// The bytes that were appended.
    pub value: Vec<u8>,
}

/// Why a journal did not take entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalError {
    /// The disk is full: nothing was appended.
    Full,
    /// Whether it happened is not known; appending again may store the entries twice.
    OutcomeUnknown(Fault),
    /// Nothing was changed: the back end failed, or a name or value was over its limit.
    Unavailable(Fault),
}

/// An append-only sequence of messages per space and name.
pub trait Journal: Send + Sync {
    /// Appends `values` in order, all or none, and answers when the operating system has them (durability
    /// `Process`). The answer is the position of the first of them; when `values` is empty, the one the
    /// next entry will have.
    ///
    /// # Errors
    /// See [`JournalError`].
    fn append(&self, space: Space, name: &[u8], values: &[Vec<u8>]) -> Result<Position, JournalError>;

    /// Up to `limit` entries from `from` on, oldest first.
    ///
    /// # Errors
    /// [`Fault`] when they cannot be read.
    fn read(&self, space: Space, name: &[u8], from: Position, limit: usize) -> Result<Vec<Entry>, Fault>;

    /// Drops all entries before `before`. Positions go on as if they were still there.
    ///
    /// # Errors
    /// See [`JournalError`].
    fn trim(&self, space: Space, name: &[u8], before: Position) -> Result<(), JournalError>;
}
