//! Images as devices of all kinds judge them, and configurations that nothing is built on.

use std::sync::Arc;

use assure_json::{Configuration, DeviceStatus};
use assure_proto::{
    AuthenticatedKey, BootstrapImage, ChannelDefinition, CipherSuite, Class, ImageRefusal, KeyDefinition,
    Metadata, Privileges, SecretPayload, Signer, SimpleTime, Validity,
};
use management::{ApplicationMessage, BadConfiguration, FetchAgain, KeyKind, NotBuilt, Rebuild};
use model::KeyId;

use crate::world::{EC, World};

const KINDS: [KeyKind; 3] = [KeyKind::SharedSecret, KeyKind::Ec, KeyKind::Rsa];

// verifies: ASSURE-15.5-01, ASSURE-15.5-03, ASSURE-15.5-12, ASSURE-15.5-13, ASSURE-15.2-07, TS-M4
#[test]
fn devices_of_all_kinds_apply_the_image_built_from_their_configuration() {
    for kind in KINDS {
        let mut world = World::new(1);
        let mut device = world.device(kind);
        world.claim(&device);
        let configuration = world.configuration(&device, 1);
        let listed = configuration.authenticated_keys.clone();
        let image = world.arrives(&device, configuration).unwrap();
        assert_eq!(world.status(&device), DeviceStatus::ConfigurationFetched);
        let read = BootstrapImage::decode(&image.image).unwrap();
        let keys: Vec<_> = read.authenticated_keys().iter().map(|key| key.encoded().to_vec()).collect();
        assert_eq!(keys, listed, "all keys of the configuration, in its order");
        let messages = world.apply(&mut device, &image.image);
        let (method, path, channel) = messages.last().unwrap();
        assert_eq!((method.as_str(), path.as_str()), ("0.03", "v1/channels/1"));
        let channel = ChannelDefinition::decode(channel).unwrap();
        assert_eq!(channel.privileges, Privileges::ALL);
        assert_eq!(channel.address, world.address());
        assert!(channel.open_immediately && channel.persistent_across_reboots);
        match kind {
            KeyKind::SharedSecret => {
                assert_eq!(messages.len(), 2);
                assert_eq!(messages[0].1, format!("v1/keys/{}", channel.local_key));
                assert_eq!(channel.peer_key, None);
                let secret = AuthenticatedKey::decode(&messages[0].2).unwrap();
                assert_eq!((secret.class(), secret.metadata()), (Class::Channel, Metadata::NONE));
                assert!(device.put(&messages[0].2).is_ok(), "signed and hung on the owner secret");
                assert!(device.keys.find(channel.local_key).unwrap().secret().is_some());
            }
            KeyKind::Ec | KeyKind::Rsa => {
                assert_eq!(messages.len(), 1);
                assert_eq!(channel.local_key, KeyId::from(device.uuid));
                let ours = if kind == KeyKind::Ec { world.keys.class_2_id } else { world.rsa_class_2 };
                assert_eq!(channel.peer_key, Some(ours));
            }
        }
    }
}

// verifies: ASSURE-15.5.3-03
#[test]
fn the_suite_follows_the_device() {
    for (aes256_capable, suite) in [(false, CipherSuite::Aes128Ccm), (true, CipherSuite::Aes256Ccm)] {
        let mut world = World::new(2);
        let mut device = world.device(KeyKind::SharedSecret);
        device.capabilities.aes256_capable = aes256_capable;
        world.claim(&device);
        let configuration = world.configuration(&device, 1);
        let image = world.arrives(&device, configuration).unwrap().image;
        let read = BootstrapImage::decode(&image).unwrap();
        assert_eq!(SecretPayload::decode(read.encrypted_payload()).unwrap().suite, suite);
        assert!(world.judge(&device, &image).is_ok());
    }
}

