//! Which certificate opens which door, and which path stands behind it.

use crate::authority::{Authority, dice, now};
use crate::curl::Credentials;
use crate::parties::{P256, csr, key};
use crate::world::{Api, World};
use certificate::{Issuer, Lifetime, Profile, Serial};
use clock::Timestamp;
use model::{KeyId, Uuid};

/// Every path with the methods that it takes, by API.
const PATHS: &[(Api, &str, &[&str])] = &[
    (Api::Maker, "/v1/devices/{u}", &["PUT"]),
    (Api::Maker, "/v1/parametersets", &["POST"]),
    (Api::Maker, "/v1/parametersets/{u}", &["GET", "PUT"]),
    (Api::Owner, "/v1/managementsystems", &["POST"]),
    (Api::Owner, "/v1/managementsystems/ab/certificate", &["PUT"]),
    (Api::Owner, "/v1/managementsystems/ab/rsa", &["PUT"]),
    (Api::Owner, "/v1/managementsystems/ab/takes", &["PUT"]),
    (Api::Owner, "/v1/managementsystems/ab/expected/{u}", &["PUT", "DELETE"]),
    (Api::Owner, "/v1/devices/{u}/owner", &["PUT"]),
    (Api::Owner, "/v1/devices/{u}/parameterset", &["GET"]),
    (Api::Owner, "/v1/devices/{u}/configuration", &["GET"]),
    (Api::Owner, "/v1/devices/{u}/bootstrap", &["GET", "PUT"]),
    (Api::Peers, "/ta/v1/devices/{u}/owner", &["GET"]),
    (Api::Peers, "/ta/v1/class3", &["POST"]),
    (Api::Platform, "/v1/makers/{u}/certificate", &["PUT"]),
    (Api::Platform, "/v1/audit", &["GET"]),
    (Api::Bootstrap, "/ta/v1/devices", &["GET"]),
    (Api::Bootstrap, "/ta/v1/devices/{u}", &["PUT", "DELETE"]),
    (Api::Bootstrap, "/ta/v1/devices/{u}/owner", &["PUT"]),
    (Api::Bootstrap, "/ta/v1/devices/{u}/data", &["GET"]),
    (Api::Bootstrap, "/ta/v1/devices/{u}/bootstrap", &["GET", "PUT"]),
];

const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "PATCH"];

/// Paths that stand behind more than one door and mean something else behind each.
fn shared(api: Api, path: &str) -> bool {
    PATHS.iter().any(|(place, known, _)| *place == api && *known == path)
}

fn filled(path: &str) -> String {
    path.replace("{u}", &Uuid([7; 16]).to_string())
}

fn all_callers(world: &World) -> Vec<(Api, Credentials)> {
    let (maker, owner) = (world.maker(), world.owner());
    vec![
        (Api::Maker, maker.credentials),
        (Api::Owner, owner.credentials),
        (Api::Peers, world.bootstrap_peer.clone()),
        (Api::Platform, world.operator.clone()),
        (Api::Bootstrap, world.registration_peer.clone()),
    ]
}

// verifies: ASSURE-9.1-01, ASSURE-5.1-03, ASSURE-5.1-06
#[test]
fn each_path_stands_behind_its_own_door_alone() {
    let Some(world) = World::start() else { return };
    let callers = all_callers(&world);
    let addresses: std::collections::BTreeSet<_> = Api::ALL.map(|api| world.address(api)).into();
    assert_eq!(addresses.len(), Api::ALL.len(), "each API has an address of its own");
    for (home, path, methods) in PATHS {
        for (api, who) in callers.iter().filter(|(api, _)| api != home && !shared(*api, path)) {
            let reply = world.call(*api, who, methods[0], &filled(path), None);
            assert_eq!(reply.status, 404, "{path} at {api:?}");
            assert_eq!(reply.body, b"");
        }
    }
}

#[test]
fn other_methods_are_405_and_name_those_that_are_taken() {
    let Some(world) = World::start() else { return };
    for (api, who) in &all_callers(&world) {
        for (_, path, methods) in PATHS.iter().filter(|(home, ..)| home == api) {
            for method in METHODS.iter().filter(|method| !methods.contains(method)) {
                let reply = world.call(*api, who, method, &filled(path), None);
                reply.is_empty(405);
                let allowed = reply.header("allow").expect("405 names the methods").to_owned();
                assert!(methods.iter().all(|method| allowed.contains(method)), "{path}: {allowed}");
            }
        }
    }
}

