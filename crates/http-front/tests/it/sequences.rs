//! The sequence diagrams of section 14, as the request logs of the servers tell them.

use crate::image::for_owner;
use crate::parties::{Device, Kind, Owner};
use crate::world::World;

/// The requests that `act` led to, in the order in which they were answered.
fn logged(world: &World, act: impl FnOnce()) -> Vec<String> {
    let before = world.log.requests().len();
    act();
    world.log.requests().split_off(before)
}

/// The same with this device's UUID written as U.
fn about(world: &World, device: &Device, act: impl FnOnce()) -> Vec<String> {
    let uuid = device.uuid.to_string();
    logged(world, act).into_iter().map(|line| line.replace(&uuid, "U")).collect()
}

// verifies: ASSURE-14.1-03, ASSURE-14.1-04a, ASSURE-14.1-04b, ASSURE-14.1-04d, ASSURE-14.1-09, ASSURE-14.1-10
#[test]
fn manufacturing_14_1() {
    let Some(world) = World::start() else { return };
    let (maker, owner) = (world.maker(), world.owner());
    let device = Device::new(Kind::Ec, model::Uuid([9; 16]));
    let upload = about(&world, &device, || {
        world.upload(&maker, &device).is(201);
    });
    assert_eq!(upload, ["bootstrap-peers PUT /ta/v1/devices/U 201", "maker-gateway PUT /v1/devices/U 201"]);
    assert_eq!(world.gap.lock().unwrap().len(), 1, "the gap file was there before the 201");
    let again = about(&world, &device, || {
        world.upload(&maker, &device).is(403);
    });
    assert_eq!(again, ["maker-gateway PUT /v1/devices/U 403"], "no create call for a device that exists");
    world.claim(&owner, &device).is(403);
    world.carry_gap();
    let registration = World::audit(&world.registration);
    let of = |verb: &str, result: &str| {
        let entry = (verb.to_owned(), result.to_owned());
        registration.iter().filter(|known| **known == entry).count()
    };
    assert_eq!(of("maker.upload", "done"), 1);
    assert_eq!(of("maker.upload", "exists"), 1);
    assert_eq!(of("identity.import", "done"), 1);
    assert!(World::audit(&world.bootstrap).contains(&("identity.import".into(), "done".into())));
    world.claim(&owner, &device).is(204);
}

// verifies: ASSURE-14.2-02, ASSURE-14.3-03, ASSURE-14.3-04a, ASSURE-14.3-04b, ASSURE-14.3-05
#[test]
fn preparation_14_2_and_registration_14_3() {
    let Some(world) = World::start() else { return };
    let device = world.device(Kind::Ec);
    let mut owner = None;
    let prepared = logged(&world, || owner = Some(world.owner()));
    assert_eq!(prepared, ["owner-gateway POST /v1/managementsystems 201"]);
    let owner = owner.unwrap();
    let claimed = about(&world, &device, || {
        world.claim(&owner, &device).is_empty(204);
    });
    assert_eq!(world.owner_of(&device), (1, Some(owner.id.clone())), "the caller, by its certificate");
    let expected =
        ["bootstrap-peers PUT /ta/v1/devices/U/owner 204", "owner-gateway PUT /v1/devices/U/owner 204"];
    assert_eq!(claimed, expected, "the owner is stored on both servers before the answer");
    let claims = World::audit(&world.registration);
    assert_eq!(claims.iter().filter(|(verb, _)| verb == "owner.claim").count(), 1);
}

const DATA: [&str; 3] = [
    "peers GET /ta/v1/devices/U/owner 200",
    "bootstrap-peers GET /ta/v1/devices/U/data 200",
    "owner-gateway GET /v1/devices/U/configuration 200",
];
const STORE: [&str; 3] = [
    "peers GET /ta/v1/devices/U/owner 200",
    "bootstrap-peers PUT /ta/v1/devices/U/bootstrap 204",
    "owner-gateway PUT /v1/devices/U/bootstrap 204",
];

fn gets_data(world: &World, owner: &Owner, device: &Device) {
    let configured = about(world, device, || {
        world.about(owner, "GET", device, "/configuration", None).is(200);
    });
    assert_eq!(configured, DATA);
}

fn stores(world: &World, owner: &Owner, device: &Device, image: &[u8]) {
    let stored = about(world, device, || {
        world.about(owner, "PUT", device, "/bootstrap", Some(image)).is(204);
    });
    assert_eq!(stored, STORE);
}

