//! Devices of type 1: off by default, marked, and without lasting trust.

use admission::*;
use crypto::Secret;
use crypto_portable::Portable;
use osap_proto::compat::*;
use osap_proto::*;

use crate::world::*;

fn keys() -> CodeKeys {
    CodeKeys::of_code(&Portable, &Secret::from(&b"QWERTY"[..]), &camera())
}

fn das() -> ServerId {
    ServerId::new(b"das-0001").unwrap()
}

/// A world where type 1 is run with the camera.
fn allowed() -> World {
    let world = World::with(label());
    let origin = world.origin();
    assert_eq!(world.run(&AllowCompat { serial: camera(), keys: keys(), origin }), Ok(CompatAllowed::Done));
    world
}

fn found(world: &World) -> Option<CompatDevice> {
    world.run(&LookUpCompat { serial: camera(), mode: Some(Mode::Serial) }).unwrap()
}

fn commit(dialogue: Dialogue, number: u8) -> CommitCompat {
    let commit = CompatCommit {
        serial: camera(),
        dialogue,
        devid: Devid::from_random([number; 16]),
        master_key: Secret::from(&[number; 16][..]),
        session_key: Secret::from(&[number ^ 0xFF; 16][..]),
    };
    CommitCompat { commit, server_id: das(), lifetime_secs: 3600 }
}

fn session(world: &World, at: &[u8]) -> Option<CompatSession> {
    let server_id = ServerId::new(at).unwrap();
    let read = world.run(&ReadCompatSession { serial: camera(), server_id }).unwrap();
    read.map(|standing| {
        assert_eq!(standing.thing, Some(THING));
        standing.session
    })
}

// verifies: TS-H13, OSAP-5-63
#[test]
fn ts_h13_type_1_is_run_with_no_device_until_somebody_says_so() {
    let world = World::with(label());
    assert!(found(&world).is_none());
    let origin = world.origin();
    world.run(&SetFloor { serial: camera(), min_type: ProtocolType::COMPAT, origin }).unwrap();
    assert!(found(&world).is_none(), "a floor alone is not enough");
    let world = allowed();
    let device = found(&world).unwrap();
    assert_eq!((device.keys, device.devid, device.master_key), (keys(), None, None));
    assert!(world.audit().contains(&("device.compat-on".to_owned(), Some(THING))));
    assert!(world.run(&LookUpCompat { serial: camera(), mode: Some(Mode::ProductKey) }).unwrap().is_none());
    assert!(world.run(&LookUpCompat { serial: camera(), mode: None }).unwrap().is_some());
    let origin = world.origin();
    world.run(&SetFloor { serial: camera(), min_type: ProtocolType::PLAIN, origin }).unwrap();
    assert!(found(&world).is_none(), "nor are its keys alone");
    let origin = world.origin();
    world.run(&ForbidCompat { serial: camera(), origin }).unwrap();
    assert!(found(&world).is_none());
    assert_eq!(world.look_up().record.min_type, ProtocolType::PLAIN);
}

// verifies: TS-H13
#[test]
fn ts_h13_a_code_that_was_shown_enrols_nobody_until_there_is_a_new_one() {
    let world = allowed();
    let generation = world.look_up().generation;
    let burn = || BurnCode { serial: camera(), origin: world.origin() };
    assert_eq!(world.run(&burn()), Ok(true));
    assert_eq!(world.run(&burn()), Ok(false), "once");
    assert!(!world.look_up().record.allowed.code);
    let claim = Claim::Code(Kdf::Scrypt);
    assert_eq!(world.complete(claim, 1, generation).outcome, Committed::LostRace, "nor a run under way");
    let origin = world.origin();
    world.run(&OpenWindow { serial: camera(), origin }).unwrap();
    assert!(!world.look_up().record.allowed.code, "nor in the owner's window");
    let origin = world.origin();
    world.run(&ReplaceCode { serial: camera(), code: code_record(), origin }).unwrap();
    assert!(world.look_up().record.allowed.code);
}

// verifies: OSAP-5-51
#[test]
fn a_session_is_read_where_the_device_was_sent_until_it_ends_or_is_replaced() {
    let mut world = allowed();
    assert_eq!(session(&world, b"das-0001"), None);
    assert_eq!(world.run(&commit(Dialogue::First, 1)), Ok(true));
    let first = session(&world, b"das-0001").unwrap();
    assert_eq!((first.devid, first.is_exposed), (Devid::from_random([1; 16]), true));
    assert_eq!(session(&world, b"das-0002"), None);
    assert_eq!(found(&world).unwrap().master_key, Some(Secret::from(&[1; 16][..])));
    assert_eq!(world.run(&commit(Dialogue::Refresh, 2)), Ok(true));
    let second = session(&world, b"das-0001").unwrap();
    assert!(!second.is_exposed);
    assert_ne!(second.session_key, first.session_key, "the one before works no longer");
    world.millis += 3_599_999;
    assert!(session(&world, b"das-0001").is_some());
    world.millis += 1;
    assert_eq!(session(&world, b"das-0001"), None);
}