// verifies: TS-M13
#[test]
fn ts_m13_a_clock_that_ran_ahead_or_back_does_not_lock_our_device() {
    let mut world = World::new(3);
    let mut device = world.device(KeyKind::SharedSecret);
    world.claim(&device);
    world.set_clock(3600);
    let configuration = world.configuration(&device, 1);
    let first = world.arrives(&device, configuration).unwrap();
    world.uploaded(&device, &first);
    world.apply(&mut device, &first.image);
    world.set_clock(0);
    let rebuilt = rebuild(&mut world, &device, Vec::new()).unwrap();
    assert_eq!(rebuilt.created_at.secs, first.created_at.secs + 1, "never before the last one");
    assert!(world.judge(&device, &first.image).is_ok(), "the very image again");
    world.apply(&mut device, &rebuilt.image);
    assert!(world.judge(&device, &first.image).is_err(), "the older one is refused from now on");
    world.set_clock(7200);
    let later = rebuild(&mut world, &device, Vec::new()).unwrap();
    assert_eq!(later.created_at, SimpleTime::from_timestamp(world.utc()).unwrap());
}

fn rebuild(
    world: &mut World,
    device: &crate::world::Device,
    messages: Vec<ApplicationMessage>,
) -> Result<management::ImageToUpload, NotBuilt> {
    let rebuild = Rebuild {
        device: device.uuid,
        wishes: Some((messages, None)),
        keys: world.keys.clone(),
        address: world.address(),
        origin: world.origin(),
    };
    world.run(&rebuild)
}

#[test]
fn a_rebuilt_image_keeps_the_channel_secret_and_carries_messages_of_the_application() {
    let mut world = World::new(4);
    let mut device = world.in_service(KeyKind::SharedSecret);
    let secret = device.keys.iter().last().unwrap().id();
    let zone = ApplicationMessage { method: 3, path: "zone".into(), payload: vec![7] };
    let image = rebuild(&mut world, &device, vec![zone]).unwrap();
    let messages = world.apply(&mut device, &image.image);
    let paths: Vec<_> = messages.iter().map(|(_, path, _)| path.clone()).collect();
    assert_eq!(paths, [format!("v1/keys/{secret}"), "v1/channels/1".into(), "zone".into()]);
    let stranger = world.device(KeyKind::Ec);
    assert_eq!(rebuild(&mut world, &stranger, Vec::new()), Err(NotBuilt::NotOurs));
}

// verifies: TS-H7
#[test]
fn a_configuration_is_fetched_again_for_devices_that_are_ours() {
    let mut world = World::new(8);
    let device = world.in_service(KeyKind::SharedSecret);
    let configuration = world.configuration(&device, 1);
    assert_eq!(world.arrives(&device, configuration.clone()), Err(NotBuilt::NothingToDo), "nobody asked");
    let fetch = FetchAgain { device: device.uuid, origin: world.origin() };
    assert_eq!(world.run(&fetch), Ok(true));
    assert_eq!(world.run(&fetch), Ok(true), "asked twice, fetched once");
    assert!(world.arrives(&device, configuration.clone()).is_ok());
    assert_eq!(world.arrives(&device, configuration), Err(NotBuilt::NothingToDo));
    let stranger = world.device(KeyKind::Ec);
    let fetch = FetchAgain { device: stranger.uuid, origin: world.origin() };
    assert_eq!(world.run(&fetch), Ok(false));
}

#[test]
fn one_seed_makes_one_image_where_signatures_are_hmacs() {
    let built = |run: u64| {
        let mut world = World::new(run);
        let device = world.device(KeyKind::SharedSecret);
        world.claim(&device);
        let configuration = world.configuration(&device, 1);
        world.arrives(&device, configuration).unwrap()
    };
    assert_eq!(built(5), built(5));
    assert_ne!(built(5).image, built(50).image);
}

