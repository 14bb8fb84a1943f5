//! The oracle's vectors, and what every vector test needs.

use std::path::PathBuf;
use std::sync::Arc;

use assure_proto::{Class, HeldKey, KeyDefinition, Metadata, Root, RootKey, SimpleTime, TimeTrust};
use crypto::{PrivateKey, Provider, PublicKey, Secret};
use crypto_portable::Portable;
use crypto_server::Server;
use model::{KeyId, Uuid, bytes_from_hex};
use serde_json::Value;

/// Both providers of cryptography.
pub(crate) fn providers() -> [&'static dyn Provider; 2] {
    [&Portable, &Server]
}

/// A file of vectors.
pub(crate) fn load(name: &str) -> Value {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "../../conformance/vectors/assure", name].iter().collect();
    let text = std::fs::read_to_string(&path).expect("the vector file is part of the repository");
    serde_json::from_str(&text).expect("the vector file is JSON")
}

/// The vectors of a file: never none.
pub(crate) fn vectors(file: &Value) -> &[Value] {
    let all = file["vectors"].as_array().expect("a list of vectors");
    assert!(!all.is_empty());
    all
}

/// A member that is hexadecimal text.
pub(crate) fn hex(vector: &Value, member: &str) -> Vec<u8> {
    let text = vector[member].as_str().unwrap_or_else(|| panic!("{member} in {vector}"));
    bytes_from_hex(text).expect("hexadecimal text")
}

/// A member that need not be there.
pub(crate) fn hex_if(vector: &Value, member: &str) -> Option<Vec<u8>> {
    vector.get(member).and_then(Value::as_str).map(|text| bytes_from_hex(text).expect("hexadecimal text"))
}

/// A member of 16 bytes.
pub(crate) fn id(vector: &Value, member: &str) -> KeyId {
    KeyId(hex(vector, member).try_into().expect("16 bytes"))
}

/// A member that is a number of 32 bits.
pub(crate) fn number(vector: &Value, member: &str) -> u32 {
    vector[member].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or_else(|| panic!("{member}"))
}

pub(crate) fn name(vector: &Value) -> &str {
    vector["name"].as_str().expect("each vector has a name")
}

/// The reason code of a vector to be refused; none when it is to be accepted.
pub(crate) fn reason(vector: &Value) -> Option<&str> {
    let accepted = vector["accept"].as_bool().expect("each vector has a verdict");
    let reason = vector.get("reason").and_then(Value::as_str);
    assert_eq!(accepted, reason.is_none(), "{}", name(vector));
    reason
}

/// Trusted time, when the vector gives one.
pub(crate) fn time(value: &Value) -> TimeTrust {
    value.as_u64().map_or(TimeTrust::Unknown, |secs| {
        TimeTrust::Trusted(SimpleTime { secs: u32::try_from(secs).expect("32 bits") })
    })
}

/// Metadata as `{"0": uuid, "1": generation}`.
pub(crate) fn metadata(value: &Value) -> Metadata {
    let device = hex_if(value, "0").map(|uuid| Uuid(uuid.try_into().expect("16 bytes")));
    let generation = value.get("1").map(|_| number(value, "1"));
    Metadata { device, generation }
}

/// A key that is present from the start.
pub(crate) fn root(value: &Value) -> Root {
    let class = Class::from_number(u8::try_from(number(value, "class")).expect("a class")).expect("a class");
    let key = match (hex_if(value, "definition"), hex_if(value, "spki"), hex_if(value, "secret")) {
        (Some(definition), ..) => {
            let definition = KeyDefinition::decode(&definition).expect("a definition");
            RootKey::Public(definition.public_key().expect("a public key").clone())
        }
        (None, Some(spki), _) => RootKey::Public(PublicKey::from_spki(&spki).expect("a public key")),
        (None, None, secret) => RootKey::Secret(Secret::new(secret.expect("some key"))),
    };
    let metadata = value.get("metadata").map_or(Metadata::NONE, metadata);
    Root { class, key_id: id(value, "key_id"), key, metadata }
}

/// A secret or private key of a vector; `None` when the provider has no such private keys.
pub(crate) enum OwnKey {
    Secret(Secret),
    Private(Arc<dyn PrivateKey>),
}

impl OwnKey {
    pub(crate) fn read(provider: &dyn Provider, value: &Value) -> Option<Self> {
        if let Some(secret) = hex_if(value, "secret") {
            return Some(Self::Secret(Secret::new(secret)));
        }
        match provider.import_key(&hex(value, "private_key")) {
            Ok(key) => Some(Self::Private(key)),
            Err(error) => {
                assert_eq!(error, crypto::CryptoError::Unsupported, "{value}");
                None
            }
        }
    }

    pub(crate) fn held(&self) -> HeldKey<'_> {
        match self {
            Self::Secret(secret) => HeldKey::Secret(secret),
            Self::Private(key) => HeldKey::Private(&**key),
        }
    }
}