// verifies: ASSURE-14.5-01, ASSURE-14.5-02a, ASSURE-14.5-02b, ASSURE-14.5-03, ASSURE-14.5-04b, ASSURE-14.5-04c
// verifies: ASSURE-14.5-04d, ASSURE-14.5-06, ASSURE-1-09, ASSURE-2.2-03
#[test]
fn bootstrap_14_5() {
    let Some(world) = World::start() else { return };
    let (device, owner, other) = (world.device(Kind::Ec), world.owner(), world.owner());
    world.claim(&owner, &device).is(204);
    gets_data(&world, &owner, &device);
    let image = for_owner(&world, &owner, &device, &[]);
    stores(&world, &owner, &device, &image);
    let refused = about(&world, &device, || {
        world.about(&other, "PUT", &device, "/bootstrap", Some(&image)).is(403);
    });
    assert_eq!(
        refused,
        [
            "peers GET /ta/v1/devices/U/owner 200",
            "bootstrap-peers PUT /ta/v1/devices/U/bootstrap 403",
            "owner-gateway PUT /v1/devices/U/bootstrap 403"
        ]
    );
    let mut served = None;
    let fetched = about(&world, &device, || {
        served = world.block_on(world.bootstrap_server.serve_image(device.uuid, device.uuid)).unwrap();
    });
    assert_eq!(fetched, ["peers GET /ta/v1/devices/U/owner 200"], "the owner of this moment is asked for");
    assert_eq!(served, Some(image));
    let stored = World::audit(&world.bootstrap);
    let verbs: Vec<&str> = stored.iter().map(|(verb, _)| verb.as_str()).collect();
    assert_eq!(verbs, ["identity.import", "bootstrap.reset", "bootstrap.store", "bootstrap.serve"]);
}

// verifies: ASSURE-14.7-02a, ASSURE-14.7-02b, ASSURE-14.7-02c, ASSURE-14.7-03, ASSURE-14.7-04a, ASSURE-14.7-04b
// verifies: ASSURE-14.7-06a, ASSURE-14.7-06b, ASSURE-14.7-07a, ASSURE-14.7-07c
#[test]
fn change_of_owner_14_7() {
    let Some(world) = World::start() else { return };
    let (device, a, b) = (world.device(Kind::Ec), world.owner(), world.owner());
    world.claim(&a, &device).is(204);
    let image = for_owner(&world, &a, &device, &[]);
    world.about(&a, "PUT", &device, "/bootstrap", Some(&image)).is(204);
    let early = about(&world, &device, || {
        world.about(&b, "GET", &device, "/configuration", None).is_empty(403);
    });
    assert_eq!(
        early,
        [
            "peers GET /ta/v1/devices/U/owner 200",
            "bootstrap-peers GET /ta/v1/devices/U/data 403",
            "owner-gateway GET /v1/devices/U/configuration 403"
        ]
    );
    let transferred = about(&world, &device, || {
        world.transfer(&a, &device, &b).is(204);
    });
    assert_eq!(
        transferred,
        ["bootstrap-peers PUT /ta/v1/devices/U/owner 204", "owner-gateway PUT /v1/devices/U/owner 204"]
    );
    let serve = || world.block_on(world.bootstrap_server.serve_image(device.uuid, device.uuid));
    assert_eq!(serve(), Ok(Some(Vec::new())), "a's image is gone");
    gets_data(&world, &b, &device);
    let next = for_owner(&world, &b, &device, &[vec![7]]);
    stores(&world, &b, &device, &next);
    let accepted = crate::image::judged(&device, &next).unwrap();
    assert_eq!((accepted.record.sequence_number, accepted.owner_key), (2, b.class_2));
    assert_eq!(serve(), Ok(Some(next)));
}

#[test]
fn the_operator_reads_what_happened_in_order() {
    let Some(world) = World::start() else { return };
    let (device, a, b) = (world.device(Kind::Ec), world.owner(), world.owner());
    world.claim(&a, &device).is(204);
    world.transfer(&a, &device, &b).is(204);
    let read = |query: &str| {
        let path = format!("/v1/audit{query}");
        let reply = world.call(crate::world::Api::Platform, &world.operator, "GET", &path, None);
        serde_json::from_slice::<serde_json::Value>(&reply.is(200).body).unwrap()
    };
    let page = read("");
    let uuid = device.uuid.to_string();
    let entries = page["entries"].as_array().unwrap();
    let of_device: Vec<_> = entries.iter().filter(|entry| entry["device"] == *uuid).collect();
    let verbs: Vec<_> = of_device.iter().map(|entry| entry["operation"].as_str().unwrap()).collect();
    assert_eq!(verbs, ["maker.upload", "identity.import", "owner.claim", "owner.transfer"]);
    assert_eq!(of_device[3]["actor"], a.id.to_string());
    let cursor = of_device[2]["cursor"].as_str().unwrap();
    let rest = read(&format!("?after={cursor}"));
    assert_eq!(rest["entries"][0]["operation"], "owner.transfer");
    let bad = world.call(crate::world::Api::Platform, &world.operator, "GET", "/v1/audit?after=x", None);
    bad.is_empty(400);
}
