//! Images (9.3.7, 9.3.8): stored for the owner alone, served to the device byte for byte.

use assure_proto::{AuthenticatedKey, Class, IMAGE_LENGTH_MAX, KeyDefinition, Metadata, Signer};
use crypto::PrivateKey;
use model::KeyId;

use crate::authority::{Authority, dice, since_now};
use crate::image::{configuration, for_owner, from_configuration, judged};
use crate::parties::{Device, Kind, Owner, P256, key};
use crate::world::World;

/// What the bootstrap server gives the device at this moment.
fn served(world: &World, device: &Device) -> Vec<u8> {
    let serving = world.bootstrap_server.serve_image(device.uuid, device.uuid);
    world.block_on(serving).unwrap().expect("its own image is its own")
}

fn put(world: &World, owner: &Owner, device: &Device, image: &[u8]) -> crate::curl::Reply {
    world.about(owner, "PUT", device, "/bootstrap", Some(image))
}

fn get(world: &World, owner: &Owner, device: &Device) -> Vec<u8> {
    world.about(owner, "GET", device, "/bootstrap", None).is(200).body.clone()
}

// verifies: ASSURE-9.3.7-01, ASSURE-9.3.7-02, ASSURE-9.3.7-03, ASSURE-9.3.7-05, ASSURE-9.3.8-01, ASSURE-9.3.8-02
// verifies: ASSURE-9.4.1-01, ASSURE-14.5-06
#[test]
fn an_image_is_stored_read_back_served_and_erased() {
    let Some(world) = World::start() else { return };
    let maker = world.maker();
    let owner = world.owner();
    for kind in [Kind::Secret, Kind::Ec] {
        let device = world.device_of(&maker, kind);
        world.claim(&owner, &device).is(204);
        assert_eq!(get(&world, &owner, &device), b"", "none stored: 200 and nothing in it");
        let image = for_owner(&world, &owner, &device, &[vec![1, 2, 3]]);
        put(&world, &owner, &device, &image).is_empty(204);
        assert_eq!(get(&world, &owner, &device), image);
        assert_eq!(get(&world, &owner, &device), image, "reading changes nothing");
        assert_eq!(served(&world, &device), image);
        put(&world, &owner, &device, b"").is_empty(204);
        assert_eq!((get(&world, &owner, &device), served(&world, &device)), (Vec::new(), Vec::new()));
    }
}

// verifies: ASSURE-14.7-07b
#[test]
fn post_is_no_way_to_store_an_image() {
    let Some(world) = World::start() else { return };
    let (device, owner) = (world.device(Kind::Ec), world.owner());
    world.claim(&owner, &device).is(204);
    let image = for_owner(&world, &owner, &device, &[]);
    world.about(&owner, "POST", &device, "/bootstrap", Some(&image)).is_empty(405);
    assert_eq!(served(&world, &device), b"");
    put(&world, &owner, &device, &image).is_empty(204);
    assert_eq!(served(&world, &device), image);
}

/// An image with one more key in its header, put there by hand.
fn with_key(image: &[u8], key: &[u8]) -> Vec<u8> {
    assert!((0x80..0x97).contains(&image[0]), "a short array");
    [&[image[0] + 1], key, &image[1..]].concat()
}

fn channel_key(owner: &Owner, definition: &KeyDefinition) -> Vec<u8> {
    let authority = Authority::of_this_run();
    let signer = Signer::with_private_key(owner.class_2, Class::ManagementSystem, &*owner.key);
    let (class, metadata) = (Class::Channel, Metadata::NONE);
    let provider = &*authority.provider;
    let issued =
        AuthenticatedKey::issue(provider, class, definition, metadata, &signer, since_now(), &mut dice());
    issued.unwrap().encoded().to_vec()
}

