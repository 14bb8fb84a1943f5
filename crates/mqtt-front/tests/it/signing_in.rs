//! From CONNECT to CONNACK.

use mqtt_front::{Admitted, Command, Event};
use mqtt_proto::{Authentication, Client, ConnectOptions, ReasonCode, Version};

use crate::hall::{Hall, Q1, at, how, kept};

#[test]
fn a_client_waits_until_somebody_says_who_it_is() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut hall = Hall::new();
        let conn = hall.knock("lamp", &how(version));
        assert!(hall.told(conn).is_empty());
        let asked = hall.asked.pop().unwrap();
        assert_eq!((asked.user_name.as_deref(), asked.version), (Some("lamp"), version));
        assert_eq!(asked.password.unwrap().as_bytes(), b"secret");
        hall.admit(conn, "lamp");
        assert_eq!(hall.told(conn), ["connected present=false"]);
        assert_eq!(hall.face.counters().admitted, 1);
    }
}

// verifies: MQTT-3.1.4-2
#[test]
fn a_client_that_is_refused_hears_why_and_has_no_session() {
    let mut hall = Hall::new();
    let conn = hall.knock("lamp", &how(Version::V5));
    let reason = ReasonCode::BAD_USER_NAME_OR_PASSWORD;
    hall.face.command(Command::Refuse { conn, reason }, hall.now);
    hall.run();
    assert_eq!(hall.told(conn), ["ended Refused(ReasonCode(134))"]);
    assert_eq!((hall.face.counters().refused, hall.face.broker().gauges().sessions), (1, 0));
    // Too late, and twice.
    let who = Admitted { name: "lamp".into(), namespace: "home".into(), for_owner: false };
    hall.face.command(Command::Admit { conn, who }, hall.now);
    hall.face.command(Command::Refuse { conn, reason }, hall.now);
    hall.run();
    assert_eq!((hall.face.counters().admitted, hall.face.counters().refused), (0, 1));
}

// verifies: MQTT-4.12.0-1
#[test]
fn enhanced_authentication_is_refused_with_its_reason() {
    let mut hall = Hall::new();
    let conn = hall.knock("other", &how(Version::V5));
    hall.asked.clear();
    let mut options = ConnectOptions::new(Version::V5, "lamp");
    options.authentication = Some(Authentication { method: "SCRAM-SHA-256", data: None });
    let client = Client::connect(&options, Default::default(), None, hall.now.moment).unwrap();
    let second = hall.open();
    let guest = hall.guests.remove(&conn).unwrap();
    hall.guests.insert(second, crate::hall::Guest { client, ..guest });
    hall.run();
    assert_eq!(hall.told(second), ["ended Refused(ReasonCode(140))"]);
    assert!(hall.asked.is_empty(), "nobody is asked");
}

// verifies: MQTT-3.1.4-3
#[test]
fn a_second_connection_takes_the_session_over() {
    let mut hall = Hall::new();
    let first = hall.connect("lamp", &kept(Version::V5, None));
    hall.subscribe(first, "a", Q1);
    let second = hall.connect("lamp", &kept(Version::V5, Some(Default::default())));
    assert_eq!(hall.told(first).last().unwrap(), "ended Left(ReasonCode(142))");
    assert_eq!(hall.told(second), ["connected present=true"]);
    hall.publish(second, "a", "here", Q1);
    assert_eq!(hall.came(second), ["here"]);
    assert!(hall.came(first).is_empty());
    assert_eq!(hall.face.counters().taken_over, 1);
}

#[test]
fn no_account_reaches_the_session_of_another() {
    let mut hall = Hall::new();
    let first = hall.connect("lamp", &kept(Version::V5, None));
    // The same client identifier, another account.
    let second = hall.knock("lamp", &kept(Version::V5, None));
    hall.asked.clear();
    hall.admit(second, "stranger");
    assert_eq!(hall.told(second), ["connected present=false"]);
    assert_eq!(hall.told(first), ["connected present=false"], "it was not disturbed");
}

// verifies: MQTT-3.1.3-6
#[test]
fn a_client_without_a_name_is_given_one() {
    let mut hall = Hall::new();
    for version in [Version::V3_1_1, Version::V5] {
        let conn = hall.knock("", &how(version));
        hall.asked.clear();
        hall.admit(conn, "lamp");
        assert_eq!(hall.told(conn), ["connected present=false"]);
    }
    assert_eq!(hall.face.broker().gauges().sessions, 2);
}

#[test]
fn who_says_nothing_is_closed_and_who_is_asked_about_too_long_as_well() {
    let mut hall = Hall::new();
    hall.open();
    let conn = hall.knock("lamp", &how(Version::V5));
    assert_eq!(hall.face.next_deadline(), Some(at(10).moment));
    hall.pass(10);
    assert!(!hall.guests[&conn].is_open);
    assert_eq!(hall.face.next_deadline(), None, "nobody is left");
}

#[test]
fn an_answer_that_nobody_could_ask_for_is_busy() {
    let mut hall = Hall::new();
    let conn = hall.knock("lamp", &how(Version::V5));
    let asked = hall.asked.pop().unwrap();
    hall.face.refused(Event::SignIn(Box::new(asked)), hall.now);
    hall.run();
    assert_eq!(hall.told(conn), ["ended Refused(ReasonCode(137))"]);
}

#[test]
fn a_client_whose_account_changed_is_expelled() {
    let mut hall = Hall::new();
    let (lamp, other) = (hall.connect("lamp", &how(Version::V5)), hall.connect("other", &how(Version::V5)));
    hall.told(lamp);
    hall.face.command(Command::Expel { name: "lamp".into() }, hall.now);
    hall.run();
    assert_eq!(hall.told(lamp), ["ended Left(ReasonCode(152))"]);
    assert!(hall.guests[&other].is_open);
}

#[test]
fn whose_end_comes_while_the_owner_is_asked_is_not_let_in() {
    let mut hall = Hall::new();
    let (lamp, meter) = (hall.knock("lamp", &how(Version::V5)), hall.knock("meter", &how(Version::V5)));
    hall.asked.clear();
    hall.face.command(Command::Expel { name: "lamp".into() }, hall.now);
    hall.run();
    hall.admit(lamp, "lamp");
    hall.admit(meter, "meter");
    assert_eq!(hall.told(lamp), ["ended Refused(ReasonCode(137))"]);
    assert_eq!(hall.told(meter), ["connected present=false"]);
    assert_eq!((hall.face.counters().admitted, hall.face.counters().refused), (1, 1));
    hall.connect("lamp", &how(Version::V5));
}
