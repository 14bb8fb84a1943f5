//! What runs find, and what they change.

use admission::*;
use crypto::Secret;
use osap_proto::*;

use crate::world::*;

const CODE: Claim = Claim::Code(Kdf::Scrypt);

const fn kinds(allowed: AllowedKinds) -> (bool, bool, bool) {
    (allowed.code, allowed.psk, allowed.key_pair)
}

// verifies: TS-H12
#[test]
fn ts_h12_a_code_enrols_once_and_counts_no_more() {
    let world = World::with(label());
    let found = world.look_up();
    assert_eq!((kinds(found.record.allowed), found.record.code), ((true, false, false), Some(code_record())));
    let done = world.complete(CODE, 1, found.generation);
    assert_eq!(
        done,
        RunCommitted { outcome: Committed::Swapped, has_enrolled: true, has_left_compat: false }
    );
    let after = world.look_up();
    assert_eq!(kinds(after.record.allowed), (false, true, false));
    assert_eq!(after.record.psk, Some(Secret::from(&[1; 32][..])), "the key of the enrolment");
    assert_eq!(after.record.ticket.unwrap().id, [1; 16]);
    assert!(world.audit().contains(&("device.enrolled".to_owned(), Some(THING))));
}

// verifies: TS-H12
#[test]
fn ts_h12_of_two_who_have_the_code_the_first_to_complete_has_it() {
    let world = World::with(label());
    let generation = world.look_up().generation;
    assert_eq!(world.complete(CODE, 1, generation).outcome, Committed::Swapped);
    assert_eq!(world.complete(CODE, 2, generation).outcome, Committed::LostRace);
    assert_eq!(world.look_up().record.ticket.unwrap().id, [1; 16], "the second changed nothing");
}

// verifies: TS-H12
#[test]
fn ts_h12_an_enrolment_in_the_owners_window_ends_runs_with_the_key_before() {
    let world = World::with(Credentials { psk: factory_key().psk, ..label() });
    let thief = world.look_up().generation;
    let origin = world.origin();
    assert_eq!(world.run(&OpenWindow { serial: camera(), origin }), Ok(true));
    let generation = world.look_up().generation;
    assert_eq!(world.complete(CODE, 1, generation).outcome, Committed::Swapped);
    assert_eq!(world.complete(Claim::Psk, 2, thief).outcome, Committed::LostRace);
    assert_eq!(world.look_up().record.ticket.unwrap().id, [1; 16]);
}

#[test]
fn a_run_of_kind_2_leaves_the_code_behind_and_one_of_kind_3_the_key() {
    let all = || Credentials { code: Some(code_record()), device_key: Some(key(1)), ..factory_key() };
    for (claim, expected) in
        [(Claim::Psk, (false, true, true)), (Claim::KeyPair([1; 32]), (false, false, true))]
    {
        let world = World::with(all());
        let generation = world.look_up().generation;
        let done = world.complete(claim, 1, generation);
        assert_eq!(
            done,
            RunCommitted { outcome: Committed::Swapped, has_enrolled: false, has_left_compat: false }
        );
        assert_eq!(kinds(world.look_up().record.allowed), expected, "{claim:?}");
    }
    let world = World::with(all());
    let generation = world.look_up().generation;
    world.complete(Claim::KeyPair([1; 32]), 1, generation);
    world.complete(Claim::Psk, 2, generation);
    assert_eq!(kinds(world.look_up().record.allowed), (false, false, true), "it was enrolled before");
}

// verifies: TS-M19
#[test]
fn ts_m19_a_ticket_is_spent_by_the_run_that_completed_with_it_and_by_no_other() {
    let world = World::with(factory_key());
    let generation = world.look_up().generation;
    world.complete(Claim::Psk, 1, generation);
    // Two runs were judged by the same ticket.
    assert_eq!(world.complete(Claim::Ticket([1; 16]), 2, generation).outcome, Committed::Swapped);
    assert_eq!(world.complete(Claim::Ticket([1; 16]), 3, generation).outcome, Committed::LostRace);
    let ticket = world.look_up().record.ticket.unwrap();
    assert_eq!((ticket.id, ticket.end_secs), ([2; 16], START_MILLIS / 1000 + 2_592_000));
    assert_eq!(kinds(world.look_up().record.allowed), (false, true, false), "a ticket changes no kinds");
}

