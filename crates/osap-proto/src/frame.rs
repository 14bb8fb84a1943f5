//! Messages in the byte stream: byte 0, a length of one to four bytes, a body.
//!
//! Source: OSAP secure profile section 2.

use alloc::vec::Vec;

/// The version that begins every payload of this profile: form, low, high.
pub const VERSION: [u8; 3] = [0x01, 0x10, 0x00];
/// The version of an answer with result 20 or 21.
pub(crate) const VERSION_OF_MISMATCH: [u8; 3] = [0x01, 0x02, 0x00];

/// Bytes that may wait in an [`Inlet`] while they are no whole message, or while nobody takes them.
const WAITING_SIZE_MAX: usize = 4096;
/// A length has at most so many bytes.
const VARINT_SIZE_MAX: usize = 4;

/// What a message is, in the order of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// H1-I: the device's offer.
    First,
    /// H1-II: the answer of the load balancer.
    Second,
    /// H1-III: the device's proof.
    Third,
    /// H1-V: the proof was not taken.
    Fifth,
    /// Record 72: the device asks for its device id.
    AskDevid,
    /// Record 82: device id and ticket.
    Devid,
    /// Record 92: both are stored.
    Stored,
    /// Record A2: the device asks for an access service.
    AskDas,
    /// Record B2: the access service.
    Das,
}

impl MessageKind {
    /// Byte 0 of the message.
    #[must_use]
    pub const fn byte0(self) -> u8 {
        match self {
            Self::First => 0x1A,
            Self::Second => 0x2A,
            Self::Third => 0x32,
            Self::Fifth => 0x52,
            Self::AskDevid => 0x72,
            Self::Devid => 0x82,
            Self::Stored => 0x92,
            Self::AskDas => 0xA2,
            Self::Das => 0xB2,
        }
    }

    /// The kind with this byte 0. 42 and 62 mean nothing here, nor does any other.
    #[must_use]
    pub const fn from_byte0(byte0: u8) -> Option<Self> {
        Some(match byte0 {
            0x1A => Self::First,
            0x2A => Self::Second,
            0x32 => Self::Third,
            0x52 => Self::Fifth,
            0x72 => Self::AskDevid,
            0x82 => Self::Devid,
            0x92 => Self::Stored,
            0xA2 => Self::AskDas,
            0xB2 => Self::Das,
            _ => return None,
        })
    }

    /// The longest body, in bytes.
    #[must_use]
    pub const fn body_size_max(self) -> usize {
        match self {
            Self::First | Self::Second => 256,
            Self::Third => 128,
            Self::Fifth => 16,
            Self::AskDevid | Self::Devid | Self::Stored | Self::AskDas | Self::Das => RECORD_BODY_SIZE_MAX,
        }
    }
}

/// The longest body of a record, in bytes.
pub(crate) const RECORD_BODY_SIZE_MAX: usize = 2048;

/// Why a connection is closed unanswered already by its framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// A length of more than four bytes.
    LengthTooLong,
    /// A length with more bytes than it needs.
    LengthNotShortest,
    /// A body over the limit of its message.
    BodyOverLimit,
    /// More bytes wait than a peer has any reason to send ahead.
    TooFarAhead,
}

/// One whole message, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    bytes: &'a [u8],
    head_size: usize,
}

impl<'a> Frame<'a> {
    /// Reads the message at the start of `bytes`; `None` when more bytes have to come.
    ///
    /// What kind the message is, and whether it is known, is not judged; unknown ones have the limit of
    /// records, so that they can be told to be out of order.
    ///
    /// # Errors
    /// See [`FrameError`]; as soon as the bytes show it, not when all have come.
    pub fn read(bytes: &'a [u8]) -> Result<Option<Self>, FrameError> {
        let Some((&byte0, rest)) = bytes.split_first() else { return Ok(None) };
        let mut length = 0_usize;
        for (place, &part) in rest.iter().take(VARINT_SIZE_MAX).enumerate() {
            length |= usize::from(part & 0x7F) << (7 * place);
            if part & 0x80 == 0 {
                if place > 0 && part == 0 {
                    return Err(FrameError::LengthNotShortest);
                }
                let limit =
                    MessageKind::from_byte0(byte0).map_or(RECORD_BODY_SIZE_MAX, MessageKind::body_size_max);
                if length > limit {
                    return Err(FrameError::BodyOverLimit);
                }
                let head_size = 2 + place;
                return Ok(bytes.get(..head_size + length).map(|bytes| Self { bytes, head_size }));
            }
        }
        if rest.len() >= VARINT_SIZE_MAX { Err(FrameError::LengthTooLong) } else { Ok(None) }
    }

    /// What it is, when it is anything.
    #[must_use]
    pub fn kind(&self) -> Option<MessageKind> {
        MessageKind::from_byte0(self.bytes[0])
    }

    /// All of it, from byte 0 on.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Byte 0 and the length.
    #[must_use]
    pub fn head(&self) -> &'a [u8] {
        &self.bytes[..self.head_size]
    }

    /// What follows them.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        &self.bytes[self.head_size..]
    }
}

/// Byte 0 and the length of a body of `body_size` bytes.
pub(crate) fn head_of(kind: MessageKind, body_size: usize) -> Vec<u8> {
    assert!(body_size <= kind.body_size_max(), "callers bound what they write");
    let mut head = Vec::with_capacity(4 + body_size);
    head.push(kind.byte0());
    let mut left = body_size;
    while left >= 0x80 {
        head.push((left & 0x7F) as u8 | 0x80);
        left >>= 7;
    }
    head.push(left as u8);
    head
}

/// One message from its body.
pub(crate) fn framed(kind: MessageKind, body: &[u8]) -> Vec<u8> {
    let mut bytes = head_of(kind, body.len());
    bytes.extend_from_slice(body);
    bytes
}

/// The receiving end of a byte stream, cut into messages.
///
/// Holds at most 4096 bytes behind the last whole message that was taken; a peer that sends more is closed.
#[derive(Debug, Default)]
pub struct Inlet {
    waiting: Vec<u8>,
}

impl Inlet {
    /// An inlet without bytes.
    #[must_use]
    pub const fn new() -> Self {
        Self { waiting: Vec::new() }
    }

    /// Adds a segment of any size.
    ///
    /// # Errors
    /// [`FrameError::TooFarAhead`] when more would wait than is kept.
    pub fn push(&mut self, segment: &[u8]) -> Result<(), FrameError> {
        if segment.len() > WAITING_SIZE_MAX - self.waiting.len() {
            return Err(FrameError::TooFarAhead);
        }
        self.waiting.extend_from_slice(segment);
        Ok(())
    }

    /// Whether the next message is of this kind, or none began.
    pub(crate) fn begins_with(&self, kind: MessageKind) -> bool {
        self.waiting.first().is_none_or(|&byte0| byte0 == kind.byte0())
    }

    /// Takes the next whole message, all its bytes.
    ///
    /// # Errors
    /// As [`Frame::read`].
    pub fn take(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let Some(frame) = Frame::read(&self.waiting)? else { return Ok(None) };
        let size = frame.bytes().len();
        Ok(Some(self.waiting.drain(..size).collect()))
    }
}
