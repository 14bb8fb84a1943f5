//! Keys and messages of type 1 against the published vectors.

use alloc::string::String;
use alloc::vec::Vec;

use crypto::Secret;
use crypto_portable::Portable;
use serde_json::Value;

use super::keys::{cbc, master_key, open, seal, sign, uncbc};
use super::messages::{
    AuthFirst, RefreshFirst, SessionAnswer, auth_second, failure, open_point, read_session_request,
    seal_point, sealed_message, session_request,
};
use super::{Case, CodeKeys, CompatDas, Generation};
use crate::das_info::{compat_json, read_compat_json};
use crate::negotiation::mismatch;
use crate::{DasRequest, Devid, Header, Mode, ProtocolType, ResultCode, Serial, ServerId, TypeGroup};

const FILE: &str = include_str!("../../../../conformance/vectors/osap/compat.json");

fn vectors(kind: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(FILE).expect("JSON");
    let all = file["vectors"].as_array().expect("vectors").clone();
    all.into_iter().filter(|vector| vector["kind"] == kind).collect()
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("octets");
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("hex")).collect()
}

fn secret(value: &Value) -> Secret {
    Secret::new(hex(value))
}

fn serial(value: &Value) -> Serial {
    Serial::new(value.as_str().expect("text").as_bytes()).expect("a serial")
}

// verifies: OSAP-5-28
#[test]
fn keys_of_codes_and_of_exchanges_are_the_published_ones() {
    for vector in vectors("share-key") {
        let code = Secret::from(vector["code"].as_str().expect("text").as_bytes());
        let keys = CodeKeys::of_code(&Portable, &code, &serial(&vector["serial"]));
        let case = if vector["upper"] == true { Case::Upper } else { Case::Lower };
        assert_eq!(*keys.of(Generation::Third, case), secret(&vector["aes_key"]), "{}", vector["name"]);
        assert_eq!(keys.of(Generation::Second, case).expose(), &hex(&vector["h3"])[..16]);
        assert_eq!(CodeKeys::from_bytes(&keys.to_bytes()), Some(keys));
    }
    assert_eq!(CodeKeys::from_bytes(&Secret::new([1; 63].to_vec())), None);
    for vector in vectors("master-key") {
        let master = master_key(&secret(&vector["z"]));
        assert_eq!(master, secret(&vector["master_key"]));
        assert_eq!(sign(&Portable, &master, &serial(&vector["serial"]))[..], hex(&vector["sign"]));
    }
}

#[test]
fn what_is_sealed_opens_or_does_not_as_published() {
    let mut count = 0;
    for vector in vectors("open") {
        count += 1;
        let (key, sealed) = (secret(&vector["key"]), hex(&vector["sealed"]));
        let opened = match vector["mode"].as_str() {
            Some("GCM") => open(&Portable, &key, &sealed),
            _ => uncbc(&Portable, &key, &sealed),
        };
        assert_eq!(opened.is_some(), vector["accept"] == true, "{}", vector["name"]);
        if let Some(plain) = opened {
            assert_eq!(plain.expose(), hex(&vector["plain"]));
            let again = match vector["mode"].as_str() {
                Some("GCM") => seal(&Portable, &key, plain.expose()),
                _ => cbc(&Portable, &key, plain.expose()),
            };
            assert_eq!(again, sealed);
        }
    }
    assert!(count >= 7);
}

fn made(vector: &Value) -> Option<Vec<u8>> {
    let key = |member: &str| secret(&vector[member]);
    let keys = CodeKeys::from_bytes(&Secret::new(hex(&vector["share_key"]).repeat(4))).expect("four keys");
    let (device_point, server_point) = (hex(&vector["device_point"]), hex(&vector["server_point"]));
    let (serial, master) = (serial(&vector["serial"]), key("master_key"));
    let devid = Devid::new(&hex(&vector["devid"])).expect("a device id");
    let sign = sign(&Portable, &master, &serial);
    let third = (Generation::Third, Case::Upper);
    let second = (Generation::Second, Case::Lower);
    let auth = |how: (Generation, Case)| {
        let group = TypeGroup::new(&[1]).expect("a group");
        let header = Header { protocol: ProtocolType::COMPAT, group };
        AuthFirst {
            generation: how.0,
            header: (how.0 == Generation::Third).then_some(header),
            mode: Mode::Serial,
            serial: serial.clone(),
            sealed: seal_point(&Portable, &keys, how, &device_point),
        }
    };
    let answer = |byte0, generation| {
        let told = SessionAnswer { devid, session_key: key("session_key"), sign };
        let bytes = told.encode(&Portable, byte0, generation, &master);
        let read = SessionAnswer::decode(&Portable, generation, &master, &bytes[7..]);
        assert_eq!(read, Some(told), "what is written is read");
        bytes
    };
    let das = CompatDas {
        address: String::from("127.0.0.1"),
        port: 1883,
        udp_port: 0,
        domain: String::from("das.example"),
        server_id: ServerId::new(b"das-1").expect("a name"),
    };
    let both = || (TypeGroup::new(&[1, 2, 4, 8]).expect("a group"), TypeGroup::new(&[1]).expect("a group"));
    Some(match vector["name"].as_str()?.strip_prefix("message: ")? {
        "AUTH_I" => auth(third).encode(),
        "AUTH_I, second generation" => auth(second).encode(),
        "AUTH_II" => auth_second(Generation::Third, &seal_point(&Portable, &keys, third, &server_point)),
        "AUTH_II, second generation" => {
            auth_second(Generation::Second, &seal_point(&Portable, &keys, second, &server_point))
        }
        "AUTH_II, mismatch" => {
            let served = TypeGroup::new(&[2, 4, 8]).expect("a group");
            let offered = TypeGroup::new(&[1, 8]).expect("a group");
            mismatch(&offered, &served, ProtocolType::PLAIN).0
        }
        "AUTH_II, result 1" => failure(0x2A, Generation::Third, ResultCode::NOT_PROVEN),
        "request for a device id" => session_request(None, &sign),
        "request for a session" => session_request(Some(&devid), &sign),
        "device id and session" => answer(0x82, Generation::Third),
        "device id and session, second generation" => answer(0x82, Generation::Second),
        "session" => answer(0x62, Generation::Third),
        "request for a Das" => {
            let json = DasRequest { serial, is_hub: false }.encode();
            sealed_message(0xA0, &cbc(&Portable, &key("session_key"), &json))
        }
        "a Das, server can do more" => {
            let (served, offered) = both();
            let json = compat_json(&das, Some((&served, &offered))).expect("plain names");
            assert_eq!(read_compat_json(&json), Some(das));
            sealed_message(0xB0, &cbc(&Portable, &key("session_key"), &json))
        }
        "refresh II, result 10" => failure(0x80, Generation::Second, ResultCode(10)),
        "refresh I" | "refresh II" | "refresh III" => return refresh(vector, serial, devid, &master),
        _ => return None,
    })
}

