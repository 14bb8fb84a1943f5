//! The client's machine: CONNECT, keep alive, sessions, ends.

use mqtt_proto::{
    ClientOutput, ConnAck, ConnectOptions, Disconnect, End, Flaw, Frame, Kind, LastWill, Limits,
    NotConnectable, NotSent, Packet, Password, Properties, Property, PropertyList, Publication, QoS,
    ReasonCode, SavedSession, SignIn, Unacknowledged, Version, Violation,
};

use crate::desk::{ClientDesk, ack, id, publish, secs};
use crate::round_trips::VERSIONS;

use Version::{V3_1_1, V5};

fn accepted(version: Version) -> ClientDesk {
    ClientDesk::accepted(&ConnectOptions::new(version, "c"), None, Properties::NONE)
}

fn connack(session_present: bool, properties: Properties<'_>) -> Packet<'_> {
    Packet::ConnAck(ConnAck { session_present, reason: ReasonCode::SUCCESS, properties })
}

fn under_way() -> SavedSession {
    let publication = Publication::new("t", b"a", QoS::AtLeastOnce).unwrap();
    SavedSession {
        unacknowledged: vec![Unacknowledged { id: id(3), publication }],
        unreleased: vec![id(2)],
        received: vec![id(9)],
        last_id: 3,
    }
}

// verifies: MQTT-3.1.0-1, MQTT-3.1.2-9, MQTT-3.1.2-17, MQTT-3.1.2-19
#[test]
fn connect_is_the_first_packet_and_says_everything() {
    for version in VERSIONS {
        let will = LastWill {
            publication: Publication::new("w", b"gone", QoS::AtLeastOnce).unwrap(),
            delay_secs: 7,
        };
        let options = ConnectOptions {
            keep_alive_secs: 30,
            will: Some(will),
            sign_in: Some(SignIn { user_name: "u", password: Some(Password(b"p")) }),
            ..ConnectOptions::new(version, "c")
        };
        let mut desk = ClientDesk::new(&options, Limits::default(), None);
        let bytes = desk.sent();
        let frame = Frame::first_of(&bytes, 1000).unwrap().unwrap();
        let Ok(Packet::Connect(connect)) = Packet::decode(frame, V3_1_1) else { panic!() };
        assert_eq!((connect.version, connect.clean_start, connect.keep_alive_secs), (version, true, 30));
        assert_eq!((connect.client_id, connect.user_name), ("c", Some("u")));
        assert_eq!(connect.password, Some(Password(b"p")));
        let will = connect.will.unwrap();
        assert_eq!((will.topic, will.payload, will.qos), ("w", &b"gone"[..], QoS::AtLeastOnce));
        assert_eq!(will.properties.will_delay_secs(), (version == V5).then_some(7));
        assert_eq!(connect.properties.receive_maximum().is_some(), version == V5);
    }
}

#[test]
fn options_that_break_a_rule_are_refused() {
    let plain = ConnectOptions::new(V3_1_1, "");
    let limits = Limits::default();
    let now = clock::Moment::START;
    let refused = |options: &ConnectOptions<'_>, session| {
        mqtt_proto::Client::connect(options, limits, session, now).map(|_| ()).unwrap_err()
    };
    let nameless = ConnectOptions { clean_start: false, ..plain.clone() };
    assert_eq!(refused(&nameless, None), NotConnectable::ClientIdentifier);
    assert_eq!(refused(&plain, Some(SavedSession::default())), NotConnectable::CleanStart);
    let null = ConnectOptions::new(V5, "a\0");
    assert_eq!(refused(&null, None), NotConnectable::Invalid(Flaw::NullCharacter));
    let users = PropertyList::new().with(Property::UserProperty("a", "b")).unwrap();
    let with_users = ConnectOptions { user_properties: users.as_properties(), ..plain };
    assert_eq!(refused(&with_users, None), NotConnectable::Invalid(Flaw::NotInVersion));
}

