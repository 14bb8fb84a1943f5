//! The calls between the servers (decision G 31), made by curl with the certificate of either.

use assure_json::{DeviceDataMessage, KeysMessage, MirrorMessage, OwnerMessage};
use assure_proto::{AuthenticatedKey, Class};
use model::{ManagementId, Uuid, hex};
use serde::Serialize;

use crate::authority::Authority;
use crate::curl::Reply;
use crate::parties::{Device, Kind};
use crate::world::{Api, World};

fn by_registration(world: &World, method: &str, path: &str, body: Option<&[u8]>) -> Reply {
    world.call(Api::Bootstrap, &world.registration_peer, method, path, body)
}

fn by_bootstrap(world: &World, method: &str, path: &str, body: Option<&[u8]>) -> Reply {
    world.call(Api::Peers, &world.bootstrap_peer, method, path, body)
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

fn change(operation: u8, seq: u32, owner: Option<&ManagementId>) -> Vec<u8> {
    let owner = owner.map_or("null".into(), |owner| format!("\"{owner}\""));
    format!("{{\"operation\":\"{}\",\"seq\":{seq},\"owner\":{owner}}}", hex(&[operation; 16])).into_bytes()
}

// verifies: ASSURE-14.5-02b
#[test]
fn get_device_owner_names_number_and_owner() {
    let Some(world) = World::start() else { return };
    let (device, owner) = (world.device(Kind::Ec), world.owner());
    let path = device.path("/owner").replace("/v1", "/ta/v1");
    let told = |reply: Reply| serde_json::from_slice::<OwnerMessage>(&reply.is(200).body).unwrap();
    let get = |path: &str| by_bootstrap(&world, "GET", path, None);
    assert_eq!(told(get(&path)), OwnerMessage { seq: 0, owner: None });
    world.claim(&owner, &device).is(204);
    assert_eq!(told(get(&path)), OwnerMessage { seq: 1, owner: Some(owner.id.to_string()) });
    get(&format!("/ta/v1/devices/{}/owner", Uuid([7; 16]))).is_empty(404);
    get("/ta/v1/devices/no-uuid/owner").is_empty(404);
    world.registration.stop(true);
    get(&path).is_later();
    world.registration.stop(false);
}

#[test]
fn class_3_is_signed_for_the_bootstrap_server_alone() {
    let Some(world) = World::start() else { return };
    let own = &Authority::of_this_run().bootstrap;
    let (ec, rsa) = (own.ec.key.public().spki().to_vec(), own.rsa.key.public().spki().to_vec());
    let post = |keys: Vec<Vec<u8>>| {
        by_bootstrap(&world, "POST", "/ta/v1/class3", Some(&json(&KeysMessage { keys })))
    };
    let signed: KeysMessage =
        serde_json::from_slice(&post(vec![ec.clone(), rsa.clone()]).is(200).body).unwrap();
    let signed: Vec<_> = signed.keys.iter().map(|key| AuthenticatedKey::decode(key).unwrap()).collect();
    let spki = |key: &AuthenticatedKey| key.definition().public_key().unwrap().spki().to_vec();
    assert_eq!(signed.iter().map(spki).collect::<Vec<_>>(), [ec.clone(), rsa]);
    assert!(signed.iter().all(|key| key.class() == Class::BootstrapService));
    let p384 = crate::parties::key(crypto::KeyKind::Ec(crypto::Curve::P384)).public().spki().to_vec();
    post(vec![p384]).is_empty(400);
    post(vec![vec![1, 2, 3]]).is_empty(400);
    post(vec![ec.clone(); 5]).is_empty(400);
    by_bootstrap(&world, "POST", "/ta/v1/class3", Some(b"{}")).is_empty(400);
    let body = json(&KeysMessage { keys: vec![ec.clone()] });
    let other = world.call(Api::Peers, &world.registration_peer, "POST", "/ta/v1/class3", Some(&body));
    other.is_empty(403);
    world.registration.stop(true);
    post(vec![ec]).is_later();
    world.registration.stop(false);
}

// verifies: ASSURE-14.1-04b, ASSURE-14.1-04c
#[test]
fn a_device_is_created_and_taken_back_by_the_same_upload() {
    let Some(world) = World::start() else { return };
    let path = format!("/ta/v1/devices/{}", Uuid([7; 16]));
    let message = |operation: u8| format!("{{\"operation\":\"{}\"}}", hex(&[operation; 16]));
    let put = |operation| by_registration(&world, "PUT", &path, Some(message(operation).as_bytes()));
    let delete = |query: &str| by_registration(&world, "DELETE", &format!("{path}{query}"), None);
    put(1).is_empty(201);
    put(1).is_empty(201);
    put(2).is_empty(409);
    delete(&format!("?operation={}", hex(&[2; 16]))).is_empty(204);
    put(2).is_empty(409);
    delete(&format!("?operation={}", hex(&[1; 16]))).is_empty(204);
    put(2).is_empty(201);
    for body in [&b""[..], b"{}", b"{\"operation\":\"00\"}", b"[]"] {
        by_registration(&world, "PUT", &path, Some(body)).is_empty(400);
    }
    delete("").is_empty(400);
    delete("?operation=xy").is_empty(400);
    by_registration(&world, "PUT", "/ta/v1/devices/no-uuid", Some(message(1).as_bytes())).is_empty(404);
    world.bootstrap.stop(true);
    put(3).is_later();
    delete(&format!("?operation={}", hex(&[2; 16]))).is_later();
    world.bootstrap.stop(false);
}

#[test]
fn the_bootstrap_server_hears_nobody_but_the_registration_server() {
    let Some(world) = World::start() else { return };
    let (device, owner) = (world.device(Kind::Ec), world.owner());
    world.claim(&owner, &device).is(204);
    let path = format!("/ta/v1/devices/{}", device.uuid);
    let before = world.bootstrap.records();
    for (method, path) in [
        ("GET", "/ta/v1/devices".to_owned()),
        ("PUT", path.clone()),
        ("DELETE", format!("{path}?operation={}", hex(&[1; 16]))),
        ("PUT", format!("{path}/owner")),
        ("GET", format!("{path}/data?owner={}", owner.id)),
        ("PUT", format!("{path}/bootstrap?owner={}", owner.id)),
        ("GET", format!("{path}/bootstrap?owner={}", owner.id)),
    ] {
        let change = change(9, 9, None);
        let body = (method == "PUT").then_some(&change[..]);
        world.call(Api::Bootstrap, &world.bootstrap_peer, method, &path, body).is_empty(403);
    }
    assert_eq!(world.bootstrap.records(), before);
}

// verifies: TS-H5, ASSURE-14.3-04b
#[test]
fn ts_h5_the_mirror_takes_a_change_once_and_never_goes_back() {
    let Some(world) = World::start() else { return };
    let (device, a, b) = (world.device(Kind::Ec), world.owner(), world.owner());
    world.claim(&a, &device).is(204);
    let path = format!("/ta/v1/devices/{}/owner", device.uuid);
    let put = |body: Vec<u8>| by_registration(&world, "PUT", &path, Some(&body));
    let here = |reply: Reply| serde_json::from_slice::<OwnerMessage>(&reply.is(409).body).unwrap();
    let first = OwnerMessage { seq: 1, owner: Some(a.id.to_string()) };
    assert_eq!(here(put(change(1, 0, None))), first, "lower");
    assert_eq!(here(put(change(2, 1, Some(&b.id)))), first, "another owner at the same number");
    put(change(3, 2, Some(&b.id))).is_empty(204);
    put(change(3, 2, Some(&b.id))).is_empty(204);
    put(change(4, 2, None)).is_empty(204);
    assert_eq!(here(put(change(5, 2, Some(&a.id)))), OwnerMessage { seq: 2, owner: None });
    for body in [&b""[..], b"{}", b"{\"operation\":\"00\",\"seq\":1,\"owner\":null}"] {
        by_registration(&world, "PUT", &path, Some(body)).is_empty(400);
    }
    let bad_owner = format!("{{\"operation\":\"{}\",\"seq\":3,\"owner\":\"?\"}}", hex(&[6; 16]));
    put(bad_owner.into_bytes()).is_empty(400);
    let unknown = format!("/ta/v1/devices/{}/owner", Uuid([7; 16]));
    by_registration(&world, "PUT", &unknown, Some(&change(7, 1, None))).is_empty(404);
    world.bootstrap.stop(true);
    put(change(8, 3, None)).is_later();
    world.bootstrap.stop(false);
}

// verifies: ASSURE-14.5-02c, TS-L5
#[test]
fn data_and_images_are_for_the_owner_of_this_moment() {
    let Some(world) = World::start() else { return };
    let (device, a, b) = (world.device(Kind::Ec), world.owner(), world.owner());
    world.claim(&a, &device).is(204);
    let path = |what: &str, who: &str| format!("/ta/v1/devices/{}/{what}?owner={who}", device.uuid);
    let (own, other) = (a.id.to_string(), b.id.to_string());
    let data = by_registration(&world, "GET", &path("data", &own), None);
    let data: DeviceDataMessage = serde_json::from_slice(&data.is(200).body).unwrap();
    assert_eq!(data.device.id, device.uuid);
    assert_eq!(AuthenticatedKey::decode(&data.bootstrap_key).unwrap().class(), Class::BootstrapService);
    let image = crate::image::for_owner(&world, &a, &device, &[]);
    by_registration(&world, "PUT", &path("bootstrap", &own), Some(&image)).is_empty(204);
    by_registration(&world, "PUT", &path("bootstrap", &own), Some(b"x")).is_empty(400);
    assert_eq!(by_registration(&world, "GET", &path("bootstrap", &own), None).is(200).body, image);
    for who in [&other[..], "", "?", "NULL"] {
        by_registration(&world, "GET", &path("data", who), None).is_empty(403);
        by_registration(&world, "GET", &path("bootstrap", who), None).is_empty(403);
        by_registration(&world, "PUT", &path("bootstrap", who), Some(&image)).is_empty(403);
    }
    // the mirror is ahead of what the registration server says: neither owner gets anything stored
    let ahead = format!("/ta/v1/devices/{}/owner", device.uuid);
    by_registration(&world, "PUT", &ahead, Some(&change(9, 2, Some(&b.id)))).is(204);
    by_registration(&world, "PUT", &path("bootstrap", &own), Some(&image)).is_empty(403);
    by_registration(&world, "PUT", &path("bootstrap", &other), Some(&image)).is_empty(403);
    by_registration(&world, "GET", &path("bootstrap", &own), None).is_empty(403);
}

#[test]
fn the_mirror_is_listed_in_pages() {
    let Some(world) = World::start() else { return };
    let (maker, owner) = (world.maker(), world.owner());
    let mut devices: Vec<Device> = (0..3).map(|_| world.device_of(&maker, Kind::Secret)).collect();
    devices.sort_by_key(|device| device.uuid);
    world.claim(&owner, &devices[1]).is(204);
    let list = |query: &str| {
        let reply = by_registration(&world, "GET", &format!("/ta/v1/devices{query}"), None);
        let listed: Vec<MirrorMessage> = serde_json::from_slice(&reply.is(200).body).unwrap();
        listed.into_iter().map(|one| (one.device, one.owner.seq, one.owner.owner)).collect::<Vec<_>>()
    };
    let all: Vec<_> = devices
        .iter()
        .zip([(0, None), (1, Some(owner.id.to_string())), (0, None)])
        .map(|(device, (seq, owner))| (device.uuid.to_string(), seq, owner))
        .collect();
    assert_eq!(list(""), all);
    assert_eq!(list(&format!("?after={}", devices[0].uuid)), all[1..]);
    assert_eq!(list(&format!("?after={}", devices[2].uuid)), []);
    by_registration(&world, "GET", "/ta/v1/devices?after=x", None).is_empty(400);
    by_registration(&world, "GET", "/ta/v1/devices?x", None).is_empty(400);
}
