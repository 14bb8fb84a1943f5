//! Where the content of files rests: one file of the operating system for each, named after
//! its thing and its id.
//!
//! ```text
//! ID.part, growing --all bytes, digest right--> synced, renamed to ID --> the record says that it arrived
//! ```
//! A cut between any two steps leaves either a part that goes on, or a whole file whose end is asked for again.
//! Nothing here waits without blocking: call it where blocking is allowed.
//! Source: ADR 0280.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use depot::{FileId, FileView};
use model::Uuid;
use sha2::{Digest, Sha256};

/// How much is read at once to make a digest.
const PIECE_SIZE: usize = 64 * 1024;

/// The folder of all content.
#[derive(Debug)]
pub struct Shelf {
    folder: PathBuf,
    /// Files that somebody is writing to at this moment.
    busy: Mutex<BTreeSet<FileId>>,
}

/// Why bytes were not taken. Nothing was written.
#[derive(Debug)]
pub enum NotTaken {
    /// Somebody else brings bytes of this file at this moment.
    Busy,
    /// The next byte is another one.
    Offset(u64),
    /// There are more bytes than were announced.
    TooMany,
    /// The disk failed or is full; what was there before is still there.
    Disk(io::Error),
}

/// What became of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// More are to come, from this offset on.
    More(u64),
    /// All are there, they are the announced ones, and they are at rest.
    Whole,
    /// All are there and they are others: they were thrown away.
    Wrong,
}

impl From<io::Error> for NotTaken {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// Says that a file is free again when it goes.
struct Held<'a>(&'a Shelf, FileId);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

