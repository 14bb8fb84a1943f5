//! How much a face keeps for its peers, and what happens beyond.

use std::time::Duration;

/// What bounds a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntranceLimits {
    /// Associations in all, handshakes included. Beyond: hellos are dropped; honest clients repeat them.
    pub association_count_max: usize,
    /// Handshakes under way. Beyond: as above.
    pub handshake_count_max: usize,
    /// Handshakes under way with one IPv4 address or IPv6 network of 64 bits. Beyond: as above.
    pub handshakes_per_net_max: usize,
    /// A handshake that takes longer, answers of the owner included, is given up.
    pub handshake_duration_max: Duration,
    /// Questions to the owner that wait for an answer. Beyond: the handshake is forgotten without a word, and
    /// the client's next hello starts a new one.
    pub look_up_count_max: usize,
    /// A question that waits longer counts as not asked: its handshake is forgotten without a word.
    pub look_up_duration_max: Duration,
    /// An association over which nothing came for so long is closed.
    pub idle_duration_max: Duration,
    /// An association is closed at this age, whatever it carries; `None`: never.
    pub session_duration_max: Option<Duration>,
}

/// What a face counted since it was made. Saturating.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Peers that proved themselves.
    pub admitted: u64,
    /// Handshakes refused with access_denied.
    pub denied: u64,
    /// Of those, handshakes in which a name and a key did not belong together.
    pub mismatched: u64,
    /// Handshakes forgotten because too many questions were open.
    pub look_ups_over_limit: u64,
    /// Handshakes forgotten because the owner did not answer in time.
    pub look_ups_late: u64,
    /// Sessions that a ticket resumed.
    pub resumed: u64,
    /// Requests answered "busy" because the owner did not take their event.
    pub requests_refused: u64,
}

impl Counters {
    pub(crate) const fn add(counter: &mut u64) {
        *counter = counter.saturating_add(1);
    }
}
