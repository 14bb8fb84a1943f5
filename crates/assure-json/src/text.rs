//! Values that stand in JSON as text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize as _, Deserializer, Serializer};

/// A UUID in its hyphenated form.
pub(crate) mod uuid {
    use super::{Deserializer, Serializer};
    use model::Uuid;
    use serde::de::Error as _;

    pub(crate) fn serialize<S: Serializer>(uuid: &Uuid, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(uuid)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Uuid, D::Error> {
        let text = <std::borrow::Cow<'_, str> as serde::Deserialize>::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// Bytes in padded standard Base64.
pub(crate) mod bytes {
    use super::{Deserializer, Serializer, decode, encode};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = <std::borrow::Cow<'_, str> as serde::Deserialize>::deserialize(from)?;
        decode(&text)
    }
}

/// A list of byte strings in padded standard Base64.
pub(crate) mod byte_list {
    use super::{Deserializer, Serializer, decode, encode};

    pub(crate) fn serialize<S: Serializer>(list: &[Vec<u8>], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(list.iter().map(|bytes| encode(bytes)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Vec<u8>>, D::Error> {
        let list = <Vec<String> as serde::Deserialize>::deserialize(from)?;
        list.iter().map(|text| decode(text)).collect()
    }
}

fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn decode<E: serde::de::Error>(text: &str) -> Result<Vec<u8>, E> {
    STANDARD.decode(text).map_err(E::custom)
}

/// An optional public key in PEM.
pub(crate) mod public_key {
    use super::{Deserializer, Serializer, custom, optional_text};
    use crypto::PublicKey;

    use crate::pem::{public_key_from_pem, public_key_to_pem};

    pub(crate) fn serialize<S: Serializer>(key: &Option<PublicKey>, to: S) -> Result<S::Ok, S::Error> {
        match key {
            Some(key) => to.serialize_some(&public_key_to_pem(key)),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PublicKey>, D::Error> {
        let text = optional_text(from)?;
        text.map(|text| public_key_from_pem(&text)).transpose().map_err(custom)
    }
}

fn optional_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Option::<String>::deserialize(from)
}

fn custom<E: serde::de::Error>(reason: impl std::fmt::Display) -> E {
    E::custom(reason)
}
