//! What is said comes back as it was.

use clock::Timestamp;
use model::Uuid;
use osap_proto::Serial;
use osap_things::{
    Child, DesiredValue, DownMessage, Failure, Node, Place, Resource, UpMessage, decode_down, decode_up,
    encode_down, encode_up,
};
use serde_json::{Value, json};

fn serial(text: &str) -> Serial {
    Serial::new(text.as_bytes()).unwrap()
}

fn place() -> Place {
    Place::new(Resource::new("3-Video").unwrap(), "Motion", "seen").unwrap()
}

fn values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(-7),
        json!(1.5),
        json!("a\u{e9}\n\""),
        json!([]),
        json!({}),
        json!({ "Value": 1 }),
        json!({ "data": 1 }),
        json!({ "data": 1, "more": 2 }),
        json!({ "basic": 1 }),
        json!({ "code": 3, "a": [1, { "b": null }] }),
    ]
}

fn returns_up(message: &UpMessage) {
    let (topic, body) = encode_up(message, &serial("HUB-1")).unwrap();
    assert_eq!(decode_up(&topic, &body).as_ref(), Ok(message), "{topic} {}", String::from_utf8_lossy(&body));
}

fn returns_down(message: &DownMessage) {
    let (topic, body) = encode_down(message, &serial("HUB-1")).unwrap();
    assert_eq!(
        decode_down(&topic, &body).as_ref(),
        Ok(message),
        "{topic} {}",
        String::from_utf8_lossy(&body)
    );
}

// verifies: OSAP-2.1.3-02, OSAP-2.1.3-03, OSAP-2.1.5-01
#[test]
fn every_value_returns_in_every_message() {
    for node in [Node::Device, Node::child(serial("C1")).unwrap()] {
        for value in values() {
            let (node, place) = (node.clone(), place());
            let (id, at) = (Uuid::v4([9; 16]), Timestamp::from_unix_millis(1_795_307_861_042));
            for result in [Ok(value.clone()), Err(Failure { code: 5, message: "jammed".into() })] {
                returns_up(&UpMessage::Operated {
                    node: node.clone(),
                    place: place.clone(),
                    result: result.clone(),
                });
                returns_up(&UpMessage::Answered {
                    node: node.clone(),
                    place: place.clone(),
                    result: result.clone(),
                });
                returns_up(&UpMessage::WasSet {
                    node: node.clone(),
                    place: place.clone(),
                    result: result.clone().map(|_| ()),
                });
                returns_down(&DownMessage::CallAnswered { node: node.clone(), place: place.clone(), result });
            }
            let data = value.clone();
            for dropped in [0, 7] {
                let (node, place, data) = (node.clone(), place.clone(), data.clone());
                returns_up(&UpMessage::Event { node, place, id, at, data, dropped });
            }
            let (n, p, v) = (node.clone(), place.clone(), value.clone());
            returns_up(&UpMessage::Attribute { node: n, place: p, value: v });
            let (n, p, v) = (node.clone(), place.clone(), value.clone());
            returns_up(&UpMessage::Call { node: n, place: p, input: v });
            let (n, p, v) = (node.clone(), place.clone(), value.clone());
            returns_down(&DownMessage::Operate { node: n, place: p, input: v });
            let wanted = DesiredValue { area: "A".into(), identifier: "b".into(), value: value.clone() };
            let values = vec![wanted];
            returns_down(&DownMessage::Desired { node: node.clone(), resource: Resource::global(), values });
            returns_down(&DownMessage::Set { node, place, value });
        }
    }
}

// verifies: OSAP-2.1.8-02
#[test]
fn a_hub_tells_its_children() {
    let child = |text: &str, is_connected| Child { serial: serial(text), is_connected };
    returns_up(&UpMessage::Children(vec![child("C1", true), child("C2", false)]));
    returns_up(&UpMessage::Children(vec![]));
    let many = (0..65).map(|n| child(&format!("C{n}"), true)).collect();
    assert!(encode_up(&UpMessage::Children(many), &serial("H")).is_err());
    let topic = "/iot/H/global/0-global/basic/children/report";
    for body in [
        r#"{"children":[{"serial":"C1","connected":true},{"serial":"C1","connected":true}]}"#,
        r#"{"children":[{"serial":"global","connected":true}]}"#,
        r#"{"children":[{"serial":"a/b","connected":true}]}"#,
        r#"{"children":[{"serial":"C1","connected":1}]}"#,
        r#"{"children":[{"serial":"C1"}]}"#,
        r#"{"children":{}}"#,
        r#"{}"#,
    ] {
        assert!(decode_up(topic, body.as_bytes()).is_err(), "{body}");
    }
    assert_eq!(Node::child(serial("global")), None);
}

// verifies: OSAP-2.1.4-01
#[test]
fn an_event_without_its_own_name_and_time_is_refused() {
    let topic = "/iot/T1/global/0-global/model/event/report/A/b";
    let good = r#"{"n":1,"basic":{"dateTime":"2026-11-22T16:00:00.000+00:00","UUID":"ffffffff-ffff-4fff-bfff-ffffffffffff"}}"#;
    let Ok(UpMessage::Event { data, at, .. }) = decode_up(topic, good.as_bytes()) else { panic!("an event") };
    assert_eq!((data, at), (json!({ "n": 1 }), Timestamp::from_unix_millis(1_795_363_200_000)));
    for bad in [
        r#"{"n":1}"#,
        r#"{"basic":{}}"#,
        r#"{"basic":{"dateTime":"2026-11-22T16:00:00.000+00:00"}}"#,
        r#"{"basic":{"UUID":"ffffffff-ffff-4fff-bfff-ffffffffffff"}}"#,
        r#"{"basic":{"dateTime":"now","UUID":"ffffffff-ffff-4fff-bfff-ffffffffffff"}}"#,
        r#"{"basic":{"dateTime":"2026-11-22T16:00:00.000+00:00","UUID":"f"}}"#,
        r#"{"basic":{"dateTime":1,"UUID":2}}"#,
        r#"{"basic":{"dateTime":"2026-11-22T16:00:00Z","UUID":"ffffffff-ffff-4fff-bfff-ffffffffffff","Dropped":-1}}"#,
        r#"[]"#,
    ] {
        assert!(decode_up(topic, bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn answers_need_a_code() {
    for (tail, body) in [
        ("attribute/set_reply", "{}"),
        ("attribute/set_reply", r#"{"code":"0"}"#),
        ("attribute/set_reply", r#"{"code":-1,"errorMsg":7}"#),
        ("attribute/query_reply", r#"{"code":0}"#),
        ("attribute/query_reply", r#"{"code":0,"data":5}"#),
        ("attribute/report", r#"{"data":5}"#),
        ("attribute/report", r#"{}"#),
        ("service/operate_reply", "7"),
    ] {
        let topic = format!("/iot/T1/global/0-global/model/{tail}/A/b");
        assert!(decode_up(&topic, body.as_bytes()).is_err(), "{tail} {body}");
    }
    let (_, body) = encode_up(
        &UpMessage::WasSet {
            node: Node::Device,
            place: place(),
            result: Err(Failure { code: 0, message: String::new() }),
        },
        &serial("T1"),
    )
    .unwrap();
    assert_eq!(body, br#"{"code":-1}"#, "a failure never reads as success");
}
