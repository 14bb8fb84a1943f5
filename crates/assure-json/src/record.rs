//! What the maker uploads about one device.

use std::collections::BTreeMap;

use crypto::{PublicKey, Secret};
use model::{Uuid, bytes_from_hex, hex};
use serde::{Deserialize, Serialize};

use crate::text;

/// Shortest device secret in bytes.
/// Source: aSSURE 6.2.3.
pub const SECRET_LENGTH_MIN: usize = 16;
/// Longest device secret in bytes.
/// Source: decision G 7.
pub const SECRET_LENGTH_MAX: usize = 64;

/// What a device can do during bootstrap beyond SHA-256, AES-128 and shared secrets.
///
/// Flags that are not known here are kept and passed on.
/// Source: aSSURE 9.2.1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// The device has elliptic-curve keys.
    pub ec_capable: bool,
    /// The device has RSA keys.
    pub rsa_capable: bool,
    /// The device has SHA-384.
    pub sha384_capable: bool,
    /// The device has SHA-512.
    pub sha512_capable: bool,
    /// The device has AES-256.
    pub aes256_capable: bool,
    /// Flags of later versions.
    #[serde(flatten)]
    pub more: BTreeMap<String, serde_json::Value>,
}

/// The key a device was born with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceKey {
    /// A shared secret of 16 to 64 bytes.
    Secret(Secret),
    /// An EC or RSA public key.
    Public(PublicKey),
}

/// The manufacture record of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRecord {
    /// The device's UUID.
    pub id: Uuid,
    /// The bootstrap server it will ask.
    pub bootstrap_server: u32,
    /// The string on its case, in canonical form: 32 lower-case hex digits.
    pub case_string: Secret,
    /// Its key.
    pub key: DeviceKey,
    /// The parameter set that describes its configuration.
    pub parameter_set: Uuid,
    /// What it can do.
    pub capabilities: Capabilities,
}

/// Why bytes are no manufacture record. The bytes themselves are never repeated: they hold secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRecord {
    /// Not the JSON object of 9.2.1: syntax, a missing, mistyped or additional field.
    Json,
    /// Both a secret and a public key, or none of them.
    NotOneKey,
    /// The secret is no hex or not 16 to 64 bytes long.
    Secret,
    /// The public key is not PEM of an accepted key.
    PublicKey,
    /// The case string is not 128 bits in hex.
    CaseString,
}

/// The JSON object as it travels. Nothing may stand in it besides the fields of 9.2.1.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(with = "text::uuid")]
    id: Uuid,
    bootstrap_server: u32,
    case_string: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shared_secret: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    #[serde(with = "text::uuid")]
    parameter_set: Uuid,
    capabilities: Capabilities,
}

impl DeviceRecord {
    /// The JSON of 9.2.1; a secret, because it holds the case string and perhaps the device secret.
    #[must_use]
    pub fn to_json(&self) -> Secret {
        let (shared_secret, public_key) = match &self.key {
            DeviceKey::Secret(secret) => (Some(hex(secret.expose())), None),
            DeviceKey::Public(key) => (None, Some(crate::public_key_to_pem(key))),
        };
        let wire = Wire {
            id: self.id,
            bootstrap_server: self.bootstrap_server,
            case_string: String::from_utf8_lossy(self.case_string.expose()).into_owned(),
            shared_secret,
            public_key,
            parameter_set: self.parameter_set,
            capabilities: self.capabilities.clone(),
        };
        Secret::new(serde_json::to_vec(&wire).expect("a record has only text keys"))
    }

    /// Reads the JSON of 9.2.1.
    ///
    /// # Errors
    /// See [`BadRecord`].
    pub fn from_json(json: &[u8]) -> Result<Self, BadRecord> {
        let wire: Wire = serde_json::from_slice(json).map_err(|_| BadRecord::Json)?;
        let key = match (wire.shared_secret, wire.public_key) {
            (Some(secret), None) => DeviceKey::Secret(secret_from_hex(&secret)?),
            (None, Some(pem)) => {
                DeviceKey::Public(crate::public_key_from_pem(&pem).map_err(|_| BadRecord::PublicKey)?)
            }
            (Some(_), Some(_)) | (None, None) => return Err(BadRecord::NotOneKey),
        };
        let case_digits = wire.case_string.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !case_digits || wire.case_string.len() != 32 {
            return Err(BadRecord::CaseString);
        }
        Ok(Self {
            id: wire.id,
            bootstrap_server: wire.bootstrap_server,
            case_string: Secret::new(wire.case_string.into_bytes()),
            key,
            parameter_set: wire.parameter_set,
            capabilities: wire.capabilities,
        })
    }
}

