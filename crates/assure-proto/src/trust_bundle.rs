//! The bundle by which everybody comes to know an authority: its roots, and the key that records go to.
//!
//! `ARRAY ["assure-ta", 1, authority id, [EC root, RSA root], generation, P-521 SPKI, signature]`, signed by
//! the EC root in it. The signature shows that the file is whole, not whose it is: it reaches makers and
//! factories by a path that is trusted for another reason.
//! Source: decision G 23; ADR 0025.

use alloc::vec::Vec;

use clock::Dice;
use crypto::{CryptoError, Curve, HashAlgorithm, KeyKind, Provider, PublicKey};
use model::Uuid;
use wire::{DecodeError, Reason};

use crate::cbor::{Reader, Writer};
use crate::key_definition::{KeyDefinition, KeyFormat};
use crate::signature::{Signature, SignatureError, Validity, VerifyingKey, covered};
use crate::signer::Signer;

/// Length in bytes of the longest bundle.
pub const TRUST_BUNDLE_LENGTH_MAX: usize = 4096;

const MAGIC: &str = "assure-ta";
const VERSION: u64 = 1;

/// What a bundle says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustBundle {
    /// The id of the authority: in air-gap files, that of its identity server.
    pub authority: Uuid,
    /// The EC root, a public P-256 key.
    pub ec_root: KeyDefinition,
    /// The RSA root, a public key.
    pub rsa_root: KeyDefinition,
    /// The generation of the authority's class 1 keys; the first is 1.
    pub generation: u32,
    /// The P-521 key to which makers encrypt records, and servers their requests for enrolment.
    pub identity_key: PublicKey,
}

/// Why a bundle was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustBundleError {
    /// The bytes are no bundle.
    Malformed(DecodeError),
    /// It is not signed by the EC root in it.
    Signature(SignatureError),
    /// It is signed with another key's id than that of the EC root in it.
    OtherSigner,
}

impl core::fmt::Display for TrustBundleError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "malformed trust bundle: {error}"),
            Self::Signature(_) | Self::OtherSigner => f.write_str("trust bundle not signed by its own root"),
        }
    }
}

impl core::error::Error for TrustBundleError {}

impl From<DecodeError> for TrustBundleError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl TrustBundle {
    /// Writes the bundle and signs it with the EC root's key.
    ///
    /// # Errors
    /// [`CryptoError::WrongKey`] when `root` is not the EC root of this bundle or a key in it is of another
    /// kind than its field says; [`CryptoError::BadInput`] for generation zero.
    pub fn encode(
        &self,
        provider: &dyn Provider,
        root: &Signer<'_>,
        validity: Validity,
        dice: &mut Dice,
    ) -> Result<Vec<u8>, CryptoError> {
        if root.key_id() != self.ec_root.id() || !self.has_fitting_keys() {
            return Err(CryptoError::WrongKey);
        }
        if self.generation == 0 {
            return Err(CryptoError::BadInput);
        }
        let mut items = Writer::new();
        items.text(MAGIC).uint(VERSION).bytes(&self.authority.0);
        items.array(2).raw(&self.ec_root.encode()).raw(&self.rsa_root.encode());
        items.uint(self.generation).bytes(self.identity_key.spki());
        root.close(provider, &items.finish(), 6, &[], validity, dice)
    }

    /// Reads a bundle and checks that the EC root in it signed it.
    ///
    /// # Errors
    /// [`TrustBundleError`] says what is wrong.
    pub fn decode(provider: &dyn Provider, bytes: &[u8]) -> Result<Self, TrustBundleError> {
        if bytes.len() > TRUST_BUNDLE_LENGTH_MAX {
            return Err(DecodeError::new(TRUST_BUNDLE_LENGTH_MAX, Reason::OverLimit).into());
        }
        let mut reader = Reader::whole(bytes)?;
        reader.array_of(7)?;
        let other_file = reader.error(Reason::WrongKind);
        if reader.text()? != MAGIC {
            return Err(other_file.into());
        }
        let unknown = reader.error(Reason::UnknownVersion);
        if reader.u64()? != VERSION {
            return Err(unknown.into());
        }
        let bundle = Self::read_fields(&mut reader)?;
        let placed = Signature::read(&mut reader)?;
        reader.finish()?;
        let Some(root) = bundle.ec_root.public_key() else { return Err(other_file.into()) };
        if placed.signature.key_id != bundle.ec_root.id() {
            return Err(TrustBundleError::OtherSigner);
        }
        let to_be_signed = covered(bytes, placed.values_at, placed.signature.format);
        let verified = placed.signature.verify(provider, VerifyingKey::Public(root), &to_be_signed);
        verified.map_err(TrustBundleError::Signature)?;
        Ok(bundle)
    }

    fn read_fields(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let authority = Uuid(reader.bytes_of()?);
        let wrong_roots = reader.error(Reason::OutOfRange);
        reader.array_of(2)?;
        let (ec_root, rsa_root) = (KeyDefinition::read(reader)?, KeyDefinition::read(reader)?);
        let zero = reader.error(Reason::OutOfRange);
        let generation = reader.u32()?;
        let wrong_key = reader.error(Reason::OutOfRange);
        let identity_key = PublicKey::from_spki(reader.bytes()?).map_err(|_| wrong_key)?;
        if generation == 0 {
            return Err(zero);
        }
        let bundle = Self { authority, ec_root, rsa_root, generation, identity_key };
        if bundle.has_fitting_keys() { Ok(bundle) } else { Err(wrong_roots) }
    }

    fn has_fitting_keys(&self) -> bool {
        self.ec_root.public_key().map(PublicKey::kind) == Some(KeyKind::Ec(Curve::P256))
            && self.rsa_root.format() == KeyFormat::Rsa
            && !self.ec_root.has_private()
            && !self.rsa_root.has_private()
            && self.ec_root.id() != self.rsa_root.id()
            && self.identity_key.kind() == KeyKind::Ec(Curve::P521)
    }
}

/// SHA-256 of a key's SubjectPublicKeyInfo, by which people compare keys.
#[must_use]
pub fn key_fingerprint(provider: &dyn Provider, key: &PublicKey) -> [u8; 32] {
    provider.digest(HashAlgorithm::Sha256, &[key.spki()]).first_32()
}
