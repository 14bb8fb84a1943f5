//! Both servers come back from backups, and the operator says so (decision H5).

use authority::registration::{BeginRecovery, OperationId, RECOVERY_STEP, RaiseDevice, Raised, ReadRecovery};
use serde_json::Value;

use crate::authority::origin;
use crate::curl::Reply;
use crate::gap;
use crate::parties::Kind;
use crate::world::{Api, World};

const FIRST: &str = "01010101010101010101010101010101";
const SECOND: &str = "02020202020202020202020202020202";

fn recover(world: &World, request: &str) -> Reply {
    let path = format!("/v1/recovery?request={request}");
    world.call(Api::Platform, &world.operator, "POST", &path, Some(b""))
}

fn said(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.is(200).body).unwrap()
}

fn to_the_end(world: &World, request: &str) -> Value {
    loop {
        let said = said(&recover(world, request));
        if said["finished"] == true {
            return said;
        }
    }
}

// verifies: TS-H5
#[test]
fn ts_h5_a_recovery_raises_both_servers_and_is_done_once() {
    let Some(world) = World::start() else { return };
    let (a, b, c) = (world.owner(), world.owner(), world.owner());
    let (secret, free) = (world.device(Kind::Secret), world.device(Kind::Ec));
    world.claim(&a, &secret).is(204);
    let backups = (world.registration.backup(), world.bootstrap.backup());
    world.transfer(&a, &secret, &b).is(204);
    world.registration.restore(backups.0);
    world.bootstrap.restore(backups.1);
    world.call(Api::Platform, &world.operator, "GET", "/v1/recovery", None).is_empty(404);
    let done = to_the_end(&world, FIRST);
    assert_eq!((&done["raised"], &done["unknown"], &done["count"]), (&2.into(), &0.into(), &1.into()));
    assert_eq!(world.owner_of(&secret), (1 + RECOVERY_STEP, Some(a.id.clone())));
    assert_eq!(world.owner_of(&free), (RECOVERY_STEP, None));
    assert_eq!(world.block_on(world.server.settle()), Ok((0, 0)), "both servers say the same");
    assert_eq!(to_the_end(&world, FIRST), done, "asked again, nothing is done");
    assert_eq!(world.owner_of(&secret).0, 1 + RECOVERY_STEP);
    world.transfer(&a, &secret, &c).is_empty(204);
    assert_eq!(world.owner_of(&secret), (2 + RECOVERY_STEP, Some(c.id.clone())));
    let log = World::audit(&world.registration);
    assert!(log.contains(&("authority.recover".into(), "done".into())), "{log:?}");
}

// verifies: TS-H5
#[test]
fn ts_h5_a_recovery_that_was_cut_short_goes_on_and_bars_owners_until_then() {
    let Some(world) = World::start() else { return };
    let (a, b) = (world.owner(), world.owner());
    let (device, other) = (world.device(Kind::Secret), world.device(Kind::Ec));
    world.claim(&a, &device).is(204);
    world.to_bootstrap.shut(true);
    recover(&world, FIRST).is_later();
    world.to_bootstrap.shut(false);
    world.transfer(&a, &device, &b).is_later();
    assert_eq!(world.owner_of(&device), (1, Some(a.id.clone())));
    let done = to_the_end(&world, SECOND);
    assert_eq!((&done["request"], &done["count"]), (&FIRST.into(), &1.into()), "the one under way");
    assert_eq!((world.owner_of(&device).0, world.owner_of(&other).0), (1 + RECOVERY_STEP, RECOVERY_STEP));
}

// verifies: TS-H5
#[test]
fn ts_h5_a_server_that_was_killed_in_a_recovery_ends_it_by_itself() {
    let Some(world) = World::start() else { return };
    let (a, id) = (world.owner(), OperationId([7; 16]));
    let (device, other) = (world.device(Kind::Secret), world.device(Kind::Ec));
    world.claim(&a, &device).is(204);
    assert_eq!(world.block_on(world.server.resume_recovery()), Ok(false), "none is under way");
    let (registration, table) = (origin("registration"), &*world.registration);
    gap::ran(table, &BeginRecovery { id, generation: 1, origin: registration.clone() }).unwrap();
    let raise = RaiseDevice {
        device: device.uuid,
        recovery: id,
        operation: OperationId([8; 16]),
        origin: registration,
    };
    assert!(matches!(gap::ran(table, &raise), Ok(Raised::OnItsWay(_))));
    // killed here, between the two servers
    assert_eq!(world.block_on(world.server.resume_recovery()), Ok(true));
    assert_eq!((world.owner_of(&device).0, world.owner_of(&other).0), (1 + RECOVERY_STEP, RECOVERY_STEP));
    assert_eq!(world.block_on(world.server.settle()), Ok((0, 0)));
    let recovery = gap::ran(table, &ReadRecovery).unwrap().unwrap();
    assert_eq!((recovery.is_finished, recovery.raised), (true, 2));
}

// verifies: TS-H5
#[test]
fn ts_h5_only_the_operator_recovers_and_each_generation_has_its_share() {
    let Some(world) = World::start() else { return };
    let (a, device) = (world.owner(), world.device(Kind::Ec));
    let path = format!("/v1/recovery?request={FIRST}");
    world.call(Api::Platform, &a.credentials, "POST", &path, Some(b"")).is_empty(403);
    world.call(Api::Platform, &a.credentials, "GET", "/v1/recovery", None).is_empty(403);
    for query in ["", "?request=", "?request=00", "?request=zz010101010101010101010101010101"] {
        let path = format!("/v1/recovery{query}");
        world.call(Api::Platform, &world.operator, "POST", &path, Some(b"")).is_empty(400);
    }
    assert_eq!(world.owner_of(&device).0, 0);
    for number in 1..=3 {
        to_the_end(&world, &format!("{number:032x}"));
    }
    recover(&world, &format!("{:032x}", 4)).is_empty(409);
    assert_eq!(world.owner_of(&device).0, 3 * RECOVERY_STEP);
}
