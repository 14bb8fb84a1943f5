//! Fields of packets, read and written.

use alloc::vec::Vec;
use core::num::NonZeroU16;

use super::{DecodeError, Flaw, PacketId};

/// The largest variable byte integer. Source: MQTT 5.0 section 1.5.5.
pub(crate) const VAR_INT_MAX: u32 = 268_435_455;

/// Reads fields from the front of a slice.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    base: usize,
}

impl<'a> Fields<'a> {
    /// Fields of `bytes`, which begin `base` bytes behind the start of the packet.
    pub(crate) const fn new(bytes: &'a [u8], base: usize) -> Self {
        Self { bytes, at: 0, base }
    }

    /// Offset of the next field from the start of the packet.
    pub(crate) const fn offset(&self) -> usize {
        self.base + self.at
    }

    pub(crate) const fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// `flaw` at the next field.
    pub(crate) const fn flaw(&self, flaw: Flaw) -> DecodeError {
        DecodeError { offset: self.offset(), flaw }
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        if count > self.remaining() {
            return Err(self.flaw(Flaw::Truncated));
        }
        let taken = &self.bytes[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    /// Everything that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        let taken = &self.bytes[self.at..];
        self.at = self.bytes.len();
        taken
    }

    /// The next `count` bytes as fields of their own.
    pub(crate) fn part(&mut self, count: usize) -> Result<Self, DecodeError> {
        let base = self.offset();
        self.take(count).map(|bytes| Self::new(bytes, base))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    pub(crate) fn var_int(&mut self) -> Result<u32, DecodeError> {
        let start = self.clone();
        let mut value = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let shortest = byte != 0 || shift == 0;
                return if shortest { Ok(value) } else { Err(start.flaw(Flaw::NotShortest)) };
            }
        }
        Err(start.flaw(Flaw::IntegerTooLong))
    }

    pub(crate) fn binary(&mut self) -> Result<&'a [u8], DecodeError> {
        let start = self.clone();
        let length = self.u16()?;
        self.take(usize::from(length)).inspect_err(|_| *self = start)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, DecodeError> {
        let start = self.clone();
        let bytes = self.binary()?;
        let text = core::str::from_utf8(bytes).map_err(|_| start.flaw(Flaw::NotUtf8))?;
        if bytes.contains(&0) { Err(start.flaw(Flaw::NullCharacter)) } else { Ok(text) }
    }

    pub(crate) fn packet_id(&mut self) -> Result<PacketId, DecodeError> {
        let start = self.clone();
        let number = NonZeroU16::new(self.u16()?);
        number.map(PacketId).ok_or_else(|| start.flaw(Flaw::ZeroPacketId))
    }

    pub(crate) fn finish(&self) -> Result<(), DecodeError> {
        if self.is_empty() { Ok(()) } else { Err(self.flaw(Flaw::Trailing)) }
    }
}

/// Where fields are written to: bytes, or only their number.
pub(crate) trait Sink {
    fn put(&mut self, bytes: &[u8]);

    fn u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    fn u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    /// Writes at most [`VAR_INT_MAX`].
    fn var_int(&mut self, mut value: u32) {
        assert!(value <= VAR_INT_MAX, "lengths are checked before they are written");
        while value > 0x7f {
            self.u8((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.u8(value as u8);
    }

    /// Writes at most 65,535 bytes behind their length.
    fn binary(&mut self, bytes: &[u8]) {
        self.u16(u16::try_from(bytes.len()).expect("fields are checked before they are written"));
        self.put(bytes);
    }

    fn text(&mut self, text: &str) {
        self.binary(text.as_bytes());
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Counts what would be written.
#[derive(Debug, Default)]
pub(crate) struct Length(pub(crate) usize);

impl Sink for Length {
    fn put(&mut self, bytes: &[u8]) {
        self.0 = self.0.saturating_add(bytes.len());
    }
}

/// Whether `bytes` fit behind a two-byte length.
pub(crate) const fn check_binary(bytes: &[u8]) -> Result<(), Flaw> {
    if bytes.len() <= u16::MAX as usize { Ok(()) } else { Err(Flaw::FieldTooLong) }
}

/// Whether `text` may be written as a string.
pub(crate) fn check_text(text: &str) -> Result<(), Flaw> {
    check_binary(text.as_bytes())?;
    if text.as_bytes().contains(&0) { Err(Flaw::NullCharacter) } else { Ok(()) }
}
