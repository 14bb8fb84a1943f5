//! Append-only messages.

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
    /// Nothing was appended.
    Unavailable(Fault),
}

/// An append-only sequence of messages per space and name.
pub trait Journal: Send + Sync {
    /// Appends `values` in order and answers when the operating system has them (durability `Process`).
    ///
    /// # Errors
    /// See [`JournalError`].
    fn append(&self, space: Space, name: &[u8], values: &[Vec<u8>]) -> Result<Position, JournalError>;

    /// Up to `limit` entries from `from` on, oldest first.
    ///
    /// # Errors
    /// [`Fault`] when they cannot be read.
    fn read(&self, space: Space, name: &[u8], from: Position, limit: usize) -> Result<Vec<Entry>, Fault>;

    /// Drops all entries before `before`.
    ///
    /// # Errors
    /// See [`JournalError`].
    fn trim(&self, space: Space, name: &[u8], before: Position) -> Result<(), JournalError>;
}
