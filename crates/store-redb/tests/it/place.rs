//! Directories of tests.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// A directory that is removed with its content when it is dropped.
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new() -> Self {
        let number = COUNT.fetch_add(1, Ordering::SeqCst);
        let name = format!("store-redb-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).expect("the directory can be made");
        Self(path)
    }

    /// Where the store lies.
    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("store.redb")
    }

    /// Everything that lies in the directory.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.0).expect("the directory can be listed");
        entries.map(|entry| entry.expect("the entry can be read").path()).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What is left behind lies in the build directory and harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
