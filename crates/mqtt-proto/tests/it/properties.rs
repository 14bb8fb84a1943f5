//! Which properties stand where, how often, and with what values.

use mqtt_proto::{
    DecodeError, EncodeError, Flaw, Frame, PACKET_SIZE_MAX, Packet, Property, PropertyList, Publish,
    ReasonCode, Version,
};

/// Type and flags, what stands before the properties, and what behind them.
type Around = (u8, &'static [u8], &'static [u8]);

const CONNECT: Around = (0x10, b"\0\x04MQTT\x05\x02\0\0", b"\0\0");
const WILL: Around = (0x10, b"\0\x04MQTT\x05\x06\0\0\0\0\0", b"\0\x01t\0\0");
const CONNACK: Around = (0x20, b"\0\0", b"");
const PUBLISH: Around = (0x30, b"\0\x01t", b"");
const PUBACK: Around = (0x40, b"\0\x01\x80", b"");
const PUBREC: Around = (0x50, b"\0\x01\x80", b"");
const PUBREL: Around = (0x62, b"\0\x01\x92", b"");
const PUBCOMP: Around = (0x70, b"\0\x01\x92", b"");
const SUBSCRIBE: Around = (0x82, b"\0\x01", b"\0\x01t\0");
const SUBACK: Around = (0x90, b"\0\x01", b"\0");
const UNSUBSCRIBE: Around = (0xa2, b"\0\x01", b"\0\x01t");
const UNSUBACK: Around = (0xb0, b"\0\x01", b"\0");
const DISCONNECT: Around = (0xe0, b"\0", b"");
const AUTH: Around = (0xf0, b"\x00", b"");

const EVERYWHERE: [Around; 14] = [
    CONNECT,
    WILL,
    CONNACK,
    PUBLISH,
    PUBACK,
    PUBREC,
    PUBREL,
    PUBCOMP,
    SUBSCRIBE,
    SUBACK,
    UNSUBSCRIBE,
    UNSUBACK,
    DISCONNECT,
    AUTH,
];

/// Every property with a valid value, and where table 2-4 of the standard allows it.
const TABLE: &[(&[u8], &[Around])] = &[
    (b"\x01\x01", &[PUBLISH, WILL]),
    (b"\x02\0\0\0\x01", &[PUBLISH, WILL]),
    (b"\x03\0\x01a", &[PUBLISH, WILL]),
    (b"\x08\0\x01a", &[PUBLISH, WILL]),
    (b"\x09\0\x01a", &[PUBLISH, WILL]),
    (b"\x0b\x01", &[PUBLISH, SUBSCRIBE]),
    (b"\x11\0\0\0\x01", &[CONNECT, CONNACK, DISCONNECT]),
    (b"\x12\0\x01a", &[CONNACK]),
    (b"\x13\0\x01", &[CONNACK]),
    (b"\x15\0\x01a", &[CONNECT, CONNACK, AUTH]),
    (b"\x16\0\x01a", &[]),
    (b"\x17\x01", &[CONNECT]),
    (b"\x18\0\0\0\x01", &[WILL]),
    (b"\x19\x01", &[CONNECT]),
    (b"\x1a\0\x01a", &[CONNACK]),
    (b"\x1c\0\x01a", &[CONNACK, DISCONNECT]),
    (b"\x1f\0\x01a", &[CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, DISCONNECT, AUTH]),
    (b"\x21\0\x01", &[CONNECT, CONNACK]),
    (b"\x22\0\x01", &[CONNECT, CONNACK]),
    (b"\x23\0\x01", &[PUBLISH]),
    (b"\x24\x01", &[CONNACK]),
    (b"\x25\x01", &[CONNACK]),
    (b"\x26\0\x01a\0\x01b", &EVERYWHERE),
    (b"\x27\0\0\0\x01", &[CONNECT, CONNACK]),
    (b"\x28\x01", &[CONNACK]),
    (b"\x29\x01", &[CONNACK]),
    (b"\x2a\x01", &[CONNACK]),
];

fn read(around: Around, properties: &[u8]) -> Result<(), DecodeError> {
    let (first, before, after) = around;
    // AUTH needs its method, which is a property of its own.
    let method: &[u8] = if first == 0xf0 && properties.first() != Some(&0x15) { b"\x15\0\x01m" } else { b"" };
    let length = (method.len() + properties.len()) as u8;
    let body = [before, &[length], method, properties, after].concat();
    let bytes = [&[first, body.len() as u8], &body[..]].concat();
    let frame = Frame::first_of(&bytes, PACKET_SIZE_MAX)?.unwrap();
    Packet::decode(frame, Version::V5).map(|_| ())
}

// verifies: MQTT-2.2.2-1
#[test]
fn every_property_stands_where_the_table_says_and_nowhere_else() {
    for (property, places) in TABLE {
        for around in EVERYWHERE {
            let result = read(around, property);
            let data_of_method = property[0] == 0x16 && [CONNECT, CONNACK, AUTH].contains(&around);
            if places.contains(&around) || data_of_method && around == AUTH {
                assert_eq!(result, Ok(()), "{:02x} in {:02x}", property[0], around.0);
            } else {
                let flaw =
                    if data_of_method { Flaw::NoAuthenticationMethod } else { Flaw::MisplacedProperty };
                assert_eq!(
                    result.map_err(|error| error.flaw),
                    Err(flaw),
                    "{:02x} in {around:02x?}",
                    property[0]
                );
            }
        }
    }
}

