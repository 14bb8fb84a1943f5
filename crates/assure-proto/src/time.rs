//! Timestamps: seconds since 2010, and seconds with a fraction.
//!
//! Source: aSSURE 7.11; both values are unsigned 32-bit integers (decision LOW on A-ASSURE-23).

use alloc::vec::Vec;

use clock::Timestamp;
use wire::DecodeError;

use crate::cbor::{Reader, Writer};

/// A simple timestamp: whole seconds since 2010-01-01 00:00 UTC, up to February 2146.
///
/// Source: aSSURE 7.11.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimpleTime {
    /// Seconds since 2010-01-01 00:00 UTC.
    pub secs: u32,
}

impl SimpleTime {
    /// The second in which `time` lies; `None` outside the years the format reaches.
    #[must_use]
    pub fn from_timestamp(time: Timestamp) -> Option<Self> {
        time.as_assure_secs().map(|secs| Self { secs })
    }

    /// The start of the second.
    #[must_use]
    pub const fn timestamp(self) -> Timestamp {
        Timestamp::from_assure_secs(self.secs)
    }

    /// Writes one INTEGER.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut out = Writer::new();
        out.uint(self.secs);
        out.finish()
    }

    /// Reads one INTEGER.
    ///
    /// # Errors
    /// [`DecodeError`] on anything else, negatives and numbers above 32 bits among them.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::whole(bytes)?;
        let secs = reader.u32()?;
        reader.finish()?;
        Ok(Self { secs })
    }
}

/// A precision timestamp: a simple one and the fraction of its second in units of 2^-32 s (about 233 ps).
///
/// Source: aSSURE 7.11.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PreciseTime {
    /// Seconds since 2010-01-01 00:00 UTC.
    pub secs: u32,
    /// Fraction of the second, in 2^-32 s.
    pub frac: u32,
}

impl PreciseTime {
    /// The timestamp of `time`; `None` outside the years the format reaches.
    ///
    /// The fraction is rounded up, so that [`PreciseTime::timestamp`] gives the same millisecond back.
    #[must_use]
    pub fn from_timestamp(time: Timestamp) -> Option<Self> {
        let millis = time.as_unix_millis() % 1000;
        let frac = u32::try_from((millis << 32).div_ceil(1000)).expect("millis are below 1000");
        time.as_assure_secs().map(|secs| Self { secs, frac })
    }

    /// The millisecond in which the point lies.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        let millis = (u64::from(self.frac) * 1000) >> 32;
        Timestamp::from_unix_millis(Timestamp::from_assure_secs(self.secs).as_unix_millis() + millis)
    }

    /// Writes an ARRAY of two INTEGERs.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut out = Writer::new();
        out.array(2).uint(self.secs).uint(self.frac);
        out.finish()
    }

    /// Reads an ARRAY of two INTEGERs.
    ///
    /// # Errors
    /// [`DecodeError`] on anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::whole(bytes)?;
        reader.array_of(2)?;
        let time = Self { secs: reader.u32()?, frac: reader.u32()? };
        reader.finish()?;
        Ok(time)
    }
}
