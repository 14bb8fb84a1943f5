//! SUBSCRIBE and UNSUBSCRIBE, at the server and at the client.

use std::num::NonZeroU32;

use mqtt_proto::{
    Capabilities, ClientOutput, ConnectOptions, Disconnect, End, FilterList, Kind, Limits, NotAsked, NotSent,
    Packet, Properties, Property, PropertyList, QoS, ReasonCode, ServerOutput, ServerSettings, SubAck,
    Subscribe, SubscriptionList, SubscriptionOptions, UnsubAck, Unsubscribe, Version, Violation,
};

use crate::desk::{ClientDesk, ServerDesk, id};
use crate::round_trips::VERSIONS;

use Version::{V3_1_1, V5};

fn list(filters: &[&str]) -> SubscriptionList {
    let mut list = SubscriptionList::new();
    filters
        .iter()
        .for_each(|filter| list.push(filter, SubscriptionOptions::plain(QoS::ExactlyOnce)).unwrap());
    list
}

fn subscribe<'a>(number: u16, list: &'a SubscriptionList, properties: Properties<'a>) -> Packet<'a> {
    Packet::Subscribe(Subscribe { id: id(number), properties, subscriptions: list.as_subscriptions() })
}

fn filters(names: &[&str]) -> FilterList {
    let mut list = FilterList::new();
    names.iter().for_each(|name| list.push(name).unwrap());
    list
}

fn suback(number: u16, codes: &[u8]) -> Packet<'_> {
    Packet::SubAck(SubAck { id: id(number), properties: Properties::NONE, codes })
}

fn unsuback(number: u16, codes: &[u8]) -> Packet<'_> {
    Packet::UnsubAck(UnsubAck { id: id(number), properties: Properties::NONE, codes })
}

// verifies: MQTT-3.8.4-1, MQTT-3.8.4-2, MQTT-3.8.4-5, MQTT-3.8.4-6, MQTT-3.8.4-7, MQTT-3.9.3-1, MQTT-2.2.1-6,
// MQTT311-3.8.4-1, MQTT311-3.8.4-2, MQTT311-3.8.4-4, MQTT311-3.8.4-5, MQTT311-3.9.3-1, MQTT311-2.3.1-7
#[test]
fn a_subscription_is_answered_with_a_code_for_each_filter() {
    for version in VERSIONS {
        let mut desk = ServerDesk::accepted(version, ServerSettings::default());
        desk.feed(&subscribe(9, &list(&["a", "b/#", "c"]), Properties::NONE));
        let ServerOutput::Subscribe(request) = desk.event() else { panic!() };
        let names: Vec<_> = request.subscriptions.iter().map(|(filter, _)| filter.as_str()).collect();
        assert_eq!((request.id, names), (id(9), vec!["a", "b/#", "c"]));
        assert_eq!(request.granted(QoS::AtLeastOnce), [ReasonCode::GRANTED_QOS_1; 3]);
        desk.expect(&[]);
        let reasons = [ReasonCode::GRANTED_QOS_2, ReasonCode::NOT_AUTHORIZED, ReasonCode::SUCCESS];
        for (number, wrong) in [(8, &reasons[..]), (9, &reasons[..2]), (9, &[ReasonCode::PROTOCOL_ERROR; 3])]
        {
            assert_eq!(desk.server.subscribed(id(number), wrong, None, desk.now), Err(NotAsked));
        }
        assert_eq!(desk.server.unsubscribed(id(9), &[ReasonCode::SUCCESS; 3], None, desk.now), Err(NotAsked));
        desk.server.subscribed(id(9), &reasons, None, desk.now).unwrap();
        match version {
            V5 => desk.expect(&[suback(9, &[2, 0x87, 0])]),
            V3_1_1 => desk.expect(&[suback(9, &[2, 0x80, 0])]),
        }
        assert_eq!(desk.server.subscribed(id(9), &reasons, None, desk.now), Err(NotAsked), "once");
    }
}

// verifies: MQTT-3.10.4-4, MQTT-3.10.4-5, MQTT-3.10.4-6, MQTT-3.11.3-1, MQTT-2.2.1-6, MQTT311-3.10.4-4,
// MQTT311-3.10.4-5, MQTT311-3.10.4-6
#[test]
fn an_unsubscription_is_answered_once_for_all_filters() {
    for version in VERSIONS {
        let mut desk = ServerDesk::accepted(version, ServerSettings::default());
        let names = filters(&["a", "b"]);
        let properties = Properties::NONE;
        desk.feed(&Packet::Unsubscribe(Unsubscribe { id: id(4), properties, filters: names.as_filters() }));
        let ServerOutput::Unsubscribe(request) = desk.event() else { panic!() };
        assert_eq!(request.filters, ["a", "b"]);
        let reasons = [ReasonCode::SUCCESS, ReasonCode::NO_SUBSCRIPTION_EXISTED];
        desk.server.unsubscribed(id(4), &reasons, None, desk.now).unwrap();
        match version {
            V5 => desk.expect(&[unsuback(4, &[0, 0x11])]),
            V3_1_1 => desk.expect(&[unsuback(4, &[])]),
        }
    }
}

