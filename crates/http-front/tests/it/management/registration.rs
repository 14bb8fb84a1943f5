//! The registration API as curl sees it.

use assure_proto::{DeviceInfo, PreciseTime};

use super::house::{ANN, BOB, House};
use crate::authority::now;
use crate::parties::{Device, Kind};
use crate::world::World;

const CHALLENGE: &str = r#"Basic realm="registration", charset="UTF-8""#;

fn case(device: &Device) -> String {
    device.path(&format!("?case_string={}", device.case))
}

// verifies: ASSURE-11.2-01, ASSURE-11.2-02, ASSURE-11.2.1-01, ASSURE-11.2.1-02, ASSURE-11.2.1-05
#[test]
fn a_device_is_registered_by_certificate_or_passphrase_and_with_its_case_string() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let (one, other) = (world.device(Kind::Secret), world.device(Kind::Ec));
    let nobody = house.curl(None, "POST").url(&house.url(&case(&one))).run().unwrap().remove(0);
    assert_eq!(nobody.is_empty(401).header("www-authenticate"), Some(CHALLENGE));
    let owner = world.owner();
    let other_holder = house.curl(Some(&owner.credentials), "POST").url(&house.url(&case(&one)));
    other_holder.run().unwrap()[0].is_empty(401);
    house.call_as("ann:wrong", "POST", &case(&one)).is_empty(401);
    for wrong in ["", "?case_string=", "?case_string=00", "?other=1"] {
        house.call("POST", &one.path(wrong), None).is_empty(401);
    }
    let wrong = one.path("?case_string=ffffffffffffffffffffffffffffffff");
    let refused = house.call("POST", &wrong, None);
    assert_eq!(refused.is_empty(401).header("www-authenticate"), Some(CHALLENGE));
    assert_eq!((world.owner_of(&one).1, house.status(&one)), (None, 100));
    house.call("POST", &case(&one), None).is_empty(201);
    house.call_as(ANN, "POST", &case(&other)).is_empty(201);
    let ours = Some(house.server.owner().keys.id.clone());
    assert_eq!((world.owner_of(&one).1, world.owner_of(&other).1), (ours.clone(), ours));
    house.call("POST", &case(&one), None).is_empty(201);
    for device in [&one, &other] {
        assert!(!house.table.holds(device.case.as_bytes()), "the case string is not stored");
        assert!(!world.log.contains(&device.case), "nor logged");
    }
}

// verifies: ASSURE-11.2.1-04, ASSURE-11.2.4-06
#[test]
fn one_connection_serves_one_device_after_the_other() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let maker = world.maker();
    let devices: Vec<_> = (0..3).map(|_| world.device_of(&maker, Kind::Ec)).collect();
    let run = |method: &str, path: &dyn Fn(&Device) -> String| {
        let curl = house.curl(Some(&world.operator), method).counting_connections();
        let curl = devices.iter().fold(curl, |curl, device| curl.url(&house.url(&path(device))));
        let (replies, said) = curl.start().finish().unwrap();
        assert_eq!(said.matches("connects=1").count(), 1, "{said}");
        replies
    };
    let registered = run("POST", &case);
    assert_eq!(registered.len(), 3);
    registered.iter().for_each(|reply| {
        reply.is_empty(201);
    });
    house.drive();
    for device in &devices {
        house.present(device, &DeviceInfo::only(device.uuid));
    }
    let infos = run("GET", &|device| device.path("/info"));
    for (device, reply) in devices.iter().zip(&infos) {
        assert_eq!(House::json(reply.is(200))["device_id"], device.uuid.to_string());
    }
}

// verifies: ASSURE-11.2.3-01, ASSURE-11.2.3-04, ASSURE-11.2.4-01, ASSURE-11.2.4-02, ASSURE-11.2.4-03
#[test]
fn status_and_info_follow_the_device() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let device = world.device(Kind::Secret);
    house.call("GET", &device.path("/status"), None).is_empty(401);
    house.call("POST", &case(&device), None).is_empty(201);
    assert_eq!(house.status(&device), 2);
    house.call("GET", &device.path("/info"), None).is_later();
    house.drive();
    assert_eq!(house.status(&device), 4);
    let info = DeviceInfo {
        mac_address: Some([0, 0x1b, 2, 3, 4, 0xff]),
        device_manufacturer: "Acme".into(),
        device_product_code: "P2".into(),
        device_serial_number: "S-9".into(),
        device_build_date: "2026-11-22".into(),
        software_manufacturer: "Acme Soft".into(),
        software_product_code: "FW".into(),
        software_version: "1.4".into(),
        ..DeviceInfo::only(device.uuid)
    };
    house.present(&device, &info);
    assert_eq!(house.status(&device), 5);
    let reply = house.call("GET", &device.path("/info"), None);
    assert_eq!(reply.is(200).header("content-type"), Some("application/json"));
    let expected = serde_json::json!({
        "device_id": device.uuid.to_string(),
        "device_mac_address": "00:1b:02:03:04:ff",
        "device_manufacturer": "Acme",
        "device_product_code": "P2",
        "device_serial_number": "S-9",
        "device_build_date": "2026-11-22",
        "software_manufacturer": "Acme Soft",
        "software_product_code": "FW",
        "software_version": "1.4",
    });
    assert_eq!(House::json(&reply), expected);
}

