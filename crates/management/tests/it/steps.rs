//! Devices coming and going: what is stored before each step, and who may take it.

use assure_json::DeviceStatus;
use management::{
    AcceptDevice, Acceptance, Announced, Certified, ClaimEnd, ClaimSettled, KeepOwner, KeyKind, Leave,
    Leaving, Left, ListDevices, OwnerStep, ReadDevice, ReadImageToUpload, ReadWork, RegisterDevice,
    Registrant, Registration, Standing, StandingKnown, Work,
};

use crate::world::{Device, World};

fn register(world: &mut World, device: &Device, by: &Registrant) -> Registration {
    let origin = world.origin();
    world.run(&RegisterDevice { device: device.uuid, by: by.clone(), origin }).unwrap()
}

fn settle(world: &mut World, device: &Device, by: &Registrant, end: ClaimEnd) -> bool {
    let origin = world.origin();
    world.run(&ClaimSettled { device: device.uuid, by: by.clone(), end, origin }).unwrap()
}

fn leave(world: &mut World, device: &Device, to: Option<&str>) -> Leaving {
    let to = to.map(|id| id.parse().unwrap());
    let origin = world.origin();
    world.run(&Leave { device: device.uuid, to, origin }).unwrap()
}

fn known(world: &mut World, device: &Device, standing: Standing) -> Left {
    let origin = world.origin();
    world.run(&StandingKnown { device: device.uuid, standing, origin }).unwrap()
}

fn work(world: &World) -> Vec<Work> {
    world.run(&ReadWork { after: None }).unwrap().into_iter().map(|(_, work)| work).collect()
}

fn user(name: &str) -> Registrant {
    Registrant::User(name.into())
}

// verifies: ASSURE-11.2.3-02
#[test]
fn the_status_follows_the_way_into_service() {
    let mut world = World::new(40);
    let mut device = world.device(KeyKind::Ec);
    let mut seen = vec![world.status(&device)];
    let by = Registrant::Operator;
    assert_eq!(register(&mut world, &device, &by), Registration::Claim);
    seen.push(world.status(&device));
    assert!(work(&world).is_empty(), "without the case string nothing can be done for it");
    assert!(settle(&mut world, &device, &by, ClaimEnd::Granted));
    seen.push(world.status(&device));
    assert_eq!(work(&world), [Work::Configure]);
    let configuration = world.configuration(&device, 1);
    let image = world.arrives(&device, configuration).unwrap();
    seen.push(world.status(&device));
    assert_eq!(work(&world), [Work::Upload]);
    let waiting = world.run(&ReadImageToUpload { device: device.uuid }).unwrap();
    assert_eq!(waiting.as_ref(), Some(&image), "a restart finds the very image");
    world.uploaded(&device, &image);
    seen.push(world.status(&device));
    assert!(work(&world).is_empty());
    world.apply(&mut device, &image.image);
    world.present(&device, 1);
    seen.push(world.status(&device));
    let numbers: Vec<_> = seen.iter().map(|status| status.number()).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
    let verbs: Vec<_> = world.audit().into_iter().map(|(verb, _)| verb).collect();
    for verb in ["owner.claim", "owner.configure", "owner.bootstrap", "device.presence"] {
        assert!(verbs.contains(&verb.to_owned()), "{verb} in {verbs:?}");
    }
}

// verifies: ASSURE-11.2.3-05, ASSURE-11.2.4-04
#[test]
fn a_user_sees_his_own_devices_and_the_operator_all() {
    let mut world = World::new(41);
    let (ann, bob) = (user("ann"), user("bob"));
    let device = world.device(KeyKind::Ec);
    assert_eq!(register(&mut world, &device, &ann), Registration::Claim);
    assert!(settle(&mut world, &device, &ann, ClaimEnd::Granted));
    let seen_by = |by: &Registrant| {
        let one = world.run(&ReadDevice { device: device.uuid, by: by.clone() }).unwrap();
        let all = world.run(&ListDevices { after: None, by: by.clone() }).unwrap().0;
        assert_eq!(one.iter().count(), all.len());
        one.is_some()
    };
    assert!(seen_by(&ann) && seen_by(&Registrant::Operator));
    assert!(!seen_by(&bob));
    assert_eq!(register(&mut world, &device, &bob), Registration::Forbidden);
    assert_eq!(register(&mut world, &device, &ann), Registration::Claim, "to prove the case string");
    assert!(!settle(&mut world, &device, &ann, ClaimEnd::Granted), "nothing changes");
    assert!(!settle(&mut world, &device, &ann, ClaimEnd::Refused));
    assert_eq!(world.status(&device), DeviceStatus::OwnershipAssigned, "a wrong string takes nothing away");
}

#[test]
fn a_refused_claim_is_seen_and_may_be_made_again_by_whoever_holds_the_device() {
    let mut world = World::new(42);
    let (ann, bob) = (user("ann"), user("bob"));
    let device = world.device(KeyKind::Ec);
    register(&mut world, &device, &ann);
    assert!(!settle(&mut world, &device, &ann, ClaimEnd::Refused));
    assert_eq!(world.status(&device), DeviceStatus::OwnershipRefused);
    assert_eq!(register(&mut world, &device, &bob), Registration::Claim, "no squatting by wrong strings");
    assert!(settle(&mut world, &device, &bob, ClaimEnd::Granted));
    let view = world.view(&device).unwrap();
    assert_eq!((view.status, view.registrant.as_str()), (DeviceStatus::OwnershipAssigned, "bob"));
}

