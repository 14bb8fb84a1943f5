//! How far a device has come, and what it says of itself.

use model::Uuid;
use serde::{Deserialize, Serialize};

use crate::text;

/// How far a device has come on its way into service.
/// Source: aSSURE 11.2.3 with ruling A-ASSURE-88.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum DeviceStatus {
    /// Nothing is known of it.
    Unknown = 0,
    /// Registered with the management system, not claimed yet.
    Registered = 1,
    /// The authority has assigned it to this owner.
    OwnershipAssigned = 2,
    /// Its configuration has been fetched.
    ConfigurationFetched = 3,
    /// Its bootstrap image waits for it.
    BootstrapUploaded = 4,
    /// It has reported its presence.
    InService = 5,
    /// It said goodbye.
    Offline = 6,
    /// It does not answer.
    Unreachable = 7,
    /// Another device took its place.
    Replaced = 8,
    /// It belongs to somebody else, or to nobody.
    Released = 9,
    /// The authority refused the claim.
    OwnershipRefused = 100,
    /// Its bootstrap failed.
    BootstrapFailed = 101,
    /// Its management channel failed.
    ChannelFailed = 102,
}

impl DeviceStatus {
    /// All values, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::Unknown,
        Self::Registered,
        Self::OwnershipAssigned,
        Self::ConfigurationFetched,
        Self::BootstrapUploaded,
        Self::InService,
        Self::Offline,
        Self::Unreachable,
        Self::Replaced,
        Self::Released,
        Self::OwnershipRefused,
        Self::BootstrapFailed,
        Self::ChannelFailed,
    ];

    /// The number in the answer.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The value with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.number() == number)
    }

    /// The text in the answer.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Registered => "registered, waiting to be claimed",
            Self::OwnershipAssigned => "ownership assigned",
            Self::ConfigurationFetched => "configuration fetched",
            Self::BootstrapUploaded => "bootstrap uploaded, waiting for the device",
            Self::InService => "in service",
            Self::Offline => "offline: the device said goodbye",
            Self::Unreachable => "unreachable: the device does not answer",
            Self::Replaced => "replaced by another device",
            Self::Released => "released or transferred",
            Self::OwnershipRefused => "the authority refused the claim",
            Self::BootstrapFailed => "the bootstrap failed",
            Self::ChannelFailed => "the management channel failed",
        }
    }
}

/// The answer of GET status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusAnswer {
    /// The number of a [`DeviceStatus`].
    pub status: u8,
    /// Helpful text.
    pub description: String,
}

impl From<DeviceStatus> for StatusAnswer {
    fn from(status: DeviceStatus) -> Self {
        Self { status: status.number(), description: status.description().into() }
    }
}

/// What a device says of itself; only the id must be filled.
/// Source: aSSURE 11.2.4, 10.1.17.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// The device's UUID.
    #[serde(with = "text::uuid")]
    pub device_id: Uuid,
    /// MAC address as colon-separated hex, or empty.
    pub device_mac_address: String,
    /// Who made the device.
    pub device_manufacturer: String,
    /// The maker's product code.
    pub device_product_code: String,
    /// The maker's serial number.
    pub device_serial_number: String,
    /// When it was built.
    pub device_build_date: String,
    /// Who made its software.
    pub software_manufacturer: String,
    /// The software's product code.
    pub software_product_code: String,
    /// The software's version.
    pub software_version: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    // verifies: ASSURE-11.2.3-02, ASSURE-11.2.3-03
    #[test]
    fn every_status_has_a_number_and_a_text() {
        for status in DeviceStatus::ALL {
            assert_eq!(DeviceStatus::from_number(status.number()), Some(status));
            assert!(!status.description().is_empty());
        }
        assert_eq!(DeviceStatus::from_number(10), None);
        let json = serde_json::to_string(&StatusAnswer::from(DeviceStatus::InService)).unwrap();
        assert_eq!(json, r#"{"status":5,"description":"in service"}"#);
    }
}
