//! Bodies in blocks, both ways.

use std::time::Duration;

use coap_proto::{
    Block, BlockSize, Code, ContentFormat, Failure, Kind, Message, MessageId, OptionNumber, OptionSet,
    Output, PathLimits, Request, Response, Token,
};

use crate::pair::{Bench, Fate, PEER, Pair, datagrams, heads, requests, steady};

fn body(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 7 + at / 256) as u8).collect()
}

fn value(number: u32, more: bool, exponent: u8) -> Vec<u8> {
    let size = BlockSize::from_exponent(exponent).unwrap();
    Block { number, more, size }.encode().unwrap().as_bytes().to_vec()
}

/// A message written by hand; options are sorted.
fn message(kind: Kind, code: Code, id: u16, options: &[(OptionNumber, Vec<u8>)], payload: &[u8]) -> Vec<u8> {
    let mut set = OptionSet::new();
    for (number, value) in options {
        set.add(*number, value);
    }
    let token = Token::new(&[0xaa]).unwrap();
    Message { kind, code, id: MessageId(id), token, options: set.view(), payload }.to_bytes(2000).unwrap()
}

fn put_block(id: u16, number: u32, more: bool, payload: &[u8]) -> Vec<u8> {
    let options = [(OptionNumber::URI_PATH, b"k".to_vec()), (OptionNumber::BLOCK1, value(number, more, 0))];
    message(Kind::Confirmable, Code::PUT, id, &options, payload)
}

/// Code, Block1 and Size1 of the only datagram sent.
fn reply_to_block(outputs: &[Output]) -> (Code, Option<Block>, Option<u32>) {
    let sent = datagrams(outputs);
    assert_eq!(sent.len(), 1, "{outputs:?}");
    let reply = Message::parse(&sent[0]).unwrap();
    let block = reply.options.first(OptionNumber::BLOCK1).map(|value| Block::decode(value).unwrap());
    (reply.code, block, reply.options.uint(OptionNumber::SIZE1))
}

// verifies: ASSURE-1-05, RFC7959-2.4
#[test]
fn a_large_response_is_fetched_in_blocks() {
    let mut pair = Pair::new();
    let image = body(8192);
    let served = image.clone();
    pair.server.serve(move |_| Some(Response::content(ContentFormat::CBOR, served.clone())));
    let answer = pair.exchange(Request::new(Code::GET, "/v1/devices/1/bootstrap")).unwrap();
    assert_eq!(answer.payload, image);
    assert_eq!(answer.options.view().content_format(), Some(ContentFormat::CBOR));
    assert!(!answer.options.view().has(OptionNumber::BLOCK2), "the application sees no blocks");
    assert_eq!(pair.requests_sent(), 8);
    assert_eq!(pair.server.requests.len(), 1, "the application is asked once");
    assert!(pair.sent.iter().all(|(_, bytes)| bytes.len() <= 1152));
    pair.run_for(Duration::from_secs(6));
    assert_eq!(pair.server.endpoint.transfer_bytes(), 0, "a fetched body is let go");
    assert_eq!(pair.client.endpoint.transfer_bytes(), 0);
}

// verifies: ASSURE-1-05, RFC7959-2.5
#[test]
fn a_large_request_is_sent_in_blocks_and_arrives_whole() {
    let mut pair = Pair::new();
    pair.server.serve(|incoming| {
        Some(Response { payload: incoming.payload.clone(), ..Response::new(Code::CHANGED) })
    });
    let key = body(5000);
    let answer =
        pair.exchange(Request::new(Code::PUT, "/v1/keys/1").with_payload(ContentFormat::CBOR, key.clone()));
    let answer = answer.unwrap();
    assert_eq!((answer.code, answer.payload), (Code::CHANGED, key.clone()), "up in blocks, down in blocks");
    assert_eq!(pair.server.requests.len(), 1);
    assert_eq!(pair.server.requests[0].payload, key);
    assert_eq!(pair.server.requests[0].options().content_format(), Some(ContentFormat::CBOR));
}

