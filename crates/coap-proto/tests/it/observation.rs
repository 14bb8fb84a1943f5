//! Observation, both sides.

use std::time::Duration;

use coap_proto::{
    Code, ContentFormat, Delivery, Failure, Gone, Interest, Kind, Message, ObserverEnd, ObserverId,
    OptionNumber, Output, PathLimits, Request, RequestId, Response,
};

use crate::pair::{Bench, Fate, PEER, Pair, datagrams, heads, requests, steady};

/// CON GET /o with Observe 0, id 0x3001, token 55
const REGISTER: &[u8] = b"\x41\x01\x30\x01\x55\x60\x51o";
/// CON GET /o with Observe 1, id 0x3002, token 55
const DEREGISTER: &[u8] = b"\x41\x01\x30\x02\x55\x61\x01\x51o";

fn state(text: &str) -> Response {
    Response::content(ContentFormat::TEXT, text.as_bytes())
}

/// A pair in which the client observes /o; its first state is "0".
fn observed() -> (Pair, RequestId, ObserverId) {
    let mut pair = Pair::new();
    let request = pair.client.endpoint.observe(PEER, Request::new(Code::GET, "/o"), pair.now).unwrap();
    pair.run_for(Duration::from_millis(100));
    assert_eq!(pair.server.requests[0].interest, Some(Interest::Register));
    let exchange = pair.server.last_exchange();
    let observer = pair.server.endpoint.respond_observed(exchange, state("0"), pair.now).unwrap();
    pair.run_for(Duration::from_millis(100));
    (pair, request, observer.expect("there is room"))
}

fn bodies(pair: &Pair) -> Vec<String> {
    pair.client.notifications.iter().map(|r| String::from_utf8_lossy(&r.payload).into_owned()).collect()
}

fn registered(bench: &mut Bench) -> ObserverId {
    let exchange = requests(&bench.receive(REGISTER))[0].exchange;
    let observer = bench.endpoint.respond_observed(exchange, state("0"), bench.now).unwrap().unwrap();
    bench.drain();
    observer
}

// verifies: RFC7641-3.1, RFC7641-3.2, RFC7641-4.2
#[test]
fn an_observer_sees_every_change_in_order() {
    let (mut pair, _, observer) = observed();
    for text in ["1", "2", "3"] {
        pair.server.endpoint.notify(observer, state(text), Delivery::Confirmable, pair.now).unwrap();
        pair.run_for(Duration::from_millis(100));
    }
    assert_eq!(bodies(&pair), ["0", "1", "2", "3"]);
    assert_eq!(pair.client.answers.len(), 0, "the observation goes on");
}

// verifies: RFC7641-4.5.2
#[test]
fn while_a_notification_is_under_way_only_the_newest_waits() {
    let (mut pair, _, observer) = observed();
    for text in ["1", "2", "3", "4"] {
        pair.server.endpoint.notify(observer, state(text), Delivery::Confirmable, pair.now).unwrap();
    }
    pair.run_for(Duration::from_secs(1));
    assert_eq!(bodies(&pair), ["0", "1", "4"]);
}

// verifies: RFC7641-3.4
#[test]
fn a_notification_that_was_overtaken_is_ignored() {
    let (mut pair, _, observer) = observed();
    let from = pair.sent.len();
    pair.network(
        move |index, _| if index == from { Fate::Late(Duration::from_secs(1)) } else { Fate::Deliver },
    );
    for text in ["1", "2"] {
        pair.server.endpoint.notify(observer, state(text), Delivery::NonConfirmable, pair.now).unwrap();
    }
    pair.run_for(Duration::from_secs(2));
    assert_eq!(bodies(&pair), ["0", "2"]);
}

