//! The folder in which a device keeps its state: sealed, in two copies, the newest that opens counts.
//!
//! ```text
//! DIR/seal.key           32 random bytes
//! DIR/state.0, state.1   01 | nonce (12) | AES-256-GCM of (number of the write (8), agent's state) | tag (16)
//! DIR/lock               held by the one process that uses the folder
//! ```
//! A write goes to the copy that the last one did not go to: beside it, made durable, renamed, the name made
//! durable. However it is cut off, the last state that was acknowledged still opens.
//! Source: decision G 30; TS-M13, TS-M14; ADR 0086.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clock::Dice;
use crypto::{Aead, AeadKey, Provider, Secret};
use net::seed;
use zeroize::Zeroizing;

use crate::failure::{Failure, Outcome};
use crate::{files, storage};

const FORMAT: u8 = 1;
const AEAD: Aead = Aead::Aes256Gcm;
const NONCE_LENGTH: usize = AEAD.nonce_length();
const NUMBER_LENGTH: usize = 8;
/// Far over what 64 keys, 16 channels and 32 parameters of the longest kind take.
const SEALED_LENGTH_MAX: u64 = 1024 * 1024;
const COPIES: [&str; 2] = ["state.0", "state.1"];
const SEALED_FOR: &[u8] = b"thingstead device state";

/// The state of one device, held by this process alone.
pub(crate) struct SealedState {
    folder: PathBuf,
    key: Box<dyn AeadKey>,
    dice: Dice,
    /// The number of the last write.
    number: u64,
    /// Which copy holds it.
    slot: usize,
    /// Unlocked when it is closed.
    _lock: File,
}

impl SealedState {
    /// Makes the folder of a new device and writes its first state.
    ///
    /// # Errors
    /// `already-there` when the folder holds a device; `state-in-use`, `no-entropy` and those of files.
    pub(crate) fn make(folder: &Path, provider: &Arc<dyn Provider>, first: &Secret) -> Outcome<Self> {
        files::make_folder(folder)?;
        let lock = lock(folder)?;
        if COPIES.iter().any(|copy| folder.join(copy).exists()) {
            let subject = folder.display().to_string();
            return Err(Failure::new("already-there", subject).because("the folder holds a device"));
        }
        let mut state = Self::over(folder, provider, lock)?;
        state.write(first)?;
        Ok(state)
    }

    /// Opens the folder of a device; gives the last state that was written whole.
    ///
    /// # Errors
    /// `state-missing`, `state-in-use`, `state-damaged` when neither copy opens.
    pub(crate) fn open(folder: &Path, provider: &Arc<dyn Provider>) -> Outcome<(Self, Secret)> {
        if !COPIES.iter().any(|copy| folder.join(copy).exists()) {
            return Err(Failure::new("state-missing", folder.display().to_string()));
        }
        let mut state = Self::over(folder, provider, lock(folder)?)?;
        let stored = state.read()?;
        Ok((state, stored))
    }

    /// The last state and the number of its write, without locking out a device that runs.
    ///
    /// # Errors
    /// `state-missing`, `state-damaged`.
    pub(crate) fn peek(folder: &Path, provider: &Arc<dyn Provider>) -> Outcome<(u64, Secret)> {
        if !COPIES.iter().any(|copy| folder.join(copy).exists()) {
            return Err(Failure::new("state-missing", folder.display().to_string()));
        }
        let key = sealing_key(folder, &**provider, true)?;
        newest(folder, &*key).map(|(number, _, state)| (number, state))
    }

    fn over(folder: &Path, provider: &Arc<dyn Provider>, lock: File) -> Outcome<Self> {
        let is_made = COPIES.iter().any(|copy| folder.join(copy).exists());
        let key = sealing_key(folder, &**provider, is_made)?;
        let dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
        Ok(Self { folder: folder.to_owned(), key, dice, number: 0, slot: 1, _lock: lock })
    }

    /// Reads the last state again, as after a power-on.
    ///
    /// # Errors
    /// `state-damaged` when neither copy opens.
    pub(crate) fn read(&mut self) -> Outcome<Secret> {
        let (number, slot, state) = newest(&self.folder, &*self.key)?;
        (self.number, self.slot) = (number, slot);
        Ok(state)
    }

    /// Writes a state; when this returns, the state survives a power cut. Gives the number of the write.
    ///
    /// # Errors
    /// `file-unwritable`; the state before it is still there then.
    pub(crate) fn write(&mut self, state: &Secret) -> Outcome<u64> {
        let (number, slot) = (self.number + 1, 1 - self.slot);
        let mut buffer = Zeroizing::new(Vec::with_capacity(NUMBER_LENGTH + state.len() + AEAD.tag_length()));
        buffer.extend_from_slice(&number.to_be_bytes());
        buffer.extend_from_slice(state.expose());
        let nonce: [u8; NONCE_LENGTH] = self.dice.bytes();
        self.key
            .seal(&nonce, &associated(), &mut buffer)
            .map_err(|error| Failure::new("internal", "sealing the state").because(error))?;
        let sealed = [&[FORMAT], &nonce[..], &buffer].concat();
        files::write_secret(&self.folder.join(COPIES[slot]), &sealed)?;
        (self.number, self.slot) = (number, slot);
        Ok(number)
    }

