//! The key spaces of a load balancer's store.

use osap_proto::Serial;
use store::{Key, Space};

/// Devices by serial.
pub(crate) const DEVICE: Space = Space(0x60);

/// The record of the device with this serial.
pub(crate) fn device_key(serial: &Serial) -> Key {
    Key::new(DEVICE, serial.as_bytes())
}