// verifies: TS-M15, ASSURE-9.3.7-01
#[test]
fn ts_m15_an_image_that_shows_a_private_key_or_is_none_is_400() {
    let Some(world) = World::start() else { return };
    let (device, owner) = (world.device(Kind::Ec), world.owner());
    world.claim(&owner, &device).is(204);
    let image = for_owner(&world, &owner, &device, &[]);
    put(&world, &owner, &device, &image).is(204);
    let own: std::sync::Arc<dyn PrivateKey> = key(P256);
    let (id, public) = (KeyId([0x77; 16]), own.public().clone());
    let private = KeyDefinition::private(id, &*own).unwrap();
    let shown = with_key(&image, &channel_key(&owner, &private));
    let hidden = with_key(&image, &channel_key(&owner, &KeyDefinition::public(id, public)));
    let bad: [&[u8]; 5] = [&shown, b"no image", &image[..image.len() - 1], &[0x80], &[0xff; 100]];
    for bytes in bad {
        put(&world, &owner, &device, bytes).is_empty(400);
    }
    assert_eq!(served(&world, &device), image, "the image before stands");
    assert!(!world.bootstrap.holds(private.encode_private().as_slice()));
    put(&world, &owner, &device, &hidden).is_empty(204);
    assert!(judged(&device, &hidden).is_err(), "what the server cannot know, the device does");
}

#[test]
fn an_image_of_65536_bytes_is_taken_and_one_byte_more_is_not() {
    let Some(world) = World::start() else { return };
    let (device, owner) = (world.device(Kind::Secret), world.owner());
    world.claim(&owner, &device).is(204);
    let configuration = configuration(&world, &owner, &device);
    let sized = |length: usize| from_configuration(&owner, device.uuid, &configuration, &[vec![7; length]]);
    let overhead = sized(60_000).len() - 60_000;
    let image = sized(IMAGE_LENGTH_MAX - overhead);
    assert_eq!(image.len(), 65_536);
    put(&world, &owner, &device, &image).is_empty(204);
    assert_eq!(served(&world, &device), image);
    let longer = [&image[..], &[0]].concat();
    put(&world, &owner, &device, &longer).is_empty(413);
    assert_eq!(get(&world, &owner, &device), image);
    assert!(judged(&device, &image).is_ok());
}

// verifies: ASSURE-9.3.5-06, ASSURE-14.7-04a, ASSURE-9.4.1-01, TS-H1, ASSURE-9.3.3-06
#[test]
fn ts_h1_with_its_owner_an_image_goes_and_cannot_come_back() {
    let Some(world) = World::start() else { return };
    let (device, a, b) = (world.device(Kind::Ec), world.owner(), world.owner());
    world.claim(&a, &device).is(204);
    let first = for_owner(&world, &a, &device, &[]);
    put(&world, &a, &device, &first).is(204);
    world.transfer(&a, &device, &a).is(204);
    assert_eq!(served(&world, &device), b"", "a re-key resets too");
    put(&world, &a, &device, &first).is_empty(403);
    let second = for_owner(&world, &a, &device, &[]);
    put(&world, &a, &device, &second).is(204);
    world.own(&a, &device, "?mgmtid=NULL").is(204);
    assert_eq!(served(&world, &device), b"");
    put(&world, &a, &device, &second).is_empty(403);
    world.claim(&b, &device).is(204);
    assert_eq!(served(&world, &device), b"");
    assert_eq!(get(&world, &b, &device), b"", "nothing of a");
    put(&world, &b, &device, &second).is_empty(403);
    assert_eq!(served(&world, &device), b"");
}

#[test]
fn a_device_gets_no_other_devices_image() {
    let Some(world) = World::start() else { return };
    let maker = world.maker();
    let (one, other) = (world.device_of(&maker, Kind::Ec), world.device_of(&maker, Kind::Ec));
    let owner = world.owner();
    world.claim(&owner, &other).is(204);
    put(&world, &owner, &other, &for_owner(&world, &owner, &other, &[])).is(204);
    let asked = world.block_on(world.bootstrap_server.serve_image(one.uuid, other.uuid));
    assert_eq!(asked.unwrap(), None);
    let unknown = model::Uuid([7; 16]);
    assert_eq!(world.block_on(world.bootstrap_server.serve_image(unknown, unknown)).unwrap(), None);
}
