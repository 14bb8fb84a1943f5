//! A client that acts for the owner: the owner to the rules, itself in the audit log.

use coap_proto::Code;
use hub::{Command, Names, Party};
use mqtt_proto::{Property, QoS};
use serde_json::{Value, json};

use crate::callers::{Callers, get, post, put};
use crate::house::{House, How, LOCK, SENSOR, message, obedient, topic};

const Q1: QoS = QoS::AtLeastOnce;
/// As [`House`] and [`Callers`] let it in.
const REMOTE: &str = "remote";

async fn furnished() -> House {
    let house = House::new().await;
    house.report("battery", json!(64)).await;
    obedient(&house.desk, house.desk.attach(LOCK), |order| match &order.what {
        hub::What::Call { .. } => Ok(Some(json!("unlocked"))),
        hub::What::Set { .. } | hub::What::Query { .. } => Ok(None),
    });
    house
}

/// The log has this by the client, and nothing of things by the owner since.
fn assert_written(house: &House, before: &std::collections::BTreeSet<String>) {
    let new: Vec<String> = house.audit().difference(before).cloned().collect();
    assert!(new.iter().any(|line| line == "things.call client:remote unlock"), "{new:?}");
    assert!(new.iter().any(|line| line.starts_with("things.write client:remote ")), "{new:?}");
    assert!(new.iter().all(|line| !line.contains(" owner ")), "{new:?}");
}

#[tokio::test]
async fn over_mqtt_it_uses_every_thing_without_a_grant_and_an_ordinary_client_none() {
    let mut house = furnished().await;
    let before = house.audit();
    let remote = house.connect(REMOTE, &How::default()).await;
    let panel = house.connect("panel", &How::default()).await;
    for who in [remote, panel] {
        assert_eq!(house.subscribe(who, "home/answers", Q1).await, "0x01");
    }
    let asked = [Property::ResponseTopic("home/answers")];
    for (rest, payload, expected) in [
        ("properties/battery/get", "", json!({"outcome": "done", "value": 64})),
        ("properties/mode/set", "\"away\"", json!({"outcome": "done"})),
        ("actions/unlock/call", "{\"seconds\":3}", json!({"outcome": "done", "value": "unlocked"})),
    ] {
        house.send(remote, message(&topic(LOCK, rest), payload, &asked));
        assert_eq!(house.next_told(remote).await, "0x00", "{rest}");
        let answer = house.next_came(remote).await;
        assert_eq!(serde_json::from_str::<Value>(&answer.payload).unwrap(), expected, "{rest}");
        house.send(panel, message(&topic(LOCK, rest), payload, &asked));
        assert_eq!(house.next_told(panel).await, "0x87", "{rest}");
    }
    assert_eq!(house.subscribe(remote, &topic(LOCK, "#"), Q1).await, "0x01");
    assert_eq!(house.subscribe(panel, &topic(LOCK, "#"), Q1).await, "0x87");
    house.raise("opened by force").await;
    house
        .until("it hears the event", |house| {
            house.guests[&remote].came.iter().any(|came| came.payload == "\"opened by force\"")
        })
        .await;
    assert_written(&house, &before);
    // The owner of a thing does not speak for it.
    let report = message(&topic(SENSOR, "properties/battery"), "1", &[]);
    house.send(remote, report);
    assert_eq!(house.next_told(remote).await, "0x87");
    assert_eq!(house.known(SENSOR, "battery").await, None);
    house.settle().await;
    let heard = &house.guests[&panel].came;
    assert_eq!(heard.len(), 3, "answers to what it asked itself: {heard:?}");
    assert!(heard.iter().all(|came| came.payload.contains("\"refused\"")), "{heard:?}");
}

#[tokio::test]
async fn over_coap_it_uses_every_thing_without_a_grant_and_an_ordinary_client_none() {
    let house = furnished().await;
    let before = house.audit();
    let mut callers = Callers::before(&house.desk, house.clock);
    let (remote, panel) = (callers.connect(REMOTE).await, callers.connect("panel").await);
    let path = |rest: &str| format!("/things/{LOCK}{rest}");
    let battery = path("/properties/battery");
    for (request, code, value) in [
        (get(&battery), Code::CONTENT, json!(64)),
        (put(&path("/properties/mode"), "\"away\""), Code::CHANGED, json!(null)),
        (post(&path("/actions/unlock"), "{\"seconds\":2}"), Code::CONTENT, json!("unlocked")),
    ] {
        let (said, answer) = callers.ask(remote, request.clone()).await;
        assert_eq!(said, code);
        assert!(value.is_null() || answer == value, "{answer}");
        let (said, answer) = callers.ask(panel, request).await;
        assert_eq!((said, &answer["code"]), (Code::NOT_FOUND, &json!("not-here")));
    }
    assert_eq!(callers.observe(remote, &battery).await.payload, b"64");
    house.report("battery", json!(63)).await;
    assert_eq!(callers.next_notified(remote).await.payload, b"63");
    let links = callers.response(remote, get("/.well-known/core")).await;
    let links = String::from_utf8(links.payload).unwrap();
    assert!(links.contains(&LOCK.to_string()) && links.contains(&SENSOR.to_string()), "{links}");
    assert!(callers.response(panel, get("/.well-known/core")).await.payload.is_empty());
    assert_written(&house, &before);
}

#[tokio::test]
async fn what_was_granted_to_its_name_is_another_matter() {
    let mut house = furnished().await;
    // A grant to the party of its name gives it nothing more, and the end of that grant takes nothing.
    let grant = house.grant_on(LOCK, REMOTE, &[hub::Act::Read], &["battery"]).await;
    let remote = house.connect(REMOTE, &How::default()).await;
    assert_eq!(house.subscribe(remote, &topic(LOCK, "properties/mode"), Q1).await, "0x01");
    house.revoke(grant).await;
    assert_eq!(house.subscribe(remote, &topic(LOCK, "properties/battery"), Q1).await, "0x01");
    assert_eq!(house.next_came(remote).await.payload, "64");
    // A client is nobody who grants: there is no topic for it.
    let party = Party::Client("panel".into());
    let acts = [hub::Act::Read].into_iter().collect();
    let grant = Command::Grant { party, thing: LOCK, acts, names: Names::All, from: None, until: None };
    assert!(house.desk.call(Party::Client(REMOTE.into()), grant).await.is_err(), "under its name alone");
}
