//! Who gets what, and how.

use broker::Taken;
use clock::Dice;
use mqtt_proto::{QoS, ReasonCode, RetainHandling, SubscriptionOptions, TopicFilter, Version};

use crate::desk::{FOR_NOW, How, Q0, Q1, Q2, default, message, retained, yes};

// verifies: MQTT-3.8.4-8, MQTT-4.3.1-1
#[test]
fn a_copy_has_the_lower_of_both_qos() {
    let mut desk = default();
    let (publisher, reader) = (desk.connect("p", &FOR_NOW), desk.connect("r", &FOR_NOW));
    for (granted, name) in [(Q0, "0"), (Q1, "1"), (Q2, "2")] {
        assert_eq!(desk.subscribe(reader, name, granted), ReasonCode(name.parse().unwrap()));
        for published in [Q0, Q1, Q2] {
            assert_eq!(desk.publish(publisher, &message(name, "x", published)), yes(true));
            let copies = desk.copies(reader);
            assert_eq!(copies.len(), 1);
            assert_eq!(copies[0].qos, published.min(granted));
            assert!(!copies[0].retain);
        }
    }
    assert_eq!(desk.publish(publisher, &message("3", "x", Q1)), yes(false));
    assert!(desk.copies(reader).is_empty());
}

// verifies: MQTT-3.3.4-2, MQTT-3.3.4-3, MQTT-3.3.4-4
#[test]
fn overlapping_subscriptions_give_one_copy_with_all_identifiers_and_the_highest_qos() {
    let mut desk = default();
    let (publisher, reader) = (desk.connect("p", &FOR_NOW), desk.connect("r", &FOR_NOW));
    for (filter, qos, identifier) in [("a/#", Q0, Some(1)), ("a/+", Q2, Some(2)), ("a/b", Q1, None)] {
        desk.subscribe_with(reader, filter, SubscriptionOptions::plain(qos), identifier);
    }
    desk.publish(publisher, &message("a/b", "x", Q2));
    let copies = desk.copies(reader);
    assert_eq!(copies.len(), 1, "once");
    assert_eq!(copies[0].qos, Q2);
    let mut ids: Vec<u32> = copies[0].subscription_ids.iter().map(|id| id.get()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [1, 2]);
}

// verifies: MQTT-3.8.3-3
#[test]
fn no_local_leaves_out_own_messages_only() {
    let mut desk = default();
    let (own, other) = (desk.connect("own", &FOR_NOW), desk.connect("other", &FOR_NOW));
    let options = SubscriptionOptions { no_local: true, ..SubscriptionOptions::plain(Q1) };
    desk.subscribe_with(own, "a", options, None);
    assert_eq!(desk.publish(own, &message("a", "mine", Q1)), yes(false));
    desk.publish(other, &message("a", "theirs", Q1));
    assert_eq!(desk.came(own), ["a theirs"]);
}

// verifies: MQTT-3.3.1-12, MQTT-3.3.1-13
#[test]
fn the_retain_flag_goes_through_only_where_it_is_wanted() {
    let mut desk = default();
    let publisher = desk.connect("p", &FOR_NOW);
    let (plain, keeps) = (desk.connect("plain", &FOR_NOW), desk.connect("keeps", &FOR_NOW));
    desk.subscribe(plain, "a", Q0);
    let options = SubscriptionOptions { retain_as_published: true, ..SubscriptionOptions::plain(Q0) };
    desk.subscribe_with(keeps, "a", options, None);
    desk.publish(publisher, &retained("a", "x", Q0));
    desk.publish(publisher, &message("a", "y", Q0));
    let flags = |copies: Vec<mqtt_proto::Publication>| -> Vec<bool> {
        copies.iter().map(|copy| copy.retain).collect()
    };
    assert_eq!(flags(desk.copies(plain)), [false, false]);
    assert_eq!(flags(desk.copies(keeps)), [true, false]);
}

// verifies: MQTT-3.8.4-3, MQTT-3.10.4-1, MQTT-3.10.4-2
#[test]
fn a_subscription_is_replaced_and_dropped_by_its_very_filter() {
    let mut desk = default();
    let (publisher, reader) = (desk.connect("p", &FOR_NOW), desk.connect("r", &FOR_NOW));
    desk.subscribe_with(reader, "a/+", SubscriptionOptions::plain(Q2), Some(1));
    let never =
        SubscriptionOptions { retain_handling: RetainHandling::DoNotSend, ..SubscriptionOptions::plain(Q0) };
    desk.subscribe_with(reader, "a/+", never, Some(2));
    desk.publish(publisher, &message("a/b", "x", Q2));
    let copies = desk.copies(reader);
    assert_eq!((copies.len(), copies[0].qos, copies[0].subscription_ids[0].get()), (1, Q0, 2));
    assert_eq!(desk.unsubscribe(reader, "a/b"), ReasonCode::NO_SUBSCRIPTION_EXISTED);
    assert_eq!(desk.unsubscribe(reader, "a/+"), ReasonCode::SUCCESS);
    assert_eq!(desk.unsubscribe(reader, "a/+"), ReasonCode::NO_SUBSCRIPTION_EXISTED);
    desk.publish(publisher, &message("a/b", "x", Q2));
    assert!(desk.copies(reader).is_empty());
}

