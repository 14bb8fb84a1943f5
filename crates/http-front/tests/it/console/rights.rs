//! Who may make which call: every call, every duty.

use accounts::Permission;
use http_front::console::operations::{Need, OPERATIONS, Operation};
use serde_json::{Value, json};

use super::people::{Person, call, code, page, root, sent};
use crate::management::house::House;
use crate::world::World;

const UNKNOWN: &str = "8f2c41d0-0000-4000-8000-0000000077aa";

fn path(operation: &Operation) -> String {
    let path = operation.path.replace("{uuid}", UNKNOWN).replace("{name}", "nobody");
    let path = path.replace("{number}", "1");
    // Things are known by UUIDs, risks by words: neither is there.
    let id = if path.starts_with("/things") { UNKNOWN } else { "no-such-risk" };
    path.replace("{id}", id)
}

fn body(operation: &Operation) -> Value {
    if operation.method == "GET" { Value::Null } else { json!({}) }
}

// verifies: SECDEV-6.2.4-e, SECDEV-6.2.6-d
#[test]
fn every_call_without_a_login_is_refused() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let signed_out = Person { cookie: format!("__Host-thingstead={}", "0".repeat(64)), token: String::new() };
    for operation in OPERATIONS.iter().filter(|operation| operation.need != Need::Nothing) {
        let (method, path, body) = (operation.method, path(operation), body(operation));
        let replies = [call(&house, method, &path, &body), signed_out.call(&house, method, &path, &body)];
        for reply in replies {
            assert_eq!((reply.status, code(&reply)), (401, "signed-out".into()), "{}", operation.id);
            assert_eq!(reply.header("www-authenticate"), None, "a browser would ask for a password");
        }
        let program = sent(&house, house.curl(None, method), &path, &body);
        assert_eq!(program.status, 401, "{}", operation.id);
    }
}

// verifies: SECDEV-6.2.4-d
#[test]
fn each_duty_may_do_what_it_names_and_nothing_else() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    use Permission::{Claim, Operate, ReadAudit, SeeDevices, SeeOwnership, SignedIn};
    let people: [(&[&str], &[Permission]); 4] = [
        (&[], &[SignedIn]),
        (&["owner"], &[SignedIn, SeeDevices, SeeOwnership, Claim, Operate]),
        (&["installer"], &[SignedIn, SeeDevices, Claim]),
        (&["auditor"], &[SignedIn, SeeDevices, ReadAudit]),
    ];
    let harmless = |operation: &&Operation| !matches!(operation.id, "logout" | "stream");
    for (at, (duties, permissions)) in people.into_iter().enumerate() {
        let person = root.user(&house, &format!("user{at}"), duties);
        for operation in OPERATIONS.iter().filter(harmless) {
            let (Need::Permission(needed) | Need::PermissionOrPassphrase(needed)) = operation.need else {
                continue;
            };
            let reply = person.call(&house, operation.method, &path(operation), &body(operation));
            let refused = reply.status == 403 && code(&reply) == "not-permitted";
            assert_eq!(
                refused,
                !permissions.contains(&needed),
                "{} with {duties:?}: {reply:?}",
                operation.id
            );
            assert_ne!(reply.status, 401, "{} with {duties:?}", operation.id);
        }
    }
    for operation in OPERATIONS.iter().filter(harmless) {
        let reply = root.call(&house, operation.method, &path(operation), &body(operation));
        assert!(reply.status != 401 && reply.status != 500, "{}: {reply:?}", operation.id);
        assert!(reply.status != 403 || code(&reply) != "not-permitted", "{}", operation.id);
    }
}

#[test]
fn a_change_of_duties_holds_in_open_sessions_at_once() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    let ann = root.user(&house, "ann", &["auditor"]);
    ann.get(&house, "/v1/audit").is(200);
    let none = json!({ "role": "user", "duties": [] });
    root.call(&house, "PUT", "/v1/accounts/ann/duties", &none).is_empty(204);
    assert_eq!(code(&ann.get(&house, "/v1/audit")), "not-permitted");
}

#[test]
fn a_path_or_method_that_is_no_call_opens_nothing() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    for (method, path) in [("GET", "/v1/nothing"), ("GET", "/v2/devices"), ("PUT", "/v1/devices")] {
        let reply = root.call(&house, method, path, &Value::Null);
        assert!(matches!(reply.status, 404 | 405), "{method} {path}: {reply:?}");
    }
    page(&house, "GET").url(&house.url("/v1/timestamp")).run().unwrap()[0].is(200);
}