// verifies: ASSURE-11.2.3-05, ASSURE-11.2.4-04
#[test]
fn another_users_device_looks_like_none() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let (device, unknown) = (world.device(Kind::Ec), Device::new(Kind::Ec, model::Uuid([1; 16])));
    house.call_as(ANN, "POST", &case(&device)).is_empty(201);
    house.drive();
    house.present(&device, &DeviceInfo::only(device.uuid));
    for what in ["/status", "/info", ""] {
        house.call_as(ANN, "GET", &device.path(what)).is(200);
        let foreign = house.call_as(BOB, "GET", &device.path(what)).but_date();
        let missing = house.call_as(BOB, "GET", &unknown.path(what)).but_date();
        let malformed = house.call_as(BOB, "GET", &format!("/v1/devices/x{what}")).but_date();
        assert_eq!(foreign.is_empty(401), &missing, "{what}");
        assert_eq!(foreign, malformed);
    }
    house.call_as(BOB, "POST", &case(&device)).is_empty(401);
    let listed = |user| House::json(&house.call_as(user, "GET", "/v1/devices"))["devices"].clone();
    assert_eq!(listed(ANN).as_array().unwrap().len(), 1);
    assert_eq!(listed(BOB), serde_json::json!([]));
}

// verifies: ASSURE-11.2.3-06, ASSURE-11.2.4-05, ASSURE-11.2.2-08, ASSURE-11.2.1-05
#[test]
fn what_cannot_be_answered_now_is_503() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let device = world.device(Kind::Ec);
    world.to_bootstrap.shut(true);
    house.call("POST", &case(&device), None).is_later();
    assert_eq!(house.status(&device), 1, "registered, and nobody knows more");
    world.to_bootstrap.shut(false);
    house.call("POST", &case(&device), None).is_empty(201);
    house.table.stop(true);
    for (method, path) in [
        ("POST", case(&device)),
        ("GET", device.path("/status")),
        ("GET", device.path("/info")),
        ("POST", device.path(&format!("/replace?uuid={}", device.uuid))),
    ] {
        house.call(method, &path, None).is_later();
    }
    house.table.stop(false);
    assert_eq!(house.status(&device), 2);
}

// verifies: ASSURE-11.2.2-04, ASSURE-11.2.2-05, ASSURE-11.2.2-06, ASSURE-11.2.2-07
#[test]
fn a_replacement_takes_two_devices_of_ones_own() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let (old, new) = (world.device(Kind::Secret), world.device(Kind::Secret));
    let replace = |old: &Device, new: &Device| old.path(&format!("/replace?uuid={}", new.uuid));
    house.claim(&old);
    house.call("POST", &replace(&old, &new), None).is_empty(401);
    house.call("POST", &replace(&new, &old), None).is_empty(401);
    house.call("POST", &old.path("/replace?uuid=x"), None).is_empty(401);
    house.claim(&new);
    house.call_as(BOB, "POST", &replace(&old, &new)).is_empty(401);
    assert_eq!(house.status(&old), 4);
    house.call("POST", &replace(&old, &new), None).is_empty(201);
    assert_eq!(*house.closed.lock().unwrap(), [old.uuid]);
    let mapped = House::json(&house.call("GET", &old.path(""), None));
    assert_eq!(
        (mapped["status"].as_u64(), mapped["replaced_by"].as_str()),
        (Some(8), Some(&*new.uuid.to_string()))
    );
    let before = world.block_on(house.server.owner().gateway.read_bootstrap(old.uuid)).unwrap().unwrap();
    house.drive();
    let after = world.block_on(house.server.owner().gateway.read_bootstrap(old.uuid)).unwrap().unwrap();
    assert!(after.len() < before.len() && !after.is_empty(), "an image without channels takes its place");
    assert_eq!(house.status(&old), 8);
}

// verifies: ASSURE-11.4.1-01, ASSURE-11.4.1-02, ASSURE-11.4.1-04
#[test]
fn anybody_may_ask_for_the_time() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let url = house.url("/v1/timestamp");
    for who in [None, Some(&world.operator)] {
        let before = now().as_unix_millis();
        let reply = house.curl(who, "GET").url(&url).run().unwrap().remove(0);
        assert_eq!(reply.is(200).header("content-type"), Some("application/cbor"));
        let told = PreciseTime::decode(&reply.body).unwrap().timestamp().as_unix_millis();
        assert!((before..=now().as_unix_millis()).contains(&told), "{told}");
    }
}
