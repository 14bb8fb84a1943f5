//! Smart devices come on record with their things, and what their owner does with the record.

use std::sync::{Arc, Mutex};

use osap_things::LabelCode;
use serde_json::{Value, json};
use store::{Range, Space, Table as _};

use super::people::{Person, code, root};
use super::things::model;
use crate::curl::Reply;
use crate::management::house::House;
use crate::world::World;

const LOCK: &str = "8f2c41d0-0000-4000-8000-0000000077aa";
const OTHER: &str = "8f2c41d0-0000-4000-8000-0000000077ab";

fn add(house: &House<'_>, root: &Person, id: &str, serial: &str, enrolment: Value) -> Reply {
    let body = json!({
        "id": id, "model": model(), "osap": { "serial": serial }, "enrolment": enrolment,
    });
    root.call(house, "POST", "/things", &body)
}

fn record(house: &House<'_>, root: &Person, id: &str) -> Value {
    House::json(root.get(house, &format!("/things/{id}/record")).is(200))
}

/// Whether these bytes stand anywhere in the store.
fn is_stored(house: &House<'_>, bytes: &[u8]) -> bool {
    (0..=u8::MAX).any(|space| {
        let range = Range { space: Space(space), prefix: Vec::new(), after: None, limit: 100_000 };
        let page = house.table.scan(&range).unwrap();
        page.records.iter().any(|(key, record)| {
            [&key.name[..], &record.value].iter().any(|held| held.windows(bytes.len()).any(|it| it == bytes))
        })
    })
}

// verifies: OSAP-5-44
#[test]
fn a_code_on_a_label_puts_a_device_on_record_with_its_thing_and_is_kept_nowhere() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    let label = LabelCode::draw(*b"twelve bytes");
    let models = House::json(root.get(&house, "/v1/models").is(200));
    assert_eq!((&models["realm"], &models["models"][0]["name"]), (&json!("lbs.example"), &json!("lamp")));
    let added = add(&house, &root, LOCK, "D77", json!({ "code": label.print().to_lowercase() }));
    assert_eq!(added.is(201).header("location"), Some(format!("/things/{LOCK}").as_str()));
    let seen = record(&house, &root, LOCK);
    assert_eq!(
        (&seen["serial"], &seen["kinds"], &seen["min_type"]),
        (&json!("D77"), &json!(["code"]), &json!(2))
    );
    for never in [&label.as_bytes()[..], label.print().as_bytes()] {
        assert!(!is_stored(&house, never), "the code itself is stored");
    }
    assert!(is_stored(&house, b"device.admit") && is_stored(&house, b"things.add"), "both are written down");
}

#[test]
fn what_cannot_be_used_is_refused_and_nothing_is_half_added() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    let point = "04".to_owned() + &"11".repeat(64);
    let w0 = "22".repeat(32);
    for (serial, enrolment, status, why) in [
        ("D1", json!({}), 422, "enrolment-refused"),
        ("D1", json!({ "code": "0123-45YZ-0ZHU-0" }), 422, "code-refused"),
        ("D1", json!({ "code": "" }), 422, "code-refused"),
        ("D1", json!({ "psk": "0011" }), 422, "enrolment-refused"),
        ("D1", json!({ "psk": "no hexadecimal text" }), 422, "enrolment-refused"),
        ("D1", json!({ "key": "3059" }), 422, "enrolment-refused"),
        ("D1", json!({ "record": { "w0": w0, "l": point, "kdf": 1 } }), 422, "enrolment-refused"),
        (
            "D1",
            json!({ "record": { "w0": w0, "l": point, "kdf": 1, "realm": "else" } }),
            422,
            "enrolment-refused",
        ),
        ("D1", json!({ "record": { "w0": "22", "l": point, "kdf": 1 } }), 422, "enrolment-refused"),
        ("D1", json!({ "record": { "w0": w0, "l": point, "kdf": 9 } }), 422, "enrolment-refused"),
        ("D 1", json!({ "psk": "11".repeat(32) }), 422, "model-refused"),
        ("D1", json!({ "psk": "11".repeat(32), "more": 1 }), 400, "request-unreadable"),
    ] {
        let reply = add(&house, &root, LOCK, serial, enrolment.clone());
        assert_eq!((reply.status, code(&reply)), (status, why.to_owned()), "{enrolment}");
    }
    assert_eq!(root.get(&house, &format!("/things/{LOCK}")).status, 404, "no thing without its record");
    assert!(!is_stored(&house, b"device.admit"));
    let psk = json!({ "psk": "11".repeat(32) });
    add(&house, &root, LOCK, "D1", psk.clone()).is(201);
    let again = add(&house, &root, OTHER, "D1", psk);
    assert_eq!((again.status, code(&again)), (409, "thing-exists".into()));
    let mqtt =
        json!({ "model": model(), "mqtt": { "client": "c" }, "enrolment": { "psk": "11".repeat(32) } });
    assert_eq!(code(&root.call(&house, "POST", "/things", &mqtt)), "request-unreadable");
}

