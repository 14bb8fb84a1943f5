//! The power is cut at every single step, and the device still comes back with one identity.

use agent::osap::{SmartDevice, SmartSettings};
use clock::Dice;

use super::bench::{Bench, now, provider, serial};

/// Cuts after `steps` outputs of the device; `None` when it was online before that.
fn cut(mut bench: Bench, steps: usize) -> Option<Bench> {
    bench.outputs_left = Some(steps);
    bench.drain();
    bench.is_off.then_some(bench)
}

// verifies: OSAP-5-44, OSAP-5-60
#[test]
fn a_cut_at_every_step_of_the_first_run_comes_out_right() {
    for with in [Bench::with_psk, Bench::with_key_pair] {
        let mut steps = 0;
        while let Some(mut bench) = cut(with(), steps) {
            bench.restart();
            bench.until_online();
            let devid = bench.cloud.devices[&serial()].devid;
            bench.restart();
            bench.until_online();
            assert_eq!(bench.cloud.runs.last(), Some(&4), "cut after {steps}");
            assert_eq!(bench.cloud.devices[&serial()].devid, devid, "cut after {steps}");
            steps += 1;
        }
        assert!(steps > 8, "{steps}");
    }
}

/// Between record 92 and record B2 the code is spent at the load balancer and the device does not know it.
// verifies: OSAP-5-44
#[test]
fn a_cut_in_the_enrolment_leaves_a_device_that_comes_back_by_itself() {
    // The steps before H1-III are like those of other kinds.
    let mut cut_at = 3;
    while let Some(mut bench) = cut(Bench::with_code(), cut_at) {
        bench.restart();
        bench.until_online();
        assert!(!bench.cloud.devices[&serial()].record.allowed.code, "cut after {cut_at}");
        bench.restart();
        bench.until_online();
        assert_eq!(bench.cloud.runs.last(), Some(&4), "cut after {cut_at}: {:?}", bench.cloud.runs);
        assert_eq!(bench.cloud.runs.iter().filter(|kind| **kind == 1).count(), 1, "cut after {cut_at}");
        cut_at += 1;
    }
    assert!(cut_at > 10, "{cut_at}");
}

// verifies: OSAP-5-44, OSAP-5-69
#[test]
fn a_cut_at_every_step_of_a_run_with_a_ticket_comes_out_right() {
    let mut steps = 0;
    loop {
        let mut bench = Bench::with_psk();
        bench.until_online();
        let devid = bench.cloud.devices[&serial()].devid;
        bench.restart();
        let Some(mut bench) = cut(bench, steps) else { break };
        let runs = bench.cloud.runs.len();
        bench.restart();
        bench.until_online();
        assert_eq!(bench.cloud.devices[&serial()].devid, devid, "cut after {steps}");
        assert!(
            bench.cloud.runs[runs..].iter().all(|kind| *kind == 4),
            "cut after {steps}: {:?}",
            bench.cloud.runs
        );
        steps += 1;
    }
    assert!(steps > 8, "{steps}");
}

#[test]
fn a_cut_at_every_message_of_the_load_balancer_comes_out_right() {
    for left in 0..4 {
        let mut bench = Bench::with_psk();
        bench.until_online();
        let devid = bench.cloud.devices[&serial()].devid;
        bench.restart();
        bench.cloud.lbs_messages_left = Some(left);
        bench.drain();
        bench.cloud.lbs_messages_left = None;
        bench.until_online();
        assert_eq!(bench.cloud.devices[&serial()].devid, devid, "{left} messages");
        bench.restart();
        bench.until_online();
        assert_eq!(bench.cloud.runs.last(), Some(&4), "{left} messages");
    }
}

// verifies: OSAP-2.1.4-03
#[test]
fn a_cut_at_every_step_of_an_event_loses_none_that_was_raised() {
    let mut steps = 0;
    loop {
        let mut bench = Bench::with_psk();
        bench.until_online();
        bench.outputs_left = Some(steps);
        bench.raise("one");
        bench.raise_if_on("two");
        if !bench.is_off {
            break;
        }
        let safe: Vec<_> = bench.raised();
        bench.restart();
        bench.until_online();
        bench.raise("three");
        let taken = bench.taken_events();
        assert!(taken.len() > safe.len(), "cut after {steps}: {safe:?} {taken:?}");
        assert!(taken.is_sorted_by_key(|what| ["one", "two", "three"].iter().position(|one| one == what)));
        steps += 1;
    }
    assert!(steps > 4, "{steps}");
}

#[test]
fn damaged_states_are_refused_and_never_a_panic() {
    let mut bench = Bench::with_psk();
    bench.until_online();
    bench.is_reachable = false;
    bench.break_link();
    bench.raise("one");
    let (state, events) = (bench.disk.state.expose().to_vec(), bench.disk.events.clone());
    let start = |state: &[u8], events: Vec<(u64, Vec<u8>)>| {
        SmartDevice::start(state, events, SmartSettings::default(), provider(), Dice::numbered(9), now())
    };
    let (number, event) = events.into_iter().next().unwrap();
    assert!(start(&state, vec![(number, event.clone())]).is_ok());
    for at in 0..state.len() {
        assert!(start(&state[..at], Vec::new()).is_err(), "cut off at {at}");
        let mut changed = state.clone();
        changed[at] ^= 0xFF;
        let _refused_or_not = start(&changed, Vec::new());
    }
    for at in 0..event.len() {
        assert!(start(&state, vec![(number, event[..at].to_vec())]).is_err(), "cut off at {at}");
    }
}
