//! The mirror of ownership.

use clock::Now;
use model::{ManagementId, Uuid};
use store::{Batch, Decision, Operation, Range, ReadSet, Snapshot};

use super::device::{BootstrapDevice, LastChange};
use crate::registration::OperationId;
use crate::spaces::{BOOTSTRAP_DEVICE, IMAGE, device_key, device_of, devices_after};
use crate::stored::{self, BadRecord};
use crate::{Origin, origin};

/// What the registration server says of a device at this moment (`GetDeviceOwner`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerNow {
    /// The owner sequence number.
    pub seq: u32,
    /// The owner; nobody while it is released.
    pub owner: Option<ManagementId>,
}

/// Takes over an owner change and drops the image of the owner before (`SetDeviceOwner`,
/// `ResetDeviceBootstrap`), in one commit.
/// Source: aSSURE 14.7 step 4 with ruling A-ASSURE-36, decisions H5 and G 31.
#[derive(Clone, Debug)]
pub struct MirrorOwner {
    /// The device.
    pub device: Uuid,
    /// The change; repeating it is harmless.
    pub operation: OperationId,
    /// What holds after it.
    pub owner: OwnerNow,
    /// Where it came from.
    pub origin: Origin,
}

/// What became of [`MirrorOwner`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mirrored {
    /// It stands, now or by the same change before.
    Stands,
    /// A higher number stands here: the registration server lost a change.
    Ahead(OwnerNow),
    /// No such device here.
    Unknown,
}

impl Operation for MirrorOwner {
    type Reply = Result<Mirrored, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(BOOTSTRAP_DEVICE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = BootstrapDevice::read(snapshot, self.device).map(|found| match found {
            None => Mirrored::Unknown,
            Some(device) if device.changed_by == Some(LastChange(self.operation)) => Mirrored::Stands,
            Some(device) if device.seq > self.owner.seq || self.steals(&device) => {
                Mirrored::Ahead(OwnerNow { seq: device.seq, owner: device.owner })
            }
            // Told again what holds already: the image of the present owner stays.
            Some(device) if device.seq == self.owner.seq && device.owner == self.owner.owner => {
                Mirrored::Stands
            }
            Some(mut device) => {
                device.seq = self.owner.seq;
                device.owner.clone_from(&self.owner.owner);
                device.changed_by = Some(LastChange(self.operation));
                device.write(&mut batch, self.device);
                batch.delete(device_key(IMAGE, self.device));
                if let Some(at) = origin::utc(now) {
                    self.origin.audit(&mut batch, "bootstrap.reset", Some(self.device), "done", at);
                }
                Mirrored::Stands
            }
        });
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

impl MirrorOwner {
    /// At the same number only a release may change the owner: two owners never share a number.
    fn steals(&self, device: &BootstrapDevice) -> bool {
        device.seq == self.owner.seq && self.owner.owner.is_some() && self.owner.owner != device.owner
    }
}

/// Devices per page of [`ReadMirrors`].
const MIRROR_PAGE: usize = 256;

/// Reads the mirror of all issued devices, in the order of their UUIDs.
/// Source: decision H5.
#[derive(Clone, Debug)]
pub struct ReadMirrors {
    /// Read on after this device.
    pub after: Option<Uuid>,
}

impl ReadMirrors {
    fn range(&self) -> Range {
        devices_after(BOOTSTRAP_DEVICE, self.after, MIRROR_PAGE)
    }
}

impl Operation for ReadMirrors {
    /// Empty at the end.
    type Reply = Result<Vec<(Uuid, OwnerNow)>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default().with_range(self.range())
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let records = snapshot.page(&self.range()).records.iter();
        let reply = records.map(|(key, record)| {
            let device: BootstrapDevice = stored::from_bytes(&record.value)?;
            let uuid = device_of(key)?;
            Ok((uuid, OwnerNow { seq: device.seq, owner: device.owner }))
        });
        Decision::Done { batch: Batch::default(), reply: reply.collect(), effects: Vec::new() }
    }
}
