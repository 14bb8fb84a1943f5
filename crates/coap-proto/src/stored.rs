//! Requests stored as messages, to be replayed without a socket.

use alloc::vec::Vec;

use wire::DecodeError;

use crate::reading::{Objection, vet};
use crate::{Code, ContentFormat, Kind, Message, MessageId, OptionNumber, OptionSet, Options, Token};

/// A request read from a stored message.
///
/// Kind, message id and token mean nothing here. Source: aSSURE 15.5.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredRequest<'a> {
    /// The method.
    pub method: Code,
    /// Path, query and format.
    pub options: Options<'a>,
    /// The body.
    pub payload: &'a [u8],
}

/// Why a stored message cannot be replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReplayable {
    /// No message.
    Malformed(DecodeError),
    /// A response, an empty message, or a reserved code.
    NotARequest(Code),
    /// A critical option that is unknown or out of range, or one that steers a transfer or names a proxy.
    Option(OptionNumber),
}

impl<'a> StoredRequest<'a> {
    /// Reads a stored message of any size.
    ///
    /// # Errors
    /// [`NotReplayable`].
    pub fn read(bytes: &'a [u8]) -> Result<Self, NotReplayable> {
        let message = Message::parse(bytes).map_err(|broken| NotReplayable::Malformed(broken.error))?;
        if !message.code.is_request() {
            return Err(NotReplayable::NotARequest(message.code));
        }
        vet(message.options, &[]).map_err(|objection| match objection {
            Objection::Option(number) => NotReplayable::Option(number),
            Objection::Proxy => NotReplayable::Option(OptionNumber::PROXY_URI),
        })?;
        for number in [OptionNumber::BLOCK1, OptionNumber::BLOCK2, OptionNumber::OBSERVE] {
            if message.options.has(number) {
                return Err(NotReplayable::Option(number));
            }
        }
        Ok(Self { method: message.code, options: message.options, payload: message.payload })
    }
}

/// Writes message number `index` of a bootstrap payload: non-confirmable, no token, the index as message id,
/// then path, format, query and body.
///
/// `path` is parted by `/`; `queries` are single arguments such as `type=1`. A request without a body has no
/// format. Source: aSSURE 15.5.4, ruling A-ASSURE-98.
#[must_use]
pub fn store_request(
    index: u16,
    method: Code,
    path: &str,
    queries: &[&str],
    format: ContentFormat,
    payload: &[u8],
) -> Vec<u8> {
    let mut options = OptionSet::new();
    options.add_path(path);
    if !payload.is_empty() {
        options.add_uint(OptionNumber::CONTENT_FORMAT, u32::from(format.0));
    }
    for query in queries {
        options.add_query(query);
    }
    let message = Message {
        kind: Kind::NonConfirmable,
        code: method,
        id: MessageId(index),
        token: Token::EMPTY,
        options: options.view(),
        payload,
    };
    message.to_bytes(usize::MAX).expect("no limit was set")
}
