//! The link between an access service in a process of its own and its centre.

use std::time::Duration;

use clock::Timestamp;
use crypto::Secret;
use model::Uuid;
use osap_front::LineId;
use osap_front::das::{DasCommand, DasEvent, DasOrder, OfflineReason, OrderFailure, OrderResult, Token};
use osap_front::link::{FRAME_SIZE_MAX, FrameReader, FromCentre, FromService, Hello, Unreadable, WhyNot};
use osap_proto::{Devid, General, ProtocolType, ServerId, TicketKey};
use osap_things::{DownMessage, Failure, Node, Place, Resource, UpMessage};
use serde_json::json;

use crate::world::{at, provider, serial};

fn place() -> Place {
    Place::new(Resource::global(), "Lock", "isLocked").unwrap()
}

fn devid() -> Devid {
    Devid::from_random([7; 16])
}

fn hello() -> Hello {
    Hello {
        id: ServerId::new(b"das-7").unwrap(),
        host: "door.example".into(),
        port: 8884,
        plain_port: Some(1883),
        tls_key: [1; 32],
        proof: [2; 32],
    }
}

fn up(message: UpMessage) -> DasEvent {
    let (serial, general) = (serial("A1"), General { seq: 7, ts: 1_790_000_000_000 });
    DasEvent::Up { token: Some(Token(u64::MAX)), serial, message: Box::new(message), general }
}

fn answered(result: Result<Option<serde_json::Value>, Failure>) -> DasEvent {
    DasEvent::Answered {
        token: None,
        serial: serial("A1"),
        result: Box::new(OrderResult { id: 3, node: Node::Device, result }),
    }
}

fn events() -> Vec<DasEvent> {
    let (node, place) = (Node::Device, place());
    let event = UpMessage::Event {
        node: Node::Device,
        place: place.clone(),
        id: Uuid([9; 16]),
        at: Timestamp::from_unix_millis(1_790_000_000_000),
        data: json!({ "by": "key" }),
        dropped: 2,
    };
    vec![
        DasEvent::WhoIs { line: LineId(4), serial: serial("A1"), devid: devid() },
        DasEvent::Online {
            serial: serial("A1"),
            devid: devid(),
            protocol: ProtocolType::PLAIN,
            is_tls: true,
        },
        DasEvent::Offline { serial: serial("A1"), reason: OfflineReason::TicketOver },
        up(UpMessage::Attribute { node, place, value: json!([1.5, null]) }),
        up(event),
        answered(Ok(None)),
        answered(Ok(Some(json!({ "a": [true] })))),
        answered(Err(Failure { code: -7, message: "stuck".into() })),
        DasEvent::Answered {
            token: Some(Token(4)),
            serial: serial("A1"),
            result: Box::new(OrderResult {
                id: 3,
                node: Node::child(serial("C1")).unwrap(),
                result: Ok(None),
            }),
        },
        DasEvent::OrderFailed {
            serial: serial("A1"),
            node: Node::Device,
            id: 8,
            why: OrderFailure::TooLarge,
        },
        DasEvent::OrderFailed {
            serial: serial("A1"),
            node: Node::child(serial("B2")).unwrap(),
            id: 9,
            why: OrderFailure::Busy,
        },
    ]
}

fn commands() -> Vec<DasCommand> {
    let set = DownMessage::Set { node: Node::Device, place: place(), value: json!(false) };
    let deadline = at(60).moment;
    let order = DasOrder { serial: serial("A1"), id: 5, message: set.clone(), deadline };
    vec![
        DasCommand::Known { line: LineId(1), is_welcome: true },
        DasCommand::CouldNotLookUp { line: LineId(2) },
        DasCommand::Taken(Token(3)),
        DasCommand::Refused(Token(4)),
        DasCommand::Unable(Token(5)),
        DasCommand::Order(Box::new(order)),
        DasCommand::Withdraw { serial: serial("A1"), id: 5 },
        DasCommand::Answer { serial: serial("A1"), seq: 9, message: Box::new(set) },
        DasCommand::Close { serial: serial("A1") },
        DasCommand::Forget { serial: serial("A1"), node: Node::Device },
        DasCommand::Forget { serial: serial("A1"), node: Node::child(serial("B2")).unwrap() },
        DasCommand::Replaced { devid: devid(), issued: 10, epoch: 11 },
        DasCommand::TicketKey(TicketKey { id: [1; 8], key: Secret::from(&[2; 32][..]) }),
    ]
}

/// The body of a frame, whose size has to be right.
fn body(frame: &[u8]) -> &[u8] {
    let (size, body) = frame.split_first_chunk::<4>().unwrap();
    assert_eq!(u32::from_be_bytes(*size) as usize, body.len());
    body
}

