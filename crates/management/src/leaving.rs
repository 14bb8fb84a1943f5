//! How a device leaves: by transfer or release, or because the authority says that it is gone.

use std::collections::BTreeMap;
use std::time::Duration;

use assure_json::DeviceStatus;
use clock::{Now, Timestamp};
use ledger::{BadRecord, Origin};
use model::{ManagementId, Uuid};
use store::{Batch, Decision, Operation, ReadSet, Snapshot, decided};

use crate::device::{Departure, ManagedDevice, Work};
use crate::registering::CannotDecide;
use crate::spaces::{CONFIGURATION, DEVICE, IMAGE, by_channel_key, device_key};
use crate::topology::{StoredLink, links_of, read_links, unlink};

/// How long peers may take to forget the channels of a device that left.
pub(crate) const UNLINK_TIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The owner gives a device up: stored before the authority is asked.
#[derive(Clone, Debug)]
pub struct Leave {
    /// The device.
    pub device: Uuid,
    /// The next owner; `None` releases it to nobody.
    pub to: Option<ManagementId>,
    /// Where it came from.
    pub origin: Origin,
}

/// What becomes of [`Leave`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// Ask the authority now.
    Ask,
    /// The same order was given before, and is done.
    Gone,
    /// It is not ours.
    NotOurs,
    /// It is leaving already, for somebody else.
    Otherwise,
}

impl Operation for Leave {
    type Reply = Result<Leaving, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let Some(mut record) = ManagedDevice::read(snapshot, self.device)? else {
                return Ok(Leaving::NotOurs);
            };
            // A replaced device is still ours before the authority.
            if !record.is_enabled() && record.status() != DeviceStatus::Replaced {
                let went = record.departed.as_ref().filter(|_| record.status() == DeviceStatus::Released);
                let is_repeated = went.is_some_and(|departure| departure.to == self.to);
                return Ok(if is_repeated { Leaving::Gone } else { Leaving::NotOurs });
            }
            match &record.work {
                Some(Work::Leave { to }) if *to != self.to => Ok(Leaving::Otherwise),
                Some(Work::Leave { .. } | Work::Configure | Work::Upload | Work::Announce) | None => {
                    record.work = Some(Work::Leave { to: self.to.clone() });
                    record.write(batch, self.device);
                    Ok(Leaving::Ask)
                }
            }
        })
    }
}

/// What the authority says about a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It belongs to somebody else, or to nobody.
    Gone,
    /// It is still ours: the change was refused.
    Ours,
}

/// The authority has said where a device stands: after a transfer or release, or by refusing its
/// configuration.
#[derive(Clone, Debug)]
pub struct StandingKnown {
    /// The device.
    pub device: Uuid,
    /// Where it stands.
    pub standing: Standing,
    /// Where it came from.
    pub origin: Origin,
}

/// What follows from [`StandingKnown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It is gone: its sessions are to be closed now, and none will be accepted.
    Gone,
    /// It is ours, and its work goes on.
    Stays,
    /// Its transfer to us is still awaited.
    Awaited,
    /// Nothing was known of it.
    Unknown,
}

impl StandingKnown {
    fn learn(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<Left, CannotDecide> {
        let at = now.utc.ok_or(CannotDecide::NoClock)?;
        let Some(mut record) = ManagedDevice::read(snapshot, self.device)? else { return Ok(Left::Unknown) };
        let left = match record.work.take() {
            Some(Work::Leave { to }) => Some(to),
            Some(Work::Configure | Work::Upload | Work::Announce) | None => None,
        };
        if self.standing == Standing::Ours {
            record.work = unfinished(&record);
            record.write(batch, self.device);
            if let Some(to) = left {
                self.origin.audit(batch, verb(to.as_ref()), Some(self.device), "refused", at);
            }
            return Ok(Left::Stays);
        }
        if record.status() == DeviceStatus::Registered {
            return Ok(Left::Awaited);
        }
        if let Some(channel) = record.owned.as_ref().and_then(|owned| owned.channel.as_ref()) {
            batch.delete(by_channel_key(channel.id));
        }
        record.owned = None;
        record.departed = left.clone().map(|to| Departure { to });
        record.set_status(DeviceStatus::Released, at);
        record.write(batch, self.device);
        batch.delete(device_key(CONFIGURATION, self.device)).delete(device_key(IMAGE, self.device));
        take_from_peers(snapshot, self.device, at, batch)?;
        let verb = left.map_or("owner.gone", |to| verb(to.as_ref()));
        self.origin.audit(batch, verb, Some(self.device), "done", at);
        Ok(Left::Gone)
    }
}

const fn verb(to: Option<&ManagementId>) -> &'static str {
    if to.is_some() { "owner.transfer" } else { "owner.release" }
}

/// The step that was due before the device was to leave.
fn unfinished(record: &ManagedDevice) -> Option<Work> {
    match (&record.owned, &record.image) {
        (None, _) => Some(Work::Configure),
        (Some(_), Some(image)) if !image.uploaded => Some(Work::Upload),
        (Some(_), Some(_) | None) => None,
    }
}

/// The peers of `device` with their ends of the channels to it; `None` while more must be read.
pub(crate) fn peers_to_read(snapshot: &Snapshot, device: Uuid) -> Result<Option<ReadSet>, BadRecord> {
    let links = read_links(snapshot, device)?;
    let keys = links
        .iter()
        .flat_map(|(peer, _)| [device_key(DEVICE, *peer), crate::spaces::link_key(*peer, device)]);
    let missing: Vec<_> = keys.filter(|key| !snapshot.covers(key)).collect();
    Ok((!missing.is_empty()).then(|| ReadSet::of(missing)))
}

/// The peers' own ends of the channels to `device`.
pub(crate) fn peer_ends(snapshot: &Snapshot, device: Uuid) -> Result<Vec<(Uuid, StoredLink)>, BadRecord> {
    let mut ends = Vec::new();
    for (peer, _) in read_links(snapshot, device)? {
        let end: Option<StoredLink> = ledger::record(snapshot, &crate::spaces::link_key(peer, device))?;
        ends.push((peer, end.ok_or(BadRecord)?));
    }
    Ok(ends)
}

/// The records of these devices.
pub(crate) fn records_of(
    snapshot: &Snapshot,
    devices: impl Iterator<Item = Uuid>,
) -> Result<BTreeMap<Uuid, ManagedDevice>, BadRecord> {
    let mut records = BTreeMap::new();
    for device in devices {
        if let Some(record) = ManagedDevice::read(snapshot, device)? {
            records.insert(device, record);
        }
    }
    Ok(records)
}

fn take_from_peers(
    snapshot: &Snapshot,
    device: Uuid,
    at: Timestamp,
    batch: &mut Batch,
) -> Result<(), BadRecord> {
    let ends = peer_ends(snapshot, device)?;
    let mut records = records_of(snapshot, ends.iter().map(|(peer, _)| *peer))?;
    unlink(device, &ends, later(at, UNLINK_TIME), at, &mut records, batch);
    for (peer, record) in &records {
        record.write(batch, *peer);
    }
    Ok(())
}

pub(crate) fn later(at: Timestamp, by: Duration) -> Timestamp {
    let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_unix_millis(at.as_unix_millis().saturating_add(millis))
}

impl Operation for StandingKnown {
    type Reply = Result<Left, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device)]).with_range(links_of(self.device))
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        match peers_to_read(snapshot, self.device) {
            Ok(Some(more)) => Decision::Need(more),
            Ok(None) => decided(|batch| self.learn(snapshot, now, batch)),
            Err(bad) => decided(|_| Err(bad.into())),
        }
    }
}
