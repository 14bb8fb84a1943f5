//! Fields of records whose types live elsewhere: named with `#[cbor(with = "..")]`.

/// A type of 16 bytes.
pub trait Id16: Sized {
    /// The id of these bytes.
    fn from_id_bytes(bytes: [u8; 16]) -> Self;
    /// Its bytes.
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
id16!(model::Uuid, model::KeyId, model::CorrelationId);

/// Fields of 16 bytes: `#[cbor(with = "id16")]`.
pub mod id16 {
    use super::Id16;
    use minicbor::decode::Error as BadField;
    use minicbor::encode::{Error as Unwritten, Write};
    use minicbor::{Decoder, Encoder};

    /// Writes the field.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn encode<T: Id16, C, W: Write>(
        id: &T,
        to: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), Unwritten<W::Error>> {
        to.bytes(&id.id_bytes())?.ok()
    }

    /// Reads the field.
    ///
    /// # Errors
    /// When it is of another form.
    pub fn decode<T: Id16, C>(from: &mut Decoder<'_>, _: &mut C) -> Result<T, BadField> {
        let bytes = from.bytes()?.try_into().map_err(BadField::custom)?;
        Ok(T::from_id_bytes(bytes))
    }
}

/// Optional UUIDs: `#[cbor(with = "optional_uuid")]`; none is an empty byte string.
pub mod optional_uuid {
    use minicbor::decode::Error as BadField;
    use minicbor::encode::{Error as Unwritten, Write};
    use minicbor::{Decoder, Encoder};
    use model::Uuid;

    /// Writes the field.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn encode<C, W: Write>(
        id: &Option<Uuid>,
        to: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), Unwritten<W::Error>> {
        to.bytes(id.as_ref().map_or(&[], |id| &id.0[..]))?.ok()
    }

    /// Reads the field.
    ///
    /// # Errors
    /// When it is of another form.
    pub fn decode<C>(from: &mut Decoder<'_>, _: &mut C) -> Result<Option<Uuid>, BadField> {
        match from.bytes()? {
            [] => Ok(None),
            bytes => bytes.try_into().map(|bytes| Some(Uuid(bytes))).map_err(BadField::custom),
        }
    }
}

/// Management ids: `#[cbor(with = "management_id")]`.
pub mod management_id {
    use minicbor::decode::Error as BadField;
    use minicbor::encode::{Error as Unwritten, Write};
    use minicbor::{Decoder, Encoder};
    use model::ManagementId;

    /// Writes the field.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn encode<C, W: Write>(
        id: &ManagementId,
        to: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), Unwritten<W::Error>> {
        to.str(id.as_str())?.ok()
    }

    /// Reads the field.
    ///
    /// # Errors
    /// When it is of another form.
    pub fn decode<C>(from: &mut Decoder<'_>, _: &mut C) -> Result<ManagementId, BadField> {
        from.str()?.parse().map_err(BadField::custom)
    }
}

/// Optional management ids: `#[cbor(with = "owner")]`; nobody is an empty text.
pub mod owner {
    use minicbor::decode::Error as BadField;
    use minicbor::encode::{Error as Unwritten, Write};
    use minicbor::{Decoder, Encoder};
    use model::ManagementId;

    /// Writes the field.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn encode<C, W: Write>(
        id: &Option<ManagementId>,
        to: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), Unwritten<W::Error>> {
        to.str(id.as_ref().map_or("", ManagementId::as_str))?.ok()
    }

    /// Reads the field.
    ///
    /// # Errors
    /// When it is of another form.
    pub fn decode<C>(from: &mut Decoder<'_>, _: &mut C) -> Result<Option<ManagementId>, BadField> {
        match from.str()? {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(BadField::custom),
        }
    }
}

/// Secrets: `#[cbor(with = "secret")]`.
pub mod secret {
    use crypto::Secret;
    use minicbor::decode::Error as BadField;
    use minicbor::encode::{Error as Unwritten, Write};
    use minicbor::{Decoder, Encoder};

    /// Writes the field.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn encode<C, W: Write>(
        secret: &Secret,
        to: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), Unwritten<W::Error>> {
        to.bytes(secret.expose())?.ok()
    }

    /// Reads the field.
    ///
    /// # Errors
    /// When it is of another form.
    pub fn decode<C>(from: &mut Decoder<'_>, _: &mut C) -> Result<Secret, BadField> {
        Ok(Secret::from(from.bytes()?))
    }
}

/// Points in time in milliseconds: `#[cbor(with = "times")]` for lists.
pub mod times {
    use clock::Timestamp;
    use minicbor::decode::Error as BadField;
    use minicbor::encode::{Error as Unwritten, Write};
    use minicbor::{Decoder, Encoder};

    /// Writes the field.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn encode<C, W: Write>(
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

    /// Reads the field.
    ///
    /// # Errors
    /// When it is of another form.
    pub fn decode<C>(from: &mut Decoder<'_>, _: &mut C) -> Result<Vec<Timestamp>, BadField> {
        from.array_iter::<u64>()?.map(|millis| millis.map(Timestamp::from_unix_millis)).collect()
    }
}

/// Public keys: `#[cbor(with = "public_key")]`, as SubjectPublicKeyInfo.
pub mod public_key {
    use crypto::PublicKey;
    use minicbor::decode::Error as BadField;
    use minicbor::encode::{Error as Unwritten, Write};
    use minicbor::{Decoder, Encoder};

    /// Writes the field.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn encode<C, W: Write>(
        key: &PublicKey,
        to: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), Unwritten<W::Error>> {
        to.bytes(key.spki())?.ok()
    }

    /// Reads the field.
    ///
    /// # Errors
    /// When it is of another form.
    pub fn decode<C>(from: &mut Decoder<'_>, _: &mut C) -> Result<PublicKey, BadField> {
        PublicKey::from_spki(from.bytes()?)
            .map_err(|_| BadField::message("no public key of an accepted form"))
    }
}

/// Lists of byte strings: `#[cbor(with = "byte_list")]`.
pub mod byte_list {
    use minicbor::decode::Error as BadField;
    use minicbor::encode::{Error as Unwritten, Write};
    use minicbor::{Decoder, Encoder};

    /// Writes the field.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn encode<C, W: Write>(
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

    /// Reads the field.
    ///
    /// # Errors
    /// When it is of another form.
    pub fn decode<C>(from: &mut Decoder<'_>, _: &mut C) -> Result<Vec<Vec<u8>>, BadField> {
        from.array_iter::<&minicbor::bytes::ByteSlice>()?.map(|bytes| bytes.map(|b| b.to_vec())).collect()
    }
}
