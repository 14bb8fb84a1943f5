//! Message ids that are not used twice within their lifetime.

use core::time::Duration;

use clock::Moment;

use crate::MessageId;

const SEGMENT_BITS: u32 = 13;

/// Counts through the 65,536 ids of one association and stops rather than use one again too early.
///
/// Remembers the last use of each eighth of the ids, which costs at most an eighth of the rate.
/// Source: RFC 7252 section 4.4.
#[derive(Debug)]
pub(crate) struct MessageIds {
    next: u16,
    /// Second of the last use of each segment, plus one; zero: never used.
    used: [u32; 8],
}

impl MessageIds {
    pub(crate) const fn starting_at(next: u16) -> Self {
        Self { next, used: [0; 8] }
    }

    /// The next id, or `None` while it may still be remembered by the peer.
    pub(crate) fn take(&mut self, now: Moment, lifetime: Duration) -> Option<MessageId> {
        let second = u32::try_from(now.as_micros() / 1_000_000).unwrap_or(u32::MAX - 1);
        let segment = usize::from(self.next >> SEGMENT_BITS);
        let enters = self.next.trailing_zeros() >= SEGMENT_BITS;
        let lifetime_secs = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
        let free_at = self.used[segment].saturating_add(lifetime_secs);
        if enters && self.used[segment] != 0 && second < free_at {
            return None;
        }
        self.used[segment] = second + 1;
        let id = MessageId(self.next);
        self.next = self.next.wrapping_add(1);
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // verifies: RFC7252-4.4
    #[test]
    fn an_id_is_not_used_again_within_its_lifetime() {
        let lifetime = Duration::from_secs(247);
        let mut ids = MessageIds::starting_at(100);
        let start = Moment::START;
        let given = (0..=u16::MAX).map_while(|_| ids.take(start, lifetime)).count();
        assert!((57_000..=65_536).contains(&given), "most ids can be used, none twice: {given}");
        assert_eq!(ids.take(start + Duration::from_secs(246), lifetime), None);
        assert!(ids.take(start + Duration::from_secs(249), lifetime).is_some());
    }
}
