//! Frames and messages of the secure profile, and the JSON in its records.

use ::wire::Cursor;
use crypto_portable::Portable;
use osap_proto::{DasInfo, DasRequest, First, Frame, Header, Inlet, MessageKind, Second, Third};

use super::parties;
use crate::rules::{bounded, reached};
use crate::{Reached, Target};

pub(super) const MESSAGES: Target = Target {
    name: "osap_messages",
    about: "Frame, Inlet, First, Second, Third, DasRequest, DasInfo; what is read is written alike",
    length_max: 2200,
    run,
    seeds,
};

/// The first byte is the size of the pieces; a stream that begins with `{` is JSON.
fn run(input: &[u8]) -> Reached {
    let Some((choice, stream)) = input.split_first() else { return Reached::Refused };
    if stream.first() == Some(&b'{') {
        return json(stream);
    }
    let whole = bounded(stream, |stream| read(stream, stream.len().max(1)));
    let pieces = bounded(stream, |stream| read(stream, usize::from(choice % 7) + 1));
    assert_eq!(whole, pieces, "pieces say the same as the whole");
    reached(whole > 0)
}

/// How many messages can be read before something is refused.
fn read(stream: &[u8], piece_size: usize) -> usize {
    let mut inlet = Inlet::new();
    let mut count = 0;
    for piece in stream.chunks(piece_size) {
        // One piece after the other is taken at once, so nothing waits but the rest of a message.
        for byte in piece {
            if inlet.push(&[*byte]).is_err() {
                return count;
            }
        }
        loop {
            match inlet.take() {
                Ok(Some(message)) => count += usize::from(check(&message)),
                Ok(None) => break,
                Err(_) => return count,
            }
        }
    }
    count
}

/// Whether a message can be read; then it has one form.
fn check(message: &[u8]) -> bool {
    let frame = Frame::read(message).expect("it was taken whole").expect("and is one message");
    assert_eq!(frame.bytes(), message);
    match frame.kind() {
        Some(MessageKind::First) => {
            let mut cursor = Cursor::new(frame.body());
            let Ok(header) = Header::decode(&mut cursor) else { return false };
            let Ok(first) = First::decode_payload(&Portable, header, cursor) else { return false };
            assert_eq!(first.encode(), message, "an offer has one form");
            true
        }
        Some(MessageKind::Second) => {
            for is_signed in [false, true] {
                if let Err(error) = Second::decode(&frame, is_signed) {
                    assert!(error.offset <= message.len());
                }
            }
            Second::decode(&frame, false).is_ok()
        }
        Some(MessageKind::Third) => [false, true].into_iter().any(|is_signed| {
            let Ok(third) = Third::decode(frame.body(), is_signed) else { return false };
            assert_eq!(third.encode(), message, "a proof has one form");
            true
        }),
        Some(_) => true,
        None => false,
    }
}

fn json(text: &[u8]) -> Reached {
    let (request, told) = bounded(text, |text| (DasRequest::decode(text), DasInfo::decode(text)));
    if let Some(request) = &request {
        assert_eq!(DasRequest::decode(&request.encode()).as_ref(), Some(request));
    }
    if let Some(written) = told.as_ref().and_then(DasInfo::encode) {
        assert_eq!(DasInfo::decode(&written), told, "the value changed on its way");
    }
    reached(request.is_some() || told.is_some())
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for kind in 0..4 {
        let (said, answered) = parties::honest(kind);
        seeds.push([&[3][..], &said.concat()].concat());
        seeds.push([&[0][..], &answered.concat()].concat());
    }
    seeds.push(b"\x01\x2a\x09\x08\x03\x02\x04\x08\x01\x02\x00\x14".to_vec());
    seeds.push([&[0][..], b"{\"DevSerial\":\"T12345678\",\"Type\":\"DAS\",\"Mode\":0}"].concat());
    let osap_proto::DasAnswer::Das(das) = parties::das_answer() else { return seeds };
    seeds.push([&[0][..], &das.encode().expect("plain names")].concat());
    seeds
}
