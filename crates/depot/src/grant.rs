//! Grants: one token, one file, one way, one end.

use std::time::Duration;

use clock::{Now, Timestamp};
use ledger::{BadRecord, Origin, record, to_bytes};
use minicbor::{Decode, Encode};
use model::Uuid;
use store::{Decision, Key, Operation, ReadSet, Snapshot, Space, decided};

use crate::stored_file::{
    FILE_COUNT_MAX, FILE_SIZE_MAX, FileId, FileView, LENT_COUNT_MAX, NAME_LENGTH_MAX, StoredFile,
    THING_SIZE_MAX, file_key, files_of, in_page,
};

/// Grants by the SHA-256 of their token.
pub(crate) const GRANT: Space = Space(0x5b);

/// The longest time a grant may last; a longer one is cut to it.
pub const GRANT_DURATION_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the thing to us.
    Upload,
    /// From us to whom the token was given.
    Download,
}

/// A grant as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct StoredGrant {
    #[cbor(n(0), with = "ledger::fields::id16")]
    pub(crate) thing: Uuid,
    #[cbor(n(1), with = "minicbor::bytes")]
    file: [u8; 16],
    #[n(2)]
    is_upload: bool,
    #[n(3)]
    pub(crate) until_unix_millis: u64,
}

impl StoredGrant {
    pub(crate) fn way(&self) -> Way {
        if self.is_upload { Way::Upload } else { Way::Download }
    }

    pub(crate) fn file(&self) -> FileId {
        FileId(self.file)
    }
}

pub(crate) fn grant_key(token_digest: [u8; 32]) -> Key {
    Key::new(GRANT, token_digest)
}

/// Why there is no grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoGrant {
    /// The name is empty, longer than [`NAME_LENGTH_MAX`], or has control characters, `/` or `\`.
    BadName,
    /// A file has 1 to [`FILE_SIZE_MAX`] bytes.
    BadSize,
    /// The thing has [`FILE_COUNT_MAX`] files, or its files would have more than [`THING_SIZE_MAX`] bytes.
    NoRoom,
    /// There is no such file, or it is still arriving.
    NoFile,
    /// [`LENT_COUNT_MAX`] grants to fetch the file hold already.
    ManyLent,
    /// The time is not known: nothing that ends can be granted.
    NoClock,
    /// What is stored cannot be read.
    BadRecord,
}

impl From<BadRecord> for NoGrant {
    fn from(_: BadRecord) -> Self {
        Self::BadRecord
    }
}

/// A thing may bring a file. Whether it may was decided before.
#[derive(Clone, Debug)]
pub struct GrantUpload {
    /// Whose file.
    pub thing: Uuid,
    /// How it is called.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// Their SHA-256.
    pub digest: [u8; 32],
    /// A fresh id.
    pub file: FileId,
    /// SHA-256 of a fresh token.
    pub token_digest: [u8; 32],
    /// How long the grant lasts, at most [`GRANT_DURATION_MAX`].
    pub duration: Duration,
    /// Where it came from.
    pub origin: Origin,
}

/// Somebody may fetch a file. Whether they may was decided before.
#[derive(Clone, Debug)]
pub struct GrantDownload {
    /// Whose file.
    pub thing: Uuid,
    /// Which.
    pub file: FileId,
    /// SHA-256 of a fresh token.
    pub token_digest: [u8; 32],
    /// How long the grant lasts, at most [`GRANT_DURATION_MAX`].
    pub duration: Duration,
    /// Where it came from.
    pub origin: Origin,
}

/// A grant that holds now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenGrant {
    /// Whose file.
    pub thing: Uuid,
    /// The file.
    pub file: FileView,
    /// Which way.
    pub way: Way,
    /// Its end.
    pub until: Timestamp,
}

fn end(now: Now, duration: Duration) -> Result<(Timestamp, u64), NoGrant> {
    let at = now.utc.ok_or(NoGrant::NoClock)?;
    let millis = u64::try_from(duration.min(GRANT_DURATION_MAX).as_millis()).unwrap_or(u64::MAX);
    Ok((at, at.as_unix_millis().saturating_add(millis)))
}

