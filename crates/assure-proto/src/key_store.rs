//! The keys a party has accepted, and the checks on each new one.

use alloc::vec::Vec;

use crypto::{CryptoError, Provider, Secret};
use model::{KeyId, Uuid};

use crate::authenticated_key::{AuthenticatedKey, Metadata};
use crate::class::Class;
use crate::derivation::{DeriveError, HeldKey, HeldKeys, RoundBudget};
use crate::key_definition::KeyDefinition;
use crate::root::{Root, RootKey};
use crate::signature::{SignatureError, SignatureFormat, TimeRefusal, VerifyingKey};
use crate::stored_key::StoredKey;
use crate::time_trust::TimeTrust;

/// Keys in one chain, the root included.
/// Source: ruling A-ASSURE-25.
pub const SIGNATURE_CHAIN_MAX: usize = 8;

/// What a party starts from: its roots and the keys it did not receive by signature.
#[derive(Clone, Copy, Debug)]
pub struct Anchors<'a> {
    /// The device itself, when the party is one.
    pub device: Option<Uuid>,
    /// Keys trusted without a signature.
    pub roots: &'a [Root],
    /// Keys that derivations may refer to: a device's own key, an owner's keys.
    pub held: &'a [(KeyId, HeldKey<'a>)],
}

impl Anchors<'_> {
    fn root(&self, id: KeyId) -> Option<&Root> {
        self.roots.iter().find(|root| root.key_id == id)
    }

    fn held(&self, id: KeyId) -> Option<HeldKey<'_>> {
        self.held.iter().find(|(held, _)| *held == id).map(|(_, key)| *key)
    }

    fn is_own_id(&self, id: KeyId) -> bool {
        self.device.is_some_and(|device| KeyId::from(device) == id)
    }
}

/// Why a key was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRefusal {
    /// It names itself as its signer, at once or through others.
    SelfSigned,
    /// The signer is not present.
    UnknownSigner,
    /// A key with this id is present already, or the id is that of a root or of the device.
    DuplicateKeyId,
    /// An HMAC under a device's own secret, which nobody but the identity server can check.
    /// Source: TS-M10.
    SignedByDeviceSecret,
    /// The signer's class may not sign this class.
    ClassNotAllowed,
    /// A device signed a channel key that is not its own.
    /// Source: TS-M15.
    MetadataMismatch,
    /// More than 8 keys from the root to this one.
    ChainTooLong,
    /// This signature, or one above it, does not hold at this time.
    Time(TimeRefusal),
    /// The signer is a secret that cannot be derived here.
    SignerUnusable,
    /// The signature does not hold.
    Signature(SignatureError),
    /// The public key is not a point on its curve, or the private part belongs to another key.
    BadKey,
    /// The secret's derivation breaks a rule.
    Derivation(DeriveError),
    /// No room for more keys.
    Full,
}

impl core::fmt::Display for KeyRefusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::SelfSigned => "the key signs itself",
            Self::UnknownSigner => "the signer is not present",
            Self::DuplicateKeyId => "the id is taken",
            Self::SignedByDeviceSecret => "signed with a device's own secret",
            Self::ClassNotAllowed => "the signer's class may not sign this class",
            Self::MetadataMismatch => "signed for another device",
            Self::ChainTooLong => "the chain is too long",
            Self::Time(TimeRefusal::NotYetValid) => "not yet valid",
            Self::Time(TimeRefusal::Expired) => "expired",
            Self::SignerUnusable => "the signer's secret cannot be derived",
            Self::Signature(SignatureError::FormatMismatch) => "the signature format does not fit the key",
            Self::Signature(SignatureError::NotGenuine) => "the signature is not genuine",
            Self::BadKey => "the key is no usable one",
            Self::Derivation(_) => "the secret cannot be derived",
            Self::Full => "no room for more keys",
        })
    }
}

impl core::error::Error for KeyRefusal {}

/// What became of a key that was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is in the store now.
    Created,
    /// A key with this id was there; it is unchanged, whatever was pushed.
    Exists,
}

/// Accepted keys, in the order of their acceptance.
///
/// Holds at most `count_max` keys; more are refused.
#[derive(Clone, Debug)]
pub struct KeyStore {
    keys: Vec<StoredKey>,
    count_max: usize,
}

/// The key behind a signature.
struct Signatory<'a> {
    class: Class,
    key: Option<VerifyingKey<'a>>,
    metadata: Metadata,
    is_root: bool,
    chain_length: usize,
}