impl Shelf {
    /// The shelf in `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned(), busy: Mutex::new(BTreeSet::new()) })
    }

    fn whole(&self, thing: Uuid, id: FileId) -> PathBuf {
        self.folder.join(format!("{}-{}", model::hex(&thing.0), model::hex(&id.0)))
    }

    fn part(&self, thing: Uuid, id: FileId) -> PathBuf {
        self.whole(thing, id).with_extension("part")
    }

    /// How many bytes of a file are there.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn size(&self, thing: Uuid, id: FileId) -> io::Result<u64> {
        for path in [self.whole(thing, id), self.part(thing, id)] {
            match std::fs::metadata(path) {
                Ok(found) => return Ok(found.len()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(0)
    }

    /// Takes `bytes` of `file`, which begin at `offset`.
    ///
    /// # Errors
    /// See [`NotTaken`].
    pub fn take(&self, file: &FileView, offset: u64, bytes: &[u8]) -> Result<Taken, NotTaken> {
        if !self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(file.id) {
            return Err(NotTaken::Busy);
        }
        let _held = Held(self, file.id);
        let size = self.size(file.thing, file.id)?;
        if size != offset {
            return Err(NotTaken::Offset(size));
        }
        let next = offset.saturating_add(bytes.len() as u64);
        if next > file.size {
            return Err(NotTaken::TooMany);
        }
        if self.whole(file.thing, file.id).is_file() {
            return Ok(Taken::Whole);
        }
        let path = self.part(file.thing, file.id);
        let mut part = OpenOptions::new().create(true).append(true).open(&path)?;
        if let Err(error) = part.write_all(bytes) {
            // A full disk may have taken a piece of it: the next byte is the one that was said.
            part.set_len(offset)?;
            return Err(NotTaken::Disk(error));
        }
        if next < file.size {
            return Ok(Taken::More(next));
        }
        if digest_of(&path)? != file.digest {
            std::fs::remove_file(&path)?;
            return Ok(Taken::Wrong);
        }
        part.sync_all()?;
        std::fs::rename(&path, self.whole(file.thing, file.id))?;
        File::open(&self.folder)?.sync_all()?;
        Ok(Taken::Whole)
    }

    /// Up to `size_max` bytes of a whole file from `offset` on.
    ///
    /// # Errors
    /// When the disk fails, or the file is not there.
    pub fn read(&self, of: &FileView, offset: u64, size_max: usize) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.whole(of.thing, of.id))?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(size_max as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Throws a file away, whole or in part.
    ///
    /// # Errors
    /// When the disk fails; a file that is not there is no failure.
    pub fn remove(&self, thing: Uuid, id: FileId) -> io::Result<()> {
        for path in [self.whole(thing, id), self.part(thing, id)] {
            match std::fs::remove_file(path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Every file that is there, whole or in part.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn files(&self) -> io::Result<BTreeSet<(Uuid, FileId)>> {
        let id_of = |hex: &str| model::bytes_from_hex(hex).ok().and_then(|bytes| bytes.try_into().ok());
        let mut ids = BTreeSet::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            let both = name.strip_suffix(".part").unwrap_or(&name).split_once('-');
            let both = both.and_then(|(thing, file)| Some((Uuid(id_of(thing)?), FileId(id_of(file)?))));
            ids.extend(both);
        }
        Ok(ids)
    }
}

fn digest_of(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut piece = vec![0; PIECE_SIZE];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(digest.finalize().into()),
            count => digest.update(&piece[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clock::Timestamp;

    const CONTENT: &[u8] = b"a short clip of a door that nobody opened";

    /// A folder of its own that goes with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("thingstead-shelf-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn clip() -> FileView {
        FileView {
            thing: Uuid([0xca; 16]),
            id: FileId([7; 16]),
            name: "clip".into(),
            size: CONTENT.len() as u64,
            digest: Sha256::digest(CONTENT).into(),
            made: Timestamp::from_unix_millis(0),
            arrived: None,
        }
    }

    #[test]
    fn a_file_comes_in_pieces_over_several_lives_of_the_server() {
        let folder = Folder::new("pieces");
        let file = clip();
        let mut offset = 0;
        for piece in CONTENT.chunks(9) {
            let shelf = Shelf::open(&folder.0).unwrap();
            assert_eq!(shelf.size(file.thing, file.id).unwrap(), offset);
            let taken = shelf.take(&file, offset, piece).unwrap();
            offset += piece.len() as u64;
            let expected = if offset == file.size { Taken::Whole } else { Taken::More(offset) };
            assert_eq!(taken, expected);
        }
        let shelf = Shelf::open(&folder.0).unwrap();
        assert_eq!(shelf.read(&file, 2, 5).unwrap(), b"short");
        assert_eq!(shelf.read(&file, 0, usize::MAX).unwrap(), CONTENT);
        assert_eq!(shelf.take(&file, offset, b"").unwrap(), Taken::Whole, "its end may be asked for again");
        assert_eq!(shelf.files().unwrap(), BTreeSet::from([(file.thing, file.id)]));
    }

    #[test]
    fn bytes_at_another_place_or_beyond_the_end_change_nothing() {
        let folder = Folder::new("places");
        let (shelf, file) = (Shelf::open(&folder.0).unwrap(), clip());
        shelf.take(&file, 0, &CONTENT[..10]).unwrap();
        for offset in [0, 9, 11, u64::MAX] {
            assert!(matches!(shelf.take(&file, offset, b"x"), Err(NotTaken::Offset(10))), "{offset}");
        }
        let beyond = [CONTENT, b"!"].concat();
        assert!(matches!(shelf.take(&file, 10, &beyond[10..]), Err(NotTaken::TooMany)));
        assert_eq!(shelf.size(file.thing, file.id).unwrap(), 10);
        assert!(shelf.read(&file, 0, 10).is_err(), "a part is not read");
        assert_eq!(shelf.take(&file, 10, &CONTENT[10..]).unwrap(), Taken::Whole);
    }

    #[test]
    fn other_bytes_are_thrown_away_and_may_come_again() {
        let folder = Folder::new("other");
        let (shelf, file) = (Shelf::open(&folder.0).unwrap(), clip());
        let mut forged = CONTENT.to_vec();
        forged[3] ^= 1;
        assert_eq!(shelf.take(&file, 0, &forged).unwrap(), Taken::Wrong);
        assert_eq!((shelf.size(file.thing, file.id).unwrap(), shelf.files().unwrap().len()), (0, 0));
        assert_eq!(shelf.take(&file, 0, CONTENT).unwrap(), Taken::Whole);
        shelf.remove(file.thing, file.id).unwrap();
        shelf.remove(file.thing, file.id).unwrap();
        assert_eq!(shelf.files().unwrap().len(), 0);
    }
}
