//! The attacks on ownership, each carried out with genuine tools.

use assure_proto::cbor::Writer;
use assure_proto::{
    Advance, BootstrapImage, BootstrapSession, Circumstances, Class, GardenSwitch, ImageRefusal,
    KeyDefinition, KeyRefusal, Metadata, OwnershipRecord, SignatureError, SimpleTime, TimeRefusal,
    TimeSource, TimeTrust, Validity, cms,
};
use model::KeyId;

use crate::vectors::OwnKey;
use crate::world::{FIRST, Kind, Marks, NOON, Party, World, sign_by_hand};

const A: fn(&World) -> &Party = |world| &world.owner_a;
const B: fn(&World) -> &Party = |world| &world.owner_b;

fn refusal(verdict: Result<assure_proto::AcceptedImage, ImageRefusal>) -> ImageRefusal {
    verdict.map(|accepted| accepted.owner_key).expect_err("the attack must fail")
}

/// The items of an image, encoded one by one, without its signature.
fn items_of(image: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>, Vec<u8>, Vec<u8>) {
    let image = BootstrapImage::decode(image).unwrap();
    let keys = image.authenticated_keys().iter().map(|key| key.encoded().to_vec()).collect();
    let byte_string = |bytes: &[u8]| {
        let mut out = Writer::new();
        out.bytes(bytes);
        out.finish()
    };
    let decryption_key = byte_string(&image.decryption_key_id().0);
    (keys, image.owner_data().encoded().to_vec(), decryption_key, byte_string(image.encrypted_payload()))
}

fn signed_by_hand(world: &World, keys: &[Vec<u8>], rest: [&[u8]; 3], by: &Party) -> Vec<u8> {
    let items: Vec<&[u8]> = keys.iter().map(Vec::as_slice).chain(rest).collect();
    sign_by_hand(world.provider, &items, by, NOON)
}

// verifies: ASSURE-15.5-01, ASSURE-15.5-09, ASSURE-15.5.4-01
#[test]
fn a_genuine_image_makes_its_signer_the_owner() {
    for kind in [Kind::Secret, Kind::Ec] {
        for provider in crate::vectors::providers() {
            let mut world = World::new(kind, provider);
            let image = world.image(A, FIRST);
            let accepted = world.apply(&image);
            assert_eq!(accepted.advance, Advance::NewOwner);
            assert_eq!((accepted.owner_key, accepted.bootstrap_key), (world.owner_a.id, world.bootstrap.id));
            let ids: Vec<_> = accepted.keys.iter().map(assure_proto::StoredKey::id).collect();
            assert_eq!(ids, [world.online.id, world.bootstrap.id, world.owner_a.id], "in image order");
            let messages = accepted.messages.unwrap();
            let messages: Vec<_> = messages.iter().map(crypto::Secret::expose).collect();
            assert_eq!(messages, [&b"first"[..], b"second"]);
            assert!(world.record.erase_pending && !world.record.walled_garden);
            assert_eq!((world.record.generation, world.record.sequence_number), (1, 1));
            assert_eq!(world.judge(&image).unwrap().advance, Advance::SameImage);
            let later = world.image(A, Marks { created_at: NOON + 1, ..FIRST });
            assert_eq!(world.judge(&later).unwrap().advance, Advance::SameOwner);
        }
    }
}

// verifies: TS-C1, ASSURE-15.3-01
#[test]
fn ts_c1_a_hinted_definition_counts_only_when_the_image_confirms_it() {
    let mut world = World::new(Kind::Secret, &crypto_portable::Portable);
    let image = world.image(A, FIRST);
    let judge = |hint: &[Vec<u8>]| {
        let session = BootstrapSession::Hint(hint);
        let garden = GardenSwitch::Untouched;
        world.judge_session(&image, &Circumstances { session, time: TimeTrust::Unknown, garden })
    };
    let genuine = world.bootstrap.definition().encode();
    assert!(judge(std::slice::from_ref(&genuine)).is_ok());
    for at in 0..genuine.len() {
        let mut altered = genuine.clone();
        altered[at] ^= 1;
        assert_eq!(refusal(judge(&[altered])), ImageRefusal::ServerNotConfirmed, "byte {at}");
    }
    let owner = world.owner_a.definition().encode();
    assert_eq!(
        refusal(judge(&[genuine.clone(), owner.clone()])),
        ImageRefusal::ServerNotConfirmed,
        "class 2 last"
    );
    assert!(judge(&[owner, genuine]).is_ok(), "all in the image, the last one of class 3");
    assert_eq!(refusal(judge(&[])), ImageRefusal::ServerNotConfirmed);
    let spki = crate::vectors::providers()[0];
    let key =
        spki.generate_key(crypto::KeyKind::Ec(crypto::Curve::P256), &mut clock::Dice::numbered(1)).unwrap();
    let raw_key = BootstrapSession::PublicKey(key.public().spki());
    let garden = GardenSwitch::Untouched;
    let circumstances = Circumstances { session: raw_key, time: TimeTrust::Unknown, garden };
    assert_eq!(refusal(world.judge_session(&image, &circumstances)), ImageRefusal::ServerNotConfirmed);
}

