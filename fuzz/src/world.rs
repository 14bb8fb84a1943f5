//! One device, its authority and its owner, made with the issuing side of the formats.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use agent::{DeviceKey, Factory, FactoryRoot};
use assure_proto::{
    Address, AuthenticatedKey, BootstrapServerId, ChannelDefinition, CipherSuite, Class, Derivation,
    DerivedKey, DeviceInfo, HeldKey, ImageContents, KeyDefinition, Metadata, OwnerBinding, OwnerData,
    PayloadKey, Privileges, Root, RootKey, Signer, SimpleTime, Validity, build_image, definition_hash,
};
use clock::Dice;
use coap_proto::{Code, ContentFormat, store_request};
use crypto::{Curve, KeyKind, PrivateKey, Provider, Secret};
use crypto_portable::Portable;
use crypto_server::Server;
use model::{KeyId, Uuid};

const NOON: u32 = 520_000_000;
const P256: KeyKind = KeyKind::Ec(Curve::P256);

pub(crate) const DEVICE: SocketAddr = place(9, 50_000);
pub(crate) const BOOTSTRAP: SocketAddr = place(1, 49_684);
pub(crate) const MANAGEMENT: SocketAddr = place(2, 49_683);
pub(crate) const STRANGER: SocketAddr = place(66, 6666);

const fn place(last: u8, port: u16) -> SocketAddr {
    SocketAddr::V4(std::net::SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, last), port))
}

/// What is signed is repeated only by the provider that draws all its chance from our dice.
pub(crate) fn provider(is_keyed: bool) -> Arc<dyn Provider> {
    if is_keyed { Arc::new(Portable) } else { Arc::new(Server) }
}

/// A secret or a private key.
#[derive(Clone)]
pub(crate) enum Held {
    Secret(Secret),
    Private(Arc<dyn PrivateKey>),
}

impl Held {
    fn borrow(&self) -> HeldKey<'_> {
        match self {
            Self::Secret(secret) => HeldKey::Secret(secret),
            Self::Private(key) => HeldKey::Private(&**key),
        }
    }

    fn signer(&self, id: KeyId, class: Class) -> Signer<'_> {
        match self {
            Self::Secret(secret) => Signer::with_secret(id, class, secret),
            Self::Private(key) => Signer::with_private_key(id, class, &**key),
        }
    }
}

/// Somebody with a key, and the proof that others gave for it.
#[derive(Clone)]
pub(crate) struct Party {
    pub(crate) id: KeyId,
    class: Class,
    pub(crate) key: Held,
    pub(crate) proof: AuthenticatedKey,
}

impl Party {
    fn signer(&self) -> Signer<'_> {
        self.key.signer(self.id, self.class)
    }
}

pub(crate) struct World {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) device: Held,
    pub(crate) bootstrap: Party,
    pub(crate) owner: Party,
    /// The secret of the management channel, on a device with a secret.
    pub(crate) channel: Option<Party>,
    /// An image of the owner.
    pub(crate) image: Vec<u8>,
    uuid: Uuid,
    root: Root,
    online: Party,
}