#[test]
fn a_property_stands_once_but_for_user_properties_and_identifiers_of_messages() {
    for (property, places) in TABLE {
        for around in *places {
            let result = read(*around, &property.repeat(2)).map_err(|error| error.flaw);
            let may_repeat = property[0] == 0x26 || property[0] == 0x0b && *around == PUBLISH;
            let expected = if may_repeat { Ok(()) } else { Err(Flaw::RepeatedProperty) };
            assert_eq!(result, expected, "{:02x} in {:02x}", property[0], around.0);
        }
    }
    assert_eq!(Flaw::RepeatedProperty.reason_code(), ReasonCode::PROTOCOL_ERROR);
    assert_eq!(Flaw::MisplacedProperty.reason_code(), ReasonCode::MALFORMED_PACKET);
}

#[test]
fn values_outside_their_range_are_refused() {
    let wrong: &[(Around, &[u8], Flaw)] = &[
        (PUBLISH, b"\x01\x02", Flaw::PropertyValue),
        (PUBLISH, b"\x0b\x00", Flaw::PropertyValue),
        (PUBLISH, b"\x23\0\0", Flaw::TopicAliasZero),
        (CONNECT, b"\x17\x02", Flaw::PropertyValue),
        (CONNECT, b"\x19\x02", Flaw::PropertyValue),
        (CONNECT, b"\x21\0\0", Flaw::PropertyValue),
        (CONNECT, b"\x27\0\0\0\0", Flaw::PropertyValue),
        (CONNACK, b"\x24\x02", Flaw::PropertyValue),
        (CONNACK, b"\x25\x02", Flaw::PropertyValue),
        (CONNACK, b"\x28\x02", Flaw::PropertyValue),
        (CONNACK, b"\x29\x02", Flaw::PropertyValue),
        (CONNACK, b"\x2a\xff", Flaw::PropertyValue),
        (PUBLISH, b"\x00\x00", Flaw::UnknownProperty),
        (PUBLISH, b"\x2b\x00", Flaw::UnknownProperty),
        (PUBLISH, b"\x81\x01", Flaw::UnknownProperty),
        (PUBLISH, b"\x02\0\0\0", Flaw::Truncated),
        (PUBLISH, b"\x26\0\x01a", Flaw::Truncated),
    ];
    for (around, property, flaw) in wrong {
        let error = read(*around, property).expect_err("the value is wrong");
        assert_eq!(error.flaw, *flaw, "{property:02x?}");
    }
}

#[test]
fn a_length_of_properties_past_the_end_is_refused() {
    let bytes = [0x30, 5, 0, 1, b't', 2, 1];
    let frame = Frame::first_of(&bytes, 64).unwrap().unwrap();
    let error = Packet::decode(frame, Version::V5).unwrap_err();
    assert_eq!(error, DecodeError { offset: 6, flaw: Flaw::Truncated });
}

#[test]
fn what_would_be_refused_is_not_written() {
    let publish = |topic, properties| {
        let publish = Publish {
            delivery: mqtt_proto::Delivery::AtMostOnce,
            retain: false,
            topic,
            properties,
            payload: b"x",
        };
        Packet::Publish(publish)
    };
    let alias = PropertyList::new().with(Property::TopicAlias(std::num::NonZeroU16::MIN)).unwrap();
    let twice = {
        let mut list = alias.clone();
        list.extend(alias.as_properties());
        list
    };
    let misplaced = PropertyList::new().with(Property::ServerKeepAlive(1)).unwrap();
    let none = PropertyList::new();
    for (topic, list, version, flaw) in [
        ("a/#", &none, Version::V5, Flaw::TopicName),
        ("", &none, Version::V5, Flaw::NoTopic),
        ("", &none, Version::V3_1_1, Flaw::TopicName),
        ("t", &alias, Version::V3_1_1, Flaw::NotInVersion),
        ("t", &twice, Version::V5, Flaw::RepeatedProperty),
        ("t", &misplaced, Version::V5, Flaw::MisplacedProperty),
    ] {
        let mut out = vec![7];
        let result = publish(topic, list.as_properties()).encode(version, 100, &mut out);
        assert_eq!(result, Err(EncodeError::Invalid(flaw)), "{topic}");
        assert_eq!(out, [7], "nothing of it is written");
    }
    let mut out = Vec::new();
    assert_eq!(
        publish("t", none.as_properties()).encode(Version::V5, 6, &mut out),
        Err(EncodeError::TooLarge)
    );
    assert_eq!(publish("t", none.as_properties()).encode(Version::V5, 7, &mut out), Ok(()), "at the limit");
    let long = "x".repeat(65_536);
    assert_eq!(PropertyList::new().push(Property::ReasonString(&long)), Err(Flaw::FieldTooLong));
    assert_eq!(PropertyList::new().push(Property::ReasonString("a\0")), Err(Flaw::NullCharacter));
}

#[test]
fn secrets_stay_out_of_debug_texts() {
    let list = PropertyList::new().with(Property::AuthenticationData(b"hush")).unwrap();
    assert_eq!(format!("{list:?}"), "[0x16(4 bytes)]");
    assert_eq!(format!("{:?}", mqtt_proto::Password(b"hush")), "Password(..)");
    assert_eq!(format!("{:?}", mqtt_proto::OwnedPassword::new(b"hush")), "OwnedPassword(..)");
}