// verifies: ASSURE-15.4-02, ASSURE-15.4-03, TS-C1
#[test]
fn a_raw_server_key_counts_only_as_class_3_of_the_image() {
    let mut world = World::new(Kind::Ec, &crypto_portable::Portable);
    let image = world.image(A, FIRST);
    let time = TimeTrust::Unknown;
    for other in [&world.owner_a, &world.owner_b, &world.online] {
        let verdict = world.judge_from(other, &image, time, GardenSwitch::Untouched);
        assert_eq!(refusal(verdict), ImageRefusal::ServerNotConfirmed);
    }
    let hint = [world.bootstrap.definition().encode()];
    let circumstances =
        Circumstances { session: BootstrapSession::Hint(&hint), time, garden: GardenSwitch::Untouched };
    let psk = world.judge_session(&image, &circumstances);
    assert_eq!(refusal(psk), ImageRefusal::ServerNotConfirmed, "such a device opens no PSK session");
}

/// R signs a second class 2 key that carries B's id and B's owner data.
// verifies: TS-C2, ASSURE-15.5-14, ASSURE-15.5-06
#[test]
fn ts_c2_second_key_with_the_owners_id_is_refused() {
    for mut world in World::both() {
        let genuine = world.image(B, FIRST);
        assert!(world.judge(&genuine).is_ok());
        let (_, owner_data, decryption_key, payload) = items_of(&genuine);
        // the attacker is A, an honest registration of its own
        let by = signer_of(&world.owner_a);
        let fake = world.party(Class::ManagementSystem, Metadata::NONE, &by.signer());
        let fake = with_id(&mut world, fake, B, &by);
        let mut keys: Vec<Vec<u8>> =
            world.header(&world.owner_a).iter().map(|key| key.encoded().to_vec()).collect();
        keys.push(fake.proof.encoded().to_vec());
        let image = signed_by_hand(&world, &keys, [&owner_data, &decryption_key, &payload], &fake);
        assert_eq!(refusal(world.judge(&image)), ImageRefusal::SignerNotByAuthority);
        // even signed by class 1, as when an applicant picks the id, it is not the key of the owner data
        let by = signer_of(&world.online);
        let fake = with_id(&mut world, fake, B, &by);
        keys.pop();
        keys.push(fake.proof.encoded().to_vec());
        let image = signed_by_hand(&world, &keys, [&owner_data, &decryption_key, &payload], &fake);
        let expected = ImageRefusal::OwnerSignature(SignatureError::NotGenuine);
        assert_eq!(refusal(world.judge(&image)), expected);
        // with the genuine key beside it
        keys.push(world.owner_b.proof.encoded().to_vec());
        let image = signed_by_hand(&world, &keys, [&owner_data, &decryption_key, &payload], &fake);
        assert_eq!(refusal(world.judge(&image)), ImageRefusal::DuplicateKeyId);
    }
}

/// A copy that can sign while the world is changed.
pub(crate) fn signer_of(party: &Party) -> Party {
    let key = match &party.key {
        OwnKey::Secret(secret) => OwnKey::Secret(secret.clone()),
        OwnKey::Private(key) => OwnKey::Private(key.clone()),
    };
    Party { id: party.id, class: party.class, key, proof: party.proof.clone() }
}

/// The party's key under the id of another one, signed anew.
fn with_id(world: &mut World, party: Party, of: fn(&World) -> &Party, by: &Party) -> Party {
    let id = of(world).id;
    let definition = match party.definition() {
        KeyDefinition::Derived(derived) => KeyDefinition::Derived(
            assure_proto::DerivedKey::new(id, derived.derivations().to_vec()).expect("as many as before"),
        ),
        other => KeyDefinition::public(id, other.public_key().expect("a key pair").clone()),
    };
    let proof = world.prove(Class::ManagementSystem, &definition, &by.signer());
    Party { id, proof, ..party }
}

