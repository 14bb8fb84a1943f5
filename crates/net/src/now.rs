//! The one place that reads clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clock::{Moment, Now, Timestamp};

/// The clocks of this run: the monotonic scale starts when the value is made; copies share it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// Starts the monotonic scale of this run.
    #[must_use]
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Both scales now; UTC is unknown when the platform's clock stands before 1970.
    #[must_use]
    pub fn now(&self) -> Now {
        let since_start = self.origin.elapsed();
        let utc = SystemTime::now().duration_since(UNIX_EPOCH).ok();
        let utc = utc.and_then(|since| u64::try_from(since.as_millis()).ok());
        Now { moment: Moment::START + since_start, utc: utc.map(Timestamp::from_unix_millis) }
    }

    /// When a moment comes, for timers of the executor.
    #[must_use]
    pub fn instant_of(&self, moment: Moment) -> tokio::time::Instant {
        let span = Duration::from_micros(moment.as_micros());
        // A deadline past the end of the platform's scale never comes; a day away it is looked at again.
        let fallback = || Instant::now() + Duration::from_secs(86_400);
        self.origin.checked_add(span).unwrap_or_else(fallback).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_do_not_run_backwards_and_map_to_the_timers_scale() {
        let clock = Clock::start();
        let (first, second) = (clock.now(), clock.now());
        assert!(first.moment <= second.moment);
        let year_2020 = Timestamp::from_unix_millis(1_577_836_800_000);
        assert!(first.utc.is_some_and(|utc| utc > year_2020), "a host of today knows the year");
        let later = second.moment + Duration::from_secs(5);
        assert_eq!(clock.instant_of(later) - clock.instant_of(second.moment), Duration::from_secs(5));
        assert!(clock.instant_of(Moment::from_micros(u64::MAX)) > clock.instant_of(second.moment));
    }
}