impl KeyStore {
    /// A store without keys: only roots and the device key count as signers.
    #[must_use]
    pub const fn empty(count_max: usize) -> Self {
        Self { keys: Vec::new(), count_max }
    }

    /// A store of keys that were accepted before and rested in protected storage.
    #[must_use]
    pub const fn restored(keys: Vec<StoredKey>, count_max: usize) -> Self {
        Self { keys, count_max }
    }

    /// The key with this id.
    #[must_use]
    pub fn find(&self, id: KeyId) -> Option<&StoredKey> {
        self.keys.iter().find(|stored| stored.id() == id)
    }

    /// All keys, in the order of their acceptance.
    pub fn iter(&self) -> impl Iterator<Item = &StoredKey> {
        self.keys.iter()
    }

    /// How many keys there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Removes a key; keys it signed stay.
    pub fn remove(&mut self, id: KeyId) -> Option<StoredKey> {
        let at = self.keys.iter().position(|stored| stored.id() == id)?;
        Some(self.keys.remove(at))
    }

    /// Takes a key that a management system pushed, after all checks.
    ///
    /// # Errors
    /// [`KeyRefusal`]; the store is unchanged.
    /// Source: aSSURE 10.1.1 with ruling A-ASSURE-71.
    pub fn put(
        &mut self,
        provider: &dyn Provider,
        anchors: &Anchors<'_>,
        key: AuthenticatedKey,
        time: TimeTrust,
    ) -> Result<Put, KeyRefusal> {
        if self.find(key.id()).is_some() {
            return Ok(Put::Exists);
        }
        let stored = self.check(provider, anchors, key, time)?;
        self.insert(stored)?;
        Ok(Put::Created)
    }

    /// Keeps a key that [`KeyStore::check`] passed.
    ///
    /// # Errors
    /// [`KeyRefusal::Full`] at the limit, [`KeyRefusal::DuplicateKeyId`] when the id is taken.
    pub fn insert(&mut self, stored: StoredKey) -> Result<(), KeyRefusal> {
        if self.find(stored.id()).is_some() {
            return Err(KeyRefusal::DuplicateKeyId);
        }
        if self.keys.len() >= self.count_max {
            return Err(KeyRefusal::Full);
        }
        self.keys.push(stored);
        Ok(())
    }

    /// The five checks of 7.4 and what stands around them; cheap ones first, the secret is derived last.
    ///
    /// # Errors
    /// [`KeyRefusal`]: the first check that fails.
    /// Source: aSSURE 7.4; ruling A-ASSURE-25; TS-M10, TS-M15.
    pub fn check(
        &self,
        provider: &dyn Provider,
        anchors: &Anchors<'_>,
        key: AuthenticatedKey,
        time: TimeTrust,
    ) -> Result<StoredKey, KeyRefusal> {
        let signer_id = key.signature().key_id;
        if signer_id == key.id() || self.signers_above(signer_id).any(|above| above == key.id()) {
            return Err(KeyRefusal::SelfSigned);
        }
        let signer = self.signatory(anchors, signer_id).ok_or(KeyRefusal::UnknownSigner)?;
        let taken = anchors.root(key.id()).is_some() || anchors.is_own_id(key.id());
        if taken || self.find(key.id()).is_some() {
            return Err(KeyRefusal::DuplicateKeyId);
        }
        check_roles(&key, &signer, anchors)?;
        if signer.chain_length >= SIGNATURE_CHAIN_MAX {
            return Err(KeyRefusal::ChainTooLong);
        }
        self.check_time(&key, time)?;
        let verifying_key = signer.key.ok_or(KeyRefusal::SignerUnusable)?;
        key.signature()
            .verify(provider, verifying_key, &key.to_be_signed())
            .map_err(KeyRefusal::Signature)?;
        let secret = self.usable(provider, anchors, key.definition())?;
        Ok(StoredKey {
            secret,
            signer_class: signer.class,
            signed_by_root: signer.is_root,
            chain_length: signer.chain_length + 1,
            key,
        })
    }

