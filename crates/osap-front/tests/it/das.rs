//! Devices at the access service.

use clock::Timestamp;
use model::Uuid;
use mqtt_proto::{End, ReasonCode, Version};
use osap_front::das::{DasCommand, DasEvent, DasOrder, OfflineReason, OrderFailure, OrderResult, Token};
use osap_proto::{ProtocolType, Serial};
use osap_things::{DesiredValue, DownMessage, Failure, Node, Place, Resource, UpMessage, encode_up};
use serde_json::json;

use crate::world::{EPOCH_MILLIS, World, at, serial, setup_psk};

pub(crate) fn lock() -> Place {
    Place::new(Resource::global(), "Lock", "isLocked").unwrap()
}

pub(crate) fn report(value: bool) -> UpMessage {
    UpMessage::Attribute { node: Node::Device, place: lock(), value: json!(value) }
}

pub(crate) fn order(id: u64, until_secs: u64) -> Box<DasOrder> {
    Box::new(DasOrder {
        serial: serial("T1"),
        id,
        message: DownMessage::Set { node: Node::Device, place: lock(), value: json!(true) },
        deadline: at(until_secs).moment,
    })
}

fn online(devid: osap_proto::Devid) -> DasEvent {
    DasEvent::Online { serial: serial("T1"), devid, protocol: ProtocolType::PLAIN, is_tls: true }
}

fn offline(reason: OfflineReason) -> DasEvent {
    DasEvent::Offline { serial: serial("T1"), reason }
}

// verifies: OSAP-6-08, OSAP-6-14
#[test]
fn a_report_is_acknowledged_when_it_is_stored_and_not_before() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut world = World::new();
        let mut device = world.ready_device("T1", at(0));
        device.version = version;
        let mut talk = world.connect(&mut device, at(1));
        assert_eq!(world.told(), [online(device.devid)]);
        world.takes = false;
        let general = device.general(at(2));
        talk.say(&mut world, general, &report(true), at(2));
        assert!(talk.delivered.is_empty(), "nothing is stored yet");
        let told = world.told();
        let [DasEvent::Up { token: Some(token), serial: from, message, general: told }] = &told[..] else {
            panic!("{told:?}")
        };
        assert_eq!((from, &**message, *told), (&device.serial, &report(true), general));
        world.das.command(DasCommand::Taken(*token), at(3));
        talk.turn(&mut world, at(3));
        assert_eq!(talk.delivered, [ReasonCode::SUCCESS]);
        world.das.command(DasCommand::Taken(*token), at(3));
        world.das.command(DasCommand::Taken(Token(999)), at(3));
        talk.turn(&mut world, at(3));
        assert_eq!(talk.delivered.len(), 1, "an answer counts once");
    }
}

#[test]
fn what_cannot_be_stored_comes_again_on_the_next_connection_and_what_was_stored_is_known() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let mut talk = world.connect(&mut device, at(1));
    world.takes = false;
    let (first, second) = (device.general(at(2)), device.general(at(2)));
    talk.say(&mut world, first, &report(true), at(2));
    talk.say(&mut world, second, &report(false), at(2));
    let tokens: Vec<Token> = world
        .told()
        .into_iter()
        .filter_map(|event| if let DasEvent::Up { token, .. } = event { token } else { None })
        .collect();
    world.das.command(DasCommand::Taken(tokens[0]), at(2));
    world.das.command(DasCommand::Unable(tokens[1]), at(2));
    talk.turn(&mut world, at(2));
    assert_eq!(talk.delivered, [ReasonCode::SUCCESS]);
    assert!(world.is_closed(talk.line), "3.1.1 has no other way to say that it was not taken");
    assert_eq!(world.told(), [offline(OfflineReason::Closed)]);

    world.takes = true;
    let mut talk = world.connect(&mut device, at(3));
    world.told();
    talk.say(&mut world, first, &report(true), at(3));
    assert_eq!(world.told(), [], "it was stored, and is not told again");
    talk.say(&mut world, second, &report(false), at(3));
    assert_eq!(world.told().len(), 1);
    assert_eq!(talk.delivered, [ReasonCode::SUCCESS; 2], "both are acknowledged");
    assert_eq!(world.das.counters().repeated, 1);
}

