//! Activation, signing in and out, and what is never written down.

use serde_json::{Value, json};

use super::people::{PASSWORD, call, code, link, root, sign_in, signed_in};
use crate::management::house::House;
use crate::world::World;

// verifies: SECDEV-6.2.4-g, SECDEV-6.2.4-h, SECDEV-6.2.4-k
#[test]
fn the_first_administrator_comes_by_a_link_once_and_with_a_password_that_the_server_takes() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let token = link(&house);
    let activate = |token: &str, name: &str, password: &str| {
        let body = json!({ "token": token, "account": name, "password": password });
        call(&house, "POST", "/v1/activation", &body)
    };
    for password in ["abcdef1", "abcdefgh", "12345678", &["a1"; 65].concat()] {
        assert_eq!(code(activate(&token, "root", password).is(422)), "password-too-simple");
    }
    assert_eq!(code(activate(&token, "no name", PASSWORD).is(422)), "name-refused");
    for wrong in ["", "00", &"0".repeat(64), "x"] {
        assert_eq!(code(activate(wrong, "root", PASSWORD).is(410)), "activation-ended");
    }
    for body in [json!({}), json!([]), json!({ "token": token, "account": "root", "password": 1 })] {
        assert_eq!(code(call(&house, "POST", "/v1/activation", &body).is(400)), "request-unreadable");
    }
    let person = signed_in(activate(&token, "root", PASSWORD).is(201));
    let me = House::json(person.get(&house, "/v1/session").is(200));
    assert_eq!((&me["account"], &me["role"]), (&"root".into(), &"administrator".into()));
    assert_eq!(me["token"], person.token);
    assert_eq!(code(activate(&token, "other", PASSWORD).is(410)), "activation-ended");
}

// verifies: SECDEV-6.2.4-l, SECDEV-6.2.4-m
#[test]
fn wrong_names_and_wrong_passwords_get_the_same_bytes_until_both_must_wait() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    root.user(&house, "ann", &[]);
    let without_request = |reply: &crate::curl::Reply| {
        let mut problem = House::json(reply);
        problem["request"] = Value::Null;
        (reply.status, problem)
    };
    for _ in 0..5 {
        let (known, unknown) = (sign_in(&house, "ann", "wrong"), sign_in(&house, "nobody", "wrong"));
        assert_eq!(code(&known), "sign-in-failed");
        assert_eq!(without_request(&known), without_request(&unknown));
        assert_eq!(House::json(&known)["title"], "Name or password wrong.");
    }
    for (name, password) in [("ann", PASSWORD), ("nobody", "wrong")] {
        let locked = sign_in(&house, name, password);
        assert_eq!(code(locked.is(429)), "too-many-tries");
        let wait: u64 = locked.header("retry-after").unwrap().parse().unwrap();
        assert!((29 * 60..=30 * 60).contains(&wait), "{wait}");
    }
    let own = json!({});
    root.call(&house, "DELETE", "/v1/accounts/ann/lock", &own).is_empty(204);
    sign_in(&house, "ann", PASSWORD).is(200);
}

// verifies: SECDEV-6.4.4-a, SECDEV-6.2.4-c
#[test]
fn signing_out_and_the_end_of_an_account_end_its_sessions_at_once() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    let ann = root.user(&house, "ann", &["owner"]);
    let again = signed_in(sign_in(&house, "ann", PASSWORD).is(200));
    let out = ann.call(&house, "DELETE", "/v1/session", &Value::Null);
    assert!(out.is_empty(204).header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(code(ann.get(&house, "/v1/session").is(401)), "signed-out");
    again.get(&house, "/v1/devices").is(200);
    let listed = House::json(root.get(&house, "/v1/accounts/ann/sessions").is(200));
    assert_eq!(listed["sessions"][0]["address"], "127.0.0.1");
    root.call(&house, "DELETE", "/v1/accounts/ann", &Value::Null).is_empty(204);
    assert_eq!(code(again.get(&house, "/v1/devices").is(401)), "signed-out");
    let last = root.call(&house, "DELETE", "/v1/accounts/root", &Value::Null);
    assert_eq!(code(last.is(409)), "last-administrator");
}

