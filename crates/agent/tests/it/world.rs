//! One device, its authority and two owners, made with the issuing side of the formats.

use std::net::SocketAddr;
use std::sync::Arc;

use agent::{DeviceKey, Factory, FactoryRoot};
use assure_proto::{
    Address, AuthenticatedKey, BootstrapServerId, ChannelDefinition, CipherSuite, Class, Derivation,
    DerivedKey, DeviceInfo, ImageContents, KeyDefinition, Metadata, OwnerBinding, OwnerData, PayloadKey,
    Privileges, Root, Signer, SimpleTime, Validity, build_image, definition_hash,
};
use clock::Dice;
use coap_proto::{Code, ContentFormat, store_request};
use crypto::{Curve, KeyKind, PrivateKey, Provider, Secret};
use crypto_portable::Portable;
use crypto_server::Server;
use model::{KeyId, Uuid};

use crate::counting::Counting;
use crate::party::{Held, Party, signer};

/// Some noon in 2026, in seconds since 2010.
pub(crate) const NOON: u32 = 520_000_000;
pub(crate) const BOOTSTRAP_ID: BootstrapServerId = BootstrapServerId(42);

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// Which kind of device key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Secret,
    Ec(Curve),
    Rsa,
}

pub(crate) const EC: Kind = Kind::Ec(Curve::P256);

/// An owner: the key that signs images, and the secret of the management channel where it needs one.
#[derive(Clone)]
pub(crate) struct Owner {
    pub(crate) party: Party,
    pub(crate) channel: Option<Party>,
    pub(crate) address: SocketAddr,
}

impl Owner {
    /// The key that names the management channel: the shared secret, or the owner's own key.
    pub(crate) fn name(&self) -> KeyId {
        self.channel.as_ref().map_or(self.party.id, |channel| channel.id)
    }
}

/// What an image says about itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    pub(crate) sequence_number: u32,
    pub(crate) created_at: u32,
    pub(crate) valid_until: u32,
}

pub(crate) const FIRST: Marks = Marks { sequence_number: 1, created_at: NOON, valid_until: 0 };
pub(crate) const SECOND: Marks = Marks { sequence_number: 2, created_at: NOON + 100, valid_until: 0 };

pub(crate) struct World {
    pub(crate) provider: Arc<dyn Provider>,
    /// The same provider, which counts.
    pub(crate) counting: Arc<Counting>,
    pub(crate) dice: Dice,
    pub(crate) kind: Kind,
    pub(crate) uuid: Uuid,
    pub(crate) device: Held,
    pub(crate) root: Root,
    pub(crate) online: Party,
    pub(crate) bootstrap: Party,
    pub(crate) a: Owner,
    pub(crate) b: Owner,
}

impl World {
    pub(crate) fn new(kind: Kind) -> Self {
        Self::numbered(kind, 40)
    }

    /// Worlds of different numbers have nothing in common.
    pub(crate) fn numbered(kind: Kind, number: u64) -> Self {
        let inner: Arc<dyn Provider> =
            if kind == Kind::Rsa { Arc::new(Server::new()) } else { Arc::new(Portable::new()) };
        let counting = Arc::new(Counting::new(inner));
        let provider: Arc<dyn Provider> = counting.clone();
        let mut dice = Dice::numbered(number);
        let uuid = Uuid::v4(dice.bytes());
        let (device, root_key, root) = match kind {
            Kind::Secret => {
                let secret = Secret::new(dice.bytes::<32>().to_vec());
                let root = Root::of_shared_secret(&*provider, &uuid, &secret);
                let root_key = Held::Secret(root.secret().unwrap().clone());
                (Held::Secret(secret), root_key, root)
            }
            Kind::Ec(_) | Kind::Rsa => {
                let device = provider.generate_key(key_kind(kind), &mut dice).unwrap();
                let root = provider.generate_key(authority_kind(kind), &mut dice).unwrap();
                let trusted =
                    Root::public(Class::TrustedAuthority, KeyId(dice.bytes()), root.public().clone());
                (Held::Private(device), Held::Private(root), trusted)
            }
        };
        let mut maker =
            Maker { provider: &*provider, dice: &mut dice, kind, reference: (uuid.into(), &device) };
        let by_root = signer(root.key_id, root.class, &root_key);
        let online = maker.party(Class::TrustedAuthority, Metadata::of_generation(1), &by_root);
        let bootstrap = maker.party(Class::BootstrapService, Metadata::NONE, &online.signer());
        let mut owner = |address| {
            let party = maker.party(Class::ManagementSystem, Metadata::NONE, &online.signer());
            let channel =
                (kind == Kind::Secret).then(|| maker.below(&party).channel_secret(&party, Metadata::NONE));
            Owner { party, channel, address }
        };
        let a = owner(address("10.0.0.2:49683"));
        let b = owner(address("10.0.0.3:49683"));
        Self { provider, counting, dice, kind, uuid, device, root, online, bootstrap, a, b }
    }