// verifies: MQTT-3.2.2-4, MQTT-3.2.2-5, MQTT311-3.2.2-1, MQTT311-3.2.2-2
#[test]
fn both_ends_must_know_the_session() {
    for version in VERSIONS {
        let returning = ConnectOptions {
            clean_start: false,
            session_expiry_secs: 60,
            ..ConnectOptions::new(version, "c")
        };
        let mut desk = ClientDesk::new(&returning, Limits::default(), None);
        desk.feed(&connack(true, Properties::NONE));
        assert_eq!(desk.end().end, End::Violation(Violation::UnknownSession));
        let mut desk = ClientDesk::new(&returning, Limits::default(), Some(under_way()));
        desk.sent();
        desk.feed(&connack(false, Properties::NONE));
        let ClientOutput::Connected(connected) = desk.event() else { panic!() };
        assert_eq!((connected.session_present, &connected.lost), (false, &Some(under_way())));
        desk.expect(&[]);
        let mut desk = ClientDesk::new(&returning, Limits::default(), Some(under_way()));
        desk.sent();
        desk.feed(&connack(true, Properties::NONE));
        let ClientOutput::Connected(connected) = desk.event() else { panic!() };
        assert_eq!((connected.session_present, connected.lost), (true, None));
        desk.expect(&[Packet::PubRel(ack(2, ReasonCode::SUCCESS)), publish(QoS::AtLeastOnce, 3, true, b"a")]);
        desk.feed(&publish(QoS::ExactlyOnce, 9, true, b"m"));
        desk.expect(&[Packet::PubRec(ack(9, ReasonCode::SUCCESS))]);
        assert!(desk.events.is_empty(), "owned already");
        let mut desk = ClientDesk::new(&ConnectOptions::new(version, "c"), Limits::default(), None);
        desk.feed(&connack(true, Properties::NONE));
        assert_eq!(desk.end().end, End::Violation(Violation::UnknownSession), "a clean start has none");
    }
}

// verifies: MQTT-3.2.0-1, MQTT-3.14.0-1, MQTT311-3.2.0-1
#[test]
fn connack_comes_first() {
    for version in VERSIONS {
        let mut desk = ClientDesk::new(&ConnectOptions::new(version, "c"), Limits::default(), None);
        desk.sent();
        desk.feed(&publish(QoS::AtMostOnce, 0, false, b"m"));
        assert_eq!(desk.end().end, End::Violation(Violation::NotConnected(Kind::Publish)));
        let mut desk = accepted(version);
        desk.feed(&connack(false, Properties::NONE));
        assert_eq!(desk.end().end, End::Violation(Violation::Unexpected(Kind::ConnAck)));
    }
}

// verifies: MQTT-3.2.2-7, MQTT-4.13.2-1, MQTT311-3.2.2-5
#[test]
fn a_refused_client_keeps_its_session_and_learns_why() {
    let options = ConnectOptions { clean_start: false, ..ConnectOptions::new(V5, "c") };
    let mut desk = ClientDesk::new(&options, Limits::default(), Some(under_way()));
    desk.sent();
    let other = PropertyList::new().with(Property::ServerReference("das-2")).unwrap();
    let reason = ReasonCode::USE_ANOTHER_SERVER;
    desk.feed(&Packet::ConnAck(ConnAck {
        session_present: false,
        reason,
        properties: other.as_properties(),
    }));
    let end = desk.end();
    assert_eq!((end.end, end.server_reference.as_deref()), (End::Refused(reason), Some("das-2")));
    assert_eq!(end.session, Some(under_way()));
    desk.expect(&[]);
}

