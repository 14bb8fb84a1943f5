//! How a device comes to this management system: by claim, or by a transfer that is awaited.

use assure_json::DeviceStatus;
use clock::{Now, Timestamp};
use ledger::{BadRecord, Origin};
use model::Uuid;
use store::{Batch, Decision, Operation, Range, ReadSet, Snapshot, decided};

use crate::device::{ManagedDevice, Registrant, Work};
use crate::spaces::{DEVICE, WORK, device_key};

/// A device is to be registered; its claim follows.
///
/// The case string is no part of this: it goes to the authority and is never stored.
/// Source: aSSURE 11.2.1.
#[derive(Clone, Debug)]
pub struct RegisterDevice {
    /// The device.
    pub device: Uuid,
    /// Who registers it.
    pub by: Registrant,
    /// Where it came from.
    pub origin: Origin,
}

/// What becomes of [`RegisterDevice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Claim it now; a claim of a device that is ours already only proves the case string.
    Claim,
    /// It is another registrant's, or was replaced.
    Forbidden,
}

/// Why the management system cannot decide; callers hear 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CannotDecide {
    /// A stored record cannot be read.
    Record(BadRecord),
    /// We do not know the time.
    NoClock,
}

impl From<BadRecord> for CannotDecide {
    fn from(bad: BadRecord) -> Self {
        Self::Record(bad)
    }
}

impl Operation for RegisterDevice {
    type Reply = Result<Registration, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = now.utc.ok_or(CannotDecide::NoClock)?;
            let Some(record) = ManagedDevice::read(snapshot, self.device)? else {
                ManagedDevice::new(&self.by, at).write(batch, self.device);
                return Ok(Registration::Claim);
            };
            let foreign = record.is_enabled() && !self.by.sees(&record);
            let awaited = record.work.is_some() && !self.by.sees(&record);
            let replaced = record.status() == DeviceStatus::Replaced;
            Ok(if foreign || awaited || replaced { Registration::Forbidden } else { Registration::Claim })
        })
    }
}

/// What the authority said to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimEnd {
    /// The device is ours, now or before.
    Granted,
    /// It is not, and the authority does not say why.
    Refused,
}

/// The claim of a registered device has come to its end.
#[derive(Clone, Debug)]
pub struct ClaimSettled {
    /// The device.
    pub device: Uuid,
    /// Who registered it: from now on it is this registrant's.
    pub by: Registrant,
    /// The authority's answer.
    pub end: ClaimEnd,
    /// Where it came from.
    pub origin: Origin,
}

impl ClaimSettled {
    fn settle(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<bool, CannotDecide> {
        let at = now.utc.ok_or(CannotDecide::NoClock)?;
        let Some(record) = ManagedDevice::read(snapshot, self.device)? else { return Ok(false) };
        let open = matches!(
            record.status(),
            DeviceStatus::Registered | DeviceStatus::OwnershipRefused | DeviceStatus::Released
        );
        let result = match self.end {
            ClaimEnd::Granted if open => {
                anew(&record, &self.by, DeviceStatus::OwnershipAssigned, at).write(batch, self.device);
                "done"
            }
            ClaimEnd::Refused if record.status() == DeviceStatus::Registered && record.work.is_none() => {
                let mut record = record;
                record.set_status(DeviceStatus::OwnershipRefused, at);
                record.write(batch, self.device);
                "refused"
            }
            ClaimEnd::Granted => "unchanged",
            ClaimEnd::Refused => "refused",
        };
        self.origin.audit(batch, "owner.claim", Some(self.device), result, at);
        Ok(open && self.end == ClaimEnd::Granted)
    }
}

/// A record for a new ownership; what belonged to an earlier one is gone.
fn anew(before: &ManagedDevice, by: &Registrant, status: DeviceStatus, at: Timestamp) -> ManagedDevice {
    let mut record = ManagedDevice::new(by, at);
    record.set_status(status, at);
    record.work = Some(Work::Configure);
    // Numbers of orders and times of images go on, so that nothing old is taken for something new.
    record.next_order = before.next_order;
    record.image.clone_from(&before.image);
    record
}

impl Operation for ClaimSettled {
    /// Whether the device has become ours by it.
    type Reply = Result<bool, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| self.settle(snapshot, now, batch))
    }
}

/// A transfer of the device to us is awaited: it is announced to the authority, then its configuration is
/// asked for until the authority gives it.
///
/// Nothing happens twice: the order repeated goes on where the device stands.
/// Source: layouts section 3, step 10 (`owner accept`); decision D-05.
#[derive(Clone, Debug)]
pub struct AcceptDevice {
    /// The device.
    pub device: Uuid,
    /// Where it came from.
    pub origin: Origin,
}

/// What becomes of [`AcceptDevice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It is awaited; announce it now.
    Announce,
    /// It is awaited, and was announced.
    Awaited,
    /// It is ours already: nothing is announced.
    Ours,
    /// It was replaced.
    Forbidden,
}

