//! Owner data: which key owns which device, and how many owners it has had.

use alloc::vec::Vec;

use clock::Dice;
use crypto::{HashAlgorithm, Provider};
use model::{KeyId, Uuid};
use wire::DecodeError;

use crate::authenticated_key::IssueError;
use crate::cbor::{Reader, Writer};
use crate::class::Class;
use crate::signature::{Signature, SignatureError, Validity, VerifyingKey, covered};
use crate::signer::Signer;

/// Content type of owner data.
/// Source: aSSURE table 7.5.
pub(crate) const OWNER_CONTENT: u8 = 5;

/// What owner data is signed for, beside what is written in it.
///
/// The hash makes it one key and not whatever carries that id.
/// Source: TS-C2 over ruling A-ASSURE-20; layouts 2.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerBinding {
    /// The device that is owned.
    pub device: Uuid,
    /// The id of the owner's key.
    pub owner_key: KeyId,
    /// SHA-256 of the owner's key definition: see [`definition_hash`].
    pub definition_hash: [u8; 32],
}

impl OwnerBinding {
    /// The 69 bytes that are signed before the owner array.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.array(3).bytes(&self.device.0).bytes(&self.owner_key.0).bytes(&self.definition_hash);
        out.finish()
    }
}

/// SHA-256 of a key definition without private part, as it stands in an image.
#[must_use]
pub fn definition_hash(provider: &dyn Provider, definition: &[u8]) -> [u8; 32] {
    provider.digest(HashAlgorithm::Sha256, &[definition]).first_32()
}

/// `[5, owner sequence number, signature]`.
///
/// Source: aSSURE 15.5; layouts 2.6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerData {
    sequence_number: u32,
    signature: Signature,
    encoded: Vec<u8>,
    values_at: usize,
}

impl OwnerData {
    /// Signs that `binding` is the owner with number `sequence_number`.
    ///
    /// # Errors
    /// [`IssueError::ClassNotAllowed`] unless the signer is a Trusted Authority (or a manufacturer, for
    /// devices that have such a root), [`IssueError::SelfSigned`] when the owner would vouch for itself.
    pub fn issue(
        provider: &dyn Provider,
        binding: &OwnerBinding,
        sequence_number: u32,
        signer: &Signer<'_>,
        validity: Validity,
        dice: &mut Dice,
    ) -> Result<Self, IssueError> {
        if !matches!(signer.class(), Class::Manufacturer | Class::TrustedAuthority) {
            return Err(IssueError::ClassNotAllowed);
        }
        if signer.key_id() == binding.owner_key {
            return Err(IssueError::SelfSigned);
        }
        let mut items = Writer::new();
        items.uint(OWNER_CONTENT).uint(sequence_number);
        let items = items.finish();
        let encoded = signer
            .close(provider, &items, 2, &binding.encode(), validity, dice)
            .map_err(IssueError::Crypto)?;
        Ok(Self::decode(&encoded).expect("the items were written in the order they are read"))
    }

    /// Reads owner data; nothing is verified.
    ///
    /// # Errors
    /// [`DecodeError`] at the offending item.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::whole(bytes)?;
        let owner = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(owner)
    }

    /// Reads owner data that stands inside an image.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.position();
        reader.array_of(3)?;
        reader.constant(OWNER_CONTENT.into())?;
        let sequence_number = reader.u32()?;
        let placed = Signature::read(reader)?;
        Ok(Self {
            sequence_number,
            signature: placed.signature,
            encoded: reader.since(start).to_vec(),
            values_at: placed.values_at - start,
        })
    }

    /// How many owners the device has had, this one included.
    #[must_use]
    pub const fn sequence_number(&self) -> u32 {
        self.sequence_number
    }

    /// The signature.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }

    /// All bytes, as received or issued.
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// The bytes that the signature covers, for the given binding.
    #[must_use]
    pub fn to_be_signed(&self, binding: &OwnerBinding) -> Vec<u8> {
        let mut out = binding.encode();
        out.extend_from_slice(&covered(&self.encoded, self.values_at, self.signature.format));
        out
    }

    /// Checks that `key` signed this for `binding`.
    ///
    /// # Errors
    /// [`SignatureError`]: another device, another key with the same id and another number look alike.
    pub fn verify(
        &self,
        provider: &dyn Provider,
        key: VerifyingKey<'_>,
        binding: &OwnerBinding,
    ) -> Result<(), SignatureError> {
        self.signature.verify(provider, key, &self.to_be_signed(binding))
    }
}