// verifies: ASSURE-15.5-14, TS-C2
#[test]
fn another_registered_management_system_is_not_the_owner() {
    for mut world in World::both() {
        let genuine = world.image(B, FIRST);
        let (mut keys, owner_data, _, _) = items_of(&genuine);
        let (_, _, decryption_key, payload) = items_of(&world.image(A, FIRST));
        keys.push(world.owner_a.proof.encoded().to_vec());
        let image = signed_by_hand(&world, &keys, [&owner_data, &decryption_key, &payload], &world.owner_a);
        let expected = ImageRefusal::OwnerSignature(SignatureError::NotGenuine);
        assert_eq!(refusal(world.judge(&image)), expected);
    }
}

// verifies: TS-H1, ASSURE-15.4-02, ASSURE-7.7-08
#[test]
fn ts_h1_a_server_that_the_owner_signed_counts_only_in_his_walled_garden() {
    for mut world in World::both() {
        let by = signer_of(&world.owner_a);
        let own_server = world.party(Class::BootstrapService, Metadata::NONE, &by.signer());
        let mut keys = vec![world.online.proof.clone(), world.owner_a.proof.clone()];
        keys.push(own_server.proof.clone());
        let image = world.image_with(A, FIRST, &keys);
        let time = TimeTrust::Unknown;
        let judge = |world: &World, image: &[u8], garden| world.judge_from(&own_server, image, time, garden);
        let outside = judge(&world, &image, GardenSwitch::Untouched);
        assert_eq!(refusal(outside), ImageRefusal::BootstrapKeyNotByAuthority);
        let pressed = judge(&world, &image, GardenSwitch::PressedHere).unwrap();
        assert!(pressed.record.walled_garden, "the press holds for this owner");
        world.record = pressed.record;
        assert!(judge(&world, &image, GardenSwitch::Untouched).unwrap().record.walled_garden);
        let next = world.image_with(A, Marks { sequence_number: 2, ..FIRST }, &keys);
        let risen = judge(&world, &next, GardenSwitch::Untouched);
        assert_eq!(refusal(risen), ImageRefusal::BootstrapKeyNotByAuthority);
        let next = world.image(B, Marks { sequence_number: 2, ..FIRST });
        assert!(!world.apply(&next).record.walled_garden, "gone when the number rises");
    }
}

// verifies: TS-H2, ASSURE-15.5-04, ASSURE-7.4-07
#[test]
fn ts_h2_only_roots_device_key_and_earlier_keys_of_the_image_count() {
    for mut world in World::both() {
        let first = world.image(A, FIRST);
        let live = world.apply(&first).keys;
        // a signer that is only in the live store
        assert!(live.find(world.online.id).is_some());
        let keys = [world.bootstrap.proof.clone(), world.owner_a.proof.clone()];
        let image = world.image_with(A, Marks { created_at: NOON + 1, ..FIRST }, &keys);
        let cause = KeyRefusal::UnknownSigner;
        let expected = ImageRefusal::Key { key_id: world.bootstrap.id, cause };
        assert_eq!(refusal(world.judge(&image)), expected);
        // keys in another order
        let keys = [world.bootstrap.proof.clone(), world.online.proof.clone(), world.owner_a.proof.clone()];
        let image = world.image_with(A, FIRST, &keys);
        assert_eq!(refusal(world.judge(&image)), expected);
        // a key of A under the id of B's key changes nothing for B's image, and A's keys do not come along
        let image = world.image(B, Marks { sequence_number: 2, ..FIRST });
        let taken = world.judge(&image).unwrap().keys;
        assert!(taken.find(world.owner_a.id).is_none());
        let owner = taken.find(world.owner_b.id).unwrap();
        assert_eq!(owner.authenticated_key(), &world.owner_b.proof);
    }
}

