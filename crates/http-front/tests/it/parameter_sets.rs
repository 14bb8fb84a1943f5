//! Parameter sets (9.2.2 to 9.2.4) on the maker gateway, and for owners (9.3.6).

use crate::curl::Curl;
use crate::parties::{Kind, parameter_set};
use crate::world::{Api, World};
use model::Uuid;

// verifies: ASSURE-9.2.2-01, ASSURE-9.2.2-02, ASSURE-9.2.2-03, ASSURE-9.2.4-01, ASSURE-9.2.4-02
// verifies: ASSURE-9.2.3-01, ASSURE-9.2.3-02, ASSURE-9.2.3-03
#[test]
fn a_set_comes_back_byte_for_byte_and_is_replaced_by_its_maker() {
    let Some(world) = World::start() else { return };
    let maker = world.maker();
    let (first, second) = (parameter_set("first"), parameter_set("second"));
    let reply = world.call(Api::Maker, &maker.credentials, "POST", "/v1/parametersets", Some(&first));
    let text = String::from_utf8(reply.is(201).body.clone()).unwrap();
    assert_eq!(text.len(), 36);
    let set: Uuid = text.parse().unwrap();
    let path = format!("/v1/parametersets/{set}");
    let get = || world.call(Api::Maker, &maker.credentials, "GET", &path, None);
    let put = |bytes: &[u8]| world.call(Api::Maker, &maker.credentials, "PUT", &path, Some(bytes));
    assert_eq!(get().is(200).body, first);
    assert_eq!(get().but_date(), get().but_date(), "reading changes nothing");
    put(&second).is_empty(201);
    assert_eq!(get().is(200).body, second);
}

// verifies: ASSURE-9.2.2-01, ASSURE-9.2.3-01
#[test]
fn garbage_is_400_and_changes_nothing() {
    let Some(world) = World::start() else { return };
    let maker = world.maker();
    let good = parameter_set("good");
    let set = world.upload_set(&maker, &good);
    let before = world.registration.records();
    let mut further = good.clone();
    further.push(0);
    let bad: [&[u8]; 5] = [b"", b"{}", &[0x84, 3, 1, 0x60, 0x80], &good[..good.len() - 1], &further];
    for bytes in bad {
        let call = |method, path: &str| {
            world.call(Api::Maker, &maker.credentials, method, path, Some(bytes)).is_empty(400);
        };
        call("POST", "/v1/parametersets");
        call("PUT", &format!("/v1/parametersets/{set}"));
    }
    assert_eq!(world.registration.records(), before);
}

// verifies: ASSURE-9.2.3-04, ASSURE-9.2.4-03
#[test]
fn missing_and_foreign_sets_look_alike() {
    let Some(world) = World::start() else { return };
    let (maker, stranger) = (world.maker(), world.maker());
    let bytes = parameter_set("mine");
    let set = world.upload_set(&maker, &bytes);
    for (method, body) in [("GET", None), ("PUT", Some(&bytes[..]))] {
        let call = |id: &str| {
            let path = format!("/v1/parametersets/{id}");
            world.call(Api::Maker, &stranger.credentials, method, &path, body).but_date()
        };
        let foreign = call(&set.to_string());
        foreign.is_empty(403);
        assert_eq!(call(&Uuid([7; 16]).to_string()), foreign, "{method}");
        assert_eq!(call("no-uuid"), foreign, "{method}");
    }
    let path = format!("/v1/parametersets/{set}");
    assert_eq!(world.call(Api::Maker, &maker.credentials, "GET", &path, None).body, bytes);
}

// verifies: ASSURE-9.2.2-04, ASSURE-9.2.3-05
#[test]
fn without_storage_there_is_503_and_nothing_is_lost() {
    let Some(world) = World::start() else { return };
    let maker = world.maker();
    let (old, new) = (parameter_set("old"), parameter_set("new"));
    let set = world.upload_set(&maker, &old);
    let path = format!("/v1/parametersets/{set}");
    let call = |method, path: &str, body| world.call(Api::Maker, &maker.credentials, method, path, body);
    let before = world.registration.records();
    world.registration.stop(true);
    call("POST", "/v1/parametersets", Some(&new[..])).is_later();
    call("PUT", &path, Some(&new)).is_later();
    call("GET", &path, None).is_later();
    world.registration.stop(false);
    assert_eq!(world.registration.records(), before);
    assert_eq!(call("GET", &path, None).is(200).body, old);
}

// verifies: ASSURE-9.2.3-06
#[test]
fn three_calls_go_over_one_connection() {
    let Some(world) = World::start() else { return };
    let maker = world.maker();
    let bytes = world.file(&parameter_set("again"));
    let set = world.upload_set(&maker, &parameter_set("first"));
    let url = world.url(Api::Maker, &format!("/v1/parametersets/{set}"));
    let curl = Curl::new(&world.ca(), Some(&maker.credentials)).counting_connections();
    let curl = curl.method("PUT").body(&bytes).url(&url).url(&url).url(&url);
    let (replies, said) = curl.start().finish().unwrap();
    assert_eq!(replies.iter().map(|reply| reply.status).collect::<Vec<_>>(), [201; 3]);
    assert_eq!(said.lines().collect::<Vec<_>>(), ["connects=1", "connects=0", "connects=0"]);
}

// verifies: ASSURE-9.3.6-01, ASSURE-9.3.6-02, ASSURE-9.3.6-03, ASSURE-9.3.6-04, ASSURE-15.1-03
#[test]
fn the_owner_reads_the_set_of_its_device_as_it_was_uploaded() {
    let Some(world) = World::start() else { return };
    let maker = world.maker();
    let device = world.device_of(&maker, Kind::Ec);
    let (owner, other) = (world.owner(), world.owner());
    world.claim(&owner, &device).is(204);
    let read = world.about(&owner, "GET", &device, "/parameterset", None);
    assert_eq!(read.is(200).body, parameter_set("demo"));
    let by_maker = format!("/v1/parametersets/{}", device.set);
    assert_eq!(world.call(Api::Maker, &maker.credentials, "GET", &by_maker, None).body, read.body);
    let foreign = world.about(&other, "GET", &device, "/parameterset", None).but_date();
    foreign.is_empty(403);
    let path = format!("/v1/devices/{}/parameterset", Uuid([7; 16]));
    assert_eq!(world.call(Api::Owner, &owner.credentials, "GET", &path, None).but_date(), foreign);
    let path = device.path("/parameterset");
    world.try_call(Api::Owner, None, "GET", &path, None).unwrap().is_empty(401);
    let new = parameter_set("replaced");
    world.call(Api::Maker, &maker.credentials, "PUT", &by_maker, Some(&new)).is(201);
    assert_eq!(world.about(&owner, "GET", &device, "/parameterset", None).body, new, "the current one");
    world.registration.stop(true);
    world.about(&owner, "GET", &device, "/parameterset", None).is_later();
    world.registration.stop(false);
}
