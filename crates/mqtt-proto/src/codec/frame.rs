//! Cutting a stream into packets.

use alloc::vec::Vec;

use super::{DecodeError, Flaw};

/// Bytes of the largest packet there can be: five of fixed header and 268,435,455.
pub const PACKET_SIZE_MAX: usize = 268_435_460;
/// Memory that the framer keeps between packets.
const KEPT_CAPACITY_MAX: usize = 4096;

/// One whole packet, not yet looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Type and flags.
    pub(crate) first: u8,
    /// Bytes of the fixed header.
    pub(crate) header_size: usize,
    /// What follows the fixed header.
    pub(crate) body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The packet that begins at the first of `bytes`; `None` when it does not end in them.
    ///
    /// # Errors
    /// [`DecodeError`] when no packet begins so, or one of more than `size_max` bytes.
    pub fn first_of(bytes: &'a [u8], size_max: usize) -> Result<Option<Self>, DecodeError> {
        let Some(header) = Header::read(bytes, size_max)? else { return Ok(None) };
        let body = bytes.get(header.size..header.size + header.body_size);
        Ok(body.map(|body| Self { first: bytes[0], header_size: header.size, body }))
    }

    /// The number of the packet's type.
    pub(crate) const fn kind_number(&self) -> u8 {
        self.first >> 4
    }

    /// Bytes of the packet.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.header_size + self.body.len()
    }
}

struct Header {
    size: usize,
    body_size: usize,
}

impl Header {
    /// `None` when it does not end in `bytes`.
    fn read(bytes: &[u8], size_max: usize) -> Result<Option<Self>, DecodeError> {
        let mut body_size = 0;
        for (at, shift) in [(1, 0), (2, 7), (3, 14), (4, 21)] {
            let Some(byte) = bytes.get(at) else { return Ok(None) };
            body_size |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 != 0 {
                continue;
            }
            if *byte == 0 && shift > 0 {
                return Err(DecodeError { offset: 1, flaw: Flaw::NotShortest });
            }
            let size = at + 1;
            if size + body_size > size_max {
                return Err(DecodeError { offset: 1, flaw: Flaw::TooLarge });
            }
            return Ok(Some(Self { size, body_size }));
        }
        Err(DecodeError { offset: 1, flaw: Flaw::IntegerTooLong })
    }
}

/// Takes a stream in pieces of any size and gives whole packets.
///
/// A packet that lies whole in one piece is lent from there; only what spans pieces is copied. Memory grows with
/// what has arrived, never with what was announced, and never beyond `size_max`: a larger packet is refused at
/// its fixed header.
#[derive(Debug)]
pub struct Framer {
    partial: Vec<u8>,
    /// Whether `partial` was lent as a whole packet.
    is_lent: bool,
    size_max: usize,
}

impl Framer {
    /// A framer for packets of at most `size_max` bytes.
    #[must_use]
    pub const fn new(size_max: usize) -> Self {
        Self { partial: Vec::new(), is_lent: false, size_max }
    }

    /// Changes how large packets may be, from the next one on.
    pub(crate) const fn set_size_max(&mut self, size_max: usize) {
        self.size_max = size_max;
    }

    /// Bytes of a packet that has not arrived whole.
    #[must_use]
    pub const fn partial_size(&self) -> usize {
        if self.is_lent { 0 } else { self.partial.len() }
    }

    /// Takes the next packet off the front of what arrived, `input`; `None` when all of it is taken in.
    ///
    /// # Errors
    /// [`DecodeError`] when what arrives is no packet or too large a one. The stream cannot be read any further.
    pub fn next<'f, 'i: 'f>(&'f mut self, input: &mut &'i [u8]) -> Result<Option<Frame<'f>>, DecodeError> {
        if self.is_lent {
            self.partial.clear();
            self.partial.shrink_to(KEPT_CAPACITY_MAX);
            self.is_lent = false;
        }
        if self.partial.is_empty() {
            let whole = Frame::first_of(input, self.size_max)?;
            if let Some(frame) = whole {
                *input = &input[frame.size()..];
                return Ok(Some(frame));
            }
        }
        loop {
            let missing = match Header::read(&self.partial, self.size_max)? {
                None => 1,
                Some(header) => header.size + header.body_size - self.partial.len(),
            };
            if missing == 0 {
                break;
            }
            if input.is_empty() {
                return Ok(None);
            }
            let (taken, rest) = input.split_at(missing.min(input.len()));
            self.partial.extend_from_slice(taken);
            *input = rest;
        }
        self.is_lent = true;
        Frame::first_of(&self.partial, self.size_max)
    }
}
