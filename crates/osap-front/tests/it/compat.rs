//! Devices of type 1 at doors of their own: let in, heard, given orders; and what a listener learns.

use clock::Timestamp;
use model::Uuid;
use osap_front::das::{DasCommand, DasEvent, DasOrder, OfflineReason, OrderResult};
use osap_proto::compat::*;
use osap_proto::*;
use osap_things::{DesiredValue, DownMessage, Node, Place, Resource, UpMessage};
use serde_json::json;

use crate::old_device::OldDevice;
use crate::world::{EPOCH_MILLIS, World, at, serial, setup_psk};

const NAME: &str = "T12345678";

fn place(identifier: &str) -> Place {
    Place::new(Resource::global(), "Lock", identifier).unwrap()
}

fn attribute(value: bool) -> UpMessage {
    UpMessage::Attribute { node: Node::Device, place: place("isLocked"), value: json!(value) }
}

// verifies: TS-H13, OSAP-5-44, OSAP-5-51, OSAP-6-05, OSAP-6-06, OSAP-6-09
#[test]
fn a_device_of_type_1_is_let_in_with_the_second_session_key_and_never_with_the_first() {
    let mut world = World::new();
    world.allow_compat(NAME);
    let (first, _) = world.run_compat(world.old_setup(NAME, CompatStored::Nothing), true, at(0));
    let first = first.unwrap();
    assert_eq!((first.das.port, world.burned.clone()), (28667, vec![serial(NAME)]), "its code was shown");
    let mut device = OldDevice::new(NAME, first.clone());
    assert_eq!(device.connect(&mut world, true, at(1)), [0x20, 2, 0, 11], "whoever listened has that key");
    assert!(world.is_closed(device.line) && world.told().is_empty());
    let stored = CompatStored::Both(first.devid, first.master_key);
    let (second, _) = world.run_compat(world.old_setup(NAME, stored), true, at(2));
    device.completed = second.unwrap();
    assert_eq!(device.completed.devid, first.devid, "its id stays");
    assert_eq!(device.connect(&mut world, true, at(3)), [0x20, 2, 0, 0]);
    let online = |event: &DasEvent| matches!(event, DasEvent::Online { serial: of, protocol: ProtocolType::COMPAT, is_tls: false, .. } if *of == serial(NAME));
    assert!(matches!(&world.told()[..], [event] if online(event)));
    // The link is lost; it comes back without a new registration and without subscribing anew.
    world.das.closed(device.line, at(4));
    world.drain_das(at(4));
    assert!(matches!(world.told()[..], [DasEvent::Offline { reason: OfflineReason::Lost, .. }]));
    assert_eq!(device.connect(&mut world, false, at(5)), [0x20, 2, 0, 0]);
    assert!(world.told().iter().any(online));
    let counters = world.das.counters();
    assert_eq!((counters.admitted, counters.compat_admitted, counters.refused_session), (2, 2, 1));
    assert_eq!(world.lbs.counters().compat_runs, 2);
}