#[test]
fn what_a_service_says_arrives_as_it_was() {
    let all = events().into_iter().map(FromService::Event);
    for said in all.chain([FromService::Beat, FromService::Hello(hello())]) {
        let frame = said.to_frame().unwrap();
        assert_eq!(FromService::from_body(body(&frame)).unwrap(), said);
    }
}

#[test]
fn what_the_centre_says_arrives_as_it_was_and_deadlines_as_the_time_that_is_left() {
    for command in commands() {
        let told = format!("{command:?}");
        let frame = FromCentre::Command(command).to_frame(at(10).moment).unwrap();
        let FromCentre::Command(read) = FromCentre::from_body(body(&frame), at(10).moment).unwrap() else {
            panic!("no command: {told}");
        };
        assert_eq!(format!("{read:?}"), told);
        if let DasCommand::TicketKey(key) = &read {
            assert_eq!(key.key.expose(), &[2; 32]);
        }
    }
    let order = commands().swap_remove(5);
    let frame = FromCentre::Command(order).to_frame(at(10).moment).unwrap();
    let read = FromCentre::from_body(body(&frame), at(500).moment).unwrap();
    let FromCentre::Command(DasCommand::Order(order)) = read else { panic!("{read:?}") };
    assert_eq!(order.deadline, at(500).moment + Duration::from_secs(50));
    for why in [WhyNot::NotProven, WhyNot::NameTaken] {
        let frame = FromCentre::Refused(why).to_frame(at(0).moment).unwrap();
        let read = FromCentre::from_body(body(&frame), at(0).moment).unwrap();
        assert!(matches!(read, FromCentre::Refused(read) if read == why));
    }
}

#[test]
fn frames_that_are_cut_go_on_or_hold_what_cannot_be_are_refused() {
    for said in events().into_iter().map(FromService::Event).chain([FromService::Hello(hello())]) {
        let frame = said.to_frame().unwrap();
        for cut in 0..body(&frame).len() {
            assert!(FromService::from_body(&body(&frame)[..cut]).is_err(), "{said:?} cut at {cut}");
        }
        let longer = [body(&frame), &[0]].concat();
        assert_eq!(FromService::from_body(&longer), Err(Unreadable), "{said:?}");
    }
    let who = FromService::Event(events().swap_remove(0)).to_frame().unwrap();
    let mut wrong = body(&who).to_vec();
    // A device id is lower-case hexadecimal text.
    *wrong.last_mut().unwrap() = b'G';
    assert_eq!(FromService::from_body(&wrong), Err(Unreadable));
    let gone = FromService::Event(events().swap_remove(2)).to_frame().unwrap();
    let mut wrong = body(&gone).to_vec();
    // A reason that there is not.
    *wrong.last_mut().unwrap() = 9;
    assert_eq!(FromService::from_body(&wrong), Err(Unreadable));
}

#[test]
fn a_stream_is_cut_into_frames_wherever_it_breaks_and_one_too_long_ends_it() {
    let frames: Vec<u8> =
        events().into_iter().flat_map(|event| FromService::Event(event).to_frame().unwrap()).collect();
    for piece in [1, 3, 1000, frames.len()] {
        let (mut reader, mut count) = (FrameReader::new(), 0);
        for bytes in frames.chunks(piece) {
            reader.take(bytes);
            while let Some(body) = reader.next_body().unwrap() {
                FromService::from_body(body).unwrap();
                count += 1;
            }
        }
        assert_eq!(count, events().len(), "in pieces of {piece}");
    }
    let mut reader = FrameReader::new();
    reader.take(&u32::try_from(FRAME_SIZE_MAX + 1).unwrap().to_be_bytes());
    assert_eq!(reader.next_body(), Err(Unreadable));
}

#[test]
fn a_proof_holds_for_one_secret_one_session_and_one_name() {
    let provider = provider();
    let (secret, exporter) = (Secret::from(&[3; 32][..]), [4; 32]);
    let proof = Hello::proof_of(&*provider, &secret, &exporter, &hello().id);
    let shown = Hello { proof, ..hello() };
    assert!(shown.is_proven(&*provider, &secret, &exporter));
    assert!(!shown.is_proven(&*provider, &Secret::from(&[5; 32][..]), &exporter), "another secret");
    assert!(!shown.is_proven(&*provider, &secret, &[6; 32]), "another TLS session");
    let renamed = Hello { id: ServerId::new(b"das-8").unwrap(), ..shown.clone() };
    assert!(!renamed.is_proven(&*provider, &secret, &exporter), "another name");
    assert!(!format!("{shown:?}").contains("proof"), "{shown:?}");
}
