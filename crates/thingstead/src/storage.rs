//! The store of one role: a redb file behind a sealing key of its own.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::sync::Arc;

use crypto::{Provider, Secret};
use net::seed;
use store::Table;
use store_redb::{Options, RedbStore};
use store_sealed::{SEALING_KEY_LENGTH, Sealed};

use crate::failure::{Failure, Outcome};
use crate::files;

/// Memory for pages of one store's file, in bytes: three roles in one process keep within 64 MiB.
pub(crate) const CACHE_SIZE: usize = 6 * 1024 * 1024;

/// Opens the store in `folder`, which is made if needed; the sealing key is made with it.
pub(crate) fn open(folder: &Path, provider: &dyn Provider) -> Outcome<Arc<dyn Table>> {
    files::make_folder(folder)?;
    let store_path = folder.join("store.redb");
    let key = sealing_key(&folder.join("seal.key"), store_path.exists())?;
    let subject = store_path.display().to_string();
    let table = RedbStore::open(&store_path, Options { cache_size: CACHE_SIZE, ..Options::default() })
        .map_err(|error| Failure::new("store-unavailable", subject.as_str()).because(error))?;
    let dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
    let sealed = Sealed::new(table, provider, key.expose(), dice)
        .map_err(|error| Failure::new("store-key-wrong", subject.as_str()).because(error))?;
    Ok(Arc::new(sealed))
}

/// Reads the key, or makes it when the store is new: a store without its key is never given a new one.
pub(crate) fn sealing_key(path: &Path, store_exists: bool) -> Outcome<Secret> {
    let subject = path.display().to_string();
    match fs::File::open(path) {
        Ok(mut file) => {
            let mut key = zeroize::Zeroizing::new(Vec::new());
            file.read_to_end(&mut key)
                .map_err(|error| Failure::new("file-unreadable", subject.as_str()).because(error))?;
            if key.len() != SEALING_KEY_LENGTH {
                return Err(Failure::new("store-key-wrong", subject));
            }
            Ok(Secret::from(&key[..]))
        }
        Err(error) if error.kind() == ErrorKind::NotFound && !store_exists => make_key(path),
        Err(error) => Err(Failure::new("store-key-wrong", subject).because(error)),
    }
}

fn make_key(path: &Path) -> Outcome<Secret> {
    let mut dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
    let key = Secret::new(dice.bytes::<SEALING_KEY_LENGTH>().to_vec());
    files::write_secret(path, key.expose())?;
    Ok(key)
}

/// Opens a file that only this user reads, failing when it exists.
pub(crate) fn create_secret(path: &Path) -> std::io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

/// Writes all of `bytes` and makes them durable.
pub(crate) fn write_durably(mut file: fs::File, bytes: &[u8]) -> std::io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}
