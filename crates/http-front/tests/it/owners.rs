//! Owner changes (9.3.2 to 9.3.5): what is granted.

use crate::parties::{Device, Kind, Owner};
use crate::world::{Api, World};

/// Lower-case hex in groups, as people read it off a case.
fn grouped(case: &str) -> String {
    let groups: Vec<&str> = (0..case.len()).step_by(4).map(|at| &case[at..at + 4]).collect();
    groups.join("-").to_uppercase()
}

fn owner_is(world: &World, device: &Device, seq: u32, owner: Option<&Owner>) {
    assert_eq!(world.owner_of(device), (seq, owner.map(|owner| owner.id.clone())));
}

// verifies: ASSURE-9.2.1-04, ASSURE-9.3.2-01, ASSURE-9.3.2-03, ASSURE-9.3.2-04, ASSURE-9.3.2-05, TS-L2
#[test]
fn whoever_has_the_case_string_claims() {
    let Some(world) = World::start() else { return };
    let maker = world.maker();
    let owner = world.owner();
    for kind in Kind::ALL {
        let device = world.device_of(&maker, kind);
        world.claim(&owner, &device).is_empty(204);
        owner_is(&world, &device, 1, Some(&owner));
        world.claim(&owner, &device).is_empty(204);
        world.own(&owner, &device, &format!("?case_string={}", "f".repeat(32))).is_empty(403);
        owner_is(&world, &device, 1, Some(&owner));
    }
    let device = world.device_of(&maker, Kind::Ec);
    world.own(&owner, &device, &format!("?case_string={}", grouped(&device.case))).is_empty(204);
    owner_is(&world, &device, 1, Some(&owner));
}

// verifies: ASSURE-9.3.3-01, ASSURE-9.3.3-03, ASSURE-9.3.5-01, ASSURE-9.3.5-02, ASSURE-9.3.5-03, ASSURE-14.4-02
#[test]
fn an_owner_transfers_and_releases() {
    let Some(world) = World::start() else { return };
    let device = world.device(Kind::Secret);
    let (a, b, c) = (world.owner(), world.owner(), world.owner());
    world.claim(&a, &device).is(204);
    world.transfer(&a, &device, &b).is_empty(204);
    owner_is(&world, &device, 2, Some(&b));
    world.own(&b, &device, "?mgmtid=NULL").is_empty(204);
    owner_is(&world, &device, 2, None);
    world.claim(&c, &device).is_empty(204);
    owner_is(&world, &device, 3, Some(&c));
}

// verifies: ASSURE-9.3.4-01, ASSURE-9.3.4-02, ASSURE-9.3.4-05
#[test]
fn the_combined_call_claims_for_another_and_is_a_transfer_for_the_owner() {
    let Some(world) = World::start() else { return };
    let device = world.device(Kind::Ec);
    let (a, b) = (world.owner(), world.owner());
    let combined = |who: &Owner, case: &str, to: &Owner| {
        world.own(who, &device, &format!("?case_string={case}&mgmtid={}", to.id))
    };
    let wrong = "f".repeat(32);
    combined(&a, &wrong, &b).is_empty(403);
    owner_is(&world, &device, 0, None);
    combined(&a, &device.case, &b).is_empty(204);
    owner_is(&world, &device, 1, Some(&b));
    combined(&b, &wrong, &a).is_empty(403);
    combined(&a, &device.case, &a).is_empty(403);
    owner_is(&world, &device, 1, Some(&b));
    combined(&b, &device.case, &a).is_empty(204);
    owner_is(&world, &device, 2, Some(&a));
}

// verifies: ASSURE-9.3.2-05, ASSURE-9.3.2-08, ASSURE-9.3.3-03, ASSURE-9.3.4-02, TS-H6
#[test]
fn ts_h6_the_fifth_owner_within_a_day_waits_whatever_the_call() {
    let Some(world) = World::start() else { return };
    let device = world.device(Kind::Secret);
    let (a, b) = (world.owner(), world.owner());
    world.claim(&a, &device).is(204);
    world.transfer(&a, &device, &b).is(204);
    world.transfer(&b, &device, &b).is(204);
    world.transfer(&b, &device, &a).is(204);
    let wait = world.transfer(&a, &device, &b).is_later();
    assert!((86_000..=86_400).contains(&wait), "{wait}");
    world.own(&a, &device, &format!("?case_string={}&mgmtid={}", device.case, b.id)).is_later();
    world.transfer(&a, &device, &a).is_later();
    owner_is(&world, &device, 4, Some(&a));
    world.own(&a, &device, "?mgmtid=NULL").is_empty(204);
    world.claim(&b, &device).is_later();
    owner_is(&world, &device, 4, None);
}

// verifies: TS-M9
#[test]
fn ts_m9_who_fails_twenty_times_waits_and_nobody_else_does() {
    let Some(world) = World::start() else { return };
    let device = world.device(Kind::Ec);
    let (x, y) = (world.owner(), world.owner());
    let wrong = format!("?case_string={}", "f".repeat(32));
    for failure in 0..20 {
        assert_eq!(world.own(&x, &device, &wrong).status, 403, "{failure}");
    }
    let wait = world.own(&x, &device, &wrong).is_later();
    assert!((3_500..=3_600).contains(&wait), "{wait}");
    world.claim(&x, &device).is_later();
    owner_is(&world, &device, 0, None);
    world.claim(&y, &device).is_empty(204);
}

