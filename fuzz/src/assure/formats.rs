//! Formats that are read without a key.

use assure_proto::cbor::{Kind, Reader, Writer, validate};
use assure_proto::{
    ChannelDefinition, ChannelId, ChannelStatus, DeviceInfo, GoodbyeReason, Label, MESSAGES_MAX,
    PEER_NAME_LENGTH, ParameterSet, PreciseTime, PskHint, SimpleTime, decode_channel_list, decode_payload,
    decode_peer_name, decode_psk_identity, encode_channel_list, encode_payload, encode_peer_name,
    encode_psk_identity,
};
use wire::DecodeError;

use crate::rules::{canonical, decoded, points_into, reached, stable};
use crate::{Reached, Target, vectors};

pub(super) const CBOR: Target = Target {
    name: "cbor",
    about: "validate and the strict reader; what is accepted is written back",
    length_max: 4096,
    run: |input| {
        // Reads outside of a whole item must be as safe as the checked ones.
        let mut loose = Reader::sequence(input);
        while !loose.is_empty() {
            let before = loose.position();
            let read = read_one(&mut loose, input.len());
            assert!(loose.position() <= input.len());
            match read {
                Ok(()) => assert!(loose.position() > before, "an item takes at least a byte"),
                Err(error) => {
                    points_into(input, error);
                    break;
                }
            }
        }
        let checked = decoded(input, validate);
        let whole = Reader::whole(input);
        assert_eq!(checked.is_some(), whole.is_ok());
        let Ok(mut whole) = whole else { return Reached::Refused };
        let mut out = Writer::new();
        copy(&mut whole, &mut out).expect("a checked item is read");
        whole.finish().expect("a checked item is whole");
        assert_eq!(out.finish(), input, "an accepted item has another form");
        Reached::Accepted
    },
    seeds: || vectors::member("cbor.json", "bytes"),
};

/// One read of the kind that seems to come, or of a narrower one.
fn read_one(reader: &mut Reader<'_>, salt: usize) -> Result<(), DecodeError> {
    let narrow = [
        reader.clone().bytes_of::<16>().map(drop),
        reader.clone().u8().map(drop),
        reader.clone().u16().map(drop),
        reader.clone().u32().map(drop),
        reader.clone().array_of(2),
        reader.clone().constant(7),
    ];
    for refused in narrow.into_iter().filter_map(Result::err) {
        assert!(refused.offset >= reader.position(), "a refusal points at what was read before");
    }
    match (reader.peek(), (reader.position() + salt) % 3) {
        (_, 0) => reader.item().map(drop),
        (Some(Kind::Unsigned), _) => reader.u64().map(drop),
        (Some(Kind::Bytes), _) => reader.bytes().map(drop),
        (Some(Kind::Text), _) => reader.text().map(drop),
        (Some(Kind::Array), _) => reader.array().map(drop),
        (Some(Kind::Map), _) => reader.map().map(drop),
        (Some(Kind::Simple), 1) => reader.bool().map(drop),
        (Some(Kind::Simple), _) => reader.null(),
        (Some(Kind::Negative) | None, _) => reader.item().map(drop),
    }
}

fn copy(reader: &mut Reader<'_>, out: &mut Writer) -> Result<(), DecodeError> {
    match reader.peek().expect("an item comes") {
        Kind::Unsigned => {
            out.uint(reader.u64()?);
        }
        Kind::Negative => {
            out.raw(reader.item()?);
        }
        Kind::Bytes => {
            out.bytes(reader.bytes()?);
        }
        Kind::Text => {
            out.text(reader.text()?);
        }
        Kind::Array => {
            let count = reader.array()?;
            out.array(count);
            for _ in 0..count {
                copy(reader, out)?;
            }
        }
        Kind::Map => {
            let count = reader.map()?;
            out.map(count);
            for _ in 0..2 * count {
                copy(reader, out)?;
            }
        }
        Kind::Simple => match reader.bool() {
            Ok(value) => {
                out.bool(value);
            }
            Err(_) => {
                reader.null()?;
                out.null();
            }
        },
    }
    Ok(())
}

pub(super) const LABEL: Target = Target {
    name: "label",
    about: "Label::decode",
    length_max: 64,
    run: |input| canonical(input, Label::decode, |label| label.encode().to_vec()),
    seeds: || vectors::member("label.json", "bytes"),
};

pub(super) const PSK_HINT: Target = Target {
    name: "psk_hint",
    about: "PskHint::decode",
    length_max: 9000,
    run: |input| {
        let encode = |hint: &PskHint| hint.encode().map(String::into_bytes).unwrap_or_default();
        let Some(hint) = decoded(input, PskHint::decode) else { return Reached::Refused };
        assert!(hint.encode().is_ok(), "what was read fits");
        stable(input, PskHint::decode, encode)
    },
    seeds: || texts(&["hint"]),
};

pub(super) const PSK_IDENTITY: Target = Target {
    name: "psk_identity",
    about: "decode_psk_identity",
    length_max: 64,
    run: |input| canonical(input, decode_psk_identity, |id| encode_psk_identity(id).into_bytes()),
    seeds: || texts(&["identity", "hint"]),
};

