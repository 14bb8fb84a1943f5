//! One device, an authority and two owners, made with the issuing side of the crate.

use assure_proto::cbor::Writer;
use assure_proto::{
    AcceptedImage, AuthenticatedKey, BootstrapSession, CipherSuite, Circumstances, Class, Derivation,
    DerivedKey, GardenSwitch, HeldKey, ImageContents, ImageRefusal, KeyDefinition, Metadata, OwnDevice,
    OwnerBinding, OwnerData, OwnershipRecord, PayloadKey, Root, Signer, SimpleTime, TimeTrust, Validity,
    build_image, definition_hash, validate_image,
};
use clock::Dice;
use crypto::{Curve, KeyKind, Provider, Secret, SignatureScheme};
use model::{KeyId, Uuid};

use crate::vectors::OwnKey;

pub(crate) const NOON: u32 = 520_000_000;

/// Somebody with a key and the proof that others gave for it.
pub(crate) struct Party {
    pub(crate) id: KeyId,
    pub(crate) class: Class,
    pub(crate) key: OwnKey,
    pub(crate) proof: AuthenticatedKey,
}

impl Party {
    pub(crate) fn signer(&self) -> Signer<'_> {
        signer(self.id, self.class, &self.key)
    }

    pub(crate) fn definition(&self) -> &KeyDefinition {
        self.proof.definition()
    }
}

pub(crate) fn signer(id: KeyId, class: Class, key: &OwnKey) -> Signer<'_> {
    match key {
        OwnKey::Secret(secret) => Signer::with_secret(id, class, secret),
        OwnKey::Private(key) => Signer::with_private_key(id, class, &**key),
    }
}

/// Which kind of device key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Secret,
    Ec,
}

pub(crate) struct World {
    pub(crate) provider: &'static dyn Provider,
    pub(crate) dice: Dice,
    pub(crate) uuid: Uuid,
    pub(crate) device: OwnKey,
    pub(crate) root_key: OwnKey,
    pub(crate) roots: Vec<Root>,
    pub(crate) online: Party,
    pub(crate) bootstrap: Party,
    pub(crate) owner_a: Party,
    pub(crate) owner_b: Party,
    pub(crate) record: OwnershipRecord,
}

/// What differs from the first image of owner A.
#[derive(Clone, Copy)]
pub(crate) struct Marks {
    pub(crate) sequence_number: u32,
    pub(crate) created_at: u32,
    pub(crate) valid_until: u32,
}

pub(crate) const FIRST: Marks = Marks { sequence_number: 1, created_at: NOON, valid_until: 0 };

impl World {
    pub(crate) fn new(kind: Kind, provider: &'static dyn Provider) -> Self {
        let mut dice = Dice::numbered(20);
        let uuid = Uuid::v4(dice.bytes());
        let (device, root_key, root) = match kind {
            Kind::Secret => {
                let secret = Secret::new(dice.bytes::<32>().to_vec());
                let root = Root::of_shared_secret(provider, &uuid, &secret);
                let root_key = OwnKey::Secret(root.secret().unwrap().clone());
                (OwnKey::Secret(secret), root_key, root)
            }
            Kind::Ec => {
                let device = provider.generate_key(KeyKind::Ec(Curve::P256), &mut dice).unwrap();
                let root = provider.generate_key(KeyKind::Ec(Curve::P256), &mut dice).unwrap();
                let id = KeyId(dice.bytes());
                let trusted = Root::public(Class::TrustedAuthority, id, root.public().clone());
                (OwnKey::Private(device), OwnKey::Private(root), trusted)
            }
        };
        let mut maker = Maker { provider, dice: &mut dice, uuid, device: &device };
        let root_signer = signer(root.key_id, root.class, &root_key);
        let generation = Metadata::of_generation(1);
        let online = maker.party(Class::TrustedAuthority, generation, &root_signer);
        let bootstrap = maker.party(Class::BootstrapService, Metadata::NONE, &online.signer());
        let owner_a = maker.party(Class::ManagementSystem, Metadata::NONE, &online.signer());
        let owner_b = maker.party(Class::ManagementSystem, Metadata::NONE, &online.signer());
        let record = OwnershipRecord::factory(1);
        let roots = vec![root];
        Self { provider, dice, uuid, device, root_key, roots, online, bootstrap, owner_a, owner_b, record }
    }