// verifies: MQTT-3.9.2-1, MQTT-3.11.2-1, MQTT-3.1.2-29
#[test]
fn the_reason_in_words_goes_along_where_it_fits_and_is_welcome() {
    let small = Property::MaximumPacketSize(NonZeroU32::new(20).unwrap());
    for (property, is_said) in [
        (Property::TopicAliasMaximum(0), true),
        (small, false),
        (Property::RequestProblemInformation(false), false),
    ] {
        let own = PropertyList::new().with(property).unwrap();
        let connect = mqtt_proto::Connect { properties: own.as_properties(), ..crate::desk::connect(V5) };
        let mut desk = ServerDesk::new(V5, ServerSettings::default());
        desk.feed(&Packet::Connect(connect));
        desk.event();
        desk.server.accept(mqtt_proto::Accept::default(), desk.now).unwrap();
        desk.sent();
        desk.feed(&subscribe(1, &list(&["a"]), Properties::NONE));
        desk.event();
        desk.server
            .subscribed(id(1), &[ReasonCode::NOT_AUTHORIZED], Some("forbidden by the rules"), desk.now)
            .unwrap();
        let why = PropertyList::new().with(Property::ReasonString("forbidden by the rules")).unwrap();
        let properties = if is_said { why.as_properties() } else { Properties::NONE };
        desk.expect(&[Packet::SubAck(SubAck { id: id(1), properties, codes: &[0x87] })]);
    }
}

#[test]
fn identifiers_and_shares_are_handed_up() {
    let number = NonZeroU32::new(77).unwrap();
    let own = PropertyList::new().with(Property::SubscriptionIdentifier(number)).unwrap();
    let mut desk = ServerDesk::accepted(V5, ServerSettings::default());
    desk.feed(&subscribe(1, &list(&["$share/g/a/+"]), own.as_properties()));
    let ServerOutput::Subscribe(request) = desk.event() else { panic!() };
    assert_eq!(request.identifier, Some(number));
    assert_eq!(request.subscriptions[0].0, "$share/g/a/+");
}

// verifies: MQTT311-3.8.3-2
#[test]
fn subscriptions_that_the_server_lacks_close() {
    let number = PropertyList::new().with(Property::SubscriptionIdentifier(NonZeroU32::MIN)).unwrap();
    let capabilities = Capabilities {
        wildcards: false,
        subscription_identifiers: false,
        shared_subscriptions: false,
        ..Capabilities::default()
    };
    let settings = ServerSettings { capabilities, ..ServerSettings::default() };
    let none = Properties::NONE;
    for (filter, properties, reason) in [
        ("a/+", none, ReasonCode::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED),
        ("$share/g/a", none, ReasonCode::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED),
        ("a", number.as_properties(), ReasonCode::SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED),
    ] {
        let mut desk = ServerDesk::accepted(V5, settings);
        desk.feed(&subscribe(1, &list(&[filter]), properties));
        desk.expect(&[Packet::Disconnect(Disconnect::plain(reason))]);
        assert!(matches!(desk.end().end, End::Violation(_)));
    }
    let mut desk = ServerDesk::accepted(V3_1_1, settings);
    desk.feed(&subscribe(1, &list(&["#"]), none));
    desk.ended_as(End::Violation(Violation::WildcardsNotSupported));
}

#[test]
fn requests_beyond_the_limit_or_with_an_id_in_use_close() {
    let limits = Limits { request_count_max: 2, ..Limits::default() };
    let settings = ServerSettings { limits, ..ServerSettings::default() };
    let mut desk = ServerDesk::accepted(V5, settings);
    for number in [1, 2] {
        desk.feed(&subscribe(number, &list(&["a"]), Properties::NONE));
        desk.event();
    }
    desk.server.subscribed(id(1), &[ReasonCode::SUCCESS], None, desk.now).unwrap();
    desk.feed(&subscribe(3, &list(&["a"]), Properties::NONE));
    desk.event();
    desk.sent();
    desk.feed(&subscribe(4, &list(&["a"]), Properties::NONE));
    desk.expect(&[Packet::Disconnect(Disconnect::plain(ReasonCode::QUOTA_EXCEEDED))]);
    desk.ended_as(End::Violation(Violation::TooManyRequests));
    let mut desk = ServerDesk::accepted(V5, settings);
    desk.feed(&subscribe(1, &list(&["a"]), Properties::NONE));
    desk.event();
    desk.feed(&subscribe(1, &list(&["b"]), Properties::NONE));
    desk.ended_as(End::Violation(Violation::IdInUse));
}

