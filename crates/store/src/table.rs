//! Records with versions.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The longest name of a record or journal, in bytes.
pub const NAME_SIZE_MAX: usize = 512;

/// The largest value of a record or journal entry, in bytes.
pub const VALUE_SIZE_MAX: usize = 4 * 1024 * 1024;

/// A key space: one byte in front of every key. Spaces belong to one crate each, which lists its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Space(pub u8);

/// The name of a record: its space and up to [`NAME_SIZE_MAX`] bytes, sorted bytewise.
///
/// A longer name can be looked up, and is absent; a commit that writes one is refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The space the record belongs to.
    pub space: Space,
    /// The name inside the space.
    pub name: Vec<u8>,
}

impl Key {
    /// A key in `space`.
    #[must_use]
    pub fn new(space: Space, name: impl Into<Vec<u8>>) -> Self {
        Self { space, name: name.into() }
    }
}

/// How often a record was written; absence is version 0 and a removed record starts again at a higher one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

impl Version {
    /// The version of a record that does not exist.
    pub const ABSENT: Self = Self(0);
}

/// A stored value with its version. Values start with a version byte of their own format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The version this value was written as; unique within its table, rising with every commit.
    pub version: Version,
    /// The value.
    pub value: Vec<u8>,
}

/// All keys of one space that start with `prefix` and lie after `after`, up to `limit` of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    /// The space to scan.
    pub space: Space,
    /// What the names start with; empty for the whole space.
    pub prefix: Vec<u8>,
    /// Only names greater than this one: the cursor of a page.
    pub after: Option<Vec<u8>>,
    /// At most so many records.
    pub limit: usize,
}

/// One page of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The records, in the order of their names.
    pub records: Vec<(Key, Record)>,
    /// Whether more follow: the cursor is the last name of this page.
    pub more: bool,
}

impl Page {
    /// Whether both pages hold the same names with the same versions and end alike: what a commit asserts.
    #[must_use]
    pub fn shows_the_same_as(&self, other: &Self) -> bool {
        fn seen(page: &Page) -> impl Iterator<Item = (&Key, Version)> {
            page.records.iter().map(|(key, record)| (key, record.version))
        }
        self.more == other.more && seen(self).eq(seen(other))
    }
}

/// What a decision wants to see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadSet {
    /// Single records.
    pub keys: Vec<Key>,
    /// Ranges.
    pub ranges: Vec<Range>,
}

impl ReadSet {
    /// A set of single records.
    #[must_use]
    pub fn of(keys: impl IntoIterator<Item = Key>) -> Self {
        Self { keys: keys.into_iter().collect(), ranges: Vec::new() }
    }

    /// The same set with a range in it.
    #[must_use]
    pub fn with_range(mut self, range: Range) -> Self {
        self.ranges.push(range);
        self
    }

    /// Adds what `more` asks for.
    pub fn extend(&mut self, more: Self) {
        self.keys.extend(more.keys);
        self.ranges.extend(more.ranges);
    }
}

/// What was read, at one point in time.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    records: BTreeMap<Key, Option<Record>>,
    ranges: BTreeMap<Range, Page>,
}

impl Snapshot {
    /// A snapshot of what a back end read in one transaction.
    #[must_use]
    pub fn new(
        records: impl IntoIterator<Item = (Key, Option<Record>)>,
        ranges: impl IntoIterator<Item = (Range, Page)>,
    ) -> Self {
        Self { records: records.into_iter().collect(), ranges: ranges.into_iter().collect() }
    }

    /// The value of `key`; `None` when it does not exist.
    ///
    /// # Panics
    /// When `key` was not in the read set: a decision may use only what the commit will assert.
    #[must_use]
    pub fn value(&self, key: &Key) -> Option<&[u8]> {
        self.records.get(key).expect("a decision reads only its read set").as_ref().map(|r| &r.value[..])
    }

    /// Whether `key` is in this snapshot, present or absent.
    #[must_use]
    pub fn covers(&self, key: &Key) -> bool {
        self.records.contains_key(key)
    }

    /// The page that was read for `range`.
    ///
    /// # Panics
    /// When `range` was not in the read set.
    #[must_use]
    pub fn page(&self, range: &Range) -> &Page {
        self.ranges.get(range).expect("a decision reads only its read set")
    }

    /// Whether `range` is in this snapshot.
    #[must_use]
    pub fn covers_range(&self, range: &Range) -> bool {
        self.ranges.contains_key(range)
    }

    /// Every record that was read with its version, absence included.
    pub fn versions(&self) -> impl Iterator<Item = (&Key, Version)> {
        self.records.iter().map(|(key, record)| (key, record.as_ref().map_or(Version::ABSENT, |r| r.version)))
    }

