//! Each limit: at it, over it, and what is counted.

use broker::{Limits, NotJoined, Taken};
use mqtt_proto::{LastWill, Publication, ReasonCode, SubscriptionOptions};

use crate::desk::{Desk, FOR_NOW, How, KEPT, Q0, Q1, at, message, retained, yes};

fn desk(change: impl FnOnce(&mut Limits)) -> Desk {
    let mut limits = Limits::default();
    change(&mut limits);
    Desk::new(limits)
}

const OVER: Taken = Taken::Refused(ReasonCode::QUOTA_EXCEEDED);

#[test]
fn one_session_too_many_is_refused() {
    let mut desk = desk(|limits| limits.session_count_max = 2);
    desk.connect("a", &FOR_NOW);
    let b = desk.connect("b", &KEPT);
    assert_eq!(desk.try_connect("c", &FOR_NOW).unwrap_err(), NotJoined::Quota);
    desk.leave(b, false);
    assert_eq!(desk.try_connect("c", &FOR_NOW).unwrap_err(), NotJoined::Quota, "absent ones count");
    desk.connect("b", &KEPT);
    assert_eq!(desk.broker.counters().refused_sessions, 2);
}

#[test]
fn client_identifiers_have_a_length() {
    let mut desk = desk(|limits| limits.client_id_size_max = 3);
    desk.connect("abc", &FOR_NOW);
    for name in ["", "abcd"] {
        assert_eq!(desk.try_connect(name, &FOR_NOW).unwrap_err(), NotJoined::ClientIdentifier);
    }
}

#[test]
fn subscriptions_are_counted_and_weighed_and_have_a_depth() {
    let mut desk = desk(|limits| {
        limits.subscription_count_max = 2;
        limits.filter_bytes_max = 10;
        limits.level_count_max = 3;
    });
    let client = desk.connect("c", &FOR_NOW);
    assert_eq!(desk.subscribe(client, "a/b/c/d", Q0), ReasonCode::TOPIC_FILTER_INVALID);
    assert_eq!(desk.subscribe(client, "a/b/c", Q0), ReasonCode::SUCCESS);
    assert_eq!(desk.subscribe(client, "12345678", Q0), ReasonCode::QUOTA_EXCEEDED, "bytes");
    assert_eq!(desk.subscribe(client, "b", Q0), ReasonCode::SUCCESS);
    assert_eq!(desk.subscribe(client, "c", Q0), ReasonCode::QUOTA_EXCEEDED, "number");
    assert_eq!(desk.subscribe(client, "b", Q1), ReasonCode::GRANTED_QOS_1, "not a new one");
    desk.unsubscribe(client, "b");
    assert_eq!(desk.subscribe(client, "c", Q0), ReasonCode::SUCCESS);
    let deep = Taken::Refused(ReasonCode::TOPIC_NAME_INVALID);
    assert_eq!(desk.publish(client, &message("a/b/c/d", "x", Q1)), deep);
    let counters = desk.broker.counters();
    assert_eq!((counters.refused_subscriptions, counters.refused_levels), (2, 2));
}

#[test]
fn a_full_queue_drops_the_new_message_for_this_session_only() {
    let mut desk = desk(|limits| limits.queue_bytes_max = 250);
    let publisher = desk.connect("p", &FOR_NOW);
    let (full, live) = (desk.connect("full", &KEPT), desk.connect("live", &FOR_NOW));
    desk.subscribe(full, "a", Q1);
    desk.subscribe(live, "a", Q1);
    desk.leave(full, false);
    // Each counts 96 bytes and its own 11.
    for number in 0..4 {
        let text = format!("{number}234567890");
        assert_eq!(desk.publish(publisher, &message("a", &text, Q1)), yes(true));
        desk.acknowledge(live);
    }
    assert_eq!(desk.came(live).len(), 4);
    assert_eq!(desk.broker.counters().dropped_queue_full, 2);
    let full = desk.connect("full", &KEPT);
    assert_eq!(desk.came(full), ["a 0234567890", "a 1234567890"]);
}

