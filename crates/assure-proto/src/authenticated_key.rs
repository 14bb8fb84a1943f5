//! Keys that somebody vouches for.

use alloc::vec::Vec;
use core::ops::Range;

use clock::Dice;
use crypto::{CryptoError, Curve, KeyKind, Provider};
use model::Uuid;
use wire::{DecodeError, Reason};
use zeroize::Zeroizing;

use crate::cbor::{Kind, Reader, Writer};
use crate::class::Class;
use crate::key_definition::KeyDefinition;
use crate::signature::{Signature, Validity, covered};
use crate::signer::Signer;

/// Content type of an authenticated key.
/// Source: aSSURE table 7.5.
pub(crate) const IDENTITY_CONTENT: u8 = 0;
const DEVICE_ENTRY: u64 = 0;
const GENERATION_ENTRY: u64 = 1;

/// What is told about a key beside its definition: a map with integer keys, others are ignored.
///
/// Source: aSSURE 7.10 with rulings A-ASSURE-04 and decision G 10.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Entry 0: the device that owns the key, or the other end of a channel.
    pub device: Option<Uuid>,
    /// Entry 1: the generation of the authority, from 1 on; on class 1 keys.
    pub generation: Option<u32>,
}

impl Metadata {
    /// Nothing told.
    pub const NONE: Self = Self { device: None, generation: None };

    /// The device that owns the key.
    #[must_use]
    pub const fn of_device(device: Uuid) -> Self {
        Self { device: Some(device), generation: None }
    }

    /// The generation of the authority.
    #[must_use]
    pub const fn of_generation(generation: u32) -> Self {
        Self { device: None, generation: Some(generation) }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut found = Self::NONE;
        for _ in 0..reader.map()? {
            let entry = match reader.peek() {
                Some(Kind::Unsigned) => Some(reader.u64()?),
                Some(Kind::Negative) => {
                    reader.item()?;
                    None
                }
                _ => return Err(reader.error(Reason::WrongKind)),
            };
            match entry {
                Some(DEVICE_ENTRY) => found.device = Some(Uuid(reader.bytes_of()?)),
                Some(GENERATION_ENTRY) => {
                    let at = reader.position();
                    let generation = reader.u32()?;
                    if generation == 0 {
                        return Err(DecodeError::new(at, Reason::OutOfRange));
                    }
                    found.generation = Some(generation);
                }
                Some(_) | None => {
                    reader.item()?;
                }
            }
        }
        Ok(found)
    }

    fn write(self, out: &mut Writer) {
        out.map(usize::from(self.device.is_some()) + usize::from(self.generation.is_some()));
        if let Some(device) = self.device {
            out.uint(DEVICE_ENTRY).bytes(&device.0);
        }
        if let Some(generation) = self.generation {
            out.uint(GENERATION_ENTRY).uint(generation);
        }
    }
}

/// A key definition with its class, metadata and the signature over all of it:
/// `[0, class, definition, metadata, signature]`.
///
/// Keeps the bytes it was read from; the signature covers those.
/// Source: aSSURE 7.4; layouts 2.4.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthenticatedKey {
    class: Class,
    definition: KeyDefinition,
    metadata: Metadata,
    signature: Signature,
    encoded: Zeroizing<Vec<u8>>,
    definition_range: Range<usize>,
    values_at: usize,
}

/// Why a key was not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssueError {
    /// The signer's class may not sign this class.
    ClassNotAllowed,
    /// A key does not sign itself.
    SelfSigned,
    /// An EC key of class 1, 2 or 3 on another curve than P-256.
    /// Source: TS-M8.
    Curve,
    /// The cryptography failed.
    Crypto(CryptoError),
}

