//! Events: safe before they count, kept until the platform has them, in order.

use agent::osap::{SmartEvent, SmartSettings};
use mqtt_proto::ReasonCode;
use osap_things::UpMessage;

use super::bench::{Bench, PSK, factory, record, serial};
use super::cloud::Cloud;

// verifies: OSAP-2.1.4-01, OSAP-2.1.4-03
#[test]
fn events_of_a_time_without_network_arrive_in_order() {
    let mut bench = Bench::with_psk();
    bench.until_online();
    bench.is_reachable = false;
    bench.break_link();
    for what in ["one", "two", "three"] {
        bench.raise(what);
    }
    assert!(bench.taken_events().is_empty());
    bench.is_reachable = true;
    bench.until_online();
    assert_eq!(bench.taken_events(), ["one", "two", "three"]);
    assert_eq!(bench.device.waiting_events(), 0);
    assert!(bench.disk.events.is_empty(), "what the platform has is not kept");
    bench.raise("four");
    assert_eq!(bench.taken_events().last().unwrap(), "four", "without being asked for");
}

// verifies: OSAP-2.1.4-03
#[test]
fn events_survive_a_power_cut_with_their_names_and_times() {
    let mut bench = Bench::with_psk();
    bench.is_reachable = false;
    bench.drain();
    bench.raise("one");
    let raised = bench.now;
    bench.raise("two");
    for _ in 0..3 {
        bench.wait();
    }
    bench.restart();
    bench.is_reachable = true;
    bench.until_online();
    assert_eq!(bench.taken_events(), ["one", "two"]);
    for (_, message) in &bench.cloud.heard {
        let UpMessage::Event { at, .. } = message else { continue };
        assert_eq!(Some(*at), raised.utc, "when it happened, not when it was told");
    }
}

#[test]
fn an_event_goes_out_only_when_it_is_safe() {
    let mut bench = Bench::with_psk();
    bench.until_online();
    bench.is_writing = false;
    bench.raise("one");
    assert!(bench.taken_events().is_empty());
    assert!(!bench.events.iter().any(|event| matches!(event, SmartEvent::Raised { .. })));
    bench.device.persisted(bench.last_write, bench.now);
    bench.drain();
    assert_eq!(bench.taken_events(), ["one"]);
    assert!(bench.events.iter().any(|event| matches!(event, SmartEvent::Raised { .. })));
}

#[test]
fn an_unacknowledged_event_is_told_again_under_the_same_name_and_numbers() {
    let mut bench = Bench::with_psk();
    bench.until_online();
    bench.cloud.is_acknowledging = false;
    bench.raise("one");
    bench.raise("two");
    assert_eq!(bench.device.waiting_events(), 2);
    bench.cloud.is_acknowledging = true;
    bench.break_link();
    bench.raise("three");
    bench.until_online();
    assert_eq!(bench.taken_events(), ["one", "two", "three"]);
    let seqs: Vec<u64> = bench.cloud.heard.iter().map(|(general, _)| general.seq).collect();
    assert!(seqs.is_sorted(), "the Seq of the first time: {seqs:?}");
}

#[test]
fn the_oldest_goes_when_there_is_no_room_and_the_gap_is_told() {
    let mut cloud = Cloud::new();
    cloud.add(&serial(), record(Some(&PSK), None));
    let settings = SmartSettings { event_count_max: 3, ..SmartSettings::default() };
    let key = agent::osap::FactoryCredential::Psk(crypto::Secret::from(&PSK[..]));
    let mut bench = Bench::with(&factory(key, &[2]), cloud, settings);
    bench.is_reachable = false;
    bench.drain();
    for what in ["one", "two", "three", "four", "five"] {
        bench.raise(what);
    }
    assert_eq!(bench.disk.events.len(), 3);
    bench.restart();
    assert_eq!(bench.device.waiting_events(), 3);
    bench.is_reachable = true;
    bench.until_online();
    assert_eq!(bench.taken_events(), ["three", "four", "five"]);
    for (_, message) in &bench.cloud.heard {
        let UpMessage::Event { dropped, .. } = message else { continue };
        assert_eq!(*dropped, 2);
    }
    assert!(bench.events.contains(&SmartEvent::EventDropped { total: 2 }));
}

#[test]
fn an_event_that_was_dropped_does_not_come_back_from_a_disk_that_still_has_it() {
    let mut cloud = Cloud::new();
    cloud.add(&serial(), record(Some(&PSK), None));
    let settings = SmartSettings { event_count_max: 1, ..SmartSettings::default() };
    let key = agent::osap::FactoryCredential::Psk(crypto::Secret::from(&PSK[..]));
    let mut bench = Bench::with(&factory(key, &[2]), cloud, settings);
    bench.is_reachable = false;
    bench.drain();
    bench.raise("one");
    let before = bench.disk.events.clone();
    bench.raise("two");
    bench.disk.events.extend(before);
    bench.restart();
    bench.is_reachable = true;
    bench.until_online();
    assert_eq!(bench.taken_events(), ["two"]);
}

#[test]
fn an_access_service_that_is_full_gets_the_event_later() {
    let mut bench = Bench::with_psk();
    bench.until_online();
    bench.cloud.acknowledges_with = ReasonCode::QUOTA_EXCEEDED;
    bench.raise("one");
    assert_eq!(bench.device.waiting_events(), 1);
    assert!(!bench.device.is_online());
    bench.cloud.acknowledges_with = ReasonCode::SUCCESS;
    bench.until_online();
    assert_eq!(bench.taken_events(), ["one"]);
}

#[test]
fn an_event_that_is_refused_for_good_does_not_hold_up_the_others() {
    let mut bench = Bench::with_psk();
    bench.until_online();
    bench.cloud.acknowledges_with = ReasonCode(0x83);
    bench.raise("one");
    assert!(bench.events.iter().any(|event| matches!(event, SmartEvent::EventRefused { reason: 0x83, .. })));
    bench.cloud.acknowledges_with = ReasonCode::SUCCESS;
    bench.raise("two");
    assert_eq!(bench.taken_events(), ["two"]);
    assert!(bench.disk.events.is_empty());
}
