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
    if added.iter().all(Option::is_none) && !own.iter().any(|(number, _)| is_ours(number, code)) {
        writer.only_options(own)?;
        return writer.finish(payload);
    }
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

/// An entity tag for a body that has none (FNV-1a): it only has to change when the body does.
pub(crate) fn body_tag(body: &[u8]) -> [u8; 8] {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    body.iter().fold(0xcbf2_9ce4_8422_2325, mix).to_be_bytes()
}