fn is_name(name: &str) -> bool {
    let is_fit = |c: char| !c.is_control() && c != '/' && c != '\\';
    !name.is_empty() && name.len() <= NAME_LENGTH_MAX && name.chars().all(is_fit)
}

impl Operation for GrantUpload {
    type Reply = Result<OpenGrant, NoGrant>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([grant_key(self.token_digest)]).with_range(files_of(self.thing, None, FILE_COUNT_MAX))
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            if !is_name(&self.name) {
                return Err(NoGrant::BadName);
            }
            if self.size == 0 || self.size > FILE_SIZE_MAX {
                return Err(NoGrant::BadSize);
            }
            let (at, until) = end(now, self.duration)?;
            let files = in_page(snapshot, &files_of(self.thing, None, FILE_COUNT_MAX))?;
            let held: u64 = files.iter().map(|(_, file)| file.size).sum();
            if files.len() >= FILE_COUNT_MAX || held.saturating_add(self.size) > THING_SIZE_MAX {
                return Err(NoGrant::NoRoom);
            }
            let file = StoredFile {
                name: self.name.clone(),
                size: self.size,
                digest: self.digest,
                made_unix_millis: at.as_unix_millis(),
                arrived_unix_millis: None,
                spoiled_count: 0,
                lent_until: None,
            };
            file.write(batch, self.thing, self.file);
            let grant = StoredGrant {
                thing: self.thing,
                file: self.file.0,
                is_upload: true,
                until_unix_millis: until,
            };
            batch.put(grant_key(self.token_digest), to_bytes(&grant));
            self.origin.audit(batch, "files.offer", Some(self.thing), "done", at);
            Ok(open(&grant, &file))
        })
    }
}

impl Operation for GrantDownload {
    type Reply = Result<OpenGrant, NoGrant>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([grant_key(self.token_digest), file_key(self.thing, self.file)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let (at, until) = end(now, self.duration)?;
            let file = StoredFile::read(snapshot, self.thing, self.file)?;
            let file = file.filter(|file| file.arrived_unix_millis.is_some());
            let mut file = file.ok_or(NoGrant::NoFile)?;
            let lent = file.lent_until.get_or_insert_default();
            lent.retain(|until| *until > at.as_unix_millis());
            if lent.len() >= LENT_COUNT_MAX {
                return Err(NoGrant::ManyLent);
            }
            lent.push(until);
            file.write(batch, self.thing, self.file);
            let grant = StoredGrant {
                thing: self.thing,
                file: self.file.0,
                is_upload: false,
                until_unix_millis: until,
            };
            batch.put(grant_key(self.token_digest), to_bytes(&grant));
            self.origin.audit(batch, "files.lend", Some(self.thing), "done", at);
            Ok(open(&grant, &file))
        })
    }
}

fn open(grant: &StoredGrant, file: &StoredFile) -> OpenGrant {
    OpenGrant {
        thing: grant.thing,
        file: file.view(grant.thing, grant.file()),
        way: grant.way(),
        until: Timestamp::from_unix_millis(grant.until_unix_millis),
    }
}

/// What a token stands for now. Unknown, ended and spent ones are alike: nothing.
#[derive(Clone, Copy, Debug)]
pub struct FindGrant {
    /// SHA-256 of the token.
    pub token_digest: [u8; 32],
}

impl Operation for FindGrant {
    type Reply = Result<Option<OpenGrant>, NoGrant>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([grant_key(self.token_digest)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let grant: Option<StoredGrant> = match record(snapshot, &grant_key(self.token_digest)) {
            Ok(grant) => grant,
            Err(error) => return decided(|_| Err(error.into())),
        };
        if let Some(grant) = &grant {
            let key = file_key(grant.thing, grant.file());
            if !snapshot.covers(&key) {
                return Decision::Need(ReadSet::of([key]));
            }
        }
        decided(|_| {
            let Some(grant) = grant else { return Ok(None) };
            let at = now.utc.ok_or(NoGrant::NoClock)?.as_unix_millis();
            let file = StoredFile::read(snapshot, grant.thing, grant.file())?;
            Ok(file.filter(|_| at < grant.until_unix_millis).map(|file| open(&grant, &file)))
        })
    }
}
