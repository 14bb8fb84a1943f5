//! Another codec reads what we write, and we read what it writes.

use bytes::BytesMut;
use clock::Dice;
use mqtt_proto::{Frame, PACKET_SIZE_MAX, Packet, Version};
use rmqtt_codec::{v3, v5};
use tokio_util::codec::{Decoder, Encoder};

use crate::chance;
use crate::normal::normal;
use crate::round_trips::{VERSIONS, bytes_of};

/// What the other codec makes of our bytes, in its own bytes.
fn through_the_other(bytes: &[u8], version: Version) -> Vec<u8> {
    let mut input = BytesMut::from(bytes);
    let mut output = BytesMut::new();
    match version {
        Version::V3_1_1 => {
            let read = v3::Codec::default().decode(&mut input);
            let read = read.unwrap_or_else(|error| panic!("{error:?} in {bytes:02x?}"));
            v3::Codec::default().encode(read.expect("a whole packet").0, &mut output).unwrap();
        }
        Version::V5 => {
            let read = v5::Codec::default().decode(&mut input);
            let read = read.unwrap_or_else(|error| panic!("{error:?} in {bytes:02x?}"));
            v5::Codec::default().encode(read.expect("a whole packet").0, &mut output).unwrap();
        }
    }
    assert!(input.is_empty(), "it read all of it");
    output.to_vec()
}

#[test]
fn two_codecs_read_and_write_every_packet_alike() {
    for version in VERSIONS {
        let mut dice = Dice::numbered(9);
        for round in 0..400 {
            for kind in chance::kinds(version) {
                chance::packet(&mut dice, *kind, version, &mut |packet| {
                    let ours = bytes_of(packet, version);
                    let theirs = through_the_other(&ours, version);
                    let frame = Frame::first_of(&theirs, PACKET_SIZE_MAX).unwrap().expect("a whole packet");
                    let read = Packet::decode(frame, version);
                    let read = read.unwrap_or_else(|error| panic!("{error}: {theirs:02x?} for {packet:?}"));
                    assert_eq!(normal(read), normal(*packet), "{version:?} round {round}");
                });
            }
        }
    }
}
