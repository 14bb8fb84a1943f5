//! The key spaces of a management system's store.

use ledger::BadRecord;
use model::{KeyId, Uuid};
use store::{Key, Space};

/// The owner itself: one record.
const OWNER: Space = Space(0x30);
/// Devices by UUID.
pub(crate) const DEVICE: Space = Space(0x31);
/// The last configuration of a device by UUID.
pub(crate) const CONFIGURATION: Space = Space(0x32);
/// The image last built for a device by UUID.
pub(crate) const IMAGE: Space = Space(0x33);
/// Devices by the key id of their management channel's secret.
const BY_CHANNEL_KEY: Space = Space(0x34);
/// Devices by the SHA-256 of their public key.
const BY_PUBLIC_KEY: Space = Space(0x35);
/// Orders by device and number.
pub(crate) const ORDER: Space = Space(0x36);
/// Channels between devices, by the device at one end and the one at the other.
pub(crate) const LINK: Space = Space(0x37);
/// Devices for which a step towards the authority is due, by UUID.
pub(crate) const WORK: Space = Space(0x38);

/// The record of the owner itself.
pub(crate) fn owner_key() -> Key {
    Key::new(OWNER, Vec::new())
}

/// The record of `device` in `space`.
pub(crate) fn device_key(space: Space, device: Uuid) -> Key {
    Key::new(space, device.0)
}

/// Which device has this channel secret.
pub(crate) fn by_channel_key(id: KeyId) -> Key {
    Key::new(BY_CHANNEL_KEY, id.0)
}

/// Which device has the public key with this SHA-256.
pub(crate) fn by_public_key(digest: [u8; 32]) -> Key {
    Key::new(BY_PUBLIC_KEY, digest)
}

/// Order `number` of `device`; numbers sort as they were given.
pub(crate) fn order_key(device: Uuid, number: u64) -> Key {
    Key::new(ORDER, [&device.0[..], &number.to_be_bytes()].concat())
}

/// The channel between `device` and `peer`, as `device` sees it.
pub(crate) fn link_key(device: Uuid, peer: Uuid) -> Key {
    Key::new(LINK, [device.0, peer.0].concat())
}

/// The version byte of values that are no records.
const FORMAT: u8 = 1;

/// The stored form of bytes that are no record.
pub(crate) fn versioned(bytes: &[u8]) -> Vec<u8> {
    [&[FORMAT], bytes].concat()
}

/// The bytes in the stored form.
pub(crate) fn unversioned(stored: &[u8]) -> Result<&[u8], BadRecord> {
    stored.strip_prefix(&[FORMAT]).ok_or(BadRecord)
}
