//! One file, opened, and opened again after a failure.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use redb::{
    Builder, Database, Durability, ReadTransaction, ReadableDatabase, StorageBackend, WriteTransaction,
};
use store::Fault;

use crate::backend::Lent;
use crate::change::Change;
use crate::error::{ChangeError, OpenError, fault};
use crate::files::StoreFiles;
use crate::layout::{
    COUNTER_CHANGES, COUNTER_FORMAT, COUNTER_LAST_COMMIT, COUNTERS, ENTRIES, FORMAT, JOURNALS, RECORDS,
};
use crate::recent::{FRONT, Recent, unusable};

/// How a store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Memory for pages of the file, in bytes.
    pub cache_size: usize,
    /// Room at the head of a new file for changes between two durable commits, in bytes. What is larger is
    /// committed by itself. More room: fewer commits, and more to repeat when a store is opened after a crash.
    pub recent_size: u32,
}

impl Default for Options {
    /// A cache of 16 MiB, and room for changes of 256 KiB.
    fn default() -> Self {
        Self { cache_size: 16 * 1024 * 1024, recent_size: 256 * 1024 }
    }
}

/// Records and journals in one redb file; safe to share between threads.
#[derive(Debug)]
pub struct RedbStore {
    backend: Arc<dyn StorageBackend>,
    options: Options,
    opened: RwLock<Opened>,
    /// Held through a change and through what follows when it fails: the next change must not come
    /// between a failed commit and the look whether it happened.
    changing: Mutex<()>,
    /// The claim on the files, given up last.
    files: Option<StoreFiles>,
}

/// The database; `None` between a failure and the next successful opening.
#[derive(Debug)]
struct Opened {
    database: Option<Database>,
    /// What was changed since its last durable commit; `None` in a file without a head, where every commit is
    /// durable.
    recent: Mutex<Option<Recent>>,
    /// Keeps the database from changing the file, once it is given up.
    cut: Arc<AtomicBool>,
    /// Which opening this is: tells a failure of this database from one that was dealt with already.
    opening: u64,
}

