//! One accepted key.

use alloc::vec::Vec;

use crypto::Secret;
use model::KeyId;
use wire::{DecodeError, Reason};
use zeroize::Zeroizing;

use crate::authenticated_key::AuthenticatedKey;
use crate::cbor::{Reader, Writer};
use crate::class::Class;
use crate::derivation::DERIVED_LENGTHS;
use crate::key_store::SIGNATURE_CHAIN_MAX;
use crate::signature::VerifyingKey;

const STORED_VERSION: u8 = 1;

/// A key that passed all checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    pub(crate) key: AuthenticatedKey,
    pub(crate) secret: Option<Secret>,
    pub(crate) signer_class: Class,
    pub(crate) signed_by_root: bool,
    pub(crate) chain_length: usize,
}

impl StoredKey {
    /// The key as it was received.
    #[must_use]
    pub const fn authenticated_key(&self) -> &AuthenticatedKey {
        &self.key
    }

    /// The id.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.key.id()
    }

    /// The class.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.key.class()
    }

    /// The secret of a derived key, when one of its references is held here.
    #[must_use]
    pub const fn secret(&self) -> Option<&Secret> {
        self.secret.as_ref()
    }

    /// The class of the key that signed this one.
    #[must_use]
    pub const fn signer_class(&self) -> Class {
        self.signer_class
    }

    /// Whether a root signed this key.
    #[must_use]
    pub const fn is_signed_by_root(&self) -> bool {
        self.signed_by_root
    }

    /// Keys from the root to this one, both included.
    #[must_use]
    pub const fn chain_length(&self) -> usize {
        self.chain_length
    }

    /// What verifies this key's signatures; `None` for a secret that cannot be derived here.
    #[must_use]
    pub const fn verifying_key(&self) -> Option<VerifyingKey<'_>> {
        match (self.key.definition().public_key(), &self.secret) {
            (Some(key), _) => Some(VerifyingKey::Public(key)),
            (None, Some(secret)) => Some(VerifyingKey::Secret(secret)),
            (None, None) => None,
        }
    }

    /// The form at rest, for a sealed store only: it holds the secret and any private part.
    ///
    /// `[1, authenticated key, secret or empty, signer class, signed by a root, chain length]`, the key as
    /// a byte string. A store restored from it needs no signer that was removed since.
    #[must_use]
    pub fn to_storage(&self) -> Zeroizing<Vec<u8>> {
        let secret = self.secret.as_ref().map_or(&[][..], Secret::expose);
        let mut out = Writer::new();
        out.array(6).uint(STORED_VERSION).bytes(self.key.encoded()).bytes(secret);
        out.uint(self.signer_class.number()).bool(self.signed_by_root).uint(self.chain_length as u64);
        Zeroizing::new(out.finish())
    }

    /// Reads the form at rest; nothing is verified anew.
    ///
    /// # Errors
    /// [`DecodeError`]; [`Reason::UnknownVersion`] for one that a later program wrote.
    pub fn from_storage(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::whole(bytes)?;
        reader.array_of(6)?;
        let version_at = reader.position();
        if reader.u8()? != STORED_VERSION {
            return Err(DecodeError::new(version_at, Reason::UnknownVersion));
        }
        let key_at = reader.position();
        let key = AuthenticatedKey::decode(reader.bytes()?).map_err(|error| error.moved_by(key_at))?;
        let secret_at = reader.position();
        let secret = match reader.bytes()? {
            [] => None,
            secret if DERIVED_LENGTHS.contains(&secret.len()) => Some(Secret::from(secret)),
            _ => return Err(DecodeError::new(secret_at, Reason::OutOfRange)),
        };
        let class_at = reader.position();
        let signer_class = Class::from_number(reader.u8()?);
        let signer_class = signer_class.ok_or(DecodeError::new(class_at, Reason::OutOfRange))?;
        let signed_by_root = reader.bool()?;
        let length_at = reader.position();
        let chain_length = usize::from(reader.u8()?);
        if !(2..=SIGNATURE_CHAIN_MAX).contains(&chain_length) {
            return Err(DecodeError::new(length_at, Reason::OutOfRange));
        }
        reader.finish()?;
        Ok(Self { key, secret, signer_class, signed_by_root, chain_length })
    }
}
