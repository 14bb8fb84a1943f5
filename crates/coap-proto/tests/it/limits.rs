//! Every limit, at it and one beyond.

use std::time::Duration;

use clock::Dice;
use coap_proto::{
    Busy, Code, Config, ContentFormat, Delivery, Endpoint, Failure, Kind, Message, Output, PathLimits,
    PeerId, Request, Response, TooManyPeers,
};

use crate::pair::{Bench, PEER, Pair, datagrams, heads, requests, steady};

fn bench(change: impl FnOnce(&mut Config)) -> Bench {
    let mut config = steady();
    change(&mut config);
    Bench::with(config, PathLimits::SECURED)
}

/// CON GET /a with this id and one-byte token.
fn get(id: u8) -> [u8; 7] {
    [0x41, 1, 0x10, id, id, 0xb1, b'a']
}

fn text(size: usize) -> Response {
    Response::content(ContentFormat::TEXT, vec![b'x'; size])
}

#[test]
fn peers_beyond_the_limit_are_refused_until_one_is_forgotten() {
    let mut config = steady();
    config.limits.peer_count_max = 2;
    let mut endpoint = Endpoint::new(config, Dice::numbered(1));
    assert_eq!(endpoint.connect(PeerId(1), PathLimits::UDP), Ok(()));
    assert_eq!(endpoint.connect(PeerId(2), PathLimits::UDP), Ok(()));
    assert_eq!(endpoint.connect(PeerId(3), PathLimits::UDP), Err(TooManyPeers));
    assert_eq!(endpoint.connect(PeerId(2), PathLimits::SECURED), Ok(()), "a known one changes its path");
    endpoint.forget(PeerId(1), clock::Moment::START);
    assert_eq!(endpoint.connect(PeerId(3), PathLimits::UDP), Ok(()));
    assert_eq!(endpoint.peer_count(), 2);
}

#[test]
fn requests_beyond_the_limit_are_busy() {
    let mut bench = bench(|config| config.limits.requests_per_peer_max = 2);
    let mut ask = || bench.endpoint.request(PEER, Request::new(Code::GET, "/a"), bench.now);
    assert!(ask().is_ok() && ask().is_ok());
    assert_eq!(ask(), Err(Busy::TooManyRequests));
}

#[test]
fn exchanges_beyond_the_limit_are_told_to_come_back() {
    for per_peer in [true, false] {
        let mut bench = bench(|config| {
            let limits = &mut config.limits;
            *if per_peer { &mut limits.exchanges_per_peer_max } else { &mut limits.exchange_count_max } = 2;
        });
        let first = requests(&bench.receive(&get(1)))[0].exchange;
        assert_eq!(requests(&bench.receive(&get(2))).len(), 1, "at the limit");
        let over = bench.receive(&get(3));
        let sent = datagrams(&over);
        let refusal = Message::parse(&sent[0]).unwrap();
        assert_eq!((refusal.code, refusal.options.max_age_secs()), (Code::SERVICE_UNAVAILABLE, 5));
        assert_eq!(requests(&over), []);
        bench.endpoint.respond(first, text(1), bench.now).unwrap();
        bench.drain();
        assert_eq!(requests(&bench.receive(&get(4))).len(), 1, "an answered one makes room");
        assert_eq!(bench.endpoint.counters().overloaded, 1);
    }
}

// verifies: RFC7252-4.5
#[test]
fn remembered_messages_beyond_the_limit_push_out_the_oldest_answered_one() {
    let mut bench = bench(|config| config.limits.remembered_per_peer_max = 2);
    bench.receive_and_respond(&get(1), text(1));
    bench.receive_and_respond(&get(2), text(1));
    assert_eq!(requests(&bench.receive(&get(1))), [], "at the limit both are remembered");
    bench.receive_and_respond(&get(3), text(1));
    assert_eq!(requests(&bench.receive(&get(2))), [], "the newer is still remembered");
    assert_eq!(requests(&bench.receive(&get(1))).len(), 1, "the oldest is not");
}

