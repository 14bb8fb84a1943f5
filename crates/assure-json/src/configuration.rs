//! What the owner gateway tells an owner about its device.

use crypto::PublicKey;
use model::Uuid;
use serde::{Deserialize, Serialize};

use crate::text;
use crate::{Capabilities, ParameterChoice};

/// The configuration of one device: what its owner needs to build a bootstrap image.
/// Source: aSSURE 15.2 with rulings A-ASSURE-38, -44, -45 and decision D-16.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// The manufacture record without secrets.
    pub device: ConfiguredDevice,
    /// Authenticated keys (7.4) in the order in which the image must carry them.
    #[serde(with = "text::byte_list")]
    pub authenticated_keys: Vec<Vec<u8>>,
    /// The signed owner data (15.5).
    #[serde(with = "text::bytes")]
    pub owner_information: Vec<u8>,
    /// What the device wants to be told; the owner picks one.
    pub parameter_choices: Vec<ParameterChoice>,
}

/// The device part of a [`Configuration`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfiguredDevice {
    /// The device's UUID.
    #[serde(with = "text::uuid")]
    pub id: Uuid,
    /// The bootstrap server it will ask.
    pub bootstrap_server: u32,
    /// The key to encrypt to; absent for devices that know only a secret.
    #[serde(default, with = "text::public_key", skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKey>,
    /// What it can do.
    pub capabilities: Capabilities,
}

impl ConfiguredDevice {
    /// The JSON object of the device part alone, as the identity server issues it.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a device part has only text keys")
    }

    /// Reads the device part alone.
    ///
    /// # Errors
    /// When it is not that JSON.
    pub fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }
}

impl Configuration {
    /// Longest configuration that is read, in bytes.
    pub const LENGTH_MAX: usize = 256 * 1024;

    /// The JSON of 15.2.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a configuration has only text keys")
    }

    /// Reads the JSON of 15.2; unknown fields are ignored.
    ///
    /// # Errors
    /// When it is not that JSON; the message names no contents but positions.
    pub fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // verifies: ASSURE-15.2-01
    #[test]
    fn configurations_go_both_ways() {
        let point = [&[4][..], &[7; 64]].concat();
        let mut configuration = Configuration {
            device: ConfiguredDevice {
                id: Uuid::v4([1; 16]),
                bootstrap_server: 9,
                public_key: PublicKey::from_point(crypto::Curve::P256, &point).ok(),
                capabilities: Capabilities { aes256_capable: true, ..Capabilities::default() },
            },
            authenticated_keys: vec![vec![1, 2, 3], vec![]],
            owner_information: vec![0x83, 5, 1],
            parameter_choices: vec![],
        };
        assert_eq!(Configuration::from_json(&configuration.to_json()).unwrap(), configuration);
        configuration.device.public_key = None;
        let json = String::from_utf8(configuration.to_json()).unwrap();
        assert!(!json.contains("public_key"), "{json}");
        assert!(json.contains(r#""authenticated_keys":["AQID",""]"#), "padded standard Base64: {json}");
        assert_eq!(Configuration::from_json(json.as_bytes()).unwrap(), configuration);
    }
}
