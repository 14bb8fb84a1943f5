//! Things over CoAP: who is let in, what is answered, and what ends.

use coap_front::things::{ContentFormat, OptionNumber};
use coap_proto::Code;
use hub::Act;
use serde_json::json;

use crate::callers::{Callers, get, key_of, post, put};
use crate::house::{House, LOCK, obedient};

fn path(rest: &str) -> String {
    format!("/things/{LOCK}{rest}")
}

#[tokio::test]
async fn who_holds_the_key_of_its_name_is_let_in_and_a_name_that_is_not_there_looks_like_a_wrong_key() {
    let house = House::new().await;
    let mut callers = Callers::before(&house.desk, house.clock);
    for (name, key, is_right) in [
        ("panel", key_of("panel"), true),
        ("panel", key_of("other"), false),
        ("nobody", key_of("panel"), false),
    ] {
        let port = callers.knock(name, key.unwrap());
        // A wrong key is met with silence, as anything else that cannot be read.
        for _ in 0..10 {
            callers.settle().await;
        }
        assert_eq!(callers.is_connected(port), is_right, "{name}");
    }
    // One that is removed is gone at once.
    let port = callers.connect("panel").await;
    callers.drop_all_of("panel");
    callers.until("it is gone", |callers| callers.is_over(port)).await;
}

#[tokio::test]
async fn values_are_read_written_and_observed_and_actions_called_as_granted() {
    let house = House::new().await;
    house.report("battery", json!(80)).await;
    house.grant("panel", &[Act::Read, Act::Write, Act::Call, Act::Observe], &[]).await;
    obedient(&house.desk, house.desk.attach(LOCK), |order| match &order.what {
        hub::What::Call { .. } => Ok(Some(json!("unlocked"))),
        hub::What::Set { .. } => Ok(None),
        hub::What::Query { .. } => Ok(Some(json!(81))),
    });
    let mut callers = Callers::before(&house.desk, house.clock);
    let panel = callers.connect("panel").await;
    let described = callers.response(panel, get(&path(""))).await;
    assert_eq!((described.code, described.payload.as_slice()), (Code::CONTENT, &b"Front door"[..]));
    assert_eq!(described.options.view().content_format(), Some(ContentFormat::TD_JSON));
    let links = callers.response(panel, get("/.well-known/core")).await;
    let links = String::from_utf8(links.payload).unwrap();
    assert!(links.contains(&format!("<{}>;rt=\"wot.thing\"", path(""))), "{links}");
    assert_eq!(callers.ask(panel, get(&path("/properties/battery"))).await, (Code::CONTENT, json!(80)));
    let fresh = get(&path("/properties/battery")).with_query("fresh=true");
    assert_eq!(callers.ask(panel, fresh).await, (Code::CONTENT, json!(81)));
    assert_eq!(callers.ask(panel, get(&path("/properties"))).await.1, json!({"battery": 81}));
    let write = put(&path("/properties/mode"), "\"away\"");
    assert_eq!(callers.ask(panel, write).await.0, Code::CHANGED);
    let call = post(&path("/actions/unlock"), "{\"seconds\":2}");
    assert_eq!(callers.ask(panel, call).await, (Code::CONTENT, json!("unlocked")));
    let first = callers.observe(panel, &path("/properties/battery")).await;
    assert_eq!((first.code, first.payload.as_slice()), (Code::CONTENT, &b"81"[..]));
    house.report("battery", json!(70)).await;
    assert_eq!(callers.next_notified(panel).await.payload, b"70");
    let none = callers.observe(panel, &path("/events/tamper")).await;
    assert_eq!((none.code, none.payload.len()), (Code::CONTENT, 0), "none has happened");
    house.raise("shaken").await;
    let event = callers.next_notified(panel).await;
    assert_eq!(event.payload, b"\"shaken\"");
    assert_eq!(event.options.view().first(OptionNumber::ETAG), Some(&1u64.to_be_bytes()[..]));
}

#[tokio::test]
async fn a_revoked_grant_ends_an_observation_with_4_03_and_nothing_comes_after() {
    let house = House::new().await;
    house.report("battery", json!(80)).await;
    let grant = house.grant("panel", &[Act::Read, Act::Observe], &["battery"]).await;
    let mut callers = Callers::before(&house.desk, house.clock);
    let panel = callers.connect("panel").await;
    assert_eq!(callers.observe(panel, &path("/properties/battery")).await.code, Code::CONTENT);
    house.revoke(grant).await;
    assert_eq!(callers.next_notified(panel).await.code, Code::FORBIDDEN);
    house.report("battery", json!(3)).await;
    callers.settle().await;
    assert!(callers.is_silent(panel));
    assert!(!callers.is_over(panel), "the association goes on");
    let refused = callers.observe(panel, &path("/properties/battery")).await;
    assert_eq!(refused.code, Code::NOT_FOUND, "nothing is granted any more");
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_granted_have_their_codes() {
    let house = House::new().await;
    house
        .grant("panel", &[Act::Read, Act::Write, Act::Call, Act::Observe], &["battery", "mode", "unlock"])
        .await;
    let mut callers = Callers::before(&house.desk, house.clock);
    let (panel, stranger) = (callers.connect("panel").await, callers.connect("stranger").await);
    for (request, code, word) in [
        (get(&path("/properties/battery")), Code::NOT_FOUND, "never-reported"),
        (get(&path("/properties/secret")), Code::FORBIDDEN, "not-granted"),
        (put(&path("/properties/mode"), "\"elsewhere\""), Code::UNPROCESSABLE_ENTITY, "value-refused"),
        (put(&path("/properties/mode"), "not json"), Code::BAD_REQUEST, "request-unreadable"),
        (put(&path("/properties/battery"), "1"), Code::METHOD_NOT_ALLOWED, "not-so-described"),
        (
            get(&path("/properties/mode")).with_query("fresh=true"),
            Code::SERVICE_UNAVAILABLE,
            "device-offline",
        ),
        (get("/things/1"), Code::NOT_FOUND, "not-here"),
        (get("/other"), Code::NOT_FOUND, "not-here"),
    ] {
        let (said, body) = callers.ask(panel, request).await;
        assert_eq!((said, &body["code"]), (code, &json!(word)));
    }
    for rest in ["", "/properties", "/properties/battery", "/events/tamper"] {
        let (said, body) = callers.ask(stranger, get(&path(rest))).await;
        assert_eq!((said, &body["code"]), (Code::NOT_FOUND, &json!("not-here")), "{rest}");
    }
    let links = callers.response(stranger, get("/.well-known/core")).await;
    assert_eq!((links.code, links.payload.len()), (Code::CONTENT, 0));
    let delete = coap_proto::Request::new(Code::DELETE, &path("/properties/mode"));
    assert_eq!(callers.ask(panel, delete).await.0, Code::METHOD_NOT_ALLOWED);
}
