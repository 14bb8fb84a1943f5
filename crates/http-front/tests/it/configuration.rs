//! The configuration (15.2): what an owner is told, and that it is enough.

use assure_json::Method;
use assure_proto::{Class, OwnerBinding, OwnerData, VerifyingKey, definition_hash};
use crypto::{KeyKind, PublicKey};

use crate::authority::Authority;
use crate::image::{configuration, from_configuration, judged, keys_of, owner_secret};
use crate::parties::{Device, Kind, Owner, csr};
use crate::world::{Api, World};

fn with_rsa(world: &World, owner: &Owner) {
    let path = format!("/v1/managementsystems/{}/rsa", owner.id);
    let request = csr(&*Authority::of_this_run().rsa[1]);
    world.call(Api::Owner, &owner.credentials, "PUT", &path, Some(&request)).is(204);
}

// verifies: ASSURE-15.2-01, ASSURE-9.2.1-03, ASSURE-9.2.1-09, ASSURE-9.2.1-10, ASSURE-14.5-02c, ASSURE-14.5-03
#[test]
fn the_device_part_is_the_record_without_its_secrets() {
    let Some(world) = World::start() else { return };
    let (maker, owner) = (world.maker(), world.owner());
    with_rsa(&world, &owner);
    for kind in Kind::ALL {
        let device = world.device_of(&maker, kind);
        world.claim(&owner, &device).is(204);
        let told = configuration(&world, &owner, &device).device;
        let record = device.record();
        assert_eq!((told.id, told.bootstrap_server), (record.id, record.bootstrap_server));
        assert_eq!(told.capabilities, record.capabilities, "flags of later versions as well");
        assert_eq!(told.public_key.as_ref(), device.private.as_ref().map(|key| key.public()));
    }
}

// verifies: ASSURE-15.2-06, ASSURE-9.2.1-05, ASSURE-9.2.1-06, ASSURE-6.1-08
#[test]
fn no_secret_of_the_maker_is_in_it() {
    let Some(world) = World::start() else { return };
    let (device, owner) = (world.device(Kind::Secret), world.owner());
    world.claim(&owner, &device).is(204);
    let json = world.about(&owner, "GET", &device, "/configuration", None).is(200).body.clone();
    let text = String::from_utf8(json).unwrap();
    let assure_json::DeviceKey::Secret(secret) = &device.key else { panic!("a shared secret") };
    // What else the owner may read of a device.
    for path in ["/parameterset", "/bootstrap"] {
        let body = world.about(&owner, "GET", &device, path, None).is(200).body.clone();
        assert!(!body.windows(secret.len()).any(|bytes| bytes == secret.expose()), "{path}");
    }
    let absent =
        [device.case.clone(), model::hex(secret.expose()), "shared_secret".into(), "public_key".into()];
    for absent in absent {
        assert!(!text.to_lowercase().contains(&absent), "{absent}");
    }
    for part in configuration(&world, &owner, &device).authenticated_keys {
        assert!(!part.windows(secret.len()).any(|bytes| bytes == secret.expose()));
    }
    for table in [&world.registration, &world.bootstrap] {
        assert!(!table.holds(secret.expose()), "the online servers never see the device secret");
    }
}

// verifies: ASSURE-7.3-15
#[test]
fn everything_that_the_authority_and_the_owner_sign_says_when() {
    let Some(world) = World::start() else { return };
    let (maker, owner) = (world.maker(), world.owner());
    with_rsa(&world, &owner);
    for kind in Kind::ALL {
        let device = world.device_of(&maker, kind);
        world.claim(&owner, &device).is(204);
        let configuration = configuration(&world, &owner, &device);
        let owned = OwnerData::decode(&configuration.owner_information).unwrap();
        let mut created = vec![owned.signature().validity.created_at];
        for key in &configuration.authenticated_keys {
            let key = assure_proto::AuthenticatedKey::decode(key).unwrap();
            created.push(key.signature().validity.created_at);
        }
        assert!(created.iter().all(|at| at.secs > 0), "{kind:?}: {created:?}");
    }
}

fn public_of(kind: Kind) -> (PublicKey, fn(KeyKind) -> bool) {
    let bundle = &Authority::of_this_run().bundle;
    match kind {
        Kind::Rsa => {
            (bundle.rsa_root.public_key().unwrap().clone(), |kind| matches!(kind, KeyKind::Rsa { .. }))
        }
        Kind::Ec | Kind::Secret => {
            (bundle.ec_root.public_key().unwrap().clone(), |kind| kind == crate::parties::P256)
        }
    }
}