    pub(crate) fn factory(&self) -> Factory {
        let (key, roots) = match (&self.device, &self.root.key) {
            (Held::Secret(secret), _) => (DeviceKey::Secret(secret.clone()), Vec::new()),
            (Held::Private(key), assure_proto::RootKey::Public(root)) => {
                let root =
                    FactoryRoot { class: self.root.class, key_id: self.root.key_id, key: root.clone() };
                (DeviceKey::Private(key.pkcs8().unwrap()), vec![root])
            }
            (Held::Private(_), assure_proto::RootKey::Secret(_)) => {
                unreachable!("public roots for key pairs")
            }
        };
        let info = DeviceInfo { device_product_code: "lamp".into(), ..DeviceInfo::only(self.uuid) };
        Factory { device: self.uuid, key, roots, bootstrap_server: BOOTSTRAP_ID, generation: 1, info }
    }

    /// Another party of this device's authority.
    pub(crate) fn party(&mut self, class: Class, metadata: Metadata, by: &Signer<'_>) -> Party {
        let Self { provider, dice, kind, uuid, device, .. } = self;
        let reference = ((*uuid).into(), &*device);
        Maker { provider: &**provider, dice, kind: *kind, reference }.party(class, metadata, by)
    }

    /// A fresh channel secret that the owner makes from its own secret or for the device's key.
    pub(crate) fn channel_secret(&mut self, owner: &Owner, metadata: Metadata) -> Party {
        let Self { provider, dice, kind, uuid, device, .. } = self;
        let reference = ((*uuid).into(), &*device);
        Maker { provider: &**provider, dice, kind: *kind, reference }
            .below(&owner.party)
            .channel_secret(&owner.party, metadata)
    }

    pub(crate) fn generate(&mut self, kind: KeyKind) -> Arc<dyn PrivateKey> {
        self.provider.generate_key(kind, &mut self.dice).unwrap()
    }

    /// Signs a public key as one of `class`.
    pub(crate) fn prove(
        &mut self,
        class: Class,
        definition: &KeyDefinition,
        metadata: Metadata,
        by: &Signer<'_>,
    ) -> AuthenticatedKey {
        let validity = Validity::since(SimpleTime { secs: NOON - 1000 });
        AuthenticatedKey::issue(&*self.provider, class, definition, metadata, by, validity, &mut self.dice)
            .unwrap()
    }

    pub(crate) fn header(&self, owner: &Owner) -> Vec<AuthenticatedKey> {
        vec![self.online.proof.clone(), self.bootstrap.proof.clone(), owner.party.proof.clone()]
    }

    /// The definition of the owner's management channel.
    pub(crate) fn management_channel(&self, owner: &Owner) -> ChannelDefinition {
        let (local_key, peer_key) = match &owner.channel {
            Some(channel) => (channel.id, None),
            None => (self.uuid.into(), Some(owner.party.id)),
        };
        definition(local_key, peer_key, owner.address, Privileges::ALL)
    }

    /// The stored requests that a management system puts into a first image.
    pub(crate) fn messages(&self, owner: &Owner) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        if let Some(channel) = &owner.channel {
            messages.push(put(0, &format!("v1/keys/{}", channel.id), channel.proof.encoded()));
        }
        let index = u16::try_from(messages.len()).unwrap();
        messages.push(put(index, "v1/channels/1", &self.management_channel(owner).encode()));
        messages
    }

    /// A genuine image of `owner`.
    pub(crate) fn image(&mut self, owner: &Owner, marks: Marks) -> Vec<u8> {
        let messages = self.messages(owner);
        self.image_with(owner, marks, &self.header(owner), &messages)
    }

    pub(crate) fn image_with(
        &mut self,
        owner: &Owner,
        marks: Marks,
        keys: &[AuthenticatedKey],
        messages: &[Vec<u8>],
    ) -> Vec<u8> {
        let definition_hash = definition_hash(&*self.provider, &owner.party.definition().encode());
        let binding = OwnerBinding { device: self.uuid, owner_key: owner.party.id, definition_hash };
        let validity = Validity::since(SimpleTime { secs: NOON - 900 });
        let by = self.online.signer();
        let owner_data =
            OwnerData::issue(&*self.provider, &binding, marks.sequence_number, &by, validity, &mut self.dice)
                .unwrap();
        let payload_key = match (&self.device, &owner.party.key) {
            (Held::Private(key), _) => PayloadKey::Device(key.public()),
            (Held::Secret(_), Held::Secret(secret)) => {
                PayloadKey::OwnerSecret { secret, suite: CipherSuite::Aes128Ccm }
            }
            (Held::Secret(_), Held::Private(_)) => unreachable!("owners of this device have secrets"),
        };
        let contents = ImageContents {
            device: self.uuid,
            authenticated_keys: keys,
            owner_data: &owner_data,
            payload_key,
            messages,
        };
        let validity = Validity {
            created_at: SimpleTime { secs: marks.created_at },
            valid_until: SimpleTime { secs: marks.valid_until },
        };
        build_image(&*self.provider, &contents, &owner.party.signer(), validity, &mut self.dice).unwrap()
    }
}

