//! Sessions come, go and come back.

use broker::{HandedUp, Limits, Link, NotJoined};
use mqtt_proto::{LastWill, Publication, ReasonCode};

use crate::desk::{Desk, FOR_NOW, How, KEPT, Q0, Q1, Q2, at, default, id, message, retained};

fn will(topic: &str, delay_secs: u32) -> Option<LastWill> {
    Some(LastWill { publication: message(topic, "gone", Q1), delay_secs })
}

// verifies: MQTT-3.1.2-5, MQTT-3.1.3-2, MQTT-4.4.0-1, MQTT-4.5.0-1
#[test]
fn a_kept_session_gets_what_it_missed_and_what_it_had_not_acknowledged() {
    let mut desk = default();
    let (publisher, reader) = (desk.connect("p", &FOR_NOW), desk.connect("r", &KEPT));
    desk.subscribe(reader, "a", Q2);
    desk.publish(publisher, &message("a", "1", Q1));
    desk.publish(publisher, &message("a", "2", Q2));
    assert_eq!(desk.came(reader), ["a 1", "a 2"]);
    desk.leave(reader, false);
    desk.publish(publisher, &message("a", "3", Q0));
    desk.publish(publisher, &message("a", "4", Q1));
    let (reader, joined) = desk.try_connect("r", &KEPT).unwrap();
    let saved = joined.session.unwrap();
    let ids: Vec<u16> = saved.unacknowledged.iter().map(|kept| kept.id.get()).collect();
    assert_eq!(ids, [1, 2], "the same identifiers");
    assert_eq!(desk.came(reader), ["a 1", "a 2", "a 4"], "QoS 0 does not wait");
    assert_eq!(desk.broker.counters().dropped_absent, 1);
    for _ in 0..3 {
        desk.acknowledge(reader);
    }
    assert_eq!(desk.broker.gauges().queue_bytes, 0);
}

// verifies: MQTT-3.1.2-4, MQTT-3.1.2-6
#[test]
fn a_clean_start_begins_anew() {
    let mut desk = default();
    let (publisher, reader) = (desk.connect("p", &FOR_NOW), desk.connect("r", &KEPT));
    desk.subscribe(reader, "a", Q1);
    desk.leave(reader, false);
    desk.publish(publisher, &message("a", "1", Q1));
    let (reader, joined) = desk.try_connect("r", &How { clean: true, ..KEPT }).unwrap();
    assert_eq!(joined.session, None);
    desk.publish(publisher, &message("a", "2", Q1));
    assert!(desk.came(reader).is_empty(), "neither the message nor the subscription is there");
    assert_eq!(desk.broker.gauges().queue_bytes, 0);
}

// verifies: MQTT-3.1.2-23, MQTT-4.1.0-2
#[test]
fn a_session_ends_when_its_time_is_over() {
    let mut desk = default();
    let reader = desk.connect("r", &How { expiry_secs: 60, ..KEPT });
    desk.subscribe(reader, "a", Q1);
    desk.leave(reader, false);
    assert_eq!(desk.broker.next_deadline(), Some(at(60).moment));
    desk.pass(at(59));
    assert_eq!(desk.broker.gauges().sessions, 1);
    desk.pass(at(60));
    assert_eq!(desk.broker.gauges().sessions, 0);
    let (_, joined) = desk.try_connect("r", &KEPT).unwrap();
    assert_eq!(joined.session, None);
}

#[test]
fn no_session_outlives_the_ceiling() {
    let limits = Limits { session_expiry_max_secs: 100, ..Limits::default() };
    let mut desk = Desk::new(limits);
    let reader = desk.connect("r", &How { expiry_secs: u32::MAX, ..KEPT });
    desk.store_all();
    // A crash: the time it has is what was stored.
    desk.lines.remove(&reader);
    let mut desk = desk.crash(limits);
    desk.pass(at(99));
    assert_eq!(desk.broker.gauges().sessions, 1);
    desk.pass(at(100));
    assert_eq!(desk.broker.gauges().sessions, 0);
}

