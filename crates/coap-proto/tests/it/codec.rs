//! Messages on the wire.

use coap_proto::{
    Block, BlockSize, Code, ContentFormat, Kind, Message, MessageId, MessageWriter, OptionNumber, OptionSet,
    Options, Token,
};
use proptest::prelude::*;
use wire::{Full, Reason};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// wire form, kind, code, id, token, options, payload
type Vector = (&'static str, Kind, Code, u16, &'static [u8], &'static [(u16, &'static [u8])], &'static [u8]);

const VECTORS: &[Vector] = &[
    (
        "40017d34 bb74656d7065726174757265",
        Kind::Confirmable,
        Code::GET,
        0x7d34,
        &[],
        &[(11, b"temperature")],
        b"",
    ),
    ("60457d34 ff32322e332043", Kind::Acknowledgement, Code::CONTENT, 0x7d34, &[], &[], b"22.3 C"),
    (
        "41017d35 20 bb74656d7065726174757265",
        Kind::Confirmable,
        Code::GET,
        0x7d35,
        &[0x20],
        &[(11, b"temperature")],
        b"",
    ),
    ("40000001", Kind::Confirmable, Code::EMPTY, 1, &[], &[], b""),
    ("7000ffff", Kind::Reset, Code::EMPTY, 0xffff, &[], &[], b""),
    (
        "58030000 0102030405060708 b1 61 01 62 10",
        Kind::NonConfirmable,
        Code::PUT,
        0,
        &[1, 2, 3, 4, 5, 6, 7, 8],
        &[(11, b"a"), (11, b"b"), (12, b"")],
        b"",
    ),
    (
        "50030002 b2 7631 04 6b657973 11 3c ff 80",
        Kind::NonConfirmable,
        Code::PUT,
        2,
        &[],
        &[(11, b"v1"), (11, b"keys"), (12, &[60])],
        &[0x80],
    ),
    ("42011001 aabb d10a31", Kind::Confirmable, Code::GET, 0x1001, &[0xaa, 0xbb], &[(23, &[0x31])], b""),
];

// verifies: ASSURE-1-03, RFC7252-3
#[test]
fn messages_are_read_and_written_alike() {
    for (hex, kind, code, id, token, options, payload) in VECTORS {
        let wire_form = bytes(hex);
        let message = Message::parse(&wire_form).expect(hex);
        assert_eq!((message.kind, message.code, message.id), (*kind, *code, MessageId(*id)), "{hex}");
        assert_eq!(message.token.as_bytes(), *token, "{hex}");
        let read: Vec<(u16, &[u8])> =
            message.options.iter().map(|(number, value)| (number.0, value)).collect();
        assert_eq!(read, *options, "{hex}");
        assert_eq!(message.payload, *payload, "{hex}");
        assert_eq!(message.to_bytes(wire_form.len()), Ok(wire_form.clone()), "{hex}");
        assert_eq!(message.to_bytes(wire_form.len() - 1), Err(Full), "{hex}");
    }
}

// verifies: RFC7252-3, RFC7252-3.1, RFC7252-4.1
#[test]
fn broken_messages_are_refused_where_they_break() {
    let table = [
        ("", 0, Reason::Truncated, false),
        ("4001 10", 2, Reason::Truncated, false),
        ("80011008", 0, Reason::UnknownVersion, false),
        ("00011008", 0, Reason::UnknownVersion, false),
        ("49011009 313233343536373839", 0, Reason::OutOfRange, true),
        ("4f011009 313233343536373839313233343536", 0, Reason::OutOfRange, true),
        ("42011009 31", 4, Reason::Truncated, true),
        ("4001100a b474696d65 ff", 10, Reason::Truncated, true),
        ("4000100b 01", 4, Reason::Trailing, true),
        ("4100100b 01", 0, Reason::OutOfRange, true),
        ("4001100c f161", 5, Reason::WrongKind, true),
        ("4001100c 1f61", 5, Reason::WrongKind, true),
        ("4001100d b97469", 5, Reason::Truncated, true),
        ("4001100d d1", 5, Reason::Truncated, true),
        ("4001100d e1ff", 5, Reason::Truncated, true),
        ("4001100e e0ffff", 4, Reason::OutOfRange, true),
        ("4001100e e0fef2 10", 7, Reason::OutOfRange, true),
    ];
    for (hex, offset, reason, knows_header) in table {
        let wire_form = bytes(hex);
        let broken = Message::parse(&wire_form).expect_err(hex);
        assert_eq!((broken.error.offset, broken.error.reason), (offset, reason), "{hex}");
        assert_eq!(broken.header.is_some(), knows_header, "{hex}");
    }
}

// verifies: RFC7252-3.1
#[test]
fn long_deltas_and_values_take_the_extended_forms() {
    for length in [0, 12, 13, 268, 269, 1034] {
        for number in [0, 12, 13, 268, 269, 65_535] {
            let value = vec![7; length];
            let mut set = OptionSet::new();
            set.add(OptionNumber(number), &value);
            let message = Message {
                kind: Kind::Confirmable,
                code: Code::GET,
                id: MessageId(1),
                token: Token::EMPTY,
                options: set.view(),
                payload: &[],
            };
            let wire_form = message.to_bytes(4096).unwrap();
            let again = Message::parse(&wire_form).unwrap();
            assert_eq!(again.options.first(OptionNumber(number)), Some(&value[..]), "{number} {length}");
        }
    }
}

