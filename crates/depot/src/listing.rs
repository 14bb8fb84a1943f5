//! Which files there are, and how they go.

use clock::{Now, Timestamp};
use ledger::{BadRecord, Origin};
use model::Uuid;
use store::{Decision, Operation, ReadSet, Snapshot, decided};

use crate::stored_file::{FILE_COUNT_MAX, FileId, FileView, StoredFile, file_key, files_of, in_page};

/// A page of the files of a thing, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePage {
    /// The files.
    pub files: Vec<FileView>,
    /// Whether more follow behind the last one.
    pub more: bool,
}

/// Lists the files of a thing.
#[derive(Clone, Copy, Debug)]
pub struct ListFiles {
    /// Whose.
    pub thing: Uuid,
    /// Behind this one.
    pub after: Option<FileId>,
    /// At most so many.
    pub limit: usize,
}

impl Operation for ListFiles {
    type Reply = Result<FilePage, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default().with_range(files_of(self.thing, self.after, self.limit))
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            let range = files_of(self.thing, self.after, self.limit);
            let files = in_page(snapshot, &range)?;
            let files = files.iter().map(|(id, file)| file.view(self.thing, *id)).collect();
            Ok(FilePage { files, more: snapshot.page(&range).more })
        })
    }
}

/// Removes one file. Its grants end with it: they name what is not there.
#[derive(Clone, Debug)]
pub struct RemoveFile {
    /// Whose.
    pub thing: Uuid,
    /// Which.
    pub file: FileId,
    /// Where it came from.
    pub origin: Origin,
}

impl Operation for RemoveFile {
    /// Whether there was one: its content is to be thrown away.
    type Reply = Result<bool, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([file_key(self.thing, self.file)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let Some(file) = StoredFile::read(snapshot, self.thing, self.file)? else { return Ok(false) };
            batch.delete(file_key(self.thing, self.file));
            let at = now.utc.unwrap_or(Timestamp::from_unix_millis(file.made_unix_millis));
            self.origin.audit(batch, "files.remove", Some(self.thing), "done", at);
            Ok(true)
        })
    }
}

/// Removes every file of a thing, as when it goes to another owner (D-04).
#[derive(Clone, Copy, Debug)]
pub struct RemoveAllFiles {
    /// Whose.
    pub thing: Uuid,
}

impl Operation for RemoveAllFiles {
    /// The files whose content is to be thrown away.
    type Reply = Result<Vec<FileId>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default().with_range(files_of(self.thing, None, FILE_COUNT_MAX))
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let files = in_page(snapshot, &files_of(self.thing, None, FILE_COUNT_MAX))?;
            let ids: Vec<FileId> = files.into_iter().map(|(id, _)| id).collect();
            for id in &ids {
                batch.delete(file_key(self.thing, *id));
            }
            Ok(ids)
        })
    }
}
