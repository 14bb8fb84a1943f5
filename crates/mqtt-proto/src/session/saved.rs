//! What a session keeps between connections.

use alloc::vec::Vec;

use super::Publication;
use crate::PacketId;

/// A message of QoS 1 or 2 that the peer has not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unacknowledged {
    /// It is sent again with the same.
    pub id: PacketId,
    /// What is sent.
    pub publication: Publication,
}

/// The state of deliveries in both directions: what one end stores of a session beside its subscriptions.
///
/// Given to the next connection it makes QoS 1 arrive at least once and QoS 2 exactly once.
/// Source: MQTT 5.0 section 4.1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedSession {
    /// Sent or about to be, in the order of sending.
    pub unacknowledged: Vec<Unacknowledged>,
    /// Of QoS 2, with the peer but not at their end, in the order of its answers: PUBREL is sent again.
    pub unreleased: Vec<PacketId>,
    /// Of QoS 2 from the peer, owned by this end and not released: a repetition is no message.
    pub received: Vec<PacketId>,
    /// The packet identifier that was used last; the next one is above it.
    pub last_id: u16,
}

impl SavedSession {
    /// Whether nothing is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unacknowledged.is_empty() && self.unreleased.is_empty() && self.received.is_empty()
    }

    /// Notes that this end owns the message of QoS 2 with this identifier.
    ///
    /// For one that was stored while the connection ended, before it could be acknowledged: its repetition in the
    /// next connection is then answered and not handed up again.
    pub fn take(&mut self, id: PacketId) {
        if !self.received.contains(&id) {
            self.received.push(id);
        }
    }
}
