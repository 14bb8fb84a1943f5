//! Requests and responses: matching, both roles, ends.

use std::time::Duration;

use coap_proto::{
    Code, ContentFormat, Failure, Gone, Kind, Message, OptionNumber, Output, Request, Response,
};

use crate::pair::{Bench, Fate, PEER, Pair, datagrams, heads, requests};

fn text(body: &str) -> Response {
    Response::content(ContentFormat::TEXT, body.as_bytes())
}

/// Sends GET /a and gives its id and token on the wire.
fn asked(bench: &mut Bench) -> (coap_proto::RequestId, [u8; 2], Vec<u8>) {
    let id = bench.endpoint.request(PEER, Request::new(Code::GET, "/a"), bench.now).unwrap();
    let sent = datagrams(&bench.drain());
    let message = Message::parse(&sent[0]).unwrap();
    (id, [sent[0][2], sent[0][3]], message.token.as_bytes().to_vec())
}

fn response(first: u8, code: u8, id: [u8; 2], token: &[u8], rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first | token.len() as u8, code, id[0], id[1]];
    bytes.extend_from_slice(token);
    bytes.extend_from_slice(rest);
    bytes
}

// verifies: RFC7252-5.3.2
#[test]
fn both_ends_ask_over_one_association() {
    let mut pair = Pair::new();
    pair.server.serve(|_| Some(text("from the server")));
    pair.client.serve(|_| Some(text("from the client")));
    let back = pair.server.endpoint.request(PEER, Request::new(Code::GET, "/b"), pair.now).unwrap();
    let answer = pair.exchange(Request::new(Code::GET, "/a"));
    pair.run_for(Duration::from_secs(1));
    assert_eq!(answer.unwrap().payload, b"from the server");
    assert_eq!(pair.server.answers[&back].payload, b"from the client");
    assert_eq!((pair.server.requests.len(), pair.client.requests.len()), (1, 1));
}

#[test]
fn a_body_with_get_reaches_the_application() {
    let mut pair = Pair::new();
    pair.server.serve(|incoming| Some(Response::content(ContentFormat::CBOR, incoming.payload.clone())));
    let ping = Request::new(Code::GET, "/v1/ping").with_payload(ContentFormat::OCTET_STREAM, *b"echo me");
    assert_eq!(pair.exchange(ping).unwrap().payload, b"echo me");
}

// verifies: RFC7252-5.3.2
#[test]
fn a_piggybacked_response_needs_the_right_id_and_token() {
    let mut bench = Bench::new();
    let (id, message_id, token) = asked(&mut bench);
    let wrong_id = [message_id[0] ^ 1, message_id[1]];
    assert_eq!(bench.receive(&response(0x60, 0x45, wrong_id, &token, b"\xff1")), []);
    assert_eq!(bench.receive(&response(0x60, 0x45, message_id, b"\x01", b"\xff1")), []);
    assert_eq!(bench.endpoint.counters().unmatched, 2);
    let out = bench.receive(&response(0x60, 0x45, message_id, &token, b"\xff1"));
    let expected = Response { payload: b"1".to_vec(), ..Response::new(Code::CONTENT) };
    assert_eq!(out, [Output::Answer { request: id, response: expected }]);
}

// verifies: RFC7252-5.2.2, RFC7252-4.2
#[test]
fn a_separate_response_is_acknowledged_and_stops_repetition() {
    let mut bench = Bench::new();
    let (id, _, token) = asked(&mut bench);
    let out = bench.receive(&response(0x40, 0x45, [9, 9], &token, b"\xff1"));
    assert_eq!(datagrams(&out), [vec![0x60, 0, 9, 9]]);
    assert!(matches!(out[1], Output::Answer { request, .. } if request == id));
    let again = bench.receive(&response(0x40, 0x45, [9, 9], &token, b"\xff1"));
    assert_eq!(
        again,
        [Output::Transmit { peer: PEER, datagram: vec![0x60, 0, 9, 9] }],
        "same reply, no second answer"
    );
    let later = bench.pass(Duration::from_secs(300));
    assert!(
        !later.iter().any(|(_, output)| matches!(output, Output::Transmit { .. } | Output::Failed { .. }))
    );
}

// verifies: RFC7252-4.2, RFC7252-4.3
#[test]
fn unknown_and_late_responses_are_reset() {
    let mut bench = Bench::new();
    assert_eq!(datagrams(&bench.receive(b"\x41\x45\x00\x01\x99")), [b"\x70\x00\x00\x01".to_vec()]);
    assert_eq!(datagrams(&bench.receive(b"\x51\x45\x00\x02\x99")), [b"\x70\x00\x00\x02".to_vec()]);
    assert_eq!(bench.receive(b"\x61\x45\x00\x03\x99"), [], "an acknowledgement is never answered");
    let (id, _, token) = asked(&mut bench);
    bench.endpoint.cancel(id, bench.now);
    let late = bench.receive(&response(0x40, 0x45, [0, 4], &token, b"\xff1"));
    assert_eq!(datagrams(&late), [b"\x70\x00\x00\x04".to_vec()]);
    assert_eq!(late.len(), 1, "no answer after cancelling");
}

