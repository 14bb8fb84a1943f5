//! What a device is from the factory on: it never changes.

use alloc::sync::Arc;
use alloc::vec::Vec;

use assure_proto::cbor::{Reader, Writer};
use assure_proto::{
    Anchors, BootstrapServerId, Class, DERIVED_LENGTHS, DeviceInfo, HeldKey, HeldKeys, Root, RootKey,
    TrustBundle,
};
use crypto::{CryptoError, KeyKind, PrivateKey, Provider, PublicKey, Secret};
use model::{KeyId, Uuid};
use wire::{DecodeError, Reason};

const ROOT_COUNT_MAX: usize = 8;
const KEY_SECRET: u8 = 0;
const KEY_PRIVATE: u8 = 1;

/// A device's own key; its id is the device's UUID.
#[derive(Clone, Debug)]
pub enum DeviceKey {
    /// A secret of 16 to 64 bytes that only the identity server knows too.
    Secret(Secret),
    /// An EC or RSA private key as PKCS#8 v1, made inside the device.
    Private(Secret),
}

/// A key that the factory installed as trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactoryRoot {
    /// Its class: Trusted Authority; Manufacturer only where a maker insists.
    pub class: Class,
    /// Its id.
    pub key_id: KeyId,
    /// The key.
    pub key: PublicKey,
}

/// The factory part of a device's state.
///
/// Source: aSSURE 6.2; D-09 (roots), G 10 (generation).
#[derive(Clone, Debug)]
pub struct Factory {
    /// The device's UUID.
    pub device: Uuid,
    /// Its own key.
    pub key: DeviceKey,
    /// Public roots; none for a device with a shared secret, whose root is made from its secret.
    pub roots: Vec<FactoryRoot>,
    /// The bootstrap server to ask, from whose number a name is made.
    pub bootstrap_server: BootstrapServerId,
    /// The authority's generation when the device was made.
    pub generation: u32,
    /// What the device tells of itself.
    pub info: DeviceInfo,
}

impl Factory {
    /// A device of the authority that `bundle` describes: it trusts the root that its kind of key can use.
    ///
    /// # Errors
    /// [`CryptoError::BadInput`] when the key is malformed or a secret has not 16 to 64 bytes,
    /// [`CryptoError::Unsupported`] when the provider has no such private keys.
    /// Source: decision M6 (chosen by key type), G 23.
    pub fn of_authority(
        provider: &dyn Provider,
        device: Uuid,
        key: DeviceKey,
        bundle: &TrustBundle,
        bootstrap_server: BootstrapServerId,
        info: DeviceInfo,
    ) -> Result<Self, CryptoError> {
        let root = match load_key(provider, &key)? {
            OwnKey::Secret(_) => None,
            OwnKey::Private(private) => Some(match private.public().kind() {
                KeyKind::Ec(_) => &bundle.ec_root,
                KeyKind::Rsa { .. } => &bundle.rsa_root,
            }),
        };
        let roots = root.and_then(|root| {
            let key = root.public_key()?.clone();
            Some(FactoryRoot { class: Class::TrustedAuthority, key_id: root.id(), key })
        });
        let roots = roots.into_iter().collect();
        Ok(Self { device, key, roots, bootstrap_server, generation: bundle.generation, info })
    }

    pub(crate) fn write(&self) -> Secret {
        let mut out = Writer::new();
        let (kind, key) = match &self.key {
            DeviceKey::Secret(secret) => (KEY_SECRET, secret),
            DeviceKey::Private(pkcs8) => (KEY_PRIVATE, pkcs8),
        };
        out.array(7).bytes(&self.device.0).uint(kind).bytes(key.expose());
        out.array(self.roots.len());
        for root in &self.roots {
            out.array(3).uint(root.class.number()).bytes(&root.key_id.0).bytes(root.key.spki());
        }
        out.uint(self.bootstrap_server.0).uint(self.generation).bytes(&self.info.encode());
        Secret::new(out.finish())
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::whole(bytes)?;
        reader.array_of(7)?;
        let device = Uuid(reader.bytes_of()?);
        let unknown = reader.error(Reason::OutOfRange);
        let kind = reader.u8()?;
        let secret = Secret::from(reader.bytes()?);
        let key = match kind {
            KEY_SECRET => DeviceKey::Secret(secret),
            KEY_PRIVATE => DeviceKey::Private(secret),
            _ => return Err(unknown),
        };
        let too_many = reader.error(Reason::OverLimit);
        let count = reader.array()?;
        if count > ROOT_COUNT_MAX {
            return Err(too_many);
        }
        let roots = (0..count).map(|_| read_root(&mut reader)).collect::<Result<_, _>>()?;
        let bootstrap_server = BootstrapServerId(reader.u32()?);
        let generation = reader.u32()?;
        let info = DeviceInfo::decode(reader.bytes()?)?;
        reader.finish()?;
        Ok(Self { device, key, roots, bootstrap_server, generation, info })
    }
}

