//! A storage backend that outlives one opening of the database.

use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{BackendError, StorageBackend};

/// Lends one backend to one database after another: redb closes what it was given, and opens it anew
/// after a failure. Closing releases the locks and keeps the file. The database sees what lies from `first` on.
#[derive(Clone, Debug)]
pub(crate) struct Lent {
    pub(crate) backend: Arc<dyn StorageBackend>,
    /// Where the database begins.
    pub(crate) first: u64,
    /// Set when the database is given up after a failure: it then changes nothing any more. What it has in
    /// memory alone is made again from the head of the file, whatever a sync that failed has left behind.
    pub(crate) cut: Arc<AtomicBool>,
}

impl Lent {
    fn changeable(&self) -> io::Result<&dyn StorageBackend> {
        match self.cut.load(Ordering::Acquire) {
            false => Ok(&*self.backend),
            true => Err(io::Error::other("the store is opened again")),
        }
    }
}

impl StorageBackend for Lent {
    fn len(&self) -> io::Result<u64> {
        Ok(self.backend.len()?.saturating_sub(self.first))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.backend.read(self.first + offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.changeable()?.set_len(self.first + len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.changeable()?.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.changeable()?.write(self.first + offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.backend.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.query_lock_range(start, end)
    }
}
