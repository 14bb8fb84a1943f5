//! The files of a store: who may open them, and how a new one comes to be.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;

use crate::error::OpenError;

/// The files of one store, claimed for as long as the value lives.
///
/// The claim is a lock on a file of its own: the lock that redb takes on the store's file is let go while
/// the store is opened again after a failure, and cannot be taken before there is a file.
#[derive(Debug)]
pub(crate) struct StoreFiles {
    path: PathBuf,
    _claim: File,
}

impl StoreFiles {
    /// Claims the store at `path`, which need not exist yet.
    pub(crate) fn claim(path: &Path) -> Result<Self, OpenError> {
        let claim = open_file(&beside(path, "lock"))?;
        match claim.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _claim: claim }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse),
            Err(TryLockError::Error(cause)) => Err(unusable(cause)),
        }
    }

    pub(crate) fn exists(&self) -> Result<bool, OpenError> {
        self.path.try_exists().map_err(unusable)
    }

    /// The store's file.
    pub(crate) fn open(&self) -> Result<FileBackend, OpenError> {
        backend(open_file(&self.path)?)
    }

    /// An empty file beside the store's, for a store in the making.
    pub(crate) fn make(&self) -> Result<FileBackend, OpenError> {
        let file = open_file(&beside(&self.path, "new"))?;
        file.set_len(0).map_err(unusable)?;
        backend(file)
    }

    /// Gives the file that was made the store's name, to stay after a power cut.
    pub(crate) fn put_in_place(&self) -> Result<(), OpenError> {
        std::fs::rename(beside(&self.path, "new"), &self.path).map_err(unusable)?;
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        // Only Unix opens directories, and only there a name may be lost that was not synced.
        if cfg!(unix) {
            let directory = File::open(directory.unwrap_or(Path::new("."))).map_err(unusable)?;
            directory.sync_all().map_err(unusable)?;
        }
        Ok(())
    }
}

fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

fn open_file(path: &Path) -> Result<File, OpenError> {
    let mut how = OpenOptions::new();
    how.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut how, 0o600);
    how.open(path).map_err(unusable)
}

fn backend(file: File) -> Result<FileBackend, OpenError> {
    FileBackend::new(file).map_err(|cause| OpenError::from(redb::Error::from(cause)))
}

fn unusable(cause: io::Error) -> OpenError {
    OpenError::from(redb::Error::Io(cause))
}
