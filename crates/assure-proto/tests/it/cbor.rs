//! The strict reader and the writer.

use assure_proto::cbor::{Kind, NESTING_MAX, Reader, Writer, validate};
use wire::{DecodeError, Reason};

fn reason(bytes: &[u8]) -> Option<Reason> {
    validate(bytes).err().map(|error| error.reason)
}

// verifies: ASSURE-7.1-01
#[test]
fn only_the_one_deterministic_encoding_is_read() {
    let refused: [(&[u8], Reason); 24] = [
        (&[], Reason::Truncated),
        (&[0x18], Reason::Truncated),
        (&[0x18, 23], Reason::NotShortest),
        (&[0x19, 0, 255], Reason::NotShortest),
        (&[0x1a, 0, 0, 255, 255], Reason::NotShortest),
        (&[0x1b, 0, 0, 0, 0, 255, 255, 255, 255], Reason::NotShortest),
        (&[0x58, 1, 7], Reason::NotShortest),
        (&[0x1c], Reason::WrongKind),
        (&[0x1f], Reason::Indefinite),
        (&[0x5f, 0x41, 1, 0xff], Reason::Indefinite),
        (&[0x9f, 0xff], Reason::Indefinite),
        (&[0xbf, 0xff], Reason::Indefinite),
        (&[0xff], Reason::Indefinite),
        (&[0x42, 1], Reason::Truncated),
        (&[0x82, 1], Reason::Truncated),
        (&[0x9b, 255, 255, 255, 255, 255, 255, 255, 255], Reason::Truncated),
        (&[0x5b, 255, 255, 255, 255, 255, 255, 255, 255], Reason::Truncated),
        (&[0, 0], Reason::Trailing),
        (&[0xa2, 1, 0, 1, 0], Reason::Repeated),
        (&[0xa2, 1, 0, 0, 0], Reason::OutOfRange),
        (&[0xc0, 0], Reason::WrongKind),
        (&[0xf9, 0, 0], Reason::WrongKind),
        (&[0xf7], Reason::WrongKind),
        (&[0x61, 0xff], Reason::OutOfRange),
    ];
    for (bytes, expected) in refused {
        assert_eq!(reason(bytes), Some(expected), "{bytes:02x?}");
    }
    let unsorted = [0xa3, 0, 0xf4, 0x18, 24, 0xf5, 0x20, 0xf6];
    assert_eq!(reason(&unsorted), Some(Reason::OutOfRange), "the key -1 is shorter than the key 24");
    let accepted: [&[u8]; 8] = [
        &[0x17],
        &[0x18, 24],
        &[0x20],
        &[0x80],
        &[0xa0],
        &[0xa3, 0, 0xf4, 0x20, 0xf6, 0x18, 24, 0xf5],
        &[0x62, 0xc3, 0xa9],
        &[0x1b, 0, 0, 0, 1, 0, 0, 0, 0],
    ];
    for bytes in accepted {
        assert_eq!(reason(bytes), None, "{bytes:02x?}");
    }
}

// verifies: ASSURE-7.1-01
#[test]
fn eight_levels_are_read_and_nine_refused() {
    let nested = |depth: usize| [vec![0x81; depth], vec![0]].concat();
    assert_eq!(reason(&nested(NESTING_MAX)), None);
    assert_eq!(reason(&nested(NESTING_MAX + 1)), Some(Reason::OverLimit));
    assert_eq!(reason(&[0xa1; 100_000]), Some(Reason::OverLimit), "depth costs no stack");
}

#[test]
fn a_failed_read_takes_nothing() {
    let bytes = [0x83, 0x19, 1, 0, 0x41, 7, 0x20];
    let mut reader = Reader::whole(&bytes).unwrap();
    assert_eq!(reader.array_of(2), Err(DecodeError::new(0, Reason::OutOfRange)));
    assert_eq!(reader.array(), Ok(3));
    assert_eq!(reader.u8(), Err(DecodeError::new(1, Reason::OutOfRange)));
    assert_eq!(reader.constant(255), Err(DecodeError::new(1, Reason::OutOfRange)));
    assert_eq!(reader.bytes(), Err(DecodeError::new(1, Reason::WrongKind)));
    assert_eq!(reader.u16(), Ok(256));
    assert_eq!(reader.bytes_of::<2>(), Err(DecodeError::new(4, Reason::OutOfRange)));
    assert_eq!(reader.item(), Ok(&bytes[4..6]));
    assert_eq!(reader.peek(), Some(Kind::Negative));
    assert_eq!(reader.u32(), Err(DecodeError::new(6, Reason::WrongKind)), "negatives are refused");
    assert_eq!(reader.finish(), Err(DecodeError::new(6, Reason::Trailing)));
}

#[test]
fn what_is_written_is_read_back() {
    let mut out = Writer::new();
    out.array(8).bool(true).bool(false).null().text("é").bytes(&[1, 2]);
    out.map(2).uint(0_u8).uint(1_u8).uint(300_u16).uint(2_u8);
    for value in [u64::from(u32::MAX), u64::MAX] {
        out.uint(value);
    }
    let bytes = out.finish();
    let mut reader = Reader::whole(&bytes).unwrap();
    assert_eq!(reader.array(), Ok(8));
    assert_eq!((reader.bool(), reader.bool(), reader.null()), (Ok(true), Ok(false), Ok(())));
    assert_eq!((reader.text(), reader.bytes()), (Ok("é"), Ok(&[1, 2][..])));
    assert_eq!(reader.map(), Ok(2));
    let pairs = [reader.u16(), reader.u16(), reader.u16(), reader.u16()];
    assert_eq!(pairs, [Ok(0), Ok(1), Ok(300), Ok(2)]);
    assert_eq!((reader.u32(), reader.u64()), (Ok(u32::MAX), Ok(u64::MAX)));
    assert_eq!(reader.finish(), Ok(()));
    for cut in 0..bytes.len() {
        assert_eq!(reason(&bytes[..cut]), Some(Reason::Truncated), "cut at {cut}");
    }
}

#[test]
fn heads_are_the_shortest() {
    for (value, length) in [(0_u64, 1), (23, 1), (24, 2), (255, 2), (256, 3), (65_535, 3), (65_536, 5)] {
        let mut out = Writer::new();
        out.uint(value);
        let bytes = out.finish();
        assert_eq!(bytes.len(), length, "{value}");
        assert_eq!(validate(&bytes), Ok(()));
    }
}
