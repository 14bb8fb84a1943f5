//! When the endpoint is to be woken.

use std::time::Duration;

use clock::{Dice, Moment};
use coap_proto::{Code, ContentFormat, Endpoint, Kind, Output, PathLimits, PeerId, Response};

use crate::pair::{datagrams, heads, steady};

/// CON GET /a, id 0x1001, token aa
const GET_A: &[u8] = b"\x41\x01\x10\x01\xaa\xb1a";
const ACK_DELAY: Duration = Duration::from_millis(500);
const EXCHANGE_LIFETIME: Duration = Duration::from_secs(247);

fn drain(endpoint: &mut Endpoint) -> Vec<Output> {
    std::iter::from_fn(|| endpoint.next_output()).collect()
}

fn of_peers(count: u64) -> (Endpoint, Moment) {
    let mut endpoint = Endpoint::new(steady(), Dice::numbered(5));
    for peer in 0..count {
        endpoint.connect(PeerId(peer), PathLimits::SECURED).unwrap();
    }
    (endpoint, Moment::START + Duration::from_secs(1000))
}

// verifies: RFC7252-5.2.2
#[test]
fn what_is_due_is_known_before_outputs_are_drained() {
    let (mut endpoint, now) = of_peers(3);
    assert_eq!(endpoint.next_deadline(), None);
    let mut later = now;
    for peer in 0..3 {
        endpoint.receive(PeerId(peer), GET_A, later);
        assert_eq!(endpoint.next_deadline(), Some(now + ACK_DELAY), "the first is due first");
        later = later + Duration::from_millis(100);
    }
    endpoint.expire(now + Duration::from_millis(700));
    let sent = datagrams(&drain(&mut endpoint));
    assert_eq!(heads(&sent), [(Kind::Acknowledgement, Code::EMPTY); 3]);
    assert_eq!(endpoint.next_deadline(), Some(now + EXCHANGE_LIFETIME));
}

#[test]
fn a_request_answered_at_once_wakes_nobody_for_its_acknowledgement() {
    let (mut endpoint, now) = of_peers(2);
    for peer in 0..2 {
        endpoint.receive(PeerId(peer), GET_A, now);
        let Some(Output::Request(asked)) = endpoint.next_output() else { panic!("a request") };
        let response = Response::content(ContentFormat::TEXT, *b"1");
        endpoint.respond(asked.exchange, response, now).unwrap();
        assert_eq!(drain(&mut endpoint).len(), 1);
        assert_eq!(endpoint.next_deadline(), Some(now + EXCHANGE_LIFETIME));
    }
    endpoint.expire(now + EXCHANGE_LIFETIME);
    assert_eq!(drain(&mut endpoint), [0, 1].map(|peer| Output::Idle { peer: PeerId(peer) }));
    assert_eq!(endpoint.next_deadline(), None);
}

#[test]
fn a_forgotten_peer_wakes_nobody_and_the_others_are_still_found() {
    let (mut endpoint, now) = of_peers(3);
    for peer in 0..3 {
        endpoint.receive(PeerId(peer), GET_A, now);
    }
    // The last is forgotten before its timer is set, the first after.
    for peer in [2, 0] {
        endpoint.forget(PeerId(peer), now);
        endpoint.receive(PeerId(peer), GET_A, now);
    }
    assert_eq!((endpoint.counters().strangers, endpoint.peer_count()), (2, 1));
    drain(&mut endpoint);
    endpoint.expire(now + ACK_DELAY);
    let acknowledged = drain(&mut endpoint);
    assert!(matches!(&acknowledged[..], [Output::Transmit { peer: PeerId(1), .. }]), "{acknowledged:?}");
    endpoint.connect(PeerId(0), PathLimits::SECURED).unwrap();
    endpoint.receive(PeerId(0), GET_A, now);
    let anew = drain(&mut endpoint);
    assert!(
        matches!(&anew[..], [Output::Request(asked)] if asked.peer == PeerId(0)),
        "nothing is remembered"
    );
}