// verifies: OSAP-2.1.2-01, OSAP-2.1.4-01, OSAP-6-07, OSAP-6-16
#[test]
fn what_an_old_device_says_reaches_the_owner_and_is_acknowledged_when_it_is_stored() {
    let mut world = World::new();
    let mut device = world.connected(NAME, at(0));
    world.told();
    world.takes = false;
    let event = UpMessage::Event {
        node: Node::Device,
        place: place("opened"),
        id: Uuid([7; 16]),
        at: Timestamp::from_unix_millis(EPOCH_MILLIS),
        data: json!({ "by": 1 }),
        dropped: 0,
    };
    for said in [attribute(true), event] {
        let id = device.say(&mut world, &said, at(1));
        let told = world.told();
        let [DasEvent::Up { token: Some(token), serial: of, message, general }] = &told[..] else {
            panic!("{told:?}")
        };
        assert_eq!((of, message.as_ref(), general.ts), (&serial(NAME), &said, EPOCH_MILLIS + 1000));
        assert!(device.heard(&mut world).1.is_empty(), "not acknowledged before it is stored");
        world.das.command(DasCommand::Taken(*token), at(1));
        world.drain_das(at(1));
        assert_eq!(device.heard(&mut world).1, [(0x40, id.to_be_bytes().to_vec())]);
    }
    // The same value again, after its counter began anew: it is told again, since nothing tells it from a new one.
    world.takes = true;
    let line = device.line;
    device = OldDevice::new(NAME, device.completed.clone());
    device.line = line;
    device.say(&mut world, &attribute(true), at(2));
    assert_eq!(world.told().len(), 1);
    // What is no part of the model is acknowledged and goes nowhere; who asks whose it is hears that it is somebody's.
    let payload = device.sealed(&world, 9, b"<Request><DevSerial>T12345678</DevSerial></Request>");
    let id = device.publish(&mut world, "/1100/13381", &payload, at(3));
    let payload = device.sealed(&world, 10, b"{}");
    let other =
        device.publish(&mut world, "/iot/T12345678/global/0-global/ota/inform/report", &payload, at(3));
    let (told, others) = device.heard(&mut world);
    let acknowledged: Vec<_> =
        others.into_iter().filter(|(kind, _)| *kind == 0x40).map(|(_, id)| id).collect();
    assert!(acknowledged.contains(&id.to_be_bytes().to_vec()));
    assert!(acknowledged.contains(&other.to_be_bytes().to_vec()));
    assert!(world.told().is_empty());
    let [bound] = &told[..] else { panic!("{told:?}") };
    assert_eq!((bound.topic.as_str(), bound.general.seq), ("/T12345678/1100/13382", 9));
    assert!(bound.application.contains("<Result>0</Result><User Id="), "{}", bound.application);
}