    /// Gives everything away, for a back end that wraps another.
    #[must_use]
    pub fn into_parts(self) -> SnapshotParts {
        SnapshotParts {
            records: self.records.into_iter().collect(),
            ranges: self.ranges.into_iter().collect(),
        }
    }

    /// Every range that was read with its page.
    pub fn ranges(&self) -> impl Iterator<Item = (&Range, &Page)> {
        self.ranges.iter()
    }
}

/// Everything a [`Snapshot`] holds.
#[derive(Clone, Debug, Default)]
pub struct SnapshotParts {
    /// Single records, absent ones included, in the order of their keys.
    pub records: Vec<(Key, Option<Record>)>,
    /// Ranges with their pages.
    pub ranges: Vec<(Range, Page)>,
}

/// One change of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Sets the value.
    Put(Key, Vec<u8>),
    /// Removes the record, if it exists.
    Delete(Key),
}

/// Names one attempt to change something, so that it can be repeated safely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub [u8; 16]);

/// Changes that happen together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// In this order; a later write to the same key wins.
    pub writes: Vec<Write>,
}

impl Batch {
    /// Adds a write of `value` under `key`.
    pub fn put(&mut self, key: Key, value: impl Into<Vec<u8>>) -> &mut Self {
        self.writes.push(Write::Put(key, value.into()));
        self
    }

    /// Adds a removal of `key`.
    pub fn delete(&mut self, key: Key) -> &mut Self {
        self.writes.push(Write::Delete(key));
        self
    }

    /// Whether nothing would change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Checks the sizes of every name and value; back ends call it before they write anything.
    ///
    /// # Errors
    /// [`Fault`] names the first size over its limit: the domain let something through that it should
    /// have refused.
    pub fn check_sizes(&self) -> Result<(), Fault> {
        self.writes.iter().try_for_each(|write| match write {
            Write::Put(key, value) => {
                check_name_size(&key.name)?;
                check_value_size(value)
            }
            Write::Delete(key) => check_name_size(&key.name),
        })
    }
}

/// Checks a name against [`NAME_SIZE_MAX`].
///
/// # Errors
/// [`Fault`] when it is longer.
pub fn check_name_size(name: &[u8]) -> Result<(), Fault> {
    check_size("name", name.len(), NAME_SIZE_MAX)
}

/// Checks a value against [`VALUE_SIZE_MAX`].
///
/// # Errors
/// [`Fault`] when it is larger.
pub fn check_value_size(value: &[u8]) -> Result<(), Fault> {
    check_size("value", value.len(), VALUE_SIZE_MAX)
}

fn check_size(what: &str, size: usize, size_max: usize) -> Result<(), Fault> {
    if size <= size_max {
        return Ok(());
    }
    Err(Fault { detail: format!("{what} of {size} bytes where at most {size_max} are stored") })
}

/// Our disk, database or network failed; `detail` is for the log and names no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What failed, in the words of the layer that saw it.
    pub detail: String,
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "storage failed: {}", self.detail)
    }
}

impl core::error::Error for Fault {}

/// Why a commit did not happen, or may not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitError {
    /// A record or range of the snapshot has changed since; decide again.
    Stale,
    /// The disk is full: nothing was written.
    Full,
    /// Whether it happened is not known; the same request may be repeated after reading.
    OutcomeUnknown(Fault),
    /// Nothing was written: the back end failed, or a name or value was over its limit.
    Unavailable(Fault),
}

/// A table of records.
pub trait Table: Send + Sync {
    /// The record under `key`.
    ///
    /// # Errors
    /// [`Fault`] when it cannot be read.
    fn get(&self, key: &Key) -> Result<Option<Record>, Fault>;

    /// One page of a range.
    ///
    /// # Errors
    /// [`Fault`] when it cannot be read.
    fn scan(&self, range: &Range) -> Result<Page, Fault>;

    /// One page of a range from its greatest name down: `after` is read as *before*, so that only names less
    /// than it are seen.
    ///
    /// # Errors
    /// [`Fault`] when it cannot be read.
    fn scan_back(&self, range: &Range) -> Result<Page, Fault>;

    /// Everything in `reads`, as of one point in time.
    ///
    /// # Errors
    /// [`Fault`] when it cannot be read.
    fn snapshot(&self, reads: &ReadSet) -> Result<Snapshot, Fault>;

    /// Applies `batch` if every record and range of `based_on` is as it was read, and makes it durable
    /// (`Power`: an fsync precedes the answer). An empty batch only checks, and answers with the version of
    /// the last commit.
    ///
    /// A range is as it was read when a scan of it gives the same names with the same versions and the
    /// same `more`: a record that came or went inside the page makes the snapshot stale, one behind the
    /// end of a full page does not.
    ///
    /// # Errors
    /// See [`CommitError`].
    fn commit(&self, based_on: &Snapshot, batch: &Batch) -> Result<Version, CommitError>;
}
