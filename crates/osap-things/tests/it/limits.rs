//! What is too long, too deep or not a topic is refused, and says where.

use osap_proto::Serial;
use osap_things::{
    BODY_SIZE_MAX, DEPTH_MAX, Node, Place, Resource, TOPIC_SIZE_MAX, ThingTopic, UpMessage, encode_up,
    read_json,
};
use serde_json::{Value, json};
use wire::{DecodeError, Reason};

#[test]
fn topics_that_are_none_are_refused_where_they_go_wrong() {
    for (topic, offset, reason) in [
        ("", 0, Reason::WrongKind),
        ("/T1/1100/1", 0, Reason::WrongKind),
        ("/iot/", 5, Reason::OutOfRange),
        ("/iot/T1", 7, Reason::Truncated),
        ("/iot/T1/global/0-global/model/attribute/report/A", 48, Reason::Truncated),
        ("/iot/T1/global/0-global/model/attribute/report/A/b/c", 50, Reason::Trailing),
        ("/iot/T1/global/0-global/basic/shadow/query/x", 42, Reason::Trailing),
        ("/iot/T1//0-global/basic/shadow/query", 8, Reason::OutOfRange),
        ("/iot/+/global/0-global/basic/shadow/query", 5, Reason::OutOfRange),
        ("/iot/T1/global/0-global/model/attribute/report/#/b", 47, Reason::OutOfRange),
        ("/iot/T1/global/0-global/model/attribute/report/A/b\u{e9}", 49, Reason::OutOfRange),
        ("/iot/T1/global/global/basic/shadow/query", 15, Reason::OutOfRange),
        ("/iot/T1/global/-x/basic/shadow/query", 15, Reason::OutOfRange),
        ("/iot/T1/global/0-global/modelmodelmodel12/a/b", 24, Reason::OverLimit),
    ] {
        assert_eq!(ThingTopic::parse(topic), Err(DecodeError::new(offset, reason)), "{topic}");
    }
    let long = format!("/iot/{}/global/0-global/basic/shadow/query", "s".repeat(480));
    assert_eq!(ThingTopic::parse(&long).map_err(|error| error.reason), Err(Reason::OverLimit));
}

#[test]
fn the_longest_names_fit_into_a_topic() {
    let serial = Serial::new(&[b's'; 71]).unwrap();
    let node = Node::child(Serial::new(&[b'c'; 71]).unwrap()).unwrap();
    let resource = Resource::new(&format!("0-{}", "r".repeat(62))).unwrap();
    let place = Place::new(resource, &"a".repeat(128), &"i".repeat(128)).unwrap();
    let (topic, body) =
        encode_up(&UpMessage::Answered { node, place, result: Ok(json!(1)) }, &serial).unwrap();
    assert!(topic.len() <= TOPIC_SIZE_MAX, "{}", topic.len());
    assert!(osap_things::decode_up(&topic, &body).is_ok());

    assert!(Place::new(Resource::global(), &"a".repeat(129), "i").is_err());
    assert!(Place::new(Resource::global(), "", "i").is_err());
    assert!(Place::new(Resource::global(), "a", "i i").is_err());
    for name in ["", "-", "0-", "-g", "0", "0-a/b", &format!("0-{}", "r".repeat(63))] {
        assert!(Resource::new(name).is_err(), "{name}");
    }
}

#[test]
fn json_is_bounded_in_size_and_depth() {
    let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    assert!(read_json(&nested(usize::from(DEPTH_MAX))).is_ok());
    let error = read_json(&nested(usize::from(DEPTH_MAX) + 1)).unwrap_err();
    assert_eq!(error, DecodeError::new(32, Reason::OverLimit));
    let error = read_json(&vec![b'['; BODY_SIZE_MAX]).unwrap_err();
    assert_eq!(error.reason, Reason::OverLimit);
    assert!(read_json(br#""[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"[[[[""#).is_ok(), "text has no depth");

    let text = |size: usize| [b"\"".to_vec(), vec![b'a'; size - 2], b"\"".to_vec()].concat();
    assert!(read_json(&text(BODY_SIZE_MAX)).is_ok());
    let error = read_json(&text(BODY_SIZE_MAX + 1)).unwrap_err();
    assert_eq!(error, DecodeError::new(BODY_SIZE_MAX, Reason::OverLimit));
}

#[test]
fn json_with_a_member_twice_is_refused() {
    for text in [r#"{"a":1,"a":1}"#, r#"{"a":{"b":1,"c":2,"b":3}}"#, r#"[{"a":1,"\u0061":1}]"#] {
        assert_eq!(read_json(text.as_bytes()).map_err(|error| error.reason), Err(Reason::Repeated), "{text}");
    }
    assert!(read_json(br#"{"a":{"a":1},"b":{"a":1}}"#).is_ok());
}

#[test]
fn what_is_no_json_is_refused() {
    for (text, reason) in [
        (&b""[..], Reason::Truncated),
        (b"{\"a\":", Reason::Truncated),
        (b"{} {}", Reason::WrongKind),
        (b"nul", Reason::Truncated),
        (b"{a:1}", Reason::WrongKind),
        (b"\"\xFF\"", Reason::WrongKind),
        (b"1e999", Reason::WrongKind),
    ] {
        assert_eq!(read_json(text).map_err(|error| error.reason), Err(reason), "{text:?}");
    }
    let value = read_json(br#" {"n":18446744073709551615,"m":-9223372036854775808,"x":0.5} "#).unwrap();
    assert_eq!(value["n"], json!(u64::MAX));
    assert_eq!(value["m"], json!(i64::MIN));
}

#[test]
fn what_is_too_large_is_not_said() {
    let serial = Serial::new(b"T1").unwrap();
    let place = Place::new(Resource::global(), "A", "b").unwrap();
    let said =
        |value| encode_up(&UpMessage::Attribute { node: Node::Device, place: place.clone(), value }, &serial);
    assert!(said(Value::String("a".repeat(BODY_SIZE_MAX - 22))).is_ok());
    assert!(said(Value::String("a".repeat(BODY_SIZE_MAX - 20))).is_err());
    let deep = |depth| (0..depth).fold(json!(1), |value, _| json!([value]));
    assert!(said(deep(30)).is_ok());
    assert!(said(deep(31)).is_err());
}
