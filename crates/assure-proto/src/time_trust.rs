//! Whose clock counts.

use crate::time::SimpleTime;

/// Where a device's idea of UTC came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeSource {
    /// A clock that was never set in this power cycle and has no battery.
    Never,
    /// Set at the factory and kept by a battery since.
    Factory,
    /// A server whose key a class 1 key signed, or a confirmed class 3 server.
    Authority,
    /// An authenticated party of class 2 or lower: the owner, a peer.
    Owner,
    /// Somebody at the device.
    ByHand,
}

/// The time by which signatures are judged.
///
/// Source: TS-H4 over ruling A-ASSURE-24.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeTrust {
    /// Not known, or not from a source that counts here: limits in time are not enforced.
    Unknown,
    /// Known.
    Trusted(SimpleTime),
}

impl TimeTrust {
    /// For images and the keys in their header: an owner who sets the clock far ahead must not make the
    /// next owner's image look expired.
    #[must_use]
    pub const fn for_images(source: TimeSource, now: SimpleTime) -> Self {
        match source {
            TimeSource::Factory | TimeSource::Authority => Self::Trusted(now),
            TimeSource::Never | TimeSource::Owner | TimeSource::ByHand => Self::Unknown,
        }
    }

    /// For keys that the present owner pushes: any authenticated source counts.
    #[must_use]
    pub const fn for_pushed_keys(source: TimeSource, now: SimpleTime) -> Self {
        match source {
            TimeSource::Factory | TimeSource::Authority | TimeSource::Owner => Self::Trusted(now),
            TimeSource::Never | TimeSource::ByHand => Self::Unknown,
        }
    }

    /// The time, when it is known.
    #[must_use]
    pub const fn now(self) -> Option<SimpleTime> {
        match self {
            Self::Unknown => None,
            Self::Trusted(now) => Some(now),
        }
    }
}