#[test]
fn an_awaited_device_is_ours_with_its_configuration() {
    let mut world = World::new(43);
    let device = world.device(KeyKind::SharedSecret);
    let accept = AcceptDevice { device: device.uuid, origin: world.origin() };
    assert_eq!(world.run(&accept), Ok(Acceptance::Announce));
    assert_eq!(work(&world), [Work::Announce]);
    assert_eq!(world.run(&accept), Ok(Acceptance::Announce), "nobody knows whether the authority heard it");
    let announced = Announced { device: device.uuid };
    assert_eq!(world.run(&announced), Ok(true));
    assert_eq!(world.run(&announced), Ok(false));
    assert_eq!(work(&world), [Work::Configure]);
    assert_eq!(world.run(&accept), Ok(Acceptance::Awaited), "it is announced once");
    assert_eq!(known(&mut world, &device, Standing::Gone), Left::Awaited, "not transferred yet");
    assert_eq!(world.status(&device), DeviceStatus::Registered);
    assert_eq!(work(&world), [Work::Configure], "it is asked for again");
    let configuration = world.configuration(&device, 4);
    assert!(world.arrives(&device, configuration).is_ok());
    assert_eq!(world.view(&device).unwrap().owner_sequence_number, Some(4));
    let before = world.view(&device);
    assert_eq!(world.run(&accept), Ok(Acceptance::Ours));
    assert_eq!(world.view(&device), before, "the order repeated changes nothing");
}

#[test]
fn leaving_is_stored_before_the_authority_is_asked_and_undone_when_it_refuses() {
    let mut world = World::new(44);
    let device = world.in_service(KeyKind::Ec);
    let stranger = world.device(KeyKind::Ec);
    assert_eq!(leave(&mut world, &stranger, None), Leaving::NotOurs);
    assert_eq!(leave(&mut world, &device, Some("b2")), Leaving::Ask);
    assert_eq!(work(&world), [Work::Leave { to: Some("b2".parse().unwrap()) }]);
    assert_eq!(leave(&mut world, &device, Some("b2")), Leaving::Ask, "the same again");
    assert_eq!(leave(&mut world, &device, Some("c3")), Leaving::Otherwise);
    assert_eq!(leave(&mut world, &device, None), Leaving::Otherwise);
    assert_eq!(known(&mut world, &device, Standing::Ours), Left::Stays);
    assert!(work(&world).is_empty());
    assert_eq!(world.status(&device), DeviceStatus::InService);
    assert_eq!(leave(&mut world, &device, Some("b2")), Leaving::Ask);
    assert_eq!(known(&mut world, &device, Standing::Gone), Left::Gone);
    assert!(world.audit().contains(&("owner.transfer".into(), "done".into())));
    assert_eq!(leave(&mut world, &device, Some("b2")), Leaving::Gone, "the same order was done");
    for other in [Some("c3"), None] {
        assert_eq!(leave(&mut world, &device, other), Leaving::NotOurs, "{other:?}");
    }
    assert!(work(&world).is_empty());
    assert_eq!(register(&mut world, &device, &user("ann")), Registration::Claim, "it may come back");
}

#[test]
fn a_device_that_was_taken_from_us_or_came_back_is_no_order_done() {
    let mut world = World::new(46);
    let device = world.in_service(KeyKind::Ec);
    assert_eq!(known(&mut world, &device, Standing::Gone), Left::Gone);
    assert_eq!(leave(&mut world, &device, None), Leaving::NotOurs, "we never released it");
    let device = world.in_service(KeyKind::Ec);
    assert_eq!(leave(&mut world, &device, Some("b2")), Leaving::Ask);
    assert_eq!(known(&mut world, &device, Standing::Gone), Left::Gone);
    let accept = AcceptDevice { device: device.uuid, origin: world.origin() };
    assert_eq!(world.run(&accept), Ok(Acceptance::Announce));
    assert_eq!(leave(&mut world, &device, Some("b2")), Leaving::NotOurs, "it is awaited again");
}

// verifies: TS-M7
#[test]
fn ts_m7_a_renewed_certificate_is_the_same_owner_and_another_is_not_taken() {
    let mut world = World::new(45);
    let certified = |id: &str, text: &[u8]| Certified {
        id: id.parse().unwrap(),
        class_2_key: model::KeyId([2; 16]),
        certificate: text.to_vec(),
    };
    let secret = |byte| crypto::Secret::from(&[byte; 4][..]);
    let keys = |byte| OwnerStep::Keys { class_2: secret(byte), rsa: secret(byte), tls: secret(byte) };
    let mut keep = |step| {
        let origin = world.origin();
        world.run(&KeepOwner { step, origin }).unwrap()
    };
    assert_eq!(
        keep(OwnerStep::Registered(certified("a1", b"first"))),
        None,
        "without keys there is no owner"
    );
    let made = keep(keys(1)).unwrap();
    assert_eq!(keep(keys(9)), Some(made), "keys are made once");
    let registered = keep(OwnerStep::Registered(certified("a1", b"first"))).unwrap();
    assert_eq!(keep(OwnerStep::Registered(certified("b2", b"second"))), Some(registered.clone()));
    assert_eq!(keep(OwnerStep::Certified(certified("b2", b"second"))), Some(registered), "another owner's");
    for renewal in [&b"tls"[..], b"tls again"] {
        let renewed = keep(OwnerStep::Certified(certified("a1", renewal))).unwrap();
        assert_eq!(renewed.registered, Some(certified("a1", b"first")));
        assert_eq!(renewed.certified, Some(certified("a1", renewal)));
        assert_eq!(renewed.class_2, secret(1));
    }
}
