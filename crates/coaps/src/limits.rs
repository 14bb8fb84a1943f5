//! How much the machine keeps, and what it counted.

use core::time::Duration;

/// What bounds the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoapsLimits {
    /// Associations in all, those being set up included. Beyond: strangers' hellos are dropped, and
    /// [`crate::Coaps::connect`] refuses.
    pub association_count_max: usize,
    /// Associations being set up by strangers. Beyond: their hellos are dropped; honest clients repeat.
    pub rising_count_max: usize,
    /// Of those, associations that strangers of one net ([`crate::Address::net`]) are setting up. Beyond: as
    /// above. A party that answers from its address can hold as many slots, and no more.
    pub rising_per_net_max: usize,
    /// An association that carried nothing for so long is closed.
    pub idle_duration_max: Duration,
}

impl Default for CoapsLimits {
    /// 200,000 associations, 4,096 being set up, 512 of them by one net, closed after a day of silence.
    fn default() -> Self {
        Self {
            association_count_max: 200_000,
            rising_count_max: 4096,
            rising_per_net_max: 512,
            idle_duration_max: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// What happened since the machine was made. Saturating.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams from addresses without an association that were no acceptable hello.
    pub strangers: u64,
    /// Hellos dropped because a limit was reached.
    pub over_limit: u64,
    /// Associations that were connected.
    pub connected: u64,
    /// Messages that did not fit one record, and were dropped.
    pub too_long: u64,
}
