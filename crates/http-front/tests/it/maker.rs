//! The manufacturer API (9.2) on the maker gateway.

use crate::authority::Authority;
use crate::curl::Curl;
use crate::gap;
use crate::parties::{Device, Kind, parameter_set};
use crate::world::{Api, World};
use assure_proto::{GapContent, RejectReason};
use authority::identity::Submitted;
use model::Uuid;

// verifies: ASSURE-9.2.1-01, ASSURE-9.2.1-14, ASSURE-9.2.1-15, ASSURE-9.2.1-16, ASSURE-9.1-02, ASSURE-14.1-04a
#[test]
fn a_device_is_uploaded_once() {
    let Some(world) = World::start() else { return };
    let maker = world.maker();
    let set = world.upload_set(&maker, &parameter_set("demo"));
    let device = Device::new(Kind::Secret, set);
    world.upload(&maker, &device).is_empty(201);
    world.upload(&maker, &device).is_empty(403);
    assert_eq!(world.carry_gap(), [Submitted::Issued], "one file, from the upload that stands");
    let before = world.registration.records();
    world.upload(&maker, &device).is_empty(403);
    let changed = |records: Vec<(store::Key, store::Record)>| {
        let devices = records.into_iter().filter(|(key, _)| key.name == device.uuid.0);
        devices.map(|(_, record)| record.value).collect::<Vec<_>>()
    };
    assert_eq!(changed(world.registration.records()), changed(before), "the stored record is byte-equal");
    assert_eq!(world.carry_gap(), [], "no call goes on to the identity server");
}

// verifies: TS-M11, ASSURE-9.2.1-16
#[test]
fn ts_m11_a_record_of_an_unknown_station_is_rejected_and_its_uuid_is_free_again() {
    let Some(world) = World::start() else { return };
    let maker = world.maker();
    let device = Device::new(Kind::Ec, Uuid([9; 16]));
    world.upload(&world.unlisted_station(&maker), &device).is(201);
    assert_eq!(world.carry_gap(), [Submitted::Rejected(RejectReason::UnknownStation)]);
    world.upload(&maker, &device).is(201);
    assert_eq!(world.carry_gap(), [Submitted::Issued]);
}

// verifies: ASSURE-9.2.1-18, ASSURE-9.2.3-06
#[test]
fn ten_devices_go_over_one_connection() {
    let Some(world) = World::start() else { return };
    let maker = world.maker();
    let mut curl = Curl::new(&world.ca(), Some(&maker.credentials));
    let mut devices = Vec::new();
    for number in 0..10 {
        let device = Device::new(Kind::Secret, Uuid([9; 16]));
        if number > 0 {
            curl = curl.next(&world.ca(), &maker.credentials);
        }
        let blob = world.file(&maker.blob(&device));
        curl = curl.method("PUT").body(&blob).url(&world.url(Api::Maker, &device.path("")));
        devices.push(device);
    }
    let (replies, said) = curl.counting_connections().start().finish().unwrap();
    assert_eq!(replies.iter().map(|reply| reply.status).collect::<Vec<_>>(), [201; 10]);
    assert_eq!(said.trim(), "connects=0", "the last one connected no more");
    assert_eq!(world.carry_gap(), [Submitted::Issued; 10]);
}

// verifies: ASSURE-9.2.1-13, ASSURE-14.1-06
#[test]
fn the_blob_goes_on_as_it_came_and_the_gateway_knows_nothing_of_it() {
    let Some(world) = World::start() else { return };
    let maker = world.maker();
    let device = Device::new(Kind::Secret, Uuid([9; 16]));
    let noise = [0x5a; 300];
    let reply = world.call(Api::Maker, &maker.credentials, "PUT", &device.path(""), Some(&noise));
    reply.is_empty(201);
    let upload = world.gap.lock().unwrap()[0].clone();
    let authority = Authority::of_this_run();
    let partners = gap::ran(&world.identity, &authority::identity::ReadPartners).unwrap();
    let from = partners.registration.unwrap();
    let (_, content) = from.open(&*authority.provider, &authority.identity.gap, &upload.bytes).unwrap();
    let submitted = GapContent::Submit { maker: maker.id, device: device.uuid, blob: noise.to_vec() };
    assert_eq!(content, submitted, "maker, device and blob, byte for byte");
    assert_eq!(world.carry_gap(), [Submitted::Rejected(RejectReason::NotOpened)]);
}

