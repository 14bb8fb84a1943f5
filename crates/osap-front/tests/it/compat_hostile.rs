//! Who comes to the doors of type 1 and is none of its devices.

use clock::Timestamp;
use crypto::Secret;
use osap_front::das::DasCommand;
use osap_front::lbs::{Arrival, LbsCommand, LbsEvent};
use osap_front::{LineId, Output};
use osap_proto::compat::*;
use osap_proto::*;
use osap_things::{Node, Place, Resource, UpMessage};
use serde_json::json;

use crate::old_device::OldDevice;
use crate::world::{World, at, serial};

const NAME: &str = "T12345678";

fn said() -> UpMessage {
    let place = Place::new(Resource::global(), "Lock", "isLocked").unwrap();
    UpMessage::Attribute { node: Node::Device, place, value: json!(true) }
}

#[test]
fn what_is_no_first_message_is_closed_and_silence_ends_in_time() {
    let mut world = World::new();
    world.allow_compat(NAME);
    let cases: [(&str, Vec<u8>); 5] = [
        ("http", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("a later message", vec![0x72, 0x00]),
        ("type F", vec![0xF0, 0x01, 0x01]),
        ("over the limit", [&[0x12, 0x81, 0x10][..], &[0; 300]].concat()),
        ("a varint of five octets", vec![0x12, 0x80, 0x80, 0x80, 0x80, 0x01]),
    ];
    for (name, bytes) in cases {
        let line = world.at_the_old_door(at(0));
        world.lbs.receive(line, &bytes, at(0));
        world.drain_lbs(at(0));
        assert!(world.is_closed(line), "{name}");
    }
    let (silent, half, begun) =
        (world.at_the_old_door(at(0)), world.at_the_old_door(at(0)), world.at_the_old_door(at(0)));
    world.lbs.receive(half, &[0x1A], at(1));
    world.lbs.receive(begun, &[0x12, 0x20], at(1));
    world.lbs.expire(at(9));
    world.drain_lbs(at(9));
    assert_eq!([silent, half, begun].map(|line| world.is_closed(line)), [false; 3]);
    world.lbs.expire(at(10));
    world.drain_lbs(at(10));
    assert_eq!([silent, half, begun].map(|line| world.is_closed(line)), [true; 3]);
    assert_eq!(world.lbs.next_deadline(), None);
    assert!(world.burned.is_empty());
}

#[test]
fn a_question_of_type_1_that_is_not_taken_or_answered_ends_its_run_without_a_word() {
    let mut world = World::new();
    world.allow_compat(NAME);
    for is_refused in [true, false] {
        let line = world.at_the_old_door(at(0));
        let setup = world.old_setup(NAME, CompatStored::Nothing);
        let chance = CompatChance::draw(world.provider.as_ref(), &mut world.dice).unwrap();
        let mut run = CompatDeviceRun::start(world.provider.clone(), setup, chance, at(0).moment).unwrap();
        let Some(CompatDeviceOutput::Send(bytes)) = run.next_output() else { panic!("it begins") };
        world.lbs.receive(line, &bytes, at(0));
        let Some(Output::Event(question @ LbsEvent::LookUpCompat { .. })) = world.lbs.next_output() else {
            panic!("it asks")
        };
        // An answer to what it did not ask has no effect.
        world.lbs.command(LbsCommand::Found { line, record: None, generation: 1 }, at(0));
        world.lbs.command(LbsCommand::CompatDas { line, das: None }, at(0));
        assert!(world.lbs.next_output().is_none());
        if is_refused {
            world.lbs.refused(question, at(0));
        } else {
            world.lbs.command(LbsCommand::Unable { line }, at(0));
        }
        world.drain_lbs(at(0));
        assert!(world.is_closed(line) && world.heard(line).is_empty());
    }
    assert_eq!(world.lbs.counters().unanswered, 2);
    world.lbs.command(LbsCommand::FoundCompat { line: LineId(999), device: None }, at(0));
    assert!(world.drain_lbs(at(0)).is_empty());
}

// verifies: TS-H13
#[test]
fn ts_h13_inside_tls_no_type_1_is_run_at_any_door() {
    let mut world = World::new();
    world.allow_compat(NAME);
    let line = world.line();
    let tls = Some(osap_front::lbs::Tls { exporter: [3; 32], certificate: None });
    let arrival = Arrival { from: [192, 0, 2, 7].into(), accepted: at(0).moment, tls };
    world.lbs.opened_compat(line, arrival, at(0));
    let setup = world.old_setup(NAME, CompatStored::Nothing);
    let chance = CompatChance::draw(world.provider.as_ref(), &mut world.dice).unwrap();
    let mut run = CompatDeviceRun::start(world.provider.clone(), setup, chance, at(0).moment).unwrap();
    let Some(CompatDeviceOutput::Send(bytes)) = run.next_output() else { panic!("it begins") };
    world.lbs.receive(line, &bytes, at(0));
    world.drain_lbs(at(0));
    assert!(world.is_closed(line) && world.burned.is_empty() && world.lbs.counters().compat_runs == 0);
}

// verifies: OSAP-6-11, OSAP-6-12, OSAP-6-13
#[test]
fn who_does_not_have_the_session_key_is_sent_back_to_the_load_balancer() {
    let mut world = World::new();
    let device = world.connected(NAME, at(0));
    world.told();
    let provider = world.provider.clone();
    let own = device.completed.session_key.clone();
    let nobody = OldDevice::new("T99999999", device.completed.clone());
    let other_id = CompatCompleted { devid: Devid::from_random([1; 16]), ..device.completed.clone() };
    let other_id = OldDevice::new(NAME, other_id);
    let wrong_key = Secret::new(vec![b'k'; 16]);
    let cases = [
        ("another key", device.registration(provider.as_ref(), &wrong_key, true)),
        ("another id", other_id.registration(provider.as_ref(), &own, true)),
        ("another serial", nobody.registration(provider.as_ref(), &own, true)),
    ];
    for (name, bytes) in cases {
        let line = world.line();
        world.das.opened_compat(line, at(1));
        world.das.receive(line, &bytes, at(1));
        world.drain_das(at(1));
        assert_eq!(world.heard(line), [0x20, 2, 0, 11], "{name}");
        assert!(world.is_closed(line), "{name}");
    }
    assert!(!world.is_closed(device.line) && world.told().is_empty(), "the device itself stays");
    assert_eq!(world.das.counters().refused_session, 3);
}

#[test]
fn a_connect_that_is_none_is_closed_unanswered() {
    let mut world = World::new();
    let device = world.connected(NAME, at(0));
    let good = device.registration(world.provider.clone().as_ref(), &device.completed.session_key, true);
    let mut id = good.clone();
    id[13] = 1;
    let cases: [(&str, Vec<u8>); 5] = [
        ("no CONNECT", vec![0x30, 0x00]),
        ("a length of three octets", vec![0x10, 0x80, 0x80, 0x01]),
        ("over the limit", [&[0x10, 0xFF, 0x7F][..], &[0; 100]].concat()),
        ("with a client id", id),
        ("of MQTT as others speak it", b"\x10\x10\0\x04MQTT\x04\x02\0\x1E\0\x04abcd".to_vec()),
    ];
    for (name, bytes) in cases {
        let line = world.line();
        world.das.opened_compat(line, at(1));
        world.das.receive(line, &bytes, at(1));
        world.drain_das(at(1));
        assert!(world.is_closed(line) && world.heard(line).is_empty(), "{name}");
    }
    // Bytes without end behind a CONNECT that waits for its answer.
    let line = world.line();
    world.das.opened_compat(line, at(1));
    world.das.receive(line, &good, at(1));
    world.das.receive(line, &[0; 9000], at(1));
    let closes = std::iter::from_fn(|| world.das.next_output());
    assert!(closes.into_iter().any(|output| output == Output::Close { line }));
    let standing = world.compat_sessions.get(&serial(NAME)).cloned();
    let until = Timestamp::from_unix_millis(u64::MAX / 2);
    let standing = standing.map(|session| Box::new((session, until)));
    world.das.command(DasCommand::KnownCompat { line, standing }, at(1));
    world.drain_das(at(1));
    assert!(world.heard(line).is_empty(), "what concerns nobody has no effect");
    // One that says nothing, or half of it.
    let (silent, half) = (world.line(), world.line());
    for line in [silent, half] {
        world.das.opened_compat(line, at(1));
    }
    world.das.receive(half, &good[..100], at(1));
    world.das.expire(at(60));
    world.drain_das(at(60));
    assert!(world.is_closed(silent) && world.is_closed(half));
}

#[test]
fn topics_of_others_and_messages_under_another_key_end_the_connection() {
    let mut world = World::new();
    let mut device = world.connected(NAME, at(0));
    let payload = device.sealed(&world, 1, b"{}");
    device.publish(
        &mut world,
        "/iot/T12345679/global/0-global/model/event/report/Lock/opened",
        &payload,
        at(1),
    );
    assert!(world.is_closed(device.line));
    assert_eq!(device.connect(&mut world, true, at(2)), [0x20, 2, 0, 0]);
    let key = std::mem::replace(&mut device.completed.session_key, Secret::new(vec![b'k'; 16]));
    world.told();
    for number in 1..=3 {
        device.say(&mut world, &said(), at(3));
        assert_eq!(world.is_closed(device.line), number == 3, "{number}");
    }
    assert!(!world.told().iter().any(|event| matches!(event, osap_front::das::DasEvent::Up { .. })));
    device.completed.session_key = key;
    assert_eq!(device.connect(&mut world, true, at(4)), [0x20, 2, 0, 0]);
    // A body that cannot be read is acknowledged, so that it is not sent for ever, and goes nowhere.
    world.told();
    let topic = "/iot/T12345678/global/0-global/basic/shadow/report";
    let payload = device.sealed(&world, 1, b"{\"state\":1}");
    let id = device.publish(&mut world, topic, &payload, at(5));
    assert_eq!(device.heard(&mut world).1, [(0x40, id.to_be_bytes().to_vec())]);
    assert!(world.told().is_empty());
    assert_eq!(world.das.counters().unreadable, 1);
}

#[test]
fn a_session_that_is_over_or_replaced_or_closed_is_left() {
    let mut world = World::new();
    let mut device = world.connected(NAME, at(0));
    let first = device.line;
    assert_eq!(device.connect(&mut world, true, at(1)), [0x20, 2, 0, 0]);
    assert!(world.is_closed(first), "the newer connection takes the place of the older");
    world.das.command(DasCommand::Close { serial: serial(NAME) }, at(2));
    world.drain_das(at(2));
    assert!(world.is_closed(device.line));
    assert_eq!(device.connect(&mut world, true, at(3)), [0x20, 2, 0, 0]);
    let line = device.line;
    // It says that it is there, until the session ends whatever it says.
    for minute in 1..61 {
        world.das.receive(line, &[0xC0, 0x00], at(minute * 60));
        world.das.expire(at(minute * 60));
        world.drain_das(at(minute * 60));
        assert!(!world.is_closed(line), "{minute}");
    }
    world.das.expire(at(3604));
    world.drain_das(at(3604));
    assert!(world.is_closed(line), "the end of the session");
}
