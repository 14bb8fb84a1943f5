//! The part of DER that enveloped data needs: single-byte tags, definite shortest lengths below 2^24.

use alloc::vec::Vec;

use wire::{Cursor, DecodeError, Reason};

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// The context-specific tag `[number]` around other elements.
pub(super) const fn constructed(number: u8) -> u8 {
    0xa0 | number
}

/// The context-specific tag `[number]` in place of a primitive one.
pub(super) const fn primitive(number: u8) -> u8 {
    0x80 | number
}

/// Low bits of a tag that announce further tag bytes; nothing here has such a tag.
const LONG_TAG: u8 = 0x1f;

/// Reads the elements inside one value; offsets of errors count from the start of the whole message.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    cursor: Cursor<'a>,
    base: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(bytes), base: 0 }
    }

    /// `reason` at the next element.
    pub(super) const fn error(&self, reason: Reason) -> DecodeError {
        self.cursor.error(reason).moved_by(self.base)
    }

    /// Whether the next element has `tag`.
    pub(super) fn next_is(&self, tag: u8) -> bool {
        self.cursor.rest().first() == Some(&tag)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.cursor.is_empty()
    }

    /// Passes over the next element, whatever it is.
    pub(super) fn skip(&mut self) -> Result<(), DecodeError> {
        let Some(tag) = self.cursor.rest().first() else { return Err(self.error(Reason::Truncated)) };
        self.inside(*tag).map(|_| ())
    }

    /// The contents of the next element, which must have `tag`.
    pub(super) fn inside(&mut self, tag: u8) -> Result<Self, DecodeError> {
        let start = self.cursor.offset();
        let at = |reason| DecodeError::new(self.base + start, reason);
        let found = self.cursor.u8().map_err(|_| at(Reason::Truncated))?;
        if found & LONG_TAG == LONG_TAG || found != tag {
            return Err(at(Reason::WrongKind));
        }
        let length = self.length()?;
        let base = self.base + self.cursor.offset();
        let contents = self.cursor.take(length).map_err(|error| error.moved_by(self.base))?;
        Ok(Self { cursor: Cursor::new(contents), base })
    }

    /// The contents of the next element as bytes.
    pub(super) fn bytes(&mut self, tag: u8) -> Result<&'a [u8], DecodeError> {
        Ok(self.inside(tag)?.cursor.rest())
    }

    /// A small INTEGER that must have exactly this value.
    pub(super) fn version(&mut self, expected: u8) -> Result<(), DecodeError> {
        let at = self.error(Reason::UnknownVersion);
        if self.bytes(INTEGER)? == [expected] { Ok(()) } else { Err(at) }
    }

    /// A BIT STRING of whole bytes.
    pub(super) fn bit_string(&mut self) -> Result<&'a [u8], DecodeError> {
        let at = self.error(Reason::OutOfRange);
        match self.bytes(BIT_STRING)? {
            [0, bytes @ ..] => Ok(bytes),
            _ => Err(at),
        }
    }

    /// Ends the reading of this value.
    pub(super) fn finish(self) -> Result<(), DecodeError> {
        let base = self.base;
        self.cursor.finish().map_err(|error| error.moved_by(base))
    }

    fn length(&mut self) -> Result<usize, DecodeError> {
        let at = self.error(Reason::NotShortest);
        let base = self.base;
        let moved = |error: DecodeError| error.moved_by(base);
        let (length, least) = match self.cursor.u8().map_err(moved)? {
            short @ 0..0x80 => return Ok(usize::from(short)),
            0x80 => return Err(DecodeError::new(at.offset, Reason::Indefinite)),
            0x81 => (usize::from(self.cursor.u8().map_err(moved)?), 0x80),
            0x82 => (usize::from(self.cursor.u16().map_err(moved)?), 0x100),
            0x83 => (self.cursor.u24().map_err(moved)? as usize, 0x1_0000),
            _ => return Err(DecodeError::new(at.offset, Reason::OverLimit)),
        };
        if length < least { Err(at) } else { Ok(length) }
    }
}

/// One element around the concatenation of `parts`.
///
/// # Panics
/// When the contents are 2^24 bytes or more: callers bound what they write.
pub(super) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let short = u32::try_from(length).ok().filter(|length| *length < 1 << 24);
    let [_, high, middle, low] = short.expect("callers bound what they write").to_be_bytes();
    let mut out = Vec::with_capacity(length + 5);
    out.push(tag);
    match length {
        0..0x80 => out.push(low),
        0x80..0x100 => out.extend([0x81, low]),
        0x100..0x1_0000 => out.extend([0x82, middle, low]),
        _ => out.extend([0x83, high, middle, low]),
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_the_shortest_both_ways() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000] {
            let contents = alloc::vec![7; length];
            let written = element(OCTET_STRING, &[&contents]);
            let mut reader = Reader::new(&written);
            assert_eq!(reader.bytes(OCTET_STRING), Ok(&contents[..]));
            assert_eq!(reader.finish(), Ok(()));
        }
    }

    #[test]
    fn other_encoding_rules_are_refused() {
        let cases: [(&[u8], usize, Reason); 8] = [
            (&[4, 0x80, 0, 0], 1, Reason::Indefinite),
            (&[4, 0x81, 1, 7], 1, Reason::NotShortest),
            (&[4, 0x82, 0, 1, 7], 1, Reason::NotShortest),
            (&[4, 0x84, 0, 0, 0, 1, 7], 1, Reason::OverLimit),
            (&[0x24, 3, 4, 1, 7], 0, Reason::WrongKind),
            (&[4, 2, 7], 2, Reason::Truncated),
            (&[4], 1, Reason::Truncated),
            (&[], 0, Reason::Truncated),
        ];
        for (bytes, offset, reason) in cases {
            let read = Reader::new(bytes).bytes(OCTET_STRING);
            assert_eq!(read, Err(DecodeError::new(offset, reason)), "{bytes:02x?}");
        }
    }
}