#[test]
fn namespaces_share_nothing() {
    let mut desk = default();
    let other = How { namespace: "office", ..FOR_NOW };
    let (here, there) = (desk.connect("same", &FOR_NOW), desk.connect("same", &other));
    desk.subscribe(here, "#", Q1);
    desk.subscribe(there, "#", Q1);
    desk.publish(here, &retained("a", "home", Q1));
    assert_eq!(desk.came(here), ["a home"]);
    assert!(desk.came(there).is_empty());
    desk.subscribe(there, "a", Q1);
    assert!(desk.came(there).is_empty(), "nor retained messages");
}

#[test]
fn topics_of_the_server_are_refused_and_those_of_things_are_left_to_the_hub() {
    let mut desk = default();
    let client = desk.connect("c", &FOR_NOW);
    for topic in ["$SYS/x", "/iot/1/x"] {
        let refused = Taken::Refused(ReasonCode::NOT_AUTHORIZED);
        assert_eq!(desk.publish(client, &message(topic, "x", Q1)), refused);
    }
    for filter in ["$SYS/#", "/iot/#", "/iot/1/x", "things/#", "things/1/state", "$share/g/things/1"] {
        assert_eq!(desk.subscribe(client, filter, Q1), ReasonCode::NOT_AUTHORIZED, "{filter}");
    }
    assert_eq!(desk.publish(client, &message("things/1/state", "x", Q1)), Taken::Things);
    for filter in ["#", "+/#", "/#", "+/1/state"] {
        assert_eq!(desk.subscribe(client, filter, Q1), ReasonCode::GRANTED_QOS_1, "{filter}");
    }
    assert!(desk.copies(client).is_empty(), "nothing of theirs is in the namespace");
    assert_eq!(desk.broker.counters().refused_topic, 8);
}

/// Random subscriptions and messages against a list that is searched from end to end.
// verifies: MQTT-3.3.2-3, MQTT-3.3.5-1, MQTT-4.6.0-5, MQTT-4.6.0-6
#[test]
fn random_histories_route_like_a_naive_list() {
    let filters = ["a", "a/b", "a/#", "+/b", "#", "+", "a/+/c", "b"];
    let topics = ["a", "a/b", "a/b/c", "b", "b/b", "c"];
    let qos = [Q0, Q1, Q2];
    for run in 0..40 {
        let mut dice = Dice::numbered(run);
        let mut desk = default();
        let links: Vec<u64> = (0..4).map(|name| desk.connect(&format!("c{name}"), &FOR_NOW)).collect();
        links.iter().for_each(|link| desk.lines.get_mut(link).unwrap().quota = 10_000);
        let mut list: Vec<(u64, &str, QoS, bool)> = Vec::new();
        let mut expected: Vec<(u64, String, QoS)> = Vec::new();
        for step in 0..200 {
            let link = links[dice.below(4) as usize];
            let filter = filters[dice.below(8) as usize];
            let one = qos[dice.below(3) as usize];
            match dice.below(4) {
                0 => {
                    list.retain(|known| (known.0, known.1) != (link, filter));
                    let no_local = dice.below(4) == 0;
                    list.push((link, filter, one, no_local));
                    let options = SubscriptionOptions { no_local, ..SubscriptionOptions::plain(one) };
                    desk.subscribe_with(link, filter, options, None);
                }
                1 => {
                    list.retain(|known| (known.0, known.1) != (link, filter));
                    desk.unsubscribe(link, filter);
                }
                _ => {
                    let topic = topics[dice.below(6) as usize];
                    let payload = step.to_string();
                    desk.publish(link, &message(topic, &payload, one));
                    for reader in &links {
                        let highest = list
                            .iter()
                            .filter(|known| known.0 == *reader && !(known.3 && *reader == link))
                            .filter(|known| TopicFilter::parse(known.1, Version::V5).unwrap().matches(topic))
                            .map(|known| known.2)
                            .max();
                        expected.extend(highest.map(|most| (*reader, payload.clone(), one.min(most))));
                    }
                }
            }
        }
        for link in links {
            let copies = desk.copies(link);
            for wanted in [Q0, Q1, Q2] {
                let payload =
                    |copy: &mqtt_proto::Publication| String::from_utf8(copy.message.payload.clone()).unwrap();
                let came: Vec<String> =
                    copies.iter().filter(|copy| copy.qos == wanted).map(payload).collect();
                let due: Vec<String> = expected
                    .iter()
                    .filter(|known| (known.0, known.2) == (link, wanted))
                    .map(|known| known.1.clone())
                    .collect();
                assert_eq!(came, due, "run {run}, {wanted:?}: all, once, in order");
            }
        }
    }
}