    pub(crate) fn both() -> [Self; 2] {
        [Kind::Secret, Kind::Ec].map(|kind| Self::new(kind, &crypto_portable::Portable))
    }

    pub(crate) fn is_secret(&self) -> bool {
        matches!(self.device, OwnKey::Secret(_))
    }

    pub(crate) fn party(&mut self, class: Class, metadata: Metadata, by: &Signer<'_>) -> Party {
        let Self { provider, dice, uuid, device, .. } = self;
        Maker { provider: *provider, dice, uuid: *uuid, device }.party(class, metadata, by)
    }

    /// Signs `definition` as a key of `class`.
    pub(crate) fn prove(
        &mut self,
        class: Class,
        definition: &KeyDefinition,
        by: &Signer<'_>,
    ) -> AuthenticatedKey {
        let validity = Validity::since(SimpleTime { secs: NOON - 1000 });
        let metadata = Metadata::NONE;
        AuthenticatedKey::issue(self.provider, class, definition, metadata, by, validity, &mut self.dice)
            .unwrap()
    }

    pub(crate) fn binding(&self, owner: &Party) -> OwnerBinding {
        let definition_hash = definition_hash(self.provider, &owner.definition().encode());
        OwnerBinding { device: self.uuid, owner_key: owner.id, definition_hash }
    }

    pub(crate) fn owner_data(&mut self, owner: &Party, sequence_number: u32, by: &Signer<'_>) -> OwnerData {
        let binding = self.binding(owner);
        let validity = Validity::since(SimpleTime { secs: NOON - 900 });
        OwnerData::issue(self.provider, &binding, sequence_number, by, validity, &mut self.dice).unwrap()
    }

    /// The keys of the configuration for `owner`.
    pub(crate) fn header(&self, owner: &Party) -> Vec<AuthenticatedKey> {
        vec![self.online.proof.clone(), self.bootstrap.proof.clone(), owner.proof.clone()]
    }

    /// A genuine image of `owner`, who is `owner_a` or `owner_b` of this world.
    pub(crate) fn image(&mut self, owner: fn(&Self) -> &Party, marks: Marks) -> Vec<u8> {
        let keys = self.header(owner(self));
        self.image_with(owner, marks, &keys)
    }

    pub(crate) fn image_with(
        &mut self,
        owner: fn(&Self) -> &Party,
        marks: Marks,
        keys: &[AuthenticatedKey],
    ) -> Vec<u8> {
        let binding = self.binding(owner(self));
        let mut dice = self.dice.split();
        let validity = Validity::since(SimpleTime { secs: NOON - 900 });
        let by = self.online.signer();
        let owner_data =
            OwnerData::issue(self.provider, &binding, marks.sequence_number, &by, validity, &mut dice)
                .unwrap();
        self.signed(owner(self), marks, keys, &owner_data, &mut dice)
    }

    /// An image that `signer` signs over whatever it is given.
    pub(crate) fn signed(
        &self,
        signer: &Party,
        marks: Marks,
        keys: &[AuthenticatedKey],
        owner_data: &OwnerData,
        dice: &mut Dice,
    ) -> Vec<u8> {
        let payload_key = match (&self.device, &signer.key) {
            (OwnKey::Private(key), _) => PayloadKey::Device(key.public()),
            (_, OwnKey::Secret(secret)) => PayloadKey::OwnerSecret { secret, suite: CipherSuite::Aes128Ccm },
            (OwnKey::Secret(_), OwnKey::Private(_)) => unreachable!("owners of this device have secrets"),
        };
        let contents = ImageContents {
            device: self.uuid,
            authenticated_keys: keys,
            owner_data,
            payload_key,
            messages: &[b"first".to_vec(), b"second".to_vec()],
        };
        let validity = Validity {
            created_at: SimpleTime { secs: marks.created_at },
            valid_until: SimpleTime { secs: marks.valid_until },
        };
        build_image(self.provider, &contents, &signer.signer(), validity, dice).unwrap()
    }

    pub(crate) fn judge(&self, image: &[u8]) -> Result<AcceptedImage, ImageRefusal> {
        self.judge_under(image, TimeTrust::Unknown, GardenSwitch::Untouched)
    }

