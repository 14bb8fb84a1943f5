//! From where calls are taken.

use serde_json::{Value, json};

use super::people::{PASSWORD, call, code, page, root, sent};
use crate::management::house::House;
use crate::world::World;

#[test]
fn calls_that_another_sites_page_makes_are_refused() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    let cookie = format!("Cookie: {}", root.cookie);
    let own = format!("Origin: https://{}", house.address);
    for foreign in [
        "Origin: https://evil.example",
        "Origin: null",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ] {
        for method in ["GET", "PUT"] {
            let curl = house.curl(None, method).header(&cookie).header(foreign);
            let reply = sent(&house, curl, "/v1/settings", &Value::Null);
            assert_eq!(code(reply.is(403)), "cross-site", "{foreign}");
        }
        let operator = house.curl(Some(&world.operator), "GET").header(foreign);
        assert_eq!(code(sent(&house, operator, "/v1/devices", &Value::Null).is(403)), "cross-site");
        let curl = house.curl(None, "POST").header(foreign);
        let body = json!({ "account": "root", "password": PASSWORD });
        assert_eq!(code(sent(&house, curl, "/v1/session", &body).is(403)), "cross-site");
    }
    let curl = page(&house, "GET").header(&cookie).header(&own);
    sent(&house, curl, "/v1/settings", &Value::Null).is(200);
}

#[test]
fn a_change_needs_the_sessions_header_token() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    let other = root.user(&house, "ann", &[]);
    for token in ["", "0", &other.token, &root.cookie] {
        let curl = page(&house, "DELETE").header(&format!("Cookie: {}", root.cookie));
        let curl = curl.header(&format!("x-thingstead-token: {token}"));
        assert_eq!(code(sent(&house, curl, "/v1/accounts/ann", &Value::Null).is(403)), "token-missing");
    }
    let curl = page(&house, "DELETE").header(&format!("Cookie: {}", root.cookie));
    assert_eq!(code(sent(&house, curl, "/v1/accounts/ann", &Value::Null).is(403)), "token-missing");
    other.get(&house, "/v1/session").is(200);
}

// verifies: SECDEV-6.4.4-c
#[test]
fn an_address_off_the_list_is_refused() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    let mut settings = House::json(root.get(&house, "/v1/settings").is(200));
    settings["allowed_addresses"] = json!(["192.0.2.0/24"]);
    assert_eq!(code(root.call(&house, "PUT", "/v1/settings", &settings).is(422)), "setting-refused");
    settings["allowed_addresses"] = json!(["127.0.0.1/32", "192.0.2.0/24"]);
    root.call(&house, "PUT", "/v1/settings", &settings).is_empty(204);
    root.get(&house, "/v1/settings").is(200);
    let elsewhere = || page(&house, "GET").from("127.0.0.2").header(&format!("Cookie: {}", root.cookie));
    for path in ["/v1/settings", "/v1/timestamp", "/ui/"] {
        assert_eq!(code(sent(&house, elsewhere(), path, &Value::Null).is(403)), "address-refused", "{path}");
    }
    settings["allowed_addresses"] = json!([]);
    root.call(&house, "PUT", "/v1/settings", &settings).is_empty(204);
    sent(&house, elsewhere(), "/v1/settings", &Value::Null).is(200);
}

// verifies: SECDEV-6.2.6-a1, SECDEV-6.2.6-a5
#[test]
fn settings_out_of_bounds_change_nothing() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    let before = House::json(root.get(&house, "/v1/settings").is(200));
    for (name, value) in [
        ("idle_minutes", json!(0)),
        ("idle_minutes", json!(61)),
        ("lock_failures", json!(2)),
        ("lock_minutes", json!(4)),
        ("audit_limit_entries", json!(99)),
        ("allowed_addresses", json!(["300.0.0.0/8"])),
    ] {
        let mut settings = before.clone();
        settings[name] = value;
        assert_eq!(
            code(root.call(&house, "PUT", "/v1/settings", &settings).is(422)),
            "setting-refused",
            "{name}"
        );
    }
    for malformed in [json!({}), json!({ "idle_minutes": 5 }), json!(1)] {
        assert_eq!(code(root.call(&house, "PUT", "/v1/settings", &malformed).is(400)), "request-unreadable");
    }
    assert_eq!(House::json(&root.get(&house, "/v1/settings")), before);
    let mut settings = before;
    settings["audit_on"] = json!(false);
    root.call(&house, "PUT", "/v1/settings", &settings).is_empty(204);
    let log = House::json(root.get(&house, "/v1/audit").is(200));
    let off = log["entries"].as_array().unwrap().iter().find(|entry| entry["operation"] == "audit.off");
    assert_eq!(off.unwrap()["actor"], "root");
}

#[test]
fn files_come_with_the_strict_policy_and_the_root_leads_to_them() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = call(&house, "GET", "/", &Value::Null);
    assert_eq!((root.status, root.header("location")), (302, Some("/ui/")));
    for path in ["/ui/", "/ui/devices", "/ui/devices/8f2c41d0/timeline"] {
        let reply = call(&house, "GET", path, &Value::Null);
        assert!(matches!(reply.status, 200 | 404), "404 where the console is not built in");
        assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
        let policy = reply.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("require-trusted-types-for 'script'")
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
    }
    let missing = call(&house, "GET", "/ui/assets/nothing.js", &Value::Null);
    assert_eq!((missing.status, missing.body.len()), (404, 0));
    let climbing = call(&house, "GET", "/ui/../v1/devices", &Value::Null);
    assert_eq!(
        climbing.header("content-type"),
        Some("text/html; charset=utf-8"),
        "no call is reached from here"
    );
}

