//! Time and chance as arguments: no machine of Thingstead reads a clock or draws a number by itself.
//!
//! [`Moment`] orders events inside one run and is never stored; [`Timestamp`] is UTC, may be unknown and
//! may be stored; [`Now`] carries both into every input. [`Deadlines`] says when to wake up, [`Dice`]
//! draws from a seed that the edge handed in.
#![no_std]
extern crate alloc;

mod deadlines;
mod dice;
mod moment;
mod timestamp;

pub use deadlines::Deadlines;
pub use dice::Dice;
pub use moment::Moment;
pub use timestamp::{ASSURE_EPOCH_UNIX_SECS, Timestamp};

/// What an input knows about time when it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Position on the monotonic scale of this run.
    pub moment: Moment,
    /// UTC, when the platform knows it.
    pub utc: Option<Timestamp>,
}

impl Now {
    /// Both scales known.
    #[must_use]
    pub const fn new(moment: Moment, utc: Timestamp) -> Self {
        Self { moment, utc: Some(utc) }
    }

    /// A platform without a clock that was ever set.
    #[must_use]
    pub const fn without_utc(moment: Moment) -> Self {
        Self { moment, utc: None }
    }
}