impl AuthenticatedKey {
    /// Signs `definition` as a key of `class`.
    ///
    /// The private part goes along where the definition has one; such a key belongs into an encrypted
    /// channel, never into an image.
    ///
    /// # Errors
    /// [`IssueError`]; nothing is signed.
    pub fn issue(
        provider: &dyn Provider,
        class: Class,
        definition: &KeyDefinition,
        metadata: Metadata,
        signer: &Signer<'_>,
        validity: Validity,
        dice: &mut Dice,
    ) -> Result<Self, IssueError> {
        if !signer.class().may_sign(class) {
            return Err(IssueError::ClassNotAllowed);
        }
        if signer.key_id() == definition.id() {
            return Err(IssueError::SelfSigned);
        }
        let shared =
            matches!(class, Class::TrustedAuthority | Class::ManagementSystem | Class::BootstrapService);
        let kind = definition.public_key().map(crypto::PublicKey::kind);
        if shared && matches!(kind, Some(KeyKind::Ec(Curve::P384 | Curve::P521))) {
            return Err(IssueError::Curve);
        }
        let mut items = Writer::new();
        items.uint(IDENTITY_CONTENT).uint(class.number()).raw(&definition.encode_private());
        metadata.write(&mut items);
        let items = Zeroizing::new(items.finish());
        let encoded = signer.close(provider, &items, 4, &[], validity, dice).map_err(IssueError::Crypto)?;
        let encoded = Zeroizing::new(encoded);
        Ok(Self::decode(&encoded).expect("the items were written in the order they are read"))
    }

    /// Reads one authenticated key; nothing is verified.
    ///
    /// # Errors
    /// [`DecodeError`] at the offending item.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::whole(bytes)?;
        let key = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(key)
    }

    /// Reads a key that stands inside a larger item.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.position();
        reader.array_of(5)?;
        reader.constant(IDENTITY_CONTENT.into())?;
        let class_at = reader.position();
        let class = Class::from_number(reader.u8()?);
        let class = class.ok_or(DecodeError::new(class_at, Reason::OutOfRange))?;
        let definition_start = reader.position();
        let definition = KeyDefinition::read(reader)?;
        let definition_range = definition_start - start..reader.position() - start;
        let metadata = Metadata::read(reader)?;
        let placed = Signature::read(reader)?;
        Ok(Self {
            class,
            definition,
            metadata,
            signature: placed.signature,
            encoded: Zeroizing::new(reader.since(start).to_vec()),
            definition_range,
            values_at: placed.values_at - start,
        })
    }

    /// The class that the signer gives the key.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.class
    }

    /// The key itself.
    #[must_use]
    pub const fn definition(&self) -> &KeyDefinition {
        &self.definition
    }

    /// The id of the key.
    #[must_use]
    pub const fn id(&self) -> model::KeyId {
        self.definition.id()
    }

    /// What is told about the key.
    #[must_use]
    pub const fn metadata(&self) -> Metadata {
        self.metadata
    }

    /// The signature.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }

    /// All bytes, as received or issued; a private part is among them where there is one.
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// The bytes of the definition, as received.
    #[must_use]
    pub fn definition_bytes(&self) -> &[u8] {
        &self.encoded[self.definition_range.clone()]
    }

    /// The bytes that the signature covers.
    #[must_use]
    pub fn to_be_signed(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(covered(&self.encoded, self.values_at, self.signature.format))
    }

    /// All bytes with `PRESENT` in place of a private part and the signature as stored; such a key can be
    /// shown but no longer verified.
    /// Source: aSSURE 10.1.5 with rulings A-ASSURE-73, A-ASSURE-74.
    #[must_use]
    pub fn encode_masked(&self) -> Vec<u8> {
        self.with_definition(&self.definition.encode_masked())
    }

    /// As [`AuthenticatedKey::encode_masked`], for a key whose private part its holder keeps apart: `PRESENT`
    /// stands although no private part ever was in these bytes.
    #[must_use]
    pub fn encode_present(&self) -> Vec<u8> {
        self.with_definition(&self.definition.encode_present())
    }

    fn with_definition(&self, definition: &[u8]) -> Vec<u8> {
        let (before, after) =
            (&self.encoded[..self.definition_range.start], &self.encoded[self.definition_range.end..]);
        [before, definition, after].concat()
    }
}

impl core::fmt::Debug for AuthenticatedKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("AuthenticatedKey")
            .field("class", &self.class)
            .field("definition", &self.definition)
            .field("metadata", &self.metadata)
            .field("signer", &self.signature.key_id)
            .finish_non_exhaustive()
    }
}
