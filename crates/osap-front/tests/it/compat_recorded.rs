//! Recorded dialogues of deployed devices, with the real faces at the other end.
//!
//! The load balancer draws for itself, so that what follows its first answer is another run than the recorded one;
//! byte for byte the dialogues are replayed in the tests of `osap-proto`. At the access service nothing is drawn.

use crypto::Secret;
use osap_front::das::DasEvent;
use osap_proto::compat::*;
use osap_proto::*;
use osap_things::UpMessage;
use serde_json::Value;

use crate::old_device::taken;
use crate::world::{World, at};

const RECORDED: &str = include_str!("../../../../conformance/vectors/osap/transcript.json");

fn recorded() -> Vec<Value> {
    let file: Value = serde_json::from_str(RECORDED).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

/// Messages of one connection, in order.
fn connections(of: &str) -> Vec<(String, Vec<Value>)> {
    let mut all: Vec<(String, Vec<Value>)> = Vec::new();
    for message in recorded() {
        let connection = message["connection"].as_str().unwrap();
        if !connection.starts_with(of) {
            continue;
        }
        let dialogue = message["name"].as_str().unwrap().split('/').next().unwrap().to_owned();
        let name = format!("{dialogue} {connection}");
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, messages)) => messages.push(message),
            None => all.push((name, vec![message])),
        }
    }
    all
}

fn session_of(connect: &Value) -> CompatSession {
    let fields = &connect["fields"];
    let about: Value = serde_json::from_str(fields["will"].as_str().unwrap()).unwrap();
    CompatSession {
        serial: Serial::new(fields["user_name"].as_str().unwrap().as_bytes()).unwrap(),
        devid: Devid::new(about["DeviceID"].as_str().unwrap().as_bytes()).unwrap(),
        session_key: Secret::new(hex(&fields["session_key"])),
        is_exposed: false,
    }
}

// verifies: OSAP-4-05, OSAP-4-06, OSAP-6-07, OSAP-6-09, OSAP-6-11, OSAP-6-16
#[test]
fn the_access_service_answers_recorded_devices_byte_for_byte() {
    let (mut dialogues, mut answers, mut attributes) = (0, 0, 0);
    for (name, messages) in connections("das") {
        let Some(connect) = messages.iter().find(|one| one["message"] == "connect") else { continue };
        let is_refused = messages.iter().any(|one| one["name"].as_str().unwrap().ends_with("CONNACK_err"));
        // 10 and 12 are answers that this access service never gives.
        if is_refused && name != "8.11 das1" {
            continue;
        }
        dialogues += 1;
        let mut world = World::new();
        let session = session_of(connect);
        if !is_refused {
            world.compat_sessions.insert(session.serial.clone(), session.clone());
        }
        let line = world.line();
        world.das.opened_compat(line, at(0));
        let mut said = Vec::new();
        let mut acknowledged = 0;
        for message in messages.iter().filter(|one| one["from"] == "device") {
            let bytes = hex(&message["bytes"]);
            let middle = bytes.len().min(2);
            world.das.receive(line, &bytes[..middle], at(1));
            world.das.receive(line, &bytes[middle..], at(1));
            world.drain_das(at(1));
            let mut heard = world.heard(line);
            while let Some((kind, body)) = taken(&mut heard) {
                match kind >> 4 {
                    4 => acknowledged += 1,
                    // An answer to the question whose the device is, which the recording platform did not give.
                    3 => assert!(
                        open_compat(world.provider.as_ref(), &session.session_key, &body[23..]).is_some()
                    ),
                    _ => said.push([&[kind, u8::try_from(body.len()).unwrap()], &body[..]].concat()),
                }
            }
            if message["message"] != "disconnect" && !is_refused {
                assert!(!world.is_closed(line), "{name}: {}", message["name"]);
            }
        }
        let expected: Vec<Vec<u8>> = messages
            .iter()
            .filter(|one| one["from"] == "server" && one["message"] != "publish")
            .map(|one| hex(&one["bytes"]))
            .collect();
        let recorded_kinds = |bytes: &Vec<u8>| expected.iter().any(|one| one[0] == bytes[0]);
        let comparable: Vec<Vec<u8>> = said.into_iter().filter(recorded_kinds).collect();
        assert_eq!(comparable, expected, "{name}");
        answers += expected.len();
        let waits = messages.iter().filter(|one| one["from"] == "device" && one["fields"]["qos"] == 1);
        assert_eq!(acknowledged, waits.count(), "{name}");
        attributes += world
            .told()
            .iter()
            .filter(|event| {
                matches!(event, DasEvent::Up { message, .. } if matches!(**message, UpMessage::Attribute { .. }))
            })
            .count();
    }
    assert!(dialogues >= 10 && answers >= 14 && attributes == 2, "{dialogues}, {answers}, {attributes}");
}

// verifies: OSAP-5-27, OSAP-5-36, OSAP-5-53
#[test]
fn the_load_balancer_takes_the_first_messages_of_recorded_devices() {
    let (mut exchanges, mut refreshes) = (0, 0);
    for (name, messages) in connections("lbs") {
        let first = &messages[0];
        let fields = &first["fields"];
        let serial = Serial::new(fields["serial"].as_str().unwrap().as_bytes()).unwrap();
        let code: &[u8] =
            if serial.as_bytes().starts_with(b"TEST") { b"TestLicense00000000001" } else { b"QWERTY" };
        let mut world = World::new();
        let keys = CodeKeys::of_code(world.provider.as_ref(), &Secret::from(code), &serial);
        let devid = fields.get("devid").map(|devid| Devid::new(&hex(devid)).unwrap());
        let master_key = fields.get("master_key").map(|key| Secret::new(hex(key)));
        let is_refresh = first["message"] == "refresh-i";
        if is_refresh && master_key.is_none() {
            continue;
        }
        world.compat.insert(serial, CompatDevice { keys, devid, master_key: master_key.clone() });
        let line = world.at_the_old_door(at(0));
        for byte in hex(&first["bytes"]) {
            world.lbs.receive(line, &[byte], at(0));
        }
        world.drain_lbs(at(0));
        let (kind, body) = taken(&mut world.heard(line)).unwrap_or_else(|| panic!("{name}: no answer"));
        assert!(!world.is_closed(line), "{name}");
        if is_refresh {
            refreshes += 1;
            assert_eq!((kind, &body[..4]), (0x80, &[1, 1, 0, 0][..]), "{name}");
            let iv = *b"01234567\0\0\0\0\0\0\0\0";
            let plain = world.provider.cbc_decrypt(master_key.unwrap().expose(), &iv, &body[4..]).unwrap();
            assert_eq!((plain.len(), plain.expose()[0]), (18, hex(&fields["random_1"])[0]), "{name}");
        } else {
            exchanges += 1;
            assert_eq!((kind, &body[..5]), (0x2A, &[1, 1, 2, 0, 0][..]), "{name}");
            assert_eq!(body.len(), 5 + 16 + 97, "{name}: tag and point");
            assert_eq!(world.burned.len(), 1, "{name}");
        }
    }
    assert!(exchanges >= 7 && refreshes >= 3, "{exchanges}, {refreshes}");
}
