//! A bounded writer of big-endian fields.

use alloc::vec::Vec;

/// The output would grow past its limit; nothing of the refused field was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Appends big-endian fields to a vector up to a limit in bytes.
#[derive(Clone, Debug)]
pub struct Builder {
    bytes: Vec<u8>,
    limit: usize,
}

/// The place of a length field whose value is not known yet.
#[derive(Debug)]
#[must_use]
pub struct Hole {
    at: usize,
    width: usize,
}

impl Builder {
    /// An empty output that holds at most `limit` bytes.
    #[must_use]
    pub const fn with_limit(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit }
    }

    /// Bytes written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// [`Full`] when the limit would be passed.
    pub fn put(&mut self, bytes: &[u8]) -> Result<&mut Self, Full> {
        if bytes.len() > self.limit - self.bytes.len() {
            return Err(Full);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(self)
    }

    /// Appends one byte.
    ///
    /// # Errors
    /// [`Full`] at the limit.
    pub fn u8(&mut self, value: u8) -> Result<&mut Self, Full> {
        self.put(&[value])
    }

    /// Appends two bytes.
    ///
    /// # Errors
    /// [`Full`] at the limit.
    pub fn u16(&mut self, value: u16) -> Result<&mut Self, Full> {
        self.put(&value.to_be_bytes())
    }

    /// Appends four bytes.
    ///
    /// # Errors
    /// [`Full`] at the limit.
    pub fn u32(&mut self, value: u32) -> Result<&mut Self, Full> {
        self.put(&value.to_be_bytes())
    }

    /// Appends `bytes` behind their one-byte length.
    ///
    /// # Errors
    /// [`Full`] at the limit, or when the length does not fit its field.
    pub fn vec8(&mut self, bytes: &[u8]) -> Result<&mut Self, Full> {
        self.u8(u8::try_from(bytes.len()).map_err(|_| Full)?)?.put(bytes)
    }

    /// Appends `bytes` behind their two-byte length.
    ///
    /// # Errors
    /// [`Full`] at the limit, or when the length does not fit its field.
    pub fn vec16(&mut self, bytes: &[u8]) -> Result<&mut Self, Full> {
        self.u16(u16::try_from(bytes.len()).map_err(|_| Full)?)?.put(bytes)
    }

    /// Appends `bytes` behind their three-byte length.
    ///
    /// # Errors
    /// [`Full`] at the limit, or when the length does not fit its field.
    pub fn vec24(&mut self, bytes: &[u8]) -> Result<&mut Self, Full> {
        let hole = self.open(3)?;
        self.put(bytes)?;
        self.close(hole)?;
        Ok(self)
    }

    /// Leaves room for a length field of `width` bytes (1 to 4), to be filled by [`Builder::close`].
    ///
    /// # Errors
    /// [`Full`] at the limit.
    pub fn open(&mut self, width: usize) -> Result<Hole, Full> {
        assert!((1..=4).contains(&width), "length fields have 1 to 4 bytes");
        let at = self.bytes.len();
        self.put(&[0; 4][..width])?;
        Ok(Hole { at, width })
    }

    /// Writes into `hole` how many bytes follow it.
    ///
    /// # Errors
    /// [`Full`] when that count does not fit the field.
    pub fn close(&mut self, hole: Hole) -> Result<(), Full> {
        let start = hole.at + hole.width;
        let count = u32::try_from(self.bytes.len() - start).map_err(|_| Full)?.to_be_bytes();
        let (head, tail) = count.split_at(4 - hole.width);
        if head.iter().any(|byte| *byte != 0) {
            return Err(Full);
        }
        self.bytes[hole.at..start].copy_from_slice(tail);
        Ok(())
    }

    /// What was written.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Gives the bytes away.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_filled_in_afterwards() {
        let mut out = Builder::with_limit(16);
        let hole = out.open(3).unwrap();
        out.u16(0x0102).unwrap().vec8(&[7]).unwrap();
        out.close(hole).unwrap();
        assert_eq!(out.finish(), [0, 0, 4, 1, 2, 1, 7]);
    }

    #[test]
    fn the_limit_holds_and_refusals_write_nothing() {
        let mut out = Builder::with_limit(3);
        out.u16(1).unwrap();
        assert_eq!(out.u16(2).err(), Some(Full));
        assert_eq!(out.as_slice(), [0, 1]);
        assert_eq!(out.u8(3).map(|b| b.len()), Ok(3));
        assert!(Builder::with_limit(1024).vec8(&[0; 256]).is_err(), "256 does not fit one byte");
    }
}
