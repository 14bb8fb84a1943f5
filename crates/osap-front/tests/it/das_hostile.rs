//! Strangers, thieves and men in the middle at the access service.

use std::sync::Arc;

use clock::Dice;
use mqtt_proto::{End, Publication, QoS, ReasonCode, Version};
use osap_front::LineId;
use osap_front::das::{DasCommand, DasEvent};
use osap_proto::*;
use osap_things::encode_up;

use crate::das::report;
use crate::device::Device;
use crate::world::{World, at, das_named, serial};

/// Sends bytes as they are on a new connection.
fn replay(world: &mut World, bytes: &[Vec<u8>], secs: u64) -> LineId {
    let line = world.line();
    world.das.opened(line, true, at(secs));
    for piece in bytes {
        world.das.receive(line, piece, at(secs));
    }
    world.drain_das(at(secs));
    line
}

fn refused_with(world: &mut World, device: &mut Device, secs: u64) -> Option<End> {
    world.try_connect(device, at(secs)).err().and_then(|talk| talk.end)
}

// verifies: TS-H11, OSAP-6-19
#[test]
fn ts_h11_a_captured_connect_is_taken_once_and_does_not_throw_the_device_out() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut world = World::new();
        let mut device = world.ready_device("T1", at(0));
        device.version = version;
        let mut talk = world.connect(&mut device, at(1));
        world.told();
        let captured = talk.sent.clone();
        let line = replay(&mut world, &captured, 2);
        assert!(world.is_closed(line));
        let heard = world.heard(line);
        match version {
            Version::V3_1_1 => assert_eq!(heard, [0x20, 2, 0, 11]),
            Version::V5 => assert_eq!((heard[0], heard[3]), (0x20, 0x9C)),
        }
        assert!(!world.is_closed(talk.line));
        assert_eq!(world.told(), []);
        let general = device.general(at(3));
        talk.say(&mut world, general, &report(true), at(3));
        assert_eq!(talk.delivered, [ReasonCode::SUCCESS]);
        assert_eq!(world.das.counters().refused_session, 1);
    }
}

// verifies: OSAP-6-12, OSAP-6-13, OSAP-6-15, OSAP-6-19
#[test]
fn each_thing_wrong_with_a_connect_is_refused_as_the_table_says() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let other = world.ready_device("T2", at(0));
    let server_id = world.server_id.clone();
    let bad_password = Some(End::Refused(ReasonCode::BAD_USER_NAME_OR_PASSWORD));
    let not_authorized = Some(End::Refused(ReasonCode::NOT_AUTHORIZED));
    let session = Some(End::Refused(ReasonCode::USE_ANOTHER_SERVER));
    let mut attempt = |world: &mut World, change: &dyn Fn(&mut mqtt_proto::ConnectOptions<'_>)| {
        let numbers = device.numbers();
        let client = device.connect_with(&server_id, &numbers, |options| change(options));
        let line = world.line();
        world.das.opened(line, true, at(1));
        world.talk(&mut device, line, client, numbers, at(1)).err().and_then(|talk| talk.end)
    };
    let password = |text: &'static [u8]| Some(mqtt_proto::Password(text));
    assert_eq!(
        attempt(&mut world, &|options| {
            options.sign_in =
                Some(mqtt_proto::SignIn { password: password(b"test"), ..options.sign_in.unwrap() });
        }),
        bad_password,
        "weakness 9: a password that says nothing"
    );
    assert_eq!(
        attempt(&mut world, &|options| {
            options.sign_in = Some(mqtt_proto::SignIn { user_name: "AAAA", ..options.sign_in.unwrap() });
        }),
        session,
        "a ticket that is none"
    );
    assert_eq!(attempt(&mut world, &|options| options.sign_in = None), bad_password);
    assert_eq!(
        attempt(&mut world, &|options| options.keep_alive_secs = 0),
        bad_password,
        "changed on the way"
    );
    assert_eq!(attempt(&mut world, &|options| options.clean_start = false), bad_password, "flags, too");
    assert_eq!(attempt(&mut world, &|options| options.client_id = "T1"), bad_password, "no device id");
    let foreign = String::from_utf8(other.devid.as_bytes().to_vec()).unwrap();
    let foreign: &'static str = foreign.leak();
    assert_eq!(attempt(&mut world, &|options| options.client_id = foreign), not_authorized);
    assert_eq!(world.das.counters().admitted, 0);
    assert_eq!(world.told(), [], "nobody is told or asked about any of them");
    world.connect(&mut device, at(2));
}