// verifies: RFC7959-2.3
#[test]
fn a_narrow_path_takes_small_blocks() {
    for datagram_size_max in [128, 480, 501, 1152] {
        let path = PathLimits { datagram_size_max, secure: true };
        let mut pair = Pair::with(steady(), path);
        pair.server.serve(|incoming| Some(Response::content(ContentFormat::CBOR, incoming.payload.clone())));
        let sent = body(2000);
        let request = Request::new(Code::POST, "/echo").with_payload(ContentFormat::CBOR, sent.clone());
        assert_eq!(pair.exchange(request).unwrap().payload, sent, "{datagram_size_max}");
        let largest = pair.sent.iter().map(|(_, bytes)| bytes.len()).max().unwrap();
        assert!(largest <= datagram_size_max, "{largest} > {datagram_size_max}");
    }
}

// verifies: RFC7959-2.5
#[test]
fn every_transfer_survives_loss_repetition_and_reordering() {
    let mut answered = 0;
    for seed in 0..40_u64 {
        let mut pair = Pair::new();
        pair.network(move |index, _| match (index as u64 * 2_654_435_761 + seed * 40_503) >> 3 & 7 {
            0 | 1 => Fate::Drop,
            2 => Fate::Twice,
            3 => Fate::Late(Duration::from_millis(2500)),
            _ => Fate::Deliver,
        });
        pair.server.serve(|incoming| Some(Response::content(ContentFormat::CBOR, incoming.payload.clone())));
        let sent = body(3000);
        let request = Request::new(Code::POST, "/echo").with_payload(ContentFormat::CBOR, sent.clone());
        let id = pair.ask(request);
        pair.run_for(Duration::from_secs(900));
        assert!(pair.server.requests.len() <= 1, "never twice, seed {seed}");
        match pair.client.answers.get(&id) {
            Some(answer) => {
                assert_eq!(answer.payload, sent, "seed {seed}");
                answered += 1;
            }
            None => {
                let failed =
                    |output: &Output| matches!(output, Output::Failed { request, .. } if *request == id);
                assert_eq!(
                    pair.client.others.iter().filter(|output| failed(output)).count(),
                    1,
                    "seed {seed}"
                );
            }
        }
    }
    assert!(answered >= 30, "a quarter of the datagrams lost, {answered} of 40 transfers done");
}

// verifies: RFC7959-2.5, RFC7959-2.9.1, RFC7959-2.9.2
#[test]
fn upload_blocks_are_taken_in_order_only() {
    let mut bench = Bench::new();
    let block = [1; 16];
    let first = bench.receive(&put_block(1, 0, true, &block));
    let echoed = Block { number: 0, more: true, size: BlockSize::SMALLEST };
    assert_eq!(reply_to_block(&first), (Code::CONTINUE, Some(echoed), None));
    let repeated = bench.receive(&put_block(2, 0, true, &block));
    assert_eq!(reply_to_block(&repeated).0, Code::CONTINUE, "the same block under a new id");
    let skipped = bench.receive(&put_block(3, 2, true, &block));
    assert_eq!(reply_to_block(&skipped).0, Code::REQUEST_ENTITY_INCOMPLETE);
    assert_eq!(
        requests(&bench.receive(&put_block(4, 1, false, &[2; 5])))[0].payload,
        [[1; 16].as_slice(), &[2; 5]].concat()
    );
    let again = bench.receive(&put_block(5, 1, false, &[2; 5]));
    assert_eq!(reply_to_block(&again).0, Code::REQUEST_ENTITY_INCOMPLETE, "the upload is over");
    assert_eq!(requests(&again), [], "a body comes once");
}

// verifies: RFC7959-2.5
#[test]
fn upload_blocks_without_a_start_or_of_wrong_size_are_refused() {
    let mut bench = Bench::new();
    assert_eq!(
        reply_to_block(&bench.receive(&put_block(1, 3, true, &[0; 16]))).0,
        Code::REQUEST_ENTITY_INCOMPLETE
    );
    assert_eq!(reply_to_block(&bench.receive(&put_block(2, 0, true, &[0; 15]))).0, Code::BAD_REQUEST);
    assert_eq!(reply_to_block(&bench.receive(&put_block(3, 0, false, &[0; 17]))).0, Code::BAD_REQUEST);
    let reserved = [(OptionNumber::URI_PATH, b"k".to_vec()), (OptionNumber::BLOCK1, vec![0x07])];
    let out = bench.receive(&message(Kind::Confirmable, Code::PUT, 4, &reserved, &[0; 16]));
    assert_eq!(reply_to_block(&out).0, Code::BAD_REQUEST, "size exponent 7");
    assert_eq!(bench.endpoint.transfer_bytes(), 0);
}

