//! What recorded devices of type 1 said.

use model::Uuid;
use osap_proto::Serial;
use osap_things::{
    Failure, Node, Place, Resource, UpMessage, decode_up_compat, encode_up_compat, is_compat_topic,
};
use serde_json::{Value, json};

const RECORDED: &str = include_str!("../../../../conformance/vectors/osap/transcript.json");

fn serial() -> Serial {
    Serial::new(b"T12345678").unwrap()
}

fn place(area: &str, identifier: &str) -> Place {
    Place::new(Resource::global(), area, identifier).unwrap()
}

fn published() -> Vec<(String, String)> {
    let file: Value = serde_json::from_str(RECORDED).unwrap();
    let of_devices = |one: &&Value| one["message"] == "publish" && one["from"] == "device";
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = file["vectors"].as_array().unwrap().iter().filter(of_devices);
    all.map(|one| (text(&one["fields"]["topic"]), text(&one["fields"]["application"]))).collect()
}

// verifies: OSAP-2.1.2-01, OSAP-2.1.2-02, OSAP-2.1.3-03, OSAP-6-16
#[test]
fn everything_that_recorded_devices_published_is_read_or_is_no_part_of_the_model() {
    let (mut attributes, mut answers, mut asks, mut others) = (Vec::new(), 0, 0, 0);
    for (topic, body) in published() {
        assert!(is_compat_topic(&serial(), &topic), "{topic}");
        match decode_up_compat(&topic, body.as_bytes()).unwrap_or_else(|why| panic!("{topic}: {why:?}")) {
            Some(said @ UpMessage::Attribute { .. }) => attributes.push((said, topic, body)),
            Some(UpMessage::WasSet { .. } | UpMessage::Operated { .. }) => answers += 1,
            Some(UpMessage::AskDesired { .. }) => asks += 1,
            Some(other) => panic!("{topic}: {other:?}"),
            None => others += 1,
        }
    }
    let value = |identifier| UpMessage::Attribute {
        node: Node::Device,
        place: place("LightCtrl", identifier),
        value: json!(100),
    };
    let said: Vec<_> = attributes.iter().map(|(said, ..)| said.clone()).collect();
    assert_eq!(said, [value("Brightness"), value("ColorTemperature")]);
    assert_eq!((answers, asks >= 6, others >= 15), (3, true, true));
    for (said, topic, body) in attributes {
        let (made_topic, made) = encode_up_compat(&said, &serial(), 1).unwrap();
        let (made, body): (Value, Value) =
            (serde_json::from_slice(&made).unwrap(), serde_json::from_str(&body).unwrap());
        assert_eq!((made_topic, made), (topic, body));
    }
}

#[test]
fn topics_of_others_and_what_is_no_command_are_nobodys() {
    let foreign = [
        "/iot/T12345679/global/0-global/model/event/report/Lock/opened",
        "/iot/T1234567/x",
        "/T12345678/1100/1",
        "/1100",
        "/1100/",
        "/1100/1/2",
        "/1100/x",
        "//1",
        "1100/1",
        "/12345678901/1",
        "/Basic/pu2cenplt/T12345678/firstconnect",
    ];
    for topic in foreign {
        assert!(!is_compat_topic(&serial(), topic), "{topic}");
    }
    for topic in ["/1100/13381", "/7002/1", "/iot/T12345678/global/0-global/ota/inform/report"] {
        assert!(is_compat_topic(&serial(), topic), "{topic}");
        assert_eq!(decode_up_compat(topic, b"no json at all"), Ok(None), "{topic}");
    }
}

// verifies: OSAP-2.1.4-01
#[test]
fn events_and_answers_in_the_forms_that_only_old_devices_write_are_read() {
    let topic = "/iot/T12345678/global/0-global/model/event/report/Lock/opened";
    let with_id = |id: &str| {
        let body = json!({ "by": 7, "basic": { "dateTime": "2026-11-22T16:09:29.123+00:00", "UUID": id } });
        decode_up_compat(topic, body.to_string().as_bytes())
    };
    let uuid = "0fE40d2c-64f5-4c1a-8a3e-1d2b3c4d5e6f";
    for text in [uuid.to_owned(), uuid.replace('-', "")] {
        let Ok(Some(UpMessage::Event { id, data, .. })) = with_id(&text) else { panic!("an event: {text}") };
        assert_eq!((id, data), (uuid.parse::<Uuid>().unwrap(), json!({ "by": 7 })));
    }
    for text in ["", "0fE40d2c", &uuid.replace('0', "g")] {
        assert!(with_id(text).is_err(), "{text}");
    }
    let topic = "/iot/T12345678/global/0-global/model/service/operate_reply/Lock/open";
    let failed = |code| Ok(Err(Failure { code, message: String::new() }));
    for (code, expected) in
        [("0", Ok(Ok(Value::Null))), ("0x0010", failed(16)), ("-3", failed(-3)), ("x", Err(()))]
    {
        let said = decode_up_compat(topic, json!({ "code": code }).to_string().as_bytes());
        let result = match said {
            Ok(Some(UpMessage::Operated { result, .. })) => Ok(result),
            Ok(other) => panic!("{other:?}"),
            Err(_) => Err(()),
        };
        assert_eq!(result, expected, "{code}");
    }
}

#[test]
fn shadow_reports_that_are_none_are_refused() {
    let topic = "/iot/T12345678/global/0-global/basic/shadow/report";
    let good =
        json!({ "state": { "reported": { "domain": "Lock", "identifier": "isLocked", "value": true } } });
    assert!(matches!(
        decode_up_compat(topic, good.to_string().as_bytes()),
        Ok(Some(UpMessage::Attribute { node: Node::Device, .. }))
    ));
    for member in ["domain", "identifier", "value"] {
        let mut bad = good.clone();
        bad["state"]["reported"].as_object_mut().unwrap().remove(member);
        assert!(decode_up_compat(topic, bad.to_string().as_bytes()).is_err(), "without {member}");
    }
    let mut bad = good.clone();
    bad["state"]["reported"]["domain"] = json!("a/b");
    for bad in [bad, json!({}), json!({ "state": {} }), json!([])] {
        assert!(decode_up_compat(topic, bad.to_string().as_bytes()).is_err(), "{bad}");
    }
    let twice = br#"{"state":{"reported":{"domain":"a","domain":"b","identifier":"c","value":1}}}"#;
    assert!(decode_up_compat(topic, twice).is_err(), "a member twice");
}
