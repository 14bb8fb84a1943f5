//! Recovery after both online servers were restored from a backup.
//!
//! Nobody knows then which owner numbers and owner secrets were given since the backup. A recovery raises
//! the number of every device by [`RECOVERY_STEP`], so that what is issued from now on lies above all that
//! may have been issued, and voids every owner secret that the restored pools hold, since a device may have
//! it from another owner. Owners stay who they were in the backup.
//!
//! ```text
//! BeginRecovery(id) -> NextToRaise -> RaiseDevice(id) per device -> mirror, CompleteChange -> AdvanceRecovery
//! ```
//! A raise is a pending change like any other: what a crash leaves is driven on. The device remembers which
//! recovery raised it last, so the same recovery never raises it twice.
//! Source: decision H5 with H6 and H7; ADR 0098.

use assure_proto::SEQUENCE_STEP_MAX;
use clock::Now;
use minicbor::{Decode, Encode};
use model::Uuid;
use store::{Batch, Decision, Key, Operation, Range, ReadSet, Snapshot};

use super::device::RegisteredDevice;
use super::{ChangeKind, OperationId, PendingChange};
use crate::spaces::{DEVICE, PENDING, device_key, device_of, devices_after, own_record};
use crate::stored::{self, BadRecord};
use crate::{Origin, origin};

/// By how much a recovery raises each owner sequence number.
/// Source: decision H5.
pub const RECOVERY_STEP: u32 = 256;
/// Recoveries within one generation: a device refuses a number more than [`SEQUENCE_STEP_MAX`] ahead, and
/// one that takes no image in between must still be reachable, with room for changes of owner.
pub const RECOVERY_COUNT_MAX: u32 = SEQUENCE_STEP_MAX / RECOVERY_STEP - 1;

/// How far a recovery is; there is one record, of the latest.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Recovery {
    /// The operator's request.
    #[cbor(n(0), with = "stored::id16")]
    pub id: OperationId,
    /// Devices up to this one are raised.
    #[cbor(n(1), with = "ledger::fields::optional_uuid")]
    pub after: Option<Uuid>,
    /// Whether every device is raised.
    #[n(2)]
    pub is_finished: bool,
    /// How many devices were raised.
    #[n(3)]
    pub raised: u32,
    /// How many devices the bootstrap server does not know: their change stays pending.
    #[n(4)]
    pub unknown: u32,
    /// The generation of the authority in which it was begun.
    #[n(5)]
    pub generation: u32,
    /// Recoveries in this generation, this one included.
    #[n(6)]
    pub count: u32,
}

impl Recovery {
    pub(crate) fn key() -> Key {
        own_record(b"recovery")
    }

    pub(crate) fn read(snapshot: &Snapshot) -> Result<Option<Self>, BadRecord> {
        stored::record(snapshot, &Self::key())
    }

    /// Whether a recovery is under way, during which no owner changes.
    pub(crate) fn is_under_way(snapshot: &Snapshot) -> Result<bool, BadRecord> {
        Self::read(snapshot).map(|found| found.is_some_and(|recovery| !recovery.is_finished))
    }

    fn write(&self, batch: &mut Batch) {
        batch.put(Self::key(), stored::to_bytes(self));
    }
}

/// Begins a recovery, or finds the one that is under way: a second one never begins before the first ends.
#[derive(Clone, Debug)]
pub struct BeginRecovery {
    /// The operator's request; repeating it is harmless.
    pub id: OperationId,
    /// The generation of the online keys.
    pub generation: u32,
    /// Where it came from.
    pub origin: Origin,
}

/// What became of [`BeginRecovery`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// This one is under way; perhaps it was begun by another request.
    UnderWay(Recovery),
    /// The request was carried out before; nothing is done.
    Finished(Recovery),
    /// [`RECOVERY_COUNT_MAX`] were carried out in this generation: only a new generation helps.
    TooMany,
}

impl BeginRecovery {
    fn begin(&self, found: Option<Recovery>, now: Now, batch: &mut Batch) -> Begun {
        let count = match found {
            Some(recovery) if !recovery.is_finished => return Begun::UnderWay(recovery),
            Some(recovery) if recovery.id == self.id => return Begun::Finished(recovery),
            Some(recovery) if recovery.generation == self.generation => recovery.count,
            Some(_) | None => 0,
        };
        if count >= RECOVERY_COUNT_MAX {
            return Begun::TooMany;
        }
        let (id, generation, count) = (self.id, self.generation, count + 1);
        let recovery =
            Recovery { id, after: None, is_finished: false, raised: 0, unknown: 0, generation, count };
        recovery.write(batch);
        if let Some(at) = origin::utc(now) {
            self.origin.audit(batch, "authority.recover", None, "begun", at);
        }
        Begun::UnderWay(recovery)
    }
}

