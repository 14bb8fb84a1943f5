//! A bounded reader of big-endian fields.

use crate::{DecodeError, Reason};

/// Reads fields from the front of a slice; numbers are big-endian.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the first byte.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Bytes read so far.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// What has not been read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.offset..]
    }

    /// Whether everything has been read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.offset == self.bytes.len()
    }

    /// The error `reason` at the present offset.
    #[must_use]
    pub const fn error(&self, reason: Reason) -> DecodeError {
        DecodeError::new(self.offset, reason)
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`Reason::Truncated`] when fewer remain.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.offset.checked_add(count).filter(|end| *end <= self.bytes.len());
        let Some(end) = end else { return Err(self.error(Reason::Truncated)) };
        let taken = &self.bytes[self.offset..end];
        self.offset = end;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`Reason::Truncated`] when fewer remain.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`Reason::Truncated`] at the end.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Two bytes.
    ///
    /// # Errors
    /// [`Reason::Truncated`] when fewer remain.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Three bytes.
    ///
    /// # Errors
    /// [`Reason::Truncated`] when fewer remain.
    pub fn u24(&mut self) -> Result<u32, DecodeError> {
        self.array().map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    /// Four bytes.
    ///
    /// # Errors
    /// [`Reason::Truncated`] when fewer remain.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Six bytes.
    ///
    /// # Errors
    /// [`Reason::Truncated`] when fewer remain.
    pub fn u48(&mut self) -> Result<u64, DecodeError> {
        self.array().map(|[a, b, c, d, e, f]| u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// [`Reason::Truncated`] when fewer remain.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A vector behind a one-byte length.
    ///
    /// # Errors
    /// [`Reason::Truncated`] when the length reaches past the end.
    pub fn vec8(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.u8()?;
        self.take(usize::from(length))
    }

    /// A vector behind a two-byte length.
    ///
    /// # Errors
    /// [`Reason::Truncated`] when the length reaches past the end.
    pub fn vec16(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    /// A vector behind a three-byte length.
    ///
    /// # Errors
    /// [`Reason::Truncated`] when the length reaches past the end.
    pub fn vec24(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.u24()?;
        self.take(length as usize)
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`Reason::Trailing`] when bytes remain.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.is_empty() { Ok(()) } else { Err(self.error(Reason::Trailing)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_big_endian_and_bounded() {
        let mut cursor = Cursor::new(&[1, 0, 2, 0, 0, 3, 2, 9, 8, 7]);
        assert_eq!(cursor.u8(), Ok(1));
        assert_eq!(cursor.u16(), Ok(2));
        assert_eq!(cursor.u24(), Ok(3));
        assert_eq!(cursor.vec8(), Ok(&[9, 8][..]));
        assert_eq!(cursor.u16(), Err(DecodeError::new(9, Reason::Truncated)), "a failed read takes nothing");
        assert_eq!(cursor.clone().finish(), Err(DecodeError::new(9, Reason::Trailing)));
        assert_eq!(cursor.u8(), Ok(7));
        assert_eq!(cursor.finish(), Ok(()));
    }

    #[test]
    fn a_length_past_the_end_is_truncated() {
        for bytes in [&[5, 1][..], &[0][..], &[]] {
            assert_eq!(Cursor::new(bytes).vec16().map_err(|e| e.reason), Err(Reason::Truncated));
        }
        assert_eq!(Cursor::new(&[0; 4]).take(usize::MAX).map_err(|e| e.reason), Err(Reason::Truncated));
    }
}
