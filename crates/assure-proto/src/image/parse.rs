//! Reading an image.

use alloc::vec::Vec;

use model::KeyId;
use wire::{DecodeError, Reason};

use crate::authenticated_key::{AuthenticatedKey, IDENTITY_CONTENT};
use crate::cbor::{Kind, Reader};
use crate::owner_data::OwnerData;
use crate::signature::{Signature, covered};

/// Bytes of an image.
/// Source: decision G 4.
pub const IMAGE_LENGTH_MAX: usize = 65_536;
/// Authenticated keys in an image.
/// Source: decision G 4.
pub const IMAGE_KEY_COUNT_MAX: usize = 16;
/// Items behind the keys: owner data, decryption key id, payload, signature.
const TAIL_COUNT: usize = 4;

/// An image as received; nothing is verified.
#[derive(Clone, Debug)]
pub struct BootstrapImage<'a> {
    encoded: &'a [u8],
    authenticated_keys: Vec<AuthenticatedKey>,
    owner_data: OwnerData,
    decryption_key_id: KeyId,
    encrypted_payload: &'a [u8],
    signature: Signature,
    values_at: usize,
}

impl<'a> BootstrapImage<'a> {
    /// Reads an image of 1 to 16 keys and at most 65,536 bytes.
    ///
    /// # Errors
    /// [`DecodeError`] at the offending item; [`Reason::OverLimit`] for too many bytes or keys.
    /// Source: ruling A-ASSURE-94.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if bytes.len() > IMAGE_LENGTH_MAX {
            return Err(DecodeError::new(IMAGE_LENGTH_MAX, Reason::OverLimit));
        }
        let mut reader = Reader::whole(bytes)?;
        let count = reader.array()?.checked_sub(TAIL_COUNT);
        let key_count = count.filter(|count| *count > 0).ok_or(DecodeError::new(0, Reason::OutOfRange))?;
        if key_count > IMAGE_KEY_COUNT_MAX {
            return Err(DecodeError::new(0, Reason::OverLimit));
        }
        let authenticated_keys =
            (0..key_count).map(|_| read_key(&mut reader)).collect::<Result<Vec<_>, _>>()?;
        let owner_data = OwnerData::read(&mut reader)?;
        let decryption_key_id = KeyId(reader.bytes_of()?);
        let encrypted_payload = reader.bytes()?;
        let placed = Signature::read(&mut reader)?;
        reader.finish()?;
        Ok(Self {
            encoded: bytes,
            authenticated_keys,
            owner_data,
            decryption_key_id,
            encrypted_payload,
            signature: placed.signature,
            values_at: placed.values_at,
        })
    }

    /// All bytes.
    #[must_use]
    pub const fn encoded(&self) -> &'a [u8] {
        self.encoded
    }

    /// The keys of the header, in the order in which they are validated; 1 to 16.
    #[must_use]
    pub fn authenticated_keys(&self) -> &[AuthenticatedKey] {
        &self.authenticated_keys
    }

    /// The key with this id.
    #[must_use]
    pub fn key(&self, id: KeyId) -> Option<&AuthenticatedKey> {
        self.authenticated_keys.iter().find(|key| key.id() == id)
    }

    /// The owner data.
    #[must_use]
    pub const fn owner_data(&self) -> &OwnerData {
        &self.owner_data
    }

    /// The key that decrypts the payload.
    #[must_use]
    pub const fn decryption_key_id(&self) -> KeyId {
        self.decryption_key_id
    }

    /// The payload: a CMS message, or the array of 15.5.3 for a shared secret.
    #[must_use]
    pub const fn encrypted_payload(&self) -> &'a [u8] {
        self.encrypted_payload
    }

    /// The signature over the image.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The bytes that the signature covers.
    #[must_use]
    pub fn to_be_signed(&self) -> Vec<u8> {
        covered(self.encoded, self.values_at, self.signature.format)
    }

    /// Whether the header holds a private key, which would lie in clear at the bootstrap server.
    /// Source: TS-M15.
    #[must_use]
    pub fn has_private_key(&self) -> bool {
        self.authenticated_keys.iter().any(|key| key.definition().has_private())
    }

    /// Whether two keys of the header have one id.
    /// Source: TS-C2.
    #[must_use]
    pub fn repeats_a_key_id(&self) -> bool {
        has_repeated_id(&self.authenticated_keys)
    }
}

pub(super) fn has_repeated_id(keys: &[AuthenticatedKey]) -> bool {
    keys.iter().enumerate().any(|(at, key)| keys[..at].iter().any(|before| before.id() == key.id()))
}

/// Checks that an array of identity content comes, so that an owner array in a key's place is told as
/// such, at its content type.
fn read_key(reader: &mut Reader<'_>) -> Result<AuthenticatedKey, DecodeError> {
    let mut ahead = reader.clone();
    if ahead.peek() != Some(Kind::Array) {
        return Err(ahead.error(Reason::WrongKind));
    }
    ahead.array()?;
    ahead.constant(IDENTITY_CONTENT.into())?;
    AuthenticatedKey::read(reader)
}
