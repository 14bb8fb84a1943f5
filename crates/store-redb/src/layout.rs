//! What is stored where. A change here is a new [`FORMAT`] and a migration.

use redb::TableDefinition;
use store::{Key, Position, Record, Space, Version};

/// The format number of stores this release writes.
pub(crate) const FORMAT: u64 = 1;

/// Counters of the whole store, by name.
pub(crate) const COUNTERS: TableDefinition<'_, &str, u64> = TableDefinition::new("counters");
/// In [`COUNTERS`]: the format number.
pub(crate) const COUNTER_FORMAT: &str = "format";
/// In [`COUNTERS`]: the version the last commit wrote.
pub(crate) const COUNTER_LAST_COMMIT: &str = "last commit";
/// In [`COUNTERS`]: how many changes of any kind the file has seen.
pub(crate) const COUNTER_CHANGES: &str = "changes";

/// Records: space and name, to version (8 bytes, big-endian) and value.
pub(crate) const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");

/// Journal entries: space, length of the name (2 bytes), name and position (8 bytes), to the value.
/// Numbers are big-endian, so the entries of one journal lie together in their order.
pub(crate) const ENTRIES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("journal entries");

/// Journals: space and name, to the position of the next entry.
pub(crate) const JOURNALS: TableDefinition<'_, &[u8], u64> = TableDefinition::new("journals");

const VERSION_SIZE: usize = size_of::<u64>();

/// Space and name as one key.
pub(crate) fn stored_key(space: Space, name: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(1 + name.len());
    stored.push(space.0);
    stored.extend_from_slice(name);
    stored
}

/// The key a stored record had. Empty keys are never written.
pub(crate) fn key_of(stored: &[u8]) -> Option<Key> {
    let (space, name) = stored.split_first()?;
    Some(Key::new(Space(*space), name))
}

/// Version and value as one stored value.
pub(crate) fn stored_record(version: Version, value: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(VERSION_SIZE + value.len());
    stored.extend_from_slice(&version.0.to_be_bytes());
    stored.extend_from_slice(value);
    stored
}

/// The record in a stored value; `None` when it is too short to be one.
pub(crate) fn record_of(stored: &[u8]) -> Option<Record> {
    let (version, value) = stored.split_first_chunk::<VERSION_SIZE>()?;
    Some(Record { version: Version(u64::from_be_bytes(*version)), value: value.to_vec() })
}

/// The key of a journal's entry at `position`; `None` when the name is longer than any journal's.
pub(crate) fn entry_key(space: Space, name: &[u8], position: Position) -> Option<Vec<u8>> {
    let name_size = u16::try_from(name.len()).ok()?;
    let mut stored = Vec::with_capacity(1 + 2 + name.len() + 8);
    stored.push(space.0);
    stored.extend_from_slice(&name_size.to_be_bytes());
    stored.extend_from_slice(name);
    stored.extend_from_slice(&position.0.to_be_bytes());
    Some(stored)
}

/// The position in the key of an entry.
pub(crate) fn position_of(stored: &[u8]) -> Option<Position> {
    stored.last_chunk().map(|position| Position(u64::from_be_bytes(*position)))
}
