//! What an image builder refuses, and what the record says.

use assure_proto::{
    Advance, BuildError, Class, ImageContents, ImageRefusal, Metadata, OwnershipRecord, PayloadKey,
    SimpleTime, Validity, build_image, next_created_at,
};
use clock::Dice;
use wire::Reason;

use crate::vectors::OwnKey;
use crate::world::{FIRST, Kind, NOON, World};

// verifies: ASSURE-15.5-02, ASSURE-15.5-03
#[test]
fn what_a_device_would_refuse_for_its_form_is_not_signed() {
    let mut world = World::new(Kind::Ec, &crypto_portable::Portable);
    let image = world.image(|world| &world.owner_a, FIRST);
    let owner_data = assure_proto::BootstrapImage::decode(&image).unwrap().owner_data().clone();
    let OwnKey::Private(device) = &world.device else { unreachable!("an EC device") };
    let header = world.header(&world.owner_a);
    let mut dice = Dice::numbered(1);
    let many: Vec<_> = std::iter::repeat_n(header[0].clone(), 17).collect();
    let twice = [&header[..], &header[..1]].concat();
    let long = vec![vec![0; 65_536]];
    let messages = vec![vec![0]; 257];
    let mut build = |keys: &[_], messages: &[Vec<u8>], created_at| {
        let contents = ImageContents {
            device: world.uuid,
            authenticated_keys: keys,
            owner_data: &owner_data,
            payload_key: PayloadKey::Device(device.public()),
            messages,
        };
        let validity = Validity::since(SimpleTime { secs: created_at });
        build_image(world.provider, &contents, &world.owner_a.signer(), validity, &mut dice).map(|_| ())
    };
    assert_eq!(build(&header, &[], NOON), Ok(()));
    assert_eq!(build(&[], &[], NOON), Err(BuildError::KeyCount));
    assert_eq!(build(&many, &[], NOON), Err(BuildError::KeyCount));
    assert_eq!(build(&twice, &[], NOON), Err(BuildError::DuplicateKeyId));
    assert_eq!(build(&header[..2], &[], NOON), Err(BuildError::SignerNotAmongKeys));
    assert_eq!(build(&header, &[], 0), Err(BuildError::CreatedAtZero));
    assert_eq!(build(&header, &messages, NOON), Err(BuildError::TooManyMessages));
    assert!(build(&header, &long, NOON).is_err(), "longer than any image");
    assert_eq!(build(&header, &messages[..256], NOON), Ok(()));
}

// verifies: TS-M13
#[test]
fn the_next_image_is_newer_even_when_the_clock_went_back() {
    let at = |secs| SimpleTime { secs };
    assert_eq!(next_created_at(at(10), None), at(10));
    assert_eq!(next_created_at(at(10), Some(at(5))), at(10));
    assert_eq!(next_created_at(at(10), Some(at(10))), at(11));
    assert_eq!(next_created_at(at(3), Some(at(10))), at(11));
}

// verifies: ASSURE-15.5-08
#[test]
fn the_record_is_stored_in_one_form() {
    let factory = OwnershipRecord::factory(1);
    let bytes = [0x88, 1, 1, 0, 0x40, 0, 0x40, 0xf4, 0xf4];
    assert_eq!(factory.encode(), bytes);
    assert_eq!(OwnershipRecord::decode(&bytes), Ok(factory));
    let full = OwnershipRecord {
        generation: 2,
        sequence_number: 300,
        owner_hash: Some([7; 32]),
        created_at: SimpleTime { secs: NOON },
        image_hash: Some([8; 32]),
        walled_garden: true,
        erase_pending: true,
    };
    let stored = full.encode();
    assert_eq!(OwnershipRecord::decode(&stored), Ok(full));
    for cut in 0..stored.len() {
        assert!(OwnershipRecord::decode(&stored[..cut]).is_err(), "cut at {cut}");
    }
    assert!(OwnershipRecord::decode(&[&stored[..], &[0]].concat()).is_err());
    let mut newer = bytes;
    newer[1] = 2;
    assert_eq!(OwnershipRecord::decode(&newer).map_err(|e| e.reason), Err(Reason::UnknownVersion));
    let mut short_hash = bytes.to_vec();
    short_hash.splice(4..5, [0x41, 9]);
    assert!(OwnershipRecord::decode(&short_hash).is_err());
}