// verifies: TS-H2, ASSURE-15.5-04
#[test]
fn an_image_key_with_the_devices_id_is_its_own_or_none() {
    let mut world = World::new(Kind::Ec, &crypto_portable::Portable);
    let OwnKey::Private(device) = &world.device else { unreachable!("an EC device") };
    let own = KeyDefinition::public(world.uuid.into(), device.public().clone());
    let foreign = world.owner_b.definition().public_key().unwrap().clone();
    let foreign = KeyDefinition::public(world.uuid.into(), foreign);
    let online = signer_of(&world.online);
    for (definition, accepted) in [(own, true), (foreign, false)] {
        let mut keys = world.header(&world.owner_a);
        keys.push(world.prove(Class::Device, &definition, &online.signer()));
        let image = world.image_with(A, FIRST, &keys);
        match world.judge(&image) {
            Ok(taken) => {
                assert!(accepted);
                assert!(taken.keys.find(world.uuid.into()).is_none(), "not imported");
            }
            Err(refusal) => {
                assert!(!accepted);
                assert_eq!(refusal, ImageRefusal::ForeignDeviceKey);
            }
        }
    }
}

// verifies: TS-H4, ASSURE-7.3-06, ASSURE-7.3-16, ASSURE-7.4-08
#[test]
fn ts_h4_a_clock_that_the_owner_set_does_not_age_the_next_owners_image() {
    let far = SimpleTime { secs: 2_114_380_800 }; // 2077
    for mut world in World::both() {
        let image = world.image(B, Marks { valid_until: NOON + 86_400, ..FIRST });
        for source in [TimeSource::Owner, TimeSource::ByHand, TimeSource::Never] {
            let time = TimeTrust::for_images(source, far);
            assert!(world.judge_under(&image, time, GardenSwitch::Untouched).is_ok(), "{source:?}");
        }
        for source in [TimeSource::Authority, TimeSource::Factory] {
            let time = TimeTrust::for_images(source, far);
            let verdict = world.judge_under(&image, time, GardenSwitch::Untouched);
            assert_eq!(refusal(verdict), ImageRefusal::ImageExpired, "{source:?}");
        }
        let time = TimeTrust::for_images(TimeSource::Authority, SimpleTime { secs: NOON - 2000 });
        let cause = KeyRefusal::Time(TimeRefusal::NotYetValid);
        let expected = ImageRefusal::Key { key_id: world.online.id, cause };
        assert_eq!(refusal(world.judge_under(&image, time, GardenSwitch::Untouched)), expected);
    }
    assert_eq!(TimeTrust::for_pushed_keys(TimeSource::Owner, far), TimeTrust::Trusted(far));
}

// verifies: TS-H5, ASSURE-15.5-09, ASSURE-15.5-10
#[test]
fn ts_h5_one_number_means_one_owner() {
    for mut world in World::both() {
        let image = world.image(B, Marks { sequence_number: 5, ..FIRST });
        world.apply(&image);
        let newer = Marks { sequence_number: 5, created_at: NOON + 500, ..FIRST };
        let image = world.image(A, newer);
        assert_eq!(refusal(world.judge(&image)), ImageRefusal::OwnerDiffers);
        let image = world.image(A, Marks { sequence_number: 4, ..newer });
        assert_eq!(refusal(world.judge(&image)), ImageRefusal::SequenceLower);
        let image = world.image(B, newer);
        assert!(world.judge(&image).is_ok());
        let image = world.image(A, Marks { sequence_number: 5 + 256, ..FIRST });
        assert!(world.judge(&image).is_ok(), "the authority after a restore");
    }
}

// verifies: TS-H7, ASSURE-15.5-09, ASSURE-15.5-11, ASSURE-7.10-02
#[test]
fn ts_h7_generation_comes_first_and_numbers_do_not_leap() {
    for mut world in World::both() {
        let image = world.image(A, Marks { sequence_number: 1025, ..FIRST });
        assert_eq!(refusal(world.judge(&image)), ImageRefusal::SequenceTooFar, "from the factory too");
        let image = world.image(A, Marks { sequence_number: 1024, ..FIRST });
        assert!(world.judge(&image).is_ok());
        world.record = OwnershipRecord { generation: 2, ..OwnershipRecord::factory(2) };
        let image = world.image(A, Marks { sequence_number: 0x7fff_ffff, created_at: NOON + 9, ..FIRST });
        assert_eq!(refusal(world.judge(&image)), ImageRefusal::GenerationLower);
        world.record = OwnershipRecord { sequence_number: 700, ..OwnershipRecord::factory(1) };
        renew_authority(&mut world, Metadata::of_generation(2));
        let image = world.image(A, FIRST);
        assert_eq!(world.apply(&image).record.generation, 2, "a lower number under a higher generation");
        renew_authority(&mut world, Metadata::NONE);
        let image = world.image(A, FIRST);
        assert_eq!(refusal(world.judge(&image)), ImageRefusal::GenerationMissing);
    }
}

