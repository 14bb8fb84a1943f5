//! What a message carries: aliases, properties, payloads.

use std::num::{NonZeroU16, NonZeroU32};

use mqtt_proto::{
    Connect, ConnectOptions, Delivery, Disconnect, End, Flaw, NotSent, Packet, PayloadFormat, Properties,
    Property, PropertyList, Publication, Publish, QoS, ReasonCode, ServerSettings, Version, Violation,
};

use crate::deliveries::{message, open, publication};
use crate::desk::{ClientDesk, ServerDesk, ack, connect, id};
use crate::round_trips::bytes_of;

use QoS::AtMostOnce;
use Version::V5;

fn aliased(topic: &'static str, alias: u16) -> Vec<u8> {
    let list = PropertyList::new().with(Property::TopicAlias(NonZeroU16::new(alias).unwrap())).unwrap();
    let publish = Publish {
        delivery: Delivery::AtMostOnce,
        retain: false,
        topic,
        properties: list.as_properties(),
        payload: b"",
    };
    bytes_of(&Packet::Publish(publish), V5)
}

// verifies: MQTT-3.3.2-7, MQTT-3.3.2-8, MQTT-3.3.2-12
#[test]
fn aliases_of_the_client_stand_for_topics_in_one_connection() {
    let mut desk = open(V5);
    for (topic, alias, meant) in
        [("a", 1, "a"), ("", 1, "a"), ("b", 16, "b"), ("", 16, "b"), ("c", 1, "c"), ("", 1, "c")]
    {
        desk.feed_bytes(&aliased(topic, alias));
        let publication = message(&mut desk).publication;
        assert_eq!(publication.message.topic, meant);
        assert!(publication.message.properties.is_empty(), "the alias goes no further");
    }
    desk.feed_bytes(&aliased("d", 17));
    desk.expect(&[Packet::Disconnect(Disconnect::plain(ReasonCode::TOPIC_ALIAS_INVALID))]);
    desk.ended_as(End::Violation(Violation::AliasOverMaximum));
    let mut desk = open(V5);
    desk.feed_bytes(&aliased("", 1));
    desk.ended_as(End::Violation(Violation::UnknownAlias));
}

// verifies: MQTT-3.1.2-26, MQTT-3.1.2-27, MQTT-3.3.2-11, MQTT-3.3.2-7
#[test]
fn aliases_of_the_server_stay_within_what_the_client_takes() {
    let topics = ["a", "b", "a", "b", "c"];
    for (most, expected) in [
        (0, [("a", 0), ("b", 0), ("a", 0), ("b", 0), ("c", 0)]),
        (1, [("a", 1), ("b", 0), ("", 1), ("b", 0), ("c", 0)]),
        (2, [("a", 1), ("b", 2), ("", 1), ("", 2), ("c", 0)]),
    ] {
        let list = PropertyList::new().with(Property::TopicAliasMaximum(most)).unwrap();
        let connect = Connect { properties: list.as_properties(), ..connect(V5) };
        let mut desk = ServerDesk::accepted_as(&connect, ServerSettings::default(), None);
        for (topic, (written, alias)) in topics.into_iter().zip(expected) {
            desk.server.publish(Publication::new(topic, b"", AtMostOnce).unwrap()).unwrap();
            let plain = Publish {
                delivery: Delivery::AtMostOnce,
                retain: false,
                topic: written,
                properties: Properties::NONE,
                payload: b"",
            };
            match alias {
                0 => desk.expect(&[Packet::Publish(plain)]),
                alias => assert_eq!(desk.sent(), aliased(written, alias)),
            }
        }
    }
}