#[test]
fn a_message_may_be_larger_than_a_datagram() {
    let payload = vec![9; 70_000];
    let mut writer =
        MessageWriter::begin(Kind::NonConfirmable, Code::PUT, MessageId(0), Token::EMPTY, 80_000).unwrap();
    writer.option(OptionNumber::URI_PATH, b"v1").unwrap();
    let wire_form = writer.finish(&payload).unwrap();
    assert_eq!(Message::parse(&wire_form).unwrap().payload, payload);
}

#[test]
fn a_set_sorts_what_is_added_and_keeps_equal_numbers_in_order() {
    let mut set = OptionSet::new();
    set.add_uint(OptionNumber::ACCEPT, 60)
        .add_path("/a/b")
        .add_query("x=1")
        .add(OptionNumber::URI_PATH, b"c");
    set.add_uint(OptionNumber::CONTENT_FORMAT, 0).add(OptionNumber::IF_MATCH, b"");
    let numbers: Vec<u16> = set.view().iter().map(|(number, _)| number.0).collect();
    assert_eq!(numbers, [1, 11, 11, 11, 12, 15, 17]);
    assert_eq!(set.view().path().collect::<Vec<_>>(), [b"a", b"b", b"c"]);
    assert_eq!(set.view().content_format(), Some(ContentFormat::TEXT));
    assert_eq!(set.view().query("x"), Some(&b"1"[..]));
    assert_eq!(set.view().query("y"), None);
    set.remove(OptionNumber::URI_PATH);
    assert_eq!(set.view().iter().count(), 4);
    assert_eq!(set.view().path().count(), 0);
}

#[test]
fn numbers_longer_than_their_option_are_no_numbers() {
    let mut set = OptionSet::new();
    set.add(OptionNumber::MAX_AGE, &[0, 0, 0, 0, 1]).add(OptionNumber::CONTENT_FORMAT, &[0, 0, 60]);
    assert_eq!(set.view().uint(OptionNumber::MAX_AGE), None);
    assert_eq!(set.view().max_age_secs(), 60, "the default");
    assert_eq!(set.view().content_format(), None);
}

// verifies: RFC7959-2.2
#[test]
fn block_values_hold_number_more_and_size() {
    type Case = (&'static [u8], Option<(u32, bool, usize)>);
    let table: [Case; 8] = [
        (&[], Some((0, false, 16))),
        (&[0x06], Some((0, false, 1024))),
        (&[0x08], Some((0, true, 16))),
        (&[0x1e], Some((1, true, 1024))),
        (&[0x01, 0x32], Some((19, false, 64))),
        (&[0xff, 0xff, 0xfe], Some((0xf_ffff, true, 1024))),
        (&[0x07], None),
        (&[0, 0, 0, 1], None),
    ];
    for (value, expected) in table {
        let block = Block::decode(value).ok();
        assert_eq!(block.map(|b| (b.number, b.more, b.size.bytes())), expected, "{value:?}");
        if let Some(block) = block {
            assert_eq!(block.encode().unwrap().as_bytes(), value);
        }
    }
    assert!(Block { number: 1 << 20, more: false, size: BlockSize::LARGEST }.encode().is_none());
    assert_eq!(BlockSize::within(15), None);
    assert_eq!(BlockSize::within(480).map(BlockSize::bytes), Some(256), "a BACnet MS/TP path");
}

proptest! {
    #[test]
    fn every_message_survives_a_round_trip(
        kind in 0..4_usize,
        code in 1_u8..=255,
        id: u16,
        token in proptest::collection::vec(any::<u8>(), 0..=8),
        options in proptest::collection::vec((any::<u16>(), proptest::collection::vec(any::<u8>(), 0..300)), 0..8),
        payload in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut set = OptionSet::new();
        for (number, value) in &options {
            set.add(OptionNumber(*number), value);
        }
        let kind = [Kind::Confirmable, Kind::NonConfirmable, Kind::Acknowledgement, Kind::Reset][kind];
        let message = Message {
            kind, code: Code::from_byte(code), id: MessageId(id), token: Token::new(&token).unwrap(),
            options: set.view(), payload: &payload,
        };
        let wire_form = message.to_bytes(usize::MAX).unwrap();
        let again = Message::parse(&wire_form).unwrap();
        prop_assert_eq!(again, message);
        let mut sorted = options;
        sorted.sort_by_key(|(number, _)| *number);
        let read: Vec<(u16, Vec<u8>)> = again.options.iter().map(|(n, v)| (n.0, v.to_vec())).collect();
        prop_assert_eq!(read, sorted);
    }

    #[test]
    fn what_can_be_read_is_written_back_byte_for_byte(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut wire_form = bytes;
        if let Some(first) = wire_form.first_mut() {
            *first = *first & 0x33 | 0x40;
        }
        if let Ok(message) = Message::parse(&wire_form) {
            prop_assert_eq!(message.to_bytes(usize::MAX).unwrap(), wire_form.clone());
        }
    }
}

#[test]
fn no_options_read_as_none() {
    assert_eq!(Options::NONE.iter().count(), 0);
    assert_eq!(Options::NONE.max_age_secs(), 60);
}