#[test]
fn a_refusal_for_good_is_acknowledged_with_a_reason_in_5_0() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let mut talk = world.connect(&mut device, at(1));
    world.told();
    world.takes = false;
    let general = device.general(at(2));
    talk.say(&mut world, general, &report(true), at(2));
    let Some(DasEvent::Up { token: Some(token), .. }) = world.told().pop() else { panic!("it is told") };
    world.das.command(DasCommand::Refused(token), at(2));
    talk.turn(&mut world, at(2));
    assert_eq!(talk.delivered, [ReasonCode::PAYLOAD_FORMAT_INVALID]);
    assert!(!world.is_closed(talk.line));
}

// verifies: OSAP-2.1.8-02
#[test]
fn orders_of_a_gateway_and_of_what_is_behind_it_are_told_apart_by_who_was_asked() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let mut talk = world.connect(&mut device, at(1));
    world.told();
    let child = |name| Node::child(serial(name)).unwrap();
    for node in [Node::Device, child("C1"), child("C2")] {
        let mut order = order(41, 60);
        order.message = DownMessage::Set { node, place: lock(), value: json!(true) };
        world.das.command(DasCommand::Order(order), at(2));
    }
    talk.turn(&mut world, at(2));
    assert_eq!(talk.heard.len(), 3, "one number, three orders");
    let of_child = talk.heard[1].general;
    let was_set = |node| UpMessage::WasSet { node, place: lock(), result: Ok(()) };
    for forged in [Node::Device, child("C2")] {
        talk.say(&mut world, of_child, &was_set(forged), at(3));
        assert_eq!(world.told(), [], "nobody answers for another");
    }
    let general = osap_proto::General { seq: of_child.seq, ts: of_child.ts + 5 };
    talk.say(&mut world, general, &was_set(child("C1")), at(3));
    let told = world.told();
    let [DasEvent::Answered { result, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(**result, OrderResult { id: 41, node: child("C1"), result: Ok(None) });
    world.das.command(DasCommand::Withdraw { serial: serial("T1"), id: 41 }, at(4));
    let general = osap_proto::General { seq: talk.heard[2].general.seq, ts: of_child.ts + 6 };
    talk.say(&mut world, general, &was_set(child("C2")), at(5));
    assert_eq!(world.told().len(), 1, "what the device itself was to do is withdrawn, and no more");
}

// verifies: OSAP-6-16
#[test]
fn an_order_goes_down_and_its_answer_comes_back_to_it() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let mut talk = world.connect(&mut device, at(1));
    world.told();
    world.das.command(DasCommand::Order(order(41, 60)), at(2));
    talk.turn(&mut world, at(2));
    let got = talk.heard.pop().unwrap();
    assert_eq!(got.message, order(41, 60).message);
    assert_eq!(got.general.ts, EPOCH_MILLIS + 2000);
    let wrong_place = Place::new(Resource::global(), "Lock", "another").unwrap();
    let stray = UpMessage::WasSet { node: Node::Device, place: wrong_place, result: Ok(()) };
    talk.say(&mut world, got.general, &stray, at(3));
    assert_eq!(world.told(), [], "an answer about something else is none");
    let answer = UpMessage::WasSet { node: Node::Device, place: lock(), result: Ok(()) };
    let general = osap_proto::General { seq: got.general.seq, ts: got.general.ts + 5 };
    talk.say(&mut world, general, &answer, at(3));
    let told = world.told();
    let [DasEvent::Answered { token: Some(_), result, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(**result, OrderResult { id: 41, node: Node::Device, result: Ok(None) });
    assert_eq!(talk.delivered, [ReasonCode::SUCCESS; 2]);
    let again = osap_proto::General { seq: got.general.seq, ts: got.general.ts + 6 };
    talk.say(&mut world, again, &answer, at(3));
    assert_eq!(world.told(), [], "an order is answered once");
    assert_eq!(world.das.counters().stray, 2);
}

#[test]
fn results_of_calls_and_queries_and_failures_reach_their_orders() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let mut talk = world.connect(&mut device, at(1));
    world.told();
    let open = Place::new(Resource::global(), "Lock", "open").unwrap();
    let operate = DownMessage::Operate { node: Node::Device, place: open.clone(), input: json!({"for": 5}) };
    let query = DownMessage::Query { node: Node::Device, place: lock() };
    for (id, message) in [(1, operate.clone()), (2, query.clone()), (3, operate)] {
        let order = DasOrder { id, message, ..*order(id, 60) };
        world.das.command(DasCommand::Order(Box::new(order)), at(2));
    }
    talk.turn(&mut world, at(2));
    let seqs: Vec<_> = talk.heard.iter().map(|got| got.general).collect();
    let jammed = Failure { code: 7, message: "jammed".into() };
    let node = Node::Device;
    let answers = [
        UpMessage::Operated { node: node.clone(), place: open.clone(), result: Ok(json!("done")) },
        UpMessage::Answered { node: node.clone(), place: lock(), result: Ok(json!(false)) },
        UpMessage::Operated { node, place: open, result: Err(jammed.clone()) },
    ];
    for (general, answer) in seqs.iter().zip(&answers) {
        talk.say(&mut world, *general, answer, at(3));
    }
    let results: Vec<OrderResult> = world
        .told()
        .into_iter()
        .map(
            |event| if let DasEvent::Answered { result, .. } = event { *result } else { panic!("{event:?}") },
        )
        .collect();
    assert_eq!(results[0], OrderResult { id: 1, node: Node::Device, result: Ok(Some(json!("done"))) });
    assert_eq!(results[1], OrderResult { id: 2, node: Node::Device, result: Ok(Some(json!(false))) });
    assert_eq!(results[2], OrderResult { id: 3, node: Node::Device, result: Err(jammed) });
}

#[test]
fn an_unacknowledged_order_is_sealed_anew_on_the_next_connection_as_the_same_message() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let mut talk = world.connect(&mut device, at(1));
    talk.acknowledges = false;
    world.das.command(DasCommand::Order(order(41, 60)), at(2));
    talk.turn(&mut world, at(2));
    let first = talk.heard.pop().unwrap();
    world.das.closed(talk.line, at(3));
    world.drain_das(at(3));
    // one that comes while it is away
    world.das.command(DasCommand::Order(order(42, 4)), at(3));
    world.das.command(DasCommand::Order(order(43, 60)), at(3));
    let mut talk = world.connect(&mut device, at(5));
    assert_eq!(talk.heard[0], first, "with the number and time it had");
    assert_eq!(talk.heard.len(), 2, "42 was over before the device came");
    talk.acknowledges = true;
    world.das.closed(talk.line, at(6));
    world.drain_das(at(6));
    let talk = world.connect(&mut device, at(7));
    assert_eq!(talk.heard.len(), 0, "what the device has is not sent again");
    let withdrawn = DasCommand::Withdraw { serial: serial("T1"), id: 41 };
    world.das.command(withdrawn, at(7));
    assert!(world.told().iter().all(|event| !matches!(event, DasEvent::OrderFailed { .. })));
}

