//! Sessions that connections come and go around.

use mqtt_front::{Command, ThingsCommand, ThingsEvent};
use mqtt_proto::{QoS, ReasonCode, Version};

use crate::hall::{Hall, How, Q0, Q1, Q2, how, kept};

const KEPT: fn() -> How = || kept(Version::V5, None);

/// CONNECT of MQTT 5.0 for a session of an hour, from a client that takes packets of so many bytes at most.
fn narrow(name: &str, packet_size_max: u32) -> Vec<u8> {
    let field = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
    let properties = [&[0x11, 0, 0, 0x0e, 0x10, 0x27][..], &packet_size_max.to_be_bytes()].concat();
    let head = [&field("MQTT")[..], &[5, 0xC0, 0, 30, properties.len() as u8], &properties].concat();
    let body = [head, field(name), field(name), field("secret")].concat();
    [&[0x10, body.len() as u8][..], &body].concat()
}

fn knock_narrow(hall: &mut Hall, name: &str, packet_size_max: u32) {
    let conn = hall.open();
    hall.face.receive(conn, &narrow(name, packet_size_max), hall.now);
    hall.run();
    assert_eq!(hall.asked.pop().unwrap().user_name.as_deref(), Some(name));
    hall.admit(conn, name);
}

#[test]
fn a_client_that_takes_no_connack_leaves_its_session_to_the_next() {
    let mut hall = Hall::new();
    let reader = hall.connect("x", &KEPT());
    hall.subscribe(reader, "a", Q1);
    let saved = hall.break_off(reader);
    for size in [4, 10, 4] {
        knock_narrow(&mut hall, "x", size);
        assert_eq!(hall.face.broker().gauges().connected, 0, "nobody is there");
    }
    let publisher = hall.connect("p", &how(Version::V5));
    hall.publish(publisher, "a", "waits", Q1);
    let reader = hall.connect("x", &kept(Version::V5, Some(saved)));
    assert_eq!(hall.told(reader), ["connected present=true"]);
    assert_eq!(hall.came(reader), ["waits"]);
}

#[test]
fn messages_reach_no_connection_but_their_sessions() {
    let mut hall = Hall::new();
    let reader = hall.connect("x", &KEPT());
    hall.subscribe(reader, "#", Q0);
    hall.break_off(reader);
    knock_narrow(&mut hall, "x", 10);
    let victim = hall.knock("victim", &how(Version::V5));
    hall.asked.clear();
    hall.admit_to(victim, "victim", "away");
    let publisher = hall.connect("p", &how(Version::V5));
    hall.publish(publisher, "a", "not for others", Q0);
    assert!(hall.came(victim).is_empty());
}

#[test]
fn sessions_of_a_removed_account_are_not_there_for_whoever_gets_its_name() {
    let mut hall = Hall::new();
    let (here, away) = (hall.connect("lamp", &KEPT()), hall.connect("lamp2", &KEPT()));
    hall.subscribe(here, "a", Q1);
    hall.subscribe(away, "a", Q1);
    hall.break_off(away);
    for name in ["lamp", "lamp2"] {
        hall.face.command(Command::Forget { name: name.into() }, hall.now);
        hall.run();
    }
    assert_eq!(hall.told(here).last().unwrap(), "ended Left(ReasonCode(152))");
    assert_eq!(hall.face.broker().gauges().sessions, 0);
    for name in ["lamp", "lamp2"] {
        let next = hall.connect(name, &KEPT());
        assert_eq!(hall.told(next), ["connected present=false"]);
    }
}

#[test]
fn only_filters_that_were_there_are_taken_back_at_the_hub() {
    let mut hall = Hall::new();
    let conn = hall.connect("x", &how(Version::V5));
    hall.hub = Some(Vec::new());
    let filter = "things/00000000-0000-4000-8000-000000000001/#";
    hall.subscribe(conn, filter, Q1);
    let Some(ThingsEvent::Subscribe { request, .. }) = hall.hub.as_mut().unwrap().pop() else {
        panic!("it is asked for");
    };
    let granted = ThingsCommand::Subscribed { conn, request, refused: vec![None] };
    hall.face.command(Command::Things(granted), hall.now);
    hall.run();
    let filters = vec!["things"; 500].into_iter().chain([filter, filter]).collect::<Vec<_>>();
    hall.guests.get_mut(&conn).unwrap().client.unsubscribe(&filters, hall.now.moment).unwrap();
    hall.run();
    let told = hall.hub.take().unwrap();
    assert_eq!(told, [ThingsEvent::Unsubscribe { conn, filter: filter.into() }]);
}

/// What the hub was asked to do, and an answer to it.
fn asked(hall: &mut Hall) -> Vec<ThingsCommand> {
    let events = std::mem::take(hall.hub.as_mut().unwrap());
    let taken = |event| match event {
        ThingsEvent::Publish { asked, .. } => {
            let (conn, key, id, qos) = (asked.conn, asked.key, asked.id, asked.publication.qos);
            Some(ThingsCommand::Taken { conn, key, id, qos, reason: ReasonCode::SUCCESS, why: None })
        }
        _ => None,
    };
    events.into_iter().filter_map(taken).collect()
}

/// A request of QoS 2 to a thing whose client comes back before it is judged; `is_late`: only after that.
fn repeated(version: Version, is_late: bool) {
    let mut hall = Hall::new();
    hall.hub = Some(Vec::new());
    let client = hall.connect("x", &kept(version, None));
    let topic = "things/00000000-0000-4000-8000-000000000001/actions/unlock/call";
    hall.publish(client, topic, "{}", QoS::ExactlyOnce);
    let first = asked(&mut hall);
    assert_eq!(first.len(), 1);
    let saved = hall.break_off(client);
    let judge = |hall: &mut Hall| {
        first.clone().into_iter().for_each(|one| hall.face.command(Command::Things(one), hall.now));
        hall.run();
    };
    if is_late {
        judge(&mut hall);
    }
    let client = hall.connect("x", &kept(version, Some(saved)));
    if !is_late {
        assert!(!hall.told(client).iter().any(|told| told.starts_with("delivered")), "not judged yet");
        judge(&mut hall);
    }
    assert_eq!(asked(&mut hall), [], "the hub hears it once");
    assert_eq!(hall.told(client).last().unwrap(), "delivered 1 0x00");
    hall.publish(client, topic, "{}", Q2);
    assert_eq!(asked(&mut hall).len(), 1, "another one is another one");
}

// verifies: MQTT-4.3.3-10
#[test]
fn a_request_of_qos_2_to_a_thing_is_made_once_whenever_its_client_comes_back() {
    for version in [Version::V3_1_1, Version::V5] {
        repeated(version, false);
        repeated(version, true);
    }
}
