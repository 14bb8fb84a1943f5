//! What the authority's servers say to each other.
//!
//! Source: decision G 31 of the layouts.

use serde::{Deserialize, Serialize};

use crate::ConfiguredDevice;
use crate::text;

/// Who owns a device: the answer of `GetDeviceOwner`, and what a mirror is ahead with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerMessage {
    /// The owner sequence number.
    pub seq: u32,
    /// The owner's management id; `null` while the device is released.
    pub owner: Option<String>,
}

/// `SetDeviceOwner` and `ResetDeviceBootstrap` towards the bootstrap server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerChangeMessage {
    /// Names the change, 32 hex digits; repeating it is harmless.
    pub operation: String,
    /// What holds after it.
    #[serde(flatten)]
    pub owner: OwnerMessage,
}

/// `CreateDevice` towards the bootstrap server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateMessage {
    /// Names the upload, 32 hex digits; repeating it is harmless.
    pub operation: String,
}

/// The answer of `GetDeviceData`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceDataMessage {
    /// The device part of the configuration.
    pub device: ConfiguredDevice,
    /// The bootstrap server's authenticated key for this device (7.4).
    #[serde(with = "text::bytes")]
    pub bootstrap_key: Vec<u8>,
}

/// Public keys of the bootstrap server to be signed as class 3, and the answer with the signed keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysMessage {
    /// SubjectPublicKeyInfo in the request, authenticated keys (7.4) in the answer; EC first, then RSA.
    #[serde(with = "text::byte_list")]
    pub keys: Vec<Vec<u8>>,
}

/// One device in the list with which mirrors are compared after a restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorMessage {
    /// The device's UUID.
    pub device: String,
    /// What the bootstrap server has.
    #[serde(flatten)]
    pub owner: OwnerMessage,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_carry_their_owner_flat() {
        let owner = OwnerMessage { seq: 3, owner: None };
        let change = OwnerChangeMessage { operation: "00".repeat(16), owner };
        let json = serde_json::to_string(&change).unwrap();
        assert_eq!(json, format!(r#"{{"operation":"{}","seq":3,"owner":null}}"#, "00".repeat(16)));
        assert_eq!(serde_json::from_str::<OwnerChangeMessage>(&json).unwrap(), change);
    }
}
