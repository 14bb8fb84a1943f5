//! From CONNECT to CONNACK, and how connections of a server end.

use std::num::NonZeroU16;

use mqtt_proto::{
    AbsenceOutput, Accept, Capabilities, ConnAck, Connect, Disconnect, End, Frame, Kind, Limits, NotAccepted,
    NotAsked, Packet, Password, Properties, Property, PropertyList, QoS, ReasonCode, SavedSession,
    ServerOutput, ServerSettings, Version, Violation, Will,
};

use crate::desk::{ServerDesk, connect, publish, secs};
use crate::round_trips::{VERSIONS, bytes_of};

use Version::{V3_1_1, V5};

fn list(properties: &[Property<'_>]) -> PropertyList {
    let mut list = PropertyList::new();
    properties.iter().for_each(|property| list.push(*property).unwrap());
    list
}

/// The CONNACK that was sent, and nothing else.
#[track_caller]
fn connack(desk: &mut ServerDesk, see: impl FnOnce(ConnAck<'_>)) {
    let bytes = desk.sent();
    let frame = Frame::first_of(&bytes, 1000).unwrap().expect("CONNACK was sent");
    assert_eq!(frame.size(), bytes.len(), "one packet");
    let Ok(Packet::ConnAck(connack)) = Packet::decode(frame, desk.version) else { panic!("{bytes:02x?}") };
    see(connack);
}

fn asked(connect: &Connect<'_>, settings: ServerSettings) -> ServerDesk {
    let mut desk = ServerDesk::new(connect.version, settings);
    desk.feed(&Packet::Connect(*connect));
    desk
}

// verifies: MQTT-3.1.0-1, MQTT-3.2.0-1, MQTT-3.14.0-1, MQTT311-3.1.0-1, MQTT311-3.2.0-1
#[test]
fn connect_comes_first() {
    for version in VERSIONS {
        let mut desk = ServerDesk::new(version, ServerSettings::default());
        desk.feed(&Packet::PingReq);
        desk.expect(&[]);
        desk.ended_as(End::Violation(Violation::NotConnected(Kind::PingReq)));
        desk.feed(&Packet::Connect(connect(version)));
        assert!(desk.events.is_empty() && desk.sent().is_empty(), "nothing follows the end");
    }
}

// verifies: MQTT-3.1.0-2, MQTT-3.2.0-2, MQTT-4.13.1-1, MQTT311-3.1.0-2, MQTT311-4.8.0-1
#[test]
fn a_second_connect_closes() {
    let mut desk = ServerDesk::accepted(V5, ServerSettings::default());
    desk.feed(&Packet::Connect(connect(V5)));
    desk.expect(&[Packet::Disconnect(Disconnect::plain(ReasonCode::PROTOCOL_ERROR))]);
    desk.ended_as(End::Violation(Violation::Unexpected(Kind::Connect)));
    let mut desk = ServerDesk::accepted(V3_1_1, ServerSettings::default());
    desk.feed(&Packet::Connect(connect(V3_1_1)));
    desk.expect(&[]);
    desk.ended_as(End::Violation(Violation::Unexpected(Kind::Connect)));
}

// verifies: MQTT-3.1.4-5, MQTT-3.2.0-1, MQTT-3.2.0-2, MQTT-3.1.3-5, MQTT311-3.1.4-4, MQTT311-3.1.3-5
#[test]
fn an_accepted_client_gets_one_connack() {
    for version in VERSIONS {
        let name = "0123456789abcdefghijABC";
        let mut desk = asked(&Connect { client_id: name, ..connect(version) }, ServerSettings::default());
        let ServerOutput::Connect(request) = desk.event() else { panic!() };
        assert_eq!((request.client_id.as_str(), request.version), (name, version));
        desk.expect(&[]);
        desk.server.accept(Accept::default(), desk.now).unwrap();
        connack(&mut desk, |connack| {
            assert_eq!((connack.reason, connack.session_present), (ReasonCode::SUCCESS, false));
        });
        assert_eq!(desk.server.accept(Accept::default(), desk.now), Err(NotAccepted::NotAsked));
        assert!(desk.sent().is_empty(), "no second CONNACK");
    }
}

// verifies: MQTT-3.1.2-5, MQTT-3.1.2-6, MQTT-3.1.4-4, MQTT-3.2.2-2, MQTT-3.2.2-3, MQTT-3.1.2-4, MQTT311-3.1.2-4,
// MQTT311-3.1.2-6, MQTT311-3.1.4-3, MQTT311-3.2.2-1, MQTT311-3.2.2-2, MQTT311-3.2.2-3
#[test]
fn session_present_says_what_the_application_gave() {
    for version in VERSIONS {
        for (clean_start, session, present) in [
            (true, None, Ok(false)),
            (true, Some(SavedSession::default()), Err(NotAccepted::CleanStart)),
            (false, None, Ok(false)),
            (false, Some(SavedSession::default()), Ok(true)),
        ] {
            let mut desk = asked(&Connect { clean_start, ..connect(version) }, ServerSettings::default());
            let ServerOutput::Connect(request) = desk.event() else { panic!() };
            assert_eq!(request.clean_start, clean_start);
            let accepted = desk.server.accept(Accept { session, ..Accept::default() }, desk.now);
            match present {
                Ok(present) => connack(&mut desk, |connack| assert_eq!(connack.session_present, present)),
                Err(error) => assert_eq!(accepted, Err(error), "a clean start gets no session"),
            }
        }
    }
}

// verifies: MQTT-3.1.3-6, MQTT-3.1.3-7, MQTT-3.2.2-16, MQTT311-3.1.3-6, MQTT311-3.1.3-7, MQTT311-3.1.3-8
#[test]
fn a_client_without_a_name_is_given_one() {
    let nameless = |version| Connect { client_id: "", ..connect(version) };
    for version in VERSIONS {
        let mut desk = asked(&nameless(version), ServerSettings::default());
        desk.event();
        assert_eq!(desk.server.accept(Accept::default(), desk.now), Err(NotAccepted::ClientIdentifier));
        let accept = Accept { assigned_client_id: Some("n1"), ..Accept::default() };
        desk.server.accept(accept, desk.now).unwrap();
        let said = if version == V5 { Some("n1") } else { None };
        connack(&mut desk, |connack| assert_eq!(connack.properties.assigned_client_identifier(), said));
    }
    let mut desk = asked(&Connect { clean_start: false, ..nameless(V3_1_1) }, ServerSettings::default());
    desk.ended_as(End::Violation(Violation::NoClientIdentifier));
    assert_eq!(desk.sent(), [0x20, 2, 0, 2], "identifier rejected");
    let mut desk = asked(&connect(V5), ServerSettings::default());
    desk.event();
    let accept = Accept { assigned_client_id: Some("n1"), ..Accept::default() };
    assert_eq!(desk.server.accept(accept, desk.now), Err(NotAccepted::ClientIdentifier), "it has a name");
}

// verifies: MQTT-3.1.3-8, MQTT-3.1.4-2, MQTT-3.1.4-6, MQTT-3.2.2-7, MQTT-3.2.2-6, MQTT-4.13.2-1, MQTT311-3.1.3-9,
// MQTT311-3.1.4-5, MQTT311-3.2.2-4, MQTT311-3.2.2-5, MQTT311-3.2.2-6
#[test]
fn a_refused_client_is_told_and_nothing_it_sent_counts() {
    let cases = [
        (ReasonCode::CLIENT_IDENTIFIER_NOT_VALID, Some(2)),
        (ReasonCode::SERVER_BUSY, Some(3)),
        (ReasonCode::BAD_USER_NAME_OR_PASSWORD, Some(4)),
        (ReasonCode::NOT_AUTHORIZED, Some(5)),
        (ReasonCode::UNSPECIFIED_ERROR, None),
    ];
    for version in VERSIONS {
        for (reason, return_code) in cases {
            let mut desk = asked(&connect(version), ServerSettings::default());
            desk.event();
            desk.feed(&publish(QoS::AtMostOnce, 0, false, b"early"));
            assert_eq!(desk.server.refuse(ReasonCode::SUCCESS, None, None, desk.now), Err(NotAsked));
            desk.server.refuse(reason, Some("no"), None, desk.now).unwrap();
            match (version, return_code) {
                (V5, _) => connack(&mut desk, |connack| {
                    assert_eq!((connack.reason, connack.session_present), (reason, false));
                    assert_eq!(connack.properties.reason_string(), Some("no"));
                }),
                (V3_1_1, Some(code)) => assert_eq!(desk.sent(), [0x20, 2, 0, code]),
                (V3_1_1, None) => assert!(desk.sent().is_empty(), "closed without a word"),
            }
            let end = desk.end();
            assert_eq!(end.end, End::Refused(reason));
            assert!(end.absence.is_none(), "there is no session and no will");
            desk.feed(&publish(QoS::AtMostOnce, 0, false, b"late"));
            assert!(desk.events.is_empty());
        }
    }
}

#[test]
fn a_refusal_may_name_another_server() {
    let mut desk = asked(&connect(V5), ServerSettings::default());
    desk.event();
    desk.server.refuse(ReasonCode::SERVER_MOVED, None, Some("das-2"), desk.now).unwrap();
    connack(&mut desk, |connack| assert_eq!(connack.properties.server_reference(), Some("das-2")));
}

// verifies: MQTT-3.1.2-1, MQTT-3.1.2-2, MQTT-3.1.4-1, MQTT311-3.1.2-1, MQTT311-3.1.2-2, MQTT311-3.1.4-1
#[test]
fn a_connect_that_cannot_be_read_is_answered_as_its_version_says() {
    let cases: [(&[u8], &[u8]); 6] = [
        (b"\x10\x0d\0\x04MQTX\x05\x02\0\0\0\0\0", b""),
        (b"\x10\x0e\0\x06MQIsdp\x03\x02\0\0\0\0", b"\x20\x02\0\x01"),
        (b"\x10\x0d\0\x04MQTT\x06\x02\0\0\0\0\0", b"\x20\x03\0\x84\0"),
        (b"\x10\x0d\0\x04MQTT\x05\x03\0\0\0\0\0", b"\x20\x03\0\x81\0"),
        (b"\x10\x11\0\x04MQTT\x05\x02\0\0\x04\x17\x01\x17\x01\0\0", b"\x20\x03\0\x82\0"),
        (b"\x10\x0c\0\x04MQTT\x04\x03\0\0\0\0", b""),
    ];
    for (bytes, answer) in cases {
        let mut desk = ServerDesk::new(V5, ServerSettings::default());
        desk.feed_bytes(bytes);
        assert_eq!(desk.sent(), answer, "{bytes:02x?}");
        assert!(matches!(desk.end().end, End::Malformed(_)));
    }
}

// verifies: MQTT-3.1.2-22, MQTT-3.2.2-22, MQTT311-3.1.2-24
#[test]
fn silence_of_one_and_a_half_keep_alives_closes() {
    for (version, asked_secs, most, held, told) in [
        (V5, 10, None, Some(15), None),
        (V5, 10, NonZeroU16::new(6), Some(9), Some(6)),
        (V5, 0, NonZeroU16::new(6), Some(9), Some(6)),
        (V5, 0, None, None, None),
        (V3_1_1, 10, NonZeroU16::new(6), Some(15), None),
        (V3_1_1, 0, None, None, None),
    ] {
        let settings = ServerSettings { keep_alive_max_secs: most, ..ServerSettings::default() };
        let mut desk = asked(&Connect { keep_alive_secs: asked_secs, ..connect(version) }, settings);
        desk.event();
        desk.server.accept(Accept::default(), desk.now).unwrap();
        connack(&mut desk, |connack| assert_eq!(connack.properties.server_keep_alive_secs(), told));
        let Some(held) = held else {
            assert_eq!(desk.server.next_deadline(), None, "zero means never");
            continue;
        };
        desk.pass(secs(held - 1));
        desk.feed(&Packet::PingReq);
        desk.expect(&[Packet::PingResp]);
        assert_eq!(desk.server.next_deadline(), Some(desk.now + secs(held)), "a packet starts it anew");
        desk.feed_bytes(&[0xc0]);
        assert_eq!(desk.server.next_deadline(), Some(desk.now + secs(held)), "half a packet is none");
        desk.pass(secs(held));
        match version {
            V5 => desk.expect(&[Packet::Disconnect(Disconnect::plain(ReasonCode::KEEP_ALIVE_TIMEOUT))]),
            V3_1_1 => desk.expect(&[]),
        }
        desk.ended_as(End::KeepAlive);
    }
}

// verifies: MQTT-3.12.4-1, MQTT311-3.12.4-1
#[test]
fn pings_are_answered() {
    for version in VERSIONS {
        let mut desk = ServerDesk::accepted(version, ServerSettings::default());
        desk.feed(&Packet::PingReq);
        desk.expect(&[Packet::PingResp]);
        assert!(desk.events.is_empty());
    }
}

#[test]
fn what_comes_before_the_answer_waits_for_it() {
    for version in VERSIONS {
        let mut desk = ServerDesk::new(version, ServerSettings::default());
        let early = [
            bytes_of(&Packet::Connect(connect(version)), version),
            bytes_of(&publish(QoS::AtLeastOnce, 7, false, b"early"), version),
            vec![0xc0],
        ];
        desk.feed_bytes(&early.concat());
        desk.event();
        desk.feed_bytes(&[0x00]);
        desk.server.accept(Accept::default(), desk.now).unwrap();
        let sent = desk.sent();
        assert_eq!(sent[0], 0x20, "CONNACK comes first");
        assert!(sent.ends_with(&[0xd0, 0]), "the ping is answered behind it");
        let ServerOutput::Message(incoming) = desk.event() else { panic!() };
        assert_eq!(incoming.publication.message.payload, b"early");
    }
}

#[test]
fn early_data_beyond_the_limit_closes() {
    let limits = Limits { early_size_max: 100, ..Limits::default() };
    let settings = ServerSettings { limits, ..ServerSettings::default() };
    for (size, is_over) in [(100, false), (101, true)] {
        let mut desk = asked(&connect(V5), settings);
        desk.event();
        desk.feed_bytes(&vec![0; size - 50]);
        desk.feed_bytes(&[0; 50]);
        if is_over {
            connack(&mut desk, |connack| assert_eq!(connack.reason, ReasonCode::QUOTA_EXCEEDED));
            desk.ended_as(End::Violation(Violation::TooMuchEarlyData));
        } else {
            assert!(desk.events.is_empty() && desk.sent().is_empty());
        }
    }
}

#[test]
fn who_does_not_connect_in_time_is_closed() {
    for sends_connect in [false, true] {
        let mut desk = ServerDesk::new(V5, ServerSettings::default());
        if sends_connect {
            desk.feed(&Packet::Connect(connect(V5)));
            desk.event();
        }
        desk.pass(secs(9));
        assert!(desk.events.is_empty());
        desk.pass(secs(1));
        desk.ended_as(End::NotConnectedInTime);
        assert_eq!(desk.server.next_deadline(), None);
    }
}

// verifies: MQTT-3.2.2-9, MQTT-3.2.2-12, MQTT-3.2.2-13
#[test]
fn what_a_server_lacks_is_announced_and_refused() {
    let capabilities = Capabilities {
        maximum_qos: QoS::AtLeastOnce,
        retain: false,
        wildcards: false,
        subscription_identifiers: false,
        shared_subscriptions: false,
    };
    let settings = ServerSettings { capabilities, ..ServerSettings::default() };
    let mut desk = asked(&connect(V5), settings);
    desk.event();
    desk.server.accept(Accept::default(), desk.now).unwrap();
    connack(&mut desk, |connack| {
        let said = connack.properties;
        assert_eq!((said.maximum_qos(), said.retain_available()), (Some(QoS::AtLeastOnce), Some(false)));
        assert_eq!(said.wildcard_subscription_available(), Some(false));
        assert_eq!(said.subscription_identifier_available(), Some(false));
        assert_eq!(said.shared_subscription_available(), Some(false));
    });
    desk.feed(&publish(QoS::ExactlyOnce, 1, false, b""));
    desk.expect(&[Packet::Disconnect(Disconnect::plain(ReasonCode::QOS_NOT_SUPPORTED))]);
    for (qos, retain, reason) in [
        (QoS::ExactlyOnce, false, ReasonCode::QOS_NOT_SUPPORTED),
        (QoS::AtMostOnce, true, ReasonCode::RETAIN_NOT_SUPPORTED),
    ] {
        let will = Will { qos, retain, topic: "t", payload: b"", properties: Properties::NONE };
        let mut desk = asked(&Connect { will: Some(will), ..connect(V5) }, settings);
        connack(&mut desk, |connack| assert_eq!(connack.reason, reason));
        assert!(desk.end().absence.is_none());
    }
}

// verifies: MQTT-3.1.2-24, MQTT-3.1.2-28, MQTT-3.2.2-19, MQTT-3.2.2-20
#[test]
fn connack_says_what_was_asked_for_and_fits() {
    let asked_with = |properties: &[Property<'_>], see: &mut dyn FnMut(Option<ConnAck<'_>>)| {
        let list = list(properties);
        let mut desk =
            asked(&Connect { properties: list.as_properties(), ..connect(V5) }, ServerSettings::default());
        desk.event();
        let users = self::list(&[Property::UserProperty("a", "b")]);
        let accept = Accept {
            response_information: Some("base"),
            why: Some("a long reason"),
            user_properties: users.as_properties(),
            ..Accept::default()
        };
        desk.server.accept(accept, desk.now).unwrap();
        let bytes = desk.sent();
        match Frame::first_of(&bytes, 1000).unwrap().map(|frame| Packet::decode(frame, V5)) {
            Some(Ok(Packet::ConnAck(connack))) => see(Some(connack)),
            None => see(None),
            other => panic!("{other:?}"),
        }
    };
    asked_with(&[], &mut |connack| {
        let said = connack.unwrap().properties;
        assert_eq!((said.response_information(), said.reason_string()), (None, Some("a long reason")));
        assert_eq!(said.user_properties().collect::<Vec<_>>(), [("a", "b")]);
    });
    asked_with(&[Property::RequestResponseInformation(true)], &mut |connack| {
        assert_eq!(connack.unwrap().properties.response_information(), Some("base"));
    });
    let small = std::num::NonZeroU32::new(30).unwrap();
    asked_with(&[Property::MaximumPacketSize(small)], &mut |connack| {
        let said = connack.unwrap().properties;
        assert_eq!((said.reason_string(), said.user_properties().count()), (None, 0), "left out to fit");
        assert!(said.maximum_packet_size().is_some());
    });
    let tiny = std::num::NonZeroU32::new(4).unwrap();
    asked_with(&[Property::MaximumPacketSize(tiny)], &mut |connack| {
        assert!(connack.is_none(), "does not fit")
    });
}

// verifies: MQTT-3.1.4-3, MQTT-3.14.4-1, MQTT-3.14.4-2, MQTT-3.14.2-3, MQTT311-3.1.4-2
#[test]
fn a_session_that_is_taken_over_is_told() {
    for version in VERSIONS {
        let mut desk = ServerDesk::accepted(version, ServerSettings::default());
        desk.server.disconnect(ReasonCode::SESSION_TAKEN_OVER, None, desk.now);
        match version {
            V5 => desk.expect(&[Packet::Disconnect(Disconnect::plain(ReasonCode::SESSION_TAKEN_OVER))]),
            V3_1_1 => desk.expect(&[]),
        }
        desk.ended_as(End::Closed(ReasonCode::SESSION_TAKEN_OVER));
        desk.feed(&Packet::PingReq);
        desk.expect(&[]);
    }
}

// verifies: MQTT-3.14.4-3, MQTT-3.1.2-8, MQTT-3.1.2-10, MQTT-3.1.2-14, MQTT-3.1.2-15, MQTT-3.1.2-7,
// MQTT311-3.14.4-3, MQTT311-3.1.2-8, MQTT311-3.1.2-10, MQTT311-3.1.2-12, MQTT311-3.1.2-16, MQTT311-3.1.2-17
#[test]
fn the_will_is_published_unless_the_client_said_farewell() {
    type Leave = fn(&mut ServerDesk);
    let farewell: Leave = |desk| desk.feed(&Packet::Disconnect(Disconnect::plain(ReasonCode::SUCCESS)));
    let with_will: Leave =
        |desk| desk.feed(&Packet::Disconnect(Disconnect::plain(ReasonCode::DISCONNECT_WITH_WILL)));
    let lost: Leave = |desk| {
        desk.server.transport_lost(desk.now);
        desk.drain();
    };
    let silent: Leave = |desk| desk.pass(secs(15));
    let broken: Leave = |desk| desk.feed_bytes(&[0x00, 0x00]);
    for (version, leave, is_published) in [
        (V5, farewell, false),
        (V5, with_will, true),
        (V5, lost, true),
        (V5, silent, true),
        (V5, broken, true),
        (V3_1_1, farewell, false),
        (V3_1_1, lost, true),
        (V3_1_1, silent, true),
        (V3_1_1, broken, true),
    ] {
        for retain in [false, true] {
            let will = Will {
                qos: QoS::AtLeastOnce,
                retain,
                topic: "w",
                payload: b"gone",
                properties: Properties::NONE,
            };
            let connect = Connect { will: Some(will), ..connect(version) };
            let mut desk = ServerDesk::accepted_as(&connect, ServerSettings::default(), None);
            leave(&mut desk);
            let mut absence = desk.end().absence.expect("it was accepted");
            let first = absence.next_output();
            if is_published {
                let Some(AbsenceOutput::PublishWill(will)) = first else { panic!("{first:?}") };
                assert_eq!((will.message.topic.as_str(), will.retain), ("w", retain));
                assert_eq!((will.qos, &will.message.payload[..]), (QoS::AtLeastOnce, &b"gone"[..]));
                assert_eq!(absence.next_output(), Some(AbsenceOutput::SessionOver));
            } else {
                assert_eq!(first, Some(AbsenceOutput::SessionOver), "no will");
            }
            assert_eq!(absence.next_output(), None);
        }
    }
}

// verifies: MQTT-3.1.2-23, MQTT-4.1.0-2, MQTT-3.14.2-2
#[test]
fn a_farewell_may_shorten_or_lengthen_the_session_but_not_revive_it() {
    for (connected, left, kept) in [
        (Some(100), None, Some(100)),
        (Some(100), Some(7), Some(7)),
        (Some(100), Some(0), Some(0)),
        (Some(7), Some(100), Some(100)),
        (None, Some(0), Some(0)),
        (None, Some(9), None),
        (Some(0), Some(9), None),
        (Some(100), Some(u32::MAX), Some(86_400_u32)),
    ] {
        let own =
            connected.map_or_else(PropertyList::new, |secs| list(&[Property::SessionExpiryInterval(secs)]));
        let connect = Connect { properties: own.as_properties(), ..connect(V5) };
        let mut desk = ServerDesk::accepted_as(&connect, ServerSettings::default(), None);
        let last = left.map_or_else(PropertyList::new, |secs| list(&[Property::SessionExpiryInterval(secs)]));
        let reason = ReasonCode::SUCCESS;
        desk.feed(&Packet::Disconnect(Disconnect { reason, properties: last.as_properties() }));
        let end = desk.end();
        let absence = end.absence.unwrap();
        match kept {
            None => assert_eq!(end.end, End::Violation(Violation::SessionExpiry)),
            Some(0) => assert!(absence.session().is_none(), "over at once"),
            Some(kept) => assert_eq!(absence.next_deadline(), Some(desk.now + secs(u64::from(kept)))),
        }
    }
}

// verifies: MQTT311-3.1.2-4, MQTT311-3.1.2-6
#[test]
fn sessions_of_3_1_1_are_kept_when_they_are_not_clean() {
    for (clean_start, kept) in [(true, false), (false, true)] {
        let connect = Connect { clean_start, ..connect(V3_1_1) };
        let mut desk = ServerDesk::accepted_as(&connect, ServerSettings::default(), None);
        desk.server.transport_lost(desk.now);
        assert_eq!(desk.end().absence.unwrap().session().is_some(), kept);
    }
}

#[test]
fn a_reason_of_servers_is_not_for_clients() {
    let mut desk = ServerDesk::accepted(V5, ServerSettings::default());
    desk.feed(&Packet::Disconnect(Disconnect::plain(ReasonCode::SESSION_TAKEN_OVER)));
    desk.expect(&[Packet::Disconnect(Disconnect::plain(ReasonCode::PROTOCOL_ERROR))]);
    desk.ended_as(End::Violation(Violation::ReasonOfOtherSide));
}

#[test]
fn what_only_servers_send_closes() {
    let packets = [
        Packet::ConnAck(ConnAck {
            session_present: false,
            reason: ReasonCode::SUCCESS,
            properties: Properties::NONE,
        }),
        Packet::PingResp,
        Packet::SubAck(mqtt_proto::SubAck {
            id: crate::desk::id(1),
            properties: Properties::NONE,
            codes: &[0],
        }),
    ];
    for version in VERSIONS {
        for packet in &packets {
            let mut desk = ServerDesk::accepted(version, ServerSettings::default());
            desk.feed(packet);
            desk.ended_as(End::Violation(Violation::Unexpected(packet.kind())));
        }
    }
}

// verifies: MQTT-3.1.2-17, MQTT-3.1.2-19
#[test]
fn who_the_client_is_reaches_the_application() {
    for version in VERSIONS {
        let connect = Connect { user_name: Some("u"), password: Some(Password(b"p")), ..connect(version) };
        let mut desk = asked(&connect, ServerSettings::default());
        let ServerOutput::Connect(request) = desk.event() else { panic!() };
        assert_eq!(request.user_name.as_deref(), Some("u"));
        assert_eq!(request.password.as_ref().map(|password| password.as_bytes()), Some(&b"p"[..]));
        assert!(!format!("{request:?}").contains("[112]"), "the password stays out of logs");
    }
}