/// Message `index` of a payload: PUT with a CBOR body.
pub(crate) fn put(index: u16, path: &str, body: &[u8]) -> Vec<u8> {
    store_request(index, Code::PUT, path, &[], ContentFormat::CBOR, body)
}

pub(crate) fn definition(
    local_key: KeyId,
    peer_key: Option<KeyId>,
    to: SocketAddr,
    privileges: Privileges,
) -> ChannelDefinition {
    ChannelDefinition {
        local_key,
        peer_key,
        persistent_across_reboots: true,
        open_immediately: true,
        privileges,
        further_flags: Vec::new(),
        address: Address::Ip { remote: to.ip(), local_port: 0, remote_port: to.port() },
    }
}

const fn key_kind(kind: Kind) -> KeyKind {
    match kind {
        Kind::Ec(curve) => KeyKind::Ec(curve),
        Kind::Rsa => KeyKind::Rsa { modulus_bits: 2048 },
        Kind::Secret => panic!("a secret is no key pair"),
    }
}

/// Keys of the authority are P-256 or RSA, whatever curve a device has.
const fn authority_kind(kind: Kind) -> KeyKind {
    match kind {
        Kind::Ec(_) | Kind::Secret => KeyKind::Ec(Curve::P256),
        Kind::Rsa => KeyKind::Rsa { modulus_bits: 2048 },
    }
}

/// Makes keys for one device: derived from a key it holds, or pairs of their own.
struct Maker<'a> {
    provider: &'a dyn Provider,
    dice: &'a mut Dice,
    kind: Kind,
    reference: (KeyId, &'a Held),
}

impl<'a> Maker<'a> {
    /// The same maker, whose secrets derive from a party's where that has one.
    fn below<'b>(&'b mut self, party: &'b Party) -> Maker<'b> {
        let reference = match &party.key {
            Held::Secret(_) => (party.id, &party.key),
            Held::Private(_) => self.reference,
        };
        Maker { provider: self.provider, dice: self.dice, kind: self.kind, reference }
    }

    fn channel_secret(&mut self, owner: &Party, metadata: Metadata) -> Party {
        let (definition, key) = self.derived();
        self.proven(Class::Channel, definition, key, metadata, &owner.signer())
    }

    fn party(&mut self, class: Class, metadata: Metadata, by: &Signer<'_>) -> Party {
        let (definition, key) = match self.kind {
            Kind::Secret => self.derived(),
            Kind::Ec(_) | Kind::Rsa => {
                let key = self.provider.generate_key(authority_kind(self.kind), self.dice).unwrap();
                (KeyDefinition::public(KeyId(self.dice.bytes()), key.public().clone()), Held::Private(key))
            }
        };
        self.proven(class, definition, key, metadata, by)
    }

    fn derived(&mut self) -> (KeyDefinition, Held) {
        let secret = Secret::new(self.dice.bytes::<32>().to_vec());
        let (reference, held) = self.reference;
        let way = match held {
            Held::Secret(held) => {
                Derivation::from_secret(self.provider, reference, held, &secret, self.dice).unwrap()
            }
            Held::Private(held) => {
                Derivation::for_public_key(self.provider, reference, held.public(), &secret, self.dice)
                    .unwrap()
            }
        };
        let derived = DerivedKey::new(KeyId(self.dice.bytes()), vec![way]).unwrap();
        (KeyDefinition::Derived(derived), Held::Secret(secret))
    }

    fn proven(
        &mut self,
        class: Class,
        definition: KeyDefinition,
        key: Held,
        metadata: Metadata,
        by: &Signer<'_>,
    ) -> Party {
        let validity = Validity::since(SimpleTime { secs: NOON - 1000 });
        let proof =
            AuthenticatedKey::issue(self.provider, class, &definition, metadata, by, validity, self.dice)
                .unwrap();
        Party { id: definition.id(), class, key, proof }
    }
}
