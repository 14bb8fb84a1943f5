//! Type 1: what an access service reads, and both machines.

use std::time::Duration;

use clock::{Dice, Moment};
use crypto::Secret;
use crypto_portable::Portable;
use osap_proto::compat::*;
use osap_proto::*;

use super::parties::{NOW, devid, group, prefix, provider, serial, server_id};
use crate::rules::{bounded, decoded, reached};
use crate::script::{Recorder, Script};
use crate::{Reached, Target, memory};

pub(super) const MESSAGES: Target = Target {
    name: "osap_compat_das",
    about: "CompatConnect, admit_compat, open_compat, beginning; what is read is written alike",
    length_max: 2048,
    run: messages,
    seeds: message_seeds,
};

pub(super) const LBS: Target = Target {
    name: "osap_compat_lbs",
    about: "CompatLbsRun: bytes of a device, time, answers of the owner in any order",
    length_max: 1024,
    run: |input| memory::within(256 * 1024 + 96 * input.len(), || lbs(input)),
    seeds: lbs_seeds,
};

pub(super) const DEVICE: Target = Target {
    name: "osap_compat_device",
    about: "CompatDeviceRun of both generations: bytes of a load balancer, time",
    length_max: 1024,
    run: |input| memory::within(256 * 1024 + 96 * input.len(), || device(input)),
    seeds: device_seeds,
};

fn session() -> CompatSession {
    CompatSession {
        serial: serial(),
        devid: devid(),
        session_key: Secret::new(vec![b'k'; 16]),
        is_exposed: false,
    }
}

/// The first byte says whether the rest is a CONNECT or a payload.
fn messages(input: &[u8]) -> Reached {
    let Some((choice, bytes)) = input.split_first() else { return Reached::Refused };
    let _ = beginning(bytes);
    if choice & 1 == 0 {
        let Some(connect) = decoded(bytes, CompatConnect::decode) else { return Reached::Refused };
        if connect.will_topic.len() <= 128 {
            let written = connect.encode();
            assert_eq!(CompatConnect::decode(&written), Ok(connect), "the value changed on its way");
        }
        return reached(admit_compat(&Portable, &connect, Some(&session())).is_ok());
    }
    let key = session().session_key;
    let Some(message) = bounded(bytes, |bytes| open_compat(&Portable, &key, bytes)) else {
        return Reached::Refused;
    };
    if let Some(written) = seal_compat(&Portable, &key, &message.general, &message.application) {
        let again = open_compat(&Portable, &key, &written).expect("what we write is read");
        assert_eq!(again.application, message.application);
        assert_eq!(again.general.seq, message.general.seq);
    }
    Reached::Accepted
}

fn message_seeds() -> Vec<Vec<u8>> {
    use crypto::Provider;
    let key = session().session_key;
    let iv = *b"01234567\0\0\0\0\0\0\0\0";
    let devid = devid();
    let json = [
        &b"{\"SubSerial\":\"T12345678\",\"DeviceID\":\""[..],
        devid.as_bytes(),
        b"\",\"SDKVersion\":{\"0\":\"\",\"0\":\"\"}}",
    ]
    .concat();
    let will = Portable.cbc_encrypt(key.expose(), &iv, &json).expect("16 bytes");
    let mut seeds = Vec::new();
    for is_clean in [true, false] {
        let connect = CompatConnect {
            is_clean,
            keep_alive: 30,
            will_topic: b"/Basic/pu2cenplt/T12345678/firstconnect",
            will: &will,
            user_name: b"T12345678",
        };
        seeds.push([&[0][..], &connect.encode()].concat());
    }
    for version in [None, Some("v2.0.0".to_owned())] {
        let general = CompatGeneral { version, seq: 5, message_type: 1 };
        let payload = seal_compat(&Portable, &key, &general, b"{\"code\":0}").expect("a plain version");
        seeds.push([&[1][..], &payload].concat());
    }
    seeds
}

fn chance(number: u64) -> CompatChance {
    CompatChance::draw(&Portable, &mut Dice::numbered(number)).expect("P-384")
}

fn keys() -> CodeKeys {
    CodeKeys::of_code(&Portable, &Secret::from(&b"QWERTY"[..]), &serial())
}

fn master() -> Secret {
    Secret::new(vec![b'M'; 16])
}

fn on_record() -> CompatDevice {
    CompatDevice { keys: keys(), devid: Some(devid()), master_key: Some(master()) }
}

fn das() -> CompatDas {
    CompatDas {
        address: "127.0.0.1".to_owned(),
        port: 1883,
        udp_port: 0,
        domain: "das.example".to_owned(),
        server_id: server_id(),
    }
}

fn new_lbs() -> CompatLbsRun {
    let setup = CompatLbsSetup { served: group(&[1, 2, 4, 8]), from: prefix() };
    CompatLbsRun::new(provider(), setup, chance(21), NOW)
}

