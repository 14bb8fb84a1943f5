//! Journals of one folder, and the thread that syncs them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use store::{Entry, Fault, Journal, JournalError, Position, Space, check_name_size, check_value_size};

use crate::segment::OpenJournal;

/// How long an append may wait to be synced.
const SYNC_TIME: Duration = Duration::from_millis(500);

/// Journals of a folder. One process at a time may have it.
#[derive(Debug)]
pub struct Segments {
    folder: PathBuf,
    journals: Mutex<BTreeMap<(Space, Vec<u8>), OpenJournal>>,
    syncing: Option<Sender<Arc<File>>>,
    thread: Option<JoinHandle<()>>,
    /// What the last sync failed with.
    failed: Arc<Mutex<Option<String>>>,
}

impl Segments {
    /// Journals in `folder`, which is made when something is appended.
    ///
    /// # Errors
    /// [`Fault`] when no thread can be started.
    pub fn open(folder: PathBuf) -> Result<Self, Fault> {
        let (syncing, files) = channel();
        let failed = Arc::new(Mutex::new(None));
        let failures = Arc::clone(&failed);
        let thread =
            std::thread::Builder::new().name("journal-sync".into()).spawn(move || sync(&files, &failures));
        let thread = thread.map_err(|error| Fault { detail: format!("no thread to sync: {error}") })?;
        Ok(Self { folder, journals: Mutex::default(), syncing: Some(syncing), thread: Some(thread), failed })
    }

    fn journals(&self) -> MutexGuard<'_, BTreeMap<(Space, Vec<u8>), OpenJournal>> {
        self.journals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with a journal, which is opened when it is first used.
    fn with<T>(
        &self,
        space: Space,
        name: &[u8],
        act: impl FnOnce(&mut OpenJournal) -> T,
    ) -> Result<T, Fault> {
        let mut journals = self.journals();
        let key = (space, name.to_vec());
        if !journals.contains_key(&key) {
            let open = OpenJournal::open(self.folder.join(folder_name(space, name)))?;
            journals.insert(key.clone(), open);
        }
        let journal = journals.get_mut(&key).ok_or_else(|| Fault { detail: "a journal is gone".into() })?;
        Ok(act(journal))
    }

    /// What was written is synced soon.
    fn wrote(&self, file: Option<Arc<File>>) {
        // The thread lives as long as we do; what cannot be told it is synced when the segment is full.
        if let (Some(file), Some(syncing)) = (file, &self.syncing) {
            let _gone = syncing.send(file);
        }
    }

    fn check(&self) -> Result<(), JournalError> {
        match self.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            None => Ok(()),
            Some(detail) => Err(JournalError::Unavailable(Fault { detail })),
        }
    }
}

impl Drop for Segments {
    fn drop(&mut self) {
        self.syncing = None;
        if let Some(thread) = self.thread.take() {
            // It has nothing to say: failures are noted where the next append looks.
            let _ended = thread.join();
        }
    }
}

/// Folder names have at most 255 bytes: long names are told apart by their end.
fn folder_name(space: Space, name: &[u8]) -> String {
    const PLAIN_SIZE_MAX: usize = 100;
    let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    if name.len() <= PLAIN_SIZE_MAX {
        return format!("{:02x}-{}", space.0, hex(name));
    }
    // Folders in a folder.
    let parts: Vec<String> = name.chunks(PLAIN_SIZE_MAX).map(hex).collect();
    format!("{:02x}_{}", space.0, parts.join("_/"))
}

/// Syncs what was written, each file at most once in [`SYNC_TIME`].
fn sync(files: &Receiver<Arc<File>>, failed: &Mutex<Option<String>>) {
    while let Ok(first) = files.recv() {
        let mut waiting = vec![first];
        let began = std::time::Instant::now();
        let mut is_over = false;
        while let Some(left) = SYNC_TIME.checked_sub(began.elapsed()) {
            match files.recv_timeout(left) {
                Ok(file) if waiting.iter().any(|known| Arc::ptr_eq(known, &file)) => {}
                Ok(file) => waiting.push(file),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => {
                    is_over = true;
                    break;
                }
            }
        }
        for file in waiting {
            if let Err(error) = file.sync_data() {
                *failed.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(format!("a sync failed: {error}"));
            }
        }
        if is_over {
            return;
        }
    }
}

fn not_written(error: &io::Error) -> JournalError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => JournalError::Full,
        _ => JournalError::Unavailable(Fault { detail: format!("cannot append: {error}") }),
    }
}

impl Journal for Segments {
    fn append(&self, space: Space, name: &[u8], values: &[Vec<u8>]) -> Result<Position, JournalError> {
        check_name_size(name).map_err(JournalError::Unavailable)?;
        values.iter().try_for_each(|value| check_value_size(value)).map_err(JournalError::Unavailable)?;
        self.check()?;
        let appended = self.with(space, name, |journal| journal.append(values));
        let appended = appended.map_err(JournalError::Unavailable)?;
        let (first, file) = appended.map_err(|error| not_written(&error))?;
        self.wrote(file);
        Ok(first)
    }

    fn read(&self, space: Space, name: &[u8], from: Position, limit: usize) -> Result<Vec<Entry>, Fault> {
        if check_name_size(name).is_err() {
            return Ok(Vec::new());
        }
        self.with(space, name, |journal| journal.read(from.0, limit))?
    }

    fn trim(&self, space: Space, name: &[u8], before: Position) -> Result<(), JournalError> {
        if check_name_size(name).is_err() {
            // There is no such journal.
            return Ok(());
        }
        let trimmed = self.with(space, name, |journal| journal.trim(before.0));
        let trimmed = trimmed.map_err(JournalError::Unavailable)?;
        self.wrote(trimmed.map_err(|error| not_written(&error))?);
        Ok(())
    }
}
