//! Strangers that answer from their addresses and then go no further.

use std::net::SocketAddr;
use std::time::Duration;

use coaps::{Address, CoapsLimits, End};
use dtls_proto::{Output, Session};

use crate::wire::{LEFT, RIGHT, Wire};

fn wire_with(rising_per_net_max: usize) -> Wire {
    let mut wire = Wire::with_limits(CoapsLimits { rising_per_net_max, ..CoapsLimits::default() });
    wire.is_cut = true;
    wire
}

fn datagram_of(session: &mut Session) -> Vec<u8> {
    match session.next_output() {
        Some(Output::Transmit(datagram)) => datagram,
        other => panic!("a hello was expected: {other:?}"),
    }
}

/// Fetches a cookie and comes back with it; whether there is one association more.
fn rises(wire: &mut Wire, address: &str) -> bool {
    let address: SocketAddr = address.parse().unwrap();
    let setup = wire.ends[LEFT].setup();
    let mut session = Session::client(setup, wire.now).unwrap();
    let before = wire.ends[RIGHT].machine.len();
    wire.inject(RIGHT, address, &datagram_of(&mut session));
    let (_, to, reply) = wire.sent.last().unwrap().clone();
    assert_eq!(to, address, "the request to come back");
    session.receive(&reply, wire.now);
    wire.inject(RIGHT, address, &datagram_of(&mut session));
    wire.ends[RIGHT].machine.len() > before
}

// verifies: ASSURE-8.4-16
#[test]
fn one_net_has_its_share_of_handshakes_and_leaves_the_others_theirs() {
    let mut wire = wire_with(3);
    let rises_from = |wire: &mut Wire, addresses: &[&str]| -> Vec<bool> {
        addresses.iter().map(|address| rises(wire, address)).collect()
    };
    let one = ["10.9.9.9:1", "10.9.9.9:2", "10.9.9.9:3", "10.9.9.9:4", "[::ffff:10.9.9.9]:5"];
    assert_eq!(rises_from(&mut wire, &one), [true, true, true, false, false]);
    assert_eq!(wire.ends[RIGHT].machine.counters().over_limit, 2);
    let neighbours = ["10.9.9.8:1", "[::ffff:10.9.9.7]:1"];
    assert_eq!(rises_from(&mut wire, &neighbours), [true, true]);
    let link = ["[2001:db8:1:2::1]:1", "[2001:db8:1:2::2]:1", "[2001:db8:1:2:3:4:5:6]:1"];
    assert_eq!(rises_from(&mut wire, &link), [true; 3]);
    assert_eq!(rises_from(&mut wire, &["[2001:db8:1:2::4]:1", "[2001:db8:1:3::1]:1"]), [false, true]);
}

#[test]
fn a_stranger_that_starts_anew_takes_no_second_share() {
    let mut wire = wire_with(1);
    assert!(rises(&mut wire, "10.9.9.9:1"));
    assert!(!rises(&mut wire, "10.9.9.9:1"), "in place of the first, not beside it");
    assert!(matches!(wire.ends[RIGHT].ended[..], [(_, End::Replaced)]));
    assert!(!rises(&mut wire, "10.9.9.9:2"));
    assert_eq!(wire.ends[RIGHT].machine.counters().over_limit, 1);
}

#[test]
fn a_share_is_given_back_by_those_who_give_up_and_those_who_connect() {
    let mut wire = wire_with(1);
    assert!(rises(&mut wire, "10.9.9.9:1"));
    wire.run_for(Duration::from_secs(130));
    assert!(wire.ends[RIGHT].machine.is_empty(), "it came no further");
    assert!(rises(&mut wire, "10.9.9.9:2"));
    let mut wire = wire_with(1);
    wire.is_cut = false;
    wire.call(LEFT);
    wire.run_for(Duration::from_secs(2));
    assert_eq!(wire.ends[RIGHT].connected.len(), 1);
    let mut beside = wire.ends[LEFT].address;
    beside.set_port(7);
    assert!(rises(&mut wire, &beside.to_string()), "who is connected holds no share");
}

#[test]
fn addresses_of_one_party_have_one_net() {
    let net = |address: &str| address.parse::<SocketAddr>().unwrap().net();
    assert_eq!(net("10.0.0.1:1"), net("[::ffff:10.0.0.1]:2"));
    assert_ne!(net("10.0.0.1:1"), net("10.0.0.2:1"));
    assert_ne!(net("[::ffff:10.0.0.1]:1"), net("[::ffff:10.0.0.2]:1"), "not one net of all IPv4");
    assert_eq!(net("[2001:db8::1]:1"), net("[2001:db8::ffff:0:0:1]:9"));
    assert_ne!(net("[2001:db8::1]:1"), net("[2001:db8:0:1::1]:1"));
}