#[test]
fn messages_whose_time_is_over_make_room_in_a_full_queue() {
    let mut desk = desk(|limits| limits.queue_bytes_max = 250);
    let (publisher, away) = (desk.connect("p", &FOR_NOW), desk.connect("away", &KEPT));
    desk.subscribe(away, "a", Q1);
    desk.leave(away, false);
    let short = Publication { expiry_secs: Some(1), ..message("a", "short", Q1) };
    desk.publish(publisher, &short);
    desk.publish(publisher, &short);
    desk.pass(at(2));
    desk.publish(publisher, &message("a", "new", Q1));
    let away = desk.connect("away", &KEPT);
    assert_eq!(desk.came(away), ["a new"]);
    let counters = desk.broker.counters();
    assert_eq!((counters.dropped_expired, counters.dropped_queue_full), (2, 0));
}

#[test]
fn all_queues_together_have_a_limit() {
    let mut desk = desk(|limits| limits.queue_bytes_total_max = 250);
    let publisher = desk.connect("p", &FOR_NOW);
    for name in ["x", "y", "z"] {
        let reader = desk.connect(name, &KEPT);
        desk.subscribe(reader, "a", Q1);
        desk.leave(reader, false);
    }
    desk.publish(publisher, &message("a", "1", Q1));
    assert_eq!(desk.broker.counters().dropped_queues_full, 1);
    assert!(desk.broker.gauges().queue_bytes <= 250);
}

#[test]
fn one_account_does_not_fill_what_is_for_all() {
    let mut desk = desk(|limits| limits.queue_bytes_account_max = 250);
    let publisher = desk.connect("p/1", &FOR_NOW);
    for name in ["lamp/x", "lamp/y", "lamp/z", "door/x"] {
        let reader = desk.connect(name, &KEPT);
        desk.subscribe(reader, "a", Q1);
        desk.leave(reader, false);
    }
    desk.publish(publisher, &message("a", "1", Q1));
    assert_eq!(desk.broker.counters().dropped_account_full, 1, "the third of the lamps");
    let door = desk.connect("door/x", &KEPT);
    assert_eq!(desk.came(door), ["a 1"]);
    for name in ["lamp/x", "lamp/y"] {
        let reader = desk.connect(name, &KEPT);
        assert_eq!(desk.came(reader), ["a 1"]);
        desk.acknowledge(reader);
    }
    desk.publish(publisher, &message("a", "2", Q1));
    assert_eq!(desk.broker.counters().dropped_account_full, 1 + 1, "what was read makes room again");
}

#[test]
fn wills_have_a_limit_together() {
    let mut desk = desk(|limits| limits.will_bytes_max = 250);
    let will = |text| LastWill { publication: message("w", text, Q1), delay_secs: 60 };
    let (a, b, c) = (will("of a"), will("of b"), will("of c"));
    let with = |will: &LastWill| How { will: Some(will.clone()), ..KEPT };
    let first = desk.connect("a", &with(&a));
    desk.connect("b", &with(&b));
    assert_eq!(desk.try_connect("c", &with(&c)).unwrap_err(), NotJoined::Quota);
    assert_eq!(desk.broker.counters().refused_wills, 1);
    let weight = desk.broker.gauges().will_bytes;
    assert!((200..=250).contains(&weight), "{weight}");
    desk.connect("c", &KEPT);
    desk.leave(first, true);
    assert_eq!(desk.try_connect("d", &with(&c)).unwrap_err(), NotJoined::Quota, "it may be published yet");
    let back = desk.connect("a", &with(&c));
    assert_eq!(desk.broker.gauges().will_bytes, weight, "another one takes the place of it");
    desk.leave(back, true);
    desk.pass(at(61));
    assert_eq!(desk.broker.counters().wills, 1);
    desk.connect("d", &with(&c));
}

#[test]
fn retained_messages_are_counted_and_weighed() {
    let mut desk = desk(|limits| {
        limits.retained_count_max = 2;
        limits.retained_bytes_max = 400;
    });
    let client = desk.connect("c", &FOR_NOW);
    desk.subscribe(client, "#", Q1);
    let short = Publication { expiry_secs: Some(1), ..retained("a", "1", Q1) };
    assert_eq!(desk.publish(client, &short), yes(true));
    assert_eq!(desk.publish(client, &retained("b", "1", Q1)), yes(true));
    desk.came(client);
    assert_eq!(desk.publish(client, &retained("c", "1", Q1)), OVER);
    assert!(desk.came(client).is_empty(), "a message that was refused reaches nobody");
    assert_eq!(desk.publish(client, &retained("b", &"x".repeat(300), Q1)), OVER, "bytes");
    assert_eq!(desk.publish(client, &retained("b", "2", Q1)), yes(true), "it replaces another");
    desk.pass(at(1));
    assert_eq!(desk.publish(client, &retained("c", "1", Q1)), yes(true), "one that is over makes room");
    assert_eq!(desk.broker.counters().refused_retained, 2);
    assert_eq!(desk.broker.gauges().retained_count, 2);
}

