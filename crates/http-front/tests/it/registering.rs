//! Management systems register, renew and link RSA keys (9.3.1).

use std::sync::atomic::Ordering;

use crate::authority::Authority;
use crate::parties::{Kind, P256, csr, key};
use crate::world::{Api, World};
use certificate::{CERTIFICATE_REQUEST, CertificateIdentity, Leaf, identity_of, pem_from_der};
use crypto::{Curve, KeyKind};
use model::bytes_from_hex;

/// A request for an Ed25519 key, as OpenSSL writes it.
const ED25519: &str = "\
    30818e3042020100300f310d300b06035504030c0474657374302a300506032b65700321006927fab079dd2a5a3bb0e6\
    5c12525988881bbe80fb79c2f2e076d5e4c3d99bf9a000300506032b657003410000d0d19944772ad5c0b75ff3ef1279\
    bae5aa2807704f0c00ff4cdded22719bc04201d6ed852f2cbc48dc585a5e183f3116035762fdaebc97c4b55b438becf1\
    0f";

fn class_2_of(certificate: &[u8]) -> (String, model::KeyId) {
    match identity_of(certificate).unwrap() {
        CertificateIdentity::Management { id, class_2_key } => (id.to_string(), class_2_key),
        other => panic!("not a management system: {other:?}"),
    }
}

// verifies: ASSURE-9.3.1-01, ASSURE-9.3.1-04, ASSURE-9.3.1-05, ASSURE-9.3.1-09, ASSURE-14.2-03, TS-L7
#[test]
fn a_stranger_gets_a_certificate_for_its_key_and_the_serial_is_its_id() {
    let Some(world) = World::start() else { return };
    let own = key(P256);
    let reply = world.register(&csr(&*own));
    let leaf = Leaf::from_der(&reply.is(201).body).unwrap();
    assert_eq!(&leaf.public_key().unwrap(), own.public());
    let (id, class_2) = class_2_of(&reply.body);
    assert_eq!(id, model::hex(leaf.serial()).trim_start_matches('0'));
    assert_eq!(reply.header("location"), Some(&*format!("/v1/managementsystems/{id}")));
    let uri = format!("urn:uuid:{class_2}");
    assert!(reply.body.windows(uri.len()).any(|part| part == uri.as_bytes()), "it names its class 2 key");
    let again = world.register(&csr(&*own));
    assert_ne!(class_2_of(&again.is(201).body).0, id, "each registration is a new id");
    let credentials = world.credentials(&reply.body, &*own);
    let takes = format!("/v1/managementsystems/{id}/takes");
    world.call(Api::Owner, &credentials, "PUT", &takes, Some(b"all")).is_empty(204);
}

// verifies: ASSURE-9.3.1-03, TS-M8
#[test]
fn ts_m8_only_requests_for_p256_keys_are_taken() {
    let Some(world) = World::start() else { return };
    let good = csr(&*key(P256));
    let before = world.registration.records();
    let mut broken = good.clone();
    *broken.last_mut().unwrap() ^= 1;
    let bad = [
        csr(&*key(KeyKind::Ec(Curve::P384))),
        csr(&*key(KeyKind::Ec(Curve::P521))),
        csr(&*Authority::of_this_run().rsa[1]),
        bytes_from_hex(ED25519).unwrap(),
        pem_from_der(CERTIFICATE_REQUEST, &good).unwrap().into_bytes(),
        good[..good.len() - 1].to_vec(),
        [&good[..], &[0]].concat(),
        broken,
        Vec::new(),
    ];
    for request in bad {
        world.register(&request).is_empty(400);
    }
    assert_eq!(world.registration.records(), before, "nothing is stored");
    world.register(&good).is(201);
}

// verifies: ASSURE-9.3.1-06
#[test]
fn without_ca_or_store_there_is_503_and_no_id() {
    let Some(world) = World::start() else { return };
    let request = csr(&*key(P256));
    let before = world.registration.records();
    world.owner_ca.stopped.store(true, Ordering::SeqCst);
    world.register(&request).is_later();
    world.owner_ca.stopped.store(false, Ordering::SeqCst);
    world.registration.stop(true);
    world.register(&request).is_later();
    world.registration.stop(false);
    assert_eq!(world.registration.records(), before);
    world.register(&request).is(201);
}

#[test]
fn one_source_registers_sixty_times_an_hour() {
    let Some(world) = World::start() else { return };
    for attempt in 0..60 {
        assert_eq!(world.register(b"no request").status, 400, "{attempt}");
    }
    let wait = world.register(&csr(&*key(P256))).is_later();
    assert!((1..=3600).contains(&wait), "{wait}");
}