impl Operation for AcceptDevice {
    type Reply = Result<Acceptance, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = now.utc.ok_or(CannotDecide::NoClock)?;
            let record = ManagedDevice::read(snapshot, self.device)?;
            let stands = record.as_ref().and_then(|record| match (record.status(), &record.work) {
                (DeviceStatus::Replaced, _) => Some(Acceptance::Forbidden),
                _ if record.is_enabled() => Some(Acceptance::Ours),
                (DeviceStatus::Registered, Some(Work::Configure)) => Some(Acceptance::Awaited),
                (DeviceStatus::Registered, Some(Work::Announce)) => Some(Acceptance::Announce),
                _ => None,
            });
            if let Some(stands) = stands {
                return Ok(stands);
            }
            let fresh = ManagedDevice::new(&Registrant::Operator, at);
            let before = record.as_ref().unwrap_or(&fresh);
            let mut awaited = anew(before, &Registrant::Operator, DeviceStatus::Registered, at);
            awaited.work = Some(Work::Announce);
            awaited.write(batch, self.device);
            self.origin.audit(batch, "owner.accept", Some(self.device), "done", at);
            Ok(Acceptance::Announce)
        })
    }
}

/// The authority knows that a transfer of the device to us is expected.
#[derive(Clone, Copy, Debug)]
pub struct Announced {
    /// The device.
    pub device: Uuid,
}

impl Operation for Announced {
    /// Whether its configuration is to be asked for now.
    type Reply = Result<bool, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let record = ManagedDevice::read(snapshot, self.device)?;
            let awaited = record.filter(|record| record.work == Some(Work::Announce));
            let Some(mut record) = awaited else { return Ok(false) };
            record.work = Some(Work::Configure);
            record.write(batch, self.device);
            Ok(true)
        })
    }
}

/// A transfer of the device to us is awaited no more.
#[derive(Clone, Debug)]
pub struct AwaitNoMore {
    /// The device.
    pub device: Uuid,
    /// Where it came from.
    pub origin: Origin,
}

impl Operation for AwaitNoMore {
    /// Whether it is not awaited now; `false` when it is ours.
    type Reply = Result<bool, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = now.utc.ok_or(CannotDecide::NoClock)?;
            let Some(mut record) = ManagedDevice::read(snapshot, self.device)? else { return Ok(true) };
            if record.is_enabled() || record.status() == DeviceStatus::Replaced {
                return Ok(false);
            }
            if matches!(record.work, Some(Work::Announce | Work::Configure)) {
                record.work = None;
                record.set_status(DeviceStatus::Released, at);
                record.write(batch, self.device);
                self.origin.audit(batch, "owner.decline", Some(self.device), "done", at);
            }
            Ok(true)
        })
    }
}

/// The authority has taken down which transfers we take: the audit log says who asked for that.
#[derive(Clone, Debug)]
pub struct TakesSet {
    /// Only those that are announced; else all.
    pub announced_only: bool,
    /// Where it came from.
    pub origin: Origin,
}

impl Operation for TakesSet {
    type Reply = Result<(), CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default()
    }

    fn decide(&self, _: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = now.utc.ok_or(CannotDecide::NoClock)?;
            let result = if self.announced_only { "announced only" } else { "all" };
            self.origin.audit(batch, "owner.takes", None, result, at);
            Ok(())
        })
    }
}

/// Devices per page of [`ReadWork`].
const WORK_PAGE: usize = 64;

/// What is to be done towards the authority: read at every start, so that no step is lost.
#[derive(Clone, Copy, Debug)]
pub struct ReadWork {
    /// Read on after this device.
    pub after: Option<Uuid>,
}

impl ReadWork {
    fn range(self) -> Range {
        let after = self.after.map(|device| device.0.to_vec());
        Range { space: WORK, prefix: Vec::new(), after, limit: WORK_PAGE }
    }
}

impl Operation for ReadWork {
    /// Devices with their next step, in the order of their UUIDs; at most 64.
    type Reply = Result<Vec<(Uuid, Work)>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default().with_range(self.range())
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let names = snapshot.page(&self.range()).records.iter().map(|(key, _)| &key.name);
        let devices: Vec<Uuid> = names.filter_map(|name| name.as_slice().try_into().ok().map(Uuid)).collect();
        let missing = devices.iter().map(|device| device_key(DEVICE, *device));
        let missing: Vec<_> = missing.filter(|key| !snapshot.covers(key)).collect();
        if !missing.is_empty() {
            return Decision::Need(ReadSet::of(missing));
        }
        let due = |device: Uuid| match ManagedDevice::read(snapshot, device) {
            Ok(record) => record.and_then(|record| record.work).map(|work| Ok((device, work))),
            Err(bad) => Some(Err(bad)),
        };
        let reply = devices.into_iter().filter_map(due).collect();
        Decision::Done { batch: Batch::default(), reply, effects: Vec::new() }
    }
}
