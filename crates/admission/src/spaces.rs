//! The key spaces of a load balancer's store.

use osap_proto::Serial;
use store::{Key, Space};

/// Devices by serial.
pub(crate) const DEVICE: Space = Space(0x60);

/// Sessions of devices of type 1, by serial.
const COMPAT_SESSION: Space = Space(0x61);

/// Whether the listener of type 1 was on when this server ran last.
const COMPAT_SWITCH: Space = Space(0x62);

/// The record of the switch of type 1; there while it is on.
pub(crate) fn compat_switch_key() -> Key {
    Key::new(COMPAT_SWITCH, &b""[..])
}

/// The session of type 1 of this serial.
pub(crate) fn compat_session_key(serial: &Serial) -> Key {
    Key::new(COMPAT_SESSION, serial.as_bytes())
}

/// The record of the device with this serial.
pub(crate) fn device_key(serial: &Serial) -> Key {
    Key::new(DEVICE, serial.as_bytes())
}
