//! Images as an owner's management system builds them.

use assure_proto::{
    AuthenticatedKey, CipherSuite, Class, HeldKey, HeldKeys, ImageContents, KeyDefinition, OwnerData,
    PayloadKey, RoundBudget, Signer, SimpleTime, Validity, build_image, definition_hash,
};
use authority::registration::OwnerPart;
use clock::Dice;
use crypto::{PrivateKey, Secret};
use model::KeyId;

use crate::device::DeviceKey;
use crate::world::World;

/// An image, whose it is, and what it rests on.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) bytes: Vec<u8>,
    pub(crate) owner: usize,
    pub(crate) seq: u32,
    pub(crate) owner_hash: [u8; 32],
    /// The owner secret of a device that knows only a secret.
    pub(crate) secret: Option<Secret>,
}

/// An owner that holds its class 2 key and nothing else.
struct Holder<'a>(KeyId, &'a dyn PrivateKey);

impl HeldKeys for Holder<'_> {
    fn held_key(&self, id: KeyId) -> Option<HeldKey<'_>> {
        (id == self.0).then_some(HeldKey::Private(self.1))
    }

    fn is_root_secret(&self, _: &Secret) -> bool {
        false
    }
}

/// Builds `owner`'s image from its configuration, made at `created_at`.
pub(crate) fn build(world: &World<'_>, owner: usize, part: &OwnerPart, created_at: SimpleTime) -> Image {
    let provider = &*world.setting.provider;
    let decode = |bytes: &Vec<u8>| AuthenticatedKey::decode(bytes).expect("the authority writes keys");
    let mut keys: Vec<AuthenticatedKey> = part.keys_before.iter().map(decode).collect();
    keys.push(world.bootstrap_key.clone());
    keys.extend(part.keys_after.iter().map(decode));
    let own = keys.last().expect("the owner's key is among them").clone();
    let owner_data = OwnerData::decode(&part.owner_data).expect("the authority writes owner data");
    let private = &*world.setting.owners[owner].key;
    let secret = owner_secret(world, &own, private);
    let signer = match &secret {
        Some(secret) => Signer::with_secret(own.id(), Class::ManagementSystem, secret),
        None => Signer::with_private_key(own.id(), Class::ManagementSystem, private),
    };
    let payload_key = match (&world.device.key, &secret) {
        (DeviceKey::Private(key), _) => PayloadKey::Device(key.public()),
        (DeviceKey::Secret(_), Some(secret)) => {
            PayloadKey::OwnerSecret { secret, suite: CipherSuite::Aes128Ccm }
        }
        (DeviceKey::Secret(_), None) => panic!("a device with a secret has an owner secret"),
    };
    let contents = ImageContents {
        device: world.device.uuid,
        authenticated_keys: &keys,
        owner_data: &owner_data,
        payload_key,
        messages: &[],
    };
    let mut dice = Dice::numbered(u64::from(created_at.secs));
    let bytes = build_image(provider, &contents, &signer, Validity::since(created_at), &mut dice)
        .expect("a configuration makes an image");
    let owner_hash = definition_hash(provider, own.definition_bytes());
    Image { bytes, owner, seq: owner_data.sequence_number(), owner_hash, secret }
}

fn owner_secret(world: &World<'_>, own: &AuthenticatedKey, private: &dyn PrivateKey) -> Option<Secret> {
    let KeyDefinition::Derived(derived) = own.definition() else { return None };
    let for_owner = derived.derivations().last().expect("a derived key has a derivation").reference;
    let mut budget = RoundBudget::signed_key();
    let secret = derived.derive(&*world.setting.provider, &Holder(for_owner, private), &mut budget);
    Some(secret.expect("the owner gets at its secret"))
}
