//! The pre-shared key identity hint of DTLS, and the identity that answers it.
//!
//! On every channel but the bootstrap session a hint only *names* a key; its bytes are compared with the
//! stored definition and never derived from (decision C1). That comparison is the caller's, who holds the
//! keys; a definition encodes to the very bytes that it was decoded from.
//! Source: aSSURE 8.4, 15.3; rulings A-ASSURE-52, A-ASSURE-53; decisions C1, G 24.

use alloc::string::String;
use alloc::vec::Vec;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::KeyId;
use wire::{DecodeError, Reason};

use crate::cbor::{Kind, Reader, Writer};
use crate::hint_chain::CHAIN_COUNT_MAX;
use crate::key_definition::{DerivedKey, KeyDefinition};

/// Length in characters above which a hint is not decoded: eight definitions with eight derivations each.
pub const HINT_LENGTH_MAX: usize = 8192;
/// Length in characters of an identity.
pub const PSK_IDENTITY_LENGTH: usize = 24;

/// What a hint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PskHint {
    /// The id of a key that both sides know.
    KeyId(KeyId),
    /// The definitions (7.2) from the first link of a chain to the key itself, 1 to [`CHAIN_COUNT_MAX`].
    /// Nothing vouches for them.
    Definitions(Vec<DerivedKey>),
}

impl PskHint {
    /// Writes the Base64 text: an id, a single definition, or a list of two and more.
    ///
    /// # Errors
    /// [`DecodeError`] when there are no or too many definitions.
    pub fn encode(&self) -> Result<String, DecodeError> {
        let mut out = Writer::new();
        match self {
            Self::KeyId(id) => {
                out.bytes(&id.0);
            }
            Self::Definitions(definitions) => {
                check_count(definitions.len())?;
                if definitions.len() > 1 {
                    out.array(definitions.len());
                }
                for definition in definitions {
                    out.raw(&KeyDefinition::Derived(definition.clone()).encode());
                }
            }
        }
        let text = STANDARD.encode(out.finish());
        if text.len() > HINT_LENGTH_MAX {
            return Err(DecodeError::new(HINT_LENGTH_MAX, Reason::OverLimit));
        }
        Ok(text)
    }

    /// Reads the Base64 text of a `psk_identity_hint`.
    ///
    /// An ARRAY that begins with an ARRAY is a list of definitions; one that begins with an INTEGER is one.
    ///
    /// # Errors
    /// [`DecodeError`]; its offset counts in the decoded bytes, or in the text when that is not Base64.
    pub fn decode(hint: &[u8]) -> Result<Self, DecodeError> {
        let bytes = from_base64(hint, HINT_LENGTH_MAX)?;
        let mut reader = Reader::whole(&bytes)?;
        let read = match reader.peek() {
            Some(Kind::Bytes) => Self::KeyId(KeyId(reader.bytes_of()?)),
            Some(Kind::Array) => Self::Definitions(read_definitions(&mut reader)?),
            Some(Kind::Unsigned | Kind::Negative | Kind::Text | Kind::Map | Kind::Simple) | None => {
                return Err(reader.error(Reason::WrongKind));
            }
        };
        reader.finish()?;
        Ok(read)
    }
}

/// Writes the identity with which a client answers: Base64 of a BYTE STRING, 24 characters.
///
/// At bootstrap it names the last key of the chain (decision G 24).
#[must_use]
pub fn encode_psk_identity(id: &KeyId) -> String {
    let mut out = Writer::new();
    out.bytes(&id.0);
    STANDARD.encode(out.finish())
}

/// Reads an identity.
///
/// # Errors
/// [`DecodeError`] on anything but the Base64 text of a BYTE STRING of 16 bytes.
pub fn decode_psk_identity(identity: &[u8]) -> Result<KeyId, DecodeError> {
    let bytes = from_base64(identity, PSK_IDENTITY_LENGTH)?;
    let mut reader = Reader::whole(&bytes)?;
    let id = KeyId(reader.bytes_of()?);
    reader.finish()?;
    Ok(id)
}

fn read_definitions(reader: &mut Reader<'_>) -> Result<Vec<DerivedKey>, DecodeError> {
    let mut inside = reader.clone();
    let count = inside.array()?;
    if inside.peek() != Some(Kind::Array) {
        return Ok(alloc::vec![read_definition(reader)?]);
    }
    check_count(count)?;
    reader.array()?;
    (0..count).map(|_| read_definition(reader)).collect()
}

/// A pre-shared key is a derived secret; a public key is none.
fn read_definition(reader: &mut Reader<'_>) -> Result<DerivedKey, DecodeError> {
    let other_kind = reader.error(Reason::OutOfRange);
    match KeyDefinition::read(reader)? {
        KeyDefinition::Derived(definition) => Ok(definition),
        KeyDefinition::Ec(_) | KeyDefinition::Rsa(_) => Err(other_kind),
    }
}

const fn check_count(count: usize) -> Result<(), DecodeError> {
    match count {
        0 => Err(DecodeError::new(0, Reason::OutOfRange)),
        1..=CHAIN_COUNT_MAX => Ok(()),
        _ => Err(DecodeError::new(0, Reason::OverLimit)),
    }
}

/// Strict Base64: standard alphabet, padded, no spare bits, no line breaks (RFC 4648 section 4).
fn from_base64(text: &[u8], length_max: usize) -> Result<Vec<u8>, DecodeError> {
    if text.len() > length_max {
        return Err(DecodeError::new(length_max, Reason::OverLimit));
    }
    STANDARD.decode(text).map_err(|error| match error {
        base64::DecodeError::InvalidByte(offset, _) | base64::DecodeError::InvalidLastSymbol(offset, _) => {
            DecodeError::new(offset, Reason::OutOfRange)
        }
        base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => {
            DecodeError::new(text.len(), Reason::Truncated)
        }
    })
}
