//! What is to be stored, put together until somebody takes it.

use std::collections::{BTreeMap, BTreeSet};

use store::{Batch, Key, Position};

use crate::entry::{Entry, FORMAT};

/// A value of the journal is closed when it has so many bytes.
const VALUE_SIZE_FULL: usize = 512 * 1024;

/// Everything since the last batch. Store it in this order: append, commit, then trim; then say
/// [`crate::Broker::stored`]. One whose outcome is not known is stored again, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreBatch {
    /// Rises by one with each batch.
    pub number: u64,
    /// Values to append to the journal [`crate::JOURNAL_NAME`] of [`crate::MESSAGES`], together; may be none.
    pub append: Vec<Vec<u8>>,
    /// Records to change; nobody else writes their spaces.
    pub records: Batch,
    /// What may be dropped of the journal afterwards. It may be left undone.
    pub trim: Option<Position>,
}

/// Where a stored batch stands in the journal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) first: Position,
    pub(crate) bytes: u64,
}

/// The open batch, and what is known of those before.
#[derive(Debug, Default)]
pub(crate) struct Writing {
    /// The number that the open batch will have.
    pub(crate) open: u64,
    /// The last one that is stored.
    pub(crate) stored: u64,
    /// How many changes there were, to see whether there were any.
    pub(crate) change_count: u64,
    is_taken: bool,
    values: Vec<Vec<u8>>,
    /// What each record is to be, `None` to be deleted: of what is written twice the last counts.
    records: BTreeMap<Key, Option<Vec<u8>>>,
    record_bytes: usize,
    /// Bytes of the batch that was taken and is not stored.
    taken_bytes: usize,
    taken_entry_bytes: usize,
    /// Batches that the journal holds.
    pub(crate) places: BTreeMap<u64, Place>,
    pub(crate) journal_bytes: u64,
    /// The end of the journal.
    end: Option<Position>,
    taken_count: u64,
    /// Sessions by the oldest batch that they need.
    pub(crate) needed: BTreeSet<(u64, u32)>,
}

impl Writing {
    pub(crate) fn new() -> Self {
        Self { open: 1, ..Self::default() }
    }

    /// Goes on behind a journal of which `places` are read.
    pub(crate) fn after(places: BTreeMap<u64, Place>) -> Self {
        let stored = places.last_key_value().map_or(0, |(number, _)| *number);
        let end = places.last_key_value().map(|(_, place)| Position(place.first.0 + 1));
        let journal_bytes = places.values().map(|place| place.bytes).sum();
        Self { open: stored + 1, stored, places, journal_bytes, end, ..Self::default() }
    }

    /// Where entries are appended.
    pub(crate) fn entries(&mut self) -> &mut Vec<u8> {
        self.change_count += 1;
        let is_full = self.values.last().is_none_or(|value| value.len() >= VALUE_SIZE_FULL);
        if is_full {
            self.values.push(vec![FORMAT]);
        }
        self.values.last_mut().expect("one was pushed if there was none")
    }

    pub(crate) fn entry(&mut self, entry: &Entry) {
        entry.put(self.entries());
    }

    pub(crate) fn put(&mut self, key: Key, value: Vec<u8>) {
        self.record(key, Some(value));
    }

    pub(crate) fn delete(&mut self, key: Key) {
        self.record(key, None);
    }

    fn record(&mut self, key: Key, value: Option<Vec<u8>>) {
        let (name_size, value_size) = (key.name.len(), value.as_ref().map_or(0, Vec::len));
        self.change_count += 1;
        self.record_bytes += name_size + value_size;
        if let Some(before) = self.records.insert(key, value) {
            self.record_bytes -= name_size + before.map_or(0, |value| value.len());
        }
    }

    fn entry_bytes(&self) -> usize {
        self.values.iter().map(Vec::len).sum()
    }

    /// Bytes that are not stored yet.
    pub(crate) fn unstored_bytes(&self) -> usize {
        self.entry_bytes() + self.record_bytes + self.taken_bytes
    }

    pub(crate) fn has_open(&self) -> bool {
        !(self.values.is_empty() && self.records.is_empty())
    }

    pub(crate) fn may_take(&self) -> bool {
        !self.is_taken && self.has_open()
    }

    /// The open batch, if there is one and the one before is stored.
    pub(crate) fn take(&mut self) -> Option<StoreBatch> {
        if !self.may_take() {
            return None;
        }
        self.taken_entry_bytes = self.entry_bytes();
        self.taken_bytes = self.taken_entry_bytes + self.record_bytes;
        self.is_taken = true;
        let trim = self.trim();
        let number = self.open;
        self.open += 1;
        self.record_bytes = 0;
        let append = std::mem::take(&mut self.values);
        self.taken_count = append.len() as u64;
        let mut records = Batch::default();
        for (key, value) in std::mem::take(&mut self.records) {
            match value {
                Some(value) => records.put(key, value),
                None => records.delete(key),
            };
        }
        Some(StoreBatch { number, append, records, trim })
    }

    /// Up to where nobody needs the journal any more.
    fn trim(&mut self) -> Option<Position> {
        let needed = self.needed.first().map_or(u64::MAX, |(batch, _)| *batch);
        let kept = self.places.split_off(&needed);
        let dropped = std::mem::replace(&mut self.places, kept);
        if dropped.is_empty() {
            return None;
        }
        self.journal_bytes -= dropped.values().map(|place| place.bytes).sum::<u64>();
        let first = self.places.first_key_value().map(|(_, place)| place.first);
        first.or(self.end)
    }

    /// Takes note that the taken batch is stored; `first` is where its values begin in the journal.
    pub(crate) fn stored(&mut self, number: u64, first: Option<Position>) {
        assert!(self.is_taken && number + 1 == self.open, "only the batch that was taken can be stored");
        self.is_taken = false;
        self.taken_bytes = 0;
        self.stored = number;
        if let Some(first) = first {
            let bytes = self.taken_entry_bytes as u64;
            self.places.insert(number, Place { first, bytes });
            self.journal_bytes += bytes;
            self.end = Some(Position(first.0 + self.taken_count));
        }
    }
}
