//! What is left over: grants that ended, uploads that never did, content that nobody names.

use clock::Now;
use ledger::{BadRecord, from_bytes};
use model::Uuid;
use store::{Decision, Key, Operation, Range, ReadSet, Snapshot, decided};

use crate::grant::{GRANT, StoredGrant, Way};
use crate::stored_file::{FileId, StoredFile, file_key};

/// Removes grants that have ended, and the files that were to come with them and did not.
#[derive(Clone, Debug)]
pub struct SweepGrants {
    /// Behind this grant, where the sweep before stopped.
    pub after: Option<Vec<u8>>,
    /// Grants that are looked at.
    pub limit: usize,
}

/// What was swept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Grants that are gone.
    pub grant_count: usize,
    /// Files whose content is to be thrown away, with whose they were.
    pub files: Vec<(Uuid, FileId)>,
    /// Where to go on; `None` when all were looked at.
    pub next: Option<Vec<u8>>,
}

impl SweepGrants {
    fn range(&self) -> Range {
        Range { space: GRANT, prefix: Vec::new(), after: self.after.clone(), limit: self.limit }
    }

    fn ended(&self, snapshot: &Snapshot, now: Now) -> Result<Vec<(Key, StoredGrant)>, BadRecord> {
        let Some(at) = now.utc else { return Ok(Vec::new()) };
        let mut ended = Vec::new();
        for (key, record) in &snapshot.page(&self.range()).records {
            let grant: StoredGrant = from_bytes(&record.value)?;
            if grant.until_unix_millis <= at.as_unix_millis() {
                ended.push((key.clone(), grant));
            }
        }
        Ok(ended)
    }
}

impl Operation for SweepGrants {
    type Reply = Result<Swept, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default().with_range(self.range())
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let ended = match self.ended(snapshot, now) {
            Ok(ended) => ended,
            Err(error) => return decided(|_| Err(error)),
        };
        let files = ended.iter().map(|(_, grant)| file_key(grant.thing, grant.file()));
        let unseen: Vec<Key> = files.filter(|key| !snapshot.covers(key)).collect();
        if !unseen.is_empty() {
            return Decision::Need(ReadSet::of(unseen));
        }
        decided(|batch| {
            let mut swept = Swept { grant_count: ended.len(), ..Swept::default() };
            for (key, grant) in ended {
                batch.delete(key);
                let file = StoredFile::read(snapshot, grant.thing, grant.file())?;
                let is_unfinished = file.is_some_and(|file| file.arrived_unix_millis.is_none());
                if grant.way() == Way::Upload && is_unfinished {
                    batch.delete(file_key(grant.thing, grant.file()));
                    swept.files.push((grant.thing, grant.file()));
                }
            }
            let page = snapshot.page(&self.range());
            swept.next = page.records.last().filter(|_| page.more).map(|(key, _)| key.name.clone());
            Ok(swept)
        })
    }
}

/// Whether a file is on record: content at rest that is not is thrown away.
#[derive(Clone, Copy, Debug)]
pub struct IsKnown {
    /// Whose.
    pub thing: Uuid,
    /// Which.
    pub file: FileId,
}

impl Operation for IsKnown {
    type Reply = bool;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([file_key(self.thing, self.file)])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<bool, ()> {
        let is_known = snapshot.value(&file_key(self.thing, self.file)).is_some();
        Decision::Done { batch: store::Batch::default(), reply: is_known, effects: Vec::new() }
    }
}