#[test]
fn orders_that_cannot_be_kept_are_given_back() {
    let mut world = World::new();
    world.das.command(DasCommand::Order(order(1, 60)), at(0));
    world.drain_das(at(0));
    let failed = |id, why| DasEvent::OrderFailed { serial: serial("T1"), node: Node::Device, id, why };
    assert_eq!(world.told(), [failed(1, OrderFailure::NotHere)]);
    let mut device = world.ready_device("T1", at(0));
    let mut talk = world.connect(&mut device, at(1));
    talk.acknowledges = false;
    world.told();
    for id in 0..66 {
        world.das.command(DasCommand::Order(order(id, 60)), at(2));
    }
    talk.turn(&mut world, at(2));
    assert_eq!(world.told(), [failed(64, OrderFailure::Busy), failed(65, OrderFailure::Busy)]);
    let long = DownMessage::Set { node: Node::Device, place: lock(), value: json!("x".repeat(70_000)) };
    let long = DasOrder { id: 99, message: long, ..*order(99, 60) };
    world.das.command(DasCommand::Order(Box::new(long)), at(2));
    talk.turn(&mut world, at(2));
    assert_eq!(world.told(), [failed(99, OrderFailure::TooLarge)]);
}

#[test]
fn a_late_answer_still_finds_its_order() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let mut talk = world.connect(&mut device, at(1));
    world.das.command(DasCommand::Order(order(41, 10)), at(2));
    talk.turn(&mut world, at(2));
    let got = talk.heard.pop().unwrap();
    world.das.expire(at(20));
    world.told();
    let answer = UpMessage::WasSet { node: Node::Device, place: lock(), result: Ok(()) };
    talk.say(&mut world, got.general, &answer, at(20));
    assert!(matches!(&world.told()[..], [DasEvent::Answered { result, .. }] if result.id == 41));
}

