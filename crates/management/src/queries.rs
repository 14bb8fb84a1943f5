//! What a management system tells about its devices.

use assure_json::DeviceStatus;
use assure_proto::{DeviceInfo, GoodbyeReason};
use clock::{Now, Timestamp};
use ledger::BadRecord;
use model::{ManagementId, Uuid};
use store::{Decision, Operation, Range, ReadSet, Snapshot, decided};

use crate::device::{KeyKind, ManagedDevice, Registrant, Work};
use crate::spaces::{DEVICE, LINK, device_key};
use crate::topology::{LinkView, StoredLink};

/// A device as its owner sees it; nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceView {
    /// The device.
    pub device: Uuid,
    /// How far it has come.
    pub status: DeviceStatus,
    /// Since when.
    pub since: Timestamp,
    /// Who registered it; empty for the operator.
    pub registrant: String,
    /// The kind of its key, once its configuration is known.
    pub kind: Option<KeyKind>,
    /// Which owner we are, counted from 1.
    pub owner_sequence_number: Option<u32>,
    /// What is due towards the authority.
    pub due: Option<DueStep>,
    /// When the last image was made; and the parameter choice it follows.
    pub image: Option<(Timestamp, Option<String>)>,
    /// What it said of itself.
    pub info: Option<DeviceInfo>,
    /// Why it went, when it said goodbye last.
    pub goodbye: Option<GoodbyeReason>,
    /// Last sign of life.
    pub seen: Option<Timestamp>,
    /// The device that took its place.
    pub replaced_by: Option<Uuid>,
    /// The device whose place it took.
    pub replaces: Option<Uuid>,
}

/// A step towards the authority that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DueStep {
    /// Its configuration is asked for.
    Configure,
    /// Its image is to be uploaded.
    Upload,
    /// It is to be given to this owner.
    Transfer(ManagementId),
    /// It is to be released.
    Release,
    /// It is expected, which the authority is to be told.
    Announce,
}

impl DeviceView {
    fn of(device: Uuid, record: ManagedDevice) -> Self {
        let owned = record.in_use();
        let image = record
            .image
            .as_ref()
            .map(|image| (Timestamp::from_assure_secs(image.created_at_secs), image.choice.clone()));
        Self {
            device,
            status: record.status(),
            since: Timestamp::from_unix_millis(record.since_unix_millis),
            kind: owned.map(|owned| owned.kind),
            owner_sequence_number: owned.map(|owned| owned.seq),
            due: record.work.as_ref().map(|work| match work {
                Work::Configure => DueStep::Configure,
                Work::Upload => DueStep::Upload,
                Work::Leave { to: Some(to) } => DueStep::Transfer(to.clone()),
                Work::Leave { to: None } => DueStep::Release,
                Work::Announce => DueStep::Announce,
            }),
            image,
            info: record.info.as_deref().and_then(|info| DeviceInfo::decode(info).ok()),
            goodbye: record
                .goodbye
                .and_then(|number| GoodbyeReason::ALL.into_iter().find(|reason| reason.number() == number)),
            seen: record.seen_unix_millis.map(Timestamp::from_unix_millis),
            replaced_by: record.replaced_by,
            replaces: record.replaces,
            registrant: record.registrant,
        }
    }
}

/// Reads one device.
#[derive(Clone, Debug)]
pub struct ReadDevice {
    /// The device.
    pub device: Uuid,
    /// Who asks.
    pub by: Registrant,
}

impl Operation for ReadDevice {
    /// `None`: unknown, or another registrant's; both alike.
    type Reply = Result<Option<DeviceView>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            let record = ManagedDevice::read(snapshot, self.device)?;
            let seen = record.filter(|record| self.by.sees(record));
            Ok(seen.map(|record| DeviceView::of(self.device, record)))
        })
    }
}

/// Devices per page of [`ListDevices`], channels per page of [`ListChannels`].
const PAGE: usize = 200;

/// Lists devices in the order of their UUIDs.
#[derive(Clone, Debug)]
pub struct ListDevices {
    /// Read on after this device.
    pub after: Option<Uuid>,
    /// Who asks.
    pub by: Registrant,
}

impl ListDevices {
    fn range(&self) -> Range {
        let after = self.after.map(|device| device.0.to_vec());
        Range { space: DEVICE, prefix: Vec::new(), after, limit: PAGE }
    }

    fn list(&self, snapshot: &Snapshot) -> Result<(Vec<DeviceView>, Option<Uuid>), BadRecord> {
        let page = snapshot.page(&self.range());
        let (mut seen, mut last) = (Vec::new(), None);
        for (key, stored) in &page.records {
            let device = Uuid(key.name.as_slice().try_into().map_err(|_| BadRecord)?);
            last = Some(device);
            let record = ManagedDevice::from_value(&stored.value)?;
            if self.by.sees(&record) {
                seen.push(DeviceView::of(device, record));
            }
        }
        Ok((seen, last.filter(|_| page.more)))
    }
}

impl Operation for ListDevices {
    /// A page, and the cursor for the next one when there is more.
    type Reply = Result<(Vec<DeviceView>, Option<Uuid>), BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default().with_range(self.range())
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        decided(|_| self.list(snapshot))
    }
}

/// Lists channels between devices, each from both ends, in the order of device and peer.
#[derive(Clone, Copy, Debug)]
pub struct ListLinks {
    /// Read on after this device and peer.
    pub after: Option<(Uuid, Uuid)>,
}

impl ListLinks {
    fn range(self) -> Range {
        let after = self.after.map(|(device, peer)| [device.0, peer.0].concat());
        Range { space: LINK, prefix: Vec::new(), after, limit: PAGE }
    }

    fn list(self, snapshot: &Snapshot) -> Result<Vec<LinkView>, BadRecord> {
        let records = snapshot.page(&self.range()).records.iter();
        let read = records.map(|(key, record)| {
            let link: StoredLink = ledger::from_bytes(&record.value)?;
            let (device, peer) = key.name.split_at_checked(16).ok_or(BadRecord)?;
            Ok(LinkView {
                device: Uuid(device.try_into().map_err(|_| BadRecord)?),
                peer: Uuid(peer.try_into().map_err(|_| BadRecord)?),
                kind: link.kind,
                opens: link.opens,
                channel: link.channel,
                order: link.order,
            })
        });
        read.collect()
    }
}

impl Operation for ListLinks {
    /// A page; the last entry is the cursor for the next.
    type Reply = Result<Vec<LinkView>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default().with_range(self.range())
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        decided(|_| self.list(snapshot))
    }
}
