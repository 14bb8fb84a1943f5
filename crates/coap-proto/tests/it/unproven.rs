//! Notifications to addresses that have shown nothing: whoever registers may have lied about its address.

use std::time::Duration;

use coap_proto::{
    Code, ContentFormat, Delivery, Gone, Kind, Message, ObserverEnd, ObserverId, OptionNumber, Output,
    PathLimits, Request, Response,
};

use crate::pair::{Bench, PEER, Pair, datagrams, heads, requests, steady};

/// Longer than everything that is repeated.
const LONG: Duration = Duration::from_secs(300);

fn state(size: usize) -> Response {
    Response::content(ContentFormat::TEXT, vec![b's'; size])
}

fn open_bench() -> Bench {
    Bench::with(steady(), PathLimits::UDP)
}

/// Registers an observer under `token`, with more options behind Uri-Path.
fn register(bench: &mut Bench, token: u8, more: &[u8]) -> ObserverId {
    let message = [&[0x41, 1, 0x30, token, token, 0x60, 0x51, b'o'], more].concat();
    let exchange = requests(&bench.receive(&message))[0].exchange;
    let observer = bench.endpoint.respond_observed(exchange, state(1), bench.now).unwrap();
    bench.drain();
    observer.expect("there is room")
}

fn notify(bench: &mut Bench, observer: ObserverId, response: Response) -> Vec<Vec<u8>> {
    bench.endpoint.notify(observer, response, Delivery::NonConfirmable, bench.now).unwrap();
    datagrams(&bench.drain())
}

fn acknowledgement(of: &[u8]) -> [u8; 4] {
    [0x60, 0, of[2], of[3]]
}

fn gone(outputs: &[Output]) -> Vec<(ObserverId, ObserverEnd)> {
    let end = |output: &Output| match output {
        Output::ObserverGone { observer, reason } => Some((*observer, *reason)),
        _ => None,
    };
    outputs.iter().filter_map(end).collect()
}

// verifies: RFC7641-7, RFC9175-2.4
#[test]
fn an_address_not_heard_gets_one_confirmable_notification_at_a_time() {
    let mut bench = open_bench();
    let (first, second) = (register(&mut bench, 1, &[]), register(&mut bench, 2, &[]));
    let sent = notify(&mut bench, first, state(10));
    assert_eq!(heads(&sent), [(Kind::Confirmable, Code::CONTENT)], "asked for as non-confirmable");
    assert_eq!(notify(&mut bench, second, state(11)), Vec::<Vec<u8>>::new());
    assert_eq!(notify(&mut bench, first, state(12)), Vec::<Vec<u8>>::new());
    let mut sent = sent;
    let mut sizes = Vec::new();
    for _ in 0..3 {
        sent = datagrams(&bench.receive(&acknowledgement(&sent[0])));
        sizes.extend(sent.iter().map(|datagram| Message::parse(datagram).unwrap().payload.len()));
        assert!(sent.iter().all(|datagram| heads(std::slice::from_ref(datagram))[0].0 == Kind::Confirmable));
        if sent.is_empty() {
            break;
        }
    }
    sizes.sort_unstable();
    assert_eq!(sizes, [11, 12], "what waited, and nothing twice");
    let large = notify(&mut bench, first, state(900));
    assert_eq!(heads(&large), [(Kind::Confirmable, Code::CONTENT)], "heard, and still confirmed");
    assert_eq!(Message::parse(&large[0]).unwrap().payload.len(), 900);
}

