//! A management system builds images from a configuration alone, and a device judges them.

use std::sync::Arc;

use assure_json::{Configuration, DeviceKey};
use assure_proto::{
    AcceptedImage, AuthenticatedKey, BootstrapSession, CipherSuite, Circumstances, Class, GardenSwitch,
    HeldKey, HeldKeys, ImageContents, ImageRefusal, KeyDefinition, OwnDevice, OwnerData, OwnershipRecord,
    PayloadKey, Root, RoundBudget, Signer, TimeTrust, build_image, validate_image,
};
use crypto::{PrivateKey, Secret};
use model::{KeyId, Uuid};

use crate::authority::{Authority, dice, since_now};
use crate::parties::{Device, Owner};
use crate::world::World;

/// The private keys of a management system.
struct Holds<'a>(&'a [(KeyId, Arc<dyn PrivateKey>)]);

impl HeldKeys for Holds<'_> {
    fn held_key(&self, id: KeyId) -> Option<HeldKey<'_>> {
        self.0.iter().find(|(held, _)| *held == id).map(|(_, key)| HeldKey::Private(&**key))
    }

    fn is_root_secret(&self, _: &Secret) -> bool {
        false
    }
}

pub(crate) fn keys_of(configuration: &Configuration) -> Vec<AuthenticatedKey> {
    configuration.authenticated_keys.iter().map(|key| AuthenticatedKey::decode(key).unwrap()).collect()
}

/// The configuration that the gateway gives this owner.
#[track_caller]
pub(crate) fn configuration(world: &World, owner: &Owner, device: &Device) -> Configuration {
    let reply = world.about(owner, "GET", device, "/configuration", None);
    assert_eq!(reply.is(200).header("content-type"), Some("application/json"));
    Configuration::from_json(&reply.body).unwrap()
}

/// The owner secret in a configuration for a device with a shared secret.
pub(crate) fn owner_secret(owner: &Owner, key: &AuthenticatedKey) -> Option<Secret> {
    let KeyDefinition::Derived(derived) = key.definition() else { return None };
    let held = [(owner.class_2, owner.key.clone())];
    let provider = &*Authority::of_this_run().provider;
    derived.derive(provider, &Holds(&held), &mut RoundBudget::signed_key()).ok()
}

/// An image from what the configuration says and the owner's own keys; nothing else is known.
pub(crate) fn from_configuration(
    owner: &Owner,
    device: Uuid,
    configuration: &Configuration,
    messages: &[Vec<u8>],
) -> Vec<u8> {
    let authority = Authority::of_this_run();
    let keys = keys_of(configuration);
    let own = keys.last().expect("the owner's key is the last");
    let owner_data = OwnerData::decode(&configuration.owner_information).unwrap();
    let secret = owner_secret(owner, own);
    let rsa = &authority.rsa[1];
    let class = Class::ManagementSystem;
    let (signer, payload_key) = match (&secret, &configuration.device.public_key) {
        (Some(secret), None) => {
            let suite = CipherSuite::Aes128Ccm;
            (Signer::with_secret(own.id(), class, secret), PayloadKey::OwnerSecret { secret, suite })
        }
        (None, Some(public)) => {
            let by_rsa = own.definition().public_key() == Some(rsa.public());
            let key = if by_rsa { &**rsa } else { &*owner.key };
            (Signer::with_private_key(own.id(), class, key), PayloadKey::Device(public))
        }
        other => panic!("one way to encrypt: {other:?}"),
    };
    let contents =
        ImageContents { device, authenticated_keys: &keys, owner_data: &owner_data, payload_key, messages };
    build_image(&*authority.provider, &contents, &signer, since_now(), &mut dice()).unwrap()
}

/// The same, with the configuration fetched.
pub(crate) fn for_owner(world: &World, owner: &Owner, device: &Device, messages: &[Vec<u8>]) -> Vec<u8> {
    from_configuration(owner, device.uuid, &configuration(world, owner, device), messages)
}

/// What the device as it left the factory says to an image from the authority's bootstrap server.
pub(crate) fn judged(device: &Device, image: &[u8]) -> Result<AcceptedImage, ImageRefusal> {
    let authority = Authority::of_this_run();
    let provider = &*authority.provider;
    let record = OwnershipRecord::factory(authority.bundle.generation);
    let header = assure_proto::BootstrapImage::decode(image).unwrap();
    let class_3 = header.authenticated_keys().iter().find(|key| key.class() == Class::BootstrapService);
    let hint = [class_3.expect("there is a bootstrap key").definition_bytes().to_vec()];
    let own = &authority.bootstrap;
    let root = |definition: &KeyDefinition| {
        let key = definition.public_key().expect("a public root").clone();
        Root::public(Class::TrustedAuthority, definition.id(), key)
    };
    let (key, root, session) = match (&device.key, &device.private) {
        (DeviceKey::Secret(secret), _) => {
            let root = Root::of_shared_secret(provider, &device.uuid, secret);
            (HeldKey::Secret(secret), root, BootstrapSession::Hint(&hint))
        }
        (DeviceKey::Public(public), Some(private)) => {
            let rsa = public.rsa_pkcs1().is_some();
            let server = if rsa { &own.rsa } else { &own.ec };
            let root = root(if rsa { &authority.bundle.rsa_root } else { &authority.bundle.ec_root });
            let session = BootstrapSession::PublicKey(server.key.public().spki());
            (HeldKey::Private(&**private), root, session)
        }
        (DeviceKey::Public(_), None) => panic!("a device holds its private key"),
    };
    let device = OwnDevice { uuid: device.uuid, key, roots: &[root], record: &record };
    let circumstances = Circumstances { session, time: TimeTrust::Unknown, garden: GardenSwitch::Untouched };
    validate_image(provider, &device, image, &circumstances)
}
