//! When to try again.

use core::time::Duration;

use clock::Dice;

/// Waits that double up to a longest one, each drawn within 20 % around it.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    tries: u32,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, tries: 0 }
    }

    pub(crate) const fn reset(&mut self) {
        self.tries = 0;
    }

    /// Whether the waits have grown to their longest.
    pub(crate) fn is_longest(&self) -> bool {
        self.plain() >= self.longest
    }

    pub(crate) fn next(&mut self, dice: &mut Dice) -> Duration {
        let wait = self.plain();
        if wait < self.longest {
            self.tries += 1;
        }
        around(wait, dice).min(self.longest)
    }

    fn plain(&self) -> Duration {
        let factor = 1_u32.checked_shl(self.tries).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }
}

/// A wait within 20 % of `middle`, so that many devices do not come at once.
pub(crate) fn around(middle: Duration, dice: &mut Dice) -> Duration {
    let fifth = u64::try_from(middle.as_micros() / 5).unwrap_or(u64::MAX);
    let drawn = dice.below(fifth.saturating_mul(2).saturating_add(1));
    middle.saturating_sub(Duration::from_micros(fifth)) + Duration::from_micros(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    // verifies: ASSURE-14.7-05
    #[test]
    fn waits_double_from_thirty_seconds_to_an_hour() {
        let mut dice = Dice::numbered(1);
        let mut backoff = Backoff::new(Duration::from_secs(30), Duration::from_secs(3600));
        let middles = [30, 60, 120, 240, 480, 960, 1920, 3600, 3600];
        for middle in middles {
            let wait = backoff.next(&mut dice).as_secs_f64();
            assert!((f64::from(middle) * 0.8..=f64::from(middle) * 1.2).contains(&wait), "{middle}: {wait}");
            assert!(wait <= 3600.0);
        }
        assert!(backoff.is_longest());
        backoff.reset();
        assert!(backoff.next(&mut dice) <= Duration::from_secs(36));
    }
}
