//! Messages in wire form: one checking pass in, one buffer out.
//!
//! ```text
//!  Ver(2)=1 Type(2) TKL(4) | Code(8) | Message ID(16) | Token(0..8) | Options.. | [FF Payload]
//! ```
//! Source: RFC 7252 section 3.

use alloc::vec::Vec;

use wire::{Cursor, DecodeError, Full, Reason};

use crate::options::OptionHead;
use crate::{Code, Kind, MessageId, OptionNumber, Options, Token};

/// A message that borrows the bytes it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// What the message layer does with it.
    pub kind: Kind,
    /// Method, response code, or empty.
    pub code: Code,
    /// Name of the message.
    pub id: MessageId,
    /// Ties responses to requests.
    pub token: Token,
    /// Options in ascending order.
    pub options: Options<'a>,
    /// Everything behind the payload marker; empty when there is none.
    pub payload: &'a [u8],
}

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong and where.
    pub error: DecodeError,
    /// Kind and name, when the first four bytes are those of this version: a confirmable message that is
    /// broken further on is answered with a reset.
    pub header: Option<(Kind, MessageId)>,
}

impl<'a> Message<'a> {
    /// Reads one message that fills `bytes`. There is no upper limit on its size.
    ///
    /// # Errors
    /// [`Malformed`] with `UnknownVersion`, `OutOfRange` (token length 9 to 15, option number above
    /// 65,535), `WrongKind` (option nibble 15), `Trailing` (bytes behind an empty message) or `Truncated`
    /// (also: a payload marker with nothing behind it).
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(bytes);
        let noise = |error| Malformed { error, header: None };
        let first = cursor.u8().map_err(noise)?;
        if first >> 6 != 1 {
            return Err(noise(DecodeError::new(0, Reason::UnknownVersion)));
        }
        let kind = Kind::from_bits(first >> 4);
        let code = Code::from_byte(cursor.u8().map_err(noise)?);
        let id = MessageId(cursor.u16().map_err(noise)?);
        let broken = |error| Malformed { error, header: Some((kind, id)) };
        if code == Code::EMPTY {
            if first & 15 != 0 {
                return Err(broken(DecodeError::new(0, Reason::OutOfRange)));
            }
            cursor.finish().map_err(broken)?;
            return Ok(Self { kind, code, id, token: Token::EMPTY, options: Options::NONE, payload: &[] });
        }
        if first & 15 > 8 {
            return Err(broken(DecodeError::new(0, Reason::OutOfRange)));
        }
        let token = cursor.take(usize::from(first & 15)).map_err(broken)?;
        let token = Token::new(token).expect("at most 8 bytes were taken");
        let options = Options::read(&mut cursor).map_err(broken)?;
        let mut payload = &[][..];
        if !cursor.is_empty() {
            cursor.u8().map_err(broken)?;
            payload = cursor.rest();
            if payload.is_empty() {
                return Err(broken(cursor.error(Reason::Truncated)));
            }
        }
        Ok(Self { kind, code, id, token, options, payload })
    }

    /// The message in wire form, at most `size_max` bytes.
    ///
    /// # Errors
    /// [`Full`] when it would be longer.
    pub fn to_bytes(&self, size_max: usize) -> Result<Vec<u8>, Full> {
        let mut writer = MessageWriter::begin(self.kind, self.code, self.id, self.token, size_max)?;
        for (number, value) in self.options.iter() {
            writer.option(number, value)?;
        }
        writer.finish(self.payload)
    }
}

/// Writes one message, options in ascending order, into a buffer with a limit.
#[derive(Debug)]
pub struct MessageWriter {
    out: Vec<u8>,
    size_max: usize,
    last: u16,
}

impl MessageWriter {
    /// Starts a message of at most `size_max` bytes.
    ///
    /// # Errors
    /// [`Full`] when not even header and token fit.
    pub fn begin(kind: Kind, code: Code, id: MessageId, token: Token, size_max: usize) -> Result<Self, Full> {
        let token = token.as_bytes();
        if 4 + token.len() > size_max {
            return Err(Full);
        }
        let mut out = Vec::with_capacity(size_max.min(64));
        let [high, low] = id.0.to_be_bytes();
        out.extend_from_slice(&[1 << 6 | kind.bits() << 4 | token.len() as u8, code.byte(), high, low]);
        out.extend_from_slice(token);
        Ok(Self { out, size_max, last: 0 })
    }

    /// Appends an option whose number is not lower than the one before.
    ///
    /// # Errors
    /// [`Full`] when the limit would be passed; the message is then of no use.
    pub fn option(&mut self, number: OptionNumber, value: &[u8]) -> Result<(), Full> {
        self.out.extend_from_slice(OptionHead::new(self.last, number, value.len()).as_bytes());
        self.out.extend_from_slice(value);
        self.last = number.0;
        if self.out.len() > self.size_max { Err(Full) } else { Ok(()) }
    }

    /// Appends a whole set of options, behind no other.
    ///
    /// # Errors
    /// As [`MessageWriter::option`].
    pub(crate) fn only_options(&mut self, options: Options<'_>) -> Result<(), Full> {
        assert!(self.last == 0, "no option was written before");
        self.out.extend_from_slice(options.encoded());
        if self.out.len() > self.size_max { Err(Full) } else { Ok(()) }
    }

    /// Bytes written so far.
    #[must_use]
    pub fn size(&self) -> usize {
        self.out.len()
    }

    /// Ends the message with `payload`, which may be empty.
    ///
    /// # Errors
    /// [`Full`] when the limit would be passed.
    pub fn finish(mut self, payload: &[u8]) -> Result<Vec<u8>, Full> {
        if !payload.is_empty() {
            if payload.len() >= self.size_max - self.out.len() {
                return Err(Full);
            }
            self.out.reserve_exact(1 + payload.len());
            self.out.push(0xff);
            self.out.extend_from_slice(payload);
        }
        Ok(self.out)
    }
}

/// An empty message: acknowledgement, reset or ping.
pub(crate) fn empty(kind: Kind, id: MessageId) -> Vec<u8> {
    let [high, low] = id.0.to_be_bytes();
    alloc::vec![1 << 6 | kind.bits() << 4, 0, high, low]
}
