//! Shared subscriptions.

use mqtt_proto::{ReasonCode, Version};

use crate::desk::{FOR_NOW, How, KEPT, Q0, Q1, Q2, at, default, message};

#[test]
fn each_share_gets_a_message_once_and_its_members_take_turns() {
    let mut desk = default();
    let publisher = desk.connect("p", &FOR_NOW);
    let members: Vec<u64> = (0..3).map(|name| desk.connect(&format!("m{name}"), &FOR_NOW)).collect();
    members.iter().for_each(|member| {
        desk.subscribe(*member, "$share/g/a/#", Q1);
    });
    desk.subscribe(members[0], "$share/h/a/#", Q1);
    for _ in 0..9 {
        desk.publish(publisher, &message("a/b", "x", Q1));
    }
    let counts: Vec<usize> = members.iter().map(|member| desk.copies(*member).len()).collect();
    assert_eq!(counts, [3 + 9, 3, 3], "its own share has one member");
}

#[test]
fn a_member_without_connection_has_its_turn_only_when_nobody_is_there() {
    let mut desk = default();
    let publisher = desk.connect("p", &FOR_NOW);
    let (away, here) = (desk.connect("away", &KEPT), desk.connect("here", &FOR_NOW));
    desk.subscribe(away, "$share/g/a", Q2);
    desk.subscribe(here, "$share/g/a", Q2);
    desk.leave(away, false);
    for _ in 0..4 {
        desk.publish(publisher, &message("a", "live", Q2));
    }
    assert_eq!(desk.came(here).len(), 4);
    desk.leave(here, false);
    desk.publish(publisher, &message("a", "kept", Q2));
    let away = desk.connect("away", &KEPT);
    assert_eq!(desk.came(away), ["a kept"]);
}

#[test]
fn a_client_in_a_share_and_with_its_own_subscription_gets_both() {
    let mut desk = default();
    let client = desk.connect("c", &FOR_NOW);
    desk.subscribe(client, "a", Q1);
    desk.subscribe(client, "$share/g/a", Q1);
    desk.publish(client, &message("a", "x", Q1));
    assert_eq!(desk.came(client), ["a x", "a x"]);
    desk.unsubscribe(client, "a");
    desk.publish(client, &message("a", "y", Q1));
    assert_eq!(desk.came(client), ["a y"]);
    desk.unsubscribe(client, "$share/g/a");
    desk.publish(client, &message("a", "z", Q1));
    assert!(desk.came(client).is_empty());
}

// verifies: MQTT-4.8.2-3
#[test]
fn a_member_gets_no_more_than_the_qos_it_asked_for() {
    let mut desk = default();
    let publisher = desk.connect("p", &FOR_NOW);
    let members = [("zero", Q0), ("one", Q1), ("two", Q2)].map(|(name, qos)| {
        let member = desk.connect(name, &FOR_NOW);
        desk.subscribe(member, "$share/g/a", qos);
        (member, qos)
    });
    for _ in 0..6 {
        desk.publish(publisher, &message("a", "x", Q2));
    }
    for (member, qos) in members {
        let got: Vec<_> = desk.copies(member).iter().map(|copy| copy.qos).collect();
        assert_eq!(got, [qos, qos]);
    }
}

// verifies: MQTT-4.8.2-4, MQTT-4.8.2-5
#[test]
fn a_message_under_way_to_a_member_is_that_members_alone() {
    for comes_back in [true, false] {
        let mut desk = default();
        let publisher = desk.connect("p", &FOR_NOW);
        let away = desk.connect("away", &How { expiry_secs: 60, ..KEPT });
        desk.subscribe(away, "$share/g/a", Q2);
        desk.publish(publisher, &message("a", "x", Q2));
        assert_eq!(desk.came(away), ["a x"]);
        let here = desk.connect("here", &KEPT);
        desk.subscribe(here, "$share/g/a", Q2);
        desk.leave(away, false);
        assert!(desk.came(here).is_empty(), "it was sent to another");
        if comes_back {
            desk.pass(at(30));
            let away = desk.connect("away", &How { expiry_secs: 60, ..KEPT });
            assert_eq!(desk.came(away), ["a x"]);
            desk.acknowledge(away);
        } else {
            desk.pass(at(90));
        }
        assert!(desk.came(here).is_empty(), "nor when the other's session is over");
        assert_eq!(desk.broker.gauges().queue_bytes, 0);
    }
}

#[test]
fn a_share_goes_with_its_member_also_when_that_came_back_with_3_1_1() {
    let old = How { version: Version::V3_1_1, ..KEPT };
    let mut desk = default();
    let (publisher, other) = (desk.connect("p", &FOR_NOW), desk.connect("other", &FOR_NOW));
    desk.subscribe(other, "$share/g/a", Q1);
    let member = desk.connect("m", &KEPT);
    desk.subscribe(member, "$share/g/a", Q1);
    desk.leave(member, false);
    let member = desk.connect("m", &old);
    for _ in 0..4 {
        desk.publish(publisher, &message("a", "x", Q1));
    }
    assert_eq!((desk.came(member).len(), desk.came(other).len()), (2, 2));
    assert_eq!(desk.unsubscribe(member, "$share/g/a"), ReasonCode::SUCCESS);
    for _ in 0..4 {
        desk.publish(publisher, &message("a", "x", Q1));
    }
    assert_eq!((desk.came(member).len(), desk.came(other).len()), (0, 4));

    desk.leave(member, false);
    let member = desk.connect("m", &KEPT);
    desk.subscribe(member, "$share/g/a", Q1);
    desk.leave(member, false);
    let member = desk.connect("m", &old);
    desk.leave(member, false);
    desk.connect("m", &How { clean: true, ..old });
    for _ in 0..4 {
        desk.publish(publisher, &message("a", "x", Q1));
    }
    assert_eq!(desk.came(other).len(), 4, "nothing goes to whoever has the place of the session that ended");
}
