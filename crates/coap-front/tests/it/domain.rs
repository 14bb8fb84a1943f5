//! What the bootstrap server knows: devices, keys and images.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use assure_proto::{
    AuthenticatedKey, Class, Derivation, DerivedKey, KeyDefinition, Metadata, Signer, SimpleTime, Validity,
};
use clock::Dice;
use coap_front::bootstrap::{
    BootstrapCommand, BootstrapEvent, BootstrapFace, BootstrapSetup, Class3Keys, ImageAnswer, IssuedKey,
};
use coap_front::{Claim, Credential, EntranceLimits};
use crypto::{Curve, KeyKind, PrivateKey, Secret};
use model::{KeyId, Uuid};

use crate::client::ClientKey;
use crate::world::{Owner, World, key, provider, start};

pub(crate) const EC: KeyKind = KeyKind::Ec(Curve::P256);
pub(crate) const RSA: KeyKind = KeyKind::Rsa { modulus_bits: 2048 };
pub(crate) const EC_ID: KeyId = KeyId([0xec; 16]);
pub(crate) const RSA_ID: KeyId = KeyId([0x25; 16]);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Answers,
    /// Takes events and never answers.
    Silent,
    /// Its queue is full.
    Full,
    /// It answers that it is unable.
    Unable,
}

#[derive(Default)]
pub(crate) struct Domain {
    pub(crate) devices: BTreeMap<Uuid, IssuedKey>,
    pub(crate) images: BTreeMap<Uuid, Vec<u8>>,
    pub(crate) look_ups: Mood,
    pub(crate) requests: Mood,
}

impl Domain {
    fn find(&self, claim: &Claim) -> Option<(Uuid, IssuedKey)> {
        let fits = |device: &Uuid, key: &IssuedKey| match (claim, key) {
            (Claim::Device(named), _) => named == device,
            (Claim::Secret(id), IssuedKey::Secret { chain, .. }) => chain.last().unwrap().id() == *id,
            (Claim::PublicKey(shown), IssuedKey::PublicKey(theirs)) => shown == theirs,
            _ => false,
        };
        self.devices.iter().find(|(device, key)| fits(device, key)).map(|(d, k)| (*d, k.clone()))
    }
}

impl Owner<BootstrapFace> for Domain {
    fn hear(&mut self, event: &BootstrapEvent) -> Option<Vec<BootstrapCommand>> {
        let mood = match event {
            BootstrapEvent::LookUp { .. } => self.look_ups,
            BootstrapEvent::GetImage { .. } => self.requests,
        };
        match (event, mood) {
            (_, Mood::Full) => None,
            (_, Mood::Silent) => Some(Vec::new()),
            (BootstrapEvent::LookUp { association, .. }, Mood::Unable) => {
                Some(vec![BootstrapCommand::CouldNotLookUp { association: *association }])
            }
            (BootstrapEvent::GetImage { exchange, .. }, Mood::Unable) => {
                Some(vec![BootstrapCommand::Answer { exchange: *exchange, answer: ImageAnswer::Unable }])
            }
            (BootstrapEvent::LookUp { association, claim }, Mood::Answers) => {
                let association = *association;
                Some(vec![match self.find(claim) {
                    Some((device, key)) => BootstrapCommand::Known { association, device, key },
                    None => BootstrapCommand::Unknown { association },
                }])
            }
            (BootstrapEvent::GetImage { exchange, proven, asked }, Mood::Answers) => {
                let answer = if proven == asked {
                    ImageAnswer::Image(self.images.get(proven).cloned().unwrap_or_default())
                } else {
                    ImageAnswer::Forbidden
                };
                Some(vec![BootstrapCommand::Answer { exchange: *exchange, answer }])
            }
        }
    }
}

/// A device with its secret or key, as the maker has it, and as the server knows it.
pub(crate) struct Made {
    pub(crate) uuid: Uuid,
    pub(crate) key: ClientKey,
    pub(crate) issued: IssuedKey,
}

