//! Options of a message: a borrowed view and an owned set, both in wire form.

use core::fmt;

use wire::{Cursor, DecodeError, Reason};

use crate::short_bytes::ShortBytes;
use crate::{ContentFormat, OptionNumber};

/// Options of a received message, checked once, read without allocation.
///
/// Ascending numbers; equal numbers keep their order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Options<'a> {
    encoded: &'a [u8],
}

impl<'a> Options<'a> {
    /// No options.
    pub const NONE: Options<'static> = Options { encoded: &[] };

    /// Reads options up to the payload marker or the end and leaves the cursor before the marker.
    ///
    /// # Errors
    /// A nibble of 15, a value past the end, or a number above 65,535.
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        let start = cursor.rest();
        let before = cursor.offset();
        let mut number = 0_u32;
        while let Some(first) = cursor.rest().first() {
            if *first == 0xff {
                break;
            }
            let at = cursor.offset();
            let delta = match short(cursor.rest()) {
                Some((delta, value)) => {
                    cursor.take(1 + value.len())?;
                    delta
                }
                None => take_long(cursor)?.0,
            };
            number += delta;
            if number > u32::from(u16::MAX) {
                return Err(DecodeError::new(at, Reason::OutOfRange));
            }
        }
        Ok(Self { encoded: &start[..cursor.offset() - before] })
    }

    /// All options in order.
    #[must_use]
    pub fn iter(&self) -> OptionIter<'a> {
        OptionIter { rest: self.encoded, number: 0 }
    }

    /// The values of every option with this number, in order.
    pub fn all(&self, number: OptionNumber) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let from_there = self.iter().skip_while(move |(next, _)| *next < number);
        from_there.take_while(move |(next, _)| *next == number).map(|(_, value)| value)
    }

    /// The value of the first option with this number.
    #[must_use]
    pub fn first(&self, number: OptionNumber) -> Option<&'a [u8]> {
        let (found, value) = self.iter().find(|(next, _)| *next >= number)?;
        (found == number).then_some(value)
    }

    /// Whether an option with this number is there.
    #[must_use]
    pub fn has(&self, number: OptionNumber) -> bool {
        self.first(number).is_some()
    }

    /// The first option with this number as a number; absent when its value is longer than the option allows.
    #[must_use]
    pub fn uint(&self, number: OptionNumber) -> Option<u32> {
        number.uint(self.first(number)?)
    }

    /// Segments of the path asked for, raw.
    pub fn path(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.all(OptionNumber::URI_PATH)
    }

    /// Arguments of the query, raw, such as `type=1`.
    pub fn queries(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.all(OptionNumber::URI_QUERY)
    }

    /// The value behind `name=` in the query; empty when the name stands alone.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&'a [u8]> {
        self.queries().find_map(|query| {
            let rest = query.strip_prefix(name.as_bytes())?;
            match rest.first() {
                None => Some(rest),
                Some(b'=') => Some(&rest[1..]),
                Some(_) => None,
            }
        })
    }

    /// The format of the payload, when given.
    #[must_use]
    pub fn content_format(&self) -> Option<ContentFormat> {
        self.uint(OptionNumber::CONTENT_FORMAT).and_then(|n| u16::try_from(n).ok()).map(ContentFormat)
    }

    /// The format the client wants, when given.
    #[must_use]
    pub fn accept(&self) -> Option<ContentFormat> {
        self.uint(OptionNumber::ACCEPT).and_then(|n| u16::try_from(n).ok()).map(ContentFormat)
    }

    /// The first entity tag.
    #[must_use]
    pub fn etag(&self) -> Option<&'a [u8]> {
        self.first(OptionNumber::ETAG).filter(|tag| OptionNumber::ETAG.allows_length(tag.len()))
    }

    /// Seconds of freshness; 60 when not given. Source: RFC 7252 section 5.10.5.
    #[must_use]
    pub fn max_age_secs(&self) -> u32 {
        self.uint(OptionNumber::MAX_AGE).unwrap_or(60)
    }

    /// The options in wire form.
    #[must_use]
    pub const fn encoded(&self) -> &'a [u8] {
        self.encoded
    }

    /// A copy that lives on.
    #[must_use]
    pub fn to_owned_set(&self) -> OptionSet {
        let last = self.iter().last().map_or(0, |(number, _)| number.0);
        self.to_set_ending_in(last)
    }

    /// A copy without the options that `leaves_out` names.
    pub(crate) fn without(self, leaves_out: impl Fn(OptionNumber) -> bool) -> OptionSet {
        let mut kept = OptionSet::new();
        for (number, value) in self.iter().filter(|(number, _)| !leaves_out(*number)) {
            kept.append(number, value);
        }
        kept
    }

    /// A copy that lives on, when the number of the last option is known.
    pub(crate) fn to_set_ending_in(self, last: u16) -> OptionSet {
        OptionSet { encoded: self.encoded.into(), last }
    }
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(number, value)| (number.0, value))).finish()
    }
}

/// Delta and value of an option at the front of `bytes` whose head is one byte, as nearly all are.
#[inline]
fn short(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (head, rest) = bytes.split_first()?;
    let (delta, length) = (head >> 4, usize::from(head & 15));
    if delta > 12 || length > 12 {
        return None;
    }
    Some((u32::from(delta), rest.get(..length)?))
}