// verifies: RFC7641-7, RFC9175-2.4
#[test]
fn notifications_that_nobody_acknowledges_stay_within_the_bound_and_end_every_observer() {
    for (size, more) in [(1, 0), (20, 0), (40, 0), (100, 0), (3000, 0), (3000, 100), (400, 200)] {
        let mut bench = open_bench();
        // One Uri-Query of `more` bytes.
        let query = match more {
            0 => Vec::new(),
            _ => [&[0x4d, more - 13][..], &vec![b'q'; usize::from(more)]].concat(),
        };
        let observers = [register(&mut bench, 1, &query), register(&mut bench, 2, &query)];
        let mut sent: Vec<_> =
            observers.iter().flat_map(|observer| notify(&mut bench, *observer, state(size))).collect();
        assert_eq!(sent.len(), 1);
        let later: Vec<Output> = bench.pass(LONG).into_iter().map(|(_, output)| output).collect();
        sent.extend(datagrams(&later));
        let bound = 128.max(3 * (8 + query.len()));
        let total: usize = sent.iter().map(Vec::len).sum();
        assert!(total <= bound, "{size}, {more}: {total} bytes of {bound} in {} datagrams", sent.len());
        let ends = observers.map(|observer| (observer, ObserverEnd::NotAcknowledged));
        assert_eq!(gone(&later), ends, "{size}");
        for observer in observers {
            let refused = bench.endpoint.notify(observer, state(1), Delivery::Confirmable, bench.now);
            assert_eq!(refused, Err(Gone));
        }
    }
}

// verifies: RFC7641-7
#[test]
fn a_small_notification_to_an_address_not_heard_is_still_repeated() {
    let mut bench = open_bench();
    let observer = register(&mut bench, 1, &[]);
    notify(&mut bench, observer, state(8));
    let repeated = bench.pass(Duration::from_secs(10));
    assert_eq!(repeated.len(), 2, "after 2 and after 6 s: {repeated:?}");
}

// verifies: RFC7641-7
#[test]
fn an_address_that_falls_silent_is_no_longer_heard() {
    let mut bench = open_bench();
    let first = register(&mut bench, 1, &[]);
    let sent = notify(&mut bench, first, state(8));
    bench.receive(&acknowledgement(&sent[0]));
    notify(&mut bench, first, state(900));
    let lost: Vec<Output> = bench.pass(LONG).into_iter().map(|(_, output)| output).collect();
    assert_eq!(gone(&lost), [(first, ObserverEnd::NotAcknowledged)]);
    let second = register(&mut bench, 2, &[]);
    let sent = notify(&mut bench, second, state(900));
    assert!(sent[0].len() <= 128, "{} bytes", sent[0].len());
}

// verifies: RFC7641-7
#[test]
fn whoever_guesses_acknowledgements_ends_the_observation() {
    for heard in [false, true] {
        let mut bench = open_bench();
        let observer = register(&mut bench, 1, &[]);
        let mut sent = notify(&mut bench, observer, state(8));
        if heard {
            bench.receive(&acknowledgement(&sent[0]));
            sent = notify(&mut bench, observer, state(8));
        }
        let id = u16::from_be_bytes([sent[0][2], sent[0][3]]);
        let mut ends = Vec::new();
        for guess in 1..=16_u16 {
            assert_eq!(ends, [], "{guess} guesses are few");
            let [high, low] = id.wrapping_add(guess).to_be_bytes();
            ends = gone(&bench.receive(&[0x60, 0, high, low]));
        }
        let expected = if heard { Vec::new() } else { vec![(observer, ObserverEnd::NotAcknowledged)] };
        assert_eq!(ends, expected, "nobody cuts off a peer that was heard");
    }
}

// verifies: RFC7641-7, RFC7959-2.6
#[test]
fn a_large_notification_before_the_first_acknowledgement_is_fetched_in_small_blocks() {
    let mut pair = Pair::with(steady(), PathLimits::UDP);
    pair.client.endpoint.observe(PEER, Request::new(Code::GET, "/o"), pair.now).unwrap();
    pair.run_for(Duration::from_millis(100));
    let exchange = pair.server.last_exchange();
    let observer = pair.server.endpoint.respond_observed(exchange, state(5), pair.now).unwrap().unwrap();
    pair.run_for(Duration::from_millis(100));
    for size in [700, 800] {
        let from = pair.sent.len();
        pair.server.endpoint.notify(observer, state(size), Delivery::NonConfirmable, pair.now).unwrap();
        pair.run_for(Duration::from_secs(5));
        assert_eq!(pair.client.notifications.last().unwrap().payload.len(), size);
        let largest = pair.sent[from..].iter().map(|(_, datagram)| datagram.len()).max().unwrap();
        assert_eq!(largest <= 128, size == 700, "{largest} bytes: the second comes after an acknowledgement");
    }
    assert_eq!(pair.server.requests.len(), 1, "blocks come from the kept body");
}

