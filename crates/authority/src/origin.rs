//! The time of a decision; where a command came from is the same for every role.

use clock::{Now, Timestamp};

pub use ledger::Origin;

/// Servers have clocks; one that does not know the time serves nobody.
pub(crate) fn utc(now: Now) -> Option<Timestamp> {
    now.utc
}
