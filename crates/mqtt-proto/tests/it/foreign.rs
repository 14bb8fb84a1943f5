//! Another codec reads what we write, and we read what it writes.

use bytes::BytesMut;
use clock::Dice;
use mqtt_proto::{Frame, PACKET_SIZE_MAX, Packet, Properties, Version};
use rmqtt_codec::{v3, v5};
use tokio_util::codec::{Decoder, Encoder};

use crate::chance;
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

fn sorted(properties: &mut Properties<'_>) -> Vec<String> {
    let mut list: Vec<_> = properties.iter().map(|property| format!("{property:?}")).collect();
    // User properties and subscription identifiers have an order among themselves.
    list.sort_by_key(|text| text[..4].to_owned());
    *properties = Properties::NONE;
    list
}

/// A packet as text; the order of different properties says nothing.
fn normal(packet: Packet<'_>) -> (String, Vec<String>, Vec<String>) {
    let mut packet = packet;
    let mut of_will = Vec::new();
    let mut password = Vec::new();
    let properties = match &mut packet {
        Packet::Connect(connect) => {
            of_will = connect.will.as_mut().map(|will| sorted(&mut will.properties)).unwrap_or_default();
            password = connect.password.map(|password| password.0.to_vec()).unwrap_or_default();
            sorted(&mut connect.properties)
        }
        Packet::ConnAck(connack) => sorted(&mut connack.properties),
        Packet::Publish(publish) => sorted(&mut publish.properties),
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            sorted(&mut ack.properties)
        }
        Packet::Subscribe(subscribe) => sorted(&mut subscribe.properties),
        Packet::SubAck(suback) => sorted(&mut suback.properties),
        Packet::Unsubscribe(unsubscribe) => sorted(&mut unsubscribe.properties),
        Packet::UnsubAck(unsuback) => sorted(&mut unsuback.properties),
        Packet::PingReq | Packet::PingResp => Vec::new(),
        Packet::Disconnect(disconnect) => sorted(&mut disconnect.properties),
        Packet::Auth(auth) => sorted(&mut auth.properties),
    };
    (format!("{packet:?} {password:?}"), properties, of_will)
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