/// A new online key under the root, and everybody's keys signed anew.
fn renew_authority(world: &mut World, metadata: Metadata) {
    let root = Party {
        id: world.roots[0].key_id,
        class: Class::TrustedAuthority,
        key: signer_key(&world.root_key),
        proof: world.online.proof.clone(),
    };
    world.online = world.party(Class::TrustedAuthority, metadata, &root.signer());
    let online = signer_of(&world.online);
    world.bootstrap = world.party(Class::BootstrapService, Metadata::NONE, &online.signer());
    world.owner_a = world.party(Class::ManagementSystem, Metadata::NONE, &online.signer());
}

fn signer_key(key: &OwnKey) -> OwnKey {
    match key {
        OwnKey::Secret(secret) => OwnKey::Secret(secret.clone()),
        OwnKey::Private(key) => OwnKey::Private(key.clone()),
    }
}

// verifies: ASSURE-15.5-11, TS-H7, TS-L3
#[test]
fn owner_data_is_for_a_class_1_key_right_below_the_root() {
    for mut world in World::both() {
        let online = signer_of(&world.online);
        let below = world.party(Class::TrustedAuthority, Metadata::of_generation(1), &online.signer());
        let root = Party {
            id: world.roots[0].key_id,
            class: Class::TrustedAuthority,
            key: signer_key(&world.root_key),
            proof: world.online.proof.clone(),
        };
        let maker = world.party(Class::Device, Metadata::NONE, &online.signer());
        let maker = Party { class: Class::Manufacturer, ..maker };
        for wrong in [&below, &root, &maker] {
            let mut keys = world.header(&world.owner_a);
            keys.push(below.proof.clone());
            let owner = signer_of(&world.owner_a);
            let owner_data = world.owner_data(&owner, 1, &wrong.signer());
            let mut dice = clock::Dice::numbered(3);
            let image = world.signed(&owner, FIRST, &keys, &owner_data, &mut dice);
            assert_eq!(refusal(world.judge(&image)), ImageRefusal::OwnerSigner);
        }
    }
}

// verifies: TS-M1, ASSURE-15.5.1-01
#[test]
fn ts_m1_a_payload_lifted_into_another_owners_image_stays_closed() {
    let mut world = World::new(Kind::Ec, &crypto_portable::Portable);
    let of_b = world.image(B, FIRST);
    let (_, _, decryption_key, lifted) = items_of(&of_b);
    let (keys, owner_data, _, _) = items_of(&world.image(A, Marks { sequence_number: 2, ..FIRST }));
    let image = signed_by_hand(&world, &keys, [&owner_data, &decryption_key, &lifted], &world.owner_a);
    let expected = ImageRefusal::Envelope(cms::OpenError::BindingOther);
    assert_eq!(refusal(world.judge(&image)), expected);
    let OwnKey::Private(device) = &world.device else { unreachable!("an EC device") };
    let mut dice = clock::Dice::numbered(4);
    let id = KeyId::from(world.uuid);
    let unbound = cms::seal(world.provider, device.public(), &id, None, &[0x80], &mut dice).unwrap();
    let mut out = Writer::new();
    out.bytes(&unbound);
    let image = signed_by_hand(&world, &keys, [&owner_data, &decryption_key, &out.finish()], &world.owner_a);
    let expected = ImageRefusal::Envelope(cms::OpenError::BindingAbsent);
    assert_eq!(refusal(world.judge(&image)), expected);
}

// verifies: TS-M13, ASSURE-15.5-08, ASSURE-15.5-09
#[test]
fn ts_m13_an_owners_images_never_go_back() {
    for mut world in World::both() {
        let first = world.image(A, FIRST);
        world.apply(&first);
        let older = world.image(A, Marks { created_at: NOON - 1, ..FIRST });
        assert_eq!(refusal(world.judge(&older)), ImageRefusal::CreatedEarlier);
        let keys: Vec<_> =
            world.header(&world.owner_a).into_iter().chain([world.owner_b.proof.clone()]).collect();
        let other = world.image_with(A, FIRST, &keys);
        assert_eq!(refusal(world.judge(&other)), ImageRefusal::CreatedAtTheSameTime);
        let stored = OwnershipRecord::decode(&world.record.encode()).unwrap();
        assert_eq!(stored, world.record, "what survives a factory reset says the same");
        let far = world.image(A, Marks { created_at: NOON + 86_401, ..FIRST });
        let now = TimeTrust::Trusted(SimpleTime { secs: NOON });
        let verdict = world.judge_under(&far, now, GardenSwitch::Untouched);
        assert_eq!(refusal(verdict), ImageRefusal::CreatedInFuture);
        let near = world.image(A, Marks { created_at: NOON + 86_400, ..FIRST });
        assert!(world.judge_under(&near, now, GardenSwitch::Untouched).is_ok());
        world.apply(&far);
        let rekeyed = world.image(B, Marks { sequence_number: 2, ..FIRST });
        assert!(world.judge(&rekeyed).is_ok(), "the way out is a new number");
    }
}

