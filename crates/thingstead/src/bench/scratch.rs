//! Folders of a benchmark, gone with it.

use std::path::{Path, PathBuf};

use super::child::internal;
use crate::failure::Outcome;
use crate::files;

/// A folder for this run, removed when the value goes.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// An empty folder.
    pub(super) fn new(name: &str) -> Outcome<Self> {
        let mut dice = net::seed::dice().map_err(|error| internal("randomness", error))?;
        let name = format!("thingstead-{name}-{}", model::hex(&dice.bytes::<6>()));
        let path = std::env::temp_dir().join(name);
        files::make_folder(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// A place in it.
    pub(super) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is left to the operating system.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