fn way(from: KeyId, held: &Secret, dice: &mut Dice) -> (DerivedKey, Secret) {
    let secret = Secret::new(dice.bytes::<32>().to_vec());
    let derivation = Derivation::from_secret(&*provider(), from, held, &secret, dice).unwrap();
    (DerivedKey::new(KeyId(dice.bytes()), vec![derivation]).unwrap(), secret)
}

fn authenticated(class: Class, key: DerivedKey, dice: &mut Dice) -> Vec<u8> {
    let signing = Secret::new(vec![9; 32]);
    let signer = Signer::with_secret(KeyId([0x77; 16]), Class::TrustedAuthority, &signing);
    let validity = Validity::since(SimpleTime { secs: 1 });
    let definition = KeyDefinition::Derived(key);
    AuthenticatedKey::issue(&*provider(), class, &definition, Metadata::NONE, &signer, validity, dice)
        .unwrap()
        .encoded()
        .to_vec()
}

/// A device with a shared secret whose class 3 key lies at the end of a chain of `length` definitions.
pub(crate) fn secret_device(number: u8, length: usize) -> Made {
    let mut dice = Dice::numbered(u64::from(number));
    let uuid = Uuid::v4([number; 16]);
    let own = Secret::new(dice.bytes::<32>().to_vec());
    let (mut from, mut held) = (KeyId::from(uuid), own.clone());
    let mut keys = Vec::new();
    for _ in 0..length {
        let (definition, secret) = way(from, &held, &mut dice);
        (from, held) = (definition.id(), secret);
        keys.push(definition);
    }
    let last = authenticated(Class::BootstrapService, keys.pop().unwrap(), &mut dice);
    let before: Vec<_> =
        keys.into_iter().map(|key| authenticated(Class::TrustedAuthority, key, &mut dice)).collect();
    let before: Vec<_> = before.iter().map(Vec::as_slice).collect();
    let issued = IssuedKey::secret_behind(&before, &last, held).unwrap();
    Made { uuid, key: ClientKey::Device(uuid, own), issued }
}

pub(crate) fn keyed_device(number: u8, kind: KeyKind) -> Made {
    let own = key(kind, u64::from(number));
    let issued = IssuedKey::public_key(own.public().spki()).unwrap();
    Made { uuid: Uuid::v4([number; 16]), key: ClientKey::Private(own), issued }
}

/// The server's keys; RSA keys are made without dice and take their time, so there is one for all tests.
pub(crate) fn class_3_keys() -> (Class3Keys, Arc<dyn PrivateKey>, Arc<dyn PrivateKey>) {
    static KEYS: OnceLock<[Arc<dyn PrivateKey>; 2]> = OnceLock::new();
    let [ec, rsa] = KEYS.get_or_init(|| [key(EC, 501), key(RSA, 502)]).clone();
    let keys =
        Class3Keys { ec: (EC_ID, Credential::raw(ec.clone())), rsa: (RSA_ID, Credential::raw(rsa.clone())) };
    (keys, ec, rsa)
}

pub(crate) fn face(limits: EntranceLimits) -> BootstrapFace {
    let keys = class_3_keys().0;
    let setup = BootstrapSetup { provider: provider(), dice: Dice::numbered(77), keys, limits };
    BootstrapFace::new(setup, start())
}

pub(crate) type BootstrapWorld = World<BootstrapFace, Domain>;

pub(crate) fn world_with(limits: EntranceLimits, devices: &[&Made]) -> BootstrapWorld {
    let mut domain = Domain::default();
    for made in devices {
        domain.devices.insert(made.uuid, made.issued.clone());
        domain.images.insert(made.uuid, image(made.uuid));
    }
    World::new(face(limits), domain)
}

pub(crate) fn world(devices: &[&Made]) -> BootstrapWorld {
    world_with(BootstrapSetup::LIMITS, devices)
}

/// An image of several blocks that tells its device.
pub(crate) fn image(device: Uuid) -> Vec<u8> {
    device.0.iter().copied().cycle().take(5000).collect()
}