// verifies: TS-D05, ASSURE-9.3.3-04, ASSURE-9.3.4-03
#[test]
fn ts_d05_who_takes_announced_transfers_only_gets_no_others() {
    let Some(world) = World::start() else { return };
    let maker = world.maker();
    let (first, second) = (world.device_of(&maker, Kind::Ec), world.device_of(&maker, Kind::Ec));
    let (a, b) = (world.owner(), world.owner());
    world.claim(&a, &first).is(204);
    let takes = format!("/v1/managementsystems/{}/takes", b.id);
    let put = |who: &Owner, path: &str, body| world.call(Api::Owner, &who.credentials, "PUT", path, body);
    put(&a, &takes, Some(b"announced")).is_empty(403);
    put(&b, &takes, Some(b"some")).is_empty(400);
    put(&b, &takes, Some(b"announced")).is_empty(204);
    world.transfer(&a, &first, &b).is_empty(403);
    world.own(&a, &second, &format!("?case_string={}&mgmtid={}", second.case, b.id)).is_empty(403);
    owner_is(&world, &first, 1, Some(&a));
    owner_is(&world, &second, 0, None);
    let expected = |device: &Device| format!("/v1/managementsystems/{}/expected/{}", b.id, device.uuid);
    put(&a, &expected(&first), None).is_empty(403);
    put(&b, &format!("/v1/managementsystems/{}/expected/no-uuid", b.id), None).is_empty(400);
    put(&b, &expected(&first), None).is_empty(204);
    world.transfer(&a, &first, &b).is_empty(204);
    put(&b, &expected(&second), None).is_empty(204);
    world.call(Api::Owner, &b.credentials, "DELETE", &expected(&second), None).is_empty(204);
    world.own(&a, &second, &format!("?case_string={}&mgmtid={}", second.case, b.id)).is_empty(403);
    put(&b, &takes, Some(b"all")).is_empty(204);
    world.own(&a, &second, &format!("?case_string={}&mgmtid={}", second.case, b.id)).is_empty(204);
    world.registration.stop(true);
    put(&b, &takes, Some(b"all")).is_later();
    put(&b, &expected(&first), None).is_later();
    world.registration.stop(false);
}

// verifies: ASSURE-14.1-10
#[test]
fn a_device_is_claimed_only_after_it_was_issued() {
    let Some(world) = World::start() else { return };
    let (maker, owner) = (world.maker(), world.owner());
    let device = Device::new(Kind::Secret, model::Uuid([9; 16]));
    world.upload(&maker, &device).is(201);
    world.claim(&owner, &device).is_empty(403);
    world.carry_gap();
    world.claim(&owner, &device).is_empty(204);
}

#[test]
fn of_two_claims_at_once_exactly_one_is_granted() {
    let Some(world) = World::start() else { return };
    let maker = world.maker();
    let owners = [world.owner(), world.owner()];
    for round in 0..20 {
        let device = world.device_of(&maker, Kind::ALL[round % 3]);
        let path = device.path(&format!("/owner?case_string={}", device.case));
        let curls = [0, 1].map(|one: usize| {
            world.curl(Api::Owner, Some(&owners[(one + round) % 2].credentials), "PUT", &path).start()
        });
        let [first, second] = curls.map(|curl| curl.finish().unwrap().0[0].status);
        let winner = match (first, second) {
            (204, 403) => &owners[round % 2],
            (403, 204) => &owners[(round + 1) % 2],
            other => panic!("round {round}: {other:?}"),
        };
        owner_is(&world, &device, 1, Some(winner));
    }
}

// verifies: ASSURE-9.3.2-07
#[test]
fn a_case_string_is_in_no_log_and_no_store() {
    let Some(world) = World::start() else { return };
    let device = world.device(Kind::Secret);
    let owner = world.owner();
    let wrong = "0123456789abcdeffedcba9876543210";
    world.own(&owner, &device, &format!("?case_string={wrong}")).is(403);
    world.own(&owner, &device, &format!("?case_string={wrong}&x=1")).is(400);
    world.own(&owner, &device, &format!("?case_string={}&case_string={wrong}", device.case)).is(400);
    world.to_bootstrap.shut(true);
    world.claim(&owner, &device).is(503);
    world.to_bootstrap.shut(false);
    world.claim(&owner, &device).is(204);
    world.registration.stop(true);
    world.claim(&owner, &device).is(503);
    world.registration.stop(false);
    let path = device.path("/owner");
    assert!(world.log.contains(&path), "the calls themselves are logged");
    world.block_on(async { tracing::trace!("at the lowest level") });
    assert!(world.log.contains("at the lowest level"), "nothing is too small for this log");
    for case in [wrong, &device.case] {
        assert!(!world.log.contains(case) && !world.log.contains(&grouped(case)), "{:?}", world.log.lines());
        for table in [&world.registration, &world.bootstrap] {
            assert!(!table.holds(case.as_bytes()));
            assert!(!table.holds(&model::bytes_from_hex(case).unwrap()), "nor as bytes");
        }
    }
}
