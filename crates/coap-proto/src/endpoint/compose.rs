//! Puts messages together from what the application set and what the endpoint adds.

use alloc::vec::Vec;

use wire::Full;

use crate::{Code, Kind, MessageId, MessageWriter, OptionNumber, Options, Token};

/// Header fields of a message to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope {
    pub(crate) kind: Kind,
    pub(crate) code: Code,
    pub(crate) id: MessageId,
    pub(crate) token: Token,
}

/// Options the endpoint adds, in ascending order.
pub(crate) type Added<'a> = [Option<(OptionNumber, &'a [u8])>; 6];

/// Whether the endpoint alone sets an option in a message with this code.
pub(crate) fn is_ours(number: OptionNumber, code: Code) -> bool {
    let always = matches!(number, OptionNumber::OBSERVE | OptionNumber::BLOCK1 | OptionNumber::BLOCK2);
    let in_requests = matches!(number, OptionNumber::SIZE1 | OptionNumber::REQUEST_TAG | OptionNumber::ECHO);
    always || (code.is_request() && in_requests)
}

/// Writes a message of at most `size_max` bytes.
///
/// # Errors
/// [`Full`] when it would be longer.
pub(crate) fn compose(
    envelope: Envelope,
    own: Options<'_>,
    added: &Added<'_>,
    payload: &[u8],
    size_max: usize,
) -> Result<Vec<u8>, Full> {
    let Envelope { kind, code, id, token } = envelope;
    let mut writer = MessageWriter::begin(kind, code, id, token, size_max)?;
    let mut added = added.iter().flatten().peekable();
    for (number, value) in own.iter().filter(|(number, _)| !is_ours(*number, code)) {
        while let Some((before, value)) = added.next_if(|(before, _)| *before < number) {
            writer.option(*before, value)?;
        }
        writer.option(number, value)?;
    }
    for (number, value) in added {
        writer.option(*number, value)?;
    }
    writer.finish(payload)
}

/// FNV-1a over the method and every option that names the resource, for telling transfers of one peer apart.
///
/// A collision would mix two transfers of the same peer only.
pub(crate) fn resource_key(method: Code, options: Options<'_>) -> u64 {
    let mut hash = fnv(FNV_START, &[method.byte()]);
    for (number, value) in options.iter().filter(|(number, _)| number.names_the_resource()) {
        hash = fnv(hash, &number.0.to_be_bytes());
        hash = fnv(hash, &(value.len() as u64).to_be_bytes());
        hash = fnv(hash, value);
    }
    hash
}

/// An entity tag for a body that has none: it only has to change when the body does.
pub(crate) fn body_tag(body: &[u8]) -> [u8; 8] {
    fnv(FNV_START, body).to_be_bytes()
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