// verifies: RFC7252-5.4.1
#[test]
fn a_response_with_an_unknown_critical_option_is_rejected() {
    let mut bench = Bench::new();
    let (id, message_id, token) = asked(&mut bench);
    let odd = b"\xe0\x22\x10";
    let out = bench.receive(&response(0x60, 0x45, message_id, &token, odd));
    let failed =
        |request| Output::Failed { request, reason: Failure::UnknownOption(OptionNumber(0x2210 + 269)) };
    assert_eq!(out, [failed(id)]);
    let (id, _, token) = asked(&mut bench);
    let out = bench.receive(&response(0x40, 0x45, [0, 5], &token, odd));
    assert_eq!(datagrams(&out), [b"\x70\x00\x00\x05".to_vec()]);
    assert_eq!(out[1], failed(id));
}

#[test]
fn an_acknowledged_request_without_answer_fails_in_time() {
    let mut bench = Bench::new();
    let (id, message_id, _) = asked(&mut bench);
    let start = bench.now;
    assert_eq!(bench.receive(&response(0x60, 0, message_id, b"", b"")), []);
    let later = bench.pass(Duration::from_secs(400));
    assert_eq!(
        later,
        [(start + Duration::from_secs(247), Output::Failed { request: id, reason: Failure::NotAnswered })]
    );
}

// verifies: RFC7252-5.2.3
#[test]
fn a_non_confirmable_request_is_answered_in_kind() {
    let mut pair = Pair::new();
    pair.server.serve(|_| Some(text("1")));
    let answer = pair.exchange(Request::new(Code::GET, "/a").non_confirmable());
    assert_eq!(answer.unwrap().payload, b"1");
    let sent: Vec<Vec<u8>> = pair.sent.iter().map(|(_, bytes)| bytes.clone()).collect();
    assert_eq!(heads(&sent), [(Kind::NonConfirmable, Code::GET), (Kind::NonConfirmable, Code::CONTENT)]);
}

#[test]
fn a_lost_non_confirmable_request_fails_after_its_lifetime() {
    let mut pair = Pair::new();
    pair.network(|_, _| Fate::Drop);
    let id = pair.ask(Request::new(Code::GET, "/a").non_confirmable());
    pair.run_for(Duration::from_secs(144));
    assert_eq!(pair.client.others, []);
    pair.run_for(Duration::from_secs(2));
    assert_eq!(pair.client.others[0], Output::Failed { request: id, reason: Failure::NotAnswered });
    assert_eq!(pair.sent.len(), 1);
}

#[test]
fn an_exchange_is_answered_once_and_not_after_its_lifetime() {
    let mut bench = Bench::new();
    let exchange = requests(&bench.receive(b"\x41\x01\x10\x01\xaa\xb1a"))[0].exchange;
    assert_eq!(bench.endpoint.respond(exchange, text("1"), bench.now), Ok(()));
    bench.drain();
    assert_eq!(bench.endpoint.respond(exchange, text("2"), bench.now), Err(Gone));
    assert_eq!(bench.drain(), [], "nothing is sent twice");
    let exchange = requests(&bench.receive(b"\x41\x01\x10\x02\xaa\xb1a"))[0].exchange;
    bench.pass(Duration::from_secs(248));
    assert_eq!(bench.endpoint.respond(exchange, text("late"), bench.now), Err(Gone));
}

#[test]
fn forgetting_a_peer_ends_everything_about_it() {
    let mut bench = Bench::new();
    let (id, _, _) = asked(&mut bench);
    let ping = bench.endpoint.ping(PEER, bench.now).unwrap();
    let exchange = requests(&bench.receive(b"\x41\x01\x10\x01\xaa\xb1a"))[0].exchange;
    bench.endpoint.forget(PEER, bench.now);
    let reason = Failure::PeerForgotten;
    let out = bench.drain();
    assert!(out.contains(&Output::Failed { request: id, reason }), "{out:?}");
    assert!(out.contains(&Output::Failed { request: ping, reason }), "{out:?}");
    assert_eq!(bench.endpoint.respond(exchange, text("1"), bench.now), Err(Gone));
    let refused = bench.endpoint.request(PEER, Request::new(Code::GET, "/a"), bench.now);
    assert_eq!(refused, Err(coap_proto::Busy::UnknownPeer));
    assert_eq!(bench.endpoint.next_deadline(), None);
}

// verifies: RFC7252-5.3.1
#[test]
fn tokens_are_fresh_and_hard_to_guess_without_security() {
    let mut bench = Bench::with(crate::pair::steady(), coap_proto::PathLimits::UDP);
    let mut tokens = std::collections::BTreeSet::new();
    for _ in 0..64 {
        let (id, _, token) = asked(&mut bench);
        assert_eq!(token.len(), 8);
        assert!(tokens.insert(token), "no token is used twice");
        bench.endpoint.cancel(id, bench.now);
        bench.drain();
    }
}

#[test]
fn a_peer_cannot_answer_for_another() {
    let mut bench = Bench::new();
    let (_, message_id, token) = asked(&mut bench);
    let other = coap_proto::PeerId(8);
    bench.endpoint.connect(other, coap_proto::PathLimits::SECURED).unwrap();
    bench.endpoint.receive(other, &response(0x60, 0x45, message_id, &token, b"\xff1"), bench.now);
    bench.endpoint.receive(other, &response(0x70, 0, message_id, b"", b""), bench.now);
    assert_eq!(bench.drain(), []);
}
