//! A store, a clock that is turned by hand, and short words for what tests do.

use std::time::Duration;

use clock::{Moment, Now, Timestamp};
use depot::{
    FileArrived, FileId, FileSpoiled, FileView, FindGrant, GrantDownload, GrantUpload, ListFiles, NoGrant,
    OpenGrant, Origin, Settled, SweepGrants, Swept,
};
use model::{CorrelationId, Uuid};
use store::{Memory, Operation, Range, Table, run};

const NOON_UNIX_MILLIS: u64 = 1_800_000_000_000;
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const CAMERA: Uuid = Uuid([0xca; 16]);
pub(crate) const LOCK: Uuid = Uuid([0x10; 16]);

#[derive(Default)]
pub(crate) struct World {
    table: Memory,
    elapsed: Duration,
    correlation: u16,
}

impl World {
    pub(crate) fn now(&self) -> Timestamp {
        let millis = u64::try_from(self.elapsed.as_millis()).unwrap();
        Timestamp::from_unix_millis(NOON_UNIX_MILLIS + millis)
    }

    pub(crate) fn wait(&mut self, duration: Duration) {
        self.elapsed += duration;
    }

    pub(crate) fn run<O: Operation>(&self, operation: &O) -> O::Reply {
        let now = Now::new(Moment::START + self.elapsed, self.now());
        run(&self.table, operation, now).unwrap().reply
    }

    fn origin(&mut self) -> Origin {
        self.correlation += 1;
        Origin {
            role: "management",
            actor: "operator".into(),
            address: None,
            correlation: CorrelationId(u128::from(self.correlation).to_be_bytes()),
            seed: [0; 32],
        }
    }

    pub(crate) fn grant(&mut self, file: u8, size: u64, duration: Duration) -> Result<OpenGrant, NoGrant> {
        self.grant_named("clip.mp4", file, size, duration)
    }

    pub(crate) fn grant_named(
        &mut self,
        name: &str,
        file: u8,
        size: u64,
        duration: Duration,
    ) -> Result<OpenGrant, NoGrant> {
        let (file, token_digest) = (FileId([file; 16]), [file; 32]);
        self.grant_of(name, file, token_digest, size, duration)
    }

    /// One byte under a file id and token of its own.
    pub(crate) fn grant_as(&mut self, id: [u8; 16]) {
        let token_digest = [id, [0xee; 16]].concat().try_into().unwrap();
        self.grant_of("one", FileId(id), token_digest, 1, HOUR).unwrap();
    }

    fn grant_of(
        &mut self,
        name: &str,
        file: FileId,
        token_digest: [u8; 32],
        size: u64,
        duration: Duration,
    ) -> Result<OpenGrant, NoGrant> {
        let (origin, name) = (self.origin(), name.into());
        let thing = CAMERA;
        self.run(&GrantUpload {
            thing,
            name,
            size,
            digest: token_digest,
            file,
            token_digest,
            duration,
            origin,
        })
    }

    pub(crate) fn fetch(&mut self, thing: Uuid, file: u8, token: u8) -> Result<OpenGrant, NoGrant> {
        let origin = self.origin();
        let (file, token_digest) = (FileId([file; 16]), [token; 32]);
        self.run(&GrantDownload { thing, file, token_digest, duration: HOUR, origin })
    }

    pub(crate) fn arrived(&mut self, token: u8) -> Settled {
        let origin = self.origin();
        self.run(&FileArrived { token_digest: [token; 32], origin }).unwrap()
    }

    pub(crate) fn spoiled(&mut self, token: u8) -> Settled {
        let origin = self.origin();
        self.run(&FileSpoiled { token_digest: [token; 32], origin }).unwrap()
    }

    pub(crate) fn found(&self, token: u8) -> Option<OpenGrant> {
        self.run(&FindGrant { token_digest: [token; 32] }).unwrap()
    }

    pub(crate) fn files(&self) -> Vec<FileView> {
        self.run(&ListFiles { thing: CAMERA, after: None, limit: 2_000 }).unwrap().files
    }

    pub(crate) fn remove(&mut self, file: u8) -> bool {
        let origin = self.origin();
        self.run(&depot::RemoveFile { thing: CAMERA, file: FileId([file; 16]), origin }).unwrap()
    }

    pub(crate) fn sweep(&self) -> Swept {
        self.run(&SweepGrants { after: None, limit: 100 }).unwrap()
    }

    pub(crate) fn audited(&self) -> usize {
        let range = Range { space: ledger::AUDIT, prefix: Vec::new(), after: None, limit: 10_000 };
        let snapshot = self.table.snapshot(&store::ReadSet::default().with_range(range.clone())).unwrap();
        snapshot.page(&range).records.len()
    }
}
