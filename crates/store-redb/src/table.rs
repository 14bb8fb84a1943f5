//! Records.

use std::ops::Bound;

use redb::{ReadableTable, WriteTransaction};
use store::{Batch, CommitError, Fault, Key, Page, Range, ReadSet, Record, Snapshot, Table, Version, Write};

use crate::RedbStore;
use crate::change::Change;
use crate::layout::{COUNTER_LAST_COMMIT, COUNTERS, RECORDS, key_of, record_of, stored_key, stored_record};
use crate::redb_store::counter;

impl Table for RedbStore {
    fn get(&self, key: &Key) -> Result<Option<Record>, Fault> {
        self.read(|moment| get(&moment.open_table(RECORDS)?, key))
    }

    fn scan(&self, range: &Range) -> Result<Page, Fault> {
        self.read(|moment| scan(&moment.open_table(RECORDS)?, range))
    }

    fn scan_back(&self, range: &Range) -> Result<Page, Fault> {
        self.read(|moment| scan_back(&moment.open_table(RECORDS)?, range))
    }

    fn snapshot(&self, reads: &ReadSet) -> Result<Snapshot, Fault> {
        self.read(|moment| {
            let records = moment.open_table(RECORDS)?;
            let of_keys = reads.keys.iter().map(|key| Ok((key.clone(), get(&records, key)?)));
            let of_ranges = reads.ranges.iter().map(|range| Ok((range.clone(), scan(&records, range)?)));
            let of_keys: Vec<_> = of_keys.collect::<Result<_, redb::Error>>()?;
            let of_ranges: Vec<_> = of_ranges.collect::<Result<_, redb::Error>>()?;
            Ok(Snapshot::new(of_keys, of_ranges))
        })
    }

    fn commit(&self, based_on: &Snapshot, batch: &Batch) -> Result<Version, CommitError> {
        batch.check_sizes().map_err(CommitError::Unavailable)?;
        if batch.is_empty() {
            return self.check(based_on);
        }
        let change = Change::Writes((&batch.writes[..]).into());
        let committed = self.change(&change, |transaction| {
            if !is_as_read(&transaction.open_table(RECORDS)?, based_on)? {
                return Ok(None);
            }
            put_all(transaction, &batch.writes).map(Some)
        })?;
        committed.ok_or(CommitError::Stale)
    }
}

impl RedbStore {
    /// A commit without writes: a look at one moment is enough.
    fn check(&self, based_on: &Snapshot) -> Result<Version, CommitError> {
        let checked = self.read(|moment| {
            let as_read = is_as_read(&moment.open_table(RECORDS)?, based_on)?;
            let last_commit = counter(&moment.open_table(COUNTERS)?, COUNTER_LAST_COMMIT)?;
            Ok(as_read.then_some(Version(last_commit)))
        });
        checked.map_err(CommitError::Unavailable)?.ok_or(CommitError::Stale)
    }
}

/// Writes all of these as one version.
pub(crate) fn put_all(transaction: &WriteTransaction, writes: &[Write]) -> Result<Version, redb::Error> {
    let mut records = transaction.open_table(RECORDS)?;
    let mut counters = transaction.open_table(COUNTERS)?;
    let version = Version(counter(&counters, COUNTER_LAST_COMMIT)? + 1);
    counters.insert(COUNTER_LAST_COMMIT, version.0)?;
    for write in writes {
        match write {
            Write::Put(key, value) => {
                let stored = stored_record(version, value);
                records.insert(&stored_key(key.space, &key.name)[..], &stored[..])?;
            }
            Write::Delete(key) => {
                records.remove(&stored_key(key.space, &key.name)[..])?;
            }
        }
    }
    Ok(version)
}

trait Records: ReadableTable<&'static [u8], &'static [u8]> {}

impl<T: ReadableTable<&'static [u8], &'static [u8]>> Records for T {}

fn get(records: &impl Records, key: &Key) -> Result<Option<Record>, redb::Error> {
    match records.get(&stored_key(key.space, &key.name)[..])? {
        Some(stored) => read_record(stored.value()).map(Some),
        None => Ok(None),
    }
}

fn scan(records: &impl Records, range: &Range) -> Result<Page, redb::Error> {
    let prefix = stored_key(range.space, &range.prefix);
    let cursor = range.after.as_ref().map(|after| stored_key(range.space, after));
    let from = match &cursor {
        Some(cursor) if *cursor >= prefix => Bound::Excluded(&cursor[..]),
        Some(_) | None => Bound::Included(&prefix[..]),
    };
    let mut page = Page::default();
    for entry in records.range::<&[u8]>((from, Bound::Unbounded))? {
        let (key, stored) = entry?;
        if !key.value().starts_with(&prefix) {
            break;
        }
        if page.records.len() == range.limit {
            page.more = true;
            break;
        }
        let key = key_of(key.value()).ok_or_else(|| damaged("a record has no key"))?;
        page.records.push((key, read_record(stored.value())?));
    }
    Ok(page)
}

fn scan_back(records: &impl Records, range: &Range) -> Result<Page, redb::Error> {
    let prefix = stored_key(range.space, &range.prefix);
    let before = range.after.as_ref().map(|before| stored_key(range.space, before));
    let end = [end_of(&prefix), before].into_iter().flatten().min();
    let mut page = Page::default();
    if end.as_ref().is_some_and(|end| *end < prefix) {
        return Ok(page);
    }
    let upper = end.as_ref().map_or(Bound::Unbounded, |end| Bound::Excluded(&end[..]));
    for entry in records.range::<&[u8]>((Bound::Included(&prefix[..]), upper))?.rev() {
        let (key, stored) = entry?;
        if page.records.len() == range.limit {
            page.more = true;
            break;
        }
        let key = key_of(key.value()).ok_or_else(|| damaged("a record has no key"))?;
        page.records.push((key, read_record(stored.value())?));
    }
    Ok(page)
}

/// The least key behind all that start with `prefix`; `None` when nothing can be.
fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

fn is_as_read(records: &impl Records, snapshot: &Snapshot) -> Result<bool, redb::Error> {
    for (key, version) in snapshot.versions() {
        let version_now = get(records, key)?.map_or(Version::ABSENT, |record| record.version);
        if version_now != version {
            return Ok(false);
        }
    }
    for (range, page) in snapshot.ranges() {
        if !scan(records, range)?.shows_the_same_as(page) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn read_record(stored: &[u8]) -> Result<Record, redb::Error> {
    record_of(stored).ok_or_else(|| damaged("a record has no version"))
}

fn damaged(detail: &str) -> redb::Error {
    redb::Error::Corrupted(detail.to_owned())
}