// verifies: RFC7959-2.5
#[test]
fn an_upload_that_was_left_alone_is_forgotten() {
    let mut bench = Bench::new();
    bench.receive(&put_block(1, 0, true, &[1; 16]));
    assert_eq!(bench.endpoint.transfer_bytes(), 16);
    bench.pass(Duration::from_secs(248));
    assert_eq!(bench.endpoint.transfer_bytes(), 0);
    assert_eq!(
        reply_to_block(&bench.receive(&put_block(2, 1, false, &[1; 4]))).0,
        Code::REQUEST_ENTITY_INCOMPLETE
    );
}

// verifies: RFC9175-3.3
#[test]
fn uploads_with_different_request_tags_do_not_mix() {
    let mut bench = Bench::new();
    let block = |id, tag: u8, number, more, payload: &[u8]| {
        let options = [
            (OptionNumber::URI_PATH, b"k".to_vec()),
            (OptionNumber::BLOCK1, value(number, more, 0)),
            (OptionNumber::REQUEST_TAG, vec![tag]),
        ];
        message(Kind::Confirmable, Code::PUT, id, &options, payload)
    };
    bench.receive(&block(1, 1, 0, true, &[1; 16]));
    bench.receive(&block(2, 2, 0, true, &[2; 16]));
    let one = bench.receive(&block(3, 1, 1, false, &[1; 1]));
    let two = bench.receive(&block(4, 2, 1, false, &[2; 1]));
    assert_eq!(requests(&one)[0].payload, [1; 17]);
    assert_eq!(requests(&two)[0].payload, [2; 17]);
}

// verifies: RFC7959-2.9.3
#[test]
fn a_body_over_the_limit_is_refused_with_the_limit() {
    let mut config = steady();
    config.limits.body_size_max = 32;
    let mut bench = Bench::with(config, PathLimits::SECURED);
    bench.receive(&put_block(1, 0, true, &[0; 16]));
    let at_limit = bench.receive(&put_block(2, 1, false, &[0; 16]));
    assert_eq!(requests(&at_limit)[0].payload.len(), 32, "at the limit");
    bench.receive(&put_block(3, 0, true, &[0; 16]));
    bench.receive(&put_block(4, 1, true, &[0; 16]));
    let over = bench.receive(&put_block(5, 2, false, &[0; 1]));
    assert_eq!(
        (reply_to_block(&over).0, reply_to_block(&over).2),
        (Code::REQUEST_ENTITY_TOO_LARGE, Some(32))
    );
    assert_eq!(requests(&over), []);
    let told = [
        (OptionNumber::URI_PATH, b"k".to_vec()),
        (OptionNumber::BLOCK1, value(0, true, 0)),
        (OptionNumber::SIZE1, vec![33]),
    ];
    let early = bench.receive(&message(Kind::Confirmable, Code::PUT, 6, &told, &[0; 16]));
    assert_eq!(reply_to_block(&early).0, Code::REQUEST_ENTITY_TOO_LARGE, "refused before it is sent");
    assert_eq!(bench.endpoint.transfer_bytes(), 0);
}

#[test]
fn a_refused_upload_gives_the_refusal() {
    let mut config = steady();
    config.limits.body_size_max = 1500;
    let mut pair = Pair::with(config, PathLimits::SECURED);
    let request = Request::new(Code::PUT, "/k").with_payload(ContentFormat::CBOR, body(3000));
    let answer = pair.exchange(request).unwrap();
    assert_eq!(answer.code, Code::REQUEST_ENTITY_TOO_LARGE);
    assert_eq!(answer.options.view().uint(OptionNumber::SIZE1), Some(1500));
    assert_eq!(pair.requests_sent(), 1, "the size was told in the first block");
}

/// A client that asked for /a, and the datagram it sent last.
fn asking(request: Request) -> (Bench, coap_proto::RequestId, Vec<u8>) {
    let mut bench = Bench::new();
    let id = bench.endpoint.request(PEER, request, bench.now).unwrap();
    let sent = datagrams(&bench.drain());
    (bench, id, sent[0].clone())
}