/// The devices whose sessions were ended, as they are.
fn noted_shuts(house: &House<'_>) -> Arc<Mutex<Vec<String>>> {
    let shut = Arc::new(Mutex::new(Vec::new()));
    let noted = shut.clone();
    house.desk.on_shut(move |serial, _| noted.lock().unwrap().push(serial.to_owned()));
    shut
}

#[test]
fn the_record_is_seen_opened_blocked_and_given_another_code_by_the_owner_alone() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    let shut = noted_shuts(&house);
    add(&house, &root, LOCK, "D9", json!({ "psk": "11".repeat(32) })).is(201);
    let path = |what: &str| format!("/things/{LOCK}/record{what}");
    let change = |method: &str, what: &str, body: &Value| {
        House::json(root.call(&house, method, &path(what), body).is(200))
    };
    let opened = change("POST", "/window", &Value::Null);
    assert!(opened["window_until_unix_millis"].is_u64() && opened["kinds"] == json!(["code", "psk"]));
    assert!(change("DELETE", "/window", &Value::Null)["window_until_unix_millis"].is_null());
    assert!(shut.lock().unwrap().is_empty());
    assert_eq!(change("PUT", "/block", &Value::Null)["blocked"], true);
    assert_eq!(*shut.lock().unwrap(), ["D9"], "its session ends at once");
    assert_eq!(change("DELETE", "/block", &Value::Null)["blocked"], false);
    let label = LabelCode::draw([3; 12]).print();
    change("PUT", "/code", &json!({ "code": label }));
    let both = root.call(&house, "PUT", &path("/code"), &json!({}));
    assert_eq!(code(&both), "enrolment-refused");
    let again = root.call(&house, "POST", &path(""), &json!({ "psk": "22".repeat(32) }));
    assert_eq!((again.status, code(&again)), (409, "on-record-already".into()));
    // Who was granted everything else may not look at it.
    let birch = root.user(&house, "birch", &["owner", "installer", "auditor"]);
    let grant =
        json!({ "party": "person:birch", "thing": LOCK, "acts": ["read", "write", "call", "observe"] });
    root.call(&house, "POST", "/v1/grants", &grant).is(201);
    assert_eq!(birch.get(&house, &format!("/things/{LOCK}")).status, 200);
    for (method, what) in [("GET", ""), ("PUT", "/block"), ("POST", "/window"), ("PUT", "/code")] {
        let body = if method == "GET" { Value::Null } else { json!({}) };
        let reply = birch.call(&house, method, &path(what), &body);
        assert_eq!((reply.status, code(&reply)), (403, "not-permitted".into()), "{method} {what}");
    }
    root.call(&house, "DELETE", &format!("/things/{LOCK}"), &Value::Null).is_empty(204);
    assert_eq!(*shut.lock().unwrap(), ["D9", "D9"]);
    assert_eq!(code(&root.get(&house, &path(""))), "not-here");
    add(&house, &root, OTHER, "D9", json!({ "psk": "33".repeat(32) })).is(201);
}

