//! Packets of both versions, whole and in pieces.

use mqtt_proto::{Frame, Framer, Packet, Version};

use crate::rules::{bounded, reached};
use crate::{Reached, Target};

pub(super) const PACKET: Target = Target {
    name: "mqtt_packet",
    about: "Framer and Packet::decode in both versions; what is read is written alike",
    length_max: 2048,
    run,
    seeds,
};

/// The first byte is the version and the size of the pieces.
fn run(input: &[u8]) -> Reached {
    let Some((choice, stream)) = input.split_first() else { return Reached::Refused };
    let version = if choice & 1 == 0 { Version::V3_1_1 } else { Version::V5 };
    let whole = bounded(stream, |stream| read(stream, version, stream.len().max(1)));
    let pieces = bounded(stream, |stream| read(stream, version, usize::from(choice >> 1) % 7 + 1));
    assert_eq!(whole, pieces, "pieces say the same as the whole");
    reached(whole > 0)
}

/// Reads a stream in pieces; how many packets it has before it is refused.
fn read(stream: &[u8], version: Version, piece_size: usize) -> usize {
    let mut framer = Framer::new(1024);
    let mut count = 0;
    for piece in stream.chunks(piece_size) {
        let mut input = piece;
        loop {
            match framer.next(&mut input) {
                Ok(None) => break,
                Ok(Some(frame)) if check(frame, version) => count += 1,
                Ok(Some(_)) => return count,
                Err(error) => {
                    assert!(error.offset <= 1, "the header is refused: {error}");
                    return count;
                }
            }
        }
        assert!(framer.partial_size() < 1024 && input.is_empty());
    }
    count
}

/// Whether the packet is taken; then it has one form and one value.
fn check(frame: Frame<'_>, version: Version) -> bool {
    let packet = match Packet::decode(frame, version) {
        Ok(packet) => packet,
        Err(error) => {
            assert!(error.offset <= frame.size(), "{error} of {} bytes", frame.size());
            assert!(error.reason_code().is_failure());
            return false;
        }
    };
    let mut written = Vec::new();
    packet.encode(version, frame.size(), &mut written).expect("what is read can be written, and not longer");
    let again = Frame::first_of(&written, written.len()).expect("we write packets").expect("and whole ones");
    assert_eq!(Packet::decode(again, version), Ok(packet), "the value changed on its way");
    true
}

fn seeds() -> Vec<Vec<u8>> {
    let of = |choice: u8, stream: &[u8]| [&[choice], stream].concat();
    vec![
        of(0, b"\x10\x0d\0\x04MQTT\x04\x02\0\x0a\0\x01c\x30\x04\0\x01tm\xc0\0\xe0\0"),
        of(2, b"\x20\x02\0\0\x32\x06\0\x01t\0\x01m\x40\x02\0\x01\x50\x02\0\x01\x62\x02\0\x01\x70\x02\0\x01\xd0\0"),
        of(4, b"\x82\x06\0\x01\0\x01a\x01\x90\x03\0\x01\x01\xa2\x05\0\x01\0\x01a\xb0\x02\0\x01"),
        of(1, b"\x10\x22\0\x04MQTT\x05\xf6\0\x0a\x03\x21\0\x05\0\x01c\x05\x18\0\0\0\x01\0\x01w\0\x01m\0\x01u\0\x00"),
        of(3, b"\x20\x06\0\0\x03\x22\0\x05\x34\x0f\0\x01t\0\x01\x08\x01\x01\x26\0\x01a\0\0m\x50\x04\0\x01\x10\0"),
        of(5, b"\x82\x12\0\x01\x02\x0b\x07\0\x0a$share/g/a\x2a"),
        of(5, b"\x90\x04\0\x01\0\x02\xa2\x06\0\x01\0\0\x01a\xb0\x04\0\x01\0\x11\xe0\x02\x8e\0\xf0\x06\x18\x04\x15\0\x01m"),
    ]
}