/// Answers a request message on its acknowledgement.
fn reply(to: &[u8], code: Code, options: &[(OptionNumber, Vec<u8>)], payload: &[u8]) -> Vec<u8> {
    let asked = Message::parse(to).unwrap();
    let mut set = OptionSet::new();
    for (number, value) in options {
        set.add(*number, value);
    }
    let (kind, id, token) = (Kind::Acknowledgement, asked.id, asked.token);
    Message { kind, code, id, token, options: set.view(), payload }.to_bytes(2000).unwrap()
}

fn part(number: u32, more: bool, tag: u8) -> [(OptionNumber, Vec<u8>); 2] {
    [(OptionNumber::BLOCK2, value(number, more, 0)), (OptionNumber::ETAG, vec![tag])]
}

// verifies: RFC7959-2.4
#[test]
fn a_changed_representation_is_fetched_anew_and_never_mixed() {
    let (mut bench, id, first) = asking(Request::new(Code::GET, "/a"));
    let second = datagrams(&bench.receive(&reply(&first, Code::CONTENT, &part(0, true, 1), &[1; 16])));
    let again = datagrams(&bench.receive(&reply(&second[0], Code::CONTENT, &part(1, false, 2), &[2; 4])));
    assert!(!Message::parse(&again[0]).unwrap().options.has(OptionNumber::BLOCK2), "from the start");
    let last = datagrams(&bench.receive(&reply(&again[0], Code::CONTENT, &part(0, true, 2), &[2; 16])));
    let out = bench.receive(&reply(&last[0], Code::CONTENT, &part(1, false, 2), &[2; 4]));
    let Output::Answer { request, response } = &out[0] else { panic!("{out:?}") };
    assert_eq!((*request, &response.payload[..]), (id, &[2; 20][..]));
}

// verifies: RFC7959-2.4
#[test]
fn a_representation_that_never_rests_is_given_up() {
    let (mut bench, id, mut asked) = asking(Request::new(Code::GET, "/a"));
    let mut tag = 0;
    let failed = loop {
        let second = datagrams(&bench.receive(&reply(&asked, Code::CONTENT, &part(0, true, tag), &[1; 16])));
        tag += 1;
        let out = bench.receive(&reply(&second[0], Code::CONTENT, &part(1, false, tag), &[2; 4]));
        match &out[0] {
            Output::Transmit { datagram, .. } => asked.clone_from(datagram),
            other => break other.clone(),
        }
        assert!(tag < 10, "it ends");
    };
    assert_eq!(failed, Output::Failed { request: id, reason: Failure::Changing });
    assert_eq!(bench.endpoint.transfer_bytes(), 0);
}

// verifies: RFC7959-2.4
#[test]
fn broken_downloads_fail() {
    type Case = (Code, Vec<(OptionNumber, Vec<u8>)>, usize, Failure);
    let cases: [Case; 5] = [
        (Code::CONTENT, part(1, true, 1).to_vec(), 16, Failure::BrokenTransfer),
        (Code::CONTENT, part(0, true, 1).to_vec(), 15, Failure::BrokenTransfer),
        (Code::CONTENT, vec![(OptionNumber::BLOCK2, vec![0x0f])], 16, Failure::BrokenTransfer),
        (Code::CONTINUE, vec![], 0, Failure::BrokenTransfer),
        (
            Code::CONTENT,
            vec![(OptionNumber::BLOCK2, value(0, true, 0)), (OptionNumber::SIZE2, vec![0xff, 0xff, 0xff])],
            16,
            Failure::TooLarge,
        ),
    ];
    for (code, options, size, reason) in cases {
        let (mut bench, id, asked) = asking(Request::new(Code::GET, "/a"));
        let out = bench.receive(&reply(&asked, code, &options, &vec![0; size]));
        assert_eq!(out, [Output::Failed { request: id, reason }], "{options:?}");
    }
    let (mut bench, id, asked) = asking(Request::new(Code::GET, "/a"));
    let next = datagrams(&bench.receive(&reply(&asked, Code::CONTENT, &part(0, true, 1), &[0; 16])));
    let out = bench.receive(&reply(&next[0], Code::CONTENT, &part(2, false, 1), &[0; 16]));
    assert_eq!(out, [Output::Failed { request: id, reason: Failure::BrokenTransfer }], "a block is missing");
}