// verifies: ASSURE-9.2-01, ASSURE-9.3-01, ASSURE-9.3.2-02, ASSURE-9.3.3-05, ASSURE-9.3.4-04, ASSURE-9.3.5-05
// verifies: ASSURE-9.3.6-02, ASSURE-9.3.7-02, ASSURE-9.3.8-04
#[test]
fn without_a_certificate_only_registration_is_heard() {
    let Some(world) = World::start() else { return };
    for (api, path, methods) in PATHS {
        for method in *methods {
            let tried = world.try_call(*api, None, method, &filled(path), None);
            if *api != Api::Owner {
                let said = tried.expect_err("the handshake ends").said;
                assert!(said.contains("certificate required"), "{path}: {said}");
            } else if *path == "/v1/managementsystems" {
                tried.unwrap().is_empty(400);
            } else {
                tried.unwrap().is_empty(401);
            }
        }
    }
}

// verifies: ASSURE-9.2-01, ASSURE-9.3-01
#[test]
fn a_certificate_of_another_kind_is_refused() {
    let Some(world) = World::start() else { return };
    let callers = all_callers(&world);
    for (home, who) in &callers {
        for (api, path, methods) in PATHS.iter().filter(|(api, ..)| api != home) {
            if *path == "/v1/managementsystems" {
                continue;
            }
            let system = |api: Api| matches!(api, Api::Peers | Api::Bootstrap);
            let tried = world.try_call(*api, Some(who), methods[0], &filled(path), None);
            if system(*home) != system(*api) {
                let said = tried.expect_err("another CA").said;
                assert!(said.contains("alert unknown ca"), "{home:?} at {path}: {said}");
            } else if *api == Api::Peers && path.ends_with("/owner") {
                tried.unwrap().is_empty(404); // any server of the authority may ask who owns a device
            } else {
                tried.unwrap().is_empty(403);
            }
        }
    }
}

// verifies: ASSURE-9.2-01, ASSURE-9.3-01, ASSURE-9.3.1-12
#[test]
fn a_certificate_that_another_ca_made_ends_the_handshake_everywhere() {
    let Some(world) = World::start() else { return };
    let provider = &*Authority::of_this_run().provider;
    let lifetime = Lifetime { from: now(), until: None };
    // the same name as the real CA, another key
    let ca = Issuer::self_signed_ca(provider, key(P256), "owners", lifetime, &mut dice()).unwrap();
    let own = key(P256);
    let until = Timestamp::from_unix_millis(now().as_unix_millis() + 1_000_000);
    for profile in [
        Profile::Management { class_2_key: KeyId([1; 16]), renewal_of: Some("ab".parse().unwrap()) },
        Profile::Maker { maker: Uuid([1; 16]), until },
        Profile::Operator { until },
    ] {
        let serial = Serial::random(&mut dice());
        let leaf = ca.issue(provider, own.public(), serial, &profile, now(), &mut dice()).unwrap();
        let forged = world.credentials(&leaf, &*own);
        for (api, path, methods) in PATHS {
            let tried = world.try_call(*api, Some(&forged), methods[0], &filled(path), None);
            assert!(tried.is_err(), "{profile:?} at {path}: {tried:?}");
        }
    }
}

// verifies: ASSURE-9.2-02
#[test]
fn the_operator_certifies_makers_and_nobody_else_does() {
    let Some(world) = World::start() else { return };
    let (maker, owner) = (world.maker(), world.owner());
    let path = format!("/v1/makers/{}/certificate", maker.id);
    let request = csr(&*key(P256));
    for who in [&maker.credentials, &owner.credentials] {
        world.call(Api::Platform, who, "PUT", &path, Some(&request)).is_empty(403);
        world.call(Api::Platform, who, "GET", "/v1/audit", None).is_empty(403);
    }
    let put = |path: &str, body: &[u8]| world.call(Api::Platform, &world.operator, "PUT", path, Some(body));
    put("/v1/makers/no-uuid/certificate", &request).is_empty(400);
    put(&path, b"no request").is_empty(400);
    world.owner_ca.stopped.store(true, std::sync::atomic::Ordering::SeqCst);
    put(&path, &request).is_later();
    world.owner_ca.stopped.store(false, std::sync::atomic::Ordering::SeqCst);
    put(&path, &request).is(201);
}
