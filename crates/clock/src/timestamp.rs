//! UTC as it is stored and sent.

/// Seconds between 1970-01-01 and 2010-01-01 UTC, where aSSURE timestamps start.
/// Source: aSSURE 7.11.1.
pub const ASSURE_EPOCH_UNIX_SECS: u64 = 1_262_304_000;

/// A point in UTC, in milliseconds since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The point `millis` milliseconds after 1970-01-01 UTC.
    #[must_use]
    pub const fn from_unix_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn as_unix_millis(self) -> u64 {
        self.0
    }

    /// The point of an aSSURE simple timestamp: seconds since 2010-01-01 UTC.
    #[must_use]
    pub const fn from_assure_secs(secs: u32) -> Self {
        Self((ASSURE_EPOCH_UNIX_SECS + secs as u64) * 1000)
    }

    /// Whole seconds since 2010-01-01 UTC; `None` before that day or after the last 32-bit second.
    #[must_use]
    pub fn as_assure_secs(self) -> Option<u32> {
        (self.0 / 1000).checked_sub(ASSURE_EPOCH_UNIX_SECS).and_then(|secs| u32::try_from(secs).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // verifies: ASSURE-7.11.1-01
    #[test]
    fn assure_seconds_start_in_2010() {
        assert_eq!(Timestamp::from_unix_millis(1_262_304_000_000).as_assure_secs(), Some(0));
        assert_eq!(Timestamp::from_unix_millis(1_262_303_999_999).as_assure_secs(), None);
        assert_eq!(Timestamp::from_assure_secs(5).as_unix_millis(), 1_262_304_005_000);
        assert_eq!(Timestamp::from_assure_secs(u32::MAX).as_assure_secs(), Some(u32::MAX));
    }
}
