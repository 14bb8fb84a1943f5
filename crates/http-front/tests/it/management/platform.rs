//! The operator's calls as curl sees them.

use management::{Command, Outcome, SettleOrder, TakeOrders};

use super::house::{ANN, House};
use crate::authority::origin;
use crate::parties::Kind;
use crate::world::World;

#[test]
fn orders_go_out_and_their_outcome_comes_back_in_json() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let device = world.device(Kind::Ec);
    let orders = device.path("/orders");
    house.call("POST", &orders, Some(r#"{"command":"ping"}"#)).is_empty(403);
    house.claim(&device);
    for bad in [
        "",
        "{}",
        r#"{"command":"dance"}"#,
        r#"{"command":"read-key","id":"x"}"#,
        r#"{"command":"put-key","key":"AA=="}"#,
    ] {
        house.call("POST", &orders, Some(bad)).is_empty(400);
    }
    house.call_as(ANN, "POST", &orders).is(401);
    let placed =
        house.call("POST", &orders, Some(r#"{"command":"ping","payload":"hello","within_secs":60}"#));
    let number = House::json(placed.is(201))["order"].as_u64().unwrap();
    let path = device.path(&format!("/orders/{number}"));
    assert_eq!(House::json(&house.call("GET", &path, None))["state"], "waiting");
    let due = world.block_on(house.executor.run(TakeOrders { device: device.uuid })).unwrap().unwrap();
    assert_eq!(due[0].command, Command::Ping { payload: b"hello".to_vec() });
    assert_eq!(House::json(&house.call("GET", &path, None))["state"], "sent");
    let outcome = Outcome::Answered { code: 0x45, payload: b"hello".to_vec() };
    let settle = SettleOrder { device: device.uuid, number, outcome, origin: origin("management") };
    assert_eq!(world.block_on(house.executor.run(settle)).unwrap(), Ok(true));
    let answer = House::json(house.call("GET", &path, None).is(200));
    assert_eq!((&answer["state"], &answer["code"]), (&"answered".into(), &"2.05".into()));
    assert_eq!(answer["answer"], serde_json::json!({ "pong": "hello" }));
    house.call("GET", &device.path("/orders/99"), None).is_empty(404);
}

#[test]
fn an_image_is_built_again_on_demand() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let device = world.device(Kind::Secret);
    let path = device.path("/bootstrap");
    house.call("POST", &path, None).is_empty(403);
    house.claim(&device);
    let gateway = &house.server.owner().gateway;
    let before = world.block_on(gateway.read_bootstrap(device.uuid)).unwrap();
    let body = r#"{"messages":[{"method":"PUT","path":"/zone","payload":"Bw=="}]}"#;
    house.call("POST", &path, Some(body)).is_empty(409);
    house.call("POST", &path, Some(r#"{"messages":1}"#)).is_empty(400);
    house.call("POST", &path, None).is(202);
    house.drive();
    assert_eq!(house.status(&device), 4);
    assert_ne!(world.block_on(gateway.read_bootstrap(device.uuid)).unwrap(), before);
}

// verifies: ASSURE-4.2-01
#[test]
fn a_network_is_planned_and_its_channels_are_listed() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let maker = world.maker();
    let devices: Vec<_> = (0..3).map(|_| world.device_of(&maker, Kind::Secret)).collect();
    devices.iter().for_each(|device| house.claim(device));
    let member = |(at, device): (usize, &crate::parties::Device)| serde_json::json!({ "id": device.uuid.to_string(), "address": format!("127.0.0.1:{}", 50_000 + at) });
    let members: Vec<_> = devices.iter().enumerate().map(member).collect();
    let body = serde_json::json!({ "shape": "ring", "devices": members }).to_string();
    let planned = House::json(house.call("POST", "/v1/network", Some(&body)).is(201));
    assert_eq!(planned["channels"].as_array().unwrap().len(), 3);
    assert_eq!(planned["channels"][0]["kind"], "shared-secret");
    let listed = House::json(house.call("GET", "/v1/channels", None).is(200));
    assert_eq!(listed["channels"].as_array().unwrap().len(), 6, "each from both ends");
    let next = format!("/v1/channels?after={}", listed["next"].as_str().unwrap());
    assert_eq!(House::json(house.call("GET", &next, None).is(200))["channels"], serde_json::json!([]));
    house.call("POST", "/v1/network", Some(r#"{"shape":"ring","devices":[]}"#)).is_empty(400);
}
