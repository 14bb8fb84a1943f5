//! Waits and bounds of a smart device.

use core::time::Duration;

use clock::Dice;

/// What may differ between devices; the waits are those of the profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmartSettings {
    /// Seconds between heartbeats; 30.
    pub keep_alive_secs: u16,
    /// After the n-th failure in a row the wait is n times this, give or take half; 2 s.
    /// Source: section 11.
    pub wait_unit: Duration,
    /// Events that wait at most; 256. Beyond: the oldest goes, and is counted.
    pub event_count_max: usize,
}

impl Default for SmartSettings {
    fn default() -> Self {
        Self { keep_alive_secs: 30, wait_unit: Duration::from_secs(2), event_count_max: 256 }
    }
}

/// How long a device waits that failed `failures` times in a row: so many times `unit`, give or take half, so that
/// devices of one kind do not come back together.
/// Source: section 11.
pub fn wait_after(unit: Duration, failures: u32, dice: &mut Dice) -> Duration {
    let full = unit * failures.min(FAILURE_COUNT_MAX);
    let micros = u64::try_from(full.as_micros()).unwrap_or(u64::MAX);
    // From half to one and a half times the full wait.
    Duration::from_micros(micros / 2 + dice.below(micros.saturating_add(1)))
}

/// A stream has to stand after this, TLS included.
/// Source: section 2.
pub(crate) const OPEN_TIME_MAX: Duration = Duration::from_secs(5);
/// The greeting has to come after this.
/// Source: section 12.
pub(crate) const GREETING_TIME_MAX: Duration = Duration::from_secs(10);
/// What a device waits that was told it is blocked.
/// Source: section 11.
pub(crate) const BLOCKED_WAIT: Duration = Duration::from_secs(3600);
/// The longest wait that an unproven answer may name.
pub(crate) const HINTED_WAIT_MAX: Duration = Duration::from_secs(3600);
/// Failures in a row beyond this make the wait no longer.
pub(crate) const FAILURE_COUNT_MAX: u32 = 60;
/// Connections to an access service without a greeting before the device runs the profile anew.
/// Source: section 14.
pub(crate) const RECONNECT_COUNT_MAX: u32 = 4;
/// How long an operation of the platform is waited for.
pub(crate) const CALL_TIME_MAX: Duration = Duration::from_secs(30);
/// Orders that the application has not answered; one more is answered with a failure.
pub(crate) const ORDER_COUNT_MAX: usize = 64;
/// Answers that the access service has not acknowledged; the oldest goes for one more.
pub(crate) const ANSWER_COUNT_MAX: usize = 256;
/// Own calls that wait; one more is refused.
pub(crate) const CALL_COUNT_MAX: usize = 16;
/// Attributes of a device and its children; one more is refused.
pub(crate) const ATTRIBUTE_COUNT_MAX: usize = 4096;
/// Pairs of Seq and Ts that are remembered.
/// Source: section 13.
pub(crate) const PAIR_COUNT_MAX: usize = 1024;
