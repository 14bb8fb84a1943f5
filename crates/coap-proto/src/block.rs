//! Blocks of bodies that do not fit one message.

use crate::options::uint_bytes;

/// Size of a block: 16 to 1024 bytes in powers of two.
///
/// Source: RFC 7959 section 2.2. Size exponent 7 is reserved over datagrams and never becomes a value here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockSize(u8);

impl BlockSize {
    /// 16 bytes.
    pub const SMALLEST: Self = Self(0);
    /// 1024 bytes.
    pub const LARGEST: Self = Self(6);

    /// The size with this exponent (0 to 6).
    #[must_use]
    pub const fn from_exponent(exponent: u8) -> Option<Self> {
        if exponent <= 6 { Some(Self(exponent)) } else { None }
    }

    /// The largest size of at most `bytes` bytes; `None` below 16.
    #[must_use]
    pub fn within(bytes: usize) -> Option<Self> {
        (0..=6).rev().map(Self).find(|size| size.bytes() <= bytes)
    }

    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        16 << self.0
    }

    /// The exponent on the wire (SZX).
    #[must_use]
    pub const fn exponent(self) -> u8 {
        self.0
    }
}

/// The value of a Block1 or Block2 option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Index of the block in units of `size`, below 2^20.
    pub number: u32,
    /// Whether more blocks follow.
    pub more: bool,
    /// Size of every block but the last.
    pub size: BlockSize,
}

/// A block option that cannot be: longer than three bytes, or with the reserved size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadBlock;

impl Block {
    /// Reads an option value.
    ///
    /// # Errors
    /// [`BadBlock`].
    pub fn decode(value: &[u8]) -> Result<Self, BadBlock> {
        if value.len() > 3 {
            return Err(BadBlock);
        }
        let bits = value.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
        let size = BlockSize::from_exponent((bits & 7) as u8).ok_or(BadBlock)?;
        Ok(Self { number: bits >> 4, more: bits & 8 != 0, size })
    }

    /// The option value; `None` when the number has more than 20 bits.
    #[must_use]
    pub fn encode(&self) -> Option<BlockValue> {
        if self.number >= 1 << 20 {
            return None;
        }
        let bits = self.number << 4 | u32::from(self.more) << 3 | u32::from(self.size.0);
        let (bytes, start) = uint_bytes(bits);
        Some(BlockValue { bytes, start })
    }

    /// Offset of the block's first byte in the body.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.number as usize * self.size.bytes()
    }

    /// The block of `size` that starts at `offset`, which is a multiple of that size.
    pub(crate) fn at(offset: usize, size: BlockSize, more: bool) -> Option<Self> {
        let number = u32::try_from(offset / size.bytes()).ok().filter(|number| *number < 1 << 20)?;
        Some(Self { number, more, size })
    }
}

/// The encoded form of a [`Block`].
#[derive(Clone, Copy, Debug)]
pub struct BlockValue {
    bytes: [u8; 4],
    start: usize,
}

impl BlockValue {
    /// The option value.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}
