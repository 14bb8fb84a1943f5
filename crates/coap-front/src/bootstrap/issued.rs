//! Keys at a bootstrap session: those issued for devices, and the server's own.

use assure_proto::{AuthenticatedKey, CHAIN_COUNT_MAX, Class, DerivedKey, KeyDefinition, PskHint};
use crypto::{BadPublicKey, KeyKind, PublicKey, Secret};
use dtls_proto::Credential;
use model::{KeyId, Uuid};
use wire::DecodeError;

use crate::{Admission, AdmissionKey};

/// How a device proves itself, as the identity server issued it.
#[derive(Clone, Debug)]
pub enum IssuedKey {
    /// By the secret at the end of a chain of definitions that begins at its own secret.
    Secret {
        /// The definitions in order, the class 3 key last; 1 to [`CHAIN_COUNT_MAX`].
        chain: Vec<DerivedKey>,
        /// The class 3 secret.
        secret: Secret,
    },
    /// By its own public key.
    PublicKey(PublicKey),
}

/// A record about a device that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadIssuedKey {
    /// A key is malformed.
    Malformed(DecodeError),
    /// It is no derived class 3 key.
    NotClass3,
    /// There are no definitions, or more than [`CHAIN_COUNT_MAX`].
    ChainLength,
    /// The public key is malformed or of a kind that no device has.
    PublicKey(BadPublicKey),
}

impl core::fmt::Display for BadIssuedKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "malformed key: {error}"),
            Self::NotClass3 => f.write_str("the key is no derived class 3 key"),
            Self::ChainLength => f.write_str("the chain of definitions is empty or too long"),
            Self::PublicKey(error) => write!(f, "unusable public key: {error:?}"),
        }
    }
}

impl core::error::Error for BadIssuedKey {}

impl IssuedKey {
    /// A secret whose authenticated class 3 key (7.4) rests on the device's own secret.
    ///
    /// # Errors
    /// [`BadIssuedKey`].
    pub fn secret(authenticated_key: &[u8], secret: Secret) -> Result<Self, BadIssuedKey> {
        Self::secret_behind(&[], authenticated_key, secret)
    }

    /// A secret whose class 3 key rests on the last of `before`, authenticated keys in order from the device.
    ///
    /// # Errors
    /// [`BadIssuedKey`].
    pub fn secret_behind(
        before: &[&[u8]],
        authenticated_key: &[u8],
        secret: Secret,
    ) -> Result<Self, BadIssuedKey> {
        let decode = |bytes: &[u8]| AuthenticatedKey::decode(bytes).map_err(BadIssuedKey::Malformed);
        let derived = |key: &AuthenticatedKey| match key.definition() {
            KeyDefinition::Derived(derived) => Ok(derived.clone()),
            KeyDefinition::Ec(_) | KeyDefinition::Rsa(_) => Err(BadIssuedKey::NotClass3),
        };
        if before.len() >= CHAIN_COUNT_MAX {
            return Err(BadIssuedKey::ChainLength);
        }
        let mut chain = Vec::new();
        for bytes in before {
            chain.push(derived(&decode(bytes)?)?);
        }
        let last = decode(authenticated_key)?;
        if last.class() != Class::BootstrapService {
            return Err(BadIssuedKey::NotClass3);
        }
        chain.push(derived(&last)?);
        Ok(Self::Secret { chain, secret })
    }

    /// A public key, as SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`BadIssuedKey`].
    pub fn public_key(spki: &[u8]) -> Result<Self, BadIssuedKey> {
        PublicKey::from_spki(spki).map(Self::PublicKey).map_err(BadIssuedKey::PublicKey)
    }
}

/// The server's class 3 keys with their ids: one for each kind of device key.
/// Source: decision M6.
#[derive(Clone, Debug)]
pub struct Class3Keys {
    /// For devices with an EC key; P-256.
    pub ec: (KeyId, Credential),
    /// For devices with an RSA key.
    pub rsa: (KeyId, Credential),
}

impl Class3Keys {
    /// How `device` comes in; `None` when its chain of definitions is empty or too long.
    ///
    /// Our name is the id of the class 3 key (decision M4); a bootstrap session gives no tickets (M5).
    pub(super) fn admission(&self, device: Uuid, issued: IssuedKey) -> Option<Admission> {
        let (own_name, key) = match issued {
            IssuedKey::Secret { chain, secret } => {
                let id = chain.last().filter(|_| chain.len() <= CHAIN_COUNT_MAX)?.id();
                (id, AdmissionKey::Secret { id, secret, hint: PskHint::Definitions(chain) })
            }
            IssuedKey::PublicKey(theirs) => {
                let (own_name, ours) = match theirs.kind() {
                    KeyKind::Ec(_) => &self.ec,
                    KeyKind::Rsa { .. } => &self.rsa,
                };
                let id = KeyId::from(device);
                (*own_name, AdmissionKey::PublicKey { id, theirs, ours: ours.clone() })
            }
        };
        Some(Admission { device, key, own_name: own_name.0, owner_sequence: None })
    }
}
