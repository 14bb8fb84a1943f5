//! Owner secrets run low, then the online keys are taken for stolen: both answered across the air gap.

use super::stage::failed;
use crate::going_on::{World, json_of, said, until};

/// Has the owner leave a new image and the device take it: it runs on the new generation then.
fn serves_on(world: &World, owner: &str, device: &str, number: u64) {
    world.leave_image(owner, device, number);
    let mut run = world.switch_on(device);
    assert_eq!(run.wait_for("bootstrapped")["sequence_number"], number);
    run.wait_for("in-service");
    until("presence reaches the owner", || world.status(owner, device) == 5);
    run.tell("power off");
    assert!(run.ended().success());
    let state = world.device_state(device);
    assert_eq!((&state["generation"], &state["sequence_number"]), (&2.into(), &number.into()));
}

// verifies: TS-H6
#[test]
fn ts_h6_a_pool_is_filled_up_again_across_the_gap() {
    let world = World::new("refill");
    let (secret, key) = (world.devices[0].clone(), world.devices[1].clone());
    let [(device, left, asked)] = <[_; 1]>::try_from(world.pools()).expect("one device knows a secret");
    assert_eq!((&device, asked), (&secret, false));
    said(world.authority(&["refill", &secret]));
    until("more secrets come", || world.pools() == [(secret.clone(), left + 8, false)]);
    let refused = world.authority(&["refill", &key]).output().unwrap();
    assert_eq!(failed(&refused).1, Some(3), "a device with a key has no pool");
}

// verifies: TS-H7
#[test]
fn ts_h7_devices_follow_their_owners_into_a_new_generation() {
    let mut world = World::new("generation");
    let (secret, key) = (world.devices[0].clone(), world.devices[1].clone());
    for device in [&secret, &key] {
        let mut run = world.switch_on_again(device);
        run.wait_for("in-service");
        run.tell("power off");
        assert!(run.ended().success());
        assert_eq!(world.device_state(device)["generation"], 1);
    }
    world.end("identity import");
    let asked = json_of(world.authority(&["generation"]));
    assert_eq!(json_of(world.authority(&["generation"])), asked, "asked again, the same request");
    let text = |name: &str| asked[name].as_str().unwrap().to_owned();
    let (file, fingerprint) =
        (world.path(&format!("gap/from-registration/{}", text("file"))), text("fingerprint"));
    let issued = json_of(world.identity(&["generation", "new", &file, "--fingerprint", &fingerprint]));
    assert_eq!((&issued["generation"], &issued["devices"]), (&2.into(), &1.into()));
    // Until both have it owners are told to come again in a minute.
    until("both servers have taken it in", || {
        ["registration", "bootstrap"].iter().all(|role| {
            let log = std::fs::read_to_string(world.path(&format!("log/{role}.log"))).unwrap();
            log.contains(r#"outcome="trust""#)
        })
    });
    serves_on(&world, "owner-b", &secret, 2);
    serves_on(&world, "owner-b", &key, 2);

    // The keys of the new generation outlive the processes that took them in.
    world.stop_servers();
    world.start_servers();
    let mut watch = world.watch();
    let late = world.make();
    said(world.upload());
    until("it is issued", || world.registered(&late, "identity.import") == 1);
    let label = world.path(&format!("maker/{late}.label.png"));
    said(world.owner("owner-a", &["claim", "--label", &label]));
    until("it has its first owner", || world.shown("owner-a", &late)["owner_sequence_number"] == 1);
    serves_on(&world, "owner-a", &late, 1);
    watch.kill().unwrap();
    watch.wait().unwrap();
}