fn read_root(reader: &mut Reader<'_>) -> Result<FactoryRoot, DecodeError> {
    reader.array_of(3)?;
    let bad_class = reader.error(Reason::OutOfRange);
    let class = Class::from_number(reader.u8()?).ok_or(bad_class)?;
    let key_id = KeyId(reader.bytes_of()?);
    let bad_key = reader.error(Reason::OutOfRange);
    let key = PublicKey::from_spki(reader.bytes()?).map_err(|_| bad_key)?;
    Ok(FactoryRoot { class, key_id, key })
}

enum OwnKey {
    Secret(Secret),
    Private(Arc<dyn PrivateKey>),
}

fn load_key(provider: &dyn Provider, key: &DeviceKey) -> Result<OwnKey, CryptoError> {
    match key {
        DeviceKey::Secret(secret) if DERIVED_LENGTHS.contains(&secret.len()) => {
            Ok(OwnKey::Secret(secret.clone()))
        }
        DeviceKey::Secret(_) => Err(CryptoError::BadInput),
        DeviceKey::Private(pkcs8) => provider.import_key(pkcs8.expose()).map(OwnKey::Private),
    }
}

/// The factory part, its key and roots ready for use.
pub(crate) struct Own {
    pub(crate) factory: Factory,
    key: OwnKey,
    pub(crate) roots: Vec<Root>,
}

impl Own {
    pub(crate) fn load(provider: &dyn Provider, factory: Factory) -> Result<Self, CryptoError> {
        let key = load_key(provider, &factory.key)?;
        let public = factory.roots.iter().map(|root| Root::public(root.class, root.key_id, root.key.clone()));
        let mut roots: Vec<Root> = public.collect();
        if let OwnKey::Secret(secret) = &key {
            roots.push(Root::of_shared_secret(provider, &factory.device, secret));
        }
        Ok(Self { factory, key, roots })
    }

    pub(crate) const fn uuid(&self) -> Uuid {
        self.factory.device
    }

    pub(crate) fn key_id(&self) -> KeyId {
        self.factory.device.into()
    }

    pub(crate) fn held(&self) -> HeldKey<'_> {
        match &self.key {
            OwnKey::Secret(secret) => HeldKey::Secret(secret),
            OwnKey::Private(key) => HeldKey::Private(&**key),
        }
    }

    /// The private key; `None` for a device with a shared secret.
    pub(crate) fn private(&self) -> Option<&Arc<dyn PrivateKey>> {
        match &self.key {
            OwnKey::Secret(_) => None,
            OwnKey::Private(key) => Some(key),
        }
    }

    /// Runs `act` with what checks of new keys start from.
    pub(crate) fn with_anchors<T>(&self, act: impl FnOnce(&Anchors<'_>) -> T) -> T {
        let held = [(self.key_id(), self.held())];
        act(&Anchors { device: Some(self.uuid()), roots: &self.roots, held: &held })
    }
}

impl HeldKeys for Own {
    fn held_key(&self, id: KeyId) -> Option<HeldKey<'_>> {
        (id == self.key_id()).then(|| self.held())
    }

    fn is_root_secret(&self, secret: &Secret) -> bool {
        self.roots.iter().any(|root| match &root.key {
            RootKey::Secret(root) => root == secret,
            RootKey::Public(_) => false,
        })
    }
}