// verifies: MQTT-3.3.2-4, MQTT-3.3.2-15, MQTT-3.3.2-16, MQTT-3.3.2-17, MQTT-3.3.2-18, MQTT-3.3.2-20, MQTT-3.3.2-6,
// MQTT-3.3.4-3
#[test]
fn what_a_publisher_says_about_a_message_reaches_the_subscriber() {
    let mut list = PropertyList::new();
    for property in [
        Property::UserProperty("z", "1"),
        Property::PayloadFormat(PayloadFormat::Utf8),
        Property::MessageExpiryInterval(60),
        Property::ContentType("text"),
        Property::UserProperty("a", "2"),
        Property::ResponseTopic("answers"),
        Property::CorrelationData(b"7"),
        Property::UserProperty("z", "3"),
    ] {
        list.push(property).unwrap();
    }
    let delivery = Delivery::AtMostOnce;
    let properties = list.as_properties();
    let mut desk = open(V5);
    desk.feed(&Packet::Publish(Publish { delivery, retain: true, topic: "t", properties, payload: b"m" }));
    let mut publication = message(&mut desk).publication;
    assert_eq!((publication.expiry_secs, publication.retain), (Some(60), true));
    publication.expiry_secs = Some(50);
    publication.subscription_ids = [9, 268_435_455].map(|id| NonZeroU32::new(id).unwrap()).into();
    desk.server.publish(publication).unwrap();
    let bytes = desk.sent();
    let frame = mqtt_proto::Frame::first_of(&bytes, 1000).unwrap().unwrap();
    let Ok(Packet::Publish(publish)) = Packet::decode(frame, V5) else { panic!() };
    let said = publish.properties;
    assert_eq!((publish.topic, publish.payload, publish.retain), ("t", &b"m"[..], true));
    assert_eq!((said.payload_format(), said.content_type()), (Some(PayloadFormat::Utf8), Some("text")));
    assert_eq!((said.response_topic(), said.correlation_data()), (Some("answers"), Some(&b"7"[..])));
    assert_eq!(said.message_expiry_secs(), Some(50), "less what it waited");
    assert_eq!(said.user_properties().collect::<Vec<_>>(), [("z", "1"), ("a", "2"), ("z", "3")], "in order");
    let ids: Vec<u32> = said
        .iter()
        .filter_map(|property| match property {
            Property::SubscriptionIdentifier(id) => Some(id.get()),
            _ => None,
        })
        .collect();
    assert_eq!(ids, [9, 268_435_455]);
}

// verifies: MQTT-3.3.4-6
#[test]
fn a_client_has_no_subscription_identifiers_in_messages() {
    let list = PropertyList::new().with(Property::SubscriptionIdentifier(NonZeroU32::MIN)).unwrap();
    let delivery = Delivery::AtMostOnce;
    let properties = list.as_properties();
    let mut desk = open(V5);
    desk.feed(&Packet::Publish(Publish { delivery, retain: false, topic: "t", properties, payload: b"" }));
    desk.expect(&[Packet::Disconnect(Disconnect::plain(ReasonCode::PROTOCOL_ERROR))]);
    desk.ended_as(End::Violation(Violation::IdentifierOfClient));
    let mut client = ClientDesk::accepted(&ConnectOptions::new(V5, "c"), None, Properties::NONE);
    let mut publication = publication(AtMostOnce, b"");
    publication.subscription_ids.push(NonZeroU32::MIN);
    let refused = Err(NotSent::Invalid(Flaw::MisplacedProperty));
    assert_eq!(client.client.publish(publication, client.now), refused);
    client.expect(&[]);
}

#[test]
fn text_that_is_none_is_refused_where_it_can_be_said() {
    let list = PropertyList::new().with(Property::PayloadFormat(PayloadFormat::Utf8)).unwrap();
    let bad = |delivery| {
        let properties = list.as_properties();
        Packet::Publish(Publish { delivery, retain: false, topic: "t", properties, payload: &[0xff] })
    };
    let mut desk = open(V5);
    desk.feed(&bad(Delivery::AtLeastOnce { id: id(1), dup: false }));
    desk.feed(&bad(Delivery::ExactlyOnce { id: id(2), dup: false }));
    let reason = ReasonCode::PAYLOAD_FORMAT_INVALID;
    desk.expect(&[Packet::PubAck(ack(1, reason)), Packet::PubRec(ack(2, reason))]);
    assert!(desk.events.is_empty(), "it is not handed up");
    desk.feed(&bad(Delivery::AtMostOnce));
    desk.expect(&[Packet::Disconnect(Disconnect::plain(reason))]);
    desk.ended_as(End::Violation(Violation::PayloadFormat));
    let settings = ServerSettings { checks_payload_format: false, ..ServerSettings::default() };
    let mut desk = ServerDesk::accepted(V5, settings);
    desk.feed(&bad(Delivery::AtMostOnce));
    message(&mut desk);
}