/// The texts of hint vectors of these kinds.
fn texts(kinds: &[&str]) -> Vec<Vec<u8>> {
    let file = vectors::load("hint.json");
    let all = file["vectors"].as_array().expect("a list of vectors");
    let fitting = all.iter().filter(|vector| kinds.iter().any(|kind| vector["kind"] == *kind));
    fitting.filter_map(|vector| Some(vector["text"].as_str()?.as_bytes().to_vec())).collect()
}

pub(super) const PEER_NAME: Target = Target {
    name: "peer_name",
    about: "decode_peer_name",
    length_max: 128,
    run: |input| {
        let Some(name) = decoded(input, decode_peer_name) else { return Reached::Refused };
        let Some(name) = name else { return Reached::Refused };
        // Names of other types may stand behind ours.
        let written = encode_peer_name(&name);
        assert_eq!(decode_peer_name(&written), Ok(Some(name)));
        assert!(input.len() >= PEER_NAME_LENGTH && input[2..PEER_NAME_LENGTH] == written[2..]);
        Reached::Accepted
    },
    seeds: || vectors::of_kind("hint.json", "bytes", |kind| kind == "peer_name"),
};

pub(super) const PARAMETER_SET: Target = Target {
    name: "parameter_set",
    about: "ParameterSet::decode",
    length_max: 4096,
    run: |input| stable(input, ParameterSet::decode, ParameterSet::encode),
    seeds: || vectors::member("parameterset.json", "bytes"),
};

pub(super) const CHANNEL: Target = Target {
    name: "channel",
    about: "ChannelDefinition::decode and ChannelId::decode",
    length_max: 512,
    run: |input| {
        let id = canonical(input, ChannelId::decode, |id| id.encode());
        let definition = canonical(input, ChannelDefinition::decode, ChannelDefinition::encode);
        reached(id == Reached::Accepted || definition == Reached::Accepted)
    },
    seeds: || {
        vectors::of_kind("channel.json", "bytes", |kind| matches!(kind, "channel" | "channel_id" | "status"))
    },
};

pub(super) const CHANNEL_STATUS: Target = Target {
    name: "channel_status",
    about: "ChannelStatus::decode",
    length_max: 512,
    run: |input| stable(input, ChannelStatus::decode, ChannelStatus::encode),
    seeds: || vectors::of_kind("channel.json", "bytes", |kind| kind == "status"),
};

pub(super) const CHANNEL_LIST: Target = Target {
    name: "channel_list",
    about: "decode_channel_list",
    length_max: 4096,
    run: |input| stable(input, decode_channel_list, |list| encode_channel_list(list)),
    seeds: || {
        let one = vectors::of_kind("channel.json", "bytes", |kind| kind == "status");
        let of = |count: u8| [vec![0x80 | count], one[..usize::from(count)].concat()].concat();
        (0..3).map(of).collect()
    },
};

pub(super) const DEVICE_INFO: Target = Target {
    name: "device_info",
    about: "DeviceInfo::decode",
    length_max: 2048,
    run: |input| canonical(input, DeviceInfo::decode, DeviceInfo::encode),
    seeds: || vectors::of_kind("channel.json", "bytes", |kind| kind == "info"),
};

pub(super) const GOODBYE: Target = Target {
    name: "goodbye",
    about: "GoodbyeReason::decode",
    length_max: 16,
    run: |input| canonical(input, GoodbyeReason::decode, |reason| reason.encode()),
    seeds: || vectors::of_kind("channel.json", "bytes", |kind| kind == "goodbye"),
};

pub(super) const TIMES: Target = Target {
    name: "times",
    about: "SimpleTime::decode and PreciseTime::decode, and the way to a timestamp and back",
    length_max: 32,
    run: |input| {
        let simple = canonical(input, SimpleTime::decode, |time| time.encode());
        let precise = canonical(input, PreciseTime::decode, |time| time.encode());
        if let Ok(time) = SimpleTime::decode(input) {
            assert_eq!(SimpleTime::from_timestamp(time.timestamp()), Some(time));
        }
        if let Ok(time) = PreciseTime::decode(input) {
            // A timestamp counts milliseconds, so the first way there may lose what is finer.
            let again = PreciseTime::from_timestamp(time.timestamp()).expect("it came from such a time");
            assert_eq!((again.secs, again.timestamp()), (time.secs, time.timestamp()));
        }
        reached(simple == Reached::Accepted || precise == Reached::Accepted)
    },
    seeds: || vectors::member("time.json", "bytes"),
};

pub(super) const PAYLOAD: Target = Target {
    name: "payload",
    about: "decode_payload",
    length_max: 4096,
    run: |input| {
        let Some(messages) = decoded(input, decode_payload) else { return Reached::Refused };
        assert!(messages.len() <= MESSAGES_MAX);
        assert_eq!(encode_payload(&messages).as_deref(), Ok(input), "an accepted value has another form");
        Reached::Accepted
    },
    seeds: || vectors::of_kind("payload.json", "bytes", |kind| kind == "messages"),
};