#[test]
fn what_a_device_asks_is_answered_under_the_number_of_its_request() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let mut talk = world.connect(&mut device, at(1));
    world.told();
    let general = device.general(at(2));
    let ask = UpMessage::AskDesired { node: Node::Device, resource: Resource::global() };
    talk.say(&mut world, general, &ask, at(2));
    assert_eq!(world.told().len(), 1);
    let wanted = DesiredValue { area: "Lock".into(), identifier: "isLocked".into(), value: json!(true) };
    let message =
        DownMessage::Desired { node: Node::Device, resource: Resource::global(), values: vec![wanted] };
    let answer =
        DasCommand::Answer { serial: serial("T1"), seq: general.seq, message: Box::new(message.clone()) };
    world.das.command(answer, at(3));
    talk.turn(&mut world, at(3));
    assert_eq!((talk.heard[0].general.seq, &talk.heard[0].message), (general.seq, &message));
}

// verifies: OSAP-6-09
#[test]
fn a_device_that_comes_anew_takes_the_place_of_its_earlier_connection() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let mut first = world.connect(&mut device, at(1));
    world.told();
    let second = world.connect(&mut device, at(2));
    first.turn(&mut world, at(2));
    assert!(world.is_closed(first.line) && !world.is_closed(second.line));
    assert_eq!(first.end, Some(End::Left(ReasonCode::SESSION_TAKEN_OVER)));
    assert_eq!(world.told(), [online(device.devid)], "it was there all the time");
    world.das.closed(first.line, at(3));
    world.drain_das(at(3));
    assert_eq!(world.told(), [], "the end of the earlier one says nothing about the device");
    assert_eq!(world.das.device_count(), 1);
}

// verifies: TS-H11
#[test]
fn a_new_ticket_ends_the_session_of_the_one_before() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let mut talk = world.connect(&mut device, at(1));
    world.told();
    let (_, completed) = world.run(setup_psk("T1"), at(2)).unwrap();
    talk.turn(&mut world, at(2));
    assert!(world.is_closed(talk.line));
    assert_eq!(world.told(), [offline(OfflineReason::TicketOver)]);
    let old = world.try_connect(&mut device, at(3)).err().unwrap();
    assert_eq!(old.end, Some(End::Refused(ReasonCode::USE_ANOTHER_SERVER)));
    device.completed = completed;
    device.conn_no = 0;
    world.connect(&mut device, at(4));
}

#[test]
fn the_end_of_a_ticket_and_the_owner_close_the_connection() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let mut talk = world.connect(&mut device, at(1));
    world.told();
    world.das.command(DasCommand::Close { serial: serial("T1") }, at(2));
    talk.turn(&mut world, at(2));
    assert!(world.is_closed(talk.line));
    assert_eq!(world.told(), [offline(OfflineReason::Closed)]);
    world.records.get_mut(&serial("T1")).unwrap().is_blocked = true;
    let refused = world.try_connect(&mut device, at(3)).err().unwrap();
    assert_eq!(refused.end, Some(End::Refused(ReasonCode::NOT_AUTHORIZED)));
    world.records.get_mut(&serial("T1")).unwrap().is_blocked = false;

    let mut talk = world.connect(&mut device, at(79_990));
    world.told();
    world.das.expire(at(79_999));
    talk.turn(&mut world, at(79_999));
    assert!(!world.is_closed(talk.line));
    world.das.expire(at(80_000));
    talk.turn(&mut world, at(80_000));
    assert_eq!(talk.end, Some(End::Left(ReasonCode::MAXIMUM_CONNECT_TIME)));
    assert_eq!(world.told(), [offline(OfflineReason::TicketOver)]);
    let late = world.try_connect(&mut device, at(80_001)).err().unwrap();
    assert_eq!(late.end, Some(End::Refused(ReasonCode::USE_ANOTHER_SERVER)));
}

