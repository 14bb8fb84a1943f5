//! Clients that do not read, and stores that do not store.

use mqtt_front::{Command, Event, FaceLimits, ThingsCommand, ThingsEvent};
use mqtt_proto::{Publication, Version};
use store::Memory;

use crate::hall::{Hall, Q0, Q1, at, how, kept};

#[test]
fn a_client_that_does_not_read_misses_messages_of_qos_0_and_no_others() {
    let limits = FaceLimits { slow_bytes_max: 1_000, ..FaceLimits::default() };
    let mut hall = Hall::over(Memory::new(), at(0), limits);
    let (publisher, slow) = (hall.connect("p", &how(Version::V5)), hall.connect("slow", &how(Version::V5)));
    hall.subscribe(slow, "a", Q1);
    hall.face.waits(slow, 1_001);
    hall.publish(publisher, "a", "dropped", Q0);
    hall.publish(publisher, "a", "kept", Q1);
    assert_eq!(hall.came(slow), ["kept"]);
    assert_eq!(hall.face.counters().dropped_slow, 1);
    hall.face.waits(slow, 0);
    hall.publish(publisher, "a", "again", Q0);
    assert_eq!(hall.came(slow), ["again"]);
}

#[test]
fn answers_wait_for_the_store_in_order_and_too_many_end_the_connection() {
    let limits = FaceLimits { held_bytes_max: 4_000, ..FaceLimits::default() };
    let mut hall = Hall::over(Memory::new(), at(0), limits);
    let reader = hall.connect("r", &kept(Version::V5, None));
    hall.subscribe(reader, "a", Q1);
    let publisher = hall.connect("p", &how(Version::V5));
    hall.told(publisher);
    hall.stores_at_once = false;
    hall.publish(publisher, "a", "x", Q1);
    hall.publish(publisher, "b", "y", Q1);
    assert_eq!(hall.came(reader), ["x"], "QoS 1 need not wait for it");
    assert!(hall.told(publisher).is_empty(), "the second answer waits behind the first");
    hall.store();
    hall.run();
    assert_eq!(hall.told(publisher), ["delivered 1 0x00", "delivered 2 0x10"]);
    hall.stores_at_once = false;
    hall.subscribe(publisher, "c", Q0);
    hall.publish(publisher, "a", "z", Q1);
    for _ in 0..40 {
        let payload = "w".repeat(200);
        hall.publish(reader, "c", &payload, Q0);
    }
    assert_eq!(hall.face.counters().ended_held, 1);
    while hall.batch.is_some() {
        hall.store();
        hall.run();
    }
    assert!(!hall.guests[&publisher].is_open, "closed when what was held has left");
}

#[test]
fn retained_messages_come_whole_to_a_client_that_reads() {
    let limits = FaceLimits { slow_bytes_max: 1_000, at_once_bytes_max: 20_000, ..FaceLimits::default() };
    let mut hall = Hall::over(Memory::new(), at(0), limits);
    let publisher = hall.connect("p", &how(Version::V5));
    for number in 0..100 {
        let topic = format!("all/{number}");
        let retained = Publication::new(&topic, &[b'x'; 100], Q1).unwrap();
        let retained = Publication { retain: true, ..retained };
        hall.guests.get_mut(&publisher).unwrap().client.publish(retained, hall.now.moment).unwrap();
        hall.run();
    }
    let reader = hall.connect("r", &how(Version::V5));
    hall.subscribe(reader, "#", Q0);
    assert_eq!(hall.came(reader).len(), 100);
    assert_eq!(hall.face.counters().dropped_slow, 0);
}

#[test]
fn many_filters_may_wait_for_the_hub_and_too_many_bytes_of_them_are_refused() {
    let mut hall = Hall::new();
    let conn = hall.connect("panel", &how(Version::V5));
    hall.hub = Some(Vec::new());
    let filter = |number: u32| format!("things/00000000-0000-4000-8000-{number:012}/#");
    for number in 0..100 {
        hall.subscribe(conn, &filter(number), Q1);
    }
    assert_eq!(hall.hub.as_ref().unwrap().len(), 100, "each has a thing of its own");
    let long = "x".repeat(60_000);
    for _ in 0..20 {
        hall.subscribe(conn, &format!("things/{long}"), Q1);
    }
    assert!(hall.guests[&conn].is_open, "{:?}", hall.told(conn));
    let events = hall.hub.take().unwrap();
    for event in events {
        let ThingsEvent::Subscribe { request, wants, .. } = event else { continue };
        let refused = wants.iter().map(|_| None).collect();
        let granted = ThingsCommand::Subscribed { conn, request, refused };
        hall.face.command(Command::Things(granted), hall.now);
    }
    hall.run();
    let told = hall.told(conn);
    assert!(told.iter().filter(|told| *told == "subscribed [1]").count() >= 100, "{told:?}");
    assert!(told.contains(&"subscribed [151]".to_owned()), "{told:?}");
}

#[test]
fn what_begins_anew_does_not_overtake_what_ends() {
    let mut hall = Hall::new();
    let conn = hall.connect("panel", &how(Version::V5));
    hall.hub = Some(Vec::new());
    let filter = "things/00000000-0000-4000-8000-000000000001/#";
    let answer = |hall: &mut Hall| {
        let asked = hall.hub.as_mut().unwrap().pop().unwrap();
        let ThingsEvent::Subscribe { request, .. } = asked else { panic!("{asked:?}") };
        let granted = ThingsCommand::Subscribed { conn, request, refused: vec![None] };
        hall.face.command(Command::Things(granted), hall.now);
        hall.run();
    };
    hall.subscribe(conn, filter, Q1);
    answer(&mut hall);
    hall.unsubscribe(conn, filter);
    let ended = hall.hub.as_mut().unwrap().pop().unwrap();
    assert!(matches!(ended, ThingsEvent::Unsubscribe { .. }));
    // The owner had no room for it.
    hall.face.refused(Event::Things(ended.clone()), hall.now);
    hall.subscribe(conn, filter, Q1);
    assert_eq!(hall.hub.as_ref().unwrap(), &[], "it waits for its turn");
    assert!(hall.told(conn).contains(&"subscribed [151]".to_owned()));
    hall.pass(1);
    assert_eq!(hall.hub.as_mut().unwrap().pop(), Some(ended));
    hall.subscribe(conn, filter, Q1);
    answer(&mut hall);
}
