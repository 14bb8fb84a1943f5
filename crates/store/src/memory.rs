//! A table and journal in memory, for tests and for volatile state.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::journal::{Entry, Journal, JournalError, Position};
use crate::table::{
    Batch, CommitError, Fault, Key, Page, Range, ReadSet, Record, Snapshot, Space, Table, Version, Write,
    check_name_size, check_value_size,
};

/// Records and journals that live as long as the value. Shared between threads by reference.
#[derive(Debug, Default)]
pub struct Memory {
    state: RwLock<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    records: BTreeMap<Key, Record>,
    last_commit: u64,
    journals: BTreeMap<(Space, Vec<u8>), Messages>,
}

/// `entries` stand at `first_position` and the positions that follow it.
#[derive(Clone, Debug, Default)]
struct Messages {
    first_position: u64,
    entries: VecDeque<Vec<u8>>,
}

/// Everything as it is at this moment: what a backup would hold.
impl Clone for Memory {
    fn clone(&self) -> Self {
        Self { state: RwLock::new(self.reading().clone()) }
    }
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    // A thread that panicked while it held the lock has not left half a change behind: everything that
    // can be refused is checked before the first write.
    fn reading(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn scan(&self, range: &Range) -> Page {
        let first = Key::new(range.space, range.prefix.clone());
        let lower = match &range.after {
            Some(after) if *after >= range.prefix => Bound::Excluded(Key::new(range.space, after.clone())),
            Some(_) | None => Bound::Included(first),
        };
        let mut page = Page::default();
        for (key, record) in self.records.range((lower, Bound::Unbounded)) {
            if key.space != range.space || !key.name.starts_with(&range.prefix) {
                break;
            }
            if page.records.len() == range.limit {
                page.more = true;
                break;
            }
            page.records.push((key.clone(), record.clone()));
        }
        page
    }

    fn scan_back(&self, range: &Range) -> Page {
        let first = Key::new(range.space, range.prefix.clone());
        let mut page = Page::default();
        let upper = match &range.after {
            Some(before) if *before < range.prefix => return page,
            Some(before) => Bound::Excluded(Key::new(range.space, before.clone())),
            None => Bound::Unbounded,
        };
        let within = |key: &Key| key.space == range.space && key.name.starts_with(&range.prefix);
        let below = self.records.range((Bound::Included(first), upper)).rev();
        for (key, record) in below.filter(|(key, _)| within(key)) {
            if page.records.len() == range.limit {
                page.more = true;
                break;
            }
            page.records.push((key.clone(), record.clone()));
        }
        page
    }

    fn is_as_read(&self, snapshot: &Snapshot) -> bool {
        let version_of = |key: &Key| self.records.get(key).map_or(Version::ABSENT, |record| record.version);
        snapshot.versions().all(|(key, version)| version_of(key) == version)
            && snapshot.ranges().all(|(range, page)| self.scan(range).shows_the_same_as(page))
    }
}

impl Table for Memory {
    fn get(&self, key: &Key) -> Result<Option<Record>, Fault> {
        Ok(self.reading().records.get(key).cloned())
    }

    fn scan(&self, range: &Range) -> Result<Page, Fault> {
        Ok(self.reading().scan(range))
    }

    fn scan_back(&self, range: &Range) -> Result<Page, Fault> {
        Ok(self.reading().scan_back(range))
    }

    fn snapshot(&self, reads: &ReadSet) -> Result<Snapshot, Fault> {
        let state = self.reading();
        Ok(Snapshot::new(
            reads.keys.iter().map(|key| (key.clone(), state.records.get(key).cloned())),
            reads.ranges.iter().map(|range| (range.clone(), state.scan(range))),
        ))
    }

    fn commit(&self, based_on: &Snapshot, batch: &Batch) -> Result<Version, CommitError> {
        batch.check_sizes().map_err(CommitError::Unavailable)?;
        let mut state = self.writing();
        if !state.is_as_read(based_on) {
            return Err(CommitError::Stale);
        }
        if batch.is_empty() {
            return Ok(Version(state.last_commit));
        }
        state.last_commit += 1;
        let version = Version(state.last_commit);
        for write in &batch.writes {
            match write {
                Write::Put(key, value) => {
                    state.records.insert(key.clone(), Record { version, value: value.clone() });
                }
                Write::Delete(key) => {
                    state.records.remove(key);
                }
            }
        }
        Ok(version)
    }
}

impl Journal for Memory {
    fn append(&self, space: Space, name: &[u8], values: &[Vec<u8>]) -> Result<Position, JournalError> {
        check_name_size(name).map_err(JournalError::Unavailable)?;
        values.iter().try_for_each(|value| check_value_size(value)).map_err(JournalError::Unavailable)?;
        let mut state = self.writing();
        let messages = state.journals.entry((space, name.to_vec())).or_default();
        let position = messages.first_position + messages.entries.len() as u64;
        messages.entries.extend(values.iter().cloned());
        Ok(Position(position))
    }

    fn read(&self, space: Space, name: &[u8], from: Position, limit: usize) -> Result<Vec<Entry>, Fault> {
        let state = self.reading();
        let Some(messages) = state.journals.get(&(space, name.to_vec())) else { return Ok(Vec::new()) };
        Ok((messages.first_position..)
            .zip(&messages.entries)
            .skip_while(|(position, _)| *position < from.0)
            .take(limit)
            .map(|(position, value)| Entry { position: Position(position), value: value.clone() })
            .collect())
    }

    fn trim(&self, space: Space, name: &[u8], before: Position) -> Result<(), JournalError> {
        let mut state = self.writing();
        let Some(messages) = state.journals.get_mut(&(space, name.to_vec())) else { return Ok(()) };
        while messages.first_position < before.0 && messages.entries.pop_front().is_some() {
            messages.first_position += 1;
        }
        Ok(())
    }
}
