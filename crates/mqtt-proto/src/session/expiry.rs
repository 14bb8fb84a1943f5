//! How long a message has left.

use clock::Moment;

/// What is left of a message's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remaining {
    /// It has no end.
    Unlimited,
    /// Seconds; what [`crate::Publication::expiry_secs`] is when it is sent now.
    Secs(u32),
    /// It is over: a copy that was not sent yet is not sent any more.
    Over,
}

/// Counts down the life of a waiting message. Source: MQTT 5.0 section 3.3.2.3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Countdown {
    began: Moment,
    expiry_secs: Option<u32>,
}

impl Countdown {
    /// Starts when the message arrives.
    #[must_use]
    pub const fn start(expiry_secs: Option<u32>, now: Moment) -> Self {
        Self { began: now, expiry_secs }
    }

    /// What is left at `now`; seconds that have not passed whole are not taken off.
    #[must_use]
    pub fn remaining(&self, now: Moment) -> Remaining {
        let Some(secs) = self.expiry_secs else { return Remaining::Unlimited };
        let waited = now.since(self.began).as_secs();
        match u64::from(secs).checked_sub(waited).and_then(|left| u32::try_from(left).ok()) {
            Some(left) if left > 0 => Remaining::Secs(left),
            _ => Remaining::Over,
        }
    }
}