// verifies: ASSURE-9.3.1-12, ASSURE-9.3.1-09, TS-M7, TS-L7
#[test]
fn ts_m7_a_renewed_certificate_acts_for_the_same_owner() {
    let Some(world) = World::start() else { return };
    let device = world.device(Kind::Ec);
    let (owner, other) = (world.owner(), world.owner());
    world.claim(&owner, &device).is(204);
    let path = format!("/v1/managementsystems/{}/certificate", owner.id);
    let new = key(P256);
    let put = |who, body: &[u8]| world.call(Api::Owner, who, "PUT", &path, Some(body));
    put(&other.credentials, &csr(&*new)).is_empty(403);
    put(&owner.credentials, &csr(&*key(KeyKind::Ec(Curve::P384)))).is_empty(400);
    put(&owner.credentials, b"no request").is_empty(400);
    let reply = put(&owner.credentials, &csr(&*new));
    assert_eq!(class_2_of(&reply.is(201).body), (owner.id.to_string(), owner.class_2));
    let renewed = world.credentials(&reply.body, &*new);
    let read = |who| world.call(Api::Owner, who, "GET", &device.path("/configuration"), None);
    read(&renewed).is(200);
    read(&owner.credentials).is(200);
    let query = device.path(&format!("/owner?mgmtid={}", owner.id));
    world.call(Api::Owner, &renewed, "PUT", &query, None).is_empty(204);
    assert_eq!(world.owner_of(&device), (2, Some(owner.id.clone())), "it re-keyed as the same owner");
    world.registration.stop(true);
    put(&owner.credentials, &csr(&*new)).is_later();
    world.registration.stop(false);
}

// verifies: ASSURE-9.3.1-11, TS-M6, ASSURE-15.2-08
#[test]
fn ts_m6_an_rsa_device_waits_for_the_one_rsa_key_of_its_owner() {
    let Some(world) = World::start() else { return };
    let device = world.device(Kind::Rsa);
    let (owner, other) = (world.owner(), world.owner());
    world.claim(&owner, &device).is_empty(204);
    world.about(&owner, "GET", &device, "/configuration", None).is_later();
    let path = format!("/v1/managementsystems/{}/rsa", owner.id);
    let put = |who, body: &[u8]| world.call(Api::Owner, who, "PUT", &path, Some(body));
    let rsa = &Authority::of_this_run().rsa;
    let (first, second) = (csr(&*rsa[1]), csr(&*rsa[2]));
    put(&owner.credentials, &csr(&*owner.key)).is_empty(400);
    put(&owner.credentials, b"no request").is_empty(400);
    put(&other.credentials, &first).is_empty(403);
    world.about(&owner, "GET", &device, "/configuration", None).is_later();
    put(&owner.credentials, &first).is_empty(204);
    put(&owner.credentials, &first).is_empty(204);
    put(&owner.credentials, &second).is_empty(403);
    world.about(&owner, "GET", &device, "/configuration", None).is(200);
    world.registration.stop(true);
    put(&owner.credentials, &first).is_later();
    world.registration.stop(false);
}

// verifies: ASSURE-9.3.1-11
#[test]
fn an_rsa_key_under_2048_bits_is_not_linked() {
    let Some(world) = World::start() else { return };
    let owner = world.owner();
    let path = format!("/v1/managementsystems/{}/rsa", owner.id);
    let before = world.registration.records();
    let small = bytes_from_hex(RSA_1024).unwrap();
    world.call(Api::Owner, &owner.credentials, "PUT", &path, Some(&small)).is_empty(400);
    assert_eq!(world.registration.records(), before);
}

/// A request for an RSA key of 1,024 bits, as OpenSSL writes it.
const RSA_1024: &str = "\
    3082014e3081b8020100300f310d300b06035504030c047465737430819f300d06092a864886f70d010101050003818d\
    0030818902818100f53595fbd1812e31b034dd60fbe31f9715acd87486c0d891d7cab8d28ca0133dc70201a3d4cd8b2d\
    45e7f7d52cc9e42f6ed3620882ecb0d58bbe3991e5c0c4907d10f9b1af10ae0c51a4224a42c27f0a8a7059efcf31a618\
    6e956c940591f16832303c4d97565dc75e3ee8551ed70669640c9a27699f83d2de0d1cf7be2c2c410203010001a00030\
    0d06092a864886f70d01010b050003818100b4898acafcbc0e6e09bbc316576527725eac78da7dfaf280ce6732361daa\
    b1e8b4a2179c3ee50640887f0712061326470e31a339a4e82e519652a14e4dcd32468de2120e41fd28e42d9596049005\
    b0fe909997c81083501c74c07136a7728caa0fd01b0c0a2c379f6dfd226b5a4b4cdabcff6ef205151d5708824f6aaa93\
    8aec";
