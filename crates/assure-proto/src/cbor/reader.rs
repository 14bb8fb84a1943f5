//! The strict reader.

use wire::{DecodeError, Reason};

use super::{FALSE, NULL, TRUE, major, validate};

/// What kind of item comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An integer of zero or more.
    Unsigned,
    /// An integer below zero.
    Negative,
    /// A byte string.
    Bytes,
    /// A text string.
    Text,
    /// An array.
    Array,
    /// A map.
    Map,
    /// False, true or null.
    Simple,
}

/// Reads items one after the other; a failed read takes nothing.
///
/// Offsets count from the start of the slice the reader was made for. Start with [`Reader::whole`]: it
/// checks nesting, map order and text once, so that the field reads need not.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A reader over exactly one item that was checked to be deterministic CBOR.
    ///
    /// # Errors
    /// What [`validate`] finds.
    pub fn whole(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        validate(bytes)?;
        Ok(Self { bytes, offset: 0 })
    }

    /// A reader over a sequence of items, not checked in advance.
    #[must_use]
    pub const fn sequence(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Offset of the next item.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.offset
    }

    /// The bytes from `start` up to the next item.
    ///
    /// # Panics
    /// When `start` lies ahead: callers pass a position they were given earlier.
    #[must_use]
    pub fn since(&self, start: usize) -> &'a [u8] {
        &self.bytes[start..self.offset]
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.offset == self.bytes.len()
    }

    /// `reason` at the next item.
    #[must_use]
    pub const fn error(&self, reason: Reason) -> DecodeError {
        DecodeError::new(self.offset, reason)
    }

    /// The kind of the next item; `None` at the end and for kinds that are never accepted.
    #[must_use]
    pub fn peek(&self) -> Option<Kind> {
        match self.bytes.get(self.offset)? >> 5 {
            major::UNSIGNED => Some(Kind::Unsigned),
            major::NEGATIVE => Some(Kind::Negative),
            major::BYTES => Some(Kind::Bytes),
            major::TEXT => Some(Kind::Text),
            major::ARRAY => Some(Kind::Array),
            major::MAP => Some(Kind::Map),
            major::SIMPLE => Some(Kind::Simple),
            _ => None,
        }
    }

    /// The head of an array: how many items follow.
    ///
    /// # Errors
    /// [`Reason::WrongKind`] for another item, [`Reason::Truncated`] when fewer bytes than items are left.
    pub fn array(&mut self) -> Result<usize, DecodeError> {
        self.container(major::ARRAY, 1)
    }

    /// The head of an array of exactly `count` items.
    ///
    /// # Errors
    /// As [`Reader::array`]; [`Reason::OutOfRange`] when the count is another.
    pub fn array_of(&mut self, count: usize) -> Result<(), DecodeError> {
        let start = self.offset;
        if self.array()? == count {
            return Ok(());
        }
        self.offset = start;
        Err(self.error(Reason::OutOfRange))
    }

    /// The head of a map: how many pairs follow.
    ///
    /// # Errors
    /// As [`Reader::array`].
    pub fn map(&mut self) -> Result<usize, DecodeError> {
        self.container(major::MAP, 2)
    }

    /// An unsigned integer of 64 bits.
    ///
    /// # Errors
    /// [`Reason::WrongKind`] for another item, negative integers among them.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.head(major::UNSIGNED)
    }

    /// An unsigned integer of 32 bits.
    ///
    /// # Errors
    /// As [`Reader::u64`]; [`Reason::OutOfRange`] above 2^32 - 1.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.narrow()
    }

    /// An unsigned integer of 16 bits.
    ///
    /// # Errors
    /// As [`Reader::u64`]; [`Reason::OutOfRange`] above 65,535.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.narrow()
    }

    /// An unsigned integer of 8 bits.
    ///
    /// # Errors
    /// As [`Reader::u64`]; [`Reason::OutOfRange`] above 255.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.narrow()
    }

    /// An unsigned integer that must have this value, such as a content type.
    ///
    /// # Errors
    /// As [`Reader::u64`]; [`Reason::OutOfRange`] for another value.
    pub fn constant(&mut self, value: u64) -> Result<(), DecodeError> {
        let start = self.offset;
        if self.u64()? == value {
            return Ok(());
        }
        self.offset = start;
        Err(self.error(Reason::OutOfRange))
    }

    /// A byte string.
    ///
    /// # Errors
    /// [`Reason::WrongKind`] for another item, [`Reason::Truncated`] when it reaches past the end.
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        self.string(major::BYTES)
    }

    /// A byte string of exactly `N` bytes.
    ///
    /// # Errors
    /// As [`Reader::bytes`]; [`Reason::OutOfRange`] for another length.
    pub fn bytes_of<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let start = self.offset;
        <[u8; N]>::try_from(self.bytes()?).map_err(|_| {
            self.offset = start;
            self.error(Reason::OutOfRange)
        })
    }

    /// A text string.
    ///
    /// # Errors
    /// As [`Reader::bytes`]; [`Reason::OutOfRange`] when it is not UTF-8.
    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        let start = self.offset;
        core::str::from_utf8(self.string(major::TEXT)?).map_err(|_| {
            self.offset = start;
            self.error(Reason::OutOfRange)
        })
    }

    /// False or true.
    ///
    /// # Errors
    /// [`Reason::WrongKind`] for another item.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        let value = match self.bytes.get(self.offset) {
            Some(&FALSE) => false,
            Some(&TRUE) => true,
            Some(_) => return Err(self.error(Reason::WrongKind)),
            None => return Err(self.error(Reason::Truncated)),
        };
        self.offset += 1;
        Ok(value)
    }

    /// Null.
    ///
    /// # Errors
    /// [`Reason::WrongKind`] for another item.
    pub fn null(&mut self) -> Result<(), DecodeError> {
        match self.bytes.get(self.offset) {
            Some(&NULL) => {
                self.offset += 1;
                Ok(())
            }
            Some(_) => Err(self.error(Reason::WrongKind)),
            None => Err(self.error(Reason::Truncated)),
        }
    }

    /// The next item whole, as it stands in the input, checked on its own.
    ///
    /// # Errors
    /// What [`validate`] finds in it.
    pub fn item(&mut self) -> Result<&'a [u8], DecodeError> {
        let start = self.offset;
        let mut ahead = self.clone();
        validate::skip(&mut ahead, 0)?;
        self.offset = ahead.offset;
        Ok(&self.bytes[start..self.offset])
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`Reason::Trailing`] when something is left.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.is_empty() { Ok(()) } else { Err(self.error(Reason::Trailing)) }
    }

    fn narrow<T: TryFrom<u64>>(&mut self) -> Result<T, DecodeError> {
        let start = self.offset;
        T::try_from(self.u64()?).map_err(|_| {
            self.offset = start;
            self.error(Reason::OutOfRange)
        })
    }

    /// Each item takes at least one byte, so a count above what is left is a lie that costs nothing.
    fn container(&mut self, expected: u8, items_each: usize) -> Result<usize, DecodeError> {
        let start = self.offset;
        let count = self.head(expected)?;
        let count = usize::try_from(count).ok().filter(|count| *count <= self.rest() / items_each);
        count.ok_or_else(|| {
            self.offset = start;
            self.error(Reason::Truncated)
        })
    }

    fn string(&mut self, expected: u8) -> Result<&'a [u8], DecodeError> {
        let start = self.offset;
        let length = self.head(expected)?;
        let Some(length) = usize::try_from(length).ok().filter(|length| *length <= self.rest()) else {
            self.offset = start;
            return Err(self.error(Reason::Truncated));
        };
        let content = &self.bytes[self.offset..self.offset + length];
        self.offset += length;
        Ok(content)
    }

    /// The argument of a head of major type `expected` (0 to 5).
    fn head(&mut self, expected: u8) -> Result<u64, DecodeError> {
        let Some(&initial) = self.bytes.get(self.offset) else { return Err(self.error(Reason::Truncated)) };
        if initial >> 5 != expected {
            return Err(self.error(Reason::WrongKind));
        }
        let (width, smallest) = match initial & 31 {
            number @ 0..24 => {
                self.offset += 1;
                return Ok(u64::from(number));
            }
            24 => (1, 24),
            25 => (2, 1 << 8),
            26 => (4, 1 << 16),
            27 => (8, 1 << 32),
            31 => return Err(self.error(Reason::Indefinite)),
            _ => return Err(self.error(Reason::WrongKind)),
        };
        let start = self.offset + 1;
        let Some(argument) = self.bytes.get(start..start + width) else {
            return Err(self.error(Reason::Truncated));
        };
        let number = argument.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        if number < smallest {
            return Err(self.error(Reason::NotShortest));
        }
        self.offset = start + width;
        Ok(number)
    }

    fn rest(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// Skips an integer below zero.
    pub(super) fn negative(&mut self) -> Result<(), DecodeError> {
        self.head(major::NEGATIVE).map(|_| ())
    }

    /// Skips false, true or null.
    pub(super) fn simple(&mut self) -> Result<(), DecodeError> {
        match self.bytes.get(self.offset) {
            Some(&(FALSE | TRUE | NULL)) => {
                self.offset += 1;
                Ok(())
            }
            Some(0xff) => Err(self.error(Reason::Indefinite)),
            Some(_) => Err(self.error(Reason::WrongKind)),
            None => Err(self.error(Reason::Truncated)),
        }
    }
}