// verifies: MQTT-3.1.4-3
#[test]
fn a_session_is_taken_over_only_from_a_connection_that_ended() {
    let mut desk = default();
    let first = desk.connect("r", &KEPT);
    desk.subscribe(first, "a", Q1);
    assert_eq!(desk.try_connect("r", &KEPT).unwrap_err(), NotJoined::Held(Link(first)));
    desk.publish(first, &message("a", "still served", Q1));
    assert_eq!(desk.came(first), ["a still served"]);
    desk.leave(first, true);
    let (second, joined) = desk.try_connect("r", &KEPT).unwrap();
    assert_eq!(joined.session.unwrap().unacknowledged.len(), 1);
    assert_eq!(desk.came(second), ["a still served"]);
}

// verifies: MQTT-3.1.2-8, MQTT-3.1.3-9, MQTT-3.1.2-14
#[test]
fn a_will_goes_out_after_its_delay_and_not_when_the_client_is_back() {
    let mut desk = default();
    let watcher = desk.connect("w", &FOR_NOW);
    desk.subscribe(watcher, "will/#", Q1);
    let how = How { will: will("will/a", 10), ..KEPT };
    let client = desk.connect("c", &how);
    desk.leave(client, true);
    desk.pass(at(9));
    assert!(desk.came(watcher).is_empty());
    let client = desk.connect("c", &how);
    desk.pass(at(30));
    assert!(desk.came(watcher).is_empty(), "it is back");
    desk.leave(client, true);
    desk.pass(at(40));
    assert_eq!(desk.came(watcher), ["will/a gone"]);
    let at_once = desk.connect("d", &How { will: will("will/d", 99), ..FOR_NOW });
    desk.leave(at_once, true);
    assert_eq!(desk.came(watcher), ["will/d gone"], "no later than the end of the session");
    let polite = desk.connect("d", &How { will: will("will/d", 0), ..FOR_NOW });
    desk.leave(polite, false);
    assert!(desk.came(watcher).is_empty());
    assert_eq!(desk.broker.counters().wills, 2);
}

#[test]
fn a_will_for_a_topic_of_others_is_refused_with_the_connection() {
    let mut desk = default();
    for topic in ["$SYS/x", "/iot/1/x", "things/1/x"] {
        let refused = desk.try_connect("c", &How { will: will(topic, 0), ..KEPT });
        assert_eq!(refused.unwrap_err(), NotJoined::WillTopic, "{topic}");
    }
    assert_eq!(desk.broker.gauges().sessions, 0);
}

#[test]
fn the_will_of_a_client_that_a_crash_cut_off_goes_out_after_the_restart() {
    let mut desk = default();
    desk.connect("c", &How { will: will("will/c", 10), ..KEPT });
    let watcher = desk.connect("w", &KEPT);
    desk.subscribe(watcher, "will/#", Q1);
    desk.store_all();
    let mut desk = desk.crash(Limits::default());
    desk.pass(at(5));
    let watcher = desk.connect("w", &KEPT);
    assert!(desk.came(watcher).is_empty());
    desk.pass(at(10));
    assert_eq!(desk.came(watcher), ["will/c gone"]);
    desk.store_all();
    let mut desk = desk.crash(Limits::default());
    desk.pass(at(30));
    let watcher = desk.connect("w", &KEPT);
    assert_eq!(desk.came(watcher), ["will/c gone"], "once more, since it was not acknowledged");
    assert_eq!(desk.broker.counters().wills, 0, "and the will itself is not published twice");
}

// verifies: MQTT-3.3.2-5
#[test]
fn a_message_that_waits_counts_down_and_is_dropped_when_its_time_is_over() {
    let mut desk = default();
    let (publisher, reader) = (desk.connect("p", &FOR_NOW), desk.connect("r", &KEPT));
    desk.subscribe(reader, "a", Q1);
    desk.leave(reader, false);
    desk.publish(publisher, &Publication { expiry_secs: Some(5), ..message("a", "short", Q1) });
    desk.publish(publisher, &Publication { expiry_secs: Some(50), ..message("a", "long", Q1) });
    desk.pass(at(5));
    let reader = desk.connect("r", &KEPT);
    let copies = desk.copies(reader);
    assert_eq!((copies.len(), copies[0].expiry_secs), (1, Some(45)));
    assert_eq!(desk.broker.counters().dropped_expired, 1);
}

