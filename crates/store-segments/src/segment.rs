//! One journal on disk.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use store::{Entry, Fault, Position};

use crate::group::{Group, first_of, is_followed, of_trim, of_values, values_of};

/// A segment is closed when it has so many bytes.
const SEGMENT_SIZE_FULL: u64 = 8 * 1024 * 1024;

/// A journal that is open.
#[derive(Debug)]
pub(crate) struct OpenJournal {
    folder: PathBuf,
    /// Segments by their first position.
    segments: BTreeMap<u64, PathBuf>,
    /// The last one, if there is one.
    last: Option<(Arc<File>, u64)>,
    pub(crate) first: u64,
    pub(crate) next: u64,
    /// Why nothing is appended any more: a part of an append stands in the file and could not be taken back.
    broken: Option<String>,
}

pub(crate) fn fault(what: &str, path: &Path, error: &io::Error) -> Fault {
    Fault { detail: format!("{what} {}: {error}", path.display()) }
}

fn path_of(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:020}.seg"))
}

impl OpenJournal {
    /// Opens the journal in `folder`, which is made if needed, and cuts off what a crash left half written.
    pub(crate) fn open(folder: PathBuf) -> Result<Self, Fault> {
        fs::create_dir_all(&folder).map_err(|error| fault("cannot make", &folder, &error))?;
        let mut segments = BTreeMap::new();
        let listed = fs::read_dir(&folder).map_err(|error| fault("cannot list", &folder, &error))?;
        for file in listed {
            let path = file.map_err(|error| fault("cannot list", &folder, &error))?.path();
            let first = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            if let Some(first) = first.filter(|_| path.extension().is_some_and(|kind| kind == "seg")) {
                segments.insert(first, path);
            }
        }
        let mut journal = Self { folder, segments, last: None, first: 0, next: 0, broken: None };
        journal.read_through()?;
        Ok(journal)
    }

    fn read_through(&mut self) -> Result<(), Fault> {
        let count = self.segments.len();
        self.first = self.segments.first_key_value().map_or(0, |(first, _)| *first);
        self.next = self.first;
        for (at, (first, path)) in self.segments.clone().into_iter().enumerate() {
            let bytes = fs::read(&path).map_err(|error| fault("cannot read", &path, &error))?;
            if first != self.next {
                return Err(Fault { detail: format!("{}: a segment before it is missing", path.display()) });
            }
            let mut end = 0;
            while let Some((group, size)) = first_of(&bytes[end..]) {
                match group {
                    Group::Values { count, .. } => self.next += count,
                    Group::Trim { before } => self.first = self.first.max(before),
                }
                end += size;
            }
            let is_last = at + 1 == count;
            if end < bytes.len() && (!is_last || is_followed(&bytes[end..])) {
                return Err(Fault { detail: format!("{}: damaged at byte {end}", path.display()) });
            }
            if is_last {
                let file = OpenOptions::new().append(true).open(&path);
                let file = file.map_err(|error| fault("cannot open", &path, &error))?;
                if end < bytes.len() {
                    file.set_len(end as u64).map_err(|error| fault("cannot cut", &path, &error))?;
                }
                self.last = Some((Arc::new(file), end as u64));
            }
        }
        self.first = self.first.min(self.next);
        Ok(())
    }

    /// The last segment, or a new one when it is full.
    fn segment(&mut self) -> io::Result<(Arc<File>, u64)> {
        if let Some((file, size)) = &self.last
            && *size < SEGMENT_SIZE_FULL
        {
            return Ok((Arc::clone(file), *size));
        }
        if let Some((full, _)) = &self.last {
            full.sync_data()?;
        }
        let path = path_of(&self.folder, self.next);
        // A segment without values has the name of the next one.
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        let size = file.metadata()?.len();
        File::open(&self.folder)?.sync_all()?;
        self.segments.insert(self.next, path);
        let file = Arc::new(file);
        self.last = Some((Arc::clone(&file), size));
        Ok((file, size))
    }

    /// Writes one group; gives the file that is to be synced.
    fn write(&mut self, group: &[u8]) -> Result<Arc<File>, io::Error> {
        if let Some(why) = &self.broken {
            return Err(io::Error::other(why.clone()));
        }
        let (file, size) = self.segment()?;
        match (&*file).write_all(group) {
            Ok(()) => {
                self.last = Some((Arc::clone(&file), size + group.len() as u64));
                Ok(file)
            }
            Err(error) => {
                // What was written of it must not stand in front of the next group.
                if let Err(worse) = file.set_len(size) {
                    self.broken = Some(format!("half an append cannot be taken back: {worse}"));
                }
                Err(error)
            }
        }
    }

    pub(crate) fn append(&mut self, values: &[Vec<u8>]) -> Result<(Position, Option<Arc<File>>), io::Error> {
        let first = self.next;
        if values.is_empty() {
            return Ok((Position(first), None));
        }
        let file = self.write(&of_values(values))?;
        self.next += values.len() as u64;
        Ok((Position(first), Some(file)))
    }

    /// Entries from `from` on.
    pub(crate) fn read(&self, from: u64, limit: usize) -> Result<Vec<Entry>, Fault> {
        let from = from.max(self.first);
        let start = self.segments.range(..=from).next_back().map_or(0, |(first, _)| *first);
        let mut entries = Vec::new();
        for (first, path) in self.segments.range(start..) {
            let mut position = *first;
            let bytes = fs::read(path).map_err(|error| fault("cannot read", path, &error))?;
            let mut rest = bytes.as_slice();
            while let Some((group, size)) = first_of(rest) {
                rest = &rest[size..];
                let Group::Values { body, .. } = group else { continue };
                for value in values_of(body) {
                    if entries.len() == limit {
                        return Ok(entries);
                    }
                    if position >= from {
                        entries.push(Entry { position: Position(position), value: value.to_vec() });
                    }
                    position += 1;
                }
            }
        }
        Ok(entries)
    }

    pub(crate) fn trim(&mut self, before: u64) -> Result<Option<Arc<File>>, io::Error> {
        let before = before.min(self.next);
        if before <= self.first {
            return Ok(None);
        }
        let file = self.write(&of_trim(before))?;
        self.first = before;
        while let Some(second) = self.segments.keys().nth(1).copied().filter(|second| *second <= before) {
            let Some((first, path)) = self.segments.pop_first() else { break };
            debug_assert!(first < second, "segments are in order");
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    self.segments.insert(first, path);
                    return Err(error);
                }
            }
        }
        Ok(Some(file))
    }
}
