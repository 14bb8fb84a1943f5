//! The time over plain CoAP.

use assure_proto::PreciseTime;
use clock::{Moment, Now, Timestamp};
use coap_front::time::TimeFace;
use coap_proto::{Code, Kind, Message, MessageId, OptionNumber, OptionSet, Token};

use crate::world::UNIX_MILLIS;

fn ask(kind: Kind, code: Code, options: &OptionSet) -> Vec<u8> {
    let token = Token::new(&[1, 2, 3]).unwrap();
    let message = Message { kind, code, id: MessageId(77), token, options: options.view(), payload: &[] };
    message.to_bytes(1152).unwrap()
}

fn path(path: &str) -> OptionSet {
    let mut options = OptionSet::new();
    options.add_path(path);
    options
}

fn now() -> Now {
    Now::new(Moment::START, Timestamp::from_unix_millis(UNIX_MILLIS))
}

// verifies: ASSURE-11.4.1-02
#[test]
fn anybody_hears_the_time_and_repeats_hear_it_anew() {
    let mut face = TimeFace::new(9);
    let datagram = ask(Kind::Confirmable, Code::GET, &path("/v1/timestamp"));
    for _ in 0..2 {
        let answer = face.answer(&datagram, now()).unwrap();
        assert!(answer.len() <= datagram.len() + 16, "{} to {}", answer.len(), datagram.len());
        let answer = Message::parse(&answer).unwrap();
        assert_eq!((answer.kind, answer.id), (Kind::Acknowledgement, MessageId(77)));
        assert_eq!((answer.code, answer.token.as_bytes()), (Code::CONTENT, &[1, 2, 3][..]));
        let time = PreciseTime::decode(answer.payload).unwrap();
        assert_eq!(time.timestamp(), Timestamp::from_unix_millis(UNIX_MILLIS));
    }
    let unknown = face.answer(&datagram, Now::without_utc(Moment::START)).unwrap();
    assert_eq!(Message::parse(&unknown).unwrap().code, Code::SERVICE_UNAVAILABLE);
    let once = ask(Kind::NonConfirmable, Code::GET, &path("/v1/timestamp"));
    let answer = face.answer(&once, now()).unwrap();
    assert_eq!(Message::parse(&answer).unwrap().kind, Kind::NonConfirmable);
}

// verifies: ASSURE-8.1-01
#[test]
fn nothing_else_is_answered_in_clear() {
    let mut face = TimeFace::new(9);
    let right = path("/v1/timestamp");
    let mut critical = right.clone();
    critical.add(OptionNumber(65_001), b"x");
    let device = path("/v1/devices/00000000-0000-4000-8000-000000000000/info");
    for datagram in [
        Vec::new(),
        vec![0x40, 0, 0, 1],
        vec![0xff; 40],
        ask(Kind::Confirmable, Code::PUT, &right),
        ask(Kind::Confirmable, Code::GET, &path("/v1")),
        ask(Kind::Confirmable, Code::GET, &path("/.well-known/core")),
        ask(Kind::Confirmable, Code::PUT, &device),
        ask(Kind::Confirmable, Code::GET, &critical),
        ask(Kind::Acknowledgement, Code::GET, &right),
        ask(Kind::Reset, Code::GET, &right),
        ask(Kind::Confirmable, Code::CONTENT, &right),
    ] {
        assert_eq!(face.answer(&datagram, now()), None, "{datagram:02x?}");
    }
}