#[test]
fn messages_that_must_be_stored_are_refused_while_too_much_waits() {
    let mut desk = desk(|limits| limits.unstored_bytes_max = 1_000);
    let (publisher, reader) = (desk.connect("p", &FOR_NOW), desk.connect("r", &KEPT));
    desk.subscribe(reader, "a", Q1);
    desk.store_all();
    let long = "x".repeat(600);
    assert_eq!(desk.publish(publisher, &message("a", &long, Q1)), yes(true));
    assert_eq!(desk.publish(publisher, &message("a", &long, Q1)), yes(true));
    assert_eq!(desk.publish(publisher, &message("a", "1", Q1)), OVER);
    assert_eq!(desk.publish(publisher, &retained("a", "1", Q0)), OVER);
    assert_eq!(desk.publish(publisher, &message("a", "1", Q0)), yes(true), "QoS 0 is not stored");
    desk.store_all();
    assert_eq!(desk.publish(publisher, &message("a", "1", Q1)), yes(true));
    assert_eq!(desk.broker.counters().refused_unstored, 2);
}

#[test]
fn what_is_stored_of_a_session_is_stored_once_and_only_when_it_changed() {
    let mut desk = desk(|_| {});
    let client = desk.connect("c", &KEPT);
    for number in 0..100 {
        desk.subscribe(client, &format!("{number:0>100}"), Q1);
    }
    let all = desk.broker.gauges().unstored_bytes;
    assert!(all < 2 * 100 * 110, "the last record counts: {all}");
    desk.store_all();
    for number in 0..1_000 {
        assert_eq!(desk.unsubscribe(client, "nothing"), ReasonCode::NO_SUBSCRIPTION_EXISTED);
        desk.subscribe(client, &format!("{:0>100}", number % 100), Q1);
    }
    assert_eq!(desk.broker.gauges().unstored_bytes, 0, "nothing changed");
    for _ in 0..100 {
        desk.unsubscribe(client, &format!("{:0>100}", 7));
        desk.subscribe(client, &format!("{:0>100}", 7), Q1);
    }
    assert!(desk.broker.gauges().unstored_bytes <= all);
    desk.store_all();
    let mut desk = desk.crash(Limits::default());
    let client = desk.connect("c", &KEPT);
    desk.publish(client, &message(&format!("{:0>100}", 7), "x", Q1));
    assert_eq!(desk.came(client).len(), 1);
}

#[test]
fn identifiers_that_go_with_a_message_count_and_are_written_in_portions() {
    let mut desk = desk(|limits| limits.queue_bytes_total_max = usize::MAX);
    let publisher = desk.connect("p", &FOR_NOW);
    let levels = |number: u32| (0..10).map(|bit| if number >> bit & 1 == 1 { "+" } else { "a" }).collect();
    for name in 0..160 {
        let client = desk.connect(&format!("c{name}"), &KEPT);
        for number in 0..1_000 {
            let levels: Vec<&str> = levels(number);
            desk.subscribe_with(client, &levels.join("/"), SubscriptionOptions::plain(Q1), Some(number + 1));
        }
        desk.leave(client, false);
    }
    desk.store_all();
    desk.publish(publisher, &message("a/a/a/a/a/a/a/a/a/a", "x", Q1));
    assert!(desk.broker.gauges().queue_bytes > 160 * 4_000, "{:?}", desk.broker.gauges());
    let batch = desk.broker.take_batch().unwrap();
    let longest = batch.append.iter().map(Vec::len).max().unwrap();
    assert!(longest < 560 * 1024, "{longest}");
    let client = desk.connect("c7", &KEPT);
    assert_eq!(desk.copies(client)[0].subscription_ids.len(), 1_000);
}
