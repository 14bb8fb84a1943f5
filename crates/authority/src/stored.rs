//! How ids, secrets and records are written into the store.
//!
//! Every record is a CBOR map behind a version byte; fields are numbered, so later versions add and old
//! readers ignore.

use minicbor::{Decode, Encode};
use store::{Key, Snapshot};

/// Stored bytes that this version cannot read: our own fault, or a newer version's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRecord;

/// The version byte of every record of this crate.
const FORMAT: u8 = 1;

/// The stored form of `record`.
pub(crate) fn to_bytes<T: Encode<()>>(record: &T) -> Vec<u8> {
    let mut out = vec![FORMAT];
    minicbor::encode(record, &mut out).expect("writing to a vector does not fail");
    out
}

/// Reads the stored form.
pub(crate) fn from_bytes<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Result<T, BadRecord> {
    let body = bytes.strip_prefix(&[FORMAT]).ok_or(BadRecord)?;
    minicbor::decode(body).map_err(|_| BadRecord)
}

/// Reads the record under `key`, if there is one.
pub(crate) fn record<T: for<'b> Decode<'b, ()>>(from: &Snapshot, key: &Key) -> Result<Option<T>, BadRecord> {
    from.value(key).map(from_bytes).transpose()
}

/// A type of 16 bytes.
pub(crate) trait Id16: Sized {
    fn from_id_bytes(bytes: [u8; 16]) -> Self;
    fn id_bytes(&self) -> [u8; 16];
}

macro_rules! id16 {
    ($($type:ty),*) => {$(
        impl Id16 for $type {
            fn from_id_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }
            fn id_bytes(&self) -> [u8; 16] {
                self.0
            }
        }
    )*};
}
id16!(model::Uuid, model::KeyId, crate::registration::OperationId);

/// Fields of 16 bytes: `#[cbor(with = "id16")]`.
pub(crate) mod id16 {
    use super::Id16;
    use minicbor::decode::Error as BadField;
    use minicbor::encode::{Error as Unwritten, Write};
    use minicbor::{Decoder, Encoder};

    pub(crate) fn encode<T: Id16, C, W: Write>(
        id: &T,
        to: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), Unwritten<W::Error>> {
        to.bytes(&id.id_bytes())?.ok()
    }

    pub(crate) fn decode<T: Id16, C>(from: &mut Decoder<'_>, _: &mut C) -> Result<T, BadField> {
        let bytes = from.bytes()?.try_into().map_err(BadField::custom)?;
        Ok(T::from_id_bytes(bytes))
    }
}

/// Management ids: `#[cbor(with = "management_id")]`.
pub(crate) mod management_id {
    use minicbor::decode::Error as BadField;
    use minicbor::encode::{Error as Unwritten, Write};
    use minicbor::{Decoder, Encoder};
    use model::ManagementId;

    pub(crate) fn encode<C, W: Write>(
        id: &ManagementId,
        to: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), Unwritten<W::Error>> {
        to.str(id.as_str())?.ok()
    }

    pub(crate) fn decode<C>(from: &mut Decoder<'_>, _: &mut C) -> Result<ManagementId, BadField> {
        from.str()?.parse().map_err(BadField::custom)
    }
}

/// Optional management ids: `#[cbor(with = "owner")]`; nobody is an empty text.
pub(crate) mod owner {
    use minicbor::decode::Error as BadField;
    use minicbor::encode::{Error as Unwritten, Write};
    use minicbor::{Decoder, Encoder};
    use model::ManagementId;

    pub(crate) fn encode<C, W: Write>(
        id: &Option<ManagementId>,
        to: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), Unwritten<W::Error>> {
        to.str(id.as_ref().map_or("", ManagementId::as_str))?.ok()
    }

    pub(crate) fn decode<C>(from: &mut Decoder<'_>, _: &mut C) -> Result<Option<ManagementId>, BadField> {
        match from.str()? {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(BadField::custom),
        }
    }
}

/// Secrets: `#[cbor(with = "secret")]`.
pub(crate) mod secret {
    use crypto::Secret;
    use minicbor::decode::Error as BadField;
    use minicbor::encode::{Error as Unwritten, Write};
    use minicbor::{Decoder, Encoder};

    pub(crate) fn encode<C, W: Write>(
        secret: &Secret,
        to: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), Unwritten<W::Error>> {
        to.bytes(secret.expose())?.ok()
    }

    pub(crate) fn decode<C>(from: &mut Decoder<'_>, _: &mut C) -> Result<Secret, BadField> {
        Ok(Secret::from(from.bytes()?))
    }
}

/// Points in time in milliseconds: `#[cbor(with = "times")]` for lists.
pub(crate) mod times {
    use clock::Timestamp;
    use minicbor::decode::Error as BadField;
    use minicbor::encode::{Error as Unwritten, Write};
    use minicbor::{Decoder, Encoder};

    pub(crate) fn encode<C, W: Write>(
        times: &[Timestamp],
        to: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), Unwritten<W::Error>> {
        to.array(times.len() as u64)?;
        for at in times {
            to.u64(at.as_unix_millis())?;
        }
        Ok(())
    }

    pub(crate) fn decode<C>(from: &mut Decoder<'_>, _: &mut C) -> Result<Vec<Timestamp>, BadField> {
        from.array_iter::<u64>()?.map(|millis| millis.map(Timestamp::from_unix_millis)).collect()
    }
}

/// Public keys: `#[cbor(with = "public_key")]`, as SubjectPublicKeyInfo.
pub(crate) mod public_key {
    use crypto::PublicKey;
    use minicbor::decode::Error as BadField;
    use minicbor::encode::{Error as Unwritten, Write};
    use minicbor::{Decoder, Encoder};

    pub(crate) fn encode<C, W: Write>(
        key: &PublicKey,
        to: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), Unwritten<W::Error>> {
        to.bytes(key.spki())?.ok()
    }

    pub(crate) fn decode<C>(from: &mut Decoder<'_>, _: &mut C) -> Result<PublicKey, BadField> {
        PublicKey::from_spki(from.bytes()?)
            .map_err(|_| BadField::message("no public key of an accepted form"))
    }
}

/// Lists of byte strings: `#[cbor(with = "byte_list")]`.
pub(crate) mod byte_list {
    use minicbor::decode::Error as BadField;
    use minicbor::encode::{Error as Unwritten, Write};
    use minicbor::{Decoder, Encoder};

    pub(crate) fn encode<C, W: Write>(
        list: &[Vec<u8>],
        to: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), Unwritten<W::Error>> {
        to.array(list.len() as u64)?;
        for bytes in list {
            to.bytes(bytes)?;
        }
        Ok(())
    }

    pub(crate) fn decode<C>(from: &mut Decoder<'_>, _: &mut C) -> Result<Vec<Vec<u8>>, BadField> {
        from.array_iter::<&minicbor::bytes::ByteSlice>()?.map(|bytes| bytes.map(|b| b.to_vec())).collect()
    }
}
