//! The folder of a smart device: its sealed state, and its events in files of their own.
//!
//! ```text
//! DIR/seal.key, state.0, state.1, lock      as for other devices
//! DIR/events/NUMBER                         01 | nonce | AES-256-GCM of (number, event) | tag
//! DIR/model.json                            what it is
//! DIR/client.pem                            the certificate for its key, of one with protocol type 8
//! ```
//! Source: ADR 0086, ADR 0272.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crypto::{Provider, Secret};

use crate::device::sealed_state::SealedState;
use crate::failure::{Failure, Outcome};
use crate::files;

/// The certificate of a device, in its folder.
pub(crate) const CERTIFICATE_FILE: &str = "client.pem";

const SEALED_FOR: &[u8] = b"thingstead smart event";
/// Far over an event of 64 KiB.
const EVENT_SIZE_MAX: u64 = 256 * 1024;

/// What is kept of a device, held by this process alone.
pub(crate) struct SmartStorage {
    state: SealedState,
    events: PathBuf,
}

/// What was found in a folder.
pub(crate) struct Found {
    pub(crate) state: Secret,
    pub(crate) events: Vec<(u64, Vec<u8>)>,
    /// Files of events that cannot be opened; they are left where they are.
    pub(crate) damaged: Vec<PathBuf>,
}

impl SmartStorage {
    /// Makes the folder of a new device.
    ///
    /// # Errors
    /// Those of [`SealedState::make`].
    pub(crate) fn make(folder: &Path, provider: &Arc<dyn Provider>, first: &Secret) -> Outcome {
        SealedState::make(folder, provider, first)?;
        files::make_folder(&folder.join("events"))
    }

    /// Opens the folder of a device.
    ///
    /// # Errors
    /// Those of [`SealedState::open`]; `file-unreadable`.
    pub(crate) fn open(folder: &Path, provider: &Arc<dyn Provider>) -> Outcome<(Self, Found)> {
        let (state, stored) = SealedState::open(folder, provider)?;
        let storage = Self { state, events: folder.join("events") };
        files::make_folder(&storage.events)?;
        let mut found = Found { state: stored, events: Vec::new(), damaged: Vec::new() };
        let unreadable = |error: io::Error| {
            Failure::new("file-unreadable", storage.events.display().to_string()).because(error)
        };
        for entry in fs::read_dir(&storage.events).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
            // A file that was being written when the power went.
            let Some(number) = name.and_then(|name| name.parse::<u64>().ok()) else { continue };
            match storage.read(&path, number) {
                Some(event) => found.events.push((number, event)),
                None => found.damaged.push(path),
            }
        }
        Ok((storage, found))
    }

    fn read(&self, path: &Path, number: u64) -> Option<Vec<u8>> {
        let sealed = files::read(path, EVENT_SIZE_MAX).ok()?;
        let plain = self.state.unseal(SEALED_FOR, &sealed).ok()?;
        let (stated, event) = plain.split_first_chunk()?;
        (u64::from_be_bytes(*stated) == number).then(|| event.to_vec())
    }

    /// Writes the state; it survives a power cut when this returns.
    ///
    /// # Errors
    /// `file-unwritable`.
    pub(crate) fn write(&mut self, state: &Secret) -> Outcome {
        self.state.write(state).map(|_| ())
    }

    /// Keeps an event; it survives a power cut when this returns.
    ///
    /// # Errors
    /// `file-unwritable`.
    pub(crate) fn keep(&mut self, number: u64, event: &[u8]) -> Outcome {
        let plain = [&number.to_be_bytes()[..], event].concat();
        let sealed = self.state.seal(SEALED_FOR, &plain)?;
        files::write_secret(&self.path(number), &sealed)
    }

    /// Forgets an event. One that cannot be removed is told once more after the next start, which does no harm.
    pub(crate) fn forget(&self, number: u64) {
        let _left = fs::remove_file(self.path(number));
    }

    fn path(&self, number: u64) -> PathBuf {
        self.events.join(number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_server::Server;

    #[test]
    fn events_are_found_again_and_what_is_damaged_is_named() {
        let folder = std::env::temp_dir().join(format!("smart-storage-{}", std::process::id()));
        let _gone = fs::remove_dir_all(&folder);
        let provider: Arc<dyn Provider> = Arc::new(Server::new());
        SmartStorage::make(&folder, &provider, &Secret::from(&b"first"[..])).unwrap();
        let (mut storage, found) = SmartStorage::open(&folder, &provider).unwrap();
        assert_eq!((found.state.expose(), found.events.len()), (&b"first"[..], 0));
        for number in [7, 8, 9, 10] {
            storage.keep(number, format!("event {number}").as_bytes()).unwrap();
        }
        storage.write(&Secret::from(&b"second"[..])).unwrap();
        storage.forget(7);
        storage.forget(7);
        let events = folder.join("events");
        let sealed = fs::read(events.join("8")).unwrap();
        assert!(!sealed.windows(5).any(|part| part == b"event"), "sealed");
        fs::write(events.join("9"), &sealed[1..]).unwrap();
        fs::copy(events.join("8"), events.join("11")).unwrap();
        fs::write(events.join("12.part"), b"cut off").unwrap();
        drop(storage);
        let (_storage, mut found) = SmartStorage::open(&folder, &provider).unwrap();
        found.events.sort();
        found.damaged.sort();
        assert_eq!(found.state.expose(), b"second");
        assert_eq!(found.events, [(8, b"event 8".to_vec()), (10, b"event 10".to_vec())]);
        assert_eq!(found.damaged, [events.join("11"), events.join("9")], "moved and cut off");
        fs::remove_dir_all(&folder).unwrap();
    }
}
