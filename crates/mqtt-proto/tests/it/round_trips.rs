//! What is written is read, and what is read is written.

use clock::Dice;
use mqtt_proto::{Frame, Framer, PACKET_SIZE_MAX, Packet, Version};

use crate::chance;

pub(crate) const VERSIONS: [Version; 2] = [Version::V3_1_1, Version::V5];

/// A packet as bytes.
pub(crate) fn bytes_of(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut out = Vec::new();
    packet.encode(version, PACKET_SIZE_MAX, &mut out).unwrap_or_else(|error| panic!("{error}: {packet:?}"));
    out
}

/// The one packet in `bytes`.
fn frame_of(bytes: &[u8]) -> Frame<'_> {
    let frame = Frame::first_of(bytes, PACKET_SIZE_MAX).unwrap().expect("a whole packet");
    assert_eq!(frame.size(), bytes.len(), "one packet and no more");
    frame
}

// verifies: OSAP-4-02, OSAP-4-04, MQTT-2.2.1-2, MQTT-3.1.2-17, MQTT-3.1.2-19, MQTT-3.1.3-1, MQTT-3.1.3-3,
// MQTT-3.3.2-1, MQTT-3.3.2-4, MQTT-3.3.2-15, MQTT-3.3.2-16, MQTT-3.3.2-17, MQTT-3.3.2-18, MQTT-3.3.2-20,
// MQTT311-2.3.1-5, MQTT311-3.1.3-1
#[test]
fn every_packet_is_read_as_it_was_written() {
    for version in VERSIONS {
        let mut dice = Dice::numbered(1);
        for round in 0..600 {
            for kind in chance::kinds(version) {
                chance::packet(&mut dice, *kind, version, &mut |packet| {
                    let bytes = bytes_of(packet, version);
                    let read = Packet::decode(frame_of(&bytes), version);
                    let read = read.unwrap_or_else(|error| panic!("{round} {error}: {packet:?}"));
                    assert_eq!(&read, packet, "{version:?} round {round}");
                    assert_eq!(bytes_of(&read, version), bytes, "one packet has one form");
                });
            }
        }
    }
}

// verifies: MQTT-1.5.5-1
#[test]
fn a_stream_cut_anywhere_gives_the_same_packets() {
    for version in VERSIONS {
        let mut dice = Dice::numbered(2);
        let mut packets: Vec<Vec<u8>> = Vec::new();
        for kind in chance::kinds(version) {
            chance::packet(&mut dice, *kind, version, &mut |packet| packets.push(bytes_of(packet, version)));
        }
        packets.retain(|bytes| bytes.len() < 700);
        let stream = packets.concat();
        let mut pieces: Vec<Vec<&[u8]>> = vec![stream.chunks(1).collect(), stream.chunks(3).collect()];
        pieces.extend((0..stream.len()).map(|at| vec![&stream[..at], &stream[at..]]));
        for cut in pieces {
            let mut framer = Framer::new(PACKET_SIZE_MAX);
            let mut at = 0;
            for piece in cut {
                let mut input = piece;
                while let Some(frame) = framer.next(&mut input).unwrap() {
                    assert_eq!(frame.size(), packets[at].len());
                    let packet = Packet::decode(frame, version).unwrap();
                    assert_eq!(bytes_of(&packet, version), packets[at]);
                    at += 1;
                }
                assert_eq!(input, [0; 0], "all that came is taken in");
            }
            assert_eq!((at, framer.partial_size()), (packets.len(), 0));
        }
    }
}

#[test]
fn a_packet_in_one_piece_is_lent_from_there() {
    let bytes = bytes_of(&Packet::PingReq, Version::V5);
    let mut framer = Framer::new(16);
    let mut input = &bytes[..];
    assert!(framer.next(&mut input).unwrap().is_some());
    assert_eq!(framer.partial_size(), 0, "nothing is copied");
}

#[test]
fn every_cut_packet_is_refused_and_no_change_of_a_byte_breaks_the_reader() {
    let (mut accepted, mut refused) = (0, 0);
    for version in VERSIONS {
        let mut dice = Dice::numbered(3);
        for _ in 0..400 {
            for kind in chance::kinds(version) {
                let mut bytes = Vec::new();
                chance::packet(&mut dice, *kind, version, &mut |packet| bytes = bytes_of(packet, version));
                for _ in 0..=dice.below(3) {
                    let at = dice.below(bytes.len().min(200) as u64) as usize;
                    bytes[at] = dice.below(256) as u8;
                }
                let Ok(Some(frame)) = Frame::first_of(&bytes, PACKET_SIZE_MAX) else { continue };
                match Packet::decode(frame, version) {
                    Ok(packet) => {
                        accepted += 1;
                        // CONNECT says its own version.
                        let written = bytes_of(&packet, version);
                        assert_eq!(Packet::decode(frame_of(&written), version), Ok(packet), "{bytes:02x?}");
                    }
                    Err(error) => {
                        refused += 1;
                        assert!(error.offset <= frame.size(), "{error} of {} bytes", frame.size());
                    }
                }
            }
        }
    }
    assert!(accepted > 500 && refused > 500, "{accepted} accepted, {refused} refused");
}
