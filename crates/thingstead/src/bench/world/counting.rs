//! A table that counts what is asked of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use store::{Batch, CommitError, Fault, Key, Page, Range, ReadSet, Record, Snapshot, Table, Version, Write};

/// What was asked of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::bench) struct Counts {
    /// Records that were looked for, whether there or not, and records that scans gave.
    pub(in crate::bench) reads: u64,
    /// Bytes of their values.
    pub(in crate::bench) bytes_read: u64,
    /// Commits with something to write.
    pub(in crate::bench) commits: u64,
    /// Records written or removed.
    pub(in crate::bench) writes: u64,
    /// Bytes of the names and values written.
    pub(in crate::bench) bytes_written: u64,
}

#[derive(Default)]
struct Counters {
    reads: AtomicU64,
    bytes_read: AtomicU64,
    commits: AtomicU64,
    writes: AtomicU64,
    bytes_written: AtomicU64,
}

/// Passes everything on to `table`.
pub(in crate::bench) struct Counting {
    table: Arc<dyn Table>,
    counters: Counters,
}

fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Ordering::Relaxed);
}

impl Counting {
    pub(in crate::bench) fn over(table: Arc<dyn Table>) -> Self {
        Self { table, counters: Counters::default() }
    }

    /// What was counted since the last call.
    pub(in crate::bench) fn take(&self) -> Counts {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        let Counters { reads, bytes_read, commits, writes, bytes_written } = &self.counters;
        Counts {
            reads: take(reads),
            bytes_read: take(bytes_read),
            commits: take(commits),
            writes: take(writes),
            bytes_written: take(bytes_written),
        }
    }

    fn saw(&self, record: Option<&Record>) {
        add(&self.counters.reads, 1);
        add(&self.counters.bytes_read, record.map_or(0, |record| record.value.len()));
    }

    fn saw_page(&self, page: &Page) {
        page.records.iter().for_each(|(_, record)| self.saw(Some(record)));
    }
}

impl Table for Counting {
    fn get(&self, key: &Key) -> Result<Option<Record>, Fault> {
        let record = self.table.get(key)?;
        self.saw(record.as_ref());
        Ok(record)
    }

    fn scan(&self, range: &Range) -> Result<Page, Fault> {
        let page = self.table.scan(range)?;
        self.saw_page(&page);
        Ok(page)
    }

    fn scan_back(&self, range: &Range) -> Result<Page, Fault> {
        let page = self.table.scan_back(range)?;
        self.saw_page(&page);
        Ok(page)
    }

    fn snapshot(&self, reads: &ReadSet) -> Result<Snapshot, Fault> {
        let snapshot = self.table.snapshot(reads)?;
        add(&self.counters.reads, reads.keys.len());
        let values = reads.keys.iter().filter_map(|key| snapshot.value(key));
        add(&self.counters.bytes_read, values.map(<[u8]>::len).sum());
        snapshot.ranges().for_each(|(_, page)| self.saw_page(page));
        Ok(snapshot)
    }

    fn commit(&self, based_on: &Snapshot, batch: &Batch) -> Result<Version, CommitError> {
        let version = self.table.commit(based_on, batch)?;
        if !batch.is_empty() {
            add(&self.counters.commits, 1);
        }
        for write in &batch.writes {
            add(&self.counters.writes, 1);
            add(
                &self.counters.bytes_written,
                match write {
                    Write::Put(key, value) => key.name.len() + value.len(),
                    Write::Delete(key) => key.name.len(),
                },
            );
        }
        Ok(version)
    }
}

impl std::ops::Add for Counts {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            reads: self.reads + more.reads,
            bytes_read: self.bytes_read + more.bytes_read,
            commits: self.commits + more.commits,
            writes: self.writes + more.writes,
            bytes_written: self.bytes_written + more.bytes_written,
        }
    }
}