impl RedbStore {
    /// Opens the store in the file at `path`; makes it, readable by its owner alone, when it is not there.
    ///
    /// Beside it lie `path.lock`, which says who has the store open, and during the first start
    /// `path.new`. A first start that is cut short leaves no store and is made again by the next.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let files = StoreFiles::claim(path.as_ref())?;
        if !files.exists()? {
            let made = Self::with_backend(Box::new(files.make()?), options)?;
            drop(made);
            files.put_in_place()?;
        }
        let mut store = Self::with_backend(Box::new(files.open()?), options)?;
        store.files = Some(files);
        Ok(store)
    }

    /// Opens the store in `backend`: the place where tests let a disk fail.
    ///
    /// The backend must work again after [`StorageBackend::close`]. An empty backend becomes an empty
    /// store; when power fails before this returns, what is left is no store ([`OpenError::NotAStore`]).
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn with_backend(backend: Box<dyn StorageBackend>, options: Options) -> Result<Self, OpenError> {
        let backend = Arc::from(backend);
        let opened = RwLock::new(Opened::open(&backend, options)?);
        Ok(Self { backend, options, opened, changing: Mutex::new(()), files: None })
    }

    /// Moves what is stored together and gives the rest of the file back, which takes a while; nobody reads or
    /// writes meanwhile.
    ///
    /// # Errors
    /// [`Fault`] when the file cannot be written; nothing is lost by it.
    pub fn compact(&self) -> Result<(), Fault> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        let database = opened.database.as_mut().ok_or_else(|| fault(&redb::Error::DatabaseClosed))?;
        database.compact().map_err(|error| fault(&redb::Error::from(error)))?;
        // Compaction leaves no map of the file's pages behind, and the next opening after a kill would look at
        // every page. Closing writes the map, and cuts off what the last commits of a compaction let go.
        drop(opened.database.take());
        let again = Opened::open(&self.backend, self.options);
        *opened = Opened {
            opening: opened.opening + 1,
            ..again.map_err(|error| Fault { detail: error.to_string() })?
        };
        Ok(())
    }

    /// Runs `look` on the state of one moment; opens the file again and repeats it once after a failure.
    pub(crate) fn read<T>(
        &self,
        look: impl Fn(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, Fault> {
        let (failed, _) = match self.read_once(&look) {
            Ok(seen) => return Ok(seen),
            Err(failure) => failure,
        };
        self.open_again(failed).map_err(|error| Fault { detail: error.to_string() })?;
        self.read_once(&look).map_err(|(_, error)| fault(&error))
    }

    /// The number of the opening comes with the error.
    fn read_once<T>(
        &self,
        look: impl Fn(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, (u64, redb::Error)> {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = &opened.database else {
            return Err((opened.opening, redb::Error::DatabaseClosed));
        };
        let seen = database.begin_read().map_err(redb::Error::from).and_then(|moment| look(&moment));
        seen.map_err(|error| (opened.opening, error))
    }

    /// Runs `work`, which makes `change`, in a transaction and makes it durable; `None` from `work` leaves
    /// everything as it was.
    pub(crate) fn change<T>(
        &self,
        change: &Change<'_>,
        work: impl FnOnce(&WriteTransaction) -> Result<Option<T>, redb::Error>,
    ) -> Result<Option<T>, ChangeError> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        // The look opens the file again if an earlier failure left it closed.
        let changes = self.read(changes_so_far).map_err(ChangeError::Unavailable)?;
        match self.attempt(change, work, changes + 1) {
            Attempt::Done(value) => Ok(value),
            Attempt::Failed { opening, error } => {
                // Nothing was committed; whether the file can be opened now does not change that, and
                // whoever comes next tries again.
                let _ = self.open_again(opening);
                Err(ChangeError::did_not_happen(&error))
            }
            Attempt::Unclear { opening, error, value } => {
                let changes_now = self
                    .open_again(opening)
                    .map_err(|reopening| Fault { detail: format!("{error}; then {reopening}") })
                    .and_then(|()| self.read(changes_so_far))
                    .map_err(ChangeError::OutcomeUnknown)?;
                if changes_now == changes {
                    return Err(ChangeError::did_not_happen(&error));
                }
                assert_eq!(changes_now, changes + 1, "changes are made one after the other");
                Ok(Some(value))
            }
        }
    }

    /// A change that has room at the head of the file is written there and synced, then shown to readers; one
    /// that has none is committed with all that came before it.
    fn attempt<T>(
        &self,
        change: &Change<'_>,
        work: impl FnOnce(&WriteTransaction) -> Result<Option<T>, redb::Error>,
        number: u64,
    ) -> Attempt<T> {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        let opening = opened.opening;
        let Some(database) = &opened.database else {
            return Attempt::Failed { opening, error: redb::Error::DatabaseClosed };
        };
        let mut recent = opened.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = recent.as_ref().is_some_and(|recent| recent.has_room(change.size()));
        let begun = if has_room { begin_quick(database) } else { begin_durable(database) };
        let prepared = begun.and_then(|transaction| {
            let value = work(&transaction)?;
            transaction.open_table(COUNTERS)?.insert(COUNTER_CHANGES, number)?;
            Ok((transaction, value))
        });
        let (transaction, value) = match prepared {
            Err(error) => return Attempt::Failed { opening, error },
            // Dropping the transaction takes it back.
            Ok((_, None)) => return Attempt::Done(None),
            Ok((transaction, Some(value))) => (transaction, value),
        };
        let kept = match recent.as_mut().filter(|_| has_room) {
            Some(recent) => recent.add(number, &change.encode()),
            None => Ok(()),
        };
        let committed = kept.map_err(redb::Error::Io).and_then(|()| Ok(transaction.commit()?));
        if let Err(error) = committed {
            return Attempt::Unclear { opening, error, value };
        }
        if let Some(recent) = recent.as_mut().filter(|_| !has_room) {
            recent.begin_again();
        }
        Attempt::Done(Some(value))
    }

    /// Closes the database of opening number `failed` and opens its file again; does nothing when that was
    /// done already.
    fn open_again(&self, failed: u64) -> Result<(), OpenError> {
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        if opened.opening != failed {
            return Ok(());
        }
        opened.cut.store(true, Ordering::Release);
        drop(opened.database.take());
        *opened = Opened { opening: failed + 1, ..Opened::open(&self.backend, self.options)? };
        Ok(())
    }
}

/// What became of a change.
enum Attempt<T> {
    /// It is durable, or `work` wanted none.
    Done(Option<T>),
    /// It failed before its commit.
    Failed { opening: u64, error: redb::Error },
    /// Its commit failed: it is there as a whole or not at all.
    Unclear { opening: u64, error: redb::Error, value: T },
}

impl Opened {
    /// Opens what is in `backend`, with the changes at its head made again that it lost.
    fn open(backend: &Arc<dyn StorageBackend>, options: Options) -> Result<Self, OpenError> {
        if backend.len().map_err(unusable)? == 0 {
            Recent::lay_out(backend, options.recent_size.saturating_add(FRONT)).map_err(unusable)?;
        }
        let mut recent = Recent::find(backend)?;
        let first = recent.as_ref().map_or(0, Recent::size).into();
        let cut = Arc::new(AtomicBool::new(false));
        let database = Builder::new()
            .set_cache_size(options.cache_size)
            .create_with_backend(Lent { backend: backend.clone(), first, cut: cut.clone() })
            .map_err(|error| OpenError::from(redb::Error::from(error)))?;
        match format_of(&database)? {
            Some(FORMAT) => {}
            Some(found) if found > FORMAT => return Err(OpenError::NewerFormat { found, known: FORMAT }),
            Some(_) => return Err(OpenError::damaged("its format number was never in use")),
            None => lay_out(&database)?,
        }
        if let Some(recent) = &mut recent {
            make_again(&database, recent)?;
        }
        Ok(Self { database: Some(database), recent: Mutex::new(recent), cut, opening: 0 })
    }
}

/// Makes every change again that stands in `recent` and not in the database.
fn make_again(database: &Database, recent: &mut Recent) -> Result<(), OpenError> {
    let moment = database.begin_read().map_err(redb::Error::from)?;
    let changes = changes_so_far(&moment)?;
    drop(moment);
    let found = recent.found().map_err(unusable)?;
    let missing = || found.changes.iter().filter(|held| held.number > changes);
    let (Some(first), Some(last)) = (missing().next(), found.changes.last()) else {
        return recent.drop_all().map_err(unusable);
    };
    if first.number != changes + 1 {
        return Err(OpenError::damaged("changes are missing before those at the head of the file"));
    }
    let transaction = begin_quick(database)?;
    for held in missing() {
        let change = Change::decode(&held.change)
            .ok_or_else(|| OpenError::damaged("a change at the head of the file is none"))?;
        change.make(&transaction)?;
    }
    let mut counters = transaction.open_table(COUNTERS).map_err(redb::Error::from)?;
    counters.insert(COUNTER_CHANGES, last.number).map_err(redb::Error::from)?;
    drop(counters);
    recent.go_on_behind(found).map_err(unusable)?;
    Ok(transaction.commit().map_err(redb::Error::from)?)
}

/// The format number; `None` in a file that holds nothing yet.
fn format_of(database: &Database) -> Result<Option<u64>, OpenError> {
    let moment = database.begin_read().map_err(redb::Error::from)?;
    let counters = match moment.open_table(COUNTERS) {
        Ok(counters) => counters,
        Err(redb::TableError::TableDoesNotExist(_)) => {
            let others = moment.list_tables().map_err(redb::Error::from)?.count();
            return if others == 0 {
                Ok(None)
            } else {
                Err(OpenError::damaged("another program's tables are in it"))
            };
        }
        Err(other) => return Err(redb::Error::from(other).into()),
    };
    let format = counters.get(COUNTER_FORMAT).map_err(redb::Error::from)?;
    match format {
        Some(format) => Ok(Some(format.value())),
        None => Err(OpenError::damaged("it has no format number")),
    }
}

/// Makes the empty tables, so that every later transaction finds them.
fn lay_out(database: &Database) -> Result<(), redb::Error> {
    let transaction = begin_durable(database)?;
    {
        let mut counters = transaction.open_table(COUNTERS)?;
        counters.insert(COUNTER_FORMAT, FORMAT)?;
        counters.insert(COUNTER_LAST_COMMIT, 0)?;
        counters.insert(COUNTER_CHANGES, 0)?;
    }
    transaction.open_table(RECORDS)?;
    transaction.open_table(ENTRIES)?;
    transaction.open_table(JOURNALS)?;
    Ok(transaction.commit()?)
}

/// A transaction whose commit is synced in two steps and needs no long repair after a crash.
fn begin_durable(database: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}

/// A transaction whose commit is seen at once and lasts from the next durable one on.
fn begin_quick(database: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction
        .set_durability(Durability::None)
        .expect("no savepoint is in use, and no other process writes");
    Ok(transaction)
}

fn changes_so_far(moment: &ReadTransaction) -> Result<u64, redb::Error> {
    counter(&moment.open_table(COUNTERS)?, COUNTER_CHANGES)
}

/// The value of a counter that [`lay_out`] wrote.
pub(crate) fn counter(
    counters: &impl redb::ReadableTable<&'static str, u64>,
    name: &str,
) -> Result<u64, redb::Error> {
    match counters.get(name)? {
        Some(value) => Ok(value.value()),
        None => Err(redb::Error::Corrupted(format!("the counter of {name} is missing"))),
    }
}