/// The challenges are what the message says they are.
fn refresh(vector: &Value, serial: Serial, devid: Devid, master: &Secret) -> Option<Vec<u8>> {
    let bytes = hex(&vector["bytes"]);
    match vector["name"].as_str()? {
        "message: refresh I" => {
            let read = RefreshFirst::decode(&bytes[2..]).ok()?;
            assert_eq!((&read.serial, read.devid), (&serial, *devid.as_bytes()));
            let challenge = uncbc(&Portable, master, &read.sealed)?;
            assert_eq!(challenge.len(), 1);
            let sealed = cbc(&Portable, master, challenge.expose());
            Some(RefreshFirst { serial, devid: *devid.as_bytes(), sealed }.encode())
        }
        "message: refresh II" => {
            let plain = uncbc(&Portable, master, &bytes[6..])?;
            assert_eq!(plain.expose()[2..], hex(&vector["session_key"]));
            Some(sealed_message(0x80, &cbc(&Portable, master, plain.expose())))
        }
        _ => {
            let plain = uncbc(&Portable, master, &bytes[5..])?;
            assert_eq!(plain.len(), 1);
            Some(sealed_message(0x90, &cbc(&Portable, master, plain.expose())))
        }
    }
}

#[test]
fn messages_are_the_published_ones() {
    let mut count = 0;
    for vector in vectors("message") {
        count += 1;
        assert_eq!(made(&vector).as_deref(), Some(&hex(&vector["bytes"])[..]), "{}", vector["name"]);
    }
    assert_eq!(count, 17);
}

#[test]
fn cut_and_lengthened_messages_are_not_read() {
    for vector in vectors("message") {
        let bytes = hex(&vector["bytes"]);
        let name = vector["name"].as_str().expect("a name");
        let head = if bytes[1] & 0x80 == 0 { 2 } else { 3 };
        let body = &bytes[head..];
        for size in 0..body.len() {
            let cut = &body[..size];
            match name {
                "message: request for a device id" => assert!(read_session_request(false, cut).is_err()),
                "message: request for a session" => assert!(read_session_request(true, cut).is_err()),
                "message: AUTH_I" if size < 24 => {
                    assert!(AuthFirst::decode(Generation::Third, cut).is_err() || size >= 17, "{size}");
                }
                "message: refresh I" => {
                    if let Ok(read) = RefreshFirst::decode(cut) {
                        assert!(uncbc(&Portable, &secret(&vector["master_key"]), &read.sealed).is_none());
                    }
                }
                "message: device id and session" => {
                    let master = secret(&vector["master_key"]);
                    let answer = cut.get(4..).unwrap_or_default();
                    assert_eq!(SessionAnswer::decode(&Portable, Generation::Third, &master, answer), None);
                }
                _ => {}
            }
        }
        let longer = [body, &[0]].concat();
        match name {
            "message: request for a device id" => assert!(read_session_request(false, &longer).is_err()),
            "message: request for a session" => assert!(read_session_request(true, &longer).is_err()),
            "message: AUTH_I" => {
                let read = AuthFirst::decode(Generation::Third, &longer).expect("the point runs to the end");
                let keys =
                    CodeKeys::from_bytes(&Secret::new(hex(&vector["share_key"]).repeat(4))).expect("keys");
                let how = (Generation::Third, Case::Upper);
                assert!(open_point(&Portable, &keys, how, &read.sealed).is_none());
            }
            _ => {}
        }
    }
}
