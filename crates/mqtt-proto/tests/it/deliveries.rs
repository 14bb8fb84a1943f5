//! QoS 0, 1 and 2 in both directions, step by step.

use std::num::{NonZeroU16, NonZeroU32};

use mqtt_proto::{
    Ack, Connect, Disconnect, End, Kind, Limits, NotAsked, NotSent, Packet, Properties, Property,
    PropertyList, Publication, QoS, ReasonCode, SavedSession, ServerOutput, ServerSettings, Unacknowledged,
    Version, Violation,
};

use crate::desk::{ServerDesk, ack, connect, id, publish};
use crate::round_trips::VERSIONS;

use QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use Version::{V3_1_1, V5};

const OK: ReasonCode = ReasonCode::SUCCESS;

/// An open connection of a session that is kept.
pub(crate) fn open(version: Version) -> ServerDesk {
    let kept = kept(version, &[]);
    ServerDesk::accepted_as(&returning(version, kept.as_properties()), ServerSettings::default(), None)
}

/// Properties of CONNECT, with a session that outlives the connection.
fn kept(version: Version, more: &[Property<'_>]) -> PropertyList {
    let mut list = PropertyList::new();
    if version == V5 {
        list.push(Property::SessionExpiryInterval(60)).unwrap();
        more.iter().for_each(|property| list.push(*property).unwrap());
    }
    list
}

pub(crate) fn publication(qos: QoS, payload: &[u8]) -> Publication {
    Publication::new("t", payload, qos).unwrap()
}

#[track_caller]
pub(crate) fn message(desk: &mut ServerDesk) -> mqtt_proto::Incoming {
    match desk.event() {
        ServerOutput::Message(incoming) => incoming,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn delivered(desk: &mut ServerDesk, number: u16, wanted: ReasonCode) {
    match desk.event() {
        ServerOutput::Delivered { id, reason } => assert_eq!((id.get(), reason), (number, wanted)),
        other => panic!("{other:?}"),
    }
}

// verifies: MQTT-3.3.4-1, MQTT-4.3.1-1, MQTT-4.3.2-4, MQTT-4.3.3-8, MQTT-2.2.1-5, MQTT-3.3.1-3, MQTT311-4.3.1-1,
// MQTT311-4.3.2-2, MQTT311-4.3.3-2, MQTT311-2.3.1-6, MQTT311-3.3.4-1
#[test]
fn each_qos_has_its_answer_and_it_comes_from_the_application() {
    for version in VERSIONS {
        for (qos, answer) in [
            (AtMostOnce, None),
            (AtLeastOnce, Some(Packet::PubAck(ack(5, OK)))),
            (ExactlyOnce, Some(Packet::PubRec(ack(5, OK)))),
        ] {
            let mut desk = open(version);
            desk.feed(&publish(qos, 5, false, b"m"));
            let incoming = message(&mut desk);
            assert_eq!((incoming.publication.qos, incoming.is_dup), (qos, false));
            desk.expect(&[]);
            let Some(answer) = answer else {
                assert_eq!(incoming.id, None);
                continue;
            };
            desk.server.acknowledge(incoming.id.unwrap(), OK, None, desk.now).unwrap();
            desk.expect(&[answer]);
            assert_eq!(desk.server.acknowledge(id(5), OK, None, desk.now), Err(NotAsked), "once");
        }
    }
}

// verifies: MQTT-4.3.2-5, MQTT311-4.3.2-2
#[test]
fn after_puback_the_identifier_is_free_whatever_dup_says() {
    for version in VERSIONS {
        let mut desk = open(version);
        for dup in [false, true] {
            desk.feed(&publish(AtLeastOnce, 5, dup, b"m"));
            assert_eq!(message(&mut desk).is_dup, dup);
            desk.server.acknowledge(id(5), OK, None, desk.now).unwrap();
            desk.expect(&[Packet::PubAck(ack(5, OK))]);
        }
    }
}

// verifies: MQTT-4.3.3-10, MQTT-4.3.3-11, MQTT-4.3.3-12, MQTT-4.3.3-13, MQTT311-4.3.3-2, MQTT311-4.3.3-1
#[test]
fn a_message_of_qos_2_is_handed_up_once_until_it_is_released() {
    for version in VERSIONS {
        let mut desk = open(version);
        desk.feed(&publish(ExactlyOnce, 5, false, b"m"));
        message(&mut desk);
        desk.server.acknowledge(id(5), OK, None, desk.now).unwrap();
        desk.expect(&[Packet::PubRec(ack(5, OK))]);
        for dup in [true, false] {
            desk.feed(&publish(ExactlyOnce, 5, dup, b"m"));
            desk.expect(&[Packet::PubRec(ack(5, OK))]);
            assert!(desk.events.is_empty(), "not twice");
        }
        desk.feed(&Packet::PubRel(ack(5, OK)));
        assert!(matches!(desk.event(), ServerOutput::Released { id: released } if released == id(5)));
        desk.expect(&[Packet::PubComp(ack(5, OK))]);
        desk.feed(&publish(ExactlyOnce, 5, false, b"new"));
        assert_eq!(message(&mut desk).publication.message.payload, b"new", "the identifier is free");
    }
}

// verifies: MQTT-4.3.3-11, MQTT-3.7.2-1, MQTT311-4.3.3-2
#[test]
fn an_unknown_release_is_completed() {
    let mut desk = open(V5);
    desk.feed(&Packet::PubRel(ack(9, OK)));
    desk.expect(&[Packet::PubComp(ack(9, ReasonCode::PACKET_IDENTIFIER_NOT_FOUND))]);
    assert!(desk.events.is_empty());
    let mut desk = open(V3_1_1);
    desk.feed(&Packet::PubRel(ack(9, OK)));
    desk.expect(&[Packet::PubComp(ack(9, OK))]);
}

// verifies: MQTT-4.3.3-9, MQTT-4.4.0-2, MQTT311-3.3.5-2
#[test]
fn a_refused_message_frees_its_identifier() {
    let mut desk = open(V5);
    for _ in 0..2 {
        desk.feed(&publish(ExactlyOnce, 5, false, b"m"));
        message(&mut desk);
        desk.server.acknowledge(id(5), ReasonCode::NOT_AUTHORIZED, Some("no"), desk.now).unwrap();
        let why = PropertyList::new().with(Property::ReasonString("no")).unwrap();
        let refusal =
            Ack { reason: ReasonCode::NOT_AUTHORIZED, properties: why.as_properties(), ..ack(5, OK) };
        desk.expect(&[Packet::PubRec(refusal)]);
    }
    let mut desk = open(V3_1_1);
    desk.feed(&publish(ExactlyOnce, 5, false, b"m"));
    message(&mut desk);
    desk.server.acknowledge(id(5), ReasonCode::NOT_AUTHORIZED, Some("no"), desk.now).unwrap();
    desk.expect(&[Packet::PubRec(ack(5, OK))]);
    desk.feed(&publish(ExactlyOnce, 5, true, b"m"));
    assert!(desk.events.is_empty(), "3.1.1 has no refusal: what is answered is owned");
}

// verifies: MQTT-4.6.0-2, MQTT-4.6.0-3, MQTT311-4.6.0-2, MQTT311-4.6.0-3
#[test]
fn answers_leave_in_the_order_of_the_messages() {
    for version in VERSIONS {
        let mut desk = open(version);
        for (number, qos) in [(1, AtLeastOnce), (2, ExactlyOnce), (3, AtLeastOnce), (4, ExactlyOnce)] {
            desk.feed(&publish(qos, number, false, b"m"));
            message(&mut desk);
        }
        for number in [4, 2, 3] {
            desk.server.acknowledge(id(number), OK, None, desk.now).unwrap();
            desk.expect(&[]);
        }
        desk.server.acknowledge(id(1), OK, None, desk.now).unwrap();
        desk.expect(&[
            Packet::PubAck(ack(1, OK)),
            Packet::PubRec(ack(2, OK)),
            Packet::PubAck(ack(3, OK)),
            Packet::PubRec(ack(4, OK)),
        ]);
    }
}

#[test]
fn what_is_passed_over_holds_no_answer_back() {
    for version in VERSIONS {
        let mut desk = open(version);
        for number in [1, 2, 3] {
            desk.feed(&publish(AtLeastOnce, number, false, b"m"));
            message(&mut desk);
        }
        desk.server.acknowledge(id(2), OK, None, desk.now).unwrap();
        desk.expect(&[]);
        desk.server.pass_over(id(1), desk.now).unwrap();
        desk.expect(&[Packet::PubAck(ack(2, OK))]);
        desk.server.acknowledge(id(3), OK, None, desk.now).unwrap();
        desk.expect(&[Packet::PubAck(ack(3, OK))]);
        assert_eq!(desk.server.pass_over(id(1), desk.now), Err(NotAsked), "once");
        assert_eq!(desk.server.acknowledge(id(1), OK, None, desk.now), Err(NotAsked), "it gets no answer");
        assert_eq!(desk.server.pass_over(id(2), desk.now), Err(NotAsked), "it had its answer");
    }
}

// verifies: MQTT-4.3.2-1, MQTT-4.3.2-2, MQTT-4.3.2-3, MQTT-2.2.1-4, MQTT-3.3.1-1, MQTT-3.3.1-2, MQTT311-4.3.2-1,
// MQTT311-2.3.1-2, MQTT311-2.3.1-3, MQTT311-2.3.1-4, MQTT311-3.3.1-1
#[test]
fn qos_1_is_kept_until_its_answer_and_sent_again_in_the_next_connection() {
    for version in VERSIONS {
        let mut desk = open(version);
        assert_eq!(desk.server.publish(publication(AtLeastOnce, b"a")), Ok(Some(id(1))));
        assert_eq!(desk.server.publish(publication(AtMostOnce, b"b")), Ok(None));
        assert_eq!(desk.server.publish(publication(AtLeastOnce, b"c")), Ok(Some(id(2))));
        desk.expect(&[
            publish(AtLeastOnce, 1, false, b"a"),
            publish(AtMostOnce, 0, false, b"b"),
            publish(AtLeastOnce, 2, false, b"c"),
        ]);
        desk.feed(&Packet::PubAck(ack(1, OK)));
        delivered(&mut desk, 1, OK);
        let mut desk = again(desk, version);
        desk.expect(&[publish(AtLeastOnce, 2, true, b"c")]);
        desk.feed(&Packet::PubAck(ack(2, OK)));
        delivered(&mut desk, 2, OK);
        let mut desk = again(desk, version);
        desk.expect(&[]);
        assert_eq!(desk.server.publish(publication(AtLeastOnce, b"d")), Ok(Some(id(3))), "ids go on");
        desk.expect(&[publish(AtLeastOnce, 3, false, b"d")]);
    }
}

/// CONNECT of a client that goes on with its session.
fn returning(version: Version, properties: Properties<'_>) -> Connect<'_> {
    Connect { clean_start: false, properties, ..connect(version) }
}

/// The next connection of the same session.
fn again(mut desk: ServerDesk, version: Version) -> ServerDesk {
    desk.server.transport_lost(desk.now);
    desk.drain();
    let saved = saved(&mut desk);
    let kept = kept(version, &[]);
    ServerDesk::accepted_as(&returning(version, kept.as_properties()), ServerSettings::default(), Some(saved))
}

/// What the server stores at the end.
fn saved(desk: &mut ServerDesk) -> SavedSession {
    desk.end().absence.expect("it was accepted").resume().expect("the session is kept")
}

// verifies: MQTT-4.3.3-1, MQTT-4.3.3-2, MQTT-4.3.3-3, MQTT-4.3.3-4, MQTT-4.3.3-5, MQTT-4.3.3-6, MQTT-4.4.0-1,
// MQTT311-4.3.3-1, MQTT311-4.4.0-1
#[test]
fn qos_2_goes_forward_only_and_repeats_its_last_step() {
    for version in VERSIONS {
        let mut desk = open(version);
        assert_eq!(desk.server.publish(publication(ExactlyOnce, b"a")), Ok(Some(id(1))));
        desk.expect(&[publish(ExactlyOnce, 1, false, b"a")]);
        let mut desk = again(desk, version);
        desk.expect(&[publish(ExactlyOnce, 1, true, b"a")]);
        desk.feed(&Packet::PubRec(ack(1, OK)));
        assert!(matches!(desk.event(), ServerOutput::Received { id: received } if received == id(1)));
        desk.expect(&[Packet::PubRel(ack(1, OK))]);
        let mut desk = again(desk, version);
        desk.expect(&[Packet::PubRel(ack(1, OK))]);
        desk.feed(&Packet::PubRec(ack(1, OK)));
        desk.expect(&[Packet::PubRel(ack(1, OK))]);
        assert!(desk.events.is_empty(), "it was received before");
        desk.feed(&Packet::PubComp(ack(1, OK)));
        delivered(&mut desk, 1, OK);
        let mut desk = again(desk, version);
        desk.expect(&[]);
    }
}

// verifies: MQTT-4.6.0-1, MQTT-4.6.0-4, MQTT-4.4.0-1, MQTT311-4.6.0-1, MQTT311-4.6.0-4
#[test]
fn repetitions_keep_the_order_of_the_first_time() {
    for version in VERSIONS {
        let mut desk = open(version);
        for (qos, payload) in
            [(ExactlyOnce, b"a"), (ExactlyOnce, b"b"), (AtLeastOnce, b"c"), (ExactlyOnce, b"d")]
        {
            desk.server.publish(publication(qos, payload)).unwrap();
        }
        desk.sent();
        for number in [2, 1] {
            desk.feed(&Packet::PubRec(ack(number, OK)));
            desk.event();
        }
        desk.expect(&[Packet::PubRel(ack(2, OK)), Packet::PubRel(ack(1, OK))]);
        let mut desk = again(desk, version);
        desk.expect(&[
            Packet::PubRel(ack(2, OK)),
            Packet::PubRel(ack(1, OK)),
            publish(AtLeastOnce, 3, true, b"c"),
            publish(ExactlyOnce, 4, true, b"d"),
        ]);
    }
}

// verifies: MQTT-4.4.0-2, MQTT-4.8.2-6
#[test]
fn a_message_that_is_refused_is_at_its_end() {
    for (qos, refusal) in [
        (AtLeastOnce, Packet::PubAck(ack(1, ReasonCode::NOT_AUTHORIZED))),
        (ExactlyOnce, Packet::PubRec(ack(1, ReasonCode::NOT_AUTHORIZED))),
    ] {
        let mut desk = open(V5);
        desk.server.publish(publication(qos, b"a")).unwrap();
        desk.sent();
        desk.feed(&refusal);
        delivered(&mut desk, 1, ReasonCode::NOT_AUTHORIZED);
        let mut desk = again(desk, V5);
        desk.expect(&[]);
    }
}

// verifies: MQTT-4.3.3-7, MQTT-4.3.2-3
#[test]
fn what_was_sent_once_does_not_expire() {
    for qos in [AtLeastOnce, ExactlyOnce] {
        let mut desk = open(V5);
        let short = Publication { expiry_secs: Some(1), ..publication(qos, b"a") };
        desk.server.publish(short).unwrap();
        let first = desk.sent();
        desk.now = desk.now + std::time::Duration::from_secs(9);
        let repeated = again(desk, V5).sent();
        assert_eq!((repeated[0], &repeated[1..]), (first[0] | 8, &first[1..]), "the same again, marked");
    }
}

#[test]
fn a_step_that_is_not_the_next_one_closes() {
    for version in VERSIONS {
        for (qos, steps, kind) in [
            (ExactlyOnce, vec![Packet::PubAck(ack(1, OK))], Kind::PubAck),
            (ExactlyOnce, vec![Packet::PubComp(ack(1, OK))], Kind::PubComp),
            (AtLeastOnce, vec![Packet::PubRec(ack(1, OK))], Kind::PubRec),
            (AtLeastOnce, vec![Packet::PubComp(ack(1, OK))], Kind::PubComp),
            (ExactlyOnce, vec![Packet::PubRec(ack(1, OK)), Packet::PubAck(ack(1, OK))], Kind::PubAck),
        ] {
            let mut desk = open(version);
            desk.server.publish(publication(qos, b"a")).unwrap();
            steps.iter().for_each(|step| desk.feed(step));
            let last = desk.events.pop();
            let Some(ServerOutput::Ended(end)) = last else { panic!("{last:?}") };
            assert_eq!(end.end, End::Violation(Violation::OutOfStep(kind)));
        }
        let mut desk = open(version);
        desk.feed(&publish(ExactlyOnce, 1, false, b"m"));
        message(&mut desk);
        desk.feed(&Packet::PubRel(ack(1, OK)));
        desk.ended_as(End::Violation(Violation::OutOfStep(Kind::PubRel)));
    }
}

#[test]
fn answers_to_nothing_change_nothing() {
    for version in VERSIONS {
        let mut desk = open(version);
        desk.feed(&Packet::PubAck(ack(7, OK)));
        desk.feed(&Packet::PubComp(ack(7, OK)));
        desk.expect(&[]);
        desk.feed(&Packet::PubRec(ack(7, OK)));
        let reason = if version == V5 { ReasonCode::PACKET_IDENTIFIER_NOT_FOUND } else { OK };
        desk.expect(&[Packet::PubRel(ack(7, reason))]);
        assert!(desk.events.is_empty() && desk.server.is_open());
    }
}

#[test]
fn a_repetition_before_the_answer_is_for_3_1_1_only() {
    for qos in [AtLeastOnce, ExactlyOnce] {
        let mut desk = open(V3_1_1);
        desk.feed(&publish(qos, 1, false, b"m"));
        message(&mut desk);
        desk.feed(&publish(qos, 1, true, b"m"));
        assert!(desk.events.is_empty() && desk.server.is_open(), "handed up once");
        let mut desk = open(V5);
        desk.feed(&publish(qos, 1, false, b"m"));
        message(&mut desk);
        desk.feed(&publish(qos, 1, true, b"m"));
        desk.ended_as(End::Violation(Violation::IdInUse));
    }
}

#[test]
fn what_was_not_acknowledged_comes_again_and_what_was_owned_does_not() {
    for version in VERSIONS {
        let mut desk = open(version);
        for number in [1, 2, 3] {
            desk.feed(&publish(ExactlyOnce, number, false, b"m"));
            message(&mut desk);
        }
        desk.server.acknowledge(id(1), OK, None, desk.now).unwrap();
        desk.server.transport_lost(desk.now);
        let mut state = saved(&mut desk);
        assert_eq!(state.received, [id(1)]);
        assert_eq!(desk.server.acknowledge(id(2), OK, None, desk.now), Err(NotAsked), "too late");
        // The second was stored while the connection ended.
        state.take(id(2));
        let returning = returning(version, Properties::NONE);
        let mut desk = ServerDesk::accepted_as(&returning, ServerSettings::default(), Some(state));
        for number in [1, 2, 3] {
            desk.feed(&publish(ExactlyOnce, number, true, b"m"));
        }
        desk.expect(&[Packet::PubRec(ack(1, OK)), Packet::PubRec(ack(2, OK))]);
        assert_eq!(message(&mut desk).id, Some(id(3)), "the third is new");
    }
}

// verifies: MQTT-3.3.4-9, MQTT-3.3.4-10, MQTT-4.9.0-1, MQTT-4.9.0-2, MQTT-4.9.0-3
#[test]
fn no_more_than_the_receive_maximum_is_under_way() {
    let two = kept(V5, &[Property::ReceiveMaximum(NonZeroU16::new(2).unwrap())]);
    let connect = Connect { properties: two.as_properties(), ..connect(V5) };
    let mut desk = ServerDesk::accepted_as(&connect, ServerSettings::default(), None);
    assert_eq!(desk.server.quota(), 2);
    desk.server.publish(publication(AtLeastOnce, b"a")).unwrap();
    desk.server.publish(publication(ExactlyOnce, b"b")).unwrap();
    assert_eq!(desk.server.publish(publication(AtLeastOnce, b"c")), Err(NotSent::NoQuota));
    assert_eq!(desk.server.publish(publication(AtMostOnce, b"d")), Ok(None), "QoS 0 has no quota");
    desk.sent();
    desk.feed(&Packet::PingReq);
    desk.feed(&Packet::PubRec(ack(2, OK)));
    desk.event();
    desk.expect(&[Packet::PingResp, Packet::PubRel(ack(2, OK))]);
    assert_eq!(desk.server.quota(), 0, "PUBREC frees nothing");
    desk.feed(&Packet::PubComp(ack(2, OK)));
    delivered(&mut desk, 2, OK);
    assert_eq!(desk.server.quota(), 1);
    assert_eq!(desk.server.publish(publication(AtLeastOnce, b"c")), Ok(Some(id(3))));
    desk.sent();
    // In the next connection they are sent again within the quota of that one.
    desk.server.transport_lost(desk.now);
    let state = saved(&mut desk);
    let one = PropertyList::new().with(Property::ReceiveMaximum(NonZeroU16::MIN)).unwrap();
    let returning = returning(V5, one.as_properties());
    let mut desk = ServerDesk::accepted_as(&returning, ServerSettings::default(), Some(state));
    desk.expect(&[publish(AtLeastOnce, 1, true, b"a")]);
    assert_eq!(
        desk.server.publish(publication(AtLeastOnce, b"e")),
        Err(NotSent::NoQuota),
        "the old go first"
    );
    desk.feed(&Packet::PubAck(ack(1, OK)));
    delivered(&mut desk, 1, OK);
    desk.expect(&[publish(AtLeastOnce, 3, true, b"c")]);
}

// verifies: MQTT-3.1.2-24, MQTT-3.1.2-25, MQTT-3.4.2-2, MQTT-3.5.2-2, MQTT-3.14.2-3
#[test]
fn nothing_larger_than_the_client_takes_is_sent() {
    let size = PropertyList::new().with(Property::MaximumPacketSize(NonZeroU32::new(20).unwrap())).unwrap();
    let connect = Connect { properties: size.as_properties(), ..connect(V5) };
    let mut desk = ServerDesk::accepted_as(&connect, ServerSettings::default(), None);
    // 2 of header, 3 of topic, 1 of properties.
    assert_eq!(desk.server.publish(publication(AtMostOnce, &[7; 14])), Ok(None));
    assert_eq!(desk.server.publish(publication(AtMostOnce, &[7; 15])), Err(NotSent::TooLarge));
    assert_eq!(desk.server.publish(publication(AtLeastOnce, &[7; 13])), Err(NotSent::TooLarge));
    assert_eq!(desk.server.quota(), 64, "it counts for nothing");
    desk.expect(&[publish(AtMostOnce, 0, false, &[7; 14])]);
    desk.feed(&publish(AtLeastOnce, 5, false, b"m"));
    message(&mut desk);
    let long = "a reason of some length";
    desk.server.acknowledge(id(5), ReasonCode::NOT_AUTHORIZED, Some(long), desk.now).unwrap();
    desk.expect(&[Packet::PubAck(ack(5, ReasonCode::NOT_AUTHORIZED))]);
    desk.feed(&publish(ExactlyOnce, 6, false, b"m"));
    message(&mut desk);
    desk.server.acknowledge(id(6), ReasonCode::NOT_AUTHORIZED, Some(long), desk.now).unwrap();
    desk.expect(&[Packet::PubRec(ack(6, ReasonCode::NOT_AUTHORIZED))]);
    desk.server.disconnect(ReasonCode::SERVER_BUSY, Some(long), desk.now);
    desk.expect(&[Packet::Disconnect(Disconnect::plain(ReasonCode::SERVER_BUSY))]);
}

#[test]
fn a_stored_message_that_no_longer_fits_is_dropped_as_delivered() {
    let state = SavedSession {
        unacknowledged: [(1, 100), (2, 1)]
            .map(|(number, size)| Unacknowledged {
                id: id(number),
                publication: publication(AtLeastOnce, &vec![7; size]),
            })
            .into(),
        last_id: 2,
        ..SavedSession::default()
    };
    let size = PropertyList::new().with(Property::MaximumPacketSize(NonZeroU32::new(30).unwrap())).unwrap();
    let returning = returning(V5, size.as_properties());
    let mut desk = ServerDesk::accepted_as(&returning, ServerSettings::default(), Some(state));
    delivered(&mut desk, 1, ReasonCode::PACKET_TOO_LARGE);
    desk.expect(&[publish(AtLeastOnce, 2, true, &[7])]);
}

// verifies: MQTT-3.1.2-29
#[test]
fn reasons_in_words_are_left_out_where_they_are_unwelcome() {
    let quiet = PropertyList::new().with(Property::RequestProblemInformation(false)).unwrap();
    let connect = Connect { properties: quiet.as_properties(), ..connect(V5) };
    let mut desk = ServerDesk::accepted_as(&connect, ServerSettings::default(), None);
    desk.feed(&publish(AtLeastOnce, 5, false, b"m"));
    message(&mut desk);
    desk.server.acknowledge(id(5), ReasonCode::NOT_AUTHORIZED, Some("no"), desk.now).unwrap();
    desk.expect(&[Packet::PubAck(ack(5, ReasonCode::NOT_AUTHORIZED))]);
    desk.server.disconnect(ReasonCode::SERVER_BUSY, Some("full"), desk.now);
    let why = PropertyList::new().with(Property::ReasonString("full")).unwrap();
    let farewell = Disconnect { reason: ReasonCode::SERVER_BUSY, properties: why.as_properties() };
    desk.expect(&[Packet::Disconnect(farewell)]);
}

#[test]
fn identifiers_are_drawn_around_those_in_use() {
    let state = SavedSession {
        unacknowledged: vec![Unacknowledged { id: id(65_535), publication: publication(AtLeastOnce, b"a") }],
        unreleased: vec![id(1)],
        last_id: 65_534,
        ..SavedSession::default()
    };
    let limits = Limits { inflight_max: 10, ..Limits::default() };
    let settings = ServerSettings { limits, ..ServerSettings::default() };
    let mut desk = ServerDesk::accepted_as(&returning(V5, Properties::NONE), settings, Some(state));
    desk.sent();
    assert_eq!(desk.server.publish(publication(AtLeastOnce, b"b")), Ok(Some(id(2))), "past 65535, 0 and 1");
}
