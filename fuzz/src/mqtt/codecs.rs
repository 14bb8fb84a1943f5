//! Two codecs of others beside ours: what they make of the same packet.

use bytes::BytesMut;
use clock::Dice;
use mqtt_proto::{Flaw, Frame, Packet, Property, ReasonCode, Version};
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait, Packet as CorePacket, v3_1_1, v5_0};
use mqtt_protocol_core::mqtt::result_code::MqttError;
use tokio_util::codec::{Decoder, Encoder};

use super::{chance, normal::normal};
use crate::{Reached, Target};

/// Bytes of the longest packet that is compared.
const SIZE_MAX: usize = 2048;

/// A codec of others: reads one packet and gives it in its own bytes; `None` when it refuses.
type Codec = fn(&[u8], Version) -> Option<Vec<u8>>;

const CODECS: [(&str, Codec); 2] = [("rmqtt-codec", rmqtt), ("mqtt-protocol-core", core)];

fn rmqtt(packet: &[u8], version: Version) -> Option<Vec<u8>> {
    let (mut input, mut output) = (BytesMut::from(packet), BytesMut::new());
    match version {
        Version::V3_1_1 => {
            let (read, _) = rmqtt_codec::v3::Codec::default().decode(&mut input).ok()??;
            rmqtt_codec::v3::Codec::default().encode(read, &mut output).ok()?;
        }
        Version::V5 => {
            let (read, _) = rmqtt_codec::v5::Codec::default().decode(&mut input).ok()??;
            rmqtt_codec::v5::Codec::default().encode(read, &mut output).ok()?;
        }
    }
    input.is_empty().then(|| output.to_vec())
}

fn core(packet: &[u8], version: Version) -> Option<Vec<u8>> {
    let body_at = 1 + packet[1..].iter().position(|byte| byte & 0x80 == 0)? + 1;
    let (flags, body) = (packet[0] & 0x0f, &packet[body_at..]);
    let (read, size) = match version {
        Version::V3_1_1 => core_v3(packet[0] >> 4, flags, body)?,
        Version::V5 => core_v5(packet[0] >> 4, flags, body)?,
    };
    (size == body.len()).then(|| read.to_continuous_buffer())
}

fn wrapped<T: Into<CorePacket>>(read: Result<(T, usize), MqttError>) -> Option<(CorePacket, usize)> {
    read.ok().map(|(packet, size)| (packet.into(), size))
}

fn core_v3(kind: u8, flags: u8, body: &[u8]) -> Option<(CorePacket, usize)> {
    use v3_1_1 as of;
    match kind {
        1 => wrapped(of::Connect::parse(body)),
        2 => wrapped(of::Connack::parse(body)),
        3 => wrapped(of::Publish::parse(flags, body.into())),
        4 => wrapped(of::Puback::parse(body)),
        5 => wrapped(of::Pubrec::parse(body)),
        6 => wrapped(of::Pubrel::parse(body)),
        7 => wrapped(of::Pubcomp::parse(body)),
        8 => wrapped(of::Subscribe::parse(body)),
        9 => wrapped(of::Suback::parse(body)),
        10 => wrapped(of::Unsubscribe::parse(body)),
        11 => wrapped(of::Unsuback::parse(body)),
        12 => wrapped(of::Pingreq::parse(body)),
        13 => wrapped(of::Pingresp::parse(body)),
        14 => wrapped(of::Disconnect::parse(body)),
        _ => None,
    }
}

fn core_v5(kind: u8, flags: u8, body: &[u8]) -> Option<(CorePacket, usize)> {
    use v5_0 as of;
    match kind {
        1 => wrapped(of::Connect::parse(body)),
        2 => wrapped(of::Connack::parse(body)),
        3 => wrapped(of::Publish::parse(flags, body.into())),
        4 => wrapped(of::Puback::parse(body)),
        5 => wrapped(of::Pubrec::parse(body)),
        6 => wrapped(of::Pubrel::parse(body)),
        7 => wrapped(of::Pubcomp::parse(body)),
        8 => wrapped(of::Subscribe::parse(body)),
        9 => wrapped(of::Suback::parse(body)),
        10 => wrapped(of::Unsubscribe::parse(body)),
        11 => wrapped(of::Unsuback::parse(body)),
        12 => wrapped(of::Pingreq::parse(body)),
        13 => wrapped(of::Pingresp::parse(body)),
        14 => wrapped(of::Disconnect::parse(body)),
        15 => wrapped(of::Auth::parse(body)),
        _ => None,
    }
}

pub(super) const BESIDE: Target = Target {
    name: "mqtt_codecs",
    about: "Packet::decode beside rmqtt-codec and mqtt-protocol-core: who takes a packet, and as what",
    length_max: SIZE_MAX,
    run,
    seeds,
};

