//! What a party trusts without a signature.

use core::num::NonZeroU32;

use crypto::{HashAlgorithm, Provider, PublicKey, Secret};
use model::{KeyId, Uuid};

use crate::authenticated_key::Metadata;
use crate::class::Class;
use crate::signature::VerifyingKey;

/// Enters the salt and the id of the root of a device with a shared secret.
const ROOT_LABEL: &[u8] = b"assure/root";
const ROOT_ROUNDS: NonZeroU32 = NonZeroU32::new(1000).expect("1000 is not zero");
const ROOT_LENGTH: usize = 32;

/// A key that was installed, not received: the start of every chain.
#[derive(Clone, Debug)]
pub struct Root {
    /// Its class: Trusted Authority, seldom Manufacturer.
    pub class: Class,
    /// Its id.
    pub key_id: KeyId,
    /// What verifies its signatures.
    pub key: RootKey,
    /// Whose it is, where that matters to what it signs.
    pub metadata: Metadata,
}

/// The verification key of a root.
#[derive(Clone, Debug)]
pub enum RootKey {
    /// An EC or RSA key.
    Public(PublicKey),
    /// A shared secret.
    Secret(Secret),
}

impl Root {
    /// A public root.
    #[must_use]
    pub const fn public(class: Class, key_id: KeyId, key: PublicKey) -> Self {
        Self { class, key_id, key: RootKey::Public(key), metadata: Metadata::NONE }
    }

    /// K_root of a device whose key is `device_secret`: a class 1 key that only the device and the
    /// identity server can make.
    ///
    /// The salt has 27 bytes, and no derivation with another salt length than 16 is ever used: no
    /// derivation can yield this secret.
    /// Source: D-09, TS-M2.
    #[must_use]
    pub fn of_shared_secret(provider: &dyn Provider, device: &Uuid, device_secret: &Secret) -> Self {
        let mut secret = alloc::vec![0; ROOT_LENGTH];
        let salt = [ROOT_LABEL, &device.0].concat();
        provider.pbkdf2_sha256(device_secret.expose(), &salt, ROOT_ROUNDS, &mut secret);
        Self {
            class: Class::TrustedAuthority,
            key_id: root_key_id(provider, device),
            key: RootKey::Secret(Secret::new(secret)),
            metadata: Metadata::NONE,
        }
    }

    /// The key to verify with.
    #[must_use]
    pub const fn verifying_key(&self) -> VerifyingKey<'_> {
        match &self.key {
            RootKey::Public(key) => VerifyingKey::Public(key),
            RootKey::Secret(secret) => VerifyingKey::Secret(secret),
        }
    }

    /// The secret of a root that has one: the identity server signs with it.
    #[must_use]
    pub const fn secret(&self) -> Option<&Secret> {
        match &self.key {
            RootKey::Public(_) => None,
            RootKey::Secret(secret) => Some(secret),
        }
    }
}

/// The id of K_root: the first 16 bytes of SHA-256("assure/root", device).
/// Source: D-09.
#[must_use]
pub fn root_key_id(provider: &dyn Provider, device: &Uuid) -> KeyId {
    let digest = provider.digest(HashAlgorithm::Sha256, &[ROOT_LABEL, &device.0]).first_32();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    KeyId(id)
}
