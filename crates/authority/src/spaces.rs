//! The key spaces of the authority's stores.

use model::{ManagementId, Uuid};
use store::{Key, Range, Space};

use crate::stored::BadRecord;

pub use ledger::AUDIT;

/// Registration: devices by UUID.
pub(crate) const DEVICE: Space = Space(0x10);
/// Registration: management systems by id.
pub(crate) const MANAGEMENT: Space = Space(0x11);
/// Registration: announced transfers by receiver and device.
pub(crate) const ANNOUNCED: Space = Space(0x12);
/// Registration: parameter sets by UUID.
pub(crate) const PARAMETER_SET: Space = Space(0x13);
/// Registration: failed claims by management system.
pub(crate) const FAILED_CLAIMS: Space = Space(0x14);
/// Registration: devices whose owner change is on its way, by UUID.
pub(crate) const PENDING: Space = Space(0x15);
/// Any role: the last file read from, and written to, each partner across the air gap.
pub(crate) const GAP: Space = Space(0x16);
/// Any role: files for the air gap that are not known to be written yet, by partner and number.
pub(crate) const GAP_OUTBOX: Space = Space(0x17);
/// Identity: devices by UUID.
pub(crate) const IDENTITY_DEVICE: Space = Space(0x18);
/// Identity: stations by key id.
pub(crate) const STATION: Space = Space(0x19);
/// Any role: keys and settings of the role itself, by name.
pub(crate) const SELF: Space = Space(0x1a);
/// Bootstrap: devices by UUID.
pub(crate) const BOOTSTRAP_DEVICE: Space = Space(0x20);
/// Bootstrap: images by device UUID.
pub(crate) const IMAGE: Space = Space(0x21);

/// Bootstrap: devices by the key that they prove themselves with.
pub(crate) const HOLDER: Space = Space(0x22);

/// The record of `device` in `space`.
pub(crate) fn device_key(space: Space, device: Uuid) -> Key {
    Key::new(space, device.0)
}

/// A page of the records of devices in `space`, behind that of `after`, in the order of their UUIDs.
pub(crate) fn devices_after(space: Space, after: Option<Uuid>, limit: usize) -> Range {
    Range { space, prefix: Vec::new(), after: after.map(|device| device.0.to_vec()), limit }
}

/// The device whose record has this key.
pub(crate) fn device_of(key: &Key) -> Result<Uuid, BadRecord> {
    <[u8; 16]>::try_from(&key.name[..]).map(Uuid).map_err(|_| BadRecord)
}

/// The record of a management system in `space`.
pub(crate) fn management_key(space: Space, id: &ManagementId) -> Key {
    Key::new(space, id.as_str())
}

/// The record `name` of the role itself.
#[must_use]
pub fn own_record(name: &[u8]) -> Key {
    Key::new(SELF, name)
}