/// The first byte is the version, the rest one packet; what follows it is left alone.
fn run(input: &[u8]) -> Reached {
    let Some((choice, stream)) = input.split_first() else { return Reached::Refused };
    let version = if choice & 1 == 0 { Version::V3_1_1 } else { Version::V5 };
    let Ok(Some(frame)) = Frame::first_of(stream, SIZE_MAX) else { return Reached::Refused };
    let bytes = &stream[..frame.size()];
    let theirs = CODECS.map(|(name, codec)| (name, codec(bytes, version)));
    match Packet::decode(frame, version) {
        // A CONNECT says its version itself; the others are told one.
        Ok(Packet::Connect(connect)) if connect.version != version => Reached::Refused,
        Ok(ours) => {
            for (name, theirs) in &theirs {
                match theirs {
                    Some(theirs) => assert_alike(&ours, theirs, version, name),
                    None => assert!(is_refused_by(name, &ours), "{name} refuses {ours:?}"),
                }
            }
            Reached::Accepted
        }
        Err(error) => {
            let both = theirs.iter().all(|(_, theirs)| theirs.is_some());
            assert!(!both || is_taken_by_both(error.flaw, bytes), "{error}: both take {bytes:02x?}");
            Reached::Refused
        }
    }
}

fn assert_alike(ours: &Packet<'_>, theirs: &[u8], version: Version, name: &str) {
    let frame = Frame::first_of(theirs, SIZE_MAX * 2).ok().flatten();
    let frame = frame.unwrap_or_else(|| panic!("{name} writes no packet for {ours:?}"));
    assert_eq!(frame.size(), theirs.len(), "{name} writes more than a packet for {ours:?}");
    let read = Packet::decode(frame, version);
    let read = read.unwrap_or_else(|error| panic!("{error} in what {name} writes for {ours:?}"));
    assert_eq!(said(read), said(*ours), "{name}");
}

/// A packet without the properties that mean the same as nothing: some codecs leave them out.
fn said(packet: Packet<'_>) -> (String, Vec<String>, Vec<String>) {
    let (packet, mut properties, mut of_will) = normal(packet);
    let means_something = |property: &String| !MEANING_NOTHING.contains(&property.as_str());
    properties.retain(means_something);
    of_will.retain(means_something);
    (packet, properties, of_will)
}

const MEANING_NOTHING: [&str; 11] = [
    "0x01(Unspecified)",
    "0x11(0)",
    "0x17(true)",
    "0x18(0)",
    "0x19(false)",
    "0x22(0)",
    "0x25(true)",
    "0x21(65535)",
    "0x28(true)",
    "0x29(true)",
    "0x2a(true)",
];

/// What the standard allows and this codec does not read.
fn is_refused_by(codec: &str, packet: &Packet<'_>) -> bool {
    match packet {
        // MQTT-3.1.2-22 is of 3.1.1; 5.0 has passwords without a user name.
        Packet::Connect(connect) if codec == "mqtt-protocol-core" => {
            connect.password.is_some() && connect.user_name.is_none()
        }
        // Whether a client without an identifier may go on with a session is the server's to say (0x85).
        Packet::Connect(connect) => {
            let will = connect.will.map(|will| will.properties);
            connect.client_id.is_empty() && !connect.clean_start
                || will.is_some_and(|of| of.iter().any(|one| one == Property::MessageExpiryInterval(0)))
        }
        // A message that expires at once.
        Packet::Publish(publish) if codec == "rmqtt-codec" => {
            publish.properties.iter().any(|property| property == Property::MessageExpiryInterval(0))
        }
        // Section 2.4 gives DISCONNECT this code, the table of section 3.14.2.1 does not.
        Packet::Disconnect(disconnect) if codec == "mqtt-protocol-core" => {
            disconnect.reason == ReasonCode::BAD_AUTHENTICATION_METHOD
        }
        _ => false,
    }
}

/// What the standard forbids and both take all the same.
fn is_taken_by_both(flaw: Flaw, packet: &[u8]) -> bool {
    match flaw {
        Flaw::NullCharacter
        | Flaw::TopicFilter
        | Flaw::TopicName
        | Flaw::NoTopic
        | Flaw::ResponseTopic
        | Flaw::SessionPresent
        | Flaw::DupWithoutId
        | Flaw::NotShortest
        | Flaw::WillFlags
        | Flaw::SharedNoLocal
        | Flaw::NoAuthenticationMethod => true,
        // Options of a subscription in 3.1.1.
        Flaw::ReservedBits => packet[0] >> 4 == 8,
        // An AUTH that ends behind its reason code: only where both are left out has it no properties.
        Flaw::Truncated => packet[0] >> 4 == 15 && packet[1] == 1,
        _ => false,
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (choice, version) in [(0, Version::V3_1_1), (1, Version::V5)] {
        let mut dice = Dice::numbered(1);
        for kind in chance::kinds(version) {
            for _ in 0..4 {
                chance::packet(&mut dice, *kind, version, &mut |packet| {
                    let mut seed = vec![choice];
                    packet.encode(version, SIZE_MAX, &mut seed).is_ok().then(|| seeds.push(seed));
                });
            }
        }
    }
    seeds
}