// verifies: RFC7959-2.5
#[test]
fn the_client_takes_the_smaller_block_the_server_wants() {
    let request = Request::new(Code::PUT, "/k").with_payload(ContentFormat::CBOR, body(2100));
    let (mut bench, _, first) = asking(request.clone());
    let wish = [(OptionNumber::BLOCK1, value(0, true, 2))];
    let next = datagrams(&bench.receive(&reply(&first, Code::CONTINUE, &wish, &[])));
    let message = Message::parse(&next[0]).unwrap();
    let block = Block::decode(message.options.first(OptionNumber::BLOCK1).unwrap()).unwrap();
    assert_eq!((block.number, block.size.bytes(), block.more), (16, 64, true), "1024 bytes on, 64 at a time");
    assert_eq!(message.payload, &request.payload[1024..1088]);
    let (mut bench, _, first) = asking(request.clone());
    let again = datagrams(&bench.receive(&reply(&first, Code::REQUEST_ENTITY_TOO_LARGE, &wish, &[])));
    let message = Message::parse(&again[0]).unwrap();
    assert_eq!(message.payload, &request.payload[..64], "from the start when the first was too large");
}

// verifies: RFC7959-2.5
#[test]
fn a_success_before_the_last_block_is_no_success() {
    let request = Request::new(Code::PUT, "/k").with_payload(ContentFormat::CBOR, body(2100));
    let (mut bench, id, first) = asking(request);
    let out = bench.receive(&reply(&first, Code::CHANGED, &[], &[]));
    assert_eq!(out, [Output::Failed { request: id, reason: Failure::BrokenTransfer }]);
}

// verifies: RFC7959-2.4
#[test]
fn later_blocks_come_from_the_kept_body_and_odd_ones_are_refused() {
    let mut bench = Bench::new();
    let get = |id, number| {
        let options =
            [(OptionNumber::URI_PATH, b"a".to_vec()), (OptionNumber::BLOCK2, value(number, false, 0))];
        message(Kind::Confirmable, Code::GET, id, &options, &[])
    };
    let first = bench.receive_and_respond(&get(1, 0), Response::content(ContentFormat::TEXT, body(40)));
    assert_eq!(Message::parse(&first[0]).unwrap().payload, &body(40)[..16]);
    let second = bench.receive(&get(2, 2));
    assert_eq!(requests(&second), [], "served from the kept body");
    let sent = datagrams(&second);
    let message = Message::parse(&sent[0]).unwrap();
    assert_eq!(message.payload, &body(40)[32..]);
    assert_eq!(
        message.options.etag(),
        Message::parse(&first[0]).unwrap().options.etag(),
        "same state, same tag"
    );
    assert_eq!(heads(&datagrams(&bench.receive(&get(3, 3)))), [(Kind::Acknowledgement, Code::BAD_REQUEST)]);
    bench.pass(Duration::from_secs(10));
    let asked_again = bench.receive_and_respond(&get(4, 1), Response::content(ContentFormat::TEXT, body(40)));
    assert_eq!(Message::parse(&asked_again[0]).unwrap().payload, &body(40)[16..32], "any block, at any time");
}

// verifies: RFC7959-3.3
#[test]
fn later_blocks_of_an_answer_to_post_do_not_act_again() {
    let mut bench = Bench::new();
    let options = [(OptionNumber::URI_PATH, b"a".to_vec()), (OptionNumber::BLOCK2, value(1, false, 0))];
    let out = bench.receive(&message(Kind::Confirmable, Code::POST, 1, &options, &[]));
    assert_eq!(heads(&datagrams(&out)), [(Kind::Acknowledgement, Code::REQUEST_ENTITY_INCOMPLETE)]);
    assert_eq!(requests(&out), []);
}

// verifies: RFC8132-2
#[test]
fn fetch_with_different_bodies_gets_different_answers() {
    let mut pair = Pair::new();
    pair.server.serve(|incoming| Some(Response::content(ContentFormat::CBOR, incoming.payload.repeat(1000))));
    for word in [*b"abc", *b"xyz"] {
        let request = Request::new(Code::FETCH, "/f").with_payload(ContentFormat::CBOR, word);
        assert_eq!(pair.exchange(request).unwrap().payload, word.repeat(1000));
    }
    assert_eq!(pair.server.requests.len(), 2);
}