impl World {
    /// The device with an EC key, or the one with a shared secret.
    pub(crate) fn of(is_keyed: bool) -> &'static Self {
        static WORLDS: OnceLock<[World; 2]> = OnceLock::new();
        &WORLDS.get_or_init(|| [false, true].map(Self::new))[usize::from(is_keyed)]
    }

    fn new(is_keyed: bool) -> Self {
        let provider = provider(is_keyed);
        let mut dice = Dice::numbered(if is_keyed { 50 } else { 51 });
        let uuid = Uuid::v4(dice.bytes());
        let (device, root_key, root) = if is_keyed {
            let device = provider.generate_key(P256, &mut dice).expect("the provider has P-256");
            let root = provider.generate_key(P256, &mut dice).expect("the provider has P-256");
            let trusted = Root::public(Class::TrustedAuthority, KeyId(dice.bytes()), root.public().clone());
            (Held::Private(device), Held::Private(root), trusted)
        } else {
            let secret = Secret::new(dice.bytes::<32>().to_vec());
            let root = Root::of_shared_secret(&*provider, &uuid, &secret);
            let key = Held::Secret(root.secret().expect("a root of a secret is one").clone());
            (Held::Secret(secret), key, root)
        };
        let by_root = root_key.signer(root.key_id, root.class);
        let mut maker = Maker { provider: &*provider, dice: &mut dice };
        let own = (KeyId::from(uuid), &device);
        let online = maker.party(Class::TrustedAuthority, Metadata::of_generation(1), &by_root, own);
        let bootstrap = maker.party(Class::BootstrapService, Metadata::NONE, &online.signer(), own);
        let owner = maker.party(Class::ManagementSystem, Metadata::NONE, &online.signer(), own);
        let channel = (!is_keyed)
            .then(|| maker.party(Class::Channel, Metadata::NONE, &owner.signer(), (owner.id, &owner.key)));
        let image = Vec::new();
        let mut made = Self { provider, device, bootstrap, owner, channel, image, uuid, root, online };
        made.image = made.make_image(&mut dice);
        made
    }

    pub(crate) fn first_state(&self) -> Secret {
        let (key, roots) = match (&self.device, &self.root.key) {
            (Held::Private(key), RootKey::Public(root)) => {
                let root =
                    FactoryRoot { class: self.root.class, key_id: self.root.key_id, key: root.clone() };
                (DeviceKey::Private(key.pkcs8().expect("it was made here")), vec![root])
            }
            (Held::Secret(secret), _) => (DeviceKey::Secret(secret.clone()), Vec::new()),
            (Held::Private(_), RootKey::Secret(_)) => unreachable!("key pairs have public roots"),
        };
        let info = DeviceInfo { device_product_code: "lamp".into(), ..DeviceInfo::only(self.uuid) };
        let bootstrap_server = BootstrapServerId(42);
        Factory { device: self.uuid, key, roots, bootstrap_server, generation: 1, info }.first_state()
    }

    /// The name of the management channel's key.
    pub(crate) fn channel_name(&self) -> KeyId {
        self.channel.as_ref().map_or(self.owner.id, |channel| channel.id)
    }

    /// The stored requests that make the management channel.
    fn messages(&self) -> Vec<Vec<u8>> {
        let put = |index, path: &str, body: &[u8]| {
            store_request(index, Code::PUT, path, &[], ContentFormat::CBOR, body)
        };
        let (local_key, peer_key) = match &self.channel {
            Some(channel) => (channel.id, None),
            None => (self.uuid.into(), Some(self.owner.id)),
        };
        let channel = ChannelDefinition {
            local_key,
            peer_key,
            persistent_across_reboots: true,
            open_immediately: true,
            privileges: Privileges::ALL,
            further_flags: Vec::new(),
            address: Address::Ip { remote: MANAGEMENT.ip(), local_port: 0, remote_port: MANAGEMENT.port() },
        };
        let key = self.channel.as_ref();
        let key = key.map(|channel| put(0, &format!("v1/keys/{}", channel.id), channel.proof.encoded()));
        let index = u16::from(key.is_some());
        key.into_iter().chain([put(index, "v1/channels/1", &channel.encode())]).collect()
    }

    fn make_image(&self, dice: &mut Dice) -> Vec<u8> {
        let definition_hash = definition_hash(&*self.provider, &self.owner.proof.definition().encode());
        let binding = OwnerBinding { device: self.uuid, owner_key: self.owner.id, definition_hash };
        let validity = Validity::since(SimpleTime { secs: NOON - 900 });
        let provider = &*self.provider;
        let owner_data = OwnerData::issue(provider, &binding, 1, &self.online.signer(), validity, dice);
        let owner_data = owner_data.expect("the online key signs owner data");
        let payload_key = match (&self.device, &self.owner.key) {
            (Held::Private(key), _) => PayloadKey::Device(key.public()),
            (_, Held::Secret(secret)) => PayloadKey::OwnerSecret { secret, suite: CipherSuite::Aes128Ccm },
            (Held::Secret(_), Held::Private(_)) => unreachable!("owners of this device have secrets"),
        };
        let keys = [&self.online, &self.bootstrap, &self.owner].map(|party| party.proof.clone());
        let messages = self.messages();
        let contents = ImageContents {
            device: self.uuid,
            authenticated_keys: &keys,
            owner_data: &owner_data,
            payload_key,
            messages: &messages,
        };
        let validity = Validity::since(SimpleTime { secs: NOON });
        build_image(provider, &contents, &self.owner.signer(), validity, dice).expect("a sound image")
    }
}

/// Makes keys for one device: derived from a secret it holds, or pairs of their own.
struct Maker<'a> {
    provider: &'a dyn Provider,
    dice: &'a mut Dice,
}

impl Maker<'_> {
    fn party(
        &mut self,
        class: Class,
        metadata: Metadata,
        by: &Signer<'_>,
        (reference, held): (KeyId, &Held),
    ) -> Party {
        let id = KeyId(self.dice.bytes());
        let (definition, key) = match held.borrow() {
            HeldKey::Secret(held) => {
                let secret = Secret::new(self.dice.bytes::<32>().to_vec());
                let way = Derivation::from_secret(self.provider, reference, held, &secret, self.dice);
                let derived = DerivedKey::new(id, vec![way.expect("a secret of 32 bytes")]);
                (KeyDefinition::Derived(derived.expect("one way")), Held::Secret(secret))
            }
            HeldKey::Private(_) => {
                let key = self.provider.generate_key(P256, self.dice).expect("the provider has P-256");
                (KeyDefinition::public(id, key.public().clone()), Held::Private(key))
            }
        };
        let validity = Validity::since(SimpleTime { secs: NOON - 1000 });
        let proof =
            AuthenticatedKey::issue(self.provider, class, &definition, metadata, by, validity, self.dice);
        Party { id, class, key, proof: proof.expect("the signer may") }
    }
}