// verifies: TS-H13
#[test]
fn the_old_protocol_is_run_with_one_device_from_when_its_owner_says_so_until_he_says_no_more() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    let shut = noted_shuts(&house);
    add(&house, &root, LOCK, "D5", json!({ "psk": "11".repeat(32) })).is(201);
    add(&house, &root, OTHER, "D6", json!({ "psk": "11".repeat(32) })).is(201);
    let path = format!("/things/{LOCK}/record/compat");
    for (body, status, why) in [
        (json!({}), 422, "enrolment-refused"),
        (json!({ "code": "QWERTY", "keys": "11".repeat(64) }), 422, "enrolment-refused"),
        (json!({ "keys": "11".repeat(63) }), 422, "enrolment-refused"),
        (json!({ "code": "" }), 422, "code-refused"),
        (json!({ "code": "Q".repeat(48) }), 422, "code-refused"),
        (json!({ "code": "QWERTY", "more": 1 }), 400, "request-unreadable"),
    ] {
        let reply = root.call(&house, "PUT", &path, &body);
        assert_eq!((reply.status, code(&reply)), (status, why.to_owned()), "{body}");
    }
    let birch = root.user(&house, "birch", &["owner", "installer", "auditor"]);
    for method in ["PUT", "DELETE"] {
        let reply = birch.call(&house, method, &path, &json!({ "code": "QWERTY" }));
        assert_eq!((reply.status, code(&reply)), (403, "not-permitted".into()));
    }
    let stands = |id| {
        let record = record(&house, &root, id);
        (record["compat"].clone(), record["min_type"].clone())
    };
    assert_eq!(stands(LOCK), (json!(false), json!(2)));
    for body in [json!({ "code": " QWERTY " }), json!({ "keys": "1a".repeat(64) })] {
        assert_eq!(House::json(root.call(&house, "PUT", &path, &body).is(200))["compat"], true);
        assert_eq!((stands(LOCK), stands(OTHER)), ((json!(true), json!(1)), (json!(false), json!(2))));
        assert!(shut.lock().unwrap().is_empty());
        assert_eq!(House::json(root.call(&house, "DELETE", &path, &Value::Null).is(200))["compat"], false);
        assert_eq!(stands(LOCK), (json!(false), json!(2)));
        assert_eq!(std::mem::take(&mut *shut.lock().unwrap()), ["D5"], "its session ends at once");
    }
    // Nothing of the old protocol ends, where none was run.
    root.call(&house, "DELETE", &path, &Value::Null).is(200);
    assert!(shut.lock().unwrap().is_empty());
    assert!(!is_stored(&house, b"QWERTY") && is_stored(&house, b"device.compat-on"));
    assert!(is_stored(&house, b"device.compat-off"));
}

#[test]
fn a_thing_that_was_added_alone_is_put_on_record_later() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    let alone = json!({ "id": LOCK, "model": model(), "osap": { "serial": "D3" } });
    root.call(&house, "POST", "/things", &alone).is(201);
    let path = format!("/things/{LOCK}/record");
    assert_eq!(code(&root.get(&house, &path)), "not-on-record");
    let blocked = root.call(&house, "PUT", &format!("{path}/block"), &Value::Null);
    assert_eq!((blocked.status, code(&blocked)), (404, "not-on-record".into()));
    let seen = root.call(&house, "POST", &path, &json!({ "psk": "11".repeat(32) }));
    assert_eq!(House::json(seen.is(200))["kinds"], json!(["psk"]));
    let client = json!({ "id": OTHER, "model": model(), "mqtt": { "client": "c" } });
    root.call(&house, "POST", "/things", &client).is(201);
    assert_eq!(code(&root.get(&house, &format!("/things/{OTHER}/record"))), "not-on-record");
}

#[test]
fn files_go_with_their_thing() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    add(&house, &root, LOCK, "D1", json!({ "psk": "11".repeat(32) })).is(201);
    let offer = json!({ "name": "clip", "size": 5, "sha256": "00".repeat(32) });
    root.call(&house, "POST", &format!("/things/{LOCK}/files"), &offer).is(201);
    let thing = LOCK.parse().unwrap();
    let files = || world.block_on(house.executor.run(depot::ListFiles { thing, after: None, limit: 9 }));
    assert_eq!(files().unwrap().unwrap().files.len(), 1);
    root.call(&house, "DELETE", &format!("/things/{LOCK}"), &Value::Null).is_empty(204);
    assert_eq!(files().unwrap().unwrap().files.len(), 0);
}

#[test]
fn grants_of_use_do_not_stand_in_the_way_of_the_sweep_of_files() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    add(&house, &root, LOCK, "D1", json!({ "psk": "11".repeat(32) })).is(201);
    let grant = json!({ "party": "person:birch", "thing": LOCK, "acts": ["read"] });
    root.call(&house, "POST", "/v1/grants", &grant).is(201);
    let sweep = house.executor.run(depot::SweepGrants { after: None, limit: 100 });
    assert!(matches!(world.block_on(sweep), Ok(Ok(_))), "both keep grants, each in spaces of its own");
}
