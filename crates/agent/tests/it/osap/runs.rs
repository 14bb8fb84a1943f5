//! Attempts at the load balancer: types, credentials, waits.

use std::time::Duration;

use agent::osap::{CredentialKind, FactoryCredential, SmartEvent, Target, Trouble};
use crypto::Secret;
use osap_proto::{DeviceEnd, ProtocolType, ResultCode};

use super::bench::{Bench, PSK, factory, record, serial};
use super::cloud::Cloud;

fn attempts(bench: &Bench) -> Vec<(u8, CredentialKind)> {
    let of = |event: &SmartEvent| match event {
        SmartEvent::Attempting { protocol, credential } => Some((protocol.0, *credential)),
        _ => None,
    };
    bench.events.iter().filter_map(of).collect()
}

fn waits(bench: &Bench) -> Vec<u64> {
    let of = |event: &SmartEvent| match event {
        SmartEvent::Failed { wait_millis, .. } => Some(*wait_millis),
        _ => None,
    };
    bench.events.iter().filter_map(of).collect()
}

fn troubles(bench: &Bench) -> Vec<Trouble> {
    let of = |event: &SmartEvent| match event {
        SmartEvent::Failed { trouble, .. } => Some(*trouble),
        _ => None,
    };
    bench.events.iter().filter_map(of).collect()
}

// verifies: OSAP-5-09, OSAP-2.1.8-01
#[test]
fn a_device_with_a_key_goes_online_and_publishes_only_then() {
    let mut bench = Bench::with_psk();
    bench.raise("before");
    assert_eq!(bench.taken_events(), ["before"]);
    assert!(bench.device.is_online());
    assert_eq!(attempts(&bench), [(2, CredentialKind::Psk)]);
    assert_eq!(bench.cloud.runs, [2]);
    assert_eq!(bench.targets[0], Target::Lbs { is_tls: false, tls_key: None });
    let Target::Das { tls_key: Some(key), port: 8883, .. } = &bench.targets[1] else {
        panic!("{:?}", bench.targets)
    };
    assert_eq!(key, &[9; 32], "the key of record B2");
}

// verifies: OSAP-5-44, OSAP-5-45, OSAP-5-69
#[test]
fn a_restart_takes_the_ticket_and_keeps_the_id() {
    for mut bench in [Bench::with_psk(), Bench::with_key_pair()] {
        bench.until_online();
        let devid = bench.cloud.devices[&serial()].devid;
        let ticket = bench.cloud.devices[&serial()].record.ticket.clone();
        bench.restart();
        bench.until_online();
        assert_eq!(bench.cloud.runs.last(), Some(&4), "kind 4");
        assert_eq!(bench.cloud.devices[&serial()].devid, devid);
        assert_ne!(bench.cloud.devices[&serial()].record.ticket, ticket, "a ticket counts once");
    }
}

// verifies: OSAP-5-69, OSAP-5-33
// The load balancer refuses a public key that it saw before: each authentication has one of its own.
#[test]
fn a_ticket_that_is_not_taken_is_followed_by_what_lasts_and_is_kept() {
    for (mut bench, kind) in [(Bench::with_psk(), 2), (Bench::with_key_pair(), 3)] {
        bench.until_online();
        let stolen = bench.cloud.devices.get_mut(&serial()).unwrap().record.ticket.take();
        bench.restart();
        bench.drain();
        let told = Trouble::Run(DeviceEnd::Hint { result: ResultCode::TICKET, kdf: None, wait_secs: None });
        assert_eq!(troubles(&bench), [told]);
        // The load balancer that did not know it was a stranger: the next attempt but one tries it again.
        bench.cloud.devices.get_mut(&serial()).unwrap().record.ticket = stolen;
        bench.until_online();
        assert_eq!(bench.cloud.runs, [kind, kind]);
        bench.restart();
        bench.until_online();
        assert_eq!(bench.cloud.runs, [kind, kind, 4]);
    }
}

