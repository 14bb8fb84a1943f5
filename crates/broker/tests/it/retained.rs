//! Retained messages.

use mqtt_proto::{Publication, ReasonCode, RetainHandling, SubscriptionOptions};

use crate::desk::{FOR_NOW, Q0, Q1, Q2, at, default, message, retained};

// verifies: MQTT-3.3.1-5, MQTT-3.3.1-6, MQTT-3.3.1-7, MQTT-3.3.1-8
#[test]
fn the_last_retained_message_of_a_topic_is_kept_until_an_empty_one() {
    let mut desk = default();
    let client = desk.connect("c", &FOR_NOW);
    desk.publish(client, &retained("a", "1", Q2));
    desk.publish(client, &retained("a", "2", Q2));
    desk.publish(client, &message("a", "3", Q2));
    desk.subscribe(client, "a", Q1);
    let copies = desk.copies(client);
    assert_eq!(copies.len(), 1);
    assert_eq!((&copies[0].message.payload[..], copies[0].retain, copies[0].qos), (&b"2"[..], true, Q1));
    desk.publish(client, &retained("a", "", Q1));
    assert_eq!(desk.came(client), ["a "], "the empty message itself is delivered");
    desk.subscribe(client, "a", Q1);
    assert!(desk.came(client).is_empty());
    assert_eq!(desk.broker.gauges().retained_bytes, 0);
}

// verifies: MQTT-3.3.1-9, MQTT-3.3.1-10, MQTT-3.3.1-11
#[test]
fn retain_handling_says_when_retained_messages_come() {
    let mut desk = default();
    let client = desk.connect("c", &FOR_NOW);
    desk.publish(client, &retained("a", "x", Q0));
    let with = |retain_handling| SubscriptionOptions { retain_handling, ..SubscriptionOptions::plain(Q0) };
    let mut counts = Vec::new();
    for handling in [
        RetainHandling::DoNotSend,
        RetainHandling::SendIfNew,
        RetainHandling::Send,
        RetainHandling::SendIfNew,
        RetainHandling::Send,
    ] {
        desk.subscribe_with(client, "a", with(handling), None);
        counts.push(desk.copies(client).len());
    }
    assert_eq!(counts, [0, 0, 1, 0, 1]);
    desk.unsubscribe(client, "a");
    desk.subscribe_with(client, "a", with(RetainHandling::SendIfNew), None);
    assert_eq!(desk.copies(client).len(), 1, "it is new again");
    desk.subscribe(client, "$share/g/a", Q0);
    assert!(desk.copies(client).is_empty(), "never to a shared subscription");
}

// verifies: MQTT-3.3.2-5, MQTT-3.3.2-6
#[test]
fn a_retained_message_counts_down_and_is_not_sent_when_its_time_is_over() {
    let mut desk = default();
    let client = desk.connect("c", &FOR_NOW);
    desk.publish(client, &Publication { expiry_secs: Some(10), ..retained("a", "x", Q0) });
    desk.pass(at(4));
    desk.subscribe(client, "#", Q0);
    assert_eq!(desk.copies(client)[0].expiry_secs, Some(6));
    desk.pass(at(10));
    desk.subscribe(client, "#", Q0);
    assert!(desk.copies(client).is_empty());
}

#[test]
fn retained_messages_survive_a_crash_with_the_time_they_have_left() {
    let mut desk = default();
    let client = desk.connect("c", &FOR_NOW);
    desk.publish(client, &Publication { expiry_secs: Some(10), ..retained("a", "x", Q2) });
    desk.publish(client, &retained("b", "gone", Q0));
    desk.publish(client, &retained("b", "", Q0));
    desk.publish(client, &retained("c", "1", Q1));
    desk.store_all();
    desk.publish(client, &retained("c", "2", Q1));
    desk.now = at(3);
    let mut desk = desk.crash(broker::Limits::default());
    let client = desk.connect("c", &FOR_NOW);
    desk.subscribe(client, "#", Q2);
    let copies = desk.copies(client);
    let seen: Vec<_> =
        copies.iter().map(|copy| (copy.message.topic.as_str(), copy.qos, copy.expiry_secs)).collect();
    assert_eq!(seen, [("a", Q2, Some(7)), ("c", Q1, None)]);
    assert_eq!(copies[1].message.payload, b"1", "what was not stored was not acknowledged");
    assert_eq!(desk.subscribe(client, "b", Q2), ReasonCode::GRANTED_QOS_2);
    assert!(desk.copies(client).is_empty());
}

// verifies: MQTT-3.8.4-4
#[test]
fn a_subscription_that_is_replaced_loses_no_message_and_brings_the_retained_ones_again() {
    let mut desk = default();
    let (publisher, client) = (desk.connect("p", &FOR_NOW), desk.connect("c", &FOR_NOW));
    desk.publish(publisher, &retained("a", "kept", Q1));
    desk.subscribe(client, "a", Q1);
    assert_eq!(desk.came(client), ["a kept"]);
    desk.lines.get_mut(&client).unwrap().quota = 1;
    desk.publish(publisher, &message("a", "waits", Q1));
    desk.subscribe(client, "a", Q1);
    while !desk.lines[&client].flying.is_empty() {
        desk.acknowledge(client);
    }
    assert_eq!(desk.came(client), ["a waits", "a kept"]);
}
