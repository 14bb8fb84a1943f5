//! One association: both ends ask, it ends once, it is limited.

use std::time::Duration;

use coap_proto::{Busy, Code, Failure, Request};
use coaps::{CoapsLimits, ConnectError, End};
use dtls_proto::{Alert, Closing};

use crate::wire::{LEFT, RIGHT, Wire};

// verifies: ASSURE-8.1-01
#[test]
fn both_ends_of_one_association_ask_and_answer() {
    let mut wire = Wire::connected();
    let asked = [wire.ask(LEFT, "from/left"), wire.ask(RIGHT, "from/right")];
    wire.run_for(Duration::from_secs(1));
    for (end, request) in [LEFT, RIGHT].into_iter().zip(asked) {
        assert_eq!(wire.answer_to(end, request).unwrap().as_ref().unwrap().code, Code::CONTENT);
    }
    assert_eq!(wire.ends[RIGHT].asked[0].1, "from/left");
    assert_eq!(wire.ends[LEFT].asked[0].1, "from/right");
    assert_eq!((wire.ends[LEFT].machine.len(), wire.ends[RIGHT].machine.len()), (1, 1));
}

#[test]
fn nothing_can_be_asked_before_the_peer_is_proven() {
    let mut wire = Wire::new();
    wire.call(LEFT);
    let (id, now) = (wire.ends[LEFT].calling.unwrap(), wire.stamp());
    let refused = wire.ends[LEFT].machine.request(id, Request::new(Code::GET, "x"), now);
    assert_eq!(refused, Err(Busy::UnknownPeer));
}

#[test]
fn a_close_ends_both_sides_once_and_fails_what_was_asked() {
    let mut wire = Wire::connected();
    let request = wire.ask(LEFT, "x");
    let (id, now) = (wire.ends[LEFT].connected[0], wire.stamp());
    wire.ends[LEFT].machine.close(id, now);
    wire.drain(LEFT);
    wire.run_for(Duration::from_secs(1));
    assert_eq!(wire.answer_to(LEFT, request), Some(&Err(Failure::PeerForgotten)));
    assert_eq!(wire.ends[LEFT].ended, [(id, End::Closed(Closing::ByUs(Alert::CloseNotify)))]);
    assert_eq!(wire.ends[RIGHT].ended.len(), 1);
    assert_eq!(wire.ends[RIGHT].ended[0].1, End::Closed(Closing::ByPeer(Alert::CloseNotify)));
    assert!(wire.ends.iter().all(|end| end.machine.is_empty()));
    assert_eq!(wire.ends[LEFT].machine.next_deadline(), None, "nothing is left to wait for");
}

// verifies: TS-M4
#[test]
fn an_abort_tells_the_peer_why() {
    let mut wire = Wire::connected();
    let (id, now) = (wire.ends[RIGHT].connected[0], wire.stamp());
    wire.ends[RIGHT].machine.abort(id, Alert::AccessDenied, now);
    wire.drain(RIGHT);
    wire.run_for(Duration::from_secs(1));
    assert_eq!(wire.ends[LEFT].ended[0].1, End::Closed(Closing::ByPeer(Alert::AccessDenied)));
}

#[test]
fn a_wrong_secret_connects_nobody() {
    let mut wire = Wire::new();
    wire.ends[LEFT].secret = vec![8; 32];
    wire.call(LEFT);
    wire.run_for(Duration::from_secs(200));
    assert!(wire.ends.iter().all(|end| end.connected.is_empty() && end.machine.is_empty()));
    assert_eq!((wire.ends[LEFT].ended.len(), wire.ends[RIGHT].ended.len()), (1, 1));
}

#[test]
fn silence_ends_an_association_after_the_limit() {
    let mut wire = Wire::connected();
    wire.run_for(Duration::from_secs(23 * 3600));
    assert_eq!(wire.ends[LEFT].ended, []);
    let request = wire.ask(LEFT, "x");
    wire.run_for(Duration::from_secs(23 * 3600));
    assert!(wire.answer_to(LEFT, request).is_some());
    assert_eq!(wire.ends[LEFT].ended, [], "what was carried counts");
    wire.run_for(Duration::from_secs(2 * 3600));
    assert!(wire.ends.iter().all(|end| end.machine.is_empty()));
}

#[test]
fn limits_refuse_calls_and_drop_strangers() {
    let limits = CoapsLimits { association_count_max: 1, ..CoapsLimits::default() };
    let mut wire = Wire::with_limits(limits);
    wire.call(LEFT);
    let (setup, now) = (wire.ends[LEFT].setup(), wire.stamp());
    let to = "10.0.0.9:9".parse().unwrap();
    assert_eq!(wire.ends[LEFT].machine.connect(to, setup, now), Err(ConnectError::TooMany));
    wire.run_for(Duration::from_secs(2));
    assert_eq!(wire.ends[RIGHT].connected.len(), 1, "at the limit");
    let limits = CoapsLimits { rising_count_max: 0, ..CoapsLimits::default() };
    let mut wire = Wire::with_limits(limits);
    wire.call(LEFT);
    wire.run_for(Duration::from_secs(2));
    assert!(wire.ends[RIGHT].machine.is_empty(), "over the limit");
    assert!(wire.ends[RIGHT].machine.counters().over_limit > 0);
}

// verifies: RFC6347-4.2.8
#[test]
fn a_new_session_replaces_the_old_one_when_it_is_connected() {
    let mut wire = Wire::connected();
    let old = wire.ends[RIGHT].connected[0];
    // the left end forgets everything, as after a power cut
    let id = wire.ends[LEFT].connected[0];
    let now = wire.stamp();
    wire.ends[LEFT].machine.discard(id, now);
    wire.drain(LEFT);
    wire.call(LEFT);
    assert_eq!(wire.ends[RIGHT].connected, [old], "not before");
    wire.run_for(Duration::from_secs(2));
    assert_eq!(wire.ends[RIGHT].connected.len(), 1);
    assert_ne!(wire.ends[RIGHT].connected[0], old);
    assert_eq!(wire.ends[RIGHT].ended, [(old, End::Replaced)]);
    let request = wire.ask(RIGHT, "x");
    wire.run_for(Duration::from_secs(1));
    assert!(wire.answer_to(RIGHT, request).unwrap().is_ok());
}
