//! The world in which the oracle's vectors were made: keys, roots, ids.

use std::sync::Arc;

use assure_proto::{Class, HeldKey, KeyDefinition, Metadata, Root, RootKey};
use crypto::{PrivateKey, Provider as _, PublicKey, Secret};
use crypto_server::Server;
use model::{KeyId, Uuid};
use serde_json::Value;

use crate::vectors::hex;

/// A member of 16 bytes.
pub(super) fn id16(value: &Value, member: &str) -> [u8; 16] {
    hex(value, member).and_then(|bytes| bytes.try_into().ok()).expect("an id of 16 bytes")
}

pub(super) fn uuid(value: &Value, member: &str) -> Uuid {
    Uuid(id16(value, member))
}

pub(super) fn key_id(value: &Value, member: &str) -> KeyId {
    KeyId(id16(value, member))
}

/// A private key that the server's provider can use.
pub(super) fn private_key(value: &Value) -> Arc<dyn PrivateKey> {
    Server.import_key(&hex(value, "private_key").expect("a private key")).expect("a key of the vectors")
}

/// The public key of a definition.
pub(super) fn public(value: &Value) -> PublicKey {
    let definition = KeyDefinition::decode(&hex(value, "definition").expect("a definition"));
    definition.expect("a definition").public_key().expect("a public key").clone()
}

/// A device's secret or private key.
pub(super) enum OwnKey {
    Secret(Secret),
    Private(Arc<dyn PrivateKey>),
}

impl OwnKey {
    pub(super) fn of(value: &Value) -> Self {
        match hex(value, "secret") {
            Some(secret) => Self::Secret(Secret::new(secret)),
            None => Self::Private(private_key(value)),
        }
    }

    pub(super) fn held(&self) -> HeldKey<'_> {
        match self {
            Self::Secret(secret) => HeldKey::Secret(secret),
            Self::Private(key) => HeldKey::Private(&**key),
        }
    }
}

/// A key that is present from the start.
pub(super) fn root(value: &Value) -> Root {
    let class = value["class"].as_u64().and_then(|number| u8::try_from(number).ok());
    let class = class.and_then(Class::from_number).expect("a class");
    let key = match (hex(value, "definition"), hex(value, "spki"), hex(value, "secret")) {
        (Some(_), ..) => RootKey::Public(public(value)),
        (None, Some(spki), _) => RootKey::Public(PublicKey::from_spki(&spki).expect("a public key")),
        (None, None, secret) => RootKey::Secret(Secret::new(secret.expect("some key"))),
    };
    Root { class, key_id: key_id(value, "key_id"), key, metadata: Metadata::NONE }
}
