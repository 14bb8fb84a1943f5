//! The keys and channels of one device, as its owner sees them: public parts alone.

use assure_json::DeviceStatus;
use assure_proto::Privileges;
use clock::{Now, Timestamp};
use ledger::BadRecord;
use model::{KeyId, Uuid};
use store::{Decision, Key, Operation, ReadSet, Snapshot, decided};

use crate::device::{KeyKind, ManagedDevice};
use crate::spaces::{DEVICE, device_key};
use crate::topology::{LinkKind, links_of, read_links};

/// The device whose record stands under `key`; `None` for records of other kinds.
#[must_use]
pub fn device_of(key: &Key) -> Option<Uuid> {
    let is_device = key.space == DEVICE;
    is_device.then(|| key.name.as_slice().try_into().ok().map(Uuid)).flatten()
}

/// Whose key it is, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOwner {
    /// The device's own, with which it was born.
    Device,
    /// Ours towards the device.
    Us,
    /// Of the channel between both.
    ManagementChannel,
    /// Of the channel to this device.
    Channel(Uuid),
}

/// One key that concerns a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyView {
    /// Its id.
    pub id: KeyId,
    /// Whose it is.
    pub of: KeyOwner,
    /// Its kind; shared secrets have no public part.
    pub kind: KeyKind,
    /// The public part as SubjectPublicKeyInfo, where it stands in the device's record.
    pub spki: Option<Vec<u8>>,
}

/// The keys of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceKeys {
    /// The device's own first; none while it is not ours.
    pub keys: Vec<KeyView>,
}

/// Reads the keys that concern a device.
#[derive(Clone, Copy, Debug)]
pub struct ReadDeviceKeys {
    /// The device.
    pub device: Uuid,
}

impl ReadDeviceKeys {
    fn read(self, snapshot: &Snapshot) -> Result<DeviceKeys, BadRecord> {
        let record = ManagedDevice::read(snapshot, self.device)?;
        let Some(owned) = record.as_ref().and_then(ManagedDevice::in_use) else {
            return Ok(DeviceKeys { keys: Vec::new() });
        };
        let spki = Some(owned.spki.clone()).filter(|spki| !spki.is_empty());
        let id = KeyId::from(self.device);
        let mut keys = vec![
            KeyView { id, of: KeyOwner::Device, kind: owned.kind, spki },
            KeyView { id: owned.owner_key, of: KeyOwner::Us, kind: owned.kind, spki: None },
        ];
        if let Some(channel) = &owned.channel {
            let kind = KeyKind::SharedSecret;
            keys.push(KeyView { id: channel.id, of: KeyOwner::ManagementChannel, kind, spki: None });
        }
        for (peer, link) in read_links(snapshot, self.device)? {
            let kind = match link.kind {
                LinkKind::Ec | LinkKind::IssuedEc => KeyKind::Ec,
                LinkKind::Rsa | LinkKind::IssuedRsa => KeyKind::Rsa,
                LinkKind::SharedSecret => KeyKind::SharedSecret,
            };
            for id in &link.keys {
                let id = KeyId(id.as_slice().try_into().map_err(|_| BadRecord)?);
                keys.push(KeyView { id, of: KeyOwner::Channel(peer), kind, spki: None });
            }
        }
        Ok(DeviceKeys { keys })
    }
}

impl Operation for ReadDeviceKeys {
    type Reply = Result<DeviceKeys, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device)]).with_range(links_of(self.device))
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        decided(|_| self.read(snapshot))
    }
}

/// A channel of a device to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceLink {
    /// The other device.
    pub peer: Uuid,
    /// By what it is secured.
    pub kind: LinkKind,
    /// Its number on this device.
    pub channel: u16,
    /// The order that makes it on this device.
    pub order: u64,
    /// Ids of the keys that this device was given for it.
    pub keys: Vec<Vec<u8>>,
    /// What the peer may do here.
    pub privileges: Privileges,
}

/// The channels of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceChannels {
    /// Its status, which tells of its channel to us.
    pub status: DeviceStatus,
    /// Since when.
    pub since: Timestamp,
    /// By what kind of key it proves itself to us, once it is ours.
    pub kind: Option<KeyKind>,
    /// To other devices, by peer.
    pub links: Vec<DeviceLink>,
}

/// Reads the channels of a device.
#[derive(Clone, Copy, Debug)]
pub struct ReadDeviceChannels {
    /// The device.
    pub device: Uuid,
}

impl Operation for ReadDeviceChannels {
    /// `None`: there is no such device.
    type Reply = Result<Option<DeviceChannels>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device)]).with_range(links_of(self.device))
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            let Some(record) = ManagedDevice::read(snapshot, self.device)? else { return Ok(None) };
            let links = read_links(snapshot, self.device)?.into_iter().map(|(peer, link)| DeviceLink {
                peer,
                kind: link.kind,
                channel: link.channel,
                order: link.order,
                privileges: link.privileges(),
                keys: link.keys,
            });
            Ok(Some(DeviceChannels {
                status: record.status(),
                since: Timestamp::from_unix_millis(record.since_unix_millis),
                kind: record.in_use().map(|owned| owned.kind),
                links: links.collect(),
            }))
        })
    }
}
