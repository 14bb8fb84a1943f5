//! The message layer: repetition, acknowledgement, reset.

use std::time::Duration;

use coap_proto::{Code, ContentFormat, Failure, Kind, Message, Output, PathLimits, Request, Response};

use crate::pair::{Bench, Fate, PEER, Pair, datagrams, heads, requests, steady};

/// CON GET /a, id 0x1001, token aa
const GET_A: &[u8] = b"\x41\x01\x10\x01\xaa\xb1a";
/// NON POST /a, id 0x1002, token ab
const POST_ONCE: &[u8] = b"\x51\x02\x10\x02\xab\xb1a";

fn text(body: &str) -> Response {
    Response::content(ContentFormat::TEXT, body.as_bytes())
}

// verifies: RFC7252-4.5, RFC7252-4.2
#[test]
fn repeated_con_is_answered_once() {
    let mut bench = Bench::new();
    let first = bench.receive_and_respond(GET_A, text("1"));
    assert_eq!(heads(&first), [(Kind::Acknowledgement, Code::CONTENT)]);
    bench.now = bench.now + Duration::from_secs(200);
    let again = bench.receive(GET_A);
    assert_eq!(datagrams(&again), first, "the same bytes again");
    assert_eq!(requests(&again), [], "the application is not asked again");
    assert_eq!(bench.endpoint.counters().repeated, 1);
}

// verifies: RFC7252-4.5
#[test]
fn repeated_non_is_dropped() {
    let mut bench = Bench::new();
    let first = bench.receive_and_respond(POST_ONCE, text("1"));
    assert_eq!(heads(&first), [(Kind::NonConfirmable, Code::CONTENT)]);
    assert_eq!(bench.receive(POST_ONCE), []);
}

// verifies: RFC7252-4.8.2
#[test]
fn a_message_id_is_new_again_after_its_lifetime() {
    let mut bench = Bench::new();
    bench.receive_and_respond(GET_A, text("1"));
    bench.pass(Duration::from_secs(247));
    assert_eq!(requests(&bench.receive(GET_A)).len(), 1);
}

// verifies: RFC7252-4.5
#[test]
fn a_repetition_before_the_answer_changes_nothing() {
    let mut bench = Bench::new();
    let exchange = requests(&bench.receive(GET_A))[0].exchange;
    assert_eq!(bench.receive(GET_A), []);
    bench.endpoint.respond(exchange, text("1"), bench.now).unwrap();
    assert_eq!(heads(&datagrams(&bench.drain())), [(Kind::Acknowledgement, Code::CONTENT)]);
}

// verifies: RFC7252-5.2.2, RFC7252-4.2
#[test]
fn a_slow_answer_is_acknowledged_first_and_sent_separately() {
    let mut bench = Bench::new();
    let exchange = requests(&bench.receive(GET_A))[0].exchange;
    let empty = bench.pass(Duration::from_secs(1));
    assert_eq!(datagrams(&[empty[0].1.clone()]), [b"\x60\x00\x10\x01".to_vec()]);
    assert_eq!(datagrams(&bench.receive(GET_A)), [b"\x60\x00\x10\x01".to_vec()], "repeated while open");
    bench.endpoint.respond(exchange, text("late"), bench.now).unwrap();
    let sent = datagrams(&bench.drain());
    let response = Message::parse(&sent[0]).unwrap();
    assert_eq!((response.kind, response.code), (Kind::Confirmable, Code::CONTENT));
    assert_eq!(response.token.as_bytes(), b"\xaa");
    let acknowledgement = [0x60, 0, sent[0][2], sent[0][3]];
    assert_eq!(bench.receive(&acknowledgement), []);
    let later = bench.pass(Duration::from_secs(100));
    assert!(later.iter().all(|(_, output)| !matches!(output, Output::Transmit { .. })), "settled: {later:?}");
}

// verifies: RFC7252-4.2, RFC7252-4.8
#[test]
fn a_lost_request_is_repeated_with_doubled_waits() {
    let mut bench = Bench::new();
    let start = bench.now;
    let id = bench.endpoint.request(PEER, Request::new(Code::GET, "/a"), bench.now).unwrap();
    let first = datagrams(&bench.drain());
    let later = bench.pass(Duration::from_secs(200));
    let times: Vec<u64> = later.iter().map(|(at, _)| (*at - start).as_secs()).collect();
    assert_eq!(times, [2, 6, 14, 30, 62], "four repetitions, then the end");
    for (_, output) in &later[..4] {
        assert_eq!(datagrams(std::slice::from_ref(output)), first, "the same bytes each time");
    }
    assert_eq!(later[4].1, Output::Failed { request: id, reason: Failure::NotAcknowledged });
}