fn refusal(kind: KeyKind, edit: impl FnOnce(&mut World, &mut Configuration)) -> Option<NotBuilt> {
    let mut world = World::new(6);
    let device = world.device(kind);
    world.claim(&device);
    let mut configuration = world.configuration(&device, 1);
    edit(&mut world, &mut configuration);
    let refused = world.arrives(&device, configuration).err();
    let expected =
        if refused.is_some() { DeviceStatus::OwnershipAssigned } else { DeviceStatus::ConfigurationFetched };
    assert_eq!(world.status(&device), expected, "nothing is stored of what is refused");
    refused
}

const fn bad(why: BadConfiguration) -> Option<NotBuilt> {
    Some(NotBuilt::Configuration(why))
}

fn resign(
    world: &mut World,
    class: Class,
    definition: &KeyDefinition,
    by: &dyn crypto::PrivateKey,
    id: KeyId,
) -> Vec<u8> {
    let signer = Signer::with_private_key(id, Class::TrustedAuthority, by);
    let validity = Validity::since(SimpleTime { secs: 1000 });
    let provider = &*world.provider;
    AuthenticatedKey::issue(provider, class, definition, Metadata::NONE, &signer, validity, &mut world.dice)
        .unwrap()
        .encoded()
        .to_vec()
}

// verifies: TS-M6
#[test]
fn ts_m6_a_key_of_another_chain_is_not_passed_on() {
    let other_chain = bad(BadConfiguration::OtherChain);
    let edited = refusal(KeyKind::Rsa, |world, configuration| {
        configuration.authenticated_keys[0] = world.ec.online_key.encoded().to_vec();
    });
    assert_eq!(edited, other_chain, "an EC key for an RSA device");
    let edited = refusal(KeyKind::Ec, |world, configuration| {
        configuration.authenticated_keys.push(world.rsa.online_key.encoded().to_vec());
    });
    assert_eq!(edited, other_chain, "an RSA key for an EC device");
    let edited = refusal(KeyKind::SharedSecret, |world, configuration| {
        configuration.authenticated_keys.insert(1, world.ec.online_key.encoded().to_vec());
    });
    assert_eq!(edited, other_chain, "a public key for a device that knows none");
    for kind in KINDS {
        assert_eq!(refusal(kind, |_, _| ()), None);
    }
}

// verifies: TS-M15
#[test]
fn ts_m15_a_private_key_in_a_configuration_does_not_reach_an_image() {
    let edited = refusal(KeyKind::Ec, |world, configuration| {
        let key = world.provider.generate_key(EC, &mut world.dice).unwrap();
        let definition = KeyDefinition::private(KeyId([9; 16]), &*key).unwrap();
        let leaked = resign(world, Class::Device, &definition, &*key, KeyId([8; 16]));
        configuration.authenticated_keys.push(leaked);
    });
    assert_eq!(edited, bad(BadConfiguration::PrivateKey));
}

// verifies: TS-C2
#[test]
fn ts_c2_a_second_key_with_our_id_is_not_taken_for_ours() {
    let edited = refusal(KeyKind::Ec, |world, configuration| {
        let key = world.provider.generate_key(EC, &mut world.dice).unwrap();
        let definition = KeyDefinition::public(world.keys.class_2_id, key.public().clone());
        let second = resign(world, Class::ManagementSystem, &definition, &*key, KeyId([8; 16]));
        configuration.authenticated_keys[2] = second;
    });
    assert_eq!(edited, bad(BadConfiguration::NotOurKey));
    let edited = refusal(KeyKind::Ec, |_, configuration| {
        let own = configuration.authenticated_keys[2].clone();
        configuration.authenticated_keys.push(own);
    });
    assert_eq!(edited, bad(BadConfiguration::NotOurKey), "two keys of one id");
    let edited = refusal(KeyKind::Ec, |world, configuration| {
        let key = world.provider.generate_key(EC, &mut world.dice).unwrap();
        let definition = KeyDefinition::public(world.keys.class_2_id, world.keys.class_2.public().clone());
        let forged = resign(world, Class::ManagementSystem, &definition, &*key, world.ec.online_key.id());
        configuration.authenticated_keys[2] = forged;
    });
    assert_eq!(edited, bad(BadConfiguration::NotGenuine), "our key, vouched for by nobody");
}

