//! Tickets: what lets a later session start from this one's secret.

use alloc::vec::Vec;
use core::time::Duration;

use clock::Moment;
use crypto::Secret;

use crate::{CipherSuite, PeerProof};

/// A ticket as a client keeps it, in memory only.
///
/// Bound by the caller to channel, key and owner sequence (decision M5): when one of them changes, the
/// caller drops it.
pub struct Ticket {
    pub(crate) sealed: Vec<u8>,
    pub(crate) master_secret: Secret,
    pub(crate) suite: CipherSuite,
    pub(crate) proof: PeerProof,
    pub(crate) good_until: Moment,
}

impl Ticket {
    /// When the server will have forgotten the key of this ticket.
    #[must_use]
    pub const fn good_until(&self) -> Moment {
        self.good_until
    }

    /// How the server proved itself when it gave the ticket.
    #[must_use]
    pub const fn proof(&self) -> &PeerProof {
        &self.proof
    }
}

impl core::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Ticket({:?}, {} bytes)", self.suite, self.sealed.len())
    }
}

/// Longest lifetime a client believes (RFC 5246 F.1.4 suggests a day).
pub(crate) const TICKET_DURATION_MAX: Duration = Duration::from_secs(24 * 60 * 60);
