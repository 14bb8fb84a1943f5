//! How much of the audit log is kept.

use clock::Now;
use minicbor::{Decode, Encode};
use store::{Batch, Decision, Operation, Range, ReadSet, Snapshot};

use crate::spaces::{AUDIT, all_of};

/// Entries that one [`TrimAudit`] removes at most.
pub const AUDIT_TRIM_PAGE: usize = 256;

/// What happens when the audit log is full.
/// Source: `004` 6.2.6 c; ruling A-SECDEV-12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum AuditMode {
    /// The oldest entries make room.
    #[n(0)]
    Ring,
    /// Nothing more is recorded, and whoever looks is warned.
    #[n(1)]
    StopAndWarn,
}

/// What is kept of the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditPolicy {
    /// Whether there is one.
    pub is_on: bool,
    /// When it is full.
    pub mode: AuditMode,
    /// Full is so many entries.
    pub limit: u32,
}

impl AuditPolicy {
    /// Whether an entry about `operation` is kept when `kept` are there. That the log was switched off or on
    /// always is: the first is the last entry (ruling A-SECDEV-11).
    #[must_use]
    pub fn keeps(self, kept: u64, operation: &str) -> bool {
        let room = match self.mode {
            AuditMode::Ring => true,
            AuditMode::StopAndWarn => kept < u64::from(self.limit),
        };
        matches!(operation, "audit.on" | "audit.off") || (self.is_on && room)
    }

    /// How many of the oldest entries are to go when `kept` are there.
    #[must_use]
    pub fn excess(self, kept: u64) -> u64 {
        match self.mode {
            AuditMode::Ring => kept.saturating_sub(u64::from(self.limit)),
            AuditMode::StopAndWarn => 0,
        }
    }

    /// Whether four fifths of the log are full.
    #[must_use]
    pub fn warns(self, kept: u64) -> bool {
        kept.saturating_mul(5) >= u64::from(self.limit).saturating_mul(4)
    }
}

/// Removes the oldest entries of the audit log.
#[derive(Clone, Copy, Debug)]
pub struct TrimAudit {
    /// So many, at most [`AUDIT_TRIM_PAGE`] at once.
    pub count: usize,
}

impl TrimAudit {
    fn range(self) -> Range {
        all_of(AUDIT, self.count.min(AUDIT_TRIM_PAGE))
    }
}

impl Operation for TrimAudit {
    /// How many went.
    type Reply = usize;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default().with_range(self.range())
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<usize, ()> {
        let mut batch = Batch::default();
        for (key, _) in &snapshot.page(&self.range()).records {
            batch.delete(key.clone());
        }
        let reply = batch.writes.len();
        Decision::Done { batch, reply, effects: alloc::vec::Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // verifies: SECDEV-6.2.6-c, SECDEV-6.2.6-a1
    #[test]
    fn a_full_log_makes_room_or_stops_and_says_so_at_four_fifths() {
        let ring = AuditPolicy { is_on: true, mode: AuditMode::Ring, limit: 100 };
        assert!(ring.keeps(100, "login"));
        assert_eq!((ring.excess(100), ring.excess(103)), (0, 3));
        assert_eq!((ring.warns(79), ring.warns(80)), (false, true));
        let stop = AuditPolicy { mode: AuditMode::StopAndWarn, ..ring };
        assert_eq!((stop.keeps(99, "login"), stop.keeps(100, "login")), (true, false));
        assert_eq!(stop.excess(500), 0, "nothing old is lost");
        let off = AuditPolicy { is_on: false, ..stop };
        assert!(!off.keeps(0, "login"));
        assert!(off.keeps(100, "audit.off") && off.keeps(100, "audit.on"));
    }
}
