//! Keys that are pushed, kept and stored: what the key store takes and what it refuses.

use assure_proto::{
    AuthenticatedKey, Class, KeyDefinition, KeyRefusal, KeyStore, Metadata, Put, Signer, TimeTrust, Validity,
};
use model::KeyId;

use crate::attacks::signer_of;
use crate::world::{FIRST, Kind, Party, World};

const A: fn(&World) -> &Party = |world| &world.owner_a;

// verifies: TS-M15, TS-M10, ASSURE-10.1.2-07
#[test]
fn ts_m15_a_device_signs_channel_keys_for_itself_only() {
    let provider = crate::vectors::providers()[0];
    let mut dice = clock::Dice::numbered(6);
    let mut ec = || provider.generate_key(crypto::KeyKind::Ec(crypto::Curve::P256), &mut dice).unwrap();
    let (device, channel) = (ec(), ec());
    let (x, y) = (model::Uuid([1; 16]), model::Uuid([2; 16]));
    let secret = crypto::Secret::new(vec![3; 32]);
    let by_key = Signer::with_private_key(x.into(), Class::Device, &*device);
    let by_secret = Signer::with_secret(x.into(), Class::Device, &secret);
    let by_owner_secret = Signer::with_secret(KeyId([4; 16]), Class::ManagementSystem, &secret);
    let definition = KeyDefinition::public(KeyId([9; 16]), channel.public().clone());
    // as a management system sees it: it knows the device's key and the owner secret
    let mut of_device = assure_proto::Root::public(Class::Device, x.into(), device.public().clone());
    of_device.metadata = Metadata::of_device(x);
    let of_secret = |key_id, class| assure_proto::Root {
        class,
        key_id,
        key: assure_proto::RootKey::Secret(secret.clone()),
        metadata: Metadata::of_device(x),
    };
    let owner_secret = of_secret(KeyId([4; 16]), Class::ManagementSystem);
    let check = |root, by: &Signer<'_>, metadata| {
        let mut dice = clock::Dice::numbered(7);
        let key = AuthenticatedKey::issue(
            provider,
            Class::Channel,
            &definition,
            metadata,
            by,
            Validity::UNLIMITED,
            &mut dice,
        );
        let anchors = assure_proto::Anchors { device: None, roots: &[root], held: &[] };
        let store = KeyStore::empty(4);
        store.check(provider, &anchors, key.unwrap(), TimeTrust::Unknown).map(|stored| stored.class())
    };
    let own = Metadata::of_device(x);
    assert_eq!(check(of_device.clone(), &by_key, own), Ok(Class::Channel));
    let others = check(of_device.clone(), &by_key, Metadata::of_device(y));
    assert_eq!(others, Err(KeyRefusal::MetadataMismatch));
    assert_eq!(check(of_device, &by_key, Metadata::NONE), Err(KeyRefusal::MetadataMismatch));
    let by_s = check(of_secret(x.into(), Class::Device), &by_secret, own);
    assert_eq!(by_s, Err(KeyRefusal::SignedByDeviceSecret));
    assert_eq!(check(owner_secret, &by_owner_secret, own), Ok(Class::Channel), "signed with K_n");
}

// verifies: ASSURE-10.1.1-02, ASSURE-10.1.1-03, ASSURE-10.1.1-05
#[test]
fn a_pushed_key_is_taken_once_and_never_replaced() {
    for mut world in World::both() {
        let image = world.image(A, FIRST);
        let mut live = world.apply(&image).keys;
        let owner = signer_of(&world.owner_a);
        let stranger = signer_of(&world.owner_b);
        let pushed = world.party(Class::Channel, Metadata::NONE, &owner.signer());
        let other = world.prove(Class::Device, pushed.definition(), &owner.signer());
        let unsigned = world.party(Class::Channel, Metadata::NONE, &stranger.signer());
        let held = [(KeyId::from(world.uuid), world.device.held())];
        let anchors = assure_proto::Anchors { device: Some(world.uuid), roots: &world.roots, held: &held };
        let mut put =
            |key: &AuthenticatedKey| live.put(world.provider, &anchors, key.clone(), TimeTrust::Unknown);
        assert_eq!(put(&unsigned.proof), Err(KeyRefusal::UnknownSigner));
        assert_eq!(put(&pushed.proof), Ok(Put::Created));
        assert_eq!(put(&pushed.proof), Ok(Put::Exists));
        assert_eq!(put(&other), Ok(Put::Exists), "whatever was pushed");
        let stored = live.find(pushed.id).unwrap();
        assert_eq!(stored.authenticated_key(), &pushed.proof, "unchanged");
        assert_eq!(stored.secret().is_some(), world.is_secret());
        assert_eq!(live.len(), 4);
        let mut full = KeyStore::restored(live.iter().cloned().collect(), 4);
        let more = AuthenticatedKey::decode(world.owner_b.proof.encoded()).unwrap();
        let refused = full.put(world.provider, &anchors, more, TimeTrust::Unknown);
        assert_eq!((refused, full.len()), (Err(KeyRefusal::Full), 4));
        assert!(full.remove(pushed.id).is_some() && full.remove(pushed.id).is_none());
    }
}

#[test]
fn a_stored_key_comes_back_from_rest_as_it_was() {
    for mut world in World::both() {
        let image = world.image(A, FIRST);
        let live = world.apply(&image).keys;
        for stored in live.iter() {
            let rest = stored.to_storage();
            assert_eq!(assure_proto::StoredKey::from_storage(&rest).as_ref(), Ok(stored));
            assert_eq!(stored.secret().is_some(), world.is_secret());
            for cut in 0..rest.len() {
                assert!(assure_proto::StoredKey::from_storage(&rest[..cut]).is_err(), "cut at {cut}");
            }
            let mut newer = rest.to_vec();
            newer[1] = 2;
            let reason = assure_proto::StoredKey::from_storage(&newer).map_err(|error| error.reason);
            assert_eq!(reason.err(), Some(wire::Reason::UnknownVersion));
        }
        let lengths: Vec<_> = live.iter().map(assure_proto::StoredKey::chain_length).collect();
        assert_eq!(lengths, [2, 3, 3], "the root counts");
    }
}

// verifies: ASSURE-7.4-13
#[test]
fn a_loop_of_signatures_is_refused_even_after_a_key_was_removed() {
    let mut world = World::new(Kind::Ec, &crypto_portable::Portable);
    let image = world.image(A, FIRST);
    let mut live = world.apply(&image).keys;
    let owner = signer_of(&world.owner_a);
    let second = world.party(Class::ManagementSystem, Metadata::NONE, &owner.signer());
    let third = world.party(Class::ManagementSystem, Metadata::NONE, &second.signer());
    let looped = world.prove(Class::ManagementSystem, second.definition(), &third.signer());
    let roots = world.roots.clone();
    let anchors = assure_proto::Anchors { device: Some(world.uuid), roots: &roots, held: &[] };
    for key in [&second.proof, &third.proof] {
        assert_eq!(live.put(world.provider, &anchors, key.clone(), TimeTrust::Unknown), Ok(Put::Created));
    }
    live.remove(second.id);
    let verdict = live.put(world.provider, &anchors, looped, TimeTrust::Unknown);
    assert_eq!(verdict, Err(KeyRefusal::SelfSigned));
    assert!(live.find(second.id).is_none());
}
