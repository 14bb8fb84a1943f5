//! The decrypted payload of a bootstrap image: stored messages, replayed to the local API in their order.
//!
//! Only the ARRAY is read here; each message is a whole CoAP message for whoever replays it.
//! Source: aSSURE 15.5.4; decision G 4.

use alloc::vec::Vec;

use wire::{DecodeError, Reason};

use crate::cbor::{Reader, Writer};

/// Messages in one payload.
pub const MESSAGES_MAX: usize = 256;

/// More than [`MESSAGES_MAX`] messages were to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyMessages;

impl core::fmt::Display for TooManyMessages {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "a payload holds at most {MESSAGES_MAX} messages")
    }
}

impl core::error::Error for TooManyMessages {}

/// Writes the ARRAY of `messages`.
///
/// # Errors
/// [`TooManyMessages`] above [`MESSAGES_MAX`].
pub fn encode_payload(messages: &[impl AsRef<[u8]>]) -> Result<Vec<u8>, TooManyMessages> {
    if messages.len() > MESSAGES_MAX {
        return Err(TooManyMessages);
    }
    let mut out = Writer::new();
    out.array(messages.len());
    for message in messages {
        out.bytes(message.as_ref());
    }
    Ok(out.finish())
}

/// Reads the messages in their order.
///
/// # Errors
/// [`DecodeError`] on anything but an ARRAY of at most [`MESSAGES_MAX`] BYTE STRINGs.
pub fn decode_payload(bytes: &[u8]) -> Result<Vec<&[u8]>, DecodeError> {
    let mut reader = Reader::whole(bytes)?;
    let over_limit = reader.error(Reason::OverLimit);
    let count = reader.array()?;
    if count > MESSAGES_MAX {
        return Err(over_limit);
    }
    let messages = (0..count).map(|_| reader.bytes()).collect::<Result<_, _>>()?;
    reader.finish()?;
    Ok(messages)
}