fn lbs(input: &[u8]) -> Reached {
    let mut script = Script::new(input);
    let (mut lbs, mut memory, mut now) = (new_lbs(), LbsMemory::new(), NOW);
    let (mut is_over, mut is_asked, mut is_found) = (false, false, false);
    let mut drain = |lbs: &mut CompatLbsRun, is_found: bool| {
        while let Some(output) = lbs.next_output() {
            assert!(!is_over, "nothing follows the end: {output:?}");
            match output {
                CompatLbsOutput::Send(bytes) => {
                    assert!(bytes.len() < 1024);
                    assert!(!(bytes[0] == 0x2A && bytes[2] == 0), "type 0 is never told");
                }
                CompatLbsOutput::Ask { request, commit } => {
                    assert!(is_found, "only devices on record come so far");
                    assert_eq!((&request.serial, &commit.serial), (&serial(), &serial()));
                    is_asked = true;
                }
                CompatLbsOutput::CodeShown { .. } => assert!(is_found),
                CompatLbsOutput::LookUp { .. } | CompatLbsOutput::ManyTries { .. } => {}
                CompatLbsOutput::Close(_) => is_over = true,
            }
        }
        (is_over, is_asked)
    };
    while !script.is_empty() {
        match script.u8() & 7 {
            0..=3 => lbs.receive(script.bytes(), &mut memory, now),
            4 | 5 => {
                let record = on_record();
                let found = (script.u8() & 1 == 0).then_some(&record);
                is_found |= found.is_some();
                lbs.record(found, &mut memory, now);
            }
            6 => lbs.das((script.u8() & 1 == 0).then(das).as_ref(), now),
            _ => {
                now = now + Duration::from_millis(u64::from(script.u16()));
                lbs.expire(now);
                assert!(lbs.next_deadline().is_none_or(|due| due > now), "nothing stays due");
            }
        }
        drain(&mut lbs, is_found);
    }
    lbs.expire(now + Duration::from_secs(30));
    let (is_over, is_asked) = drain(&mut lbs, is_found);
    assert!(is_over && lbs.next_deadline().is_none(), "every run ends");
    reached(is_asked)
}

fn new_device(choice: u8) -> CompatDeviceRun {
    let stored = match choice & 3 {
        0 => CompatStored::Nothing,
        1 => CompatStored::Devid(devid()),
        _ => CompatStored::Both(devid(), master()),
    };
    let setup = CompatDeviceSetup {
        group: group(if choice & 8 == 0 { &[1] } else { &[1, 2] }),
        min_type: ProtocolType::COMPAT,
        has_seen_secure: false,
        is_held: false,
        mode: Mode::Serial,
        serial: serial(),
        is_hub: false,
        keys: keys(),
        case: if choice & 16 == 0 { Case::Upper } else { Case::Lower },
        generation: if choice & 4 == 0 { Generation::Third } else { Generation::Second },
        stored,
    };
    CompatDeviceRun::start(provider(), setup, chance(22), NOW).expect("the setup is right")
}

fn device(input: &[u8]) -> Reached {
    let mut script = Script::new(input);
    let choice = script.u8();
    let mut device = new_device(choice);
    let mut now = NOW;
    let (mut is_over, mut is_done) = (false, false);
    let mut drain = |device: &mut CompatDeviceRun, now: Moment| {
        while let Some(output) = device.next_output() {
            assert!(!is_over, "nothing follows the end: {output:?}");
            match output {
                CompatDeviceOutput::Send(bytes) => assert!(bytes.len() < 1024),
                CompatDeviceOutput::Done(done) => {
                    (is_over, is_done) = (true, true);
                    assert_eq!((done.master_key.len(), done.session_key.len()), (16, 16));
                }
                CompatDeviceOutput::Failed(_) => is_over = true,
            }
        }
        assert!(is_over || device.next_deadline().is_some_and(|due| due > now));
        (is_over, is_done)
    };
    while !script.is_empty() {
        match script.u8() & 3 {
            0..=2 => device.receive(script.bytes(), now),
            _ => {
                now = now + Duration::from_millis(u64::from(script.u16()));
                device.expire(now);
            }
        }
        drain(&mut device, now);
    }
    now = now + Duration::from_secs(30);
    device.expire(now);
    let (is_over, is_done) = drain(&mut device, now);
    assert!(is_over && device.next_deadline().is_none(), "every run ends");
    reached(is_done)
}

/// The bytes of both sides of an honest run.
fn honest(choice: u8) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (mut device, mut lbs, mut memory) = (new_device(choice), new_lbs(), LbsMemory::new());
    let (mut said, mut answered) = (Vec::new(), Vec::new());
    for _ in 0..8 {
        while let Some(output) = device.next_output() {
            if let CompatDeviceOutput::Send(bytes) = output {
                lbs.receive(&bytes, &mut memory, NOW);
                said.push(bytes);
            }
        }
        while let Some(output) = lbs.next_output() {
            match output {
                CompatLbsOutput::Send(bytes) => {
                    device.receive(&bytes, NOW);
                    answered.push(bytes);
                }
                CompatLbsOutput::LookUp { .. } => lbs.record(Some(&on_record()), &mut memory, NOW),
                CompatLbsOutput::Ask { .. } => lbs.das(Some(&das()), NOW),
                _ => {}
            }
        }
    }
    (said, answered)
}

fn lbs_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for choice in [0, 1, 2, 4, 5, 16] {
        let (said, _) = honest(choice);
        let mut script = Recorder::default();
        script.u8(0).bytes(&said[0]).u8(4).u8(0);
        for message in &said[1..] {
            script.u8(0).bytes(message);
        }
        script.u8(6).u8(0);
        seeds.push(script.0);
        let mut unknown = Recorder::default();
        unknown.u8(0).bytes(&said[0]).u8(4).u8(1).u8(7).u16(5000);
        seeds.push(unknown.0);
    }
    seeds
}

fn device_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for choice in [0, 1, 2, 4, 5, 8, 16] {
        let (_, answered) = honest(choice);
        let mut script = Recorder::default();
        script.u8(choice);
        for message in &answered {
            script.u8(0).bytes(&message[..1]).u8(0).bytes(&message[1..]);
        }
        seeds.push(script.0);
    }
    seeds
}
