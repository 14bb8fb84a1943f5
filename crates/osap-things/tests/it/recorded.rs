//! Topics and bodies as devices in the field and a platform exchanged them.

use osap_proto::Serial;
use osap_things::{
    DownMessage, Module, Node, Place, Resource, ThingTopic, UpMessage, decode_down, decode_up, encode_down,
    encode_up,
};
use serde_json::{Value, json};

fn serial() -> Serial {
    Serial::new(b"T12345678").unwrap()
}

fn place(area: &str, identifier: &str) -> Place {
    Place::new(Resource::global(), area, identifier).unwrap()
}

// verifies: OSAP-2.1.2-02
#[test]
fn set_of_an_attribute_as_recorded() {
    let topic = "/iot/T12345678/global/0-global/model/attribute/set/PowerMgr/PowerSwitch";
    let body = br#"{"data":{"Value":true}}"#;
    let set = DownMessage::Set {
        node: Node::Device,
        place: place("PowerMgr", "PowerSwitch"),
        value: Value::Bool(true),
    };
    assert_eq!(decode_down(topic, body), Ok(set.clone()));
    assert_eq!(encode_down(&set, &serial()), Ok((topic.into(), body.to_vec())));

    let topic = "/iot/T12345678/global/0-global/model/attribute/set_reply/PowerMgr/PowerSwitch";
    let done =
        UpMessage::WasSet { node: Node::Device, place: place("PowerMgr", "PowerSwitch"), result: Ok(()) };
    assert_eq!(decode_up(topic, br#"{"code":0}"#), Ok(done.clone()));
    assert_eq!(encode_up(&done, &serial()), Ok((topic.into(), br#"{"code":0}"#.to_vec())));
    let Ok(UpMessage::WasSet { result: Err(failure), .. }) = decode_up(topic, br#"{"code":-1}"#) else {
        panic!("a refusal")
    };
    assert_eq!((failure.code, failure.message.as_str()), (-1, ""));
}

// verifies: OSAP-2.1.3-02, OSAP-2.1.3-03
#[test]
fn operation_as_recorded() {
    let topic = "/iot/T12345678/global/0-global/model/service/operate/LightCtrl/GetCountdown";
    let call = DownMessage::Operate {
        node: Node::Device,
        place: place("LightCtrl", "GetCountdown"),
        input: json!({ "a": 1 }),
    };
    assert_eq!(decode_down(topic, br#"{"data":{"a":1}}"#), Ok(call.clone()));
    assert_eq!(encode_down(&call, &serial()), Ok((topic.into(), br#"{"data":{"a":1}}"#.to_vec())));

    let topic = "/iot/T12345678/global/0-global/model/service/operate_reply/LightCtrl/GetCountdown";
    for (body, output) in
        [(r#"{"code":0}"#, Value::Null), (r#"{"code":0,"data":{"left":9}}"#, json!({ "left": 9 }))]
    {
        let done = UpMessage::Operated {
            node: Node::Device,
            place: place("LightCtrl", "GetCountdown"),
            result: Ok(output),
        };
        assert_eq!(decode_up(topic, body.as_bytes()), Ok(done.clone()));
        assert_eq!(encode_up(&done, &serial()), Ok((topic.into(), body.as_bytes().to_vec())));
    }
}

// verifies: OSAP-2.1.2-01
#[test]
fn query_of_an_attribute_as_recorded() {
    let topic = "/iot/T12345678/global/0-global/model/attribute/query/PowerMgr/PowerSwitch";
    let query = DownMessage::Query { node: Node::Device, place: place("PowerMgr", "PowerSwitch") };
    assert_eq!(decode_down(topic, b"{}"), Ok(query.clone()));
    assert_eq!(encode_down(&query, &serial()), Ok((topic.into(), b"{}".to_vec())));
}

#[test]
fn desired_values_as_recorded() {
    let topic = "/iot/T12345678/global/0-global/basic/shadow/query";
    let asked = decode_up(topic, br#"{"method":"query","windowsize":16256}"#);
    assert_eq!(asked, Ok(UpMessage::AskDesired { node: Node::Device, resource: Resource::global() }));

    let topic = "/iot/T12345678/global/0-global/basic/shadow/query_reply";
    let body =
        br#"{"code":0,"state":{"desired":[{"domain":"PowerMgr","identifier":"PowerSwitch","value":true}]}}"#;
    let Ok(DownMessage::Desired { values, .. }) = decode_down(topic, body) else { panic!("desired values") };
    assert_eq!(values.len(), 1);
    assert_eq!((values[0].area.as_str(), values[0].identifier.as_str()), ("PowerMgr", "PowerSwitch"));
    assert_eq!(values[0].value, Value::Bool(true));
    assert!(
        decode_down(
            topic,
            br#"{"code":0,"state":{"desired":[{"domain":"a/b","identifier":"c","value":1}]}}"#
        )
        .is_err()
    );
    assert!(
        decode_down(topic, br#"{"code":0,"state":{"desired":[{"domain":"a","identifier":"c"}]}}"#).is_err()
    );
}

#[test]
fn topics_of_other_modules_are_read_but_say_nothing_about_things() {
    let topic = "/iot/T12345678/global/0-global/ota/progress/report";
    let parsed = ThingTopic::parse(topic).unwrap();
    assert_eq!((parsed.module, parsed.place), (Module::Other("ota"), None));
    assert_eq!(parsed.print(), topic);
    assert!(decode_up(topic, b"{}").is_err());
    assert!(decode_down(topic, b"{}").is_err());
    let greeting = "/iot/T12345678/global/0-global/basic/session/greeting";
    assert_eq!(ThingTopic::parse(greeting).unwrap().message, "greeting");
    assert!(decode_down(greeting, b"{}").is_err());
}

#[test]
fn each_direction_takes_only_its_own() {
    let set = "/iot/T12345678/global/0-global/model/attribute/set/A/b";
    assert!(decode_up(set, br#"{"data":{"Value":true}}"#).is_err());
    let report = "/iot/T12345678/global/0-global/model/attribute/report/A/b";
    assert!(decode_up(report, br#"{"data":{"Value":true}}"#).is_ok());
    assert!(decode_down(report, br#"{"data":{"Value":true}}"#).is_err());
}
