//! Serials: the names of devices.

use alloc::vec::Vec;

/// The serial of a device: 1 to 71 visible ASCII bytes, none of `"`, `#`, `+`, `/` and `\`, since it stands
/// in JSON and in topics.
/// Source: OSAP secure profile section 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial(Vec<u8>);

impl Serial {
    /// The serial of these bytes; `None` when they make none.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let is_long_enough = (1..=71).contains(&bytes.len());
        (is_long_enough && bytes.iter().all(|&byte| stands_in_topics(byte))).then(|| Self(bytes.to_vec()))
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn stands_in_topics(byte: u8) -> bool {
    (0x21..=0x7E).contains(&byte) && !b"\"#+/\\".contains(&byte)
}

/// The name of an access service: as a serial, without `:`, at most 63 bytes.
/// Source: OSAP secure profile section 7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerId(Vec<u8>);

impl ServerId {
    /// The name of these bytes; `None` when they make none.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let is_long_enough = (1..=63).contains(&bytes.len());
        let is_plain = bytes.iter().all(|&byte| stands_in_topics(byte) && byte != b':');
        (is_long_enough && is_plain).then(|| Self(bytes.to_vec()))
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A device id: 32 lower-case hexadecimal digits, as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Devid([u8; 32]);

impl Devid {
    /// The id of this text; `None` when it is none.
    #[must_use]
    pub fn new(text: &[u8]) -> Option<Self> {
        let digits = <[u8; 32]>::try_from(text).ok()?;
        digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')).then_some(Self(digits))
    }

    /// The id that 16 random bytes make.
    #[must_use]
    pub fn from_random(random: [u8; 16]) -> Self {
        let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
        Self(core::array::from_fn(|at| {
            digit(if at % 2 == 0 { random[at / 2] >> 4 } else { random[at / 2] & 0x0F })
        }))
    }

    /// Its text.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}
