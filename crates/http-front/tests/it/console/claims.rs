//! Claiming by label and by string.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::people::{code, root};
use crate::management::house::House;
use crate::parties::{Device, Kind};
use crate::world::World;

const FIRST: &str = "8f2c41d0-0000-4000-8000-000000000001";
const SECOND: &str = "8f2c41d0-0000-4000-8000-000000000002";

fn typed(device: &Device, case: &str, request: &str) -> Value {
    json!({ "device": device.uuid.to_string(), "case_string": case, "request": request })
}

#[test]
fn a_device_is_claimed_by_its_label_once_under_one_name() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    let device = world.device(Kind::Ec);
    let label = assure_proto::Label {
        device: device.uuid,
        case_id: assure_proto::CaseId::from_typed(&device.case).unwrap(),
    };
    let body = json!({ "label": STANDARD.encode(label.encode().as_slice()), "request": FIRST });
    for _ in 0..2 {
        let claimed = root.call(&house, "POST", "/v1/claims", &body);
        assert_eq!(House::json(claimed.is(201))["device"], device.uuid.to_string());
    }
    let claims = |house: &House<'_>| {
        let log = House::json(root.get(house, "/v1/audit").is(200));
        let entries = log["entries"].as_array().unwrap().clone();
        entries.into_iter().filter(|entry| entry["operation"] == "owner.claim").count()
    };
    assert_eq!(claims(&house), 1, "the same name is the same claim");
    let again = root.call(&house, "POST", "/v1/claims", &typed(&device, &device.case, SECOND));
    assert_eq!(code(again.is(409)), "already-yours");
    house.drive();
    assert_eq!(House::json(&root.get(&house, &device.path("")))["status"], 4);
}

#[test]
fn a_refused_claim_does_not_say_why_and_counts_once() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    let (device, other) = (world.device(Kind::Ec), world.device(Kind::Ec));
    let wrong = other.case.clone();
    let refused = root.call(&house, "POST", "/v1/claims", &typed(&device, &wrong, FIRST));
    assert_eq!(code(refused.is(403)), "claim-refused");
    let unknown = json!({ "device": SECOND, "case_string": wrong, "request": SECOND });
    let nowhere = root.call(&house, "POST", "/v1/claims", &unknown);
    let but_request = |reply: &crate::curl::Reply| {
        let mut problem = House::json(reply);
        problem["request"] = Value::Null;
        problem
    };
    assert_eq!(but_request(&refused), but_request(&nowhere), "no cause is told from another");
    let repeated = root.call(&house, "POST", "/v1/claims", &typed(&device, &wrong, FIRST));
    assert_eq!(code(repeated.is(403)), "claim-refused");
    let moved = root.call(&house, "POST", "/v1/claims", &typed(&other, &wrong, FIRST));
    assert_eq!(code(moved.is(400)), "request-unreadable", "a name stands for one device");
}

#[test]
fn what_is_no_claim_is_refused_before_anybody_is_asked() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    let device = world.device(Kind::Ec);
    let case = device.case.clone();
    for malformed in [
        json!({}),
        json!({ "device": device.uuid.to_string(), "request": FIRST }),
        json!({ "device": "x", "case_string": case, "request": FIRST }),
        json!({ "device": device.uuid.to_string(), "case_string": &case[1..], "request": FIRST }),
        json!({ "device": device.uuid.to_string(), "case_string": case, "request": "x" }),
        json!({ "label": "AAAA", "request": FIRST }),
        json!({ "label": "!", "request": FIRST }),
        json!({ "label": "AAAA", "device": device.uuid.to_string(), "case_string": case, "request": FIRST }),
    ] {
        let reply = root.call(&house, "POST", "/v1/claims", &malformed);
        assert_eq!(code(reply.is(400)), "request-unreadable", "{malformed}");
    }
    let log = House::json(root.get(&house, "/v1/audit").is(200));
    assert!(!log.to_string().contains("owner.claim"));
}

#[test]
fn an_installer_sees_what_he_claimed() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    let (mine, other) = (world.device(Kind::Ec), world.device(Kind::Secret));
    house.claim(&other);
    let ivan = root.user(&house, "ivan", &["installer"]);
    let claim = typed(&mine, &mine.case, FIRST);
    ivan.call(&house, "POST", "/v1/claims", &claim).is(201);
    let devices = House::json(ivan.get(&house, "/v1/devices").is(200));
    let ids: Vec<&str> =
        devices["devices"].as_array().unwrap().iter().filter_map(|it| it["id"].as_str()).collect();
    assert_eq!(ids, [mine.uuid.to_string()]);
    assert_eq!(code(ivan.get(&house, &other.path("")).is(404)), "not-here");
    assert_eq!(House::json(&root.get(&house, "/v1/devices"))["devices"].as_array().unwrap().len(), 2);
}
