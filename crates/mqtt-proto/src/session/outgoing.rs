//! Messages on their way to the peer.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::{Publication, Unacknowledged, Violation};
use crate::{Flaw, Kind, PacketId, QoS, ReasonCode};

/// Why something was not sent. Nothing of it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// There is no connection, or not yet, or no more.
    NotConnected,
    /// As many are under way as the peer or `Limits` allow; one that ends makes room.
    NoQuota,
    /// It is larger than the peer takes. A server drops it as if it had been delivered.
    TooLarge,
    /// It breaks a rule; the peer would close the connection.
    Invalid(Flaw),
    /// Over the server's maximum QoS.
    QosNotSupported,
    /// The server keeps no retained messages.
    RetainNotSupported,
    /// The server has no such subscriptions: wildcards, shared, or with identifiers.
    SubscriptionNotSupported,
}

/// What an acknowledgement means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acked {
    /// The message is delivered, or refused.
    Done(ReasonCode),
    /// The peer has the message: PUBREL is due.
    Release,
    /// PUBREL is due once more.
    ReleaseAgain,
    /// Nobody knows this identifier.
    Unknown,
}

#[derive(Debug)]
struct Entry {
    id: PacketId,
    publication: Publication,
    /// Whether it was sent in this connection.
    is_sent: bool,
    /// Whether it was sent in an earlier one.
    is_repeated: bool,
}

/// Unacknowledged messages in order, and the packet identifiers of this end.
#[derive(Debug)]
pub(crate) struct Outgoing {
    entries: VecDeque<Entry>,
    unreleased: VecDeque<PacketId>,
    used: BTreeSet<PacketId>,
    last_id: u16,
    quota: u16,
    quota_max: u16,
}

impl Outgoing {
    pub(crate) fn new(quota: u16) -> Self {
        Self {
            entries: VecDeque::new(),
            unreleased: VecDeque::new(),
            used: BTreeSet::new(),
            last_id: 0,
            quota,
            quota_max: quota,
        }
    }

    /// How many may be under way from now on; for the start of a connection.
    pub(crate) fn set_quota(&mut self, quota: u16) {
        self.quota = quota;
        self.quota_max = quota;
    }

    pub(crate) fn restore(
        &mut self,
        unacknowledged: Vec<Unacknowledged>,
        unreleased: Vec<PacketId>,
        last: u16,
    ) {
        self.used = unacknowledged.iter().map(|entry| entry.id).chain(unreleased.iter().copied()).collect();
        let entry = |kept: Unacknowledged| Entry {
            id: kept.id,
            publication: kept.publication,
            is_sent: false,
            is_repeated: true,
        };
        self.entries = unacknowledged.into_iter().map(entry).collect();
        self.unreleased = unreleased.into();
        self.last_id = last;
    }

    /// Unacknowledged messages, identifiers to release, and the last identifier.
    pub(crate) fn save(self) -> (Vec<Unacknowledged>, Vec<PacketId>, u16) {
        let kept = |entry: Entry| Unacknowledged { id: entry.id, publication: entry.publication };
        (self.entries.into_iter().map(kept).collect(), self.unreleased.into(), self.last_id)
    }

    /// How many more may be sent now.
    pub(crate) fn room(&self) -> u16 {
        // Those of an earlier connection go first.
        let waits = self.entries.iter().any(|entry| !entry.is_sent);
        let kept = self.entries.len() + self.unreleased.len();
        let free = u16::try_from(usize::from(self.quota_max).saturating_sub(kept)).unwrap_or(u16::MAX);
        if waits { 0 } else { self.quota.min(free) }
    }

    pub(crate) fn unreleased(&self) -> impl Iterator<Item = PacketId> + '_ {
        self.unreleased.iter().copied()
    }

    /// An identifier that nothing under way has; `None` when all are used.
    pub(crate) fn draw_id(&mut self) -> Option<PacketId> {
        for _ in 0..=u16::MAX {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            let id = PacketId::new(self.last_id)?;
            if self.used.insert(id) {
                return Some(id);
            }
        }
        None
    }

    /// Gives an identifier back.
    pub(crate) fn free_id(&mut self, id: PacketId) {
        self.used.remove(&id);
    }

    /// Keeps a message that was sent under an identifier drawn for it.
    pub(crate) fn keep(&mut self, id: PacketId, publication: Publication) {
        assert!(self.quota > 0, "the room was looked at before");
        self.quota -= 1;
        self.entries.push_back(Entry { id, publication, is_sent: true, is_repeated: false });
    }

    /// The next message of an earlier connection that may be sent again.
    pub(crate) fn next_unsent(&self) -> Option<(PacketId, &Publication)> {
        if self.quota == 0 {
            return None;
        }
        let entry = self.entries.iter().find(|entry| !entry.is_sent)?;
        Some((entry.id, &entry.publication))
    }

    pub(crate) fn mark_sent(&mut self, id: PacketId) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == id) {
            debug_assert!(entry.is_repeated, "only those of an earlier connection wait");
            entry.is_sent = true;
            self.quota = self.quota.saturating_sub(1);
        }
    }

    /// Forgets a message that cannot be sent.
    pub(crate) fn drop_entry(&mut self, id: PacketId) {
        self.entries.retain(|entry| entry.id != id);
        self.free_id(id);
    }

    fn done(&mut self, id: PacketId) {
        self.free_id(id);
        self.quota = self.quota.saturating_add(1).min(self.quota_max);
    }

    fn position(&self, id: PacketId, qos: QoS, kind: Kind) -> Result<Option<usize>, Violation> {
        let Some(at) = self.entries.iter().position(|entry| entry.id == id) else { return Ok(None) };
        if self.entries[at].publication.qos == qos { Ok(Some(at)) } else { Err(Violation::OutOfStep(kind)) }
    }

    pub(crate) fn on_puback(&mut self, id: PacketId, reason: ReasonCode) -> Result<Acked, Violation> {
        if self.unreleased.contains(&id) {
            return Err(Violation::OutOfStep(Kind::PubAck));
        }
        let Some(at) = self.position(id, QoS::AtLeastOnce, Kind::PubAck)? else { return Ok(Acked::Unknown) };
        self.entries.remove(at);
        self.done(id);
        Ok(Acked::Done(reason))
    }

    pub(crate) fn on_pubrec(&mut self, id: PacketId, reason: ReasonCode) -> Result<Acked, Violation> {
        if self.unreleased.contains(&id) {
            return Ok(Acked::ReleaseAgain);
        }
        let Some(at) = self.position(id, QoS::ExactlyOnce, Kind::PubRec)? else { return Ok(Acked::Unknown) };
        self.entries.remove(at);
        if reason.is_failure() {
            self.done(id);
            return Ok(Acked::Done(reason));
        }
        self.unreleased.push_back(id);
        Ok(Acked::Release)
    }

    pub(crate) fn on_pubcomp(&mut self, id: PacketId) -> Result<Acked, Violation> {
        if let Some(at) = self.unreleased.iter().position(|open| *open == id) {
            self.unreleased.remove(at);
            self.done(id);
            return Ok(Acked::Done(ReasonCode::SUCCESS));
        }
        if self.entries.iter().any(|entry| entry.id == id) {
            return Err(Violation::OutOfStep(Kind::PubComp));
        }
        Ok(Acked::Unknown)
    }
}