impl Operation for BeginRecovery {
    type Reply = Result<Begun, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([Recovery::key()])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = Recovery::read(snapshot).map(|found| self.begin(found, now, &mut batch));
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

/// Reads the latest recovery.
#[derive(Clone, Copy, Debug)]
pub struct ReadRecovery;

impl Operation for ReadRecovery {
    type Reply = Result<Option<Recovery>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([Recovery::key()])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let reply = Recovery::read(snapshot);
        Decision::Done { batch: Batch::default(), reply, effects: Vec::new() }
    }
}

/// Devices per page of [`ReadRegistered`].
pub const REGISTERED_PAGE: usize = 64;

/// What the operator sees of a device's owner secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stock {
    /// The device.
    pub device: Uuid,
    /// Owner secrets that nobody was given; `None` for devices that need none or are not issued.
    pub pool: Option<usize>,
    /// Whether more were asked for and did not come yet.
    pub is_asked: bool,
}

/// Reads devices in the order of their UUIDs.
#[derive(Clone, Copy, Debug)]
pub struct ReadRegistered {
    /// Read on after this device.
    pub after: Option<Uuid>,
}

impl ReadRegistered {
    fn range(&self) -> Range {
        devices_after(DEVICE, self.after, REGISTERED_PAGE)
    }
}

impl Operation for ReadRegistered {
    /// Empty at the end.
    type Reply = Result<Vec<Stock>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default().with_range(self.range())
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let records = snapshot.page(&self.range()).records.iter();
        let reply = records.map(|(key, record)| {
            let device: RegisteredDevice = stored::from_bytes(&record.value)?;
            let uuid = device_of(key)?;
            let chain = device.issued.as_ref().and_then(|issued| issued.secrets.as_ref());
            let pool = chain.map(|chain| chain.pool.len());
            Ok(Stock { device: uuid, pool, is_asked: device.refill.is_some() })
        });
        Decision::Done { batch: Batch::default(), reply: reply.collect(), effects: Vec::new() }
    }
}

/// Raises one device: its number, and no owner secret of before is ever given again.
#[derive(Clone, Debug)]
pub struct RaiseDevice {
    /// The device.
    pub device: Uuid,
    /// The recovery.
    pub recovery: OperationId,
    /// Names the change.
    pub operation: OperationId,
    /// Where it came from.
    pub origin: Origin,
}

/// What became of [`RaiseDevice`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raised {
    /// Raised, now or before, and on its way to the bootstrap server.
    OnItsWay(PendingChange),
    /// Another change is on its way and comes first.
    After(PendingChange),
    /// Raised before, on both servers.
    Stands,
    /// There is no such device, the recovery is not under way, or its number is the last there is.
    Not,
}

impl RaiseDevice {
    fn raise(&self, snapshot: &Snapshot, batch: &mut Batch) -> Result<Raised, BadRecord> {
        let under_way =
            Recovery::read(snapshot)?.is_some_and(|found| found.id == self.recovery && !found.is_finished);
        let Some(mut device) = RegisteredDevice::read(snapshot, self.device)?.filter(|_| under_way) else {
            return Ok(Raised::Not);
        };
        let is_raised = device.raised_by == Some(RaisedBy(self.recovery));
        match (&device.ownership.pending, is_raised) {
            (Some(change), true) => return Ok(Raised::OnItsWay(change.clone())),
            (Some(change), false) => return Ok(Raised::After(change.clone())),
            (None, true) => return Ok(Raised::Stands),
            (None, false) => {}
        }
        let Some(seq) = device.ownership.seq.checked_add(RECOVERY_STEP) else { return Ok(Raised::Not) };
        let owner = device.ownership.owner.clone();
        let change =
            PendingChange { operation: self.operation, by: None, seq, owner, kind: ChangeKind::Recovery };
        device.ownership.pending = Some(change.clone());
        device.raised_by = Some(RaisedBy(self.recovery));
        device.void();
        device.write(batch, self.device);
        batch.put(device_key(PENDING, self.device), change.operation.0);
        Ok(Raised::OnItsWay(change))
    }
}

impl Operation for RaiseDevice {
    type Reply = Result<Raised, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([Recovery::key(), device_key(DEVICE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = self.raise(snapshot, &mut batch);
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

/// The recovery that raised a device last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct RaisedBy(#[cbor(n(0), with = "stored::id16")] pub(crate) OperationId);

/// Notes how far a recovery is.
#[derive(Clone, Debug)]
pub struct AdvanceRecovery {
    /// The recovery as it stood.
    pub from: Recovery,
    /// The recovery as it stands now: further devices, or finished.
    pub to: Recovery,
    /// Where it came from.
    pub origin: Origin,
}

impl Operation for AdvanceRecovery {
    /// The recovery as it stands; another call may have been faster.
    type Reply = Result<Option<Recovery>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([Recovery::key()])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = Recovery::read(snapshot).map(|found| {
            if found.as_ref() != Some(&self.from) {
                return found;
            }
            self.to.write(&mut batch);
            if let Some(at) = origin::utc(now).filter(|_| self.to.is_finished) {
                self.origin.audit(&mut batch, "authority.recover", None, "done", at);
            }
            Some(self.to.clone())
        });
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}