// verifies: MQTT-3.1.2-20, MQTT-3.1.2-21, MQTT-3.2.2-21, MQTT311-3.1.2-23
#[test]
fn a_client_pings_when_it_has_been_silent() {
    for version in VERSIONS {
        let told = PropertyList::new().with(Property::ServerKeepAlive(20)).unwrap();
        let properties = if version == V5 { told.as_properties() } else { Properties::NONE };
        let held = if version == V5 { 20 } else { 60 };
        let mut desk = ClientDesk::accepted(&ConnectOptions::new(version, "c"), None, properties);
        desk.pass(secs(held - 1));
        desk.expect(&[]);
        desk.client.publish(Publication::new("t", b"m", QoS::AtMostOnce).unwrap(), desk.now).unwrap();
        desk.sent();
        assert_eq!(desk.client.next_deadline(), Some(desk.now + secs(held)), "what is sent starts it anew");
        desk.pass(secs(held));
        desk.expect(&[Packet::PingReq]);
        desk.pass(secs(5));
        desk.feed(&Packet::PingResp);
        assert!(desk.events.is_empty());
        assert_eq!(desk.client.next_deadline(), Some(desk.now + secs(held - 5)));
        desk.pass(secs(held - 5));
        desk.expect(&[Packet::PingReq]);
        desk.pass(secs(10));
        assert_eq!(desk.end().end, End::KeepAlive, "no answer");
        assert_eq!(desk.client.next_deadline(), None);
    }
    let silent = ConnectOptions { keep_alive_secs: 0, ..ConnectOptions::new(V5, "c") };
    assert_eq!(ClientDesk::accepted(&silent, None, Properties::NONE).client.next_deadline(), None);
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let mut desk = ClientDesk::new(&ConnectOptions::new(V5, "c"), Limits::default(), None);
    desk.sent();
    desk.pass(secs(10));
    desk.expect(&[]);
    assert_eq!(desk.end().end, End::NotConnectedInTime);
}

// verifies: MQTT-3.14.4-1, MQTT-3.14.4-2, MQTT-3.14.1-1, MQTT311-3.14.4-1, MQTT311-3.14.4-2
#[test]
fn nothing_follows_a_farewell() {
    for version in VERSIONS {
        let mut desk = accepted(version);
        desk.client.disconnect(ReasonCode::SUCCESS, None, desk.now).unwrap();
        desk.expect(&[Packet::Disconnect(Disconnect::plain(ReasonCode::SUCCESS))]);
        assert_eq!(desk.end().end, End::Closed(ReasonCode::SUCCESS));
        let late = Publication::new("t", b"", QoS::AtMostOnce).unwrap();
        assert_eq!(desk.client.publish(late, desk.now), Err(NotSent::NotConnected));
        assert_eq!(desk.client.disconnect(ReasonCode::SUCCESS, None, desk.now), Err(NotSent::NotConnected));
        desk.feed(&Packet::PingResp);
        desk.pass(secs(1000));
        desk.expect(&[]);
        assert!(desk.events.is_empty());
    }
}

#[test]
fn who_wants_the_will_says_so_or_goes_without_a_word() {
    let mut desk = accepted(V5);
    desk.client.disconnect(ReasonCode::DISCONNECT_WITH_WILL, None, desk.now).unwrap();
    desk.expect(&[Packet::Disconnect(Disconnect::plain(ReasonCode::DISCONNECT_WITH_WILL))]);
    let mut desk = accepted(V3_1_1);
    desk.client.disconnect(ReasonCode::DISCONNECT_WITH_WILL, None, desk.now).unwrap();
    desk.expect(&[]);
    assert_eq!(desk.end().end, End::Closed(ReasonCode::DISCONNECT_WITH_WILL));
}

// verifies: MQTT-3.1.2-23, MQTT-4.1.0-1
#[test]
fn a_session_is_given_back_when_it_outlives_the_connection() {
    for (expiry, at_end, kept) in
        [(0, None, false), (60, None, true), (60, Some(0), false), (60, Some(9), true)]
    {
        let options = ConnectOptions { session_expiry_secs: expiry, ..ConnectOptions::new(V5, "c") };
        let mut desk = ClientDesk::accepted(&options, None, Properties::NONE);
        desk.client.publish(Publication::new("t", b"a", QoS::AtLeastOnce).unwrap(), desk.now).unwrap();
        desk.client.disconnect(ReasonCode::SUCCESS, at_end, desk.now).unwrap();
        let session = desk.end().session;
        assert_eq!(session.is_some(), kept);
        assert!(session.is_none_or(|session| session.unacknowledged.len() == 1));
    }
    let mut desk = accepted(V5);
    let revived = desk.client.disconnect(ReasonCode::SUCCESS, Some(9), desk.now);
    assert_eq!(revived, Err(NotSent::Invalid(Flaw::PropertyValue)), "not from zero");
    assert!(desk.client.is_open());
}

