//! Who is let onto a management channel, and as whom.

use assure_json::DeviceStatus;
use assure_proto::KeyDefinition;
use management::{
    ChannelAccess, ChannelProof, FindPeer, KeyKind, Leave, Leaving, Left, OwnProof, PeerSign, ProvenKey,
    Standing, StandingKnown, key_digest,
};
use model::{KeyId, Uuid};

use crate::world::{Born, Device, World};

fn find(world: &World, sign: PeerSign) -> Option<ChannelAccess> {
    world.run(&FindPeer { sign }).unwrap()
}

fn by_key(world: &World, device: &Device) -> PeerSign {
    match &device.born {
        Born::Key(key) => PeerSign::PublicKey(key_digest(&*world.provider, key.public())),
        Born::Secret(_) => match find(world, PeerSign::Name(device.uuid)).unwrap().proof {
            ChannelProof::Psk { key, .. } => PeerSign::PskKey(key),
            ChannelProof::PublicKey { .. } => panic!("a device without a public key"),
        },
    }
}

// verifies: TS-M4
#[test]
fn devices_are_found_by_name_and_by_key_and_both_lead_to_the_same() {
    for kind in [KeyKind::SharedSecret, KeyKind::Ec, KeyKind::Rsa] {
        let mut world = World::new(30);
        let device = world.in_service(kind);
        let by_name = find(&world, PeerSign::Name(device.uuid)).unwrap();
        assert_eq!(find(&world, by_key(&world, &device)), Some(by_name.clone()), "{kind:?}");
        assert_eq!((by_name.device, by_name.seq), (device.uuid, 1));
        match (&by_name.proof, kind) {
            (ChannelProof::Psk { key, secret }, KeyKind::SharedSecret) => {
                let stored = device.keys.find(*key).unwrap();
                assert_eq!(stored.secret(), Some(secret), "both ends have the same secret");
                assert_eq!(by_name.own_name, *key);
                assert!(matches!(stored.authenticated_key().definition(), KeyDefinition::Derived(_)));
            }
            (ChannelProof::PublicKey { own: OwnProof::Ec, .. }, KeyKind::Ec) => {
                assert_eq!(by_name.own_name, world.keys.class_2_id);
            }
            (ChannelProof::PublicKey { own: OwnProof::Rsa, .. }, KeyKind::Rsa) => {
                assert_eq!(by_name.own_name, world.rsa_class_2);
            }
            (proof, kind) => panic!("{kind:?} proves itself by {proof:?}"),
        }
    }
}

// verifies: TS-M4
#[test]
fn ts_m4_a_device_does_not_connect_in_the_name_of_another() {
    let mut world = World::new(31);
    let (x, y) = (world.in_service(KeyKind::SharedSecret), world.in_service(KeyKind::SharedSecret));
    let (e, f) = (world.in_service(KeyKind::Ec), world.in_service(KeyKind::Ec));
    let access = |device: &Device| find(&world, PeerSign::Name(device.uuid)).unwrap();
    let psk = |device: &Device| match access(device).proof {
        ChannelProof::Psk { key, .. } => key,
        ChannelProof::PublicKey { .. } => panic!("a shared-secret device"),
    };
    assert!(access(&y).agrees(Some(y.uuid), &ProvenKey::Psk(psk(&y))));
    assert!(access(&y).agrees(None, &ProvenKey::Psk(psk(&y))), "a name may be absent");
    assert!(!access(&y).agrees(Some(y.uuid), &ProvenKey::Psk(psk(&x))), "Y's name, X's key");
    assert!(!access(&x).agrees(Some(y.uuid), &ProvenKey::Psk(psk(&x))), "X's key, Y's name");
    let Born::Key(key_e) = &e.born else { panic!("an EC device") };
    assert!(access(&e).agrees(Some(e.uuid), &ProvenKey::Public(key_e.public())));
    assert!(!access(&f).agrees(Some(f.uuid), &ProvenKey::Public(key_e.public())));
    assert!(!access(&e).agrees(Some(e.uuid), &ProvenKey::Psk(psk(&x))), "a secret where a key is due");
    assert!(!access(&x).agrees(Some(x.uuid), &ProvenKey::Public(key_e.public())));
}

// verifies: ASSURE-8.4-03
#[test]
fn every_device_has_a_channel_secret_of_its_own_which_is_not_the_owner_secret() {
    let mut world = World::new(34);
    let devices = [world.in_service(KeyKind::SharedSecret), world.in_service(KeyKind::SharedSecret)];
    let secret = |device: &Device| match find(&world, PeerSign::Name(device.uuid)).unwrap().proof {
        ChannelProof::Psk { key, secret } => (key, secret),
        ChannelProof::PublicKey { .. } => panic!("a shared-secret device"),
    };
    let [(one, first), (other, second)] = devices.each_ref().map(secret);
    assert!(one != other && first != second);
    let owner = devices[0].keys.iter().find(|key| key.class() == assure_proto::Class::ManagementSystem);
    let owner = owner.unwrap();
    assert_ne!(owner.secret(), Some(&first));
    assert_eq!(find(&world, PeerSign::PskKey(owner.id())), None, "the owner secret opens no channel");
}

#[test]
fn strangers_and_devices_not_yet_configured_are_nobody() {
    let mut world = World::new(32);
    let device = world.device(KeyKind::Ec);
    assert_eq!(find(&world, PeerSign::Name(device.uuid)), None);
    world.claim(&device);
    assert_eq!(find(&world, PeerSign::Name(device.uuid)), None, "owned, not configured");
    assert_eq!(find(&world, PeerSign::PskKey(KeyId([1; 16]))), None);
    assert_eq!(find(&world, PeerSign::PublicKey([1; 32])), None);
    assert_eq!(find(&world, PeerSign::Name(Uuid([1; 16]))), None);
}

#[test]
fn a_device_that_left_is_refused_at_once_and_its_session_too() {
    for kind in [KeyKind::SharedSecret, KeyKind::Ec] {
        let mut world = World::new(33);
        let device = world.in_service(kind);
        let sign = by_key(&world, &device);
        let leave = Leave { device: device.uuid, to: None, origin: world.origin() };
        assert_eq!(world.run(&leave), Ok(Leaving::Ask));
        assert!(find(&world, sign).is_some(), "ours until the authority says otherwise");
        let known = StandingKnown { device: device.uuid, standing: Standing::Gone, origin: world.origin() };
        assert_eq!(world.run(&known), Ok(Left::Gone));
        assert_eq!(world.status(&device), DeviceStatus::Released);
        assert_eq!(find(&world, sign), None, "{kind:?}");
        assert_eq!(find(&world, PeerSign::Name(device.uuid)), None);
        assert_eq!(world.present(&device, 1), management::Heard::Unauthorized);
    }
}
