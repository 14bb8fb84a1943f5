//! What people change, what they see, and what is written down of it.

use admission::*;
use clock::{Moment, Now};
use crypto::{Curve, KeyKind, Provider, Secret};
use crypto_portable::Portable;
use osap_proto::*;
use store::Operation;

use crate::world::*;

#[test]
fn credentials_that_make_no_record_are_refused() {
    let world = World::new();
    let psk = |size: usize| Credentials { psk: Some(Secret::new(vec![1; size])), ..Credentials::default() };
    let other = Portable.generate_key(KeyKind::Ec(Curve::P384), &mut clock::Dice::numbered(1)).unwrap();
    let other = Credentials { device_key: Some(other.public().clone()), ..Credentials::default() };
    for (credentials, reason) in [
        (Credentials::default(), NoCredential::None),
        (psk(15), NoCredential::PskSize),
        (psk(65), NoCredential::PskSize),
        (other, NoCredential::KeyKind),
    ] {
        assert_eq!(world.enrol(&camera(), credentials), Ok(Enrolled::Refused(reason)));
    }
    assert_eq!(world.audit(), []);
    assert_eq!(world.enrol(&camera(), psk(16)), Ok(Enrolled::Added));
    assert_eq!(world.enrol(&camera(), label()), Ok(Enrolled::Exists), "nothing is put over a record");
    assert!(world.look_up().record.code.is_none());
    assert_eq!(world.audit(), [("device.admit".to_owned(), Some(THING))]);
}

// verifies: TS-H12
#[test]
fn ts_h12_the_owners_window_opens_kind_1_for_15_minutes_and_closes_with_an_enrolment() {
    let mut world = World::with(label());
    let generation = world.look_up().generation;
    world.complete(Claim::Code(Kdf::Scrypt), 1, generation);
    assert!(!world.look_up().record.allowed.code);
    let origin = world.origin();
    assert_eq!(world.run(&OpenWindow { serial: camera(), origin }), Ok(true));
    assert!(world.look_up().record.allowed.code);
    world.millis += u64::try_from(WINDOW.as_millis()).unwrap() - 1;
    assert!(world.look_up().record.allowed.code);
    world.millis += 1;
    assert!(!world.look_up().record.allowed.code, "it is over");
    let origin = world.origin();
    world.run(&OpenWindow { serial: camera(), origin }).unwrap();
    let generation = world.look_up().generation;
    let done = world.complete(Claim::Code(Kdf::Scrypt), 2, generation);
    assert_eq!((done.outcome, world.look_up().record.allowed.code), (Committed::Swapped, false));
    let origin = world.origin();
    world.run(&OpenWindow { serial: camera(), origin }).unwrap();
    let origin = world.origin();
    world.run(&CloseWindow { serial: camera(), origin }).unwrap();
    assert!(!world.look_up().record.allowed.code);
}

#[test]
fn without_a_clock_the_window_is_closed_and_nothing_is_changed() {
    let world = World::with(label());
    let generation = world.look_up().generation;
    world.complete(Claim::Code(Kdf::Scrypt), 1, generation);
    let origin = world.origin();
    world.run(&OpenWindow { serial: camera(), origin }).unwrap();
    let blind = Now::without_utc(Moment::from_micros(1));
    let looked = LookUp { serial: camera(), mode: Mode::Serial };
    let found = store::run(&world.table, &looked, blind).unwrap().reply.unwrap().unwrap();
    assert!(!found.record.allowed.code);
    let origin = world.origin();
    let block = Block { serial: camera(), is_blocked: true, origin };
    assert_eq!(store::run(&world.table, &block, blind).unwrap().reply, Err(CannotDecide::NoClock));
    assert!(!world.look_up().is_blocked);
}

fn unknown<O: Operation<Reply = Result<bool, CannotDecide>>>(world: &World, operation: &O) {
    assert_eq!(world.run(operation), Ok(false));
}

#[test]
fn every_change_is_written_down_and_strangers_change_nothing() {
    let world = World::with(label());
    let serial = camera();
    let block = Block { serial: serial.clone(), is_blocked: true, origin: world.origin() };
    world.run(&block).unwrap();
    let unblock = Block { is_blocked: false, origin: world.origin(), ..block };
    world.run(&unblock).unwrap();
    let floor = SetFloor { serial: serial.clone(), min_type: ProtocolType::TLS, origin: world.origin() };
    world.run(&floor).unwrap();
    world.run(&LinkThing { serial: serial.clone(), thing: None, origin: world.origin() }).unwrap();
    let psk = Secret::from(&[3; 16][..]);
    world.run(&ReplacePsk { serial: serial.clone(), psk, origin: world.origin() }).unwrap();
    let code = CodeRecord { kdf: Kdf::Pbkdf2, ..code_record() };
    world.run(&ReplaceCode { serial: serial.clone(), code, origin: world.origin() }).unwrap();
    let seen = world.run(&ReadDevice { serial: serial.clone() }).unwrap().unwrap();
    assert_eq!((seen.min_type, seen.thing, seen.is_blocked), (ProtocolType::TLS, None, false));
    assert_eq!(seen.allowed, AllowedKinds { code: true, psk: true, key_pair: false });
    world.run(&Remove { serial, origin: world.origin() }).unwrap();
    let mut said: Vec<String> = world.audit().into_iter().map(|(operation, _)| operation).collect();
    said.sort_unstable();
    let mut expected = [
        "device.admit",
        "device.block",
        "device.unblock",
        "device.floor",
        "device.thing",
        "device.psk",
        "device.code",
        "device.dismiss",
    ];
    expected.sort_unstable();
    assert_eq!(said, expected);
    let stranger = camera();
    unknown(&world, &Remove { serial: stranger.clone(), origin: world.origin() });
    unknown(&world, &OpenWindow { serial: stranger.clone(), origin: world.origin() });
    unknown(&world, &Block { serial: stranger.clone(), is_blocked: true, origin: world.origin() });
    unknown(&world, &ReplaceCode { serial: stranger, code: code_record(), origin: world.origin() });
    assert_eq!(world.audit().len(), expected.len());
}

#[test]
fn devices_are_listed_in_pages_without_secrets() {
    let world = World::new();
    for number in 0..=PAGE {
        let serial = Serial::new(format!("L{number:04}").as_bytes()).unwrap();
        world.enrol(&serial, factory_key()).unwrap();
    }
    let (first, next) = world.run(&ListDevices { after: None }).unwrap();
    assert_eq!((first.len(), next.clone()), (PAGE, Some(first[PAGE - 1].serial.clone())));
    let (second, end) = world.run(&ListDevices { after: next }).unwrap();
    assert_eq!((second.len(), end), (1, None));
    assert_eq!(second[0].serial.as_bytes(), format!("L{PAGE:04}").as_bytes());
    let printed = format!("{:?} {:?}", first[0], world.look_up_of(&first[0].serial));
    assert!(!printed.contains("[9, 9") && !printed.contains("0909"), "{printed}");
}