// verifies: OSAP-7-05
#[test]
fn a_device_that_says_nothing_for_one_and_a_half_heartbeats_is_gone() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let mut talk = world.connect(&mut device, at(1));
    world.told();
    let general = device.general(at(20));
    talk.say(&mut world, general, &report(true), at(20));
    world.told();
    world.das.expire(at(64));
    talk.turn(&mut world, at(64));
    assert!(!world.is_closed(talk.line), "30 seconds and a half of that, from its last word");
    assert_eq!(world.das.next_deadline(), Some(at(65).moment));
    world.das.expire(at(65));
    talk.turn(&mut world, at(65));
    assert!(world.is_closed(talk.line));
    assert_eq!(world.told(), [offline(OfflineReason::Lost)]);
}

// verifies: OSAP-7-04
#[test]
fn who_asks_whether_we_are_there_is_answered_and_stays_online() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let mut talk = world.connect(&mut device, at(0));
    world.told();
    for beat in 1..=4 {
        let now = at(30 * beat);
        talk.client.expire(now.moment);
        talk.turn(&mut world, now);
        assert_eq!(
            talk.sent.last().map(Vec::as_slice),
            Some(&[0xc0, 0][..]),
            "it asks when nothing else is to say"
        );
        world.das.expire(now);
    }
    talk.client.expire(at(149).moment);
    talk.turn(&mut world, at(149));
    assert_eq!(talk.end, None, "a device that hears nothing gives up");
    assert_eq!(world.told(), []);
}

// verifies: OSAP-6-10, OSAP-6-11, OSAP-6-17, OSAP-6-18
#[test]
fn a_will_is_told_when_the_connection_breaks_and_not_after_a_farewell() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let lost = UpMessage::Event {
        node: Node::Device,
        place: Place::new(Resource::global(), "Net", "lost").unwrap(),
        id: Uuid::v4([5; 16]),
        at: Timestamp::from_unix_millis(EPOCH_MILLIS),
        data: json!(null),
        dropped: 0,
    };
    let (topic, body) = encode_up(&lost, &Serial::new(b"T1").unwrap()).unwrap();
    device.will = Some((topic, body));
    let mut talk = world.connect(&mut device, at(1));
    world.told();
    talk.client.disconnect(ReasonCode::SUCCESS, None, at(2).moment).unwrap();
    talk.turn(&mut world, at(2));
    assert_eq!(world.told(), [offline(OfflineReason::Left)]);
    let talk = world.connect(&mut device, at(3));
    world.told();
    world.das.closed(talk.line, at(4));
    world.drain_das(at(4));
    let told = world.told();
    let [DasEvent::Up { token: None, message, .. }, gone] = &told[..] else { panic!("{told:?}") };
    assert_eq!((&**message, gone), (&lost, &offline(OfflineReason::Lost)));
}

#[test]
fn events_that_the_owner_has_no_room_for_are_offered_again_in_order() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let mut talk = world.connect(&mut device, at(1));
    world.told();
    let mut sealed = Vec::new();
    for number in 0..3 {
        let general = device.general(at(2));
        sealed.push((talk.seal(general, &report(number % 2 == 0), at(2)), general));
    }
    for ((topic, payload), _) in &sealed {
        let publication = mqtt_proto::Publication::new(topic, payload, mqtt_proto::QoS::AtLeastOnce).unwrap();
        talk.client.publish(publication, at(2).moment).unwrap();
        while let Some(mqtt_proto::ClientOutput::Transmit(bytes)) = talk.client.next_output() {
            world.das.receive(talk.line, &bytes, at(2));
        }
        while let Some(output) = world.das.next_output() {
            if let osap_front::Output::Event(event) = output {
                world.das.refused(event, at(2));
            }
        }
    }
    assert_eq!(world.das.counters().backed_up, 1, "behind one that waits the others are not even offered");
    world.das.expire(at(3));
    world.drain_das(at(3));
    let told: Vec<_> = world
        .told()
        .into_iter()
        .filter_map(|event| if let DasEvent::Up { general, .. } = event { Some(general) } else { None })
        .collect();
    assert_eq!(told, sealed.iter().map(|(_, general)| *general).collect::<Vec<_>>());
}

#[test]
fn a_process_that_stops_tells_its_devices() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let mut talk = world.connect(&mut device, at(1));
    world.das.stop(at(2));
    talk.turn(&mut world, at(2));
    assert_eq!(talk.end, Some(End::Left(ReasonCode::SERVER_SHUTTING_DOWN)));
    assert!(world.is_closed(talk.line));
}