// verifies: OSAP-5-23, OSAP-5-68
#[test]
fn a_rematch_goes_on_at_once_with_the_named_type() {
    let mut cloud = Cloud::new();
    cloud.served = vec![2];
    cloud.add(&serial(), record(Some(&PSK), None));
    let mut bench = Bench::of(&factory(FactoryCredential::Psk(Secret::from(&PSK[..])), &[4, 2]), cloud);
    bench.drain();
    assert!(bench.device.is_online(), "no wait between the two");
    assert_eq!(attempts(&bench), [(4, CredentialKind::Psk), (2, CredentialKind::Psk)]);
    assert_eq!(bench.targets[0], Target::Lbs { is_tls: true, tls_key: None });
    assert_eq!(bench.targets[1], Target::Lbs { is_tls: false, tls_key: None });
}

// verifies: OSAP-5-25
#[test]
fn without_a_common_type_the_device_gives_up_and_waits() {
    let mut cloud = Cloud::new();
    cloud.served = vec![2];
    cloud.add(&serial(), record(Some(&PSK), None));
    let mut bench = Bench::of(&factory(FactoryCredential::Psk(Secret::from(&PSK[..])), &[4]), cloud);
    bench.drain();
    assert_eq!(attempts(&bench), [(4, CredentialKind::Psk)], "no second connection");
    let end = DeviceEnd::Hint { result: ResultCode::NO_COMMON_TYPE, kdf: None, wait_secs: None };
    assert_eq!(troubles(&bench), [Trouble::Run(end)]);
    assert!(!bench.device.is_online());
}

#[test]
fn tls_once_run_is_the_floor_from_then_on() {
    let mut cloud = Cloud::new();
    cloud.add(&serial(), record(Some(&PSK), None));
    let mut bench = Bench::of(&factory(FactoryCredential::Psk(Secret::from(&PSK[..])), &[2, 4]), cloud);
    // Steered to type 2 once, by somebody who cuts TLS.
    bench.is_reachable = false;
    bench.drain();
    assert_eq!(attempts(&bench), [(4, CredentialKind::Psk)]);
    bench.is_reachable = true;
    bench.wait();
    assert_eq!(attempts(&bench), [(4, CredentialKind::Psk), (2, CredentialKind::Psk)]);
    assert!(bench.events.contains(&SmartEvent::FloorRaised(ProtocolType::TLS)));
    bench.restart();
    bench.is_reachable = false;
    for _ in 0..5 {
        bench.drain();
        bench.wait();
    }
    let later = &attempts(&bench)[2..];
    assert!(later.len() >= 5 && later.iter().all(|(protocol, _)| *protocol == 4), "{later:?}");
}

// verifies: OSAP-5-63
#[test]
fn type_1_is_never_sent_however_often_it_fails() {
    let mut bench =
        Bench::of(&factory(FactoryCredential::Psk(Secret::from(&PSK[..])), &[1, 2, 4]), Cloud::new());
    bench.is_reachable = false;
    for _ in 0..20 {
        bench.drain();
        bench.wait();
    }
    assert!(attempts(&bench).iter().all(|(protocol, _)| *protocol != 1));
    assert!(attempts(&bench).iter().any(|(protocol, _)| *protocol == 2));
}

// verifies: OSAP-5-64
#[test]
fn a_code_enrols_once_and_never_again_by_itself() {
    let mut bench = Bench::with_code();
    bench.until_online();
    assert_eq!(bench.cloud.runs, [1]);
    // Without ticket the key of the enrolment counts.
    bench.cloud.devices.get_mut(&serial()).unwrap().record.ticket = None;
    bench.restart();
    bench.until_online();
    assert_eq!(bench.cloud.runs, [1, 2]);
    // Whatever fails, the code is not shown again.
    bench.cloud.devices.remove(&serial());
    bench.restart();
    for _ in 0..8 {
        bench.drain();
        bench.wait();
    }
    let codes = attempts(&bench).iter().filter(|(_, kind)| *kind == CredentialKind::Code).count();
    assert_eq!(codes, 1);
}