// verifies: MQTT-2.2.1-3, MQTT-3.8.3-2, MQTT-3.10.3-2, MQTT311-2.3.1-2
#[test]
fn a_client_asks_with_fresh_ids_and_sorts_the_answers() {
    for version in VERSIONS {
        let mut desk = ClientDesk::accepted(&ConnectOptions::new(version, "c"), None, Properties::NONE);
        let plain = SubscriptionOptions::plain(QoS::ExactlyOnce);
        assert_eq!(desk.client.subscribe(&[("a", plain), ("b", plain)], None, desk.now), Ok(id(1)));
        assert_eq!(desk.client.unsubscribe(&["x"], desk.now), Ok(id(2)));
        let names = filters(&["x"]);
        let properties = Properties::NONE;
        let unsubscribe = Unsubscribe { id: id(2), properties, filters: names.as_filters() };
        desk.expect(&[subscribe(1, &list(&["a", "b"]), properties), Packet::Unsubscribe(unsubscribe)]);
        let codes: &[u8] = if version == V5 { &[0x11] } else { &[] };
        desk.feed(&unsuback(2, codes));
        let reasons = codes.iter().copied().map(ReasonCode).collect();
        assert_eq!(desk.event(), ClientOutput::Unsubscribed { id: id(2), reasons });
        desk.feed(&suback(1, &[1, 0x80]));
        let reasons = vec![ReasonCode::GRANTED_QOS_1, ReasonCode::UNSPECIFIED_ERROR];
        assert_eq!(desk.event(), ClientOutput::Subscribed { id: id(1), reasons });
        assert!(desk.client.subscribe(&[], None, desk.now).is_err(), "not without a filter");
        assert!(desk.client.unsubscribe(&["a#"], desk.now).is_err(), "not with a broken one");
        desk.expect(&[]);
    }
}

#[test]
fn answers_that_do_not_fit_close_the_client() {
    for version in VERSIONS {
        let plain = SubscriptionOptions::plain(QoS::AtMostOnce);
        for (packet, kind) in [
            (suback(2, &[0]), Kind::SubAck),
            (suback(1, &[0, 0]), Kind::SubAck),
            (unsuback(1, if version == V5 { &[0] } else { &[] }), Kind::UnsubAck),
        ] {
            let mut desk = ClientDesk::accepted(&ConnectOptions::new(version, "c"), None, Properties::NONE);
            desk.client.subscribe(&[("a", plain)], None, desk.now).unwrap();
            desk.feed(&packet);
            assert_eq!(desk.end().end, End::Violation(Violation::NotAsked(kind)));
        }
    }
}

// verifies: MQTT-3.2.2-11, MQTT-3.2.2-14
#[test]
fn a_client_asks_for_nothing_the_server_lacks() {
    let mut said = PropertyList::new();
    for property in [
        Property::MaximumQos(QoS::AtLeastOnce),
        Property::RetainAvailable(false),
        Property::WildcardSubscriptionAvailable(false),
        Property::SubscriptionIdentifierAvailable(false),
        Property::SharedSubscriptionAvailable(false),
    ] {
        said.push(property).unwrap();
    }
    let mut desk = ClientDesk::accepted(&ConnectOptions::new(V5, "c"), None, said.as_properties());
    let plain = SubscriptionOptions::plain(QoS::AtMostOnce);
    let number = Some(NonZeroU32::MIN);
    for (filter, identifier) in [("a/#", None), ("$share/g/a", None), ("a", number)] {
        let asked = desk.client.subscribe(&[(filter, plain)], identifier, desk.now);
        assert_eq!(asked, Err(NotSent::SubscriptionNotSupported), "{filter}");
    }
    let mut publication = mqtt_proto::Publication::new("t", b"", QoS::ExactlyOnce).unwrap();
    assert_eq!(desk.client.publish(publication.clone(), desk.now), Err(NotSent::QosNotSupported));
    publication.qos = QoS::AtLeastOnce;
    publication.retain = true;
    assert_eq!(desk.client.publish(publication, desk.now), Err(NotSent::RetainNotSupported));
    desk.expect(&[]);
}