// verifies: TS-H11, OSAP-6-19
#[test]
fn ts_h11_a_ticket_of_another_service_or_of_an_earlier_start_opens_nothing() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let right = world.server_id.clone();
    let elsewhere = ServerId::new(b"das-2").unwrap();
    let key = world.ticket_key.clone();
    world.das = das_named(&world.provider, &elsewhere, Dice::numbered(3));
    world.das.command(DasCommand::TicketKey(key), at(0));
    let session = Some(End::Refused(ReasonCode::USE_ANOTHER_SERVER));
    assert_eq!(refused_with(&mut world, &mut device, 1), session, "another server id, even with its key");
    world.das = das_named(&world.provider, &right, Dice::numbered(3));
    assert_eq!(refused_with(&mut world, &mut device, 2), session, "a service without keys takes nobody");
    let fresh = TicketKey { id: [1; 8], key: crypto::Secret::from(&[2; 32][..]) };
    world.das.command(DasCommand::TicketKey(fresh), at(0));
    assert_eq!(refused_with(&mut world, &mut device, 3), session, "a start makes its own keys");
}

#[test]
fn a_device_sees_through_a_service_that_does_not_have_the_das_secret() {
    let world = World::new();
    let provider = Arc::clone(&world.provider);
    let numbers = ConnectionNumbers { epoch: 7, conn_no: 1, conn_nonce: [4; 16] };
    let general = General { seq: 1, ts: 1 };
    let (right, wrong) = (crypto::Secret::from(&[1; 32][..]), crypto::Secret::from(&[2; 32][..]));
    let name = serial("T1");
    let topic = greeting_topic(&name);
    let now = at(0).moment;
    let open = |payload: &[u8], numbers: &ConnectionNumbers| {
        open_greeting(&provider, &right, &name, numbers, &topic, payload, now).is_some()
    };
    let (forged, _) = greet(&provider, &wrong, &name, &numbers, [3; 16], general, now);
    assert!(!open(&forged, &numbers), "so it publishes nothing");
    let (good, _) = greet(&provider, &right, &name, &numbers, [3; 16], general, now);
    let next = ConnectionNumbers { conn_no: 2, conn_nonce: [5; 16], ..numbers };
    assert!(open(&good, &numbers) && !open(&good, &next), "one of the connection before is none");
}

#[test]
fn a_topic_of_somebody_else_ends_the_connection() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    for topic in
        ["/iot/T2/global/0-global/model/attribute/report/Lock/isLocked", "/iot/T1", "other", "/iot/T11/x"]
    {
        let mut talk = world.connect(&mut device, at(1));
        world.told();
        let (_, body) = encode_up(&report(true), &serial("T1")).unwrap();
        let general = device.general(at(1));
        let sealer = &mut talk.session.as_mut().unwrap().sealer;
        let payload = sealer.seal(topic.as_bytes(), general, &body, at(1).moment).unwrap();
        talk.publish(&mut world, topic, &payload, at(1));
        assert!(world.is_closed(talk.line), "{topic}");
        assert_eq!(talk.end, Some(End::Left(ReasonCode::NOT_AUTHORIZED)));
        assert!(world.told().iter().all(|event| !matches!(event, DasEvent::Up { .. })));
    }
    assert_eq!(world.das.counters().foreign_topic, 4);
}

// verifies: OSAP-6-07, OSAP-6-20
#[test]
fn replayed_moved_and_forged_envelopes_are_not_delivered_and_the_third_bad_one_closes() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let mut talk = world.connect(&mut device, at(1));
    world.told();
    let general = device.general(at(2));
    let (topic, payload) = talk.seal(general, &report(true), at(2));
    talk.publish(&mut world, &topic, &payload, at(2));
    assert_eq!(world.told().len(), 1);
    talk.publish(&mut world, &topic, &payload, at(2));
    assert_eq!(world.told(), [], "replayed: acknowledged, not delivered");
    assert_eq!((talk.delivered.len(), world.das.counters().old), (2, 1));

    let general = device.general(at(2));
    let (topic, payload) = talk.seal(general, &report(false), at(2));
    let moved = topic.replace("isLocked", "isOpen");
    talk.publish(&mut world, &moved, &payload, at(2));
    let mut flipped = payload.clone();
    *flipped.last_mut().unwrap() ^= 1;
    talk.publish(&mut world, &topic, &flipped, at(2));
    assert!(!world.is_closed(talk.line));
    assert_eq!(talk.delivered.len(), 2, "bad ones are not acknowledged");
    let clear = br#"{"data":{"Value":true}}"#;
    talk.publish(&mut world, &topic, clear, at(2));
    assert!(world.is_closed(talk.line));
    assert_eq!(talk.end, Some(End::Left(ReasonCode::MALFORMED_PACKET)));
    assert!(matches!(&world.told()[..], [DasEvent::Offline { .. }]));
    assert_eq!((world.das.counters().bad, world.das.counters().bad_closed), (3, 1));
}

