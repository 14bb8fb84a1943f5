//! Messages of one peer that arrived, so that a repeated one is answered and not acted upon again.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use clock::Moment;

use crate::{Kind, Limits, MessageId};

/// What a repetition of a message gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The application has not answered: nothing yet.
    Open,
    /// Nothing: it was not confirmable, or its reply had to go.
    Nothing,
    /// An empty message of this kind.
    Empty(Kind),
    /// The same datagram again.
    Datagram(Box<[u8]>),
}

/// How a message arrives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Not seen before; now remembered as open.
    New,
    /// Seen before.
    Repeated,
    /// Every remembered message is open: drop it, the peer repeats it.
    Full,
}

#[derive(Debug)]
struct Entry {
    id: MessageId,
    kept_until: Moment,
    reply: Reply,
}

/// The messages of one peer, oldest first. Source: RFC 7252 section 4.5, 4.8.2.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    entries: VecDeque<Entry>,
    reply_bytes: usize,
}

impl Seen {
    /// Decides whether a message is new; a new one is remembered until `kept_until`.
    pub(crate) fn classify(
        &mut self,
        id: MessageId,
        kept_until: Moment,
        now: Moment,
        limits: &Limits,
    ) -> Arrival {
        self.expire(now);
        if let Some(at) = self.entries.iter().rposition(|entry| entry.id == id) {
            if self.entries[at].kept_until > now {
                return Arrival::Repeated;
            }
            self.drop_entry(at);
        }
        if self.entries.len() >= limits.remembered_per_peer_max {
            let Some(oldest) = self.entries.iter().position(|entry| entry.reply != Reply::Open) else {
                return Arrival::Full;
            };
            self.drop_entry(oldest);
        }
        self.entries.push_back(Entry { id, kept_until, reply: Reply::Open });
        Arrival::New
    }

    /// What a repetition of `id` gets.
    pub(crate) fn reply(&self, id: MessageId) -> &Reply {
        self.entries.iter().rev().find(|entry| entry.id == id).map_or(&Reply::Nothing, |entry| &entry.reply)
    }

    /// Remembers what was replied to `id`; makes room by forgetting the oldest replies, not their messages.
    pub(crate) fn close(&mut self, id: MessageId, reply: Reply, limits: &Limits) {
        let Some(entry) = self.entries.iter_mut().rev().find(|entry| entry.id == id) else { return };
        self.reply_bytes -= entry.reply.size();
        self.reply_bytes += reply.size();
        entry.reply = reply;
        for entry in &mut self.entries {
            if self.reply_bytes <= limits.reply_bytes_per_peer_max {
                break;
            }
            let size = entry.reply.size();
            if size > 0 {
                self.reply_bytes -= size;
                entry.reply = Reply::Nothing;
            }
        }
    }

    /// Forgets messages that can no longer be repeated.
    pub(crate) fn expire(&mut self, now: Moment) {
        while self.entries.front().is_some_and(|entry| entry.kept_until <= now) {
            self.drop_entry(0);
        }
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        self.entries.front().map(|entry| entry.kept_until)
    }

    fn drop_entry(&mut self, at: usize) {
        if let Some(entry) = self.entries.remove(at) {
            self.reply_bytes -= entry.reply.size();
        }
    }
}

impl Reply {
    fn size(&self) -> usize {
        match self {
            Self::Datagram(bytes) => bytes.len(),
            Self::Open | Self::Nothing | Self::Empty(_) => 0,
        }
    }
}
