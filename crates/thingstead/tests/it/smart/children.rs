//! Sub-devices behind gateways: offers, things of their own, and what a gateway cannot say.

use serde_json::{Value, json};

use super::Smart;
use super::played::{Played, made, thing_of};
use crate::going_on::until;

const LAMP: &str = "00000000-0000-4000-8000-0000000c0001";

fn children(smart: &Smart, hub: &str) -> Vec<(Value, Value, Value)> {
    let all = smart.things(&["children", hub]);
    let all = all["children"].as_array().unwrap().clone();
    all.into_iter()
        .map(|one| (one["serial"].clone(), one["state"].clone(), one["connected"].clone()))
        .collect()
}

fn is_online(smart: &Smart, thing: &str) -> bool {
    let all = smart.things(&["list"]);
    let one = all.as_array().unwrap().iter().find(|one| one["id"] == thing).unwrap();
    one["online_since_unix_millis"].is_number()
}

// verifies: OSAP-2.1.8-02
#[test]
fn a_gateway_offers_sub_devices_and_its_owner_decides() {
    let smart = Smart::start("smart-children", "");
    let words = ["--hub", "--model", "door-lock", "--kind", "psk"];
    let (serial, hub) = (made(&smart, &words), thing_of(&words));
    let behind = ["--child", "R-1=radar", "--child", "L-1=door-lock"];
    let mut gateway = Played::run_with(&smart, &serial, &behind);
    gateway.until("online", 1);
    until("both are offered", || children(&smart, &hub).len() == 2);
    let waits = |serial: &str| (json!(serial), json!("waiting"), json!(true));
    assert_eq!(children(&smart, &hub), [waits("L-1"), waits("R-1")]);
    assert_eq!(smart.things(&["list"]).as_array().unwrap().len(), 1, "nothing is a thing by itself");

    let adopted = smart.things(&["adopt", &hub, "R-1", "--model", "radar", "--id", LAMP]);
    assert_eq!(adopted["id"], LAMP);
    let again = smart.things_command(&["adopt", &hub, "R-1", "--model", "radar"]).output().unwrap();
    assert!(!again.status.success(), "it is a thing already");
    smart.things(&["decline", &hub, "L-1"]);
    assert_eq!(children(&smart, &hub)[0].1, "declined");
    // What it said before it was a thing is asked for.
    until("its values are known", || {
        let read = smart.things_command(&["read", LAMP, "range"]).output().unwrap();
        read.status.success() && String::from_utf8_lossy(&read.stdout).contains("\"value\":6")
    });
    // Orders go through the gateway's session, by their own numbers.
    smart.things(&["write", &hub, "autoLockSeconds", "9", "--wait", "20"]);
    smart.things(&["write", LAMP, "range", "4", "--wait", "20"]);
    let called = smart.things(&["call", LAMP, "calibrate", "--wait", "20"]);
    assert!(called.to_string().contains("reflections"), "{called}");
    assert_eq!(smart.things(&["read", LAMP, "range", "--fresh"])["value"], 4);
    assert_eq!(smart.things(&["read", &hub, "autoLockSeconds", "--fresh"])["value"], 9);
    gateway.type_in("child R-1 event fall {\"distance\":2}");
    until("its event is its own", || !smart.things(&["events", LAMP]).as_array().unwrap().is_empty());
    assert_eq!(smart.things(&["events", &hub]), json!([]));

    // Another gateway names the same serial: that is another device, and waits.
    let words = ["--hub", "--model", "door-lock", "--kind", "psk", "--types", "2"];
    let (serial, other_hub) = (made(&smart, &words), thing_of(&words));
    let mut other = Played::run_with(&smart, &serial, &["--child", "R-1=radar"]);
    other.until("online", 1);
    other.type_in("child R-1 set range 11");
    until("it is offered", || children(&smart, &other_hub) == [waits("R-1")]);
    other.type_in("set autoLockSeconds 3");
    until("all that it said was heard", || {
        smart.things(&["read", &other_hub, "autoLockSeconds"])["value"] == 3
    });
    assert_eq!(smart.things(&["read", LAMP, "range"])["value"], 4);

    gateway.type_in("child R-1 off");
    until("it is away with the gateway there", || !is_online(&smart, LAMP) && is_online(&smart, &hub));
    gateway.type_in("child R-1 on");
    until("it is back", || is_online(&smart, LAMP));
    smart.things(&["block", &hub]);
    until("it is gone with its gateway", || !is_online(&smart, LAMP) && !is_online(&smart, &hub));
    let fresh = smart.things_command(&["read", LAMP, "range", "--fresh"]).output().unwrap();
    assert!(!fresh.status.success());
    assert!(children(&smart, &hub).iter().all(|one| one.2 == false));
    assert!(is_online(&smart, &other_hub));
}
