//! Files that cross the air gap around the identity server: signed, encrypted, numbered.
//!
//! `ARRAY ["assure-gap", 1, from, to, sequence number, kind, CMS, signature]`. The content is encrypted to
//! the recipient's key and the whole is signed by the sender's; the signature is checked first. Each pair of
//! sender and recipient counts its files from 1, and the recipient takes them in order only.
//!
//! Two kinds come before the parties know each other's keys. A request for enrolment holds public keys only
//! and stands in the clear; it is signed by the key in it, and a person compares its fingerprint. The answer
//! is signed by the EC root of the trust bundle.
//! Source: ruling A-ASSURE-12; decisions G 22, G 23; layouts 2.11; ADR 0025.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use clock::Dice;
use crypto::{CryptoError, HashAlgorithm, PrivateKey, Provider, PublicKey};
use model::{KeyId, Uuid};
use wire::{DecodeError, Reason};

use crate::cbor::{Reader, Writer};
use crate::cms::{self, CMS_LENGTH_MAX, OpenError};
use crate::gap_content::{EnrolRequest, GapContent, GapKind};
use crate::signature::{Signature, SignatureError, Validity, VerifyingKey, covered};
use crate::signer::Signer;

/// Length in bytes of the longest file: the longest CMS message, the header and an RSA-4096 signature.
pub const GAP_FILE_LENGTH_MAX: usize = CMS_LENGTH_MAX + 1024;

const MAGIC: &str = "assure-gap";
const VERSION: u64 = 1;

/// What stands outside the encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapHeader {
    /// The sender's id.
    pub from: Uuid,
    /// The recipient's id.
    pub to: Uuid,
    /// The file's number among those of this sender to this recipient, from 1.
    pub sequence_number: u32,
}

impl GapHeader {
    /// The file's name: `<to>-<number, ten digits>.gap`. It is written under another name, then renamed.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}-{:010}.gap", self.to, self.sequence_number)
    }
}

/// Whose signature a file must carry.
#[derive(Clone, Copy, Debug)]
pub struct GapSender<'a> {
    /// The sender's id.
    pub id: Uuid,
    /// The id of its key.
    pub key_id: KeyId,
    /// Its key.
    pub key: &'a PublicKey,
}

/// Why a file was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapError {
    /// The bytes are no air-gap file, or what was in it is no content of its kind.
    Malformed(DecodeError),
    /// It is a request for enrolment where another kind belongs, or the reverse.
    OtherKind,
    /// It is for somebody else.
    OtherRecipient,
    /// It is from somebody else, or signed with another key's id.
    OtherSender,
    /// It is not signed by the sender's key.
    Signature(SignatureError),
    /// It does not open with our key.
    Encryption(OpenError),
}

impl core::fmt::Display for GapError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "malformed air-gap file: {error}"),
            Self::OtherKind => f.write_str("air-gap file of a kind that does not belong here"),
            Self::OtherRecipient => f.write_str("air-gap file for another recipient"),
            Self::OtherSender => f.write_str("air-gap file from another sender"),
            Self::Signature(_) => f.write_str("air-gap file not signed by its sender"),
            Self::Encryption(error) => write!(f, "air-gap file does not open: {error}"),
        }
    }
}

impl core::error::Error for GapError {}

impl From<DecodeError> for GapError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

/// A file as read; nothing is verified or decrypted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GapFile<'a> {
    header: GapHeader,
    kind: GapKind,
    /// CMS, or the request for enrolment itself.
    content: &'a [u8],
    signature: Signature,
    to_be_signed: Vec<u8>,
}

impl<'a> GapFile<'a> {
    /// Reads a file.
    ///
    /// # Errors
    /// [`DecodeError`] on another form, version or kind, number zero, or over [`GAP_FILE_LENGTH_MAX`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if bytes.len() > GAP_FILE_LENGTH_MAX {
            return Err(DecodeError::new(GAP_FILE_LENGTH_MAX, Reason::OverLimit));
        }
        let mut reader = Reader::whole(bytes)?;
        reader.array_of(8)?;
        let other_file = reader.error(Reason::WrongKind);
        if reader.text()? != MAGIC {
            return Err(other_file);
        }
        let unknown = reader.error(Reason::UnknownVersion);
        if reader.u64()? != VERSION {
            return Err(unknown);
        }
        let (from, to) = (Uuid(reader.bytes_of()?), Uuid(reader.bytes_of()?));
        let zero = reader.error(Reason::OutOfRange);
        let sequence_number = reader.u32()?;
        if sequence_number == 0 {
            return Err(zero);
        }
        let unknown_kind = reader.error(Reason::OutOfRange);
        let kind = GapKind::from_number(reader.u64()?).ok_or(unknown_kind)?;
        let content = reader.bytes()?;
        let placed = Signature::read(&mut reader)?;
        reader.finish()?;
        let to_be_signed = covered(bytes, placed.values_at, placed.signature.format);
        let header = GapHeader { from, to, sequence_number };
        Ok(Self { header, kind, content, signature: placed.signature, to_be_signed })
    }

    /// The header, as the file claims it.
    #[must_use]
    pub const fn header(&self) -> GapHeader {
        self.header
    }

    /// The kind of content, as the file claims it.
    #[must_use]
    pub const fn kind(&self) -> GapKind {
        self.kind
    }

    /// Checks recipient, sender and signature, then decrypts and reads the content.
    ///
    /// # Errors
    /// [`GapError`]; nothing is decrypted unless the signature is the sender's.
    pub fn open(
        &self,
        provider: &dyn Provider,
        recipient: &Uuid,
        key: &dyn PrivateKey,
        sender: GapSender<'_>,
    ) -> Result<GapContent, GapError> {
        if self.header.to != *recipient {
            return Err(GapError::OtherRecipient);
        }
        if self.kind == GapKind::EnrolRequest {
            return Err(GapError::OtherKind);
        }
        if self.header.from != sender.id || self.signature.key_id != sender.key_id {
            return Err(GapError::OtherSender);
        }
        let verified = self.signature.verify(provider, VerifyingKey::Public(sender.key), &self.to_be_signed);
        verified.map_err(GapError::Signature)?;
        let content = cms::open(provider, key, None, self.content).map_err(GapError::Encryption)?;
        Ok(GapContent::decode(self.kind, content.expose())?)
    }

    /// Reads a request for enrolment, whose sender is not known yet: the key in it must have signed the file.
    ///
    /// Nobody is trusted by it; a person compares [`enrolment_fingerprint`].
    ///
    /// # Errors
    /// [`GapError`]; [`GapError::OtherKind`] when it holds something else.
    pub fn open_enrolment(
        &self,
        provider: &dyn Provider,
        recipient: &Uuid,
    ) -> Result<EnrolRequest, GapError> {
        if self.header.to != *recipient {
            return Err(GapError::OtherRecipient);
        }
        if self.kind != GapKind::EnrolRequest {
            return Err(GapError::OtherKind);
        }
        let GapContent::EnrolRequest(request) = GapContent::decode(self.kind, self.content)? else {
            return Err(GapError::OtherKind);
        };
        let signer = request.gap_key.public_key().filter(|_| self.signature.key_id == request.gap_key.id());
        let key = VerifyingKey::Public(signer.ok_or(GapError::OtherSender)?);
        let verified = self.signature.verify(provider, key, &self.to_be_signed);
        verified.map_err(GapError::Signature)?;
        Ok(request)
    }
}

