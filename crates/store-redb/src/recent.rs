//! The changes since the last durable commit, kept at the head of the store's file.
//!
//! ```text
//! offset 0     mark (8), number of this layout (4), size of the head (4), checksum of these (8)
//! offset 4096  changes, one behind the other: checksum (8), checksum of the one before (8), number (8),
//!              length (4), the change
//! size         the database
//! ```
//! Numbers are little-endian. A change is written and synced before it is acknowledged. A durable commit of
//! the database makes all of them superfluous, and the next one is written at the front again. So behind the
//! last change stands what was left there before: it has a lower number, or no checksum that holds, or names
//! another change before it. One sync for a change instead of two, and neither pages nor the map of the
//! file's pages are written for it.

use std::io;
use std::sync::Arc;

use redb::StorageBackend;

use crate::checksum::checksum;
use crate::error::OpenError;

/// What the file of a store begins with.
const MARK: [u8; 8] = *b"thngstd\n";
/// The number of this layout.
const LAYOUT: u32 = 1;
/// Where the first change stands, and the least size of a head.
pub(crate) const FRONT: u32 = 4096;
/// Heads are multiples of it, so that the database's pages stay aligned.
const ALIGNMENT: u32 = 4096;
/// A head larger than this was not written by us.
const SIZE_MAX: u32 = 1 << 30;
/// What stands before each change.
const HEADER_SIZE: usize = 8 + 8 + 8 + 4;

/// The head of a file.
#[derive(Debug)]
pub(crate) struct Recent {
    backend: Arc<dyn StorageBackend>,
    /// Bytes of the whole head: where the database begins.
    size: u32,
    /// Where the next change is written.
    tail: usize,
    /// The checksum of the change before the tail.
    last_sum: u64,
}

/// A change that was found.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) number: u64,
    pub(crate) change: Vec<u8>,
}

/// Everything that was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) changes: Vec<Held>,
    /// The same as it stands in the head, from the front on.
    bytes: Vec<u8>,
    last_sum: u64,
}

impl Recent {
    /// Makes the head of an empty file, with room for changes in `size` bytes, at least one page.
    pub(crate) fn lay_out(backend: &Arc<dyn StorageBackend>, size: u32) -> io::Result<()> {
        let size = size.clamp(FRONT, SIZE_MAX).next_multiple_of(ALIGNMENT);
        let mut head = vec![0; size as usize];
        head[..8].copy_from_slice(&MARK);
        head[8..12].copy_from_slice(&LAYOUT.to_le_bytes());
        head[12..16].copy_from_slice(&size.to_le_bytes());
        let sum = checksum(&head[..16]);
        head[16..24].copy_from_slice(&sum.to_le_bytes());
        backend.set_len(size.into())?;
        backend.write(0, &head)?;
        backend.sync_data()
    }

    /// The head of a file; `None` when it has none, as files of before had none.
    pub(crate) fn find(backend: &Arc<dyn StorageBackend>) -> Result<Option<Self>, OpenError> {
        let length = backend.len().map_err(unusable)?;
        let mut head = [0; 24];
        if length < head.len() as u64 {
            return Ok(None);
        }
        backend.read(0, &mut head).map_err(unusable)?;
        let number = |at: usize| u32::from_le_bytes(array(&head, at));
        let (layout, size) = (number(8), number(12));
        if head[..8] != MARK {
            return Ok(None);
        }
        if checksum(&head[..16]) != u64::from_le_bytes(array(&head, 16)) {
            return Err(OpenError::damaged("the head of the file is no whole one"));
        }
        if layout > LAYOUT {
            return Err(OpenError::NewerFormat { found: layout.into(), known: LAYOUT.into() });
        }
        let is_size = (FRONT..=SIZE_MAX).contains(&size) && size.is_multiple_of(ALIGNMENT);
        if layout != LAYOUT || !is_size || length < size.into() {
            return Err(OpenError::damaged("the head of the file was never written so"));
        }
        Ok(Some(Self { backend: backend.clone(), size, tail: FRONT as usize, last_sum: 0 }))
    }

    /// Where the database begins.
    pub(crate) const fn size(&self) -> u32 {
        self.size
    }

    /// Whether a change of so many bytes has room behind the last one.
    pub(crate) const fn has_room(&self, change_size: usize) -> bool {
        HEADER_SIZE + change_size <= self.size as usize - self.tail
    }

