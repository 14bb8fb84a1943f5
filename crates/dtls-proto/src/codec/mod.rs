//! Handshake messages as bytes.
//!
//! `type(1) length(3) message_seq(2) fragment_offset(3) fragment_length(3) body`
//! Source: RFC 6347 section 4.2.2.

pub(crate) mod certificate;
pub(crate) mod client_hello;
pub(crate) mod extensions;
pub(crate) mod key_exchange;
pub(crate) mod peer_name;
pub(crate) mod server_hello;
pub(crate) mod session_ticket;
pub(crate) mod verify_request;

use alloc::vec::Vec;

use wire::{Cursor, DecodeError, Reason};

pub(crate) const MESSAGE_HEADER_LENGTH: usize = 12;

/// No handshake message we write is longer.
pub(crate) const MESSAGE_LIMIT: usize = 1 << 16;

/// What a handshake message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageType {
    HelloRequest,
    ClientHello,
    ServerHello,
    HelloVerifyRequest,
    NewSessionTicket,
    Certificate,
    ServerKeyExchange,
    CertificateRequest,
    ServerHelloDone,
    CertificateVerify,
    ClientKeyExchange,
    Finished,
}

impl MessageType {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::HelloRequest => 0,
            Self::ClientHello => 1,
            Self::ServerHello => 2,
            Self::HelloVerifyRequest => 3,
            Self::NewSessionTicket => 4,
            Self::Certificate => 11,
            Self::ServerKeyExchange => 12,
            Self::CertificateRequest => 13,
            Self::ServerHelloDone => 14,
            Self::CertificateVerify => 15,
            Self::ClientKeyExchange => 16,
            Self::Finished => 20,
        }
    }

    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::HelloRequest),
            1 => Some(Self::ClientHello),
            2 => Some(Self::ServerHello),
            3 => Some(Self::HelloVerifyRequest),
            4 => Some(Self::NewSessionTicket),
            11 => Some(Self::Certificate),
            12 => Some(Self::ServerKeyExchange),
            13 => Some(Self::CertificateRequest),
            14 => Some(Self::ServerHelloDone),
            15 => Some(Self::CertificateVerify),
            16 => Some(Self::ClientKeyExchange),
            20 => Some(Self::Finished),
            _ => None,
        }
    }
}

/// A fragment of a handshake message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fragment<'a> {
    /// The type's number; unknown ones matter only when their turn comes.
    pub(crate) code: u8,
    pub(crate) length: usize,
    pub(crate) message_seq: u16,
    pub(crate) offset: usize,
    pub(crate) body: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// Reads the next fragment of a record.
    ///
    /// # Errors
    /// When the bytes end inside it, or it reaches past the end of its message.
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        let code = cursor.u8()?;
        let length = cursor.u24()? as usize;
        let message_seq = cursor.u16()?;
        let offset = cursor.u24()? as usize;
        let fragment_length = cursor.u24()? as usize;
        if offset + fragment_length > length {
            return Err(cursor.error(Reason::OutOfRange));
        }
        Ok(Self { code, length, message_seq, offset, body: cursor.take(fragment_length)? })
    }

    /// Whether it is all of its message.
    pub(crate) const fn is_whole(&self) -> bool {
        self.offset == 0 && self.body.len() == self.length
    }
}

/// Appends a fragment with its header.
pub(crate) fn push_fragment(
    out: &mut Vec<u8>,
    code: u8,
    message_seq: u16,
    message: &[u8],
    range: core::ops::Range<usize>,
) {
    let u24 = |value: usize| {
        let value = u32::try_from(value).expect("our messages are limited to 2^16 bytes");
        let [_, a, b, c] = value.to_be_bytes();
        [a, b, c]
    };
    out.push(code);
    out.extend_from_slice(&u24(message.len()));
    out.extend_from_slice(&message_seq.to_be_bytes());
    out.extend_from_slice(&u24(range.start));
    out.extend_from_slice(&u24(range.len()));
    out.extend_from_slice(&message[range]);
}

/// The 16-bit numbers of a list; its length in bytes must be even.
pub(crate) fn u16_list(bytes: &[u8]) -> Result<Vec<u16>, DecodeError> {
    if !bytes.len().is_multiple_of(2) {
        return Err(DecodeError::new(bytes.len(), Reason::Truncated));
    }
    Ok(bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect())
}

/// Writes 16-bit numbers one after another.
pub(crate) fn u16_bytes(list: impl IntoIterator<Item = u16>) -> Vec<u8> {
    list.into_iter().flat_map(u16::to_be_bytes).collect()
}