// verifies: ASSURE-15.2-02
#[test]
fn configurations_that_do_not_hold_are_not_built_on() {
    let edited = refusal(KeyKind::Ec, |world, configuration| {
        let other = world.device(KeyKind::Ec);
        configuration.device.id = other.uuid;
    });
    assert_eq!(edited, bad(BadConfiguration::OtherDevice));
    let edited = refusal(KeyKind::Ec, |world, configuration| {
        let other = world.device(KeyKind::Ec);
        configuration.owner_information = world.configuration(&other, 1).owner_information;
    });
    assert_eq!(edited, bad(BadConfiguration::NotGenuine), "owner data of another device");
    let edited = refusal(KeyKind::SharedSecret, |world, configuration| {
        let others = Arc::new(World::new(60));
        world.keys = others.keys.clone();
        configuration.owner_information.truncate(3);
    });
    assert_eq!(edited, bad(BadConfiguration::Malformed));
    let edited = refusal(KeyKind::SharedSecret, |world, _| world.keys = World::new(61).keys.clone());
    assert_eq!(edited, bad(BadConfiguration::NotOpened), "wrapped to another owner");
    let edited = refusal(KeyKind::Rsa, |_, configuration| configuration.authenticated_keys.swap(0, 2));
    assert_eq!(edited, bad(BadConfiguration::NotGenuine), "out of order");
    let edited = refusal(KeyKind::Ec, |_, configuration| configuration.authenticated_keys.clear());
    assert_eq!(edited, bad(BadConfiguration::KeyCount));
    let edited = refusal(KeyKind::Ec, |_, configuration| {
        let key = configuration.authenticated_keys[1].clone();
        configuration.authenticated_keys.extend(vec![key; 14]);
    });
    assert_eq!(edited, bad(BadConfiguration::KeyCount), "one more than an image holds");
}

#[test]
fn an_older_owner_number_is_not_built_on_and_a_newer_one_starts_anew() {
    let mut world = World::new(7);
    let mut device = world.device(KeyKind::SharedSecret);
    world.claim(&device);
    let second = world.configuration(&device, 2);
    let image = world.arrives(&device, second).unwrap();
    let secret_before = world.apply(&mut device, &image.image)[0].1.clone();
    let again = management::AcceptDevice { device: device.uuid, origin: world.origin() };
    assert_eq!(world.run(&again), Ok(management::Acceptance::Ours));
    // The upload is refused: somebody else was owner in between, and we are again.
    refuse_upload(&mut world, &device, &image);
    let older = world.configuration(&device, 1);
    assert_eq!(world.arrives(&device, older).err(), bad(BadConfiguration::Older));
    let newer = world.configuration(&device, 3);
    let image = world.arrives(&device, newer).unwrap();
    let secret_after = world.apply(&mut device, &image.image)[0].1.clone();
    assert_ne!(secret_before, secret_after, "a fresh channel secret under the fresh owner secret");
}

fn refuse_upload(world: &mut World, device: &crate::world::Device, image: &management::ImageToUpload) {
    let refused = management::ImageUploaded {
        device: device.uuid,
        created_at: image.created_at,
        end: management::UploadEnd::NotOurs,
        origin: world.origin(),
    };
    assert_eq!(world.run(&refused), Ok(true));
}

#[test]
fn an_image_of_another_device_is_refused_by_it() {
    let mut world = World::new(8);
    let (one, other) = (world.device(KeyKind::Ec), world.device(KeyKind::Ec));
    world.claim(&one);
    let configuration = world.configuration(&one, 1);
    let image = world.arrives(&one, configuration).unwrap();
    assert!(matches!(world.judge(&other, &image.image), Err(ImageRefusal::OwnerSignature(_))));
}