    fn signatory<'a>(&'a self, anchors: &'a Anchors<'_>, id: KeyId) -> Option<Signatory<'a>> {
        if let Some(stored) = self.find(id) {
            return Some(Signatory {
                class: stored.class(),
                key: stored.verifying_key(),
                metadata: stored.authenticated_key().metadata(),
                is_root: false,
                chain_length: stored.chain_length(),
            });
        }
        if let Some(root) = anchors.root(id) {
            return Some(Signatory {
                class: root.class,
                key: Some(root.verifying_key()),
                metadata: root.metadata,
                is_root: true,
                chain_length: 1,
            });
        }
        // the device's own key may sign its channel keys; its secret may sign nothing
        let device = anchors.device.filter(|_| anchors.is_own_id(id))?;
        let key = match anchors.held(id)? {
            HeldKey::Private(key) => Some(VerifyingKey::Public(key.public())),
            HeldKey::Secret(_) => None,
        };
        let metadata = Metadata::of_device(device);
        Some(Signatory { class: Class::Device, key, metadata, is_root: true, chain_length: 1 })
    }

    /// The ids above `id`: who signed it, who signed that, as far as they are stored.
    fn signers_above(&self, id: KeyId) -> impl Iterator<Item = KeyId> {
        let above =
            move |id: &KeyId| self.find(*id).map(|stored| stored.authenticated_key().signature().key_id);
        core::iter::successors(above(&id), above).take(SIGNATURE_CHAIN_MAX)
    }

    fn check_time(&self, key: &AuthenticatedKey, time: TimeTrust) -> Result<(), KeyRefusal> {
        let Some(now) = time.now() else { return Ok(()) };
        let signer = key.signature().key_id;
        key.signature().validity.at(now).map_err(KeyRefusal::Time)?;
        for id in core::iter::once(signer).chain(self.signers_above(signer)) {
            if let Some(stored) = self.find(id) {
                stored.authenticated_key().signature().validity.at(now).map_err(KeyRefusal::Time)?;
            }
        }
        Ok(())
    }

    /// Checks that the key can be used and derives its secret where a reference is held.
    fn usable(
        &self,
        provider: &dyn Provider,
        anchors: &Anchors<'_>,
        definition: &KeyDefinition,
    ) -> Result<Option<Secret>, KeyRefusal> {
        match definition {
            KeyDefinition::Ec(pair) | KeyDefinition::Rsa(pair) => {
                provider.check_key(pair.public()).map_err(|_| KeyRefusal::BadKey)?;
                match pair.private_key(provider) {
                    // a provider without such private keys cannot compare; it cannot use the key either
                    Ok(_) | Err(CryptoError::Unsupported) => Ok(None),
                    Err(_) => Err(KeyRefusal::BadKey),
                }
            }
            KeyDefinition::Derived(derived) => {
                let held = Held { store: self, anchors };
                match derived.derive(provider, &held, &mut RoundBudget::signed_key()) {
                    Ok(secret) => Ok(Some(secret)),
                    Err(DeriveError::ReferenceUnknown) => Ok(None),
                    Err(error) => Err(KeyRefusal::Derivation(error)),
                }
            }
        }
    }
}

/// Who may sign what for whom.
fn check_roles(
    key: &AuthenticatedKey,
    signer: &Signatory<'_>,
    anchors: &Anchors<'_>,
) -> Result<(), KeyRefusal> {
    let signature = key.signature();
    let named_device = [anchors.device, key.metadata().device].into_iter().flatten();
    let by_device_id = named_device.map(KeyId::from).any(|id| id == signature.key_id);
    let is_hmac = matches!(signature.format, SignatureFormat::Hmac(_));
    if is_hmac && (by_device_id || signer.class == Class::Device) {
        return Err(KeyRefusal::SignedByDeviceSecret);
    }
    if !signer.class.may_sign(key.class()) {
        return Err(KeyRefusal::ClassNotAllowed);
    }
    let own = key.metadata().device.is_some() && key.metadata().device == signer.metadata.device;
    if signer.class == Class::Device && !own {
        return Err(KeyRefusal::MetadataMismatch);
    }
    Ok(())
}

/// The keys that derivations of stored keys may refer to.
struct Held<'a> {
    store: &'a KeyStore,
    anchors: &'a Anchors<'a>,
}

impl HeldKeys for Held<'_> {
    fn held_key(&self, id: KeyId) -> Option<HeldKey<'_>> {
        let stored = || self.store.find(id).and_then(StoredKey::secret).map(HeldKey::Secret);
        self.anchors.held(id).or_else(stored)
    }

    fn is_root_secret(&self, secret: &Secret) -> bool {
        self.anchors.roots.iter().any(|root| match &root.key {
            RootKey::Secret(root) => root == secret,
            RootKey::Public(_) => false,
        })
    }
}