// verifies: ASSURE-9.2.1-02, ASSURE-9.2.1-07, ASSURE-9.1-02
#[test]
fn a_record_of_another_form_is_rejected_behind_the_gap() {
    let Some(world) = World::start() else { return };
    let maker = world.maker();
    let device = Device::new(Kind::Secret, Uuid([9; 16]));
    let good = String::from_utf8(device.record().to_json().expose().to_vec()).unwrap();
    let other_id = good.replace(&device.uuid.to_string(), &Uuid([8; 16]).to_string());
    let both_keys = good.replace("\"shared_secret\"", "\"public_key\":\"x\",\"shared_secret\"");
    let no_key = good.replace("\"shared_secret\"", "\"further\"");
    let further = good.replace("\"bootstrap_server\"", "\"further\":1,\"bootstrap_server\"");
    for (json, reason) in [
        (other_id, RejectReason::OtherDevice),
        (both_keys, RejectReason::Malformed),
        (no_key, RejectReason::Malformed),
        (further, RejectReason::Malformed),
    ] {
        let blob = maker.blob_of(device.uuid, json.as_bytes());
        world.call(Api::Maker, &maker.credentials, "PUT", &device.path(""), Some(&blob)).is_empty(201);
        assert_eq!(world.carry_gap(), [Submitted::Rejected(reason)], "{json}");
    }
    world.upload(&maker, &device).is_empty(201);
    assert_eq!(world.carry_gap(), [Submitted::Issued], "the UUID was free all the time");
}

#[test]
fn what_cannot_be_an_upload_is_refused_before_anything_is_stored() {
    let Some(world) = World::start() else { return };
    let maker = world.maker();
    let before = world.registration.records().len();
    let put = |path: &str, body: &[u8]| world.call(Api::Maker, &maker.credentials, "PUT", path, Some(body));
    let device = Device::new(Kind::Secret, Uuid([9; 16]));
    put("/v1/devices/no-uuid", b"x").is_empty(400);
    put(&device.path(""), b"").is_empty(400);
    put(&device.path(""), &[1; 17 * 1024 + 1]).is_empty(400);
    put(&device.path(""), &[1; 65_537]).is_empty(413);
    assert_eq!(world.registration.records().len(), before);
    put(&device.path(""), &[1; 17 * 1024]).is_empty(201);
}

// verifies: ASSURE-9.2.1-17, ASSURE-14.1-04c, ASSURE-14.1-04d
#[test]
fn an_upload_that_fails_anywhere_is_503_and_leaves_the_uuid_free() {
    let Some(world) = World::start() else { return };
    let maker = world.maker();
    let device = Device::new(Kind::Ec, Uuid([9; 16]));
    world.registration.stop(true);
    world.upload(&maker, &device).is_later();
    world.registration.stop(false);
    world.to_bootstrap.shut(true);
    world.upload(&maker, &device).is_later();
    world.to_bootstrap.shut(false);
    world.bootstrap.stop(true);
    world.upload(&maker, &device).is_later();
    world.bootstrap.stop(false);
    assert!(!world.registration.records().iter().any(|(key, _)| key.name == device.uuid.0), "rolled back");
    assert_eq!(world.carry_gap(), [], "no file without both entries");
    world.upload(&maker, &device).is_empty(201);
    assert_eq!(world.carry_gap(), [Submitted::Issued]);
}

// verifies: ASSURE-14.1-04d
#[test]
fn while_the_gap_takes_no_file_there_is_no_201_and_the_device_is_not_lost() {
    let Some(world) = World::start() else { return };
    let maker = world.maker();
    let (first, second) = (Device::new(Kind::Ec, Uuid([9; 16])), Device::new(Kind::Ec, Uuid([9; 16])));
    world.gap_is_full.store(true, std::sync::atomic::Ordering::SeqCst);
    world.upload(&maker, &first).is_later();
    world.gap_is_full.store(false, std::sync::atomic::Ordering::SeqCst);
    world.upload(&maker, &second).is_empty(201);
    assert_eq!(world.carry_gap(), [Submitted::Issued; 2], "the first file went with the second");
    world.claim(&world.owner(), &first).is_empty(204);
    world.upload(&maker, &first).is_empty(403);
}
