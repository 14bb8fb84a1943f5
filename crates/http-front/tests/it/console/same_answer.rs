//! HTTP against the table of cases that MQTT, CoAP and the desk are held against (`conformance/same_answer.json`).

use hub::{Binding, Command, Marks, OsapMode, Outcome, Party, Reply, ThingModel};
use model::Uuid;
use serde_json::{Value, json};

use super::people::{Person, code, root, sent};
use super::things::{raise, report};
use super::watching::Stream;
use crate::management::house::House;
use crate::world::World;

const DOOR: Uuid = Uuid([9; 16]);
const NOT_THERE: Uuid = Uuid([8; 16]);

fn table() -> Value {
    serde_json::from_str(include_str!("../../../../../conformance/same_answer.json")).unwrap()
}

/// `done`, or the code of the refusal.
fn over_http(house: &House<'_>, who: &Person, case: &Value) -> String {
    let thing = if case["thing"] == "none" { NOT_THERE } else { DOOR };
    let name = case["name"].as_str().unwrap();
    let input = match case["long_input"].as_u64() {
        Some(size) => json!("x".repeat(usize::try_from(size).unwrap())),
        None => case["input"].clone(),
    };
    let property = format!("/things/{thing}/properties/{name}");
    let reply = match case["ask"].as_str().unwrap() {
        "read" => who.get(house, &property),
        "read-fresh" => who.get(house, &format!("{property}?fresh=true")),
        "write" => who.call(house, "PUT", &format!("{property}?wait=25"), &input),
        "call" => who.call(house, "POST", &format!("/things/{thing}/actions/{name}?wait=25"), &input),
        kind => {
            let kind = if kind == "observe-event" { "events" } else { "properties" };
            let path = format!("/things/{thing}/{kind}/{name}");
            if case["outcome"] == "done" {
                drop(Stream::of(house, who, &path));
                return "done".into();
            }
            let curl = who.curl(house, "GET").header("Accept: text/event-stream");
            sent(house, curl, &path, &Value::Null)
        }
    };
    match reply.status {
        // HTTP has a word of its own for a body that is longer than any value, and does not read it.
        413 if case["long_input"].is_u64() => "value-refused".into(),
        ..400 => "done".into(),
        _ => code(&reply),
    }
}

fn compare(house: &House<'_>, people: &[(&str, Person)], cases: &Value) {
    for case in cases.as_array().unwrap() {
        let (_, who) = people.iter().find(|(name, _)| case["who"] == *name).unwrap();
        assert_eq!(over_http(house, who, case), case["outcome"], "{case}");
    }
}

#[test]
fn the_same_table_of_cases_over_http() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let add = Command::Add {
        id: Some(DOOR),
        model: ThingModel::new(table()["model"].clone()).unwrap(),
        binding: Binding::Osap { serial: "D1".into(), mode: OsapMode::Serial },
        marks: Marks::default(),
    };
    assert!(matches!(world.block_on(house.desk.call(Party::Owner, add)), Ok(Reply::Thing(_))));
    let root = root(&house);
    let people = ["granted", "reader", "stranger"].map(|name| (name, root.user(&house, name, &[])));
    let thing = DOOR.to_string();
    for grant in [
        json!({ "party": "person:granted", "thing": thing, "acts": ["read", "write", "call", "observe"] }),
        json!({ "party": "person:reader", "thing": thing, "acts": ["read"], "names": ["battery"] }),
    ] {
        root.call(&house, "POST", "/v1/grants", &grant).is(201);
    }
    report(&house, DOOR, "battery", json!(80));
    raise(&house, DOOR);
    compare(&house, &people, &table()["away"]);
    let desk = house.desk.clone();
    let mut device = world.block_on(async { desk.attach(DOOR) });
    let device = world.runtime.spawn(async move {
        while let Some(order) = device.orders.recv().await {
            let result = match &order.what {
                hub::What::Call { .. } => Err((7, "jammed".into())),
                hub::What::Set { .. } => Ok(None),
                hub::What::Query { .. } => Ok(Some(json!(81))),
            };
            desk.answer(order.thing, Outcome { id: order.id, result }).await.unwrap();
        }
    });
    compare(&house, &people, &table()["there"]);
    device.abort();
}
