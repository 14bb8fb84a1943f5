//! What happened to a device, as the device itself remembers it: audit entries in a file of its folder.
//!
//! Each entry stands behind its length in two bytes. The operating system has it before the device goes on;
//! a power cut may take the last ones, and a cut entry at the end is passed over. When the file is full it
//! becomes `audit.log.1` and the one before that is gone.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use accounts::AuditEntry;
use clock::Now;
use model::{CorrelationId, Uuid};

use super::voice::Said;
use crate::failure::{Failure, Outcome};

/// Bytes of one file.
const FILE_LENGTH_MAX: u64 = 256 * 1024;
/// How the device is called in its own log.
const ROLE: &str = "device";

/// The log of one device.
pub(super) struct AuditLog {
    path: PathBuf,
    device: Uuid,
    run: CorrelationId,
}

fn earlier(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

fn place(folder: &Path) -> PathBuf {
    folder.join("audit.log")
}

impl AuditLog {
    /// The log in `folder`; `run` marks the entries of this run. An entry that a power cut left unfinished
    /// goes, or what is appended would be read as a part of it.
    pub(super) fn open(folder: &Path, device: Uuid, run: CorrelationId) -> Self {
        let log = Self { path: place(folder), device, run };
        if let Err(error) = log.cut_to_whole_entries() {
            tracing::warn!(%error, path = %log.path.display(), "the audit log was not looked through");
        }
        log
    }

    fn cut_to_whole_entries(&self) -> io::Result<()> {
        let bytes = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            read => read?,
        };
        let whole = split(&bytes).map(|entry| 2 + entry.len()).sum::<usize>();
        if whole == bytes.len() {
            return Ok(());
        }
        File::options().write(true).open(&self.path)?.set_len(whole as u64)
    }

    /// Remembers an event. What cannot be written is said to the log of the program: a device that cannot
    /// write its log still obeys its owner.
    pub(super) fn remember(&self, said: &Said, now: Now) {
        let Some(at) = now.utc else { return };
        // Why it failed, or which state was reached.
        let cause = said.fields.iter().find(|(name, _)| matches!(*name, "cause" | "name"));
        let entry = AuditEntry {
            at,
            role: ROLE.into(),
            actor: ROLE.into(),
            operation: format!("{ROLE}.{}", said.event),
            device: Some(self.device),
            result: cause.and_then(|(_, value)| value.as_str()).unwrap_or("done").into(),
            correlation: self.run,
            address: None,
        };
        if let Err(error) = self.append(&entry.to_bytes()) {
            tracing::warn!(%error, path = %self.path.display(), "the audit log was not written");
        }
    }

    fn append(&self, entry: &[u8]) -> io::Result<()> {
        let length = u16::try_from(entry.len()).map_err(io::Error::other)?.to_be_bytes();
        if fs::metadata(&self.path).is_ok_and(|file| file.len() > FILE_LENGTH_MAX) {
            fs::rename(&self.path, earlier(&self.path))?;
        }
        let mut file = File::options().create(true).append(true).open(&self.path)?;
        file.write_all(&[&length, entry].concat())
    }
}

/// Every entry that the device in `folder` remembers, oldest first.
pub(crate) fn entries(folder: &Path) -> Outcome<Vec<AuditEntry>> {
    let path = place(folder);
    let mut all = Vec::new();
    for file in [earlier(&path), path] {
        match fs::read(&file) {
            Ok(bytes) => all.extend(read(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(Failure::new("file-unreadable", file.display().to_string()).because(error));
            }
        }
    }
    Ok(all)
}

fn read(bytes: &[u8]) -> Vec<AuditEntry> {
    split(bytes).filter_map(|entry| AuditEntry::from_bytes(entry).ok()).collect()
}

/// The entries that are there in full.
fn split(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (entry, after) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        bytes = after;
        Some(entry)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clock::{Moment, Timestamp};

    #[test]
    fn events_are_remembered_and_a_cut_entry_is_passed_over() {
        let folder = std::env::temp_dir().join(format!("thingstead-audit-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let log = AuditLog::open(&folder, Uuid([7; 16]), CorrelationId([1; 16]));
        let now = Now::new(Moment::START, Timestamp::from_unix_millis(1_800_000_000_000));
        log.remember(&Said::new("owned", "an owner"), now);
        log.remember(&Said::new("refused", "an image").with("cause", "sequence-lower"), now);
        let words = |entries: Vec<AuditEntry>| -> Vec<(String, String)> {
            entries.into_iter().map(|entry| (entry.operation, entry.result)).collect()
        };
        let both = words(entries(&folder).unwrap());
        let expected = [("device.owned", "done"), ("device.refused", "sequence-lower")];
        assert_eq!(both, expected.map(|(operation, result)| (operation.to_owned(), result.to_owned())));
        let bytes = fs::read(place(&folder)).unwrap();
        for length in 0..bytes.len() {
            fs::write(place(&folder), &bytes[..length]).unwrap();
            let left = words(entries(&folder).unwrap());
            assert!(left.len() < 2 && both.starts_with(&left), "cut at {length}");
            let log = AuditLog::open(&folder, Uuid([7; 16]), CorrelationId([2; 16]));
            log.remember(&Said::new("started", "later"), now);
            let later = words(entries(&folder).unwrap());
            assert_eq!(later[..left.len()], left, "cut at {length}");
            assert_eq!(
                later[left.len()..],
                [("device.started".to_owned(), "done".to_owned())],
                "cut at {length}"
            );
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