// verifies: RFC7641-3.4
#[test]
fn freshness_wraps_around_and_ends_after_128_seconds() {
    let table = [
        (1_u32, 2_u32, 0, true),
        (2, 1, 0, false),
        (5, 5, 0, false),
        (0xff_ffff, 0, 0, true),
        (0, 0xff_ffff, 0, false),
        (0x80_0001, 1, 0, false),
        (2, 1, 129, true),
        (2, 1, 128, false),
    ];
    for (first, second, secs, is_newer) in table {
        let mut bench = Bench::new();
        bench.endpoint.observe(PEER, Request::new(Code::GET, "/o"), bench.now).unwrap();
        let sent = datagrams(&bench.drain());
        let token = Message::parse(&sent[0]).unwrap().token;
        let notification = |id: u8, sequence: u32| {
            let mut bytes = vec![0x50 | token.as_bytes().len() as u8, 0x45, 0, id];
            bytes.extend_from_slice(token.as_bytes());
            bytes.push(0x63);
            bytes.extend_from_slice(&sequence.to_be_bytes()[1..]);
            bytes.extend_from_slice(b"\x82\x10\x00\xffx");
            bytes
        };
        assert_eq!(bench.receive(&notification(1, first)).len(), 1);
        bench.now = bench.now + Duration::from_secs(secs);
        let told = bench.receive(&notification(2, second));
        assert_eq!(!told.is_empty(), is_newer, "{first} then {second} after {secs} s");
    }
}

// verifies: RFC7641-3.6, RFC7641-4.1
#[test]
fn cancelling_deregisters_and_ends_notifications() {
    let (mut pair, request, observer) = observed();
    pair.client.endpoint.cancel(request, pair.now);
    pair.run_for(Duration::from_millis(100));
    let gone = Output::ObserverGone { observer, reason: ObserverEnd::Deregistered };
    assert_eq!(pair.server.others, [gone]);
    assert_eq!(pair.server.requests[1].interest, Some(Interest::Deregister));
    let exchange = pair.server.last_exchange();
    pair.server.endpoint.respond(exchange, state("bye"), pair.now).unwrap();
    pair.run_for(Duration::from_secs(1));
    let refused = pair.server.endpoint.notify(observer, state("1"), Delivery::Confirmable, pair.now);
    assert_eq!(refused, Err(Gone));
    assert_eq!((bodies(&pair).len(), pair.client.answers.len()), (1, 0), "silence after cancelling");
}

// verifies: RFC7641-3.6, RFC7641-4.5
#[test]
fn reset_of_a_notification_ends_it_in_either_kind() {
    for delivery in [Delivery::Confirmable, Delivery::NonConfirmable] {
        let mut bench = Bench::new();
        let observer = registered(&mut bench);
        bench.endpoint.notify(observer, state("1"), delivery, bench.now).unwrap();
        let sent = datagrams(&bench.drain());
        let out = bench.receive(&[0x70, 0, sent[0][2], sent[0][3]]);
        assert_eq!(out, [Output::ObserverGone { observer, reason: ObserverEnd::Reset }]);
        assert_eq!(bench.endpoint.notify(observer, state("2"), delivery, bench.now), Err(Gone));
    }
}

// verifies: RFC7641-4.5
#[test]
fn an_observer_that_never_acknowledges_is_dropped() {
    let (mut pair, _, observer) = observed();
    pair.network(|_, _| Fate::Drop);
    pair.server.endpoint.notify(observer, state("1"), Delivery::Confirmable, pair.now).unwrap();
    pair.run_for(Duration::from_secs(100));
    let gone = Output::ObserverGone { observer, reason: ObserverEnd::NotAcknowledged };
    assert_eq!(pair.server.others, [gone]);
}

// verifies: RFC7641-4.5
#[test]
fn an_observer_is_made_to_acknowledge_every_day() {
    let mut bench = Bench::new();
    let observer = registered(&mut bench);
    bench.endpoint.notify(observer, state("1"), Delivery::NonConfirmable, bench.now).unwrap();
    assert_eq!(heads(&datagrams(&bench.drain())), [(Kind::NonConfirmable, Code::CONTENT)]);
    let later = bench.pass(Duration::from_secs(24 * 60 * 60));
    assert_eq!(later.last().map(|(_, output)| output), Some(&Output::ObserverDue { observer }));
    bench.endpoint.notify(observer, state("2"), Delivery::NonConfirmable, bench.now).unwrap();
    let sent = datagrams(&bench.drain());
    assert_eq!(heads(&sent), [(Kind::Confirmable, Code::CONTENT)]);
    bench.receive(&[0x60, 0, sent[0][2], sent[0][3]]);
    bench.endpoint.notify(observer, state("3"), Delivery::NonConfirmable, bench.now).unwrap();
    assert_eq!(heads(&datagrams(&bench.drain())), [(Kind::NonConfirmable, Code::CONTENT)]);
}