/// What a person compares before a server is enrolled: SHA-256 of the request as it stands in the file.
#[must_use]
pub fn enrolment_fingerprint(provider: &dyn Provider, request: &EnrolRequest) -> [u8; 32] {
    let content = GapContent::EnrolRequest(request.clone()).encode();
    provider.digest(HashAlgorithm::Sha256, &[&content]).first_32()
}

/// Encrypts `content` to `recipient`'s gap key and signs the file.
///
/// An answer to an enrolment is signed with the EC root. For a request, see [`write_enrolment`].
///
/// # Errors
/// [`CryptoError::BadInput`] when the number is zero, the content too long or a request for enrolment; else
/// what the provider says.
pub fn seal_gap_file(
    provider: &dyn Provider,
    header: &GapHeader,
    content: &GapContent,
    recipient: &PublicKey,
    sender: &Signer<'_>,
    validity: Validity,
    dice: &mut Dice,
) -> Result<Vec<u8>, CryptoError> {
    let kind = content.kind();
    if kind == GapKind::EnrolRequest {
        return Err(CryptoError::BadInput);
    }
    let encrypted = cms::seal(provider, recipient, &KeyId::from(header.to), None, &content.encode(), dice)?;
    write_file(provider, header, kind, &encrypted, sender, validity, dice)
}

/// Writes a request for enrolment and signs it with the gap key that is in it.
///
/// # Errors
/// [`CryptoError::WrongKey`] when `sender` is another key; [`CryptoError::BadInput`] when the number is zero.
pub fn write_enrolment(
    provider: &dyn Provider,
    header: &GapHeader,
    request: EnrolRequest,
    sender: &Signer<'_>,
    validity: Validity,
    dice: &mut Dice,
) -> Result<Vec<u8>, CryptoError> {
    if request.gap_key.id() != sender.key_id() {
        return Err(CryptoError::WrongKey);
    }
    let content = GapContent::EnrolRequest(request).encode();
    write_file(provider, header, GapKind::EnrolRequest, &content, sender, validity, dice)
}

fn write_file(
    provider: &dyn Provider,
    header: &GapHeader,
    kind: GapKind,
    content: &[u8],
    sender: &Signer<'_>,
    validity: Validity,
    dice: &mut Dice,
) -> Result<Vec<u8>, CryptoError> {
    if header.sequence_number == 0 {
        return Err(CryptoError::BadInput);
    }
    let mut items = Writer::new();
    items.text(MAGIC).uint(VERSION).bytes(&header.from.0).bytes(&header.to.0);
    items.uint(header.sequence_number).uint(kind.number()).bytes(content);
    sender.close(provider, &items.finish(), 7, &[], validity, dice)
}

/// The number of the last file taken, or written, on the way from one party to another.
///
/// The recipient stores the new value in the commit that applies the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GapSequence(u32);

/// What to do with a file by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapTurn {
    /// It is the next one: apply it and store this in the same commit.
    Take(GapSequence),
    /// It was taken before: pass over it.
    Skip,
    /// The file with this number must come first: stop and name it.
    Hole {
        /// The number that is missing.
        missing: u32,
    },
}

impl GapSequence {
    /// Before the first file.
    pub const START: Self = Self(0);

    /// After the file `last`; zero before the first.
    #[must_use]
    pub const fn after(last: u32) -> Self {
        Self(last)
    }

    /// The number of the last file; zero before the first.
    #[must_use]
    pub const fn last(self) -> u32 {
        self.0
    }

    /// The number of the next file; `None` when 2^32 - 1 files have passed.
    #[must_use]
    pub const fn next(self) -> Option<u32> {
        self.0.checked_add(1)
    }

    /// What to do with the file of this number.
    #[must_use]
    pub const fn judge(self, number: u32) -> GapTurn {
        if number <= self.0 {
            return GapTurn::Skip;
        }
        let missing = self.0 + 1;
        if number == missing { GapTurn::Take(Self(number)) } else { GapTurn::Hole { missing } }
    }
}