// verifies: RFC7252-4.8
#[test]
fn the_first_wait_is_between_two_and_three_seconds() {
    let mut seen = Vec::new();
    let mut config = steady();
    config.transmission.ack_random_percent = 150;
    let mut bench = Bench::with(config, PathLimits::SECURED);
    for _ in 0..20 {
        let start = bench.now;
        let id = bench.endpoint.request(PEER, Request::new(Code::GET, "/a"), start).unwrap();
        let out = bench.pass(Duration::from_secs(4));
        seen.push((out[0].0 - start).as_millis());
        bench.endpoint.cancel(id, bench.now);
        bench.drain();
    }
    assert!(seen.iter().all(|wait| (2000..=3000).contains(wait)), "{seen:?}");
    assert!(seen.iter().any(|wait| *wait != seen[0]), "drawn, not fixed");
}

// verifies: RFC7252-4.2
#[test]
fn lost_datagrams_cost_time_and_nothing_else() {
    let mut pair = Pair::new();
    pair.network(|index, _| if index < 2 { Fate::Drop } else { Fate::Deliver });
    pair.server.serve(|_| Some(text("21.5")));
    let start = pair.now;
    let answer = pair.exchange(Request::new(Code::GET, "/a"));
    assert_eq!(answer.map(|response| response.payload), Some(b"21.5".to_vec()));
    assert_eq!(pair.server.requests.len(), 1, "repetitions do not reach the application");
    assert_eq!((pair.now - start).as_secs(), 6, "2 s and 4 s");
}

// verifies: RFC7252-4.5
#[test]
fn a_lost_acknowledgement_does_not_act_twice() {
    let mut pair = Pair::new();
    pair.network(|index, _| if index == 1 { Fate::Drop } else { Fate::Twice });
    let mut channels = 0;
    pair.server.serve(move |_| {
        channels += 1;
        Some(Response { payload: vec![channels], ..Response::new(Code::CREATED) })
    });
    let answer = pair.exchange(Request::new(Code::PUT, "/v1/channels"));
    assert_eq!(answer.map(|response| response.payload), Some(vec![1]), "one channel, told once");
    pair.run_for(Duration::from_secs(60));
    assert_eq!(pair.server.requests.len(), 1);
}

// verifies: RFC7252-4.3
#[test]
fn ping_is_answered_with_reset() {
    let mut bench = Bench::new();
    assert_eq!(datagrams(&bench.receive(b"\x40\x00\x12\x34")), [b"\x70\x00\x12\x34".to_vec()]);
    assert_eq!(bench.receive(b"\x50\x00\x12\x34"), [], "an empty NON is ignored");
}

// verifies: RFC7252-4.3
#[test]
fn a_ping_of_ours_ends_with_pong_or_failure() {
    let mut pair = Pair::new();
    let ping = pair.client.endpoint.ping(PEER, pair.now).unwrap();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.client.others, [Output::Pong { request: ping }]);
    pair.network(|_, _| Fate::Drop);
    let ping = pair.client.endpoint.ping(PEER, pair.now).unwrap();
    pair.run_for(Duration::from_secs(100));
    assert_eq!(pair.client.others[1], Output::Failed { request: ping, reason: Failure::NotAcknowledged });
}

#[test]
fn a_ping_that_is_acknowledged_ends_once_as_well() {
    let mut bench = Bench::new();
    let ping = bench.endpoint.ping(PEER, bench.now).unwrap();
    let sent = datagrams(&bench.drain());
    let acknowledgement = [0x60, 0x00, sent[0][2], sent[0][3]];
    assert_eq!(bench.receive(&acknowledgement), [Output::Pong { request: ping }]);
    assert_eq!(bench.receive(&acknowledgement), []);
    bench.endpoint.forget(PEER, bench.now);
    assert_eq!(bench.drain(), []);
}