#[test]
fn a_device_that_was_blocked_or_removed_meanwhile_completes_nothing() {
    let world = World::with(factory_key());
    let generation = world.look_up().generation;
    let origin = world.origin();
    world.run(&Block { serial: camera(), is_blocked: true, origin }).unwrap();
    assert_eq!(world.complete(Claim::Psk, 1, generation).outcome, Committed::LostRace);
    assert_eq!(world.look_up().record.ticket, None);
    let origin = world.origin();
    world.run(&Remove { serial: camera(), origin }).unwrap();
    assert_eq!(world.complete(Claim::Psk, 1, generation).outcome, Committed::LostRace);
    // The same serial, another device.
    world.enrol(&camera(), factory_key()).unwrap();
    assert_eq!(world.complete(Claim::Psk, 1, generation).outcome, Committed::LostRace);
}

fn grant(world: &World, claim: Claim) -> Grant {
    let (serial, devid_random, ticket_id) = (camera(), [0xEE; 16], [4; 16]);
    world.run(&GrantRun { serial, claim, devid_random, ticket_id, lifetime_secs: 60 }).unwrap()
}

#[test]
fn a_code_makes_a_new_device_id_and_other_kinds_keep_the_one_on_record() {
    let world = World::with(Credentials { code: Some(code_record()), ..factory_key() });
    let id = |number: u8| Grant::Devid {
        devid: Devid::from_random([number; 16]),
        ticket_id: [4; 16],
        lifetime_secs: 60,
    };
    assert_eq!(grant(&world, Claim::Psk), id(0xEE), "there is none yet");
    let generation = world.look_up().generation;
    world.complete(Claim::Psk, 1, generation);
    assert_eq!(grant(&world, Claim::Psk), id(1));
    assert_eq!(grant(&world, Claim::Ticket([1; 16])), id(1));
    assert_eq!(grant(&world, CODE), id(0xEE));
    let origin = world.origin();
    world.run(&Block { serial: camera(), is_blocked: true, origin }).unwrap();
    assert_eq!(grant(&world, Claim::Psk), Grant::Blocked);
}

#[test]
fn a_serial_of_another_mode_is_nobody() {
    let world = World::with(factory_key());
    assert!(world.run(&LookUp { serial: camera(), mode: Mode::ProductKey }).unwrap().is_none());
    let stranger = Serial::new(b"T99999999").unwrap();
    assert!(world.run(&LookUp { serial: stranger, mode: Mode::Serial }).unwrap().is_none());
}

// verifies: TS-H11
#[test]
fn ts_h11_a_ticket_for_an_access_service_is_issued_above_the_one_before_whatever_the_clock_says() {
    let mut world = World::with(factory_key());
    let generation = world.look_up().generation;
    world.complete(Claim::Psk, 1, generation);
    let note = |devid: u8, epoch| NoteDasTicket {
        serial: camera(),
        devid: Devid::from_random([devid; 16]),
        server_id: ServerId::new(b"das-0001").unwrap(),
        epoch,
    };
    let first = world.run(&note(1, 7)).unwrap().unwrap();
    assert_eq!(first, NotedTicket { issued: START_MILLIS, before: None });
    world.millis -= 60_000;
    let second = world.run(&note(1, 8)).unwrap().unwrap();
    let before = second.before.unwrap();
    assert_eq!((second.issued, before.issued, before.epoch), (START_MILLIS + 1, START_MILLIS, 7));
    assert_eq!(world.run(&note(2, 9)), Ok(None), "a run with an id that stands no more");
}
