//! The link between an access service in a process of its own and its centre: frames of both ends.

use std::time::Duration;

use clock::{Moment, Timestamp};
use model::Uuid;
use osap_front::LineId;
use osap_front::das::{DasCommand, DasEvent, DasOrder, OfflineReason, Token};
use osap_front::link::{FRAME_SIZE_MAX, FrameReader, FromCentre, FromService, Hello, WhyNot};
use osap_proto::{Devid, General, Serial, ServerId};
use osap_things::{DownMessage, Node, Place, Resource, UpMessage};
use serde_json::json;

use crate::memory;
use crate::rules::reached;
use crate::{Reached, Target};

pub(super) const LINK: Target = Target {
    name: "das_link",
    about: "FrameReader, FromService, FromCentre: what is read is written and read as the same",
    length_max: 4096,
    run: |input| memory::within(1024 * 1024 + 512 * input.len(), || read(input)),
    seeds,
};

const NOW: Moment = Moment::START;

/// Pieces of the input arrive; the first byte says how long they are.
fn read(input: &[u8]) -> Reached {
    let Some((piece, stream)) = input.split_first() else { return Reached::Refused };
    let mut reader = FrameReader::new();
    let mut was_taken = false;
    for bytes in stream.chunks(usize::from(*piece) + 1) {
        reader.take(bytes);
        loop {
            match reader.next_body() {
                Ok(Some(body)) => {
                    assert!(body.len() <= FRAME_SIZE_MAX);
                    was_taken |= of_service(body) | of_centre(body);
                }
                Ok(None) => break,
                Err(_) => return reached(was_taken),
            }
        }
    }
    reached(was_taken)
}

fn of_service(body: &[u8]) -> bool {
    let Ok(said) = FromService::from_body(body) else { return false };
    // A body of a device may be longer when it is written anew; it is refused then, and never cut.
    let Ok(frame) = said.to_frame() else { return true };
    assert_eq!(FromService::from_body(&frame[4..]).as_ref(), Ok(&said));
    true
}

fn of_centre(body: &[u8]) -> bool {
    let Ok(said) = FromCentre::from_body(body, NOW) else { return false };
    let Ok(frame) = said.to_frame(NOW) else { return true };
    let again = FromCentre::from_body(&frame[4..], NOW).expect("what was written is read");
    assert_eq!(format!("{again:?}"), format!("{said:?}"));
    true
}

fn seeds() -> Vec<Vec<u8>> {
    let serial = Serial::new(b"T1").expect("it is one");
    let place = Place::new(Resource::global(), "Lock", "isLocked").expect("it is one");
    let devid = Devid::from_random([7; 16]);
    let up = |message| DasEvent::Up {
        token: Some(Token(3)),
        serial: serial.clone(),
        message: Box::new(message),
        general: General { seq: 1, ts: 1_800_000_000_000 },
    };
    let event = UpMessage::Event {
        node: Node::Device,
        place: place.clone(),
        id: Uuid([9; 16]),
        at: Timestamp::from_unix_millis(1_800_000_000_000),
        data: json!({ "by": "key" }),
        dropped: 1,
    };
    let hello = Hello {
        id: ServerId::new(b"das-7").expect("it is one"),
        host: "door.example".into(),
        port: 8884,
        plain_port: None,
        tls_key: [1; 32],
        proof: [2; 32],
    };
    let value = UpMessage::Attribute { node: Node::Device, place: place.clone(), value: json!([1.5, null]) };
    let said = [
        FromService::Hello(hello),
        FromService::Beat,
        FromService::Event(DasEvent::WhoIs { line: LineId(1), serial: serial.clone(), devid }),
        FromService::Event(up(value)),
        FromService::Event(up(event)),
        FromService::Event(DasEvent::Offline { serial: serial.clone(), reason: OfflineReason::Left }),
    ];
    let message = DownMessage::Set { node: Node::Device, place, value: json!(false) };
    let deadline = NOW + Duration::from_secs(30);
    let order = DasOrder { serial: serial.clone(), id: 5, message, deadline };
    let told = [
        FromCentre::Welcome,
        FromCentre::Refused(WhyNot::NameTaken),
        FromCentre::Command(DasCommand::Order(Box::new(order))),
        FromCentre::Command(DasCommand::Replaced { devid, issued: 1, epoch: 2 }),
        FromCentre::Command(DasCommand::Forget { serial: serial.clone(), node: Node::Device }),
        FromCentre::Command(DasCommand::Close { serial }),
    ];
    let mut frames: Vec<Vec<u8>> = said.iter().filter_map(|said| said.to_frame().ok()).collect();
    frames.extend(told.iter().filter_map(|told| told.to_frame(NOW).ok()));
    let all = frames.concat();
    frames.push(all);
    frames.into_iter().map(|frame| [&[31][..], &frame].concat()).collect()
}