// verifies: RFC7252-4.2, RFC7252-4.3
#[test]
fn broken_messages_are_reset_when_confirmable_and_else_ignored() {
    let broken: [(&[u8], bool); 10] = [
        (b"\x80\x01\x10\x08\xb1a", false),
        (b"\x40\x01\x10", false),
        (b"\x49\x01\x10\x09123456789", true),
        (b"\x40\x01\x10\x0a\xb1a\xff", true),
        (b"\x50\x01\x10\x0a\xb1a\xff", false),
        (b"\x40\x00\x10\x0b\x01", true),
        (b"\x40\x21\x10\x0f", true),
        (b"\x50\x21\x10\x0f", false),
        (b"\x60\x01\x10\x0f", false),
        (b"\x70\x45\x10\x0f", false),
    ];
    for (bytes, is_reset) in broken {
        let mut bench = Bench::new();
        let sent = datagrams(&bench.receive(bytes));
        let expected = if is_reset { vec![vec![0x70, 0, bytes[2], bytes[3]]] } else { vec![] };
        assert_eq!(sent, expected, "{bytes:02x?}");
        assert_eq!(bench.endpoint.counters().malformed, 1, "{bytes:02x?}");
    }
}

// verifies: RFC7252-4.2
#[test]
fn reset_ends_a_request() {
    let mut bench = Bench::new();
    let id = bench.endpoint.request(PEER, Request::new(Code::GET, "/a"), bench.now).unwrap();
    let sent = datagrams(&bench.drain());
    let reset = [0x70, 0, sent[0][2], sent[0][3]];
    assert_eq!(bench.receive(&reset), [Output::Failed { request: id, reason: Failure::Reset }]);
    assert_eq!(bench.receive(&reset), [], "a second reset finds nothing");
    let later = bench.pass(Duration::from_secs(300));
    assert_eq!(later, [], "no repetition");
}

// verifies: RFC7252-4.7
#[test]
fn one_request_at_a_time_is_under_way() {
    let mut bench = Bench::new();
    for path in ["/1", "/2", "/3"] {
        bench.endpoint.request(PEER, Request::new(Code::GET, path), bench.now).unwrap();
    }
    let sent = datagrams(&bench.drain());
    assert_eq!(sent.len(), 1, "NSTART is 1");
    let out = datagrams(&bench.receive(&[0x60, 0, sent[0][2], sent[0][3]]));
    assert_eq!(Message::parse(&out[0]).unwrap().options.path().next(), Some(&b"2"[..]), "in order");
    assert_eq!(out.len(), 1);
}

// verifies: RFC7252-4.4
#[test]
fn message_ids_differ_and_belong_to_the_peer() {
    let mut bench = Bench::new();
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let id = bench.endpoint.request(PEER, Request::new(Code::GET, "/a"), bench.now).unwrap();
        let sent = datagrams(&bench.drain());
        ids.insert([sent[0][2], sent[0][3]]);
        bench.endpoint.cancel(id, bench.now);
    }
    assert_eq!(ids.len(), 100);
}

// verifies: RFC7252-4.7
#[test]
fn a_silent_peer_is_probed_slowly() {
    let mut bench = Bench::new();
    let ask = |bench: &mut Bench| {
        let request = Request::new(Code::GET, "/a").non_confirmable();
        bench.endpoint.request(PEER, request, bench.now)
    };
    assert!(ask(&mut bench).is_ok());
    let size = datagrams(&bench.drain())[0].len() as u64;
    bench.now = bench.now + Duration::from_secs(3);
    assert_eq!(ask(&mut bench), Err(coap_proto::Busy::Probing));
    bench.now = bench.now + Duration::from_secs(size);
    assert!(ask(&mut bench).is_ok(), "one byte a second");
    bench.drain();
    bench.now = bench.now + Duration::from_secs(3);
    bench.receive(b"\x40\x00\x12\x34");
    assert!(ask(&mut bench).is_ok(), "the peer was heard");
}

#[test]
fn datagrams_of_strangers_are_counted_and_nothing_else() {
    let mut bench = Bench::new();
    bench.endpoint.receive(coap_proto::PeerId(99), GET_A, bench.now);
    assert_eq!(bench.drain(), []);
    assert_eq!(bench.endpoint.counters().strangers, 1);
}

#[test]
fn an_idle_peer_is_told_once() {
    let mut bench = Bench::new();
    bench.receive_and_respond(GET_A, text("1"));
    let outputs: Vec<Output> =
        bench.pass(Duration::from_secs(1000)).into_iter().map(|(_, output)| output).collect();
    assert_eq!(outputs, [Output::Idle { peer: PEER }]);
    assert_eq!(bench.endpoint.next_deadline(), None);
}
