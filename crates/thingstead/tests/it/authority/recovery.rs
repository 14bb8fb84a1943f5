//! Both online servers come back from copies of their data folders, and the operator says so.

use serde_json::Value;

use super::stage::failed;
use crate::going_on::{World, json_of, said, until};

const REQUEST: &str = "0123456789abcdef0123456789abcdef";

/// In service; not, or no longer, this owner's (aSSURE 11.2.3).
const IN_SERVICE: u64 = 5;
const RELEASED: u64 = 9;

// verifies: TS-H5
#[test]
fn ts_h5_after_both_servers_were_put_back_the_operator_raises_every_number_and_old_images_are_refused() {
    let mut world = World::new("recover");
    let (secret, key) = (world.devices[0].clone(), world.devices[1].clone());
    world.stop_servers();
    world.keep_data("backup");
    world.start_servers();
    // Nobody will remember this change but the device itself.
    let receiver = json_of(world.owner("owner-a", &["id"]))["id"].as_str().unwrap().to_owned();
    said(world.owner("owner-b", &["transfer", &key, "--to", &receiver, "--yes"]));
    said(world.owner("owner-a", &["accept", &key]));
    until("the receiver has its number", || world.shown("owner-a", &key)["owner_sequence_number"] == 3);
    let mut device = world.switch_on_again(&key);
    assert_eq!(device.wait_for("owned")["sequence_number"], 3);
    device.wait_for("in-service");
    world.stop_servers();
    world.keep_data("late");
    world.put_back("backup");
    world.start_servers();

    let shown = json_of(world.authority(&["recover", "--dry-run"]));
    assert_eq!(shown["latest"], Value::Null);
    let unasked = world.authority(&["recover"]).output().unwrap();
    assert_eq!(failed(&unasked), ("not-confirmed".into(), Some(2)));
    let recover = || json_of(world.authority(&["recover", "--yes", "--request-id", REQUEST]));
    let done = recover();
    assert_eq!((&done["raised"], &done["unknown"], &done["count"]), (&4.into(), &0.into(), &1.into()));
    assert_eq!(recover(), done, "the same recovery again does nothing");
    let latest = json_of(world.authority(&["recover", "--dry-run"]))["latest"].clone();
    assert_eq!((&latest["request"], &latest["finished"]), (&REQUEST.into(), &true.into()));

    // The owner in the backup keeps the device that nobody took since, under a number that was never given.
    assert_eq!(world.pools(), [(secret.clone(), 0, false)], "what was issued before is void");
    world.leave_image("owner-b", &secret, 258);
    let mut kept = world.switch_on_again(&secret);
    assert_eq!(kept.wait_for("bootstrapped")["sequence_number"], 258);
    kept.wait_for("in-service");
    until("its owner hears of it", || world.status("owner-b", &secret) == IN_SERVICE);

    // The device that was passed on since obeys its later owner until it has an image of the one in the backup.
    said(world.owner("owner-a", &["bootstrap", &key]));
    until("the later owner hears that it is none", || world.status("owner-a", &key) == RELEASED);
    let label = world.path(&format!("maker/{key}.label.png"));
    said(world.owner("owner-b", &["claim", "--label", &label]));
    until("its owner has the new number", || world.shown("owner-b", &key)["owner_sequence_number"] == 258);
    device.tell("button 5");
    assert_eq!(device.wait_until("258", |said| said["event"] == "owned")["sequence_number"], 258);
    device.wait_for("in-service");

    // Servers that offer the image of the forgotten owner find no device that takes it.
    world.stop_servers();
    world.put_back("late");
    world.start_servers();
    device.tell("button 5");
    assert_eq!(device.wait_for("refused")["cause"], "sequence-lower");
    device.tell("power off");
    assert!(device.ended().success());
    assert_eq!(world.device_state(&key)["sequence_number"], 258);
}
