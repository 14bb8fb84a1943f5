//! Two clocks: the one that judges images, and the one that the owner may set.

use core::time::Duration;

use assure_proto::{PreciseTime, SimpleTime, TimeSource, TimeTrust};
use clock::{Moment, Now, Timestamp};

/// The device's idea of UTC.
///
/// What an owner tells never reaches the platform's clock, so it cannot make the next owner's image look
/// expired; it ends with the ownership and with the power.
/// Source: TS-H4 over rulings A-ASSURE-24, A-ASSURE-89, A-ASSURE-90.
#[derive(Debug)]
pub(crate) struct DeviceClock {
    platform: TimeSource,
    told: Option<(Moment, Timestamp)>,
}

impl DeviceClock {
    pub(crate) const fn new(platform: TimeSource) -> Self {
        Self { platform, told: None }
    }

    /// For images and the keys in their header.
    pub(crate) fn for_images(&self, now: Now) -> TimeTrust {
        simple(now.utc).map_or(TimeTrust::Unknown, |time| TimeTrust::for_images(self.platform, time))
    }

    /// For keys that the present owner pushes.
    pub(crate) fn for_pushed_keys(&self, now: Now) -> TimeTrust {
        if let Some(time) = simple(self.told_now(now)) {
            return TimeTrust::for_pushed_keys(TimeSource::Owner, time);
        }
        simple(now.utc).map_or(TimeTrust::Unknown, |time| TimeTrust::for_pushed_keys(self.platform, time))
    }

    /// Takes over what a management system told; half the round trip has passed since. Tells whether the
    /// clock went back by more than a second.
    pub(crate) fn tell(&mut self, time: PreciseTime, round_trip: Duration, now: Now) -> bool {
        let late = u64::try_from((round_trip / 2).as_millis()).unwrap_or(u64::MAX);
        let told = Timestamp::from_unix_millis(time.timestamp().as_unix_millis().saturating_add(late));
        let before = self.told_now(now).map_or(0, Timestamp::as_unix_millis);
        self.told = Some((now.moment, told));
        before > told.as_unix_millis().saturating_add(1000)
    }

    /// The owner's time goes with the owner.
    pub(crate) const fn forget_owner(&mut self) {
        self.told = None;
    }

    /// UTC as an application may use it.
    pub(crate) fn utc(&self, now: Now) -> Option<Timestamp> {
        self.told_now(now).or(now.utc)
    }

    fn told_now(&self, now: Now) -> Option<Timestamp> {
        let (at, told) = self.told?;
        let since = u64::try_from(now.moment.since(at).as_millis()).unwrap_or(u64::MAX);
        Some(Timestamp::from_unix_millis(told.as_unix_millis().saturating_add(since)))
    }
}

fn simple(utc: Option<Timestamp>) -> Option<SimpleTime> {
    utc.and_then(SimpleTime::from_timestamp)
}
