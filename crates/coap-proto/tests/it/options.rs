//! Options that steer: critical ones, No-Response, Echo, proxies.

use std::time::Duration;

use coap_proto::{
    Code, Config, ContentFormat, Kind, Message, OptionNumber, Output, PathLimits, Request, Response,
};

use crate::pair::{Bench, PEER, Pair, datagrams, heads, requests, steady};

fn text(size: usize) -> Response {
    Response::content(ContentFormat::TEXT, vec![b'x'; size])
}

// verifies: RFC7252-5.4.1, RFC7252-5.4.3, RFC7252-5.4.5, RFC7252-5.7.2
#[test]
fn options_that_cannot_be_obeyed_are_refused() {
    let table: [(&str, &[u8], Option<Code>); 12] = [
        ("unknown critical", b"\xb1a\xe0\x22\x11", Some(Code::BAD_OPTION)),
        ("unknown elective", b"\xb1a\xe0\x22\x10", None),
        ("If-Match of 9 bytes", b"\x19123456789", Some(Code::BAD_OPTION)),
        ("Uri-Port twice", b"\x71\x01\x01\x02", Some(Code::BAD_OPTION)),
        ("Uri-Port once", b"\x71\x01", None),
        ("Uri-Path not UTF-8", b"\xb1\xff", Some(Code::BAD_OPTION)),
        ("Accept of 3 bytes", b"\xd3\x04\x01\x02\x03", Some(Code::BAD_OPTION)),
        ("ETag of 9 bytes, elective", b"\x49123456789", None),
        ("Hop-Limit", b"\xd1\x03\x05", None),
        ("Block2 of 4 bytes", b"\xd4\x0a\x01\x02\x03\x04", Some(Code::BAD_OPTION)),
        ("Proxy-Uri", b"\xd4\x16coap", Some(Code::PROXYING_NOT_SUPPORTED)),
        ("Proxy-Scheme", b"\xd4\x1acoap", Some(Code::PROXYING_NOT_SUPPORTED)),
    ];
    for (name, options, refusal) in table {
        let mut bench = Bench::new();
        let outputs = bench.receive(&[b"\x40\x01\x10\x05", options].concat());
        match refusal {
            Some(code) => assert_eq!(heads(&datagrams(&outputs)), [(Kind::Acknowledgement, code)], "{name}"),
            None => assert_eq!(requests(&outputs).len(), 1, "{name}"),
        }
        assert_eq!(requests(&outputs).is_empty(), refusal.is_some(), "{name}: not both");
    }
}

// verifies: RFC7252-5.4.1, RFC7252-4.3
#[test]
fn a_non_confirmable_request_with_an_unknown_critical_option_is_reset() {
    let mut bench = Bench::new();
    let out = bench.receive(b"\x50\x01\x10\x06\xb1a\xe0\x22\x11");
    assert_eq!(datagrams(&out), [b"\x70\x00\x10\x06".to_vec()]);
    assert_eq!(out.len(), 1);
}

#[test]
fn a_critical_option_of_the_application_is_let_through() {
    let config = Config { critical_options: vec![OptionNumber(2049)], ..steady() };
    let mut bench = Bench::with(config, PathLimits::SECURED);
    let out = bench.receive(b"\x40\x01\x10\x05\xe0\x06\xf4");
    assert_eq!(requests(&out)[0].options().iter().next().unwrap().0, OptionNumber(2049));
}

// verifies: RFC7967-2
#[test]
fn responses_the_client_does_not_want_stay_away() {
    let table = [
        (2_u8, Code::CONTENT, true),
        (2, Code::NOT_FOUND, false),
        (8, Code::NOT_FOUND, true),
        (16, Code::INTERNAL_SERVER_ERROR, true),
        (26, Code::CHANGED, true),
        (0, Code::CHANGED, false),
    ];
    for (mask, code, is_suppressed) in table {
        let con = [&b"\x41\x02\x10\x01\xaa\xb1a\xd1\xea"[..], &[mask]].concat();
        let sent = Bench::new().receive_and_respond(&con, Response::new(code));
        let expected = if is_suppressed { Code::EMPTY } else { code };
        assert_eq!(heads(&sent), [(Kind::Acknowledgement, expected)], "{mask} {code}");
        let mut non = con;
        non[0] = 0x51;
        let sent = Bench::new().receive_and_respond(&non, Response::new(code));
        assert_eq!(sent.is_empty(), is_suppressed, "{mask} {code}");
    }
}

// verifies: RFC9175-2.4
#[test]
fn a_large_answer_to_an_unproven_address_is_challenged_first() {
    let mut pair = Pair::with(steady(), PathLimits::UDP);
    pair.server.serve(|_| Some(text(900)));
    let answer = pair.exchange(Request::new(Code::GET, "/a")).unwrap();
    assert_eq!(answer.payload.len(), 900, "our client returns the Echo value by itself");
    let largest_before_proof = pair.sent[1].1.len();
    assert!(largest_before_proof <= 3 * pair.sent[0].1.len(), "{largest_before_proof}");
    assert_eq!(pair.server.endpoint.counters().challenged, 1);
    assert_eq!(pair.server.requests.len(), 2);
    assert!(pair.server.requests[1].is_fresh);
    pair.exchange(Request::new(Code::GET, "/b")).unwrap();
    assert_eq!(pair.server.requests.len(), 3, "a proven address is believed");
}

