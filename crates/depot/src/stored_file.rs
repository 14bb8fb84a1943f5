//! One file of a thing, and how its upload ends.

use clock::{Now, Timestamp};
use ledger::{BadRecord, Origin, from_bytes, record, to_bytes};
use minicbor::{Decode, Encode};
use model::Uuid;
use store::{Batch, Decision, Key, Operation, Range, ReadSet, Snapshot, Space, decided};

use crate::grant::{StoredGrant, Way, grant_key};

/// Files by thing and id.
const FILE: Space = Space(0x5c);

/// The longest name of a file, in bytes.
pub const NAME_LENGTH_MAX: usize = 128;
/// Files of a thing, those that are still arriving included. Another is refused.
pub const FILE_COUNT_MAX: usize = 1_000;
/// The largest file, in bytes.
pub const FILE_SIZE_MAX: u64 = 256 * 1024 * 1024;
/// The bytes of all files of a thing, by their declared sizes. Another is refused.
pub const THING_SIZE_MAX: u64 = 1024 * 1024 * 1024;
/// Grants to fetch one file that hold at the same time. Another is refused.
pub const LENT_COUNT_MAX: usize = 64;
/// So often the bytes of one upload may turn out wrong; then the grant is over.
const SPOILED_COUNT_MAX: u8 = 3;

/// Names a file; random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub [u8; 16]);

/// A file as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct StoredFile {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) size: u64,
    /// SHA-256, as declared; what arrived has the same.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) digest: [u8; 32],
    #[n(3)]
    pub(crate) made_unix_millis: u64,
    /// Nothing while it arrives.
    #[n(4)]
    pub(crate) arrived_unix_millis: Option<u64>,
    #[n(5)]
    pub(crate) spoiled_count: u8,
    /// When the grants to fetch it end.
    #[n(6)]
    pub(crate) lent_until: Option<Vec<u64>>,
}

/// A file as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileView {
    /// Whose it is.
    pub thing: Uuid,
    /// Its id.
    pub id: FileId,
    /// As its maker called it.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// SHA-256.
    pub digest: [u8; 32],
    /// When it was announced.
    pub made: Timestamp,
    /// When all of it was there; `None` while it arrives.
    pub arrived: Option<Timestamp>,
}

impl StoredFile {
    pub(crate) fn read(snapshot: &Snapshot, thing: Uuid, id: FileId) -> Result<Option<Self>, BadRecord> {
        record(snapshot, &file_key(thing, id))
    }

    pub(crate) fn write(&self, batch: &mut Batch, thing: Uuid, id: FileId) {
        batch.put(file_key(thing, id), to_bytes(self));
    }

    pub(crate) fn view(&self, thing: Uuid, id: FileId) -> FileView {
        FileView {
            thing,
            id,
            name: self.name.clone(),
            size: self.size,
            digest: self.digest,
            made: Timestamp::from_unix_millis(self.made_unix_millis),
            arrived: self.arrived_unix_millis.map(Timestamp::from_unix_millis),
        }
    }
}

pub(crate) fn file_key(thing: Uuid, id: FileId) -> Key {
    Key::new(FILE, [thing.0, id.0].concat())
}

/// All files of a thing; one more than there may be, so that a full one is seen.
pub(crate) fn files_of(thing: Uuid, after: Option<FileId>, limit: usize) -> Range {
    let after = after.map(|id| file_key(thing, id).name);
    Range { space: FILE, prefix: thing.0.to_vec(), after, limit }
}

/// The files of a page that was read.
pub(crate) fn in_page(snapshot: &Snapshot, range: &Range) -> Result<Vec<(FileId, StoredFile)>, BadRecord> {
    let records = snapshot.page(range).records.iter();
    let read = records.map(|(key, record)| {
        let id = key.name.get(16..).and_then(|id| id.try_into().ok()).ok_or(BadRecord)?;
        Ok((FileId(id), from_bytes(&record.value)?))
    });
    read.collect()
}

/// All bytes of an upload are at rest, and they are the declared ones: size and digest were compared.
#[derive(Clone, Debug)]
pub struct FileArrived {
    /// SHA-256 of the token it came with.
    pub token_digest: [u8; 32],
    /// Where it came from.
    pub origin: Origin,
}

/// All bytes of an upload are there, and they are not the declared ones; the edge has thrown them away.
#[derive(Clone, Debug)]
pub struct FileSpoiled {
    /// SHA-256 of the token it came with.
    pub token_digest: [u8; 32],
    /// Where it came from.
    pub origin: Origin,
}

/// What became of the end of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is stored, and the grant is spent.
    Stored(FileView),
    /// It may be sent again from its first byte.
    Again,
    /// There is no such grant, or no longer: the content is to be thrown away.
    Over,
}

fn upload_of(snapshot: &Snapshot, token_digest: [u8; 32]) -> Result<Option<StoredGrant>, BadRecord> {
    let grant: Option<StoredGrant> = record(snapshot, &grant_key(token_digest))?;
    Ok(grant.filter(|grant| grant.way() == Way::Upload))
}

/// The grant first, then the file that it names.
fn reads(snapshot: &Snapshot, token_digest: [u8; 32]) -> Option<ReadSet> {
    let grant = upload_of(snapshot, token_digest).ok().flatten()?;
    let key = file_key(grant.thing, grant.file());
    (!snapshot.covers(&key)).then(|| ReadSet::of([key]))
}

impl Operation for FileArrived {
    type Reply = Result<Settled, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([grant_key(self.token_digest)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        if let Some(more) = reads(snapshot, self.token_digest) {
            return Decision::Need(more);
        }
        decided(|batch| {
            let Some(grant) = upload_of(snapshot, self.token_digest)? else { return Ok(Settled::Over) };
            let Some(mut file) = StoredFile::read(snapshot, grant.thing, grant.file())? else {
                return Ok(Settled::Over);
            };
            // The bytes were complete before the grant ended: a slow last answer loses nothing.
            let at = now.utc.map_or(file.made_unix_millis, Timestamp::as_unix_millis);
            file.arrived_unix_millis = Some(at);
            file.write(batch, grant.thing, grant.file());
            batch.delete(grant_key(self.token_digest));
            let at = Timestamp::from_unix_millis(at);
            self.origin.audit(batch, "files.bring", Some(grant.thing), "stored", at);
            Ok(Settled::Stored(file.view(grant.thing, grant.file())))
        })
    }
}

impl Operation for FileSpoiled {
    type Reply = Result<Settled, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([grant_key(self.token_digest)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        if let Some(more) = reads(snapshot, self.token_digest) {
            return Decision::Need(more);
        }
        decided(|batch| {
            let Some(grant) = upload_of(snapshot, self.token_digest)? else { return Ok(Settled::Over) };
            let Some(mut file) = StoredFile::read(snapshot, grant.thing, grant.file())? else {
                return Ok(Settled::Over);
            };
            file.spoiled_count = file.spoiled_count.saturating_add(1);
            if file.spoiled_count < SPOILED_COUNT_MAX {
                file.write(batch, grant.thing, grant.file());
                return Ok(Settled::Again);
            }
            batch.delete(file_key(grant.thing, grant.file())).delete(grant_key(self.token_digest));
            let at = now.utc.unwrap_or(Timestamp::from_unix_millis(file.made_unix_millis));
            self.origin.audit(batch, "files.bring", Some(grant.thing), "refused: wrong digest", at);
            Ok(Settled::Over)
        })
    }
}
