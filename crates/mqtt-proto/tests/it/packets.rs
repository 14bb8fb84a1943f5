//! Packets that are refused, where and why; and what they look like when they are not.

use mqtt_proto::{DecodeError, Flaw, Frame, PACKET_SIZE_MAX, Packet, ReasonCode, Version};

use Version::{V3_1_1, V5};

/// A packet of these bytes behind their fixed header, which is put before them.
fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    assert!(body.len() < 128);
    [&[first, body.len() as u8], body].concat()
}

fn read(bytes: &[u8], version: Version) -> Result<String, DecodeError> {
    let frame = Frame::first_of(bytes, PACKET_SIZE_MAX)?.expect("a whole packet");
    Packet::decode(frame, version).map(|packet| format!("{packet:?}"))
}

/// What it is, in which version, its first byte and body, the flaw at which byte, and the reason to close with.
type Refused<'a> = (&'a str, Version, u8, &'a [u8], Flaw, usize, ReasonCode);

/// First byte, what stands before a reason code and behind it, and the codes that may stand there.
type Coded<'a> = (u8, &'a [u8], &'a [u8], &'a [u8]);

/// Asserts that each is refused with this flaw at this byte, and closed with this reason.
fn refused(cases: &[Refused<'_>]) {
    for (what, version, first, body, flaw, offset, reason) in cases {
        let error = read(&packet(*first, body), *version).expect_err(what);
        assert_eq!(error, DecodeError { offset: *offset, flaw: *flaw }, "{what}");
        assert_eq!(error.reason_code(), *reason, "{what}");
    }
}

fn taken(cases: &[(&str, Version, u8, &[u8])]) {
    for (what, version, first, body) in cases {
        if let Err(error) = read(&packet(*first, body), *version) {
            panic!("{what}: {error}");
        }
    }
}

const BAD: ReasonCode = ReasonCode::MALFORMED_PACKET;
const WRONG: ReasonCode = ReasonCode::PROTOCOL_ERROR;

// verifies: MQTT-1.5.4-1, MQTT-1.5.4-2, MQTT-1.5.7-1, MQTT-4.7.3-2, OSAP-4-10, MQTT-3.1.3-4, MQTT-3.1.3-11,
// MQTT-3.1.3-12, MQTT-3.3.2-13, MQTT-3.3.2-19, MQTT-3.8.3-1, MQTT-3.10.3-1, MQTT311-1.5.3-1, MQTT311-1.5.3-2,
// MQTT311-3.1.3-4, MQTT311-3.1.3-10, MQTT311-3.1.3-11, MQTT311-3.8.3-1, MQTT311-3.10.3-1
#[test]
fn strings_are_utf8_without_null() {
    let connect = [0, 4, b'M', b'Q', b'T', b'T'];
    let v5 = |tail: &[u8]| [&connect[..], tail].concat();
    refused(&[
        ("a surrogate in a topic", V5, 0x30, &[0, 3, 0xed, 0xa0, 0x80, 0], Flaw::NotUtf8, 2, BAD),
        ("an overlong slash", V3_1_1, 0x30, &[0, 2, 0xc0, 0xaf], Flaw::NotUtf8, 2, BAD),
        ("null in a topic", V3_1_1, 0x30, &[0, 1, 0], Flaw::NullCharacter, 2, BAD),
        ("null in a filter", V5, 0x82, &[0, 1, 0, 0, 1, 0, 0], Flaw::NullCharacter, 5, BAD),
        ("a filter of UNSUBSCRIBE", V3_1_1, 0xa2, &[0, 1, 0, 1, 0xff], Flaw::NotUtf8, 4, BAD),
        ("a filter of SUBSCRIBE", V3_1_1, 0x82, &[0, 1, 0, 1, 0xff, 0], Flaw::NotUtf8, 4, BAD),
        ("a client identifier", V5, 0x10, &v5(&[5, 2, 0, 9, 0, 0, 1, 0xff]), Flaw::NotUtf8, 13, BAD),
        ("the same in 3.1.1", V3_1_1, 0x10, &v5(&[4, 2, 0, 9, 0, 1, 0xff]), Flaw::NotUtf8, 12, BAD),
        ("a will topic", V5, 0x10, &v5(&[5, 6, 0, 9, 0, 0, 0, 0, 0, 1, 0xff, 0, 0]), Flaw::NotUtf8, 16, BAD),
        (
            "a will topic in 3.1.1",
            V5,
            0x10,
            &v5(&[4, 6, 0, 9, 0, 0, 0, 1, 0xff, 0, 0]),
            Flaw::NotUtf8,
            14,
            BAD,
        ),
        ("a user name", V5, 0x10, &v5(&[5, 0x82, 0, 9, 0, 0, 0, 0, 1, 0]), Flaw::NullCharacter, 15, BAD),
        ("a user name in 3.1.1", V5, 0x10, &v5(&[4, 0x82, 0, 9, 0, 0, 0, 1, 0xff]), Flaw::NotUtf8, 14, BAD),
        ("a content type", V5, 0x30, &[0, 1, b't', 4, 3, 0, 1, 0xff], Flaw::NotUtf8, 7, BAD),
        ("a response topic", V5, 0x30, &[0, 1, b't', 4, 8, 0, 1, 0xff], Flaw::NotUtf8, 7, BAD),
        (
            "the name of a user property",
            V5,
            0x30,
            &[0, 1, b't', 6, 0x26, 0, 1, 0xff, 0, 0],
            Flaw::NotUtf8,
            7,
            BAD,
        ),
        ("its value", V5, 0x30, &[0, 1, b't', 6, 0x26, 0, 0, 0, 1, 0xff], Flaw::NotUtf8, 9, BAD),
    ]);
}

// verifies: MQTT-1.5.4-3, MQTT311-1.5.3-3
#[test]
fn a_byte_order_mark_is_a_character_like_others() {
    for version in [V3_1_1, V5] {
        let none: &[u8] = if version == V5 { &[0] } else { &[] };
        let body = [&[0, 4, 0xef, 0xbb, 0xbf, b't'][..], none].concat();
        let bytes = packet(0x30, &body);
        let frame = Frame::first_of(&bytes, 64).unwrap().unwrap();
        let Packet::Publish(publish) = Packet::decode(frame, version).unwrap() else { panic!() };
        assert_eq!(publish.topic, "\u{feff}t", "neither skipped nor stripped");
    }
}

// verifies: MQTT-1.5.5-1, OSAP-4-03
#[test]
fn lengths_take_the_fewest_bytes_and_at_most_four() {
    let of = |bytes: &[u8]| Frame::first_of(bytes, PACKET_SIZE_MAX).map(|frame| frame.is_some());
    let refused = |flaw| Err(DecodeError { offset: 1, flaw });
    assert_eq!(of(&[0xc0, 0x80, 0x00]), refused(Flaw::NotShortest));
    assert_eq!(of(&[0xc0, 0x80, 0x80, 0x80, 0x80]), refused(Flaw::IntegerTooLong));
    assert_eq!(of(&[0xc0, 0xff, 0xff, 0xff]), Ok(false), "the length may go on");
    assert_eq!(of(&[0xc0, 0x00]), Ok(true));
    for (at, bytes) in [(5, &[0, 1, b't', 0x80, 0x00][..]), (5, &[0, 1, b't', 0x80, 0x80, 0x80, 0x80, 0x01])]
    {
        let error = read(&packet(0x30, bytes), V5).unwrap_err();
        let flaw = if bytes.len() == 5 { Flaw::NotShortest } else { Flaw::IntegerTooLong };
        assert_eq!(error, DecodeError { offset: at, flaw });
    }
    let identifier = [0, 1, 3, 0x0b, 0x80, 0x00, 0, 1, b't', 0];
    let error = read(&packet(0x82, &identifier), V5).unwrap_err();
    assert_eq!(error, DecodeError { offset: 6, flaw: Flaw::NotShortest }, "properties too");
}

// verifies: MQTT-2.1.3-1, MQTT-3.6.1-1, MQTT-3.8.1-1, MQTT-3.10.1-1, MQTT-3.14.1-1, MQTT-3.15.1-1,
// MQTT311-2.2.2-1, MQTT311-2.2.2-2, MQTT311-3.6.1-1, MQTT311-3.8.1-1, MQTT311-3.10.1-1, MQTT311-3.14.1-1
#[test]
fn reserved_flags_have_one_value_and_types_exist() {
    for version in [V3_1_1, V5] {
        for kind in (1..=15_u8).filter(|kind| *kind != 3) {
            for flags in 0..16 {
                let right = if [6, 8, 10].contains(&kind) { 2 } else { 0 };
                let error = read(&packet(kind << 4 | flags, &[]), version).err();
                let exists = kind != 15 || version == V5;
                let is_flaw = |flaw| error == Some(DecodeError { offset: 0, flaw });
                assert_eq!(
                    is_flaw(Flaw::ReservedBits),
                    exists && flags != right,
                    "{kind} {flags} {version:?}"
                );
                assert_eq!(is_flaw(Flaw::UnknownType), !exists, "{kind} {flags} {version:?}");
            }
        }
        assert_eq!(read(&[0, 0], version), Err(DecodeError { offset: 0, flaw: Flaw::UnknownType }));
    }
}

// verifies: MQTT-3.3.1-2, MQTT-3.3.1-4, MQTT-4.3.1-1, MQTT311-3.3.1-2, MQTT311-3.3.1-4
#[test]
fn publish_has_a_qos_and_only_some_are_repeated() {
    for version in [V3_1_1, V5] {
        refused(&[
            ("QoS 3", version, 0x36, &[0, 1, b't', 0, 1, 0], Flaw::QosThree, 0, BAD),
            ("QoS 3 repeated", version, 0x3e, &[0, 1, b't', 0, 1, 0], Flaw::QosThree, 0, BAD),
            ("QoS 0 repeated", version, 0x38, &[0, 1, b't', 0], Flaw::DupWithoutId, 0, BAD),
        ]);
        taken(&[("QoS 1 repeated", version, 0x3a, &[0, 1, b't', 0, 1, 0])]);
    }
}

// verifies: MQTT-2.2.1-3, MQTT-2.2.1-4, MQTT311-2.3.1-1
#[test]
fn packet_identifiers_are_never_zero() {
    for version in [V3_1_1, V5] {
        let zero = Flaw::ZeroPacketId;
        refused(&[
            ("PUBLISH", version, 0x32, &[0, 1, b't', 0, 0, 0], zero, 5, WRONG),
            ("PUBACK", version, 0x40, &[0, 0], zero, 2, WRONG),
            ("PUBREC", version, 0x50, &[0, 0], zero, 2, WRONG),
            ("PUBREL", version, 0x62, &[0, 0], zero, 2, WRONG),
            ("PUBCOMP", version, 0x70, &[0, 0], zero, 2, WRONG),
            ("SUBSCRIBE", version, 0x82, &[0, 0, 0, 0, 1, b't', 0], zero, 2, WRONG),
            ("SUBACK", version, 0x90, &[0, 0, 0, 0], zero, 2, WRONG),
            ("UNSUBSCRIBE", version, 0xa2, &[0, 0, 0, 0, 1, b't'], zero, 2, WRONG),
            ("UNSUBACK", version, 0xb0, &[0, 0, 0, 0], zero, 2, WRONG),
        ]);
    }
}

// verifies: MQTT-3.1.2-1, MQTT-3.1.2-2, MQTT-3.1.2-3, MQTT-3.1.2-9, MQTT-3.1.2-11, MQTT-3.1.2-12, MQTT-3.1.2-13,
// MQTT-3.1.2-16, MQTT-3.1.2-17, MQTT-3.1.2-18, MQTT-3.1.2-19, MQTT-3.1.3-3, MQTT-3.1.4-1,
// MQTT311-3.1.2-1, MQTT311-3.1.2-2, MQTT311-3.1.2-3, MQTT311-3.1.2-9, MQTT311-3.1.2-11, MQTT311-3.1.2-13,
// MQTT311-3.1.2-14, MQTT311-3.1.2-15, MQTT311-3.1.2-18, MQTT311-3.1.2-19, MQTT311-3.1.2-20, MQTT311-3.1.2-21,
// MQTT311-3.1.2-22, MQTT311-3.1.3-3
#[test]
fn connect_has_what_its_flags_say_and_nothing_else() {
    let version = ReasonCode::UNSUPPORTED_PROTOCOL_VERSION;
    refused(&[
        ("another name", V5, 0x10, b"\0\x04MQTX\x05\x02\0\0\0\0\0", Flaw::ProtocolName, 2, version),
        ("small letters", V5, 0x10, b"\0\x04mqtt\x05\x02\0\0\0\0\0", Flaw::ProtocolName, 2, version),
        ("3.1", V5, 0x10, b"\0\x06MQIsdp\x03\x02\0\0\0\0", Flaw::ProtocolLevel(3), 10, version),
        ("level 6", V5, 0x10, b"\0\x04MQTT\x06\x02\0\0\0\0\0", Flaw::ProtocolLevel(6), 8, version),
        ("reserved flag", V5, 0x10, b"\0\x04MQTT\x05\x03\0\0\0\0\0", Flaw::ReservedBits, 9, BAD),
        ("reserved flag", V5, 0x10, b"\0\x04MQTT\x04\x03\0\0\0\0", Flaw::ReservedBits, 9, BAD),
        ("QoS without will", V5, 0x10, b"\0\x04MQTT\x05\x0a\0\0\0\0\0", Flaw::WillFlags, 9, BAD),
        ("retain without will", V5, 0x10, b"\0\x04MQTT\x05\x22\0\0\0\0\0", Flaw::WillFlags, 9, BAD),
        ("QoS without will", V5, 0x10, b"\0\x04MQTT\x04\x12\0\0\0\0", Flaw::WillFlags, 9, BAD),
        ("retain without will", V5, 0x10, b"\0\x04MQTT\x04\x22\0\0\0\0", Flaw::WillFlags, 9, BAD),
        ("will of QoS 3", V5, 0x10, b"\0\x04MQTT\x05\x1e\0\0\0\0\0\0\0\x01t\0\0", Flaw::QosThree, 9, BAD),
        ("will of QoS 3", V5, 0x10, b"\0\x04MQTT\x04\x1e\0\0\0\0\0\x01t\0\0", Flaw::QosThree, 9, BAD),
        ("no client id", V5, 0x10, b"\0\x04MQTT\x05\x02\0\0\0", Flaw::Truncated, 13, BAD),
        ("no client id", V5, 0x10, b"\0\x04MQTT\x04\x02\0\0", Flaw::Truncated, 12, BAD),
        ("will absent", V5, 0x10, b"\0\x04MQTT\x05\x06\0\0\0\0\0", Flaw::Truncated, 15, BAD),
        ("will absent", V5, 0x10, b"\0\x04MQTT\x04\x06\0\0\0\0", Flaw::Truncated, 14, BAD),
        (
            "will without payload",
            V5,
            0x10,
            b"\0\x04MQTT\x05\x06\0\0\0\0\0\0\0\x01t",
            Flaw::Truncated,
            19,
            BAD,
        ),
        (
            "will to a wildcard",
            V5,
            0x10,
            b"\0\x04MQTT\x05\x06\0\0\0\0\0\0\0\x01#\0\0",
            Flaw::TopicName,
            16,
            BAD,
        ),
        ("user absent", V5, 0x10, b"\0\x04MQTT\x05\x82\0\0\0\0\0", Flaw::Truncated, 15, BAD),
        ("user absent", V5, 0x10, b"\0\x04MQTT\x04\x82\0\0\0\0", Flaw::Truncated, 14, BAD),
        ("password absent", V5, 0x10, b"\0\x04MQTT\x05\x42\0\0\0\0\0", Flaw::Truncated, 15, BAD),
        ("password absent", V5, 0x10, b"\0\x04MQTT\x04\xc2\0\0\0\0\0\x01u", Flaw::Truncated, 17, BAD),
        ("password alone", V5, 0x10, b"\0\x04MQTT\x04\x42\0\0\0\0\0\x01p", Flaw::PasswordAlone, 9, BAD),
        ("will unannounced", V5, 0x10, b"\0\x04MQTT\x05\x02\0\0\0\0\0\0\0\x01t\0\0", Flaw::Trailing, 15, BAD),
        ("user unannounced", V5, 0x10, b"\0\x04MQTT\x05\x02\0\0\0\0\0\0\x01u", Flaw::Trailing, 15, BAD),
        ("user unannounced", V5, 0x10, b"\0\x04MQTT\x04\x02\0\0\0\0\0\x01u", Flaw::Trailing, 14, BAD),
    ]);
    taken(&[
        ("password alone in 5.0", V5, 0x10, b"\0\x04MQTT\x05\x42\0\0\0\0\0\0\x01p"),
        ("will of QoS 2, retained", V5, 0x10, b"\0\x04MQTT\x05\x36\0\0\0\0\0\0\0\x01t\0\0"),
        ("a version that was not expected", V5, 0x10, b"\0\x04MQTT\x04\x02\0\0\0\0"),
        ("a name of letters", V5, 0x10, b"\0\x04MQTT\x04\x00\0\0\0\x170123456789abcdefghijABC"),
    ]);
}

// verifies: MQTT-3.2.2-1, MQTT-3.2.2-6, MQTT-3.2.2-8, MQTT311-3.2.2-4, MQTT311-3.2.2-6
#[test]
fn connack_has_one_flag_and_known_codes() {
    refused(&[
        ("reserved flags", V5, 0x20, &[2, 0, 0], Flaw::ReservedBits, 2, BAD),
        ("reserved flags", V3_1_1, 0x20, &[0x81, 0], Flaw::ReservedBits, 2, BAD),
        ("a code of PUBACK", V5, 0x20, &[0, 0x10, 0], Flaw::ReasonCode, 3, BAD),
        ("return code 6", V3_1_1, 0x20, &[0, 6], Flaw::ReasonCode, 3, BAD),
        ("refused with a session", V5, 0x20, &[1, 0x87, 0], Flaw::SessionPresent, 2, WRONG),
        ("refused with a session", V3_1_1, 0x20, &[1, 5], Flaw::SessionPresent, 2, WRONG),
        ("properties in 3.1.1", V3_1_1, 0x20, &[0, 0, 0], Flaw::Trailing, 4, BAD),
        ("no properties in 5.0", V5, 0x20, &[0, 0], Flaw::Truncated, 4, BAD),
    ]);
    assert_eq!(ReasonCode::from_return_code(4), Some(ReasonCode::BAD_USER_NAME_OR_PASSWORD));
    for code in 0..=5 {
        assert_eq!(ReasonCode::from_return_code(code).and_then(ReasonCode::to_return_code), Some(code));
    }
    assert_eq!(ReasonCode::SERVER_BUSY.to_return_code(), Some(3), "the one that comes nearest");
    assert_eq!(ReasonCode::PROTOCOL_ERROR.to_return_code(), None, "closed without a word");
}

// verifies: MQTT-3.3.2-2, MQTT-3.3.2-8, MQTT-3.3.2-14, MQTT-4.7.0-1, MQTT-4.7.3-1, MQTT311-3.3.2-2,
// MQTT311-4.7.1-1, MQTT311-4.7.3-1
#[test]
fn messages_have_a_topic_name_or_an_alias() {
    let alias = ReasonCode::TOPIC_ALIAS_INVALID;
    refused(&[
        ("a plus", V5, 0x30, &[0, 3, b'a', b'/', b'+', 0], Flaw::TopicName, 2, BAD),
        ("a hash", V5, 0x30, &[0, 1, b'#', 0], Flaw::TopicName, 2, BAD),
        ("a plus", V3_1_1, 0x30, &[0, 3, b'a', b'+', b'b'], Flaw::TopicName, 2, BAD),
        ("empty", V3_1_1, 0x30, &[0, 0], Flaw::TopicName, 2, BAD),
        ("empty without alias", V5, 0x30, &[0, 0, 0], Flaw::NoTopic, 2, WRONG),
        ("alias zero", V5, 0x30, &[0, 0, 3, 0x23, 0, 0], Flaw::TopicAliasZero, 6, alias),
        ("response to a wildcard", V5, 0x30, &[0, 1, b't', 4, 8, 0, 1, b'#'], Flaw::ResponseTopic, 6, WRONG),
        ("response to nothing", V5, 0x30, &[0, 1, b't', 3, 8, 0, 0], Flaw::ResponseTopic, 6, WRONG),
    ]);
    taken(&[
        ("an alias", V5, 0x30, &[0, 0, 3, 0x23, 0, 1]),
        ("no payload", V3_1_1, 0x30, &[0, 1, b't']),
        ("a slash", V3_1_1, 0x30, &[0, 1, b'/']),
    ]);
}

// verifies: MQTT-3.4.2-1, MQTT-3.5.2-1, MQTT-3.6.2-1, MQTT-3.7.2-1, MQTT-3.9.3-2, MQTT-3.11.3-2, MQTT-3.14.2-1,
// MQTT-3.15.2-1, MQTT311-3.9.3-2
#[test]
fn reason_codes_belong_to_their_packets() {
    let received: &[u8] = &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
    let subscribed: &[u8] = &[0, 1, 2, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2];
    let method: &[u8] = &[3, 0x15, 0, 0];
    let cases: [Coded<'_>; 8] = [
        (0x40, &[0, 1], &[], received),
        (0x50, &[0, 1], &[], received),
        (0x62, &[0, 1], &[], &[0, 0x92]),
        (0x70, &[0, 1], &[], &[0, 0x92]),
        (0x90, &[0, 1, 0], &[], subscribed),
        (0xb0, &[0, 1, 0], &[], &[0, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91]),
        (
            0xe0,
            &[],
            &[],
            &[
                0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x90, 0x93,
                0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
            ],
        ),
        (0xf0, &[], method, &[0, 0x18, 0x19]),
    ];
    for (first, before, after, known) in cases {
        for code in 0..=255 {
            let result = read(&packet(first, &[before, &[code], after].concat()), V5);
            assert_eq!(result.is_ok(), known.contains(&code), "{first:02x} {code:02x}: {result:?}");
        }
    }
    for code in 0..=255 {
        let result = read(&packet(0x90, &[0, 1, code]), V3_1_1);
        assert_eq!(result.is_ok(), [0, 1, 2, 0x80].contains(&code), "{code:02x}");
    }
}

// verifies: MQTT-3.8.3-2, MQTT-3.8.3-4, MQTT-3.8.3-5, MQTT-3.10.3-2, MQTT-4.7.1-1, MQTT-4.7.1-2, MQTT-4.8.2-1,
// MQTT-4.8.2-2, MQTT311-3.8.3-3, MQTT311-3.8.3-4, MQTT311-3.10.3-2, MQTT311-4.7.1-2, MQTT311-4.7.1-3
#[test]
fn requests_have_valid_filters_and_options() {
    let share = b"\0\x01\0\0\x0a$share/g/t\x04";
    refused(&[
        ("no filter", V5, 0x82, &[0, 1, 0], Flaw::NoFilters, 5, WRONG),
        ("no filter", V3_1_1, 0x82, &[0, 1], Flaw::NoFilters, 4, WRONG),
        ("no filter", V5, 0xa2, &[0, 1, 0], Flaw::NoFilters, 5, WRONG),
        ("no filter", V3_1_1, 0xa2, &[0, 1], Flaw::NoFilters, 4, WRONG),
        ("no options", V5, 0x82, &[0, 1, 0, 0, 1, b't'], Flaw::Truncated, 8, BAD),
        ("reserved options", V5, 0x82, &[0, 1, 0, 0, 1, b't', 0x40], Flaw::ReservedBits, 8, BAD),
        ("reserved options", V5, 0x82, &[0, 1, 0, 0, 1, b't', 0x80], Flaw::ReservedBits, 8, BAD),
        ("options of 5.0", V3_1_1, 0x82, &[0, 1, 0, 1, b't', 0x04], Flaw::ReservedBits, 7, BAD),
        ("QoS 3", V5, 0x82, &[0, 1, 0, 0, 1, b't', 0x03], Flaw::SubscriptionOptions, 8, WRONG),
        ("QoS 3", V3_1_1, 0x82, &[0, 1, 0, 1, b't', 0x03], Flaw::QosThree, 7, BAD),
        ("retain handling 3", V5, 0x82, &[0, 1, 0, 0, 1, b't', 0x30], Flaw::SubscriptionOptions, 8, WRONG),
        ("shared, not local", V5, 0x82, share, Flaw::SharedNoLocal, 17, WRONG),
        ("the second filter", V5, 0x82, b"\0\x01\0\0\x01a\0\0\x02#b\0", Flaw::TopicFilter, 9, BAD),
        ("an empty filter", V5, 0xa2, &[0, 1, 0, 0, 0], Flaw::TopicFilter, 5, BAD),
        ("a share without filter", V5, 0xa2, b"\0\x01\0\0\x08$share/g", Flaw::TopicFilter, 5, BAD),
        ("no answer", V5, 0x90, &[0, 1, 0], Flaw::NoFilters, 5, WRONG),
        ("no answer", V5, 0xb0, &[0, 1, 0], Flaw::NoFilters, 5, WRONG),
    ]);
    taken(&[
        ("every option", V5, 0x82, &[0, 1, 0, 0, 1, b't', 0x2e]),
        ("a share that 3.1.1 does not know", V3_1_1, 0x82, b"\0\x01\0\x08$share/g\x01"),
        ("UNSUBACK of 3.1.1", V3_1_1, 0xb0, &[0, 1]),
    ]);
}

// verifies: MQTT-2.2.2-1
#[test]
fn short_forms_are_read_and_written() {
    for (first, body, written) in [
        (0x40, &[0, 1][..], &[0, 1][..]),
        (0x40, &[0, 1, 0], &[0, 1]),
        (0x50, &[0, 1, 0, 0], &[0, 1]),
        (0x62, &[0, 1, 0x92], &[0, 1, 0x92]),
        (0x70, &[0, 1, 0x92, 0], &[0, 1, 0x92]),
        (0xe0, &[], &[]),
        (0xe0, &[0], &[]),
        (0xe0, &[0x8e, 0], &[0x8e]),
        (0xf0, &[], &[]),
        (0xf0, &[0, 0], &[]),
    ] {
        let bytes = packet(first, body);
        let frame = Frame::first_of(&bytes, 64).unwrap().unwrap();
        let read = Packet::decode(frame, V5).unwrap();
        let mut out = Vec::new();
        read.encode(V5, 64, &mut out).unwrap();
        assert_eq!(out, packet(first, written), "{read:?}");
    }
    refused(&[
        ("AUTH of one byte", V5, 0xf0, &[0x18], Flaw::Truncated, 3, BAD),
        ("AUTH without method", V5, 0xf0, &[0x18, 0], Flaw::NoAuthenticationMethod, 2, WRONG),
        ("properties absent", V5, 0x82, &[0, 1], Flaw::Truncated, 4, BAD),
        ("DISCONNECT of 3.1.1 is empty", V3_1_1, 0xe0, &[0], Flaw::Trailing, 2, BAD),
        ("PUBACK of 3.1.1 is short", V3_1_1, 0x40, &[0, 1, 0], Flaw::Trailing, 4, BAD),
        ("PINGREQ is empty", V5, 0xc0, &[0], Flaw::Trailing, 2, BAD),
        ("PINGRESP is empty", V3_1_1, 0xd0, &[0], Flaw::Trailing, 2, BAD),
    ]);
}

#[test]
fn too_large_packets_are_refused_at_their_header() {
    let error = Frame::first_of(&[0x30, 0x80, 0x80, 0x80, 0x01], 1000).unwrap_err();
    assert_eq!(error, DecodeError { offset: 1, flaw: Flaw::TooLarge }, "nothing of its body has come");
    assert_eq!(error.reason_code(), ReasonCode::PACKET_TOO_LARGE);
    assert_eq!(Frame::first_of(&[0x30, 98], 100), Ok(None), "at the limit");
    assert!(Frame::first_of(&[0x30, 99], 100).is_err(), "one more");
}
