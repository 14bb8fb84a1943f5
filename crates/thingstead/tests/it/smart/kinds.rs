//! A kind of device that this program never heard of.

use std::fs;

use serde_json::json;

use super::Smart;
use super::played::{Played, made, thing_of};

// verifies: OSAP-1-01, OSAP-2.1.5-02, OSAP-3-03
#[test]
fn a_kind_of_device_is_new_by_its_model_alone() {
    let smart = Smart::start("smart-kinds", "");
    let place = |area: &str, identifier: &str| json!({ "area": area, "identifier": identifier });
    let of_tray =
        |identifier: &str| json!({ "resource": "1-tray", "area": "Water", "identifier": identifier });
    let model = json!({
        "@context": "https://www.w3.org/2022/wot/td/v1.1",
        "@type": "tm:ThingModel",
        "title": "Tea kettle",
        "properties": {
            "warmth": { "type": "number", "readOnly": true, "default": 20, "osap:place": place("Water", "warmth") },
            "wanted": { "type": "number", "default": 90, "osap:place": place("Water", "wanted") },
            "level": { "type": "number", "default": 1, "osap:place": of_tray("level") },
            "light": { "type": "boolean", "default": false, "osap:place": place("Panel", "light") },
        },
        "actions": {
            "boil": { "osap:place": place("Water", "boil") },
            "pour": { "osap:place": of_tray("pour") },
        },
        "events": {
            "dry": { "data": { "type": "string" }, "osap:place": place("Water", "dry") },
            "full": { "data": { "type": "string" }, "osap:place": of_tray("full") },
        },
    });
    let file = smart.world.path("kettle.json");
    fs::write(&file, model.to_string()).unwrap();
    let words = ["--model", &file, "--kind", "psk", "--types", "2"];
    let (serial, thing) = (made(&smart, &words), thing_of(&words));
    let mut kettle = Played::run(&smart, &serial);
    kettle.until("online", 1);
    // Each resource by itself: what one is set to leaves the others as they were.
    smart.things(&["write", &thing, "wanted", "70"]);
    let read = |name: &str| smart.things(&["read", &thing, name, "--fresh"])["value"].clone();
    assert_eq!([read("wanted"), read("light"), read("warmth")], [json!(70), json!(false), json!(20)]);
    kettle.type_in("set warmth 64.5");
    crate::going_on::until("it is told", || {
        smart.things(&["read", &thing, "warmth"])["value"] == json!(64.5)
    });
    // The same area of another resource is told apart from it.
    smart.things(&["write", &thing, "level", "3"]);
    assert_eq!([read("level"), read("wanted")], [json!(3), json!(70)]);
    for action in ["boil", "pour"] {
        smart.things(&["call", &thing, action]);
    }
    kettle.type_in("event dry \"no water\"");
    kettle.type_in("event full \"to the brim\"");
    kettle.until("delivered", 2);
    let events = smart.things(&["events", &thing]);
    let told: Vec<_> = (0..2).map(|at| (&events[at]["name"], &events[at]["data"])).collect();
    assert_eq!(
        told,
        [(&json!("dry"), &json!("no water")), (&json!("full"), &json!("to the brim"))],
        "{events}"
    );
}

#[test]
fn more_values_than_are_sent_at_once_all_reach_the_device_that_comes_back() {
    let smart = Smart::start("smart-many", "");
    let names: Vec<String> = (0..100).map(|number| format!("level{number}")).collect();
    let of = |name: &String| json!({ "type": "integer", "default": 0, "osap:place": { "area": "Rows", "identifier": name } });
    let properties: serde_json::Map<_, _> = names.iter().map(|name| (name.clone(), of(name))).collect();
    let model = json!({
        "@context": "https://www.w3.org/2022/wot/td/v1.1",
        "@type": "tm:ThingModel",
        "title": "Mixing desk",
        "properties": properties,
    });
    let file = smart.world.path("desk.json");
    fs::write(&file, model.to_string()).unwrap();
    let words = ["--model", &file, "--kind", "psk", "--types", "2"];
    let (serial, thing) = (made(&smart, &words), thing_of(&words));
    for name in &names {
        smart.things(&["write", &thing, name, "7", "--wait", "0"]);
    }
    let mut desk = Played::run(&smart, &serial);
    desk.until("online", 1);
    crate::going_on::until("every value is taken", || {
        let all = smart.things(&["read", &thing]);
        names.iter().all(|name| all[name]["desired"]["state"] == "taken")
    });
}
