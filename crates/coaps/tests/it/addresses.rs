//! Addresses: two calls at once, peers that move, and datagrams of nobody.

use std::net::SocketAddr;
use std::time::Duration;

use coaps::Address;

use crate::wire::{LEFT, RIGHT, Wire};

// verifies: ASSURE-10.1.6-15
#[test]
fn when_both_call_and_one_gives_way_there_is_one_association() {
    for client in [LEFT, RIGHT] {
        let mut wire = Wire::new();
        wire.ends[1 - client].keeps_calling = false;
        wire.call(LEFT);
        wire.call(RIGHT);
        wire.run_for(Duration::from_secs(5));
        for end in [LEFT, RIGHT] {
            assert_eq!(wire.ends[end].connected.len(), 1, "{:?}", wire.ends[end].ended);
            assert_eq!(wire.ends[end].machine.len(), 1);
        }
        let asked = [wire.ask(LEFT, "x"), wire.ask(RIGHT, "x")];
        wire.run_for(Duration::from_secs(1));
        assert!(wire.answer_to(LEFT, asked[0]).unwrap().is_ok());
        assert!(wire.answer_to(RIGHT, asked[1]).unwrap().is_ok());
    }
}

// verifies: ASSURE-8.1-02, ASSURE-12.2-03
#[test]
fn an_association_follows_its_peer_by_connection_id() {
    let mut wire = Wire::connected();
    let moved: SocketAddr = "10.7.7.7:7777".parse().unwrap();
    let id = wire.ends[RIGHT].connected[0];
    wire.seen_as[LEFT] = Some(moved);
    let request = wire.ask(LEFT, "after/moving");
    wire.run_for(Duration::from_secs(1));
    assert!(wire.answer_to(LEFT, request).unwrap().is_ok());
    assert_eq!(wire.ends[RIGHT].connected, [id], "the same association");
    assert_eq!(wire.ends[RIGHT].machine.address(id), Some(&moved));
    let back = wire.ask(RIGHT, "to/the/new/address");
    wire.run_for(Duration::from_secs(1));
    assert!(wire.answer_to(RIGHT, back).unwrap().is_ok());
}

// verifies: ASSURE-12.2-03, TS-M5
#[test]
fn a_replayed_record_moves_no_association_and_a_closed_one_is_dead() {
    let mut wire = Wire::connected();
    let home = wire.ends[LEFT].address;
    let _ = wire.ask(LEFT, "x");
    wire.run_for(Duration::from_secs(1));
    let sealed = wire.sent.iter().rfind(|(from, ..)| *from == home).unwrap().2.clone();
    let thief: SocketAddr = "10.66.6.6:6".parse().unwrap();
    let id = wire.ends[RIGHT].connected[0];
    wire.inject(RIGHT, thief, &sealed);
    assert_eq!(wire.ends[RIGHT].machine.address(id), Some(&home), "a record seen before proves nothing");
    // the next record, taken from the wire before it arrives, after the association is closed
    wire.is_cut = true;
    let _ = wire.ask(LEFT, "y");
    let fresh = wire.sent.last().unwrap().2.clone();
    let now = wire.stamp();
    wire.ends[RIGHT].machine.close(id, now);
    wire.drain(RIGHT);
    let asked = wire.ends[RIGHT].asked.len();
    wire.inject(RIGHT, home, &fresh);
    wire.inject(RIGHT, thief, &fresh);
    assert_eq!(wire.ends[RIGHT].asked.len(), asked);
    assert!(wire.ends[RIGHT].machine.is_empty());
}

#[test]
fn datagrams_of_nobody_are_counted_and_answered_by_nothing() {
    let mut wire = Wire::connected();
    let nobody: SocketAddr = "10.66.6.6:6".parse().unwrap();
    let before = wire.sent.len();
    for datagram in [&b""[..], b"plain", &[22, 0xfe, 0xfd, 0, 0], &[0; 100]] {
        wire.inject(RIGHT, nobody, datagram);
    }
    assert_eq!(wire.sent.len(), before);
    assert_eq!(wire.ends[RIGHT].machine.counters().strangers, 4);
    assert_eq!(wire.ends[RIGHT].machine.len(), 1);
}

#[test]
fn addresses_tell_themselves_apart() {
    let texts =
        ["10.0.0.1:1", "10.0.0.1:2", "10.0.0.2:1", "[::1]:1", "[::1]:2", "[::a00:1]:1", "[fe80::1%3]:1"];
    let bytes: Vec<Vec<u8>> =
        texts.iter().map(|text| text.parse::<SocketAddr>().unwrap().to_bytes()).collect();
    for (index, one) in bytes.iter().enumerate() {
        assert!(!bytes[..index].contains(one), "{}", texts[index]);
    }
}
