//! Every limit at its value and one beyond.

use std::num::NonZeroU16;

use mqtt_proto::{
    Delivery, Disconnect, End, Flaw, Limits, NotSent, Packet, Property, PropertyList, Publication, Publish,
    QoS, ReasonCode, ServerOutput, ServerSettings, Version, Violation,
};

use crate::desk::{ServerDesk, ack, id, publish};
use crate::round_trips::bytes_of;

use Version::{V3_1_1, V5};

fn desk(version: Version, limits: Limits) -> ServerDesk {
    ServerDesk::accepted(version, ServerSettings { limits, ..ServerSettings::default() })
}

#[test]
fn more_unanswered_messages_than_the_receive_maximum_close() {
    let three = NonZeroU16::new(3).unwrap();
    let limits = Limits { receive_maximum: three, receive_maximum_untold: three, ..Limits::default() };
    for version in [V3_1_1, V5] {
        let mut desk = desk(version, limits);
        for number in 1..=3 {
            desk.feed(&publish(QoS::ExactlyOnce, number, false, b"m"));
            desk.event();
            desk.server.acknowledge(id(number), ReasonCode::SUCCESS, None, desk.now).unwrap();
        }
        desk.feed(&Packet::PubRel(ack(1, ReasonCode::SUCCESS)));
        desk.event();
        desk.feed(&publish(QoS::AtLeastOnce, 4, false, b"m"));
        desk.event();
        desk.feed(&publish(QoS::AtMostOnce, 0, false, b"m"));
        desk.event();
        desk.sent();
        desk.feed(&publish(QoS::AtLeastOnce, 5, false, b"m"));
        if version == V5 {
            desk.expect(&[Packet::Disconnect(Disconnect::plain(ReasonCode::RECEIVE_MAXIMUM_EXCEEDED))]);
        }
        desk.ended_as(End::Violation(Violation::ReceiveMaximum));
    }
}

#[test]
fn what_is_over_the_packet_size_closes_before_it_arrives() {
    let limits = Limits { packet_size_max: 200, ..Limits::default() };
    for version in [V3_1_1, V5] {
        let overhead = if version == V5 { 7 } else { 6 };
        let mut at_limit = desk(version, limits);
        let payload = vec![7; 200 - overhead];
        let bytes = bytes_of(&publish(QoS::AtMostOnce, 0, false, &payload), version);
        assert_eq!(bytes.len(), 200);
        at_limit.feed_bytes(&bytes);
        at_limit.event();
        let mut over = desk(version, limits);
        over.feed_bytes(&[0x30, 0xc6]);
        assert!(over.events.is_empty());
        over.feed_bytes(&[0x01]);
        let end = over.end().end;
        assert!(matches!(end, End::Malformed(error) if error.flaw == Flaw::TooLarge), "{end:?}");
        if version == V5 {
            over.expect(&[Packet::Disconnect(Disconnect::plain(ReasonCode::PACKET_TOO_LARGE))]);
        }
    }
}

#[test]
fn connect_has_a_limit_of_its_own() {
    let limits = Limits { connect_size_max: 50, ..Limits::default() };
    let mut desk = ServerDesk::new(V5, ServerSettings { limits, ..ServerSettings::default() });
    desk.feed_bytes(&[0x10, 49]);
    desk.expect(&[]);
    assert!(matches!(desk.end().end, End::Malformed(error) if error.flaw == Flaw::TooLarge));
    let mut desk = self::desk(V5, limits);
    desk.feed(&publish(QoS::AtMostOnce, 0, false, &[7; 100]));
    desk.event();
}

#[test]
fn topics_behind_aliases_have_a_budget() {
    let limits = Limits { alias_bytes_max: 10, ..Limits::default() };
    let mut desk = desk(V5, limits);
    let mut say = |topic: &str, alias: u16| {
        let alias = Property::TopicAlias(NonZeroU16::new(alias).unwrap());
        let list = PropertyList::new().with(alias).unwrap();
        let delivery = Delivery::AtMostOnce;
        let properties = list.as_properties();
        desk.feed(&Packet::Publish(Publish { delivery, retain: false, topic, properties, payload: b"" }));
        match desk.event() {
            ServerOutput::Message(_) => None,
            ServerOutput::Ended(end) => Some(end.end),
            other => panic!("{other:?}"),
        }
    };
    for (topic, alias) in [("12345", 1), ("12345", 2), ("1", 2), ("1234", 3)] {
        assert_eq!(say(topic, alias), None, "ten bytes at most");
    }
    assert_eq!(say("12", 2), Some(End::Violation(Violation::AliasMemory)));
}

#[test]
fn our_own_messages_under_way_have_a_limit() {
    let mut desk = desk(V3_1_1, Limits { inflight_max: 2, ..Limits::default() });
    let message = || Publication::new("t", b"m", QoS::ExactlyOnce).unwrap();
    assert_eq!(desk.server.publish(message()), Ok(Some(id(1))));
    assert_eq!(desk.server.publish(message()), Ok(Some(id(2))));
    assert_eq!(desk.server.publish(message()), Err(NotSent::NoQuota));
    desk.feed(&Packet::PubRec(ack(1, ReasonCode::SUCCESS)));
    desk.event();
    assert_eq!(desk.server.publish(message()), Err(NotSent::NoQuota));
    desk.feed(&Packet::PubComp(ack(1, ReasonCode::SUCCESS)));
    desk.event();
    assert_eq!(desk.server.publish(message()), Ok(Some(id(3))));
}