/// Delta and value of any option.
fn take_long<'a>(cursor: &mut Cursor<'a>) -> Result<(u32, &'a [u8]), DecodeError> {
    let byte = cursor.u8()?;
    let delta = extended(cursor, byte >> 4)?;
    let length = extended(cursor, byte & 15)?;
    Ok((delta, cursor.take(length as usize)?))
}

/// Number behind a nibble, with its extension bytes.
fn extended(cursor: &mut Cursor<'_>, nibble: u8) -> Result<u32, DecodeError> {
    match nibble {
        13 => Ok(u32::from(cursor.u8()?) + 13),
        14 => Ok(u32::from(cursor.u16()?) + 269),
        15 => Err(cursor.error(Reason::WrongKind)),
        small => Ok(u32::from(small)),
    }
}

/// Walks over the options of a checked view.
#[derive(Clone, Debug)]
pub struct OptionIter<'a> {
    rest: &'a [u8],
    number: u32,
}

impl<'a> Iterator for OptionIter<'a> {
    type Item = (OptionNumber, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let value = match short(self.rest) {
            Some((delta, value)) => {
                self.number += delta;
                self.rest = self.rest.get(1 + value.len()..)?;
                value
            }
            None => {
                let mut cursor = Cursor::new(self.rest);
                let (delta, value) = take_long(&mut cursor).ok()?;
                self.number += delta;
                self.rest = cursor.rest();
                value
            }
        };
        Some((OptionNumber(u16::try_from(self.number).ok()?), value))
    }
}

/// Options to be sent, or kept from a received message: one buffer in wire form.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OptionSet {
    encoded: ShortBytes,
    last: u16,
}

impl OptionSet {
    /// No options.
    #[must_use]
    pub const fn new() -> Self {
        Self { encoded: ShortBytes::new(), last: 0 }
    }

    /// Adds an option behind those of lower or equal number.
    ///
    /// `value` has at most 65,535 bytes.
    pub fn add(&mut self, number: OptionNumber, value: &[u8]) -> &mut Self {
        if number.0 >= self.last {
            self.append(number, value);
            return self;
        }
        let mut sorted = Self::new();
        let mut pending = Some((number, value));
        for (next, next_value) in self.view().iter() {
            if let Some((number, value)) = pending.take_if(|(number, _)| *number < next) {
                sorted.append(number, value);
            }
            sorted.append(next, next_value);
        }
        *self = sorted;
        self
    }

    fn append(&mut self, number: OptionNumber, value: &[u8]) {
        self.encoded.extend(OptionHead::new(self.last, number, value.len()).as_bytes());
        self.encoded.extend(value);
        self.last = number.0;
    }

    /// Adds a numeric option in its shortest form.
    pub fn add_uint(&mut self, number: OptionNumber, value: u32) -> &mut Self {
        let (bytes, start) = uint_bytes(value);
        self.add(number, &bytes[start..])
    }

    /// Adds the segments of `path`, which are parted by `/`; a leading one is passed over.
    pub fn add_path(&mut self, path: &str) -> &mut Self {
        let path = path.strip_prefix('/').unwrap_or(path);
        if !path.is_empty() {
            path.split('/').for_each(|segment| {
                self.add(OptionNumber::URI_PATH, segment.as_bytes());
            });
        }
        self
    }

    /// Adds one argument of the query, such as `type=1`.
    pub fn add_query(&mut self, query: &str) -> &mut Self {
        self.add(OptionNumber::URI_QUERY, query.as_bytes())
    }

    /// Removes every option with this number.
    pub fn remove(&mut self, number: OptionNumber) {
        if self.view().has(number) {
            *self = self.view().without(|next| next == number);
        }
    }

    /// Reads the set.
    #[must_use]
    pub fn view(&self) -> Options<'_> {
        Options { encoded: self.encoded.as_slice() }
    }
}

impl fmt::Debug for OptionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

/// Big-endian bytes of `value` and where its shortest form starts.
pub(crate) fn uint_bytes(value: u32) -> ([u8; 4], usize) {
    (value.to_be_bytes(), (value.leading_zeros() / 8) as usize)
}

/// What stands before the value of an option.
pub(crate) struct OptionHead {
    bytes: [u8; 5],
    count: usize,
}

impl OptionHead {
    /// The head of an option with a value of `length` bytes behind the option `last`.
    #[inline]
    pub(crate) fn new(last: u16, number: OptionNumber, length: usize) -> Self {
        assert!(number.0 >= last, "options are written in ascending order");
        let delta = usize::from(number.0 - last);
        if delta <= 12 && length <= 12 {
            return Self { bytes: [(delta << 4 | length) as u8, 0, 0, 0, 0], count: 1 };
        }
        let (delta_nibble, delta, delta_start) = split(delta);
        let (length_nibble, length, length_start) = split(length);
        let mut head = Self { bytes: [delta_nibble << 4 | length_nibble, 0, 0, 0, 0], count: 1 };
        for byte in delta[delta_start..].iter().chain(&length[length_start..]) {
            head.bytes[head.count] = *byte;
            head.count += 1;
        }
        head
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.count]
    }
}

/// Nibble and extension bytes of an option delta or length.
fn split(value: usize) -> (u8, [u8; 2], usize) {
    match value {
        0..=12 => (value as u8, [0; 2], 2),
        13..=268 => (13, [0, (value - 13) as u8], 1),
        _ => {
            let extension = u16::try_from(value - 269).expect("option values are shorter than 64 KiB");
            (14, extension.to_be_bytes(), 0)
        }
    }
}