#[test]
fn a_device_that_is_blocked_removed_or_off_type_1_has_no_session() {
    let ends: [fn(&World); 3] = [
        |world| {
            let origin = world.origin();
            world.run(&Block { serial: camera(), is_blocked: true, origin }).unwrap();
        },
        |world| {
            let origin = world.origin();
            world.run(&Remove { serial: camera(), origin }).unwrap();
        },
        |world| {
            let origin = world.origin();
            world.run(&ForbidCompat { serial: camera(), origin }).unwrap();
        },
    ];
    for end in ends {
        let world = allowed();
        world.run(&commit(Dialogue::Refresh, 1)).unwrap();
        assert!(session(&world, b"das-0001").is_some());
        end(&world);
        assert_eq!(session(&world, b"das-0001"), None);
        assert!(found(&world).is_none());
        assert_eq!(world.run(&commit(Dialogue::Refresh, 2)), Ok(false));
    }
    // What comes back under the same serial does not come back to its session.
    let world = allowed();
    world.run(&commit(Dialogue::Refresh, 1)).unwrap();
    let origin = world.origin();
    world.run(&Remove { serial: camera(), origin }).unwrap();
    world.enrol(&camera(), label()).unwrap();
    let origin = world.origin();
    world.run(&AllowCompat { serial: camera(), keys: keys(), origin }).unwrap();
    assert_eq!(session(&world, b"das-0001"), None);
}

// verifies: TS-H13, OSAP-5-63
#[test]
fn ts_h13_a_device_that_proved_itself_better_is_never_let_in_by_type_1_again() {
    let credentials = Credentials { psk: Some(Secret::from(&[9; 32][..])), ..label() };
    let allow = |world: &World| {
        let origin = world.origin();
        world.run(&AllowCompat { serial: camera(), keys: keys(), origin }).unwrap()
    };
    // Somebody allowed type 1, and then the device completes a run of the profile.
    let world = World::with(credentials.clone());
    assert_eq!(allow(&world), CompatAllowed::Done);
    world.run(&commit(Dialogue::Refresh, 1)).unwrap();
    assert!(found(&world).is_some() && session(&world, b"das-0001").is_some());
    let generation = world.look_up().generation;
    let done = world.complete(Claim::Psk, 2, generation);
    assert!(done.has_left_compat);
    assert!(found(&world).is_none() && session(&world, b"das-0001").is_none());
    assert_eq!(world.run(&commit(Dialogue::Refresh, 3)), Ok(false), "nor does a run under way");
    assert_eq!(world.look_up().record.min_type, ProtocolType::PLAIN);
    assert!(world.audit().contains(&("device.compat-off".to_owned(), Some(THING))));
    assert!(!world.complete(Claim::Psk, 4, world.look_up().generation).has_left_compat, "once");
    // Neither a switch nor a floor brings it back.
    let log = world.audit().len();
    assert_eq!(allow(&world), CompatAllowed::ProvenBetter);
    assert_eq!(world.audit().len(), log, "nothing was done");
    let origin = world.origin();
    world.run(&SetFloor { serial: camera(), min_type: ProtocolType::COMPAT, origin }).unwrap();
    assert!(found(&world).is_none());
    // Removed and put on record anew it is another device.
    let origin = world.origin();
    world.run(&Remove { serial: camera(), origin }).unwrap();
    assert_eq!(allow(&world), CompatAllowed::Unknown);
    world.enrol(&camera(), credentials).unwrap();
    assert_eq!(allow(&world), CompatAllowed::Done);
    assert!(found(&world).is_some());
}

// verifies: TS-H13
#[test]
fn the_switch_of_the_listener_is_in_the_audit_log_when_it_turns() {
    let world = World::with(label());
    let switch = |is_on| world.run(&SwitchCompat { is_on, origin: world.origin() }).unwrap();
    let turned: Vec<bool> = [false, true, true, false, false, true].into_iter().map(switch).collect();
    assert_eq!(turned, [false, true, false, true, false, true]);
    let log: Vec<String> =
        world.audit().into_iter().map(|(what, _)| what).filter(|what| what.starts_with("lbs.")).collect();
    assert_eq!(log, ["lbs.compat-on", "lbs.compat-off", "lbs.compat-on"]);
}