#[test]
fn a_person_at_the_device_enrols_it_again_within_the_owners_window() {
    let mut bench = Bench::with_code();
    bench.until_online();
    let psk = bench.cloud.devices[&serial()].record.psk.clone();
    assert!(bench.device.enrol_again(bench.now));
    bench.drain();
    assert!(!bench.device.is_online(), "the window is shut");
    let known = bench.cloud.devices.get_mut(&serial()).unwrap();
    (known.is_window_open, known.record.allowed.code) = (true, true);
    bench.until_online();
    assert_eq!(bench.cloud.runs, [1, 1]);
    assert_ne!(bench.cloud.devices[&serial()].record.psk, psk);
    bench.restart();
    bench.until_online();
    assert_eq!(bench.cloud.runs, [1, 1, 4]);
    assert!(!Bench::with_psk().device.enrol_again(bench.now), "a device without a code has nothing to show");
}

#[test]
fn a_person_who_asks_for_the_code_in_vain_loses_nothing() {
    let mut bench = Bench::with_code();
    bench.until_online();
    assert!(bench.device.enrol_again(bench.now));
    bench.drain();
    bench.wait();
    bench.restart();
    bench.until_online();
    assert_eq!(bench.cloud.runs, [1, 4]);
}

#[test]
fn waits_grow_with_each_failure_and_differ() {
    let mut bench = Bench::with_psk();
    bench.is_reachable = false;
    bench.drain();
    for _ in 0..70 {
        bench.wait();
    }
    let waits = waits(&bench);
    for (at, wait) in waits.iter().enumerate() {
        let full = 2000 * (at as u64 + 1).min(60);
        assert!((full / 2..=full * 3 / 2 + 1).contains(wait), "wait {at}: {wait} ms");
    }
    let is_even = waits.iter().take(10).enumerate().all(|(at, wait)| *wait == 2000 * (at as u64 + 1));
    assert!(!is_even, "chance has a part in it");
}

#[test]
fn a_blocked_device_waits_an_hour_and_forgets_nothing() {
    let mut bench = Bench::with_psk();
    bench.until_online();
    bench.cloud.devices.get_mut(&serial()).unwrap().is_blocked = true;
    bench.restart();
    bench.drain();
    assert_eq!(troubles(&bench), [Trouble::Run(DeviceEnd::Told(ResultCode::BLOCKED))]);
    assert_eq!(waits(&bench), [3_600_000]);
    bench.cloud.devices.get_mut(&serial()).unwrap().is_blocked = false;
    assert_eq!(bench.wait(), Duration::from_secs(3600));
    bench.until_online();
}

#[test]
fn a_stranger_at_the_load_balancer_changes_nothing_that_is_stored() {
    let mut bench = Bench::with_psk();
    bench.until_online();
    let kept = bench.disk.state.clone();
    let genuine = std::mem::replace(&mut bench.cloud, Cloud::new());
    bench.restart();
    for _ in 0..4 {
        bench.drain();
        bench.wait();
    }
    assert!(!bench.device.is_online());
    assert_eq!(bench.disk.state, kept);
    bench.cloud = genuine;
    bench.until_online();
}

#[test]
fn without_an_access_service_the_device_asks_again_later() {
    let mut bench = Bench::with_psk();
    bench.cloud.has_das = false;
    bench.drain();
    assert_eq!(troubles(&bench), [Trouble::Run(DeviceEnd::Told(ResultCode::NO_DAS))]);
    bench.cloud.has_das = true;
    bench.until_online();
    assert_eq!(bench.cloud.runs, [2, 4], "the ticket of the first run counts already");
}

#[test]
fn a_load_balancer_that_says_nothing_is_left_after_five_seconds() {
    let mut bench = Bench::with_psk();
    bench.cloud.is_mute = true;
    bench.drain();
    assert_eq!(bench.wait(), Duration::from_secs(5));
    assert_eq!(troubles(&bench), [Trouble::Run(DeviceEnd::TimeOver)]);
}
