//! Messages in wire form, and requests stored as messages.

use coap_proto::{
    Block, Code, ContentFormat, Kind, Message, MessageId, NotReplayable, OptionNumber, OptionSet, Route,
    Router, StoredRequest, Token, store_request,
};

use crate::rules::{bounded, points_into, reached};
use crate::{Reached, Target, vectors};

pub(super) const MESSAGE: Target = Target {
    name: "coap_message",
    about: "Message::parse and its options; what is read is written alike",
    length_max: 2048,
    run: |input| {
        let message = match bounded(input, Message::parse) {
            Ok(message) => message,
            Err(broken) => {
                points_into(input, broken.error);
                return Reached::Refused;
            }
        };
        let options: Vec<_> = message.options.iter().collect();
        assert!(options.windows(2).all(|two| two[0].0 <= two[1].0), "options ascend");
        let length: usize = options.iter().map(|(_, value)| value.len()).sum();
        assert!(length + message.payload.len() <= input.len());
        read_all(&message);
        let written = message.to_bytes(input.len()).expect("it was read from so many bytes");
        let again = Message::parse(&written).expect("what we write is read");
        // Lengths and deltas of options have one form each, but a parser may take a longer one.
        assert_eq!(again.to_bytes(written.len()).as_deref(), Ok(&written[..]), "one message has two forms");
        assert_eq!(
            (again.kind, again.code, again.id, again.token),
            (message.kind, message.code, message.id, message.token)
        );
        assert!(again.options.iter().eq(message.options.iter()) && again.payload == message.payload);
        assert!(message.options.to_owned_set().view().iter().eq(message.options.iter()));
        Reached::Accepted
    },
    seeds: message_seeds,
};

/// Reads of single options must be as safe as reading them all.
fn read_all(message: &Message<'_>) {
    let options = message.options;
    let _ = (options.content_format(), options.accept(), options.max_age_secs(), options.query("type"));
    assert!(options.etag().is_none_or(|tag| (1..=8).contains(&tag.len())));
    for number in [OptionNumber::BLOCK1, OptionNumber::BLOCK2] {
        let Some(Ok(block)) = options.first(number).map(Block::decode) else { continue };
        let value = block.encode().expect("three bytes hold 20 bits of number");
        assert_eq!(Block::decode(value.as_bytes()), Ok(block));
    }
    let routes = Router::new()
        .with(Route::new(Code::GET, "/v1/keys/{id}", 1).producing(&[ContentFormat::CBOR]))
        .with(Route::new(Code::PUT, "/v1/{a}/{b}", 2).taking(&[ContentFormat::CBOR]));
    if let Ok(found) = routes.find(message.code, options) {
        assert!(found.parameter("id").or(found.parameter("a")).is_some());
    }
}

fn message_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    let mut put = |kind, code, token: &[u8], options: &OptionSet, payload: &[u8]| {
        let token = Token::new(token).expect("a short token");
        let options = options.view();
        let message = Message { kind, code, id: MessageId(7), token, options, payload };
        seeds.push(message.to_bytes(1200).expect("a short message"));
    };
    let mut options = OptionSet::new();
    put(Kind::Confirmable, Code::EMPTY, &[], &options, &[]);
    options.add_path("/v1/keys/07").add_query("type=1").add_uint(OptionNumber::CONTENT_FORMAT, 60);
    put(Kind::Confirmable, Code::PUT, &[1, 2], &options, b"body");
    options.add_uint(OptionNumber::BLOCK1, 0x16).add_uint(OptionNumber::OBSERVE, 0);
    put(Kind::NonConfirmable, Code::GET, &[1; 8], &options, &[]);
    options.add(OptionNumber::ETAG, &[1; 8]).add(OptionNumber(2049), &[3; 300]);
    put(Kind::Acknowledgement, Code::CONTENT, &[1], &options, &[0xff; 40]);
    seeds.extend(vectors::of_kind("payload.json", "bytes", |kind| kind == "message"));
    seeds
}

pub(super) const STORED: Target = Target {
    name: "coap_stored_request",
    about: "StoredRequest::read",
    length_max: 2048,
    run: |input| match bounded(input, StoredRequest::read) {
        Ok(request) => {
            assert!(request.method.is_request());
            let steering = [OptionNumber::BLOCK1, OptionNumber::BLOCK2, OptionNumber::OBSERVE];
            assert!(!steering.into_iter().any(|number| request.options.has(number)));
            assert!(!request.options.has(OptionNumber::PROXY_URI));
            reached(true)
        }
        Err(NotReplayable::Malformed(error)) => {
            points_into(input, error);
            Reached::Refused
        }
        Err(NotReplayable::NotARequest(code)) => {
            assert!(!code.is_request());
            Reached::Refused
        }
        Err(NotReplayable::Option(_)) => Reached::Refused,
    },
    seeds: || {
        let mut seeds = vectors::of_kind("payload.json", "bytes", |kind| kind == "message");
        let cbor = ContentFormat::CBOR;
        seeds.push(store_request(3, Code::PUT, "/v1/channels/1", &["type=1", "open"], cbor, &[0x80]));
        seeds.push(store_request(4, Code::DELETE, "/v1/keys/00", &[], cbor, &[]));
        seeds
    },
};