// verifies: MQTT-4.4.0-2
#[test]
fn what_waits_goes_on_as_the_client_acknowledges() {
    let mut desk = default();
    let (publisher, reader) = (desk.connect("p", &FOR_NOW), desk.connect("r", &FOR_NOW));
    desk.lines.get_mut(&reader).unwrap().quota = 2;
    desk.subscribe(reader, "a", Q2);
    for number in 0..5 {
        desk.publish(publisher, &message("a", &number.to_string(), Q2));
    }
    assert_eq!(desk.came(reader), ["a 0", "a 1"]);
    desk.acknowledge(reader);
    assert_eq!(desk.came(reader), ["a 2"]);
    desk.broker.delivered(desk.lines[&reader].key, id(77));
    assert!(desk.came(reader).is_empty(), "an acknowledgement of nothing makes no room");
}

#[test]
fn a_retained_will_is_retained() {
    let mut desk = default();
    let how = How { will: Some(LastWill { publication: retained("w", "x", Q0), delay_secs: 0 }), ..FOR_NOW };
    let client = desk.connect("c", &how);
    desk.leave(client, true);
    let reader = desk.connect("r", &FOR_NOW);
    assert_eq!(desk.subscribe(reader, "w", Q0), ReasonCode::SUCCESS);
    assert_eq!(desk.came(reader), ["w x"]);
}

// verifies: MQTT-3.10.4-3
#[test]
fn what_is_under_way_when_a_subscription_ends_is_delivered_to_its_end() {
    let mut desk = default();
    let (publisher, reader) = (desk.connect("p", &FOR_NOW), desk.connect("r", &KEPT));
    desk.subscribe(reader, "a", Q2);
    desk.publish(publisher, &message("a", "1", Q1));
    desk.publish(publisher, &message("a", "2", Q2));
    desk.unsubscribe(reader, "a");
    desk.publish(publisher, &message("a", "3", Q2));
    desk.leave(reader, false);
    let reader = desk.connect("r", &KEPT);
    assert_eq!(desk.came(reader), ["a 1", "a 2"]);
    desk.acknowledge(reader);
    desk.acknowledge(reader);
    assert_eq!(desk.broker.gauges().queue_bytes, 0);
}

#[test]
fn an_expiry_that_was_changed_at_the_farewell_holds_after_a_restart() {
    for (first, then) in [(60, 3_000), (3_000, 60)] {
        let mut desk = default();
        let reader = desk.connect("r", &How { expiry_secs: first, ..KEPT });
        desk.lines.get_mut(&reader).unwrap().expiry_secs = then;
        desk.leave(reader, false);
        desk.store_all();
        let mut desk = desk.crash(Limits::default());
        desk.pass(at(u64::from(then) - 1));
        assert_eq!(desk.broker.gauges().sessions, 1);
        desk.pass(at(u64::from(then)));
        assert_eq!(desk.broker.gauges().sessions, 0);
    }
}

#[test]
fn sessions_of_an_account_are_forgotten_in_every_namespace() {
    let mut desk = default();
    let away = How { namespace: "away", will: will("a", 100), ..KEPT };
    for (name, how) in [("lamp/1", &KEPT), ("lamp/2", &away), ("lamp", &KEPT), ("lamps/1", &KEPT)] {
        let link = desk.connect(name, how);
        desk.leave(link, true);
    }
    desk.broker.forget_all("lamp/");
    assert_eq!((desk.broker.gauges().sessions, desk.broker.counters().wills), (2, 0));
    desk.store_all();
    let desk = desk.crash(Limits::default());
    assert_eq!(desk.broker.gauges().sessions, 2);
}

#[test]
fn a_message_of_qos_2_goes_to_the_hub_once() {
    let mut desk = default();
    let link = desk.connect("c", &KEPT);
    let key = desk.lines[&link].key;
    assert_eq!(desk.broker.hand_up(key, id(1)), HandedUp::Now);
    desk.leave(link, false);
    desk.connect("c", &KEPT);
    assert_eq!(desk.broker.hand_up(key, id(1)), HandedUp::Before);
    desk.broker.handed_up(key, id(1));
    assert_eq!(desk.broker.hand_up(key, id(1)), HandedUp::Now, "it was refused");
    desk.broker.handed_up(key, id(1));
    desk.broker.own(key, id(1));
    assert_eq!(desk.broker.hand_up(key, id(1)), HandedUp::Taken);
    desk.broker.released(key, id(1));
    assert_eq!(desk.broker.hand_up(key, id(1)), HandedUp::Now, "the identifier is free again");
}