// verifies: OSAP-6-20
#[test]
fn a_bad_envelope_holds_no_acknowledgement_of_a_good_one_back() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut world = World::new();
        let mut device = world.ready_device("T1", at(0));
        device.version = version;
        let mut talk = world.connect(&mut device, at(1));
        world.told();
        let (topic, _) = encode_up(&report(true), &serial("T1")).unwrap();
        talk.publish(&mut world, &topic, b"forged", at(2));
        assert_eq!((talk.delivered.len(), world.das.counters().bad), (0, 1));
        let general = device.general(at(2));
        talk.say(&mut world, general, &report(true), at(2));
        assert_eq!(world.told().len(), 1);
        assert_eq!(talk.delivered, [ReasonCode::SUCCESS], "the good one's alone");
        assert!(!world.is_closed(talk.line));
    }
}

// verifies: TS-H11, OSAP-6-20
#[test]
fn ts_h11_messages_of_an_earlier_connection_are_worth_nothing_on_the_next() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let mut first = world.connect(&mut device, at(1));
    let general = device.general(at(1));
    let (topic, captured) = first.seal(general, &report(true), at(1));
    let mut second = world.connect(&mut device, at(2));
    world.told();
    second.publish(&mut world, &topic, &captured, at(2));
    assert_eq!(world.told(), []);
    assert_eq!(world.das.counters().bad, 1);
}

#[test]
fn genuine_messages_that_cannot_be_read_are_refused_and_nothing_else_happens() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let mut talk = world.connect(&mut device, at(1));
    world.told();
    let cases: [(&str, &[u8]); 6] = [
        ("/iot/T1/global/0-global/model/attribute/report/Lock/isLocked", b"no json"),
        ("/iot/T1/global/0-global/model/attribute/report/Lock/isLocked", b"{}"),
        ("/iot/T1/global/0-global/model/attribute/report/Lock/isLocked", &[b'['; 100]),
        ("/iot/T1/global/0-global/model/attribute/set/Lock/isLocked", br#"{"data":{"Value":1}}"#),
        ("/iot/T1/global/0-global/ota/x/y", b"{}"),
        ("/iot/T1/global/nothing", b"{}"),
    ];
    for (topic, body) in cases {
        let general = device.general(at(2));
        let sealer = &mut talk.session.as_mut().unwrap().sealer;
        let payload = sealer.seal(topic.as_bytes(), general, body, at(2).moment).unwrap();
        talk.publish(&mut world, topic, &payload, at(2));
    }
    assert_eq!(world.told(), []);
    assert_eq!(talk.delivered, [ReasonCode::PAYLOAD_FORMAT_INVALID; 6]);
    assert!(!world.is_closed(talk.line));
}

#[test]
fn a_will_that_is_not_sealed_or_not_its_own_keeps_the_device_out() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    device.will = Some(("/iot/T2/global/0-global/model/event/report/Net/lost".into(), b"{}".to_vec()));
    let refused = Some(End::Refused(ReasonCode::NOT_AUTHORIZED));
    assert_eq!(refused_with(&mut world, &mut device, 1), refused);
    let server_id = world.server_id.clone();
    device.will = Some(("/iot/T1/global/0-global/model/event/report/Net/lost".into(), b"{}".to_vec()));
    let numbers = device.numbers();
    let client = device.connect_with(&server_id, &numbers, |options| {
        let will = options.will.as_mut().unwrap();
        let topic = will.publication.message.topic.clone();
        will.publication = Publication::new(&topic, b"in clear", QoS::AtLeastOnce).unwrap();
    });
    let line = world.line();
    world.das.opened(line, true, at(1));
    let talk = world.talk(&mut device, line, client, numbers, at(1)).err().unwrap();
    assert_eq!(talk.end, refused);
    device.will = None;
    world.connect(&mut device, at(2));
}

#[test]
fn strangers_are_closed_in_time_and_noise_reaches_nobody() {
    let mut world = World::new();
    let silent = world.line();
    world.das.opened(silent, false, at(0));
    let noise = replay(&mut world, &[vec![0x00, 0x00]], 0);
    assert!(world.is_closed(noise));
    let publish = replay(&mut world, &[vec![0x30, 3, 0, 1, b'a']], 0);
    assert!(world.is_closed(publish), "something else before CONNECT");
    world.das.expire(at(10));
    world.drain_das(at(10));
    assert!(world.is_closed(silent));
    assert_eq!(world.told(), []);
    assert_eq!(world.das.next_deadline(), None);
}

#[test]
fn a_device_subscribes_to_its_own_topics_only() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let talk = world.connect(&mut device, at(1));
    // SUBSCRIBE 1 to its own and to everything, in 5.0
    let own = b"/iot/T1/#";
    let mut subscribe = vec![0x82, 0, 0, 1, 0];
    for filter in [&own[..], b"#", b"/iot/+/#"] {
        subscribe.extend([0, filter.len() as u8]);
        subscribe.extend(filter);
        subscribe.push(1);
    }
    subscribe[1] = (subscribe.len() - 2) as u8;
    world.das.receive(talk.line, &subscribe, at(2));
    world.drain_das(at(2));
    let heard = world.heard(talk.line);
    assert_eq!(heard[0], 0x90);
    assert_eq!(heard[heard.len() - 3..], [1, 0x87, 0x87]);
}