    /// Seals something that is kept beside the state; `purpose` keeps kinds apart.
    ///
    /// # Errors
    /// `internal` when the provider fails.
    pub(crate) fn seal(&mut self, purpose: &[u8], plain: &[u8]) -> Outcome<Vec<u8>> {
        let mut buffer = plain.to_vec();
        let nonce: [u8; NONCE_LENGTH] = self.dice.bytes();
        self.key
            .seal(&nonce, purpose, &mut buffer)
            .map_err(|error| Failure::new("internal", "sealing beside the state").because(error))?;
        Ok([&[FORMAT], &nonce[..], &buffer].concat())
    }

    /// Opens what [`Self::seal`] made.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn unseal(&self, purpose: &[u8], sealed: &[u8]) -> Result<Vec<u8>, &'static str> {
        let (format, rest) = sealed.split_first().ok_or("empty")?;
        if *format != FORMAT {
            return Err("of a format that is not known here");
        }
        let (nonce, sealed) = rest.split_at_checked(NONCE_LENGTH).ok_or("cut off")?;
        let mut buffer = sealed.to_vec();
        let opened = self.key.open(nonce, purpose, &mut buffer);
        opened.map(|()| buffer).map_err(|_| "cut off, changed, or sealed with another key")
    }

    /// Removes the copy before the last one, so that nothing of an earlier owner is left in the folder.
    ///
    /// # Errors
    /// `file-unwritable`.
    /// Source: TS-M14.
    pub(crate) fn forget_earlier(&mut self) -> Outcome {
        let earlier = self.folder.join(COPIES[1 - self.slot]);
        let part = PathBuf::from(format!("{}.part", earlier.display()));
        for path in [earlier, part] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Failure::new("file-unwritable", path.display().to_string()).because(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        sync_folder(&self.folder)
    }

    /// The number of the last write; it rises by one with each.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Makes what was removed from or renamed in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Outcome {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| Failure::new("file-unwritable", folder.display().to_string()).because(error))
}

fn associated() -> Vec<u8> {
    [SEALED_FOR, &[FORMAT]].concat()
}

fn lock(folder: &Path) -> Outcome<File> {
    let path = folder.join("lock");
    let subject = || path.display().to_string();
    let file = File::options().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(|error| Failure::new("file-unwritable", subject()).because(error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure::new("state-in-use", folder.display().to_string())),
        Err(TryLockError::Error(error)) => Err(Failure::new("file-unwritable", subject()).because(error)),
    }
}

fn sealing_key(folder: &Path, provider: &dyn Provider, is_made: bool) -> Outcome<Box<dyn AeadKey>> {
    let path = folder.join("seal.key");
    let key = storage::sealing_key(&path, is_made)?;
    let key = provider.aead(AEAD, key.expose());
    key.map_err(|error| Failure::new("store-key-wrong", path.display().to_string()).because(error))
}

/// The copy with the highest number among those that open: number, slot, state.
fn newest(folder: &Path, key: &dyn AeadKey) -> Outcome<(u64, usize, Secret)> {
    let mut best: Option<(u64, usize, Secret)> = None;
    let mut causes = Vec::new();
    for (slot, copy) in COPIES.iter().enumerate() {
        match read_copy(&folder.join(copy), key) {
            Ok((number, state)) => {
                if best.as_ref().is_none_or(|(highest, ..)| number > *highest) {
                    best = Some((number, slot, state));
                }
            }
            Err(cause) => causes.push(format!("{copy}: {cause}")),
        }
    }
    best.ok_or_else(|| Failure::new("state-damaged", folder.display().to_string()).because(causes.join("; ")))
}

fn read_copy(path: &Path, key: &dyn AeadKey) -> Result<(u64, Secret), String> {
    let length = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > SEALED_LENGTH_MAX {
        return Err("longer than any state".into());
    }
    let sealed = fs::read(path).map_err(|error| error.to_string())?;
    let (format, rest) = sealed.split_first().ok_or("empty")?;
    if *format != FORMAT {
        return Err("of a format that is not known here".into());
    }
    let (nonce, sealed) = rest.split_at_checked(NONCE_LENGTH).ok_or("cut off")?;
    let mut buffer = Zeroizing::new(sealed.to_vec());
    key.open(nonce, &associated(), &mut buffer)
        .map_err(|_| "cut off, changed, or sealed with another key")?;
    let (number, state) = buffer.split_first_chunk::<NUMBER_LENGTH>().ok_or("too short")?;
    Ok((u64::from_be_bytes(*number), Secret::from(state)))
}

#[cfg(test)]
#[path = "sealed_state_tests.rs"]
mod tests;