/// A session of a new administrator that was last used so long ago, as its store would hold it.
fn session_of(house: &House<'_>, name: &str, minutes_ago: u64) -> String {
    use accounts::{Activate, Asked, OfferActivation, PasswordHash, TokenHash};
    use sha2::Digest as _;
    let now = house.executor.now();
    let utc = now.utc.unwrap().as_unix_millis() - minutes_ago * 60_000;
    let now = clock::Now { utc: Some(clock::Timestamp::from_unix_millis(utc)), ..now };
    let asked = || Asked {
        role: "management",
        by: "operator".into(),
        address: Some([127, 0, 0, 1].into()),
        correlation: house.executor.correlation(),
    };
    let cookie: [u8; 32] = house.executor.bytes();
    let session = TokenHash(sha2::Sha256::digest([&b"thingstead token\0"[..], &cookie].concat()).into());
    let token = TokenHash(house.executor.bytes());
    let offer = OfferActivation { token, beside_others: true, asked: asked() };
    store::run(&*house.table, &offer, now).unwrap().reply.unwrap();
    let activate = Activate {
        token,
        name: accounts::AccountName::from_typed(name).unwrap(),
        hash: PasswordHash::new("$argon2id$none".into()),
        session,
        asked: asked(),
    };
    store::run(&*house.table, &activate, now).unwrap().reply.unwrap().unwrap();
    format!("__Host-thingstead={}", model::hex(&cookie))
}

// verifies: SECDEV-6.4.4-b
#[test]
fn a_session_without_activity_ends_after_the_time_that_an_administrator_set() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let who = |cookie: &str, more: &str| {
        let curl = page(&house, "GET").header(&format!("Cookie: {cookie}")).header(more);
        sent(&house, curl, "/v1/session", &Value::Null)
    };
    let (fresh, old) = (session_of(&house, "fresh", 13), session_of(&house, "old", 16));
    let background = "x-thingstead-background: 1";
    let ends = |reply: &crate::curl::Reply| House::json(reply.is(200))["ends_unix_millis"].as_u64().unwrap();
    assert_eq!(code(who(&old, "x-a: b").is(401)), "signed-out");
    let before = ends(&who(&fresh, background));
    assert_eq!(ends(&who(&fresh, background)), before, "what a page asks by itself is no activity");
    assert!(ends(&who(&fresh, "x-a: b")) > before);
    // A minute, and whoever rested for two is out; whoever was here just now is not.
    let rested = session_of(&house, "rested", 2);
    assert_eq!(who(&rested, background).is(200).status, 200);
    let mut settings = House::json(&house.call("GET", "/v1/settings", None));
    settings["idle_minutes"] = 1.into();
    house.call("PUT", "/v1/settings", Some(&settings.to_string())).is_empty(204);
    assert_eq!(code(who(&rested, background).is(401)), "signed-out");
    who(&fresh, background).is(200);
    let log = World::audit(&house.table);
    assert_eq!(log.iter().filter(|(op, end)| op == "logout" && end == "idle").count(), 2, "{log:?}");
}

// verifies: SECDEV-6.2.6-c
#[test]
fn a_full_log_goes_round_or_stops_and_warns_as_it_was_set() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let mut settings = House::json(&house.call("GET", "/v1/settings", None));
    let risks = || {
        let risks = House::json(&house.call("GET", "/v1/risks", None))["risks"].clone();
        let of_log = |risk: &&Value| risk["code"].as_str().unwrap().starts_with("audit-");
        risks
            .as_array()
            .unwrap()
            .iter()
            .find(of_log)
            .map(|risk| (risk["code"].clone(), risk["level"].clone()))
    };
    let mut set = |name: &str, value: Value| {
        settings[name] = value;
        house.call("PUT", "/v1/settings", Some(&settings.to_string())).is_empty(204);
    };
    let kept = || House::json(&house.call("GET", "/v1/audit?before=", None))["kept"].as_u64().unwrap();
    set("audit_limit_entries", 100.into());
    assert_eq!(risks(), None);
    while kept() < 80 {
        set("idle_minutes", 14.into());
    }
    assert_eq!(risks(), Some(("audit-filling".into(), "soon".into())), "at 80 of 100");
    set("audit_mode", "stop-warn".into());
    while kept() < 100 {
        set("idle_minutes", 13.into());
    }
    assert_eq!(risks(), Some(("audit-full".into(), "act".into())));
    let before = World::audit(&house.table);
    set("idle_minutes", 12.into());
    assert_eq!(World::audit(&house.table), before, "it is done, and not recorded");
    assert_eq!(House::json(&house.call("GET", "/v1/settings", None))["idle_minutes"], 12);
    // Round again: the newest are kept, the oldest go.
    set("audit_mode", "ring".into());
    for _ in 0..3 {
        set("idle_minutes", 11.into());
    }
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while World::audit(&house.table).len() != 100 || kept() != 100 {
        assert!(std::time::Instant::now() < deadline, "the oldest entries stay: {}", kept());
    }
    assert_eq!(risks(), Some(("audit-filling".into(), "soon".into())));
    assert_ne!(World::audit(&house.table)[0], before[0], "the first has gone");
}