// verifies: RFC9175-2.4
#[test]
fn small_answers_and_secured_peers_are_not_challenged() {
    let mut bench = Bench::with(steady(), PathLimits::UDP);
    let sent = bench.receive_and_respond(b"\x40\x01\x10\x01\xb1a", text(100));
    assert_eq!(heads(&sent), [(Kind::Acknowledgement, Code::CONTENT)]);
    let sent = bench.receive_and_respond(b"\x40\x01\x10\x02\xb1a", text(200));
    assert_eq!(heads(&sent), [(Kind::Acknowledgement, Code::UNAUTHORIZED)]);
    let mut bench = Bench::with(steady(), PathLimits::SECURED);
    let sent = bench.receive_and_respond(b"\x40\x01\x10\x02\xb1a", text(1000));
    assert_eq!(heads(&sent), [(Kind::Acknowledgement, Code::CONTENT)]);
}

// verifies: RFC9175-2.3
#[test]
fn a_challenge_of_the_application_makes_the_next_request_fresh() {
    let mut pair = Pair::new();
    let id = pair.ask(Request::new(Code::PUT, "/lock"));
    pair.run_for(Duration::from_millis(100));
    assert!(!pair.server.requests[0].is_fresh);
    let exchange = pair.server.last_exchange();
    pair.server.serve(|incoming| {
        Some(Response::new(if incoming.is_fresh { Code::CHANGED } else { Code::UNAUTHORIZED }))
    });
    pair.server.endpoint.challenge(exchange, pair.now).unwrap();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.client.answers[&id].code, Code::CHANGED);
}

#[test]
fn a_second_challenge_is_the_answer() {
    let mut bench = Bench::new();
    let id = bench.endpoint.request(PEER, Request::new(Code::GET, "/a"), bench.now).unwrap();
    let mut sent = datagrams(&bench.drain());
    for round in 0..2 {
        let asked = Message::parse(&sent[0]).unwrap();
        let mut challenge = vec![0x60 | asked.token.as_bytes().len() as u8, 0x81, sent[0][2], sent[0][3]];
        challenge.extend_from_slice(asked.token.as_bytes());
        challenge.extend_from_slice(b"\xd3\xefabc");
        let out = bench.receive(&challenge);
        if round == 0 {
            sent = datagrams(&out);
            let again = Message::parse(&sent[0]).unwrap();
            assert_eq!(again.options.first(OptionNumber::ECHO), Some(&b"abc"[..]));
        } else {
            assert!(matches!(&out[0], Output::Answer { request, .. } if *request == id), "{out:?}");
        }
    }
}

#[test]
fn a_guessed_echo_value_proves_nothing() {
    let mut bench = Bench::with(steady(), PathLimits::UDP);
    bench.receive_and_respond(b"\x40\x01\x10\x01\xb1a", text(200));
    let guess = b"\x40\x01\x10\x02\xb1a\xd8\xe4\0\0\0\0\0\0\0\0";
    let sent = bench.receive_and_respond(guess, text(900));
    assert_eq!(heads(&sent), [(Kind::Acknowledgement, Code::UNAUTHORIZED)]);
}

// verifies: RFC9175-2.4
#[test]
fn a_large_answer_to_post_is_cut_small_instead_of_asked_for_twice() {
    let mut pair = Pair::with(steady(), PathLimits::UDP);
    pair.server.serve(|_| Some(Response { code: Code::CHANGED, ..text(900) }));
    let mut bench = Bench::with(steady(), PathLimits::UDP);
    let sent = bench.receive_and_respond(b"\x40\x02\x10\x01\xb1a", text(900));
    assert!(sent[0].len() <= 128, "{}", sent[0].len());
    let answer = pair.exchange(Request::new(Code::POST, "/a")).unwrap();
    assert_eq!(answer.payload.len(), 900);
    assert_eq!(pair.server.requests.len(), 1, "POST acts once");
}

// verifies: RFC9175-2.3
#[test]
fn a_challenged_upload_starts_over() {
    let mut pair = Pair::new();
    let body = vec![5; 3000];
    let id = pair.ask(Request::new(Code::PUT, "/k").with_payload(ContentFormat::CBOR, body.clone()));
    pair.run_for(Duration::from_millis(200));
    let exchange = pair.server.last_exchange();
    pair.server.serve(|_| Some(Response::new(Code::CHANGED)));
    pair.server.endpoint.challenge(exchange, pair.now).unwrap();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.client.answers[&id].code, Code::CHANGED);
    assert_eq!((pair.server.requests[1].is_fresh, &pair.server.requests[1].payload), (true, &body));
}
