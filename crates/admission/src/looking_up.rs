//! What a run asks before the device is proven, and when it is.

use clock::Now;
use ledger::BadRecord;
use model::Uuid;
use osap_proto::{Claim, DeviceRecord, Devid, Grant, Mode, Serial};
use store::{Batch, Decision, Operation, ReadSet, Snapshot};

use crate::record::{Generation, StoredDevice};
use crate::spaces::device_key;

/// Looks up who a device says it is. Nothing changes, and nothing of it may be told before the device is proven.
#[derive(Clone, Debug)]
pub struct LookUp {
    /// Who it says it is.
    pub serial: Serial,
    /// What it says its serial is; of another mode it is nobody.
    pub mode: Mode,
}

/// A device on record.
#[derive(Clone, Debug)]
pub struct Found {
    /// What the run is judged by.
    pub record: DeviceRecord,
    /// For [`crate::CommitRun`].
    pub generation: Generation,
    /// The thing it is.
    pub thing: Option<Uuid>,
    /// Whether it is blocked: what to tell its access service, never the device before it is proven.
    pub is_blocked: bool,
}

impl Operation for LookUp {
    type Reply = Result<Option<Found>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(&self.serial)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let of = |record: StoredDevice| {
            Ok(Found {
                record: record.for_run(now)?,
                generation: Generation(record.generation),
                thing: record.thing,
                is_blocked: record.is_blocked,
            })
        };
        let reply = StoredDevice::read(snapshot, &self.serial)
            .map(|record| record.filter(|record| record.mode() == self.mode))
            .and_then(|record| record.map(of).transpose());
        Decision::Done { batch: Batch::default(), reply, effects: Vec::new() }
    }
}

/// What record 82 says to a device that is proven.
#[derive(Clone, Debug)]
pub struct GrantRun {
    /// Who it is.
    pub serial: Serial,
    /// What it proved.
    pub claim: Claim,
    /// For a new device id.
    pub devid_random: [u8; 16],
    /// Names the new ticket; random.
    pub ticket_id: [u8; 16],
    /// How long the ticket lives, in seconds, at most 2,592,000.
    pub lifetime_secs: u32,
}

impl Operation for GrantRun {
    /// A device that was removed meanwhile is blocked, too.
    type Reply = Result<Grant, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(&self.serial)])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let reply = StoredDevice::read(snapshot, &self.serial).and_then(|record| {
            let Some(record) = record.filter(|record| !record.is_blocked) else { return Ok(Grant::Blocked) };
            // A code makes a new identity; whoever has it now is not who had the id before.
            let kept = record.devid()?.filter(|_| !matches!(self.claim, Claim::Code(_)));
            let devid = kept.unwrap_or_else(|| Devid::from_random(self.devid_random));
            Ok(Grant::Devid { devid, ticket_id: self.ticket_id, lifetime_secs: self.lifetime_secs })
        });
        Decision::Done { batch: Batch::default(), reply, effects: Vec::new() }
    }
}