// verifies: ASSURE-15.2-02, ASSURE-15.2-03, TS-M6, TS-M8, ASSURE-15.4-05
#[test]
fn for_ec_and_rsa_devices_each_key_stands_on_the_one_chain_of_the_root() {
    let Some(world) = World::start() else { return };
    let (maker, owner) = (world.maker(), world.owner());
    with_rsa(&world, &owner);
    let provider = &*Authority::of_this_run().provider;
    for kind in [Kind::Ec, Kind::Rsa] {
        let device = world.device_of(&maker, kind);
        world.claim(&owner, &device).is(204);
        let told = configuration(&world, &owner, &device);
        let keys = keys_of(&told);
        let classes: Vec<Class> = keys.iter().map(|key| key.class()).collect();
        assert_eq!(
            classes,
            [Class::TrustedAuthority, Class::BootstrapService, Class::ManagementSystem],
            "the order in which the image carries them"
        );
        let (root, of_chain) = public_of(kind);
        let public: Vec<_> = keys.iter().map(|key| key.definition().public_key().unwrap().clone()).collect();
        assert!(public.iter().all(|key| of_chain(key.kind())), "{kind:?}: {public:?}");
        let verify = |key: &assure_proto::AuthenticatedKey, by: &PublicKey| {
            key.signature().verify(provider, VerifyingKey::Public(by), &key.to_be_signed())
        };
        assert_eq!(verify(&keys[0], &root), Ok(()));
        assert_eq!((verify(&keys[1], &public[0]), verify(&keys[2], &public[0])), (Ok(()), Ok(())));
        let (other_root, _) = public_of(if kind == Kind::Ec { Kind::Rsa } else { Kind::Ec });
        assert!(verify(&keys[0], &other_root).is_err(), "the other chain");
        let owner_data = OwnerData::decode(&told.owner_information).unwrap();
        assert_eq!(owner_data.sequence_number(), 1);
        let hash = definition_hash(provider, keys[2].definition_bytes());
        let binding = OwnerBinding { device: device.uuid, owner_key: keys[2].id(), definition_hash: hash };
        let by = VerifyingKey::Public(&public[0]);
        assert_eq!(owner_data.verify(provider, by, &binding), Ok(()));
        let other = OwnerBinding { device: maker.id, ..binding };
        assert!(owner_data.verify(provider, by, &other).is_err(), "for this device alone");
        if kind == Kind::Ec {
            assert_eq!(&public[2], owner.key.public());
            assert_eq!(keys[2].id(), owner.class_2, "the id in the certificate");
        }
    }
}

// verifies: ASSURE-15.2-02, ASSURE-6.1-09
#[test]
fn for_devices_with_a_secret_the_keys_decode_and_the_owner_secret_unwraps_for_its_owner() {
    let Some(world) = World::start() else { return };
    let (device, owner, other) = (world.device(Kind::Secret), world.owner(), world.owner());
    world.claim(&owner, &device).is(204);
    let keys = keys_of(&configuration(&world, &owner, &device));
    let classes: Vec<Class> = keys.iter().map(|key| key.class()).collect();
    assert_eq!(classes, [Class::TrustedAuthority, Class::BootstrapService, Class::ManagementSystem]);
    assert!(keys.iter().all(|key| key.definition().public_key().is_none()), "derived secrets all");
    let secret = owner_secret(&owner, &keys[2]).expect("the owner unwraps it");
    assert_eq!(secret.len(), 32);
    assert!(owner_secret(&other, &keys[2]).is_none());
    assert!(!world.registration.holds(secret.expose()), "nobody else keeps it");
}

// verifies: ASSURE-15.2-07, ASSURE-14.5-04a, ASSURE-14.5-07
#[test]
fn from_the_configuration_alone_an_image_is_built_that_the_device_applies() {
    let Some(world) = World::start() else { return };
    let (maker, owner) = (world.maker(), world.owner());
    with_rsa(&world, &owner);
    for kind in Kind::ALL {
        let device = world.device_of(&maker, kind);
        world.claim(&owner, &device).is(204);
        let told = configuration(&world, &owner, &device);
        let messages = [vec![1, 2, 3], vec![4]];
        let image = from_configuration(&owner, device.uuid, &told, &messages);
        world.about(&owner, "PUT", &device, "/bootstrap", Some(&image)).is(204);
        let serving = world.bootstrap_server.serve_image(device.uuid, device.uuid);
        let fetched = world.block_on(serving).unwrap().unwrap();
        let accepted = judged(&device, &fetched).unwrap_or_else(|why| panic!("{kind:?}: {why:?}"));
        let applied: Vec<_> = accepted.messages.unwrap().iter().map(|m| m.expose().to_vec()).collect();
        assert_eq!(applied, messages);
        assert_eq!(accepted.record.sequence_number, 1);
        let mut tampered = fetched;
        *tampered.last_mut().unwrap() ^= 1;
        assert!(judged(&device, &tampered).is_err(), "{kind:?}");
    }
}

// verifies: ASSURE-15.2-04, ASSURE-9.2.2-05
#[test]
fn the_choices_are_those_of_the_parameter_set() {
    let Some(world) = World::start() else { return };
    let (device, owner) = (world.device(Kind::Ec), world.owner());
    world.claim(&owner, &device).is(204);
    let told = configuration(&world, &owner, &device);
    let [choice] = &told.parameter_choices[..] else { panic!("one choice: {told:?}") };
    assert_eq!((choice.name.as_str(), choice.messages.len()), ("standard", 1));
    let message = &choice.messages[0];
    assert_eq!((message.method, message.path.as_str()), (Method::Put, "/v1/channels/1"));
    assert_eq!(
        (message.payload.as_str(), message.required, message.min, message.max),
        ("channel", true, 1, 2)
    );
    assert_eq!(message.description.as_deref(), Some("demo"));
}

// verifies: ASSURE-15.2-08
#[test]
fn a_configuration_is_given_to_the_owner_or_later() {
    let Some(world) = World::start() else { return };
    let (device, owner): (Device, Owner) = (world.device(Kind::Ec), world.owner());
    let get = || world.about(&owner, "GET", &device, "/configuration", None);
    get().is_empty(403);
    world.claim(&owner, &device).is(204);
    get().is(200);
    for table in [&world.registration, &world.bootstrap] {
        table.stop(true);
        get().is_later();
        table.stop(false);
    }
    for gate in [&world.to_bootstrap, &world.to_registration] {
        gate.shut(true);
        get().is_later();
        gate.shut(false);
    }
    get().is(200);
    world.own(&owner, &device, "?mgmtid=NULL").is(204);
    get().is_empty(403);
}
