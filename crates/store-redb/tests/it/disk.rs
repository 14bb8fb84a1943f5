//! A disk that remembers what was synced, and fails or loses power when told.

use std::io;
use std::sync::{Arc, Mutex};

use store_redb::StorageBackend;

/// What happens to the operation with the given number (writes, changes of length and syncs count from 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It fails once, without effect.
    Fails(usize, io::ErrorKind),
    /// It is a sync that fails, and the operating system forgets that anything was to be synced: what was
    /// written is seen, and is lost with the power.
    Forgets(usize),
    /// It and every later write or change of length fails with "disk full"; what was there can be
    /// overwritten and synced.
    FullFrom(usize),
    /// It is cut short after so many bytes, and nothing works afterwards.
    PowerCut(usize, usize),
    /// Every read fails until further notice.
    Unreadable,
}

/// What was done to the disk since the last sync.
#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

#[derive(Debug, Default)]
struct State {
    /// What a reader sees: the page cache of the operating system.
    seen: Vec<u8>,
    /// What survives any power cut.
    synced: Vec<u8>,
    unsynced: Vec<Change>,
    operations: usize,
    syncs: usize,
    trouble: Option<Trouble>,
    /// The length the disk had when it filled up: what lies below can be overwritten.
    full_at: Option<u64>,
    dead: bool,
}

/// A handle of a simulated disk; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

impl Disk {
    /// A disk with this content, all of it synced.
    pub(crate) fn holding(content: Vec<u8>) -> Self {
        let state = State { synced: content.clone(), seen: content, ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Another disk with the same content.
    pub(crate) fn copy(&self) -> Self {
        Self::holding(self.content())
    }

    pub(crate) fn plan(&self, trouble: Trouble) {
        self.state().trouble = Some(trouble);
    }

    /// Ends every trouble but a power cut.
    pub(crate) fn repair(&self) {
        let mut state = self.state();
        state.trouble = None;
        state.full_at = None;
    }

    pub(crate) fn operations(&self) -> usize {
        self.state().operations
    }

    /// Puts other bytes at `offset`, at rest.
    pub(crate) fn overwrite(&self, offset: usize, octets: &[u8]) {
        let mut state = self.state();
        put(&mut state.seen, offset as u64, octets);
        state.synced = state.seen.clone();
    }

    pub(crate) fn syncs(&self) -> usize {
        self.state().syncs
    }

    /// What another program would read now: all that was written, as after `kill -9`.
    pub(crate) fn content(&self) -> Vec<u8> {
        self.state().seen.clone()
    }

    /// What is on the disk after a power cut: all that was synced, and of the rest what `survives` says,
    /// asked for each change with its number; a change may survive in part.
    pub(crate) fn after_power_cut(&self, mut survives: impl FnMut(usize, usize) -> usize) -> Vec<u8> {
        let state = self.state();
        let mut content = state.synced.clone();
        for (number, change) in state.unsynced.iter().enumerate() {
            match change {
                Change::Write(offset, octets) => {
                    let kept = survives(number, octets.len()).min(octets.len());
                    if kept > 0 {
                        put(&mut content, *offset, &octets[..kept]);
                    }
                }
                Change::Length(length) => {
                    if survives(number, 1) > 0 {
                        content.resize(*length as usize, 0);
                    }
                }
            }
        }
        content
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds the disk")
    }
}

fn put(content: &mut Vec<u8>, offset: u64, octets: &[u8]) {
    let end = offset as usize + octets.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset as usize..end].copy_from_slice(octets);
}

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}

impl State {
    /// Counts an operation that changes the bytes up to `end`; for a power cut, how much of it still happens.
    fn count(&mut self, end: Option<u64>) -> io::Result<Option<usize>> {
        if self.dead {
            return Err(power_is_off());
        }
        let number = self.operations;
        self.operations += 1;
        match self.trouble {
            Some(Trouble::Fails(at, kind)) if at == number => Err(kind.into()),
            Some(Trouble::Forgets(at)) if at == number => {
                self.unsynced.clear();
                Err(io::Error::other("a sync failed"))
            }
            Some(Trouble::FullFrom(at)) if number >= at => {
                let length = self.seen.len() as u64;
                let full_at = *self.full_at.get_or_insert(length);
                match end {
                    Some(end) if end > full_at => Err(io::ErrorKind::StorageFull.into()),
                    Some(_) | None => Ok(None),
                }
            }
            Some(Trouble::PowerCut(at, kept)) if at == number => {
                self.dead = true;
                Ok(Some(kept))
            }
            Some(_) | None => Ok(None),
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        let state = self.state();
        if state.dead { Err(power_is_off()) } else { Ok(state.seen.len() as u64) }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        if state.dead {
            return Err(power_is_off());
        }
        if state.trouble == Some(Trouble::Unreadable) {
            return Err(io::Error::other("a sector cannot be read"));
        }
        let start = offset as usize;
        let Some(octets) = state.seen.get(start..start + out.len()) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        out.copy_from_slice(octets);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        let cut = state.count(Some(len))?;
        if cut != Some(0) {
            state.seen.resize(len as usize, 0);
            state.unsynced.push(Change::Length(len));
        }
        if cut.is_some() { Err(power_is_off()) } else { Ok(()) }
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        let cut = state.count(None)?;
        if cut.is_some() {
            return Err(power_is_off());
        }
        state.syncs += 1;
        let State { synced, unsynced, .. } = &mut *state;
        for change in unsynced.drain(..) {
            match change {
                Change::Write(offset, octets) => put(synced, offset, &octets),
                Change::Length(length) => synced.resize(length as usize, 0),
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let cut = state.count(Some(offset + data.len() as u64))?;
        let written = &data[..cut.unwrap_or(data.len()).min(data.len())];
        put(&mut state.seen, offset, written);
        state.unsynced.push(Change::Write(offset, written.to_vec()));
        if cut.is_some() { Err(power_is_off()) } else { Ok(()) }
    }
}
