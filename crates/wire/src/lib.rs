//! Reading a peer's bytes and writing ours, both with a bound.
//!
//! [`Cursor`] never panics and never reads past the end; each failure is a [`DecodeError`] with the offset
//! at which it happened. [`Builder`] refuses to grow past its limit.
#![no_std]
extern crate alloc;

mod builder;
mod cursor;

pub use builder::{Builder, Full, Hole};
pub use cursor::Cursor;

/// What is wrong with a peer's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Offset in bytes from the start of the item that was decoded.
    pub offset: usize,
    /// What is wrong there.
    pub reason: Reason,
}

/// Why bytes could not be decoded. Formats with reasons of their own wrap this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The bytes end inside an item.
    Truncated,
    /// Bytes follow the last item.
    Trailing,
    /// A length, count or depth is over its stated limit.
    OverLimit,
    /// A value is not of the kind that stands here.
    WrongKind,
    /// A value has the right kind but is outside its range.
    OutOfRange,
    /// The same key, option or extension stands twice.
    Repeated,
    /// A longer encoding than necessary, where the shortest is required.
    NotShortest,
    /// An indefinite length, where a definite one is required.
    Indefinite,
    /// A version or format number that is not known here.
    UnknownVersion,
}

impl DecodeError {
    /// `reason` at `offset`.
    #[must_use]
    pub const fn new(offset: usize, reason: Reason) -> Self {
        Self { offset, reason }
    }

    /// The same error seen from an enclosing item that starts `base` bytes earlier.
    #[must_use]
    pub const fn moved_by(self, base: usize) -> Self {
        Self { offset: self.offset + base, reason: self.reason }
    }
}

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let reason = match self.reason {
            Reason::Truncated => "truncated",
            Reason::Trailing => "trailing bytes",
            Reason::OverLimit => "over limit",
            Reason::WrongKind => "wrong kind",
            Reason::OutOfRange => "out of range",
            Reason::Repeated => "repeated",
            Reason::NotShortest => "not the shortest encoding",
            Reason::Indefinite => "indefinite length",
            Reason::UnknownVersion => "unknown version",
        };
        write!(f, "{reason} at byte {}", self.offset)
    }
}

impl core::error::Error for DecodeError {}
