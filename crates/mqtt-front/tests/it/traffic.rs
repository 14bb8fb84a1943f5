//! Messages between real clients.

use mqtt_proto::Version;

use crate::hall::{Hall, Q0, Q1, Q2, how};

// verifies: MQTT-4.3.1-1, MQTT-4.3.2-4, MQTT-4.3.3-10
#[test]
fn messages_of_every_qos_pass_between_both_versions() {
    let versions = [Version::V3_1_1, Version::V5];
    for (from, to) in versions.into_iter().flat_map(|from| versions.map(|to| (from, to))) {
        let mut hall = Hall::new();
        let (publisher, reader) = (hall.connect("p", &how(from)), hall.connect("r", &how(to)));
        hall.subscribe(reader, "a/+", Q2);
        for qos in [Q0, Q1, Q2] {
            hall.publish(publisher, "a/b", "x", qos);
        }
        assert_eq!(hall.came(reader), ["x", "x", "x"]);
        let told = hall.told(publisher);
        assert_eq!(told[1..], ["delivered 1 0x00", "delivered 2 0x00"], "{from:?} to {to:?}");
    }
}

#[test]
fn more_messages_than_may_be_under_way_arrive_in_order() {
    let mut hall = Hall::new();
    let reader = hall.connect("r", &how(Version::V5));
    hall.subscribe(reader, "a", Q2);
    let publisher = hall.connect("p", &how(Version::V5));
    for number in 0..500 {
        hall.publish(publisher, "a", &number.to_string(), Q2);
    }
    let expected: Vec<String> = (0..500).map(|number| number.to_string()).collect();
    assert_eq!(hall.came(reader), expected);
}

#[test]
fn topics_of_others_are_refused_and_3_1_1_which_cannot_be_told_is_closed() {
    let mut hall = Hall::new();
    let five = hall.connect("five", &how(Version::V5));
    for topic in ["things/1/state", "/iot/1/x", "$SYS/x"] {
        hall.publish(five, topic, "x", Q1);
        assert!(hall.told(five).last().unwrap().ends_with("0x87"), "{topic}");
    }
    hall.subscribe(five, "things/#", Q1);
    assert_eq!(hall.told(five), ["subscribed [135]"]);
    let three = hall.connect("three", &how(Version::V3_1_1));
    hall.told(three);
    hall.publish(three, "things/1/state", "x", Q1);
    assert!(!hall.guests[&three].is_open);
    assert!(!hall.told(three).iter().any(|told| told.starts_with("delivered")), "never acknowledged");
    hall.publish(five, "a", "x", Q1);
    assert_eq!(hall.told(five), ["delivered 5 0x10"], "nobody subscribes");
}

#[test]
fn rubbish_closes_one_connection_and_no_other() {
    let mut hall = Hall::new();
    let (bad, good) = (hall.connect("bad", &how(Version::V5)), hall.connect("good", &how(Version::V5)));
    hall.subscribe(good, "a", Q1);
    hall.face.receive(bad, &[0xf0, 0x02, 0xff, 0xff], hall.now);
    hall.run();
    assert!(!hall.guests[&bad].is_open);
    hall.publish(good, "a", "x", Q1);
    assert_eq!(hall.came(good), ["x"]);
    assert_eq!(hall.face.broker().gauges().sessions, 1);
}