    /// Adds a change and syncs it. After an error it is there or not: [`Recent::found`] tells.
    pub(crate) fn add(&mut self, number: u64, change: &[u8]) -> io::Result<()> {
        assert!(self.has_room(change.len()), "the caller asked for room");
        let mut entry = Vec::with_capacity(HEADER_SIZE + change.len());
        entry.extend_from_slice(&[0; 8]);
        entry.extend_from_slice(&self.last_sum.to_le_bytes());
        entry.extend_from_slice(&number.to_le_bytes());
        let length = u32::try_from(change.len()).expect("a head has less than 2^32 bytes");
        entry.extend_from_slice(&length.to_le_bytes());
        entry.extend_from_slice(change);
        let sum = checksum(&entry[8..]);
        entry[..8].copy_from_slice(&sum.to_le_bytes());
        self.backend.write(self.tail as u64, &entry)?;
        self.backend.sync_data()?;
        self.tail += entry.len();
        self.last_sum = sum;
        Ok(())
    }

    /// Begins at the front again: a durable commit holds all that was kept here.
    pub(crate) const fn begin_again(&mut self) {
        self.tail = FRONT as usize;
    }

    /// Every whole change from the front on, up to the first that does not follow the one before it.
    pub(crate) fn found(&self) -> io::Result<Found> {
        let mut found = Found { changes: Vec::new(), bytes: Vec::new(), last_sum: 0 };
        while let Some(held) = self.next(&mut found)? {
            found.changes.push(held);
        }
        Ok(found)
    }

    /// The change behind those that were found, when there is a whole one that follows the last.
    fn next(&self, found: &mut Found) -> io::Result<Option<Held>> {
        let at = FRONT as usize + found.bytes.len();
        let room = (self.size as usize - at).checked_sub(HEADER_SIZE);
        let Some(room) = room else { return Ok(None) };
        let mut header = [0; HEADER_SIZE];
        self.backend.read(at as u64, &mut header)?;
        let (sum, before) = (u64::from_le_bytes(array(&header, 0)), u64::from_le_bytes(array(&header, 8)));
        let number = u64::from_le_bytes(array(&header, 16));
        let length = u32::from_le_bytes(array(&header, 24)) as usize;
        let follows = match found.changes.last() {
            None => number > 0,
            Some(last) => before == found.last_sum && last.number.checked_add(1) == Some(number),
        };
        if !follows || length > room {
            return Ok(None);
        }
        let first = found.bytes.len();
        found.bytes.extend_from_slice(&header);
        found.bytes.resize(first + HEADER_SIZE + length, 0);
        self.backend.read((at + HEADER_SIZE) as u64, &mut found.bytes[first + HEADER_SIZE..])?;
        if checksum(&found.bytes[first + 8..]) != sum {
            found.bytes.truncate(first);
            return Ok(None);
        }
        found.last_sum = sum;
        Ok(Some(Held { number, change: found.bytes[first + HEADER_SIZE..].to_vec() }))
    }

    /// Goes on behind what was found.
    ///
    /// It is written again where it stands, with nothing behind it, and synced: after a sync that failed, what
    /// can be read need not be on the disk, and what cannot be read may be.
    pub(crate) fn go_on_behind(&mut self, mut found: Found) -> io::Result<()> {
        let end = found.bytes.len();
        let room = (self.size - FRONT) as usize;
        found.bytes.resize((end + HEADER_SIZE).min(room), 0);
        self.backend.write(FRONT.into(), &found.bytes)?;
        self.backend.sync_data()?;
        (self.tail, self.last_sum) = (FRONT as usize + end, found.last_sum);
        Ok(())
    }