    pub(crate) fn judge_under(
        &self,
        image: &[u8],
        time: TimeTrust,
        garden: GardenSwitch,
    ) -> Result<AcceptedImage, ImageRefusal> {
        self.judge_from(&self.bootstrap, image, time, garden)
    }

    /// Judges an image that came from `server`.
    pub(crate) fn judge_from(
        &self,
        server: &Party,
        image: &[u8],
        time: TimeTrust,
        garden: GardenSwitch,
    ) -> Result<AcceptedImage, ImageRefusal> {
        let hint = [server.definition().encode()];
        let session = match server.definition().public_key() {
            Some(key) => BootstrapSession::PublicKey(key.spki()),
            None => BootstrapSession::Hint(&hint),
        };
        self.judge_session(image, &Circumstances { session, time, garden })
    }

    pub(crate) fn judge_session(
        &self,
        image: &[u8],
        circumstances: &Circumstances<'_>,
    ) -> Result<AcceptedImage, ImageRefusal> {
        let device =
            OwnDevice { uuid: self.uuid, key: self.device.held(), roots: &self.roots, record: &self.record };
        validate_image(self.provider, &device, image, circumstances)
    }

    /// Applies an image that must be genuine.
    pub(crate) fn apply(&mut self, image: &[u8]) -> AcceptedImage {
        let accepted = self.judge(image).unwrap();
        self.record = accepted.record;
        accepted
    }
}

/// Makes keys for one device: derived from its secret, or of their own.
struct Maker<'a> {
    provider: &'static dyn Provider,
    dice: &'a mut Dice,
    uuid: Uuid,
    device: &'a OwnKey,
}

impl Maker<'_> {
    fn party(&mut self, class: Class, metadata: Metadata, by: &Signer<'_>) -> Party {
        let id = KeyId(self.dice.bytes());
        let (definition, key) = match self.device.held() {
            HeldKey::Secret(device) => {
                let secret = Secret::new(self.dice.bytes::<32>().to_vec());
                let reference = KeyId::from(self.uuid);
                let way =
                    Derivation::from_secret(self.provider, reference, device, &secret, self.dice).unwrap();
                let derived = DerivedKey::new(id, vec![way]).unwrap();
                (KeyDefinition::Derived(derived), OwnKey::Secret(secret))
            }
            HeldKey::Private(_) => {
                let key = self.provider.generate_key(KeyKind::Ec(Curve::P256), self.dice).unwrap();
                (KeyDefinition::public(id, key.public().clone()), OwnKey::Private(key))
            }
        };
        let validity = Validity::since(SimpleTime { secs: NOON - 1000 });
        let proof =
            AuthenticatedKey::issue(self.provider, class, &definition, metadata, by, validity, self.dice);
        Party { id, class, key, proof: proof.unwrap() }
    }
}

/// An array of encoded items with a signature put on by hand: what an attacker who keeps no rule sends.
pub(crate) fn sign_by_hand(provider: &dyn Provider, items: &[&[u8]], by: &Party, created_at: u32) -> Vec<u8> {
    let format: u8 = if matches!(by.key, OwnKey::Secret(_)) { 16 } else { 0 };
    let value_count = if format == 0 { 2 } else { 1 };
    let mut out = Writer::new();
    out.array(items.len() + 1);
    items.iter().for_each(|item| {
        out.raw(item);
    });
    out.array(5 + value_count).uint(4_u8).uint(format).uint(created_at).uint(0_u8).bytes(&by.id.0);
    let head = out.finish();
    let covered = [&head[..], &[0x40; 2][..value_count]].concat();
    let value = match &by.key {
        OwnKey::Secret(secret) => {
            provider.hmac(crypto::HashAlgorithm::Sha256, secret.expose(), &[&covered]).as_ref().to_vec()
        }
        OwnKey::Private(key) => {
            let mut dice = Dice::numbered(77);
            key.sign(SignatureScheme::Ecdsa(Curve::P256), &covered, &mut dice).unwrap()
        }
    };
    let mut out = Writer::new();
    out.raw(&head);
    value.chunks_exact(32).for_each(|value| {
        out.bytes(value);
    });
    out.finish()
}