// verifies: RFC7641-4.1
#[test]
fn registering_again_with_the_same_token_keeps_one_observer() {
    let mut bench = Bench::new();
    let first = registered(&mut bench);
    let mut again = REGISTER.to_vec();
    again[3] = 9;
    let exchange = requests(&bench.receive(&again))[0].exchange;
    assert_eq!(bench.endpoint.respond_observed(exchange, state("0"), bench.now), Ok(Some(first)));
    bench.drain();
    bench.endpoint.notify(first, state("1"), Delivery::Confirmable, bench.now).unwrap();
    assert_eq!(datagrams(&bench.drain()).len(), 1);
}

#[test]
fn a_deregistration_by_a_stranger_to_the_resource_is_a_plain_get() {
    let mut bench = Bench::new();
    let out = bench.receive(DEREGISTER);
    assert_eq!(requests(&out)[0].interest, Some(Interest::Deregister));
    assert_eq!(out.len(), 1, "nobody is gone");
}

// verifies: RFC7641-4.2
#[test]
fn an_error_is_the_last_notification() {
    let (mut pair, request, observer) = observed();
    let gone = Response::new(Code::NOT_FOUND);
    pair.server.endpoint.notify(observer, gone.clone(), Delivery::NonConfirmable, pair.now).unwrap();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.client.answers[&request], gone);
    assert_eq!(pair.server.endpoint.notify(observer, state("1"), Delivery::Confirmable, pair.now), Err(Gone));
    let last = pair.sent.iter().rev().find(|(who, _)| *who == "server").unwrap();
    let message = Message::parse(&last.1).unwrap();
    assert!(!message.options.has(OptionNumber::OBSERVE));
    assert_eq!(message.kind, Kind::Confirmable, "an end is made sure of");
}

// verifies: RFC7641-4.1
#[test]
fn a_server_that_does_not_observe_gives_one_answer() {
    let mut pair = Pair::new();
    pair.server.serve(|_| Some(state("once")));
    let request = pair.client.endpoint.observe(PEER, Request::new(Code::GET, "/o"), pair.now).unwrap();
    pair.run_for(Duration::from_secs(300));
    assert_eq!(pair.client.answers[&request].payload, b"once");
    assert_eq!((pair.client.notifications.len(), pair.server.requests.len()), (0, 1));
}

// verifies: RFC7959-2.6
#[test]
fn a_large_notification_is_fetched_to_its_end() {
    let (mut pair, _, observer) = observed();
    let large = "x".repeat(3000);
    pair.server.endpoint.notify(observer, state(&large), Delivery::Confirmable, pair.now).unwrap();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(bodies(&pair), ["0".to_owned(), large]);
    assert_eq!(pair.server.requests.len(), 1, "blocks come from the kept body");
    pair.server.endpoint.notify(observer, state("small"), Delivery::Confirmable, pair.now).unwrap();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(bodies(&pair).last().map(String::as_str), Some("small"), "and the observation goes on");
}

// verifies: RFC7641-3.3.1
#[test]
fn interest_is_registered_again_when_the_state_is_stale() {
    let (mut pair, _, _) = observed();
    pair.run_for(Duration::from_secs(80));
    assert_eq!(pair.server.requests.len(), 2, "Max-Age is 60 s by default");
    assert_eq!(pair.server.requests[1].interest, Some(Interest::Register));
}

#[test]
fn an_observation_whose_server_is_gone_fails() {
    let (mut pair, request, _) = observed();
    pair.network(|_, _| Fate::Drop);
    pair.run_for(Duration::from_secs(200));
    let failed = Output::Failed { request, reason: Failure::NotAcknowledged };
    assert!(pair.client.others.contains(&failed), "{:?}", pair.client.others);
}

#[test]
fn observers_at_the_limit_are_kept_and_one_more_is_just_answered() {
    let mut config = steady();
    config.limits.observers_per_peer_max = 2;
    let mut bench = Bench::with(config, PathLimits::SECURED);
    let mut granted = Vec::new();
    for token in 1..=3 {
        let mut register = REGISTER.to_vec();
        (register[3], register[4]) = (token, token);
        let exchange = requests(&bench.receive(&register))[0].exchange;
        granted.push(bench.endpoint.respond_observed(exchange, state("0"), bench.now).unwrap().is_some());
        let sent = datagrams(&bench.drain());
        let message = Message::parse(&sent[0]).unwrap();
        assert_eq!(message.options.has(OptionNumber::OBSERVE), token <= 2, "{token}");
    }
    assert_eq!(granted, [true, true, false]);
}