    /// Drops what is there, which the database holds already.
    pub(crate) fn drop_all(&mut self) -> io::Result<()> {
        let mut first = vec![0; HEADER_SIZE.min((self.size - FRONT) as usize)];
        self.backend.read(FRONT.into(), &mut first)?;
        if first.iter().all(|byte| *byte == 0) {
            self.begin_again();
            return Ok(());
        }
        self.go_on_behind(Found { changes: Vec::new(), bytes: Vec::new(), last_sum: 0 })
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    *bytes[at..].first_chunk().expect("callers give whole headers")
}

pub(crate) fn unusable(cause: io::Error) -> OpenError {
    OpenError::from(redb::Error::Io(cause))
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    const SIZE: u32 = FRONT + ALIGNMENT;

    fn backend() -> Arc<dyn StorageBackend> {
        let backend: Arc<dyn StorageBackend> = Arc::new(InMemoryBackend::new());
        Recent::lay_out(&backend, SIZE).expect("memory does not fail");
        backend
    }

    fn find(backend: &Arc<dyn StorageBackend>) -> Recent {
        Recent::find(backend).expect("whole").expect("there is a head")
    }

    fn change(number: u64) -> Vec<u8> {
        vec![number.to_le_bytes()[0]; 100]
    }

    /// The numbers that are found; each change must be the one that was written.
    fn numbers(backend: &Arc<dyn StorageBackend>) -> Vec<u64> {
        let found = find(backend).found().expect("readable");
        for held in &found.changes {
            assert_eq!(held.change, change(held.number));
        }
        found.changes.iter().map(|held| held.number).collect()
    }

    #[test]
    fn what_was_added_is_found_up_to_the_first_that_was_cut_or_flipped() {
        let backend = backend();
        let mut recent = find(&backend);
        (5..8).for_each(|number| recent.add(number, &change(number)).expect("added"));
        assert_eq!(numbers(&backend), [5, 6, 7]);
        let second = FRONT as usize + HEADER_SIZE + 100;
        for at in second..second + HEADER_SIZE + 100 {
            let mut byte = [0];
            backend.read(at as u64, &mut byte).expect("readable");
            backend.write(at as u64, &[!byte[0]]).expect("writable");
            assert_eq!(numbers(&backend), [5], "flipped at {at}");
            backend.write(at as u64, &byte).expect("writable");
        }
        assert_eq!(numbers(&backend), [5, 6, 7]);
    }

    #[test]
    fn what_was_left_behind_the_last_change_is_not_taken_for_its_successor() {
        let backend = backend();
        let mut recent = find(&backend);
        (5..9).for_each(|number| recent.add(number, &change(number)).expect("added"));
        recent.begin_again();
        recent.add(9, &change(9)).expect("added");
        assert_eq!(numbers(&backend), [9], "lower numbers stand behind it");
        // An entry with the right number and a checksum that holds, of another history.
        let elsewhere = self::backend();
        let mut other = find(&elsewhere);
        other.add(9, &[0; 100]).expect("added");
        let successor_at = other.tail;
        other.add(10, &change(10)).expect("added");
        let mut entry = vec![0; HEADER_SIZE + 100];
        elsewhere.read(successor_at as u64, &mut entry).expect("readable");
        backend.write(recent.tail as u64, &entry).expect("writable");
        assert_eq!(numbers(&backend), [9], "it followed another change");
    }

    #[test]
    fn going_on_keeps_what_was_found_and_clears_what_stands_behind() {
        let backend = backend();
        let mut recent = find(&backend);
        (5..8).for_each(|number| recent.add(number, &change(number)).expect("added"));
        let mut found = recent.found().expect("readable");
        found.changes.pop();
        found.bytes.truncate(2 * (HEADER_SIZE + 100));
        found.last_sum = u64::from_le_bytes(array(&found.bytes, HEADER_SIZE + 100));
        let mut recent = find(&backend);
        recent.go_on_behind(found).expect("writable");
        assert_eq!(numbers(&backend), [5, 6], "the third, taken for torn, does not come back");
        recent.add(7, &change(7)).expect("added");
        assert_eq!(numbers(&backend), [5, 6, 7]);
        recent.drop_all().expect("writable");
        assert_eq!(numbers(&backend), [0_u64; 0]);
    }

    #[test]
    fn a_change_fits_to_the_last_byte_and_no_further() {
        let backend = backend();
        let mut recent = find(&backend);
        let room = ALIGNMENT as usize - HEADER_SIZE;
        assert!(recent.has_room(room) && !recent.has_room(room + 1));
        recent.add(1, &vec![7; room]).expect("added");
        assert!(!recent.has_room(0));
        assert_eq!(find(&backend).found().expect("readable").changes.len(), 1);
        assert_eq!(backend.len().expect("known"), u64::from(SIZE), "nothing behind the head");
    }

    #[test]
    fn a_newer_layout_and_a_size_that_was_never_written_are_refused() {
        let with = |layout: u32, size: u32| {
            let backend = backend();
            let mut head = MARK.to_vec();
            head.extend(layout.to_le_bytes());
            head.extend(size.to_le_bytes());
            head.extend(checksum(&head).to_le_bytes());
            backend.write(0, &head).expect("writable");
            Recent::find(&backend).map(|recent| recent.is_some())
        };
        assert_eq!(with(1, SIZE), Ok(true));
        assert_eq!(with(2, SIZE), Err(OpenError::NewerFormat { found: 2, known: 1 }));
        for (layout, size) in [(0, SIZE), (1, 0), (1, SIZE + 1), (1, SIZE + ALIGNMENT), (1, u32::MAX)] {
            assert!(matches!(with(layout, size), Err(OpenError::NotAStore(_))), "{layout} {size}");
        }
    }

    #[test]
    fn a_file_of_another_kind_has_no_head() {
        let backend: Arc<dyn StorageBackend> = Arc::new(InMemoryBackend::new());
        assert!(Recent::find(&backend).expect("readable").is_none(), "an empty one");
        backend.set_len(100).expect("memory");
        backend.write(0, b"redb").expect("writable");
        assert!(Recent::find(&backend).expect("readable").is_none());
    }
}