fn secret_from_hex(digits: &str) -> Result<Secret, BadRecord> {
    let secret = bytes_from_hex(digits).map(Secret::new).map_err(|_| BadRecord::Secret)?;
    let fits = (SECRET_LENGTH_MIN..=SECRET_LENGTH_MAX).contains(&secret.len());
    if fits { Ok(secret) } else { Err(BadRecord::Secret) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: DeviceKey) -> DeviceRecord {
        DeviceRecord {
            id: Uuid::v4([1; 16]),
            bootstrap_server: 7,
            case_string: Secret::from(&b"0123456789abcdef0123456789abcdef"[..]),
            key,
            parameter_set: Uuid::v4([2; 16]),
            capabilities: Capabilities { ec_capable: true, ..Capabilities::default() },
        }
    }

    fn with_secret() -> DeviceRecord {
        record(DeviceKey::Secret(Secret::from(&[3; 32][..])))
    }

    fn edited(
        edit: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>),
    ) -> Result<DeviceRecord, BadRecord> {
        let mut json: serde_json::Value = serde_json::from_slice(with_secret().to_json().expose()).unwrap();
        edit(json.as_object_mut().unwrap());
        DeviceRecord::from_json(json.to_string().as_bytes())
    }

    // verifies: ASSURE-9.2.1-02, ASSURE-9.2.1-05, ASSURE-9.2.1-06, ASSURE-9.2.1-09
    #[test]
    fn records_go_both_ways_with_one_kind_of_key() {
        let point = [&[4][..], &[7; 64]].concat();
        let public = PublicKey::from_point(crypto::Curve::P256, &point).unwrap();
        for (record, absent) in
            [(with_secret(), "public_key"), (record(DeviceKey::Public(public)), "shared_secret")]
        {
            let json = record.to_json();
            let text = String::from_utf8(json.expose().to_vec()).unwrap();
            assert!(!text.contains(absent), "{text}");
            assert_eq!(DeviceRecord::from_json(json.expose()), Ok(record));
        }
    }

    // verifies: ASSURE-9.1-02, ASSURE-9.2.1-07, ASSURE-6.2.3-01, ASSURE-6.2.4-04
    #[test]
    fn records_that_9_2_1_does_not_know_are_refused() {
        let text = |text: &str| serde_json::Value::from(text);
        assert!(edited(|_| ()).is_ok());
        let pem = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----";
        assert_eq!(edited(|o| drop(o.insert("public_key".into(), text(pem)))), Err(BadRecord::NotOneKey));
        assert_eq!(edited(|o| drop(o.remove("shared_secret"))), Err(BadRecord::NotOneKey));
        assert_eq!(edited(|o| drop(o.insert("owner".into(), text("me")))), Err(BadRecord::Json));
        assert_eq!(edited(|o| drop(o.remove("id"))), Err(BadRecord::Json));
        assert_eq!(edited(|o| drop(o.insert("bootstrap_server".into(), (-1).into()))), Err(BadRecord::Json));
        for secret in ["00".repeat(15), "00".repeat(65), "zz".repeat(16), "0".repeat(33)] {
            let refused = edited(|o| drop(o.insert("shared_secret".into(), text(&secret))));
            assert_eq!(refused, Err(BadRecord::Secret), "{secret}");
        }
        for case in ["00".repeat(15), "0A".repeat(16), String::new()] {
            let refused = edited(|o| drop(o.insert("case_string".into(), text(&case))));
            assert_eq!(refused, Err(BadRecord::CaseString), "{case}");
        }
        let json = with_secret().to_json();
        for length in 0..json.len() {
            assert_eq!(DeviceRecord::from_json(&json.expose()[..length]), Err(BadRecord::Json));
        }
    }

    // verifies: ASSURE-9.2.1-10
    #[test]
    fn unknown_capabilities_are_kept() {
        let read = edited(|o| {
            let capabilities = o["capabilities"].as_object_mut().unwrap();
            capabilities.insert("sha3_capable".into(), true.into());
        });
        let record = read.unwrap();
        assert_eq!(record.capabilities.more["sha3_capable"], true);
        assert_eq!(DeviceRecord::from_json(record.to_json().expose()), Ok(record));
    }
}
