//! The writer.

use alloc::vec::Vec;

use zeroize::Zeroize;

use super::{FALSE, NULL, TRUE, major};

/// Appends items in their shortest form; the caller writes as many as it announced, maps in order.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty output.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// The head of an array of `count` items, which the caller writes next.
    pub fn array(&mut self, count: usize) -> &mut Self {
        self.head(major::ARRAY, count as u64)
    }

    /// The head of a map of `count` pairs, which the caller writes next in canonical order of keys.
    pub fn map(&mut self, count: usize) -> &mut Self {
        self.head(major::MAP, count as u64)
    }

    /// An unsigned integer.
    pub fn uint(&mut self, value: impl Into<u64>) -> &mut Self {
        self.head(major::UNSIGNED, value.into())
    }

    /// A byte string.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.head(major::BYTES, value.len() as u64);
        self.raw(value)
    }

    /// A text string.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.head(major::TEXT, value.len() as u64);
        self.raw(value.as_bytes())
    }

    /// False or true.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.raw(&[if value { TRUE } else { FALSE }])
    }

    /// Null.
    pub fn null(&mut self) -> &mut Self {
        self.raw(&[NULL])
    }

    /// One or more items that are encoded already.
    pub fn raw(&mut self, items: &[u8]) -> &mut Self {
        let needed = self.bytes.len() + items.len();
        if needed > self.bytes.capacity() {
            self.grow(needed);
        }
        self.bytes.extend_from_slice(items);
        self
    }

    /// Moves to a larger buffer and wipes the old one: what is written may be secret.
    fn grow(&mut self, needed: usize) {
        let mut larger = Vec::with_capacity(needed.max(2 * self.bytes.capacity()));
        larger.extend_from_slice(&self.bytes);
        self.bytes.zeroize();
        self.bytes = larger;
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

    /// Gives the bytes away.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn head(&mut self, major: u8, argument: u64) -> &mut Self {
        let all = argument.to_be_bytes();
        let (info, width): (u8, usize) = match argument {
            0..24 => return self.raw(&[major << 5 | all[7]]),
            24..0x100 => (24, 1),
            0x100..0x1_0000 => (25, 2),
            0x1_0000..0x1_0000_0000 => (26, 4),
            _ => (27, 8),
        };
        self.raw(&[major << 5 | info]).raw(&all[8 - width..])
    }
}
