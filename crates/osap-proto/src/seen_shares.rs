//! Shares that a load balancer saw.

use alloc::collections::{BTreeSet, VecDeque};

use crate::messages::SHARE_SIZE;

/// How many are kept; the oldest goes first.
const COUNT_MAX: usize = 65_536;

/// A point, as short as it can be: its x coordinate and the last bit of y.
type Point = [u8; 33];

/// The last 65,536 shares of devices, whoever sent them: a device with poor chance, or a replayed offer,
/// shows by a share that was seen.
/// Source: OSAP secure profile section 4.
#[derive(Debug, Default)]
pub struct SeenShares {
    order: VecDeque<Point>,
    points: BTreeSet<Point>,
}

impl SeenShares {
    /// Nothing was seen.
    #[must_use]
    pub const fn new() -> Self {
        Self { order: VecDeque::new(), points: BTreeSet::new() }
    }

    /// Notes a share; `false` when it was seen before.
    pub(crate) fn note(&mut self, share: &[u8; SHARE_SIZE]) -> bool {
        let mut point = [0; 33];
        point[0] = share[SHARE_SIZE - 1] & 1;
        point[1..].copy_from_slice(&share[1..33]);
        if !self.points.insert(point) {
            return false;
        }
        self.order.push_back(point);
        if self.order.len() > COUNT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.points.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_65536_shares_are_known_again_and_no_more() {
        let mut seen = SeenShares::new();
        let share = |number: u32| {
            let mut share = [0; SHARE_SIZE];
            share[20..24].copy_from_slice(&number.to_be_bytes());
            share
        };
        for number in 0..=65_536 {
            assert!(seen.note(&share(number)));
        }
        assert!(!seen.note(&share(1)), "the oldest that is kept");
        assert!(!seen.note(&share(65_536)));
        assert!(seen.note(&share(0)), "forgotten");
        assert!(seen.note(&share(1)), "and with it the next one");
        let mut mirrored = share(65_536);
        mirrored[64] = 1;
        assert!(seen.note(&mirrored), "another y is another point");
    }
}