// verifies: OSAP-2.1.2-02, OSAP-2.1.3-02, OSAP-2.1.3-03
#[test]
fn orders_reach_an_old_device_in_its_form_and_its_answers_find_them() {
    let mut world = World::new();
    let mut device = world.connected(NAME, at(0));
    world.told();
    let order = |id, message| {
        let order = DasOrder { serial: serial(NAME), id, message, deadline: at(100).moment };
        DasCommand::Order(Box::new(order))
    };
    let set = DownMessage::Set { node: Node::Device, place: place("isLocked"), value: json!(false) };
    let call =
        DownMessage::Operate { node: Node::Device, place: place("open"), input: json!({ "seconds": 3 }) };
    world.das.command(order(70, set), at(1));
    world.das.command(order(71, call), at(1));
    world.drain_das(at(1));
    let (told, _) = device.heard(&mut world);
    let said: Vec<_> = told.iter().map(|told| (told.topic.as_str(), told.application.as_str())).collect();
    let base = "/iot/T12345678/global/0-global/model";
    assert_eq!(
        said,
        [
            (format!("{base}/attribute/set/Lock/isLocked").as_str(), r#"{"data":{"Value":false}}"#),
            (format!("{base}/service/operate/Lock/open").as_str(), r#"{"data":{"seconds":3}}"#),
        ]
    );
    for told in &told {
        // All generations take these three, and none a number beyond 31 bits.
        assert_eq!((told.general.version.as_deref(), told.general.message_type), (Some("v3"), 1));
        assert!((1..=0x7FFF_FFFF).contains(&told.general.seq), "{}", told.general.seq);
        device.acknowledge(&mut world, told.id.unwrap());
    }
    let was_set = UpMessage::WasSet { node: Node::Device, place: place("isLocked"), result: Ok(()) };
    let opened = UpMessage::Operated {
        node: Node::Device,
        place: place("open"),
        result: Ok(json!({ "opened": true })),
    };
    let strange = UpMessage::Operated { node: Node::Device, place: place("close"), result: Ok(json!(1)) };
    device.answer(&mut world, &opened, told[0].general.seq, at(2));
    device.answer(&mut world, &strange, told[1].general.seq, at(2));
    assert!(world.told().is_empty(), "an answer about something else is none");
    device.answer(&mut world, &was_set, told[0].general.seq, at(2));
    device.answer(&mut world, &opened, told[1].general.seq, at(2));
    let results: Vec<_> = world
        .told()
        .into_iter()
        .map(|event| match event {
            DasEvent::Answered { result, .. } => *result,
            other => panic!("{other:?}"),
        })
        .collect();
    let expected: [OrderResult; 2] = [
        OrderResult { id: 70, node: Node::Device, result: Ok(None) },
        OrderResult { id: 71, node: Node::Device, result: Ok(Some(json!({ "opened": true }))) },
    ];
    assert_eq!(results, expected);
}

// verifies: OSAP-2.1.3-02
#[test]
fn an_old_device_that_asks_what_is_wanted_of_it_is_told_under_its_number() {
    let mut world = World::new();
    let mut device = world.connected(NAME, at(0));
    world.told();
    let ask = UpMessage::AskDesired { node: Node::Device, resource: Resource::global() };
    device.say(&mut world, &ask, at(3));
    let [DasEvent::Up { general, .. }] = &world.told()[..] else { panic!("it asks") };
    let value = DesiredValue { area: "Lock".into(), identifier: "isLocked".into(), value: json!(true) };
    let message = Box::new(DownMessage::Desired {
        node: Node::Device,
        resource: Resource::global(),
        values: vec![value],
    });
    world.das.command(DasCommand::Answer { serial: serial(NAME), seq: general.seq, message }, at(3));
    world.drain_das(at(3));
    let (told, _) = device.heard(&mut world);
    let [desired] = &told[..] else { panic!("{told:?}") };
    assert_eq!((desired.general.seq, desired.general.message_type), (general.seq, 2));
    assert_eq!(
        desired.application,
        r#"{"code":0,"state":{"desired":[{"domain":"Lock","identifier":"isLocked","value":true}]}}"#
    );
}

// verifies: TS-H13, OSAP-5-63
#[test]
fn ts_h13_the_secure_door_runs_no_type_1_and_the_old_door_falls_back_for_nobody() {
    let mut world = World::new();
    world.allow_compat(NAME);
    world.enrol_psk("T2");
    // Type 1 at the door where it is off: not even a look-up.
    let (ended, heard) = world.run_compat(world.old_setup(NAME, CompatStored::Nothing), false, at(0));
    assert_eq!(ended, Err(CompatDeviceEnd::OtherType(ProtocolType::MUTUAL)));
    assert_eq!(heard.last().unwrap().1[2..7], [8, 3, 2, 4, 8], "what that door serves");
    let second =
        CompatDeviceSetup { generation: Generation::Second, ..world.old_setup(NAME, CompatStored::Nothing) };
    assert!(world.run_compat(second, false, at(0)).0.is_err());
    let devid = Devid::from_random([1; 16]);
    let stored = CompatStored::Both(devid, crypto::Secret::from(&[b'A'; 16][..]));
    assert!(world.run_compat(world.old_setup(NAME, stored), false, at(0)).0.is_err());
    assert!(world.burned.is_empty() && world.compat_sessions.is_empty());
    // A device that can do better, at the old door: the profile, with the whole group under its keys.
    let line = world.at_the_old_door(at(0));
    let ended = world.run_on(line, setup_psk("T2"), at(0));
    assert_eq!(ended.unwrap().1.das.served, TypeGroup::new(&[1, 2, 4, 8]).unwrap());
    // Its wrong key does not turn into a run of type 1.
    let line = world.at_the_old_door(at(0));
    let wrong = DeviceSetup {
        credential: DeviceCredential::Psk(crypto::Secret::from(&[1; 16][..])),
        ..setup_psk("T2")
    };
    assert!(world.run_on(line, wrong, at(0)).is_err());
    // A serial that type 1 is not run with, and one that does not exist: alike, and 1 is not common.
    for name in ["T2", "T99999999"] {
        let (ended, heard) = world.run_compat(world.old_setup(name, CompatStored::Nothing), true, at(0));
        assert_eq!(ended, Err(CompatDeviceEnd::OtherType(ProtocolType::MUTUAL)), "{name}");
        assert_eq!(heard.last().unwrap().1, [0x2A, 10, 8, 4, 1, 2, 4, 8, 1, 2, 0, 21], "{name}");
    }
    assert!(world.burned.is_empty(), "no code of theirs was looked at");
}

/// What a listener computes from an answer 82 or 62 and an id that showed in clear: three strings of 16 bytes, added.
/// Source: wire facts of type 1, weakness 1.
fn session_key_of(devid: &[u8], answer: &[u8]) -> Vec<u8> {
    let (id, key) = (&answer[24..40], &answer[73..89]);
    devid[..16].iter().zip(id).zip(key).map(|((a, b), c)| a ^ b ^ c).collect()
}

/// The listener: from all that went over the wire, the first thing in the place of an id in clear.
fn keys_of_a_listener(heard: &[(bool, Vec<u8>)], shown: &[u8]) -> Vec<Vec<u8>> {
    let answers = heard.iter().filter(|(is_device, bytes)| !is_device && bytes.len() >= 89);
    answers.map(|(_, answer)| session_key_of(shown, answer)).collect()
}

#[test]
fn a_listener_at_the_door_of_type_1_has_the_session_key_without_any_secret() {
    let mut world = World::new();
    world.allow_compat(NAME);
    let (first, mut heard) = world.run_compat(world.old_setup(NAME, CompatStored::Nothing), true, at(0));
    let first = first.unwrap();
    let stored = CompatStored::Both(first.devid, first.master_key.clone());
    let (_, refresh) = world.run_compat(world.old_setup(NAME, stored), true, at(1));
    heard.extend(refresh);
    let clear = &heard.iter().find(|(_, bytes)| bytes[0] == 0x70).unwrap().1;
    let shown = clear.windows(32).find(|part| Devid::new(part).is_some_and(|id| id == first.devid)).unwrap();
    let keys = keys_of_a_listener(&heard, shown);
    assert!(keys.iter().any(|key| key == first.session_key.expose()), "the risk alert is true");
    // With it the listener reads what the device asked.
    let asked = &heard.iter().find(|(_, bytes)| bytes[0] == 0xA0).unwrap().1;
    let sealed = &asked[asked.len() - (asked.len() - 3) / 16 * 16..];
    let iv = *b"01234567\0\0\0\0\0\0\0\0";
    let plain = world.provider.cbc_decrypt(first.session_key.expose(), &iv, sealed).unwrap();
    assert!(plain.expose().windows(9).any(|part| part == b"DevSerial"));
}

// verifies: TS-H13
#[test]
fn ts_h13_the_same_listener_at_the_same_door_learns_nothing_of_type_2() {
    let mut world = World::new();
    world.enrol_psk("T2");
    let line = world.at_the_old_door(at(0));
    world.listens = Some(Vec::new());
    let (pending, completed) = world.run_on(line, setup_psk("T2"), at(0)).unwrap();
    let heard = world.listens.take().unwrap();
    assert!(heard.len() >= 6, "{}", heard.len());
    let shows_id = |bytes: &Vec<u8>| bytes.windows(32).any(|part| part == pending.devid.as_bytes());
    assert!(!heard.iter().any(|(_, bytes)| shows_id(bytes)), "the id never shows");
    // Even with the id from elsewhere the sums give no key of the session.
    let secret = completed.das_secret.expose();
    for key in keys_of_a_listener(&heard, pending.devid.as_bytes()) {
        assert!(!secret.windows(16).any(|part| part == key));
    }
    for window in heard.iter().flat_map(|(_, bytes)| bytes.windows(16)) {
        assert!(!secret.windows(16).any(|part| part == window), "no key is on the wire");
    }
}