// verifies: MQTT-3.14.2-2, MQTT-4.13.2-1
#[test]
fn a_server_says_farewell_in_its_own_way() {
    let mut desk = accepted(V5);
    desk.feed(&Packet::Disconnect(Disconnect::plain(ReasonCode::SERVER_SHUTTING_DOWN)));
    assert_eq!(desk.end().end, End::Left(ReasonCode::SERVER_SHUTTING_DOWN));
    desk.expect(&[]);
    let mut desk = accepted(V5);
    let expiry = PropertyList::new().with(Property::SessionExpiryInterval(1)).unwrap();
    let reason = ReasonCode::SERVER_BUSY;
    desk.feed(&Packet::Disconnect(Disconnect { reason, properties: expiry.as_properties() }));
    assert_eq!(desk.end().end, End::Violation(Violation::SessionExpiry));
    let mut desk = accepted(V5);
    desk.feed(&Packet::Disconnect(Disconnect::plain(ReasonCode::DISCONNECT_WITH_WILL)));
    assert_eq!(desk.end().end, End::Violation(Violation::ReasonOfOtherSide));
    let mut desk = accepted(V3_1_1);
    desk.feed(&Packet::Disconnect(Disconnect::plain(ReasonCode::SUCCESS)));
    assert_eq!(desk.end().end, End::Violation(Violation::Unexpected(Kind::Disconnect)));
}

// verifies: MQTT-3.2.2-15, MQTT-3.2.2-17, MQTT-3.2.2-18, MQTT-3.3.2-9, MQTT-3.3.4-7, MQTT-3.3.4-8
#[test]
fn a_client_stays_within_what_the_server_takes() {
    let mut said = PropertyList::new();
    said.push(Property::ReceiveMaximum(std::num::NonZeroU16::MIN)).unwrap();
    said.push(Property::MaximumPacketSize(std::num::NonZeroU32::new(20).unwrap())).unwrap();
    let mut desk = ClientDesk::accepted(&ConnectOptions::new(V5, "c"), None, said.as_properties());
    let message = |qos, size| Publication::new("t", &vec![7; size], qos).unwrap();
    assert_eq!(desk.client.publish(message(QoS::AtMostOnce, 15), desk.now), Err(NotSent::TooLarge));
    assert_eq!(desk.client.publish(message(QoS::AtLeastOnce, 1), desk.now), Ok(Some(id(1))));
    assert_eq!(desk.client.publish(message(QoS::AtLeastOnce, 1), desk.now), Err(NotSent::NoQuota));
    let plain = mqtt_proto::SubscriptionOptions::plain(QoS::AtMostOnce);
    assert_eq!(desk.client.subscribe(&[("a", plain)], None, desk.now), Ok(id(2)), "only messages wait");
    let sent = desk.sent();
    assert!(sent.starts_with(&[0x32]) && !sent.contains(&0x23), "no aliases were offered");
}

// verifies: MQTT-3.3.2-10, MQTT-4.5.0-2
#[test]
fn a_client_takes_every_alias_it_offered() {
    let mut desk = accepted(V5);
    for alias in 1..=16 {
        let list = PropertyList::new()
            .with(Property::TopicAlias(std::num::NonZeroU16::new(alias).unwrap()))
            .unwrap();
        let delivery = mqtt_proto::Delivery::AtLeastOnce { id: id(alias), dup: false };
        let properties = list.as_properties();
        desk.feed(&Packet::Publish(mqtt_proto::Publish {
            delivery,
            retain: false,
            topic: "t",
            properties,
            payload: b"",
        }));
        assert!(matches!(desk.event(), ClientOutput::Message(_)));
        desk.client.acknowledge(id(alias), ReasonCode::SUCCESS, None, desk.now).unwrap();
        desk.expect(&[Packet::PubAck(ack(alias, ReasonCode::SUCCESS))]);
    }
}

#[test]
fn what_only_clients_send_closes() {
    for version in VERSIONS {
        let mut desk = accepted(version);
        desk.feed(&Packet::PingReq);
        if version == V5 {
            desk.expect(&[Packet::Disconnect(Disconnect::plain(ReasonCode::PROTOCOL_ERROR))]);
        }
        assert_eq!(desk.end().end, End::Violation(Violation::Unexpected(Kind::PingReq)));
    }
}