#[test]
fn a_message_is_dropped_while_all_remembered_ones_are_open() {
    let mut bench = bench(|config| config.limits.remembered_per_peer_max = 2);
    let first = requests(&bench.receive(&get(1)))[0].exchange;
    bench.receive(&get(2));
    assert_eq!(bench.receive(&get(3)), [], "silence; the peer repeats it");
    assert_eq!(bench.endpoint.counters().unremembered, 1);
    bench.endpoint.respond(first, text(1), bench.now).unwrap();
    bench.drain();
    assert_eq!(requests(&bench.receive(&get(3))).len(), 1);
}

// verifies: RFC7252-4.5
#[test]
fn a_reply_that_had_to_go_never_lets_its_request_through_again() {
    let reply_size = 4 + 1 + 1 + 1 + 500;
    let mut bench = bench(|config| config.limits.reply_bytes_per_peer_max = 2 * reply_size);
    for id in 1..=2 {
        assert_eq!(bench.receive_and_respond(&get(id), text(500))[0].len(), reply_size);
    }
    assert_eq!(datagrams(&bench.receive(&get(1))).len(), 1, "at the limit");
    bench.receive_and_respond(&get(3), text(500));
    assert_eq!(bench.receive(&get(1)), [], "neither reply nor request");
    assert_eq!(datagrams(&bench.receive(&get(2))).len(), 1);
}

#[test]
fn separate_responses_beyond_the_line_go_out_once() {
    let mut bench = bench(|config| config.limits.queued_per_peer_max = 2);
    let exchanges: Vec<_> = (1..=3).map(|id| requests(&bench.receive(&get(id)))[0].exchange).collect();
    bench.pass(Duration::from_secs(1));
    for exchange in exchanges {
        bench.endpoint.respond(exchange, text(1), bench.now).unwrap();
    }
    let kinds: Vec<Kind> = heads(&datagrams(&bench.drain())).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [Kind::Confirmable, Kind::NonConfirmable], "one under way, one in line, one sent once");
}

#[test]
fn uploads_beyond_the_count_push_out_the_least_recently_used() {
    let mut bench = bench(|config| config.limits.transfers_per_peer_max = 2);
    let block = |id: u8, path: u8, value: &[u8], payload: &[u8]| {
        let head = [0x41, 3, 0x11, id, id, 0xb1, path, 0xd0 | value.len() as u8, 3];
        [&head[..], value, b"\xff", payload].concat()
    };
    for (id, path) in [(1, b'a'), (2, b'b')] {
        bench.receive(&block(id, path, &[0x08], &[0; 16]));
    }
    assert_eq!(bench.endpoint.transfer_bytes(), 32, "at the limit");
    bench.receive(&block(3, b'c', &[0x08], &[0; 16]));
    assert_eq!(bench.endpoint.transfer_bytes(), 32);
    let pushed_out = datagrams(&bench.receive(&block(4, b'a', &[0x10], b"z")));
    assert_eq!(heads(&pushed_out), [(Kind::Acknowledgement, Code::REQUEST_ENTITY_INCOMPLETE)]);
    assert_eq!(requests(&bench.receive(&block(5, b'b', &[0x10], b"z")))[0].payload.len(), 17);
}

#[test]
fn the_budget_of_all_peers_turns_uploads_away() {
    let mut bench = bench(|config| config.limits.transfer_bytes_max = 32);
    let block = |id: u8, value: &[u8], payload: &[u8]| {
        let head = [0x41, 3, 0x11, id, id, 0xb1, b'a', 0xd0 | value.len() as u8, 3];
        [&head[..], value, b"\xff", payload].concat()
    };
    for (id, value) in [(1, 0x08), (2, 0x18)] {
        let sent = datagrams(&bench.receive(&block(id, &[value], &[0; 16])));
        assert_eq!(heads(&sent), [(Kind::Acknowledgement, Code::CONTINUE)], "at the limit");
    }
    let sent = datagrams(&bench.receive(&block(3, &[0x28], &[0; 16])));
    assert_eq!(heads(&sent), [(Kind::Acknowledgement, Code::SERVICE_UNAVAILABLE)]);
    assert_eq!(bench.endpoint.transfer_bytes(), 0, "a transfer is whole or not at all");
}