// verifies: TS-M15, ASSURE-15.5-02, ASSURE-7.2-04
#[test]
fn ts_m15_a_private_key_in_the_header_is_refused_by_both_sides() {
    let mut world = World::new(Kind::Ec, &crypto_portable::Portable);
    let OwnKey::Private(key) = &world.owner_a.key else { unreachable!("an EC owner") };
    let leaking = KeyDefinition::private(KeyId([8; 16]), &**key).unwrap();
    let owner = signer_of(&world.owner_a);
    let leaking = world.prove(Class::Channel, &leaking, &owner.signer());
    let (mut keys, owner_data, decryption_key, payload) = items_of(&world.image(A, FIRST));
    keys.push(leaking.encoded().to_vec());
    let image = signed_by_hand(&world, &keys, [&owner_data, &decryption_key, &payload], &world.owner_a);
    assert_eq!(refusal(world.judge(&image)), ImageRefusal::PrivateKeyInHeader);
    let authenticated_keys: Vec<_> = world.header(&world.owner_a).into_iter().chain([leaking]).collect();
    let owner_data = assure_proto::OwnerData::decode(&owner_data).unwrap();
    let OwnKey::Private(device) = &world.device else { unreachable!("an EC device") };
    let contents = assure_proto::ImageContents {
        device: world.uuid,
        authenticated_keys: &authenticated_keys,
        owner_data: &owner_data,
        payload_key: assure_proto::PayloadKey::Device(device.public()),
        messages: &[],
    };
    let validity = Validity::since(SimpleTime { secs: NOON });
    let mut dice = clock::Dice::numbered(1);
    let built =
        assure_proto::build_image(world.provider, &contents, &world.owner_a.signer(), validity, &mut dice);
    assert_eq!(built, Err(assure_proto::BuildError::PrivateKeyInHeader));
}

// verifies: ASSURE-15.5-15
#[test]
fn an_image_with_a_bad_signature_is_never_decrypted() {
    for mut world in World::both() {
        let genuine = world.image(A, FIRST);
        let (keys, owner_data, decryption_key, _) = items_of(&genuine);
        let image = signed_by_hand(&world, &keys, [&owner_data, &decryption_key, &[0x41, 0]], &world.owner_b);
        let mut image = image;
        // B's signature under A's id
        let b = world.owner_b.id.0;
        let at = image.windows(16).rposition(|window| window == b).unwrap();
        image[at..at + 16].copy_from_slice(&world.owner_a.id.0);
        let expected = ImageRefusal::ImageSignature(SignatureError::NotGenuine);
        assert_eq!(refusal(world.judge(&image)), expected, "and not what is wrong with the payload");
        let image = signed_by_hand(&world, &keys, [&owner_data, &decryption_key, &[0x41, 0]], &world.owner_a);
        let payload = refusal(world.judge(&image));
        assert!(
            matches!(payload, ImageRefusal::Envelope(_) | ImageRefusal::PayloadMalformed(_)),
            "{payload:?}"
        );
    }
}

// verifies: ASSURE-7.3-12, ASSURE-7.1-01, ASSURE-15.5-16
#[test]
fn every_changed_bit_and_every_cut_is_refused() {
    for mut world in World::both() {
        let image = world.image(A, FIRST);
        assert!(world.judge(&image).is_ok());
        for at in 0..image.len() {
            let mut changed = image.clone();
            changed[at] ^= 1 << (at % 8);
            assert!(world.judge(&changed).is_err(), "byte {at}");
            let cut = refusal(world.judge(&image[..at]));
            assert!(matches!(cut, ImageRefusal::Malformed(_)), "cut at {at}: {cut:?}");
        }
        let trailing = refusal(world.judge(&[&image[..], &[0]].concat()));
        assert!(matches!(trailing, ImageRefusal::Malformed(_)));
    }
}