// verifies: ASSURE-15.5-09, TS-H5, TS-H7, TS-M13
#[test]
fn the_record_admits_by_generation_number_owner_and_time_in_that_order() {
    let stored = OwnershipRecord {
        generation: 3,
        sequence_number: 10,
        owner_hash: Some([1; 32]),
        created_at: SimpleTime { secs: 100 },
        image_hash: Some([2; 32]),
        ..OwnershipRecord::factory(3)
    };
    let judge = |generation, number, owner: u8, secs, image: u8| {
        stored.admits(generation, number, &[owner; 32], SimpleTime { secs }, &[image; 32])
    };
    let table = [
        (judge(2, 10, 1, 101, 3), Err(ImageRefusal::GenerationLower)),
        (judge(2, u32::MAX, 1, 101, 3), Err(ImageRefusal::GenerationLower)),
        (judge(4, 0, 9, 0, 9), Ok(Advance::NewOwner)),
        (judge(3, 9, 1, 101, 3), Err(ImageRefusal::SequenceLower)),
        (judge(3, 11, 9, 1, 9), Ok(Advance::NewOwner)),
        (judge(3, 1034, 9, 1, 9), Ok(Advance::NewOwner)),
        (judge(3, 1035, 9, 1, 9), Err(ImageRefusal::SequenceTooFar)),
        (judge(3, u32::MAX, 9, 1, 9), Err(ImageRefusal::SequenceTooFar)),
        (judge(3, 10, 9, 101, 3), Err(ImageRefusal::OwnerDiffers)),
        (judge(3, 10, 1, 101, 3), Ok(Advance::SameOwner)),
        (judge(3, 10, 1, 99, 2), Err(ImageRefusal::CreatedEarlier)),
        (judge(3, 10, 1, 100, 2), Ok(Advance::SameImage)),
        (judge(3, 10, 1, 100, 3), Err(ImageRefusal::CreatedAtTheSameTime)),
    ];
    for (at, (found, expected)) in table.into_iter().enumerate() {
        assert_eq!(found, expected, "case {at}");
    }
    let fresh = OwnershipRecord::factory(1);
    let zero = fresh.admits(1, 0, &[1; 32], SimpleTime { secs: 5 }, &[2; 32]);
    assert_eq!(zero, Err(ImageRefusal::OwnerDiffers), "no owner has the number 0");
}

// verifies: ASSURE-15.5-02
#[test]
fn keys_behind_those_of_the_configuration_are_taken_too() {
    let mut world = World::new(Kind::Secret, &crypto_portable::Portable);
    let owner = &world.owner_a;
    let signer = crate::world::signer(owner.id, owner.class, &owner.key);
    let mut dice = Dice::numbered(2);
    let key = world.provider.generate_key(crypto::KeyKind::Ec(crypto::Curve::P256), &mut dice).unwrap();
    let definition = assure_proto::KeyDefinition::public(model::KeyId([5; 16]), key.public().clone());
    let peer = assure_proto::AuthenticatedKey::issue(
        world.provider,
        Class::Channel,
        &definition,
        Metadata::of_device(model::Uuid([6; 16])),
        &signer,
        Validity::since(SimpleTime { secs: NOON }),
        &mut dice,
    );
    let keys: Vec<_> = world.header(owner).into_iter().chain([peer.unwrap()]).collect();
    let image = world.image_with(|world| &world.owner_a, FIRST, &keys);
    let accepted = world.apply(&image);
    assert_eq!(
        accepted.keys.find(model::KeyId([5; 16])).map(|key| key.signer_class()),
        Some(Class::ManagementSystem)
    );
}