#[test]
fn the_budget_of_one_peer_pushes_out_its_own_older_bodies() {
    let mut bench = bench(|config| config.limits.transfer_bytes_per_peer_max = 4000);
    bench.receive_and_respond(&get(1), text(2000));
    let mut other = get(2).to_vec();
    other[6] = b'b';
    bench.receive_and_respond(&other, text(2000));
    assert_eq!(bench.endpoint.transfer_bytes(), 4000, "at the limit");
    other[3] = 3;
    other[6] = b'c';
    bench.receive_and_respond(&other, text(2001));
    assert_eq!(bench.endpoint.transfer_bytes(), 2001);
}

#[test]
fn a_body_that_is_not_kept_is_asked_for_again_block_by_block() {
    let mut config = steady();
    config.limits.transfer_bytes_per_peer_max = 100;
    let mut pair = Pair::with(steady(), PathLimits::SECURED);
    pair.server.endpoint = Endpoint::new(config, Dice::numbered(2));
    pair.server.endpoint.connect(PEER, PathLimits::SECURED).unwrap();
    pair.server.serve(|_| Some(text(3000)));
    assert_eq!(pair.exchange(Request::new(Code::GET, "/a")).unwrap().payload.len(), 3000);
    assert_eq!(pair.server.requests.len(), 3);
    assert_eq!(pair.server.endpoint.transfer_bytes(), 0);
}

#[test]
fn a_download_over_the_limit_fails_and_one_at_it_does_not() {
    for (size, fits) in [(2048, true), (2049, false)] {
        let mut config = steady();
        config.limits.body_size_max = 2048;
        let mut pair = Pair::with(config, PathLimits::SECURED);
        pair.server.serve(move |_| Some(text(size)));
        let id = pair.ask(Request::new(Code::GET, "/a"));
        pair.run_for(Duration::from_secs(5));
        assert_eq!(pair.client.answers.contains_key(&id), fits, "{size}");
        let failed = Output::Failed { request: id, reason: Failure::TooLarge };
        assert_eq!(pair.client.others.contains(&failed), !fits, "{size}");
        assert_eq!(pair.client.endpoint.transfer_bytes(), 0);
    }
}

// verifies: RFC7252-4.4
#[test]
fn used_up_message_ids_are_busy_until_they_are_old() {
    let mut bench = bench(|config| config.transmission.outstanding_max = 1);
    let mut taken = 0_u32;
    let refused = loop {
        match bench.endpoint.request(PEER, Request::new(Code::GET, "/a"), bench.now) {
            Ok(id) => bench.endpoint.cancel(id, bench.now),
            Err(busy) => break busy,
        }
        bench.drain();
        taken += 1;
        assert!(taken <= 65_536, "no id is used twice");
    };
    assert_eq!(refused, Busy::OutOfMessageIds);
    assert!(taken > 57_000, "{taken}");
    bench.pass(Duration::from_secs(250));
    assert!(bench.endpoint.request(PEER, Request::new(Code::GET, "/a"), bench.now).is_ok());
}

#[test]
fn observers_of_all_peers_are_limited() {
    let mut bench = bench(|config| config.limits.observer_count_max = 1);
    for (id, granted) in [(1_u8, true), (2, false)] {
        let register = [0x41, 1, 0x30, id, id, 0x60, 0x51, b'o'];
        let exchange = requests(&bench.receive(&register))[0].exchange;
        let observer = bench.endpoint.respond_observed(exchange, text(1), bench.now).unwrap();
        assert_eq!(observer.is_some(), granted);
        bench.drain();
        if let Some(observer) = observer {
            assert_eq!(bench.endpoint.notify(observer, text(1), Delivery::NonConfirmable, bench.now), Ok(()));
            bench.drain();
        }
    }
}

#[test]
fn a_request_that_no_block_can_carry_fails() {
    let mut bench = Bench::with(steady(), PathLimits { datagram_size_max: 64, secure: true });
    let request = Request::new(Code::GET, &"/0123456789".repeat(20));
    let id = bench.endpoint.request(PEER, request, bench.now).unwrap();
    assert_eq!(bench.drain(), [Output::Failed { request: id, reason: Failure::DoesNotFit }]);
}