// verifies: SECDEV-6.2.4-j, SECDEV-6.2.3-e
#[test]
fn passwords_tokens_and_links_stand_in_no_log_record_error_or_entry() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let token = link(&house);
    let body = json!({ "token": token, "account": "root", "password": PASSWORD });
    let root = signed_in(call(&house, "POST", "/v1/activation", &body).is(201));
    let mut said = call(&house, "POST", "/v1/activation", &body).body;
    said.extend(sign_in(&house, PASSWORD, PASSWORD).body);
    said.extend(sign_in(&house, "root", "Another-wr0ng-word").body);
    let broken = format!("{{\"account\":\"root\",\"password\":\"{PASSWORD}\"");
    let curl = super::people::page(&house, "POST").body(&world.file(broken.as_bytes()));
    said.extend(curl.url(&house.url("/v1/session")).run().unwrap().remove(0).body);
    let new = json!({ "old": PASSWORD, "new": "A-new-passw0rd" });
    root.call(&house, "PUT", "/v1/session/password", &new).is_empty(204);
    said.extend(root.get(&house, "/v1/audit").body);
    said.extend(root.get(&house, "/v1/accounts").body);
    let cookie = root.cookie.split_once('=').unwrap().1;
    let said = String::from_utf8(said).unwrap();
    for secret in [PASSWORD, "A-new-passw0rd", "Another-wr0ng-word", &token, cookie, &root.token] {
        assert!(!world.log.contains(secret), "the log holds it");
        assert!(!house.table.holds(secret.as_bytes()), "the store holds it");
        assert!(!said.contains(secret), "an answer holds it");
    }
    for secret in [&token[..], cookie] {
        assert!(!house.table.holds(&model::bytes_from_hex(secret).unwrap()), "the store holds it");
    }
    assert!(house.table.holds(b"$argon2id$"), "what is stored is a hash");
}

#[test]
fn a_new_password_needs_the_old_one_and_ends_the_other_sessions() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    let other = signed_in(sign_in(&house, "root", PASSWORD).is(200));
    let change = |old: &str, new: &str| {
        root.call(&house, "PUT", "/v1/session/password", &json!({ "old": old, "new": new }))
    };
    assert_eq!(code(change("wrong", "A-new-passw0rd").is(403)), "password-wrong");
    assert_eq!(code(change(PASSWORD, "short").is(422)), "password-too-simple");
    other.get(&house, "/v1/session").is(200);
    change(PASSWORD, "A-new-passw0rd").is_empty(204);
    other.get(&house, "/v1/session").is(401);
    root.get(&house, "/v1/session").is(200);
    assert_eq!(code(sign_in(&house, "root", PASSWORD).is(401)), "sign-in-failed");
    sign_in(&house, "root", "A-new-passw0rd").is(200);
}

// verifies: SECDEV-6.2.6-a2, SECDEV-6.2.6-b
#[test]
fn what_people_do_with_devices_stands_in_the_log_under_their_names() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    let owner = root.user(&house, "olga", &["owner"]);
    let device = world.device(crate::parties::Kind::Secret);
    house.claim(&device);
    let path = device.path("/release");
    owner.call(&house, "POST", &path, &Value::Null).is_empty(204);
    let log = House::json(root.get(&house, "/v1/audit").is(200));
    let entries = log["entries"].as_array().unwrap();
    let by = |operation: &str| entries.iter().rfind(|entry| entry["operation"] == operation).unwrap();
    assert_eq!(by("owner.claim")["actor"], "operator");
    assert_eq!(by("owner.release")["actor"], "olga");
    assert_eq!(by("owner.release")["address"], "127.0.0.1");
    assert_eq!(by("account.add")["actor"], "root");
}