// verifies: RFC7641-7, RFC9175-2.4
#[test]
fn a_notification_whose_options_are_over_the_bound_becomes_a_challenge() {
    let mut bench = open_bench();
    let observer = register(&mut bench, 1, &[]);
    let mut long = state(1);
    long.options.add(OptionNumber::LOCATION_QUERY, &[b'l'; 200]);
    bench.endpoint.notify(observer, long.clone(), Delivery::NonConfirmable, bench.now).unwrap();
    let out = bench.drain();
    let sent = datagrams(&out);
    assert_eq!(heads(&sent), [(Kind::Confirmable, Code::UNAUTHORIZED)]);
    assert_eq!(gone(&out), [(observer, ObserverEnd::NotAcknowledged)]);
    let echo = Message::parse(&sent[0]).unwrap().options.first(OptionNumber::ECHO).unwrap().to_vec();
    // Echo is number 252, Uri-Path before it 11.
    let again = register(&mut bench, 2, &[&[0xd8, 228], &echo[..]].concat());
    let sent = notify(&mut bench, again, long);
    assert_eq!(heads(&sent)[0].1, Code::CONTENT, "proven, and told at once");
    assert_eq!(heads(&sent)[0].0, Kind::NonConfirmable);
}

// verifies: RFC7641-4.1
#[test]
fn whoever_registers_again_and_gets_a_challenge_is_an_observer_no_longer() {
    let mut bench = open_bench();
    let observer = register(&mut bench, 1, &[]);
    let mut long = state(1);
    long.options.add(OptionNumber::LOCATION_QUERY, &[b'l'; 200]);
    let again = [0x41, 1, 0x30, 9, 1, 0x60, 0x51, b'o'];
    let exchange = requests(&bench.receive(&again))[0].exchange;
    assert_eq!(bench.endpoint.respond_observed(exchange, long, bench.now), Ok(None));
    let out = bench.drain();
    assert_eq!(heads(&datagrams(&out))[0].1, Code::UNAUTHORIZED);
    assert_eq!(gone(&out), [(observer, ObserverEnd::NotAcknowledged)], "the application is told");
    let told = bench.endpoint.notify(observer, state(2), Delivery::NonConfirmable, bench.now);
    assert_eq!(told, Err(Gone));
}

// verifies: RFC7641-7
#[test]
fn what_waited_behind_an_observer_goes_out_when_that_one_ends() {
    for end in [Code::EMPTY, Code::GET] {
        let mut bench = open_bench();
        let (first, second) = (register(&mut bench, 1, &[]), register(&mut bench, 2, &[]));
        let sent = notify(&mut bench, first, state(10));
        notify(&mut bench, second, state(11));
        let message = match end {
            Code::EMPTY => vec![0x70, 0, sent[0][2], sent[0][3]],
            _ => vec![0x41, 1, 0x30, 9, 1, 0x61, 1, 0x51, b'o'],
        };
        let sent = datagrams(&bench.receive(&message));
        assert_eq!(heads(&sent), [(Kind::Confirmable, Code::CONTENT)], "{end}");
        assert_eq!(Message::parse(&sent[0]).unwrap().payload.len(), 11);
    }
}

#[test]
fn a_bound_that_was_lifted_and_a_secured_peer_change_nothing() {
    let mut lifted = steady();
    lifted.amplification = None;
    for (config, path) in [(lifted, PathLimits::UDP), (steady(), PathLimits::SECURED)] {
        let mut bench = Bench::with(config, path);
        let observer = register(&mut bench, 1, &[]);
        for _ in 0..2 {
            let sent = notify(&mut bench, observer, state(900));
            assert_eq!(heads(&sent), [(Kind::NonConfirmable, Code::CONTENT)]);
        }
    }
}
