//! Messages go out, and come to their end.

use clock::Now;
use mqtt_proto::{PacketId, Publication, QoS, Remaining};

use crate::entry::{Entry, Target, put_message};
use crate::session::{Item, SessionKey, size_of};
use crate::{Broker, Link};

/// The journal is written anew when it has so many times the bytes of what waits...
const JOURNAL_FACTOR_MAX: u64 = 4;
/// ... and these more.
const JOURNAL_SLACK: u64 = 16 * 1024 * 1024;
/// How much of it is written anew with one batch.
const RENEWED_BYTES_MAX: usize = 1024 * 1024;

impl Broker {
    /// The next message of QoS 0 for a session, and the connection that the session had. Drain after every input.
    pub fn next_direct(&mut self) -> Option<(SessionKey, Link, Publication)> {
        self.direct.pop_front()
    }

    /// The next session with a connection that has messages of QoS 1 or 2. Drain after every input, each with
    /// [`Broker::next_message`] while its connection has quota.
    pub fn next_ready(&mut self) -> Option<(SessionKey, Link)> {
        while let Some(key) = self.ready.pop_front() {
            let Some(session) = self.session_mut(key) else { continue };
            session.is_ready = false;
            if let Some(link) = session.link {
                return Some((key, link));
            }
        }
        None
    }

    /// The message that is to be sent next, with the seconds it has left. Say [`Broker::sent`] or
    /// [`Broker::unsendable`].
    pub fn next_message(&mut self, key: SessionKey, now: Now) -> Option<Publication> {
        loop {
            let item = self.session(key)?.queue.front()?;
            let expiry_secs = match item.life.remaining(now.moment) {
                Remaining::Unlimited => None,
                Remaining::Secs(secs) => Some(secs),
                Remaining::Over => {
                    self.counters.dropped_expired += 1;
                    self.drop_first(key);
                    continue;
                }
            };
            return Some(Publication { expiry_secs, ..item.publication.clone() });
        }
    }

    /// Takes note that the message of [`Broker::next_message`] is under way.
    pub fn sent(&mut self, key: SessionKey, id: PacketId) {
        let open = self.writing.open;
        let Some(session) = self.session_mut(key) else { return };
        let Some(item) = session.queue.pop_front() else { return };
        let is_noted = item.batch > 0 && item.publication.qos == QoS::ExactlyOnce;
        let entry = Entry::Sent { serial: key.serial, number: item.number, id };
        session.flying.push_back((id, item));
        if is_noted {
            // Otherwise a crash could give the same message two identifiers.
            session.depends = open;
            self.writing.entry(&entry);
        }
    }

    /// Drops the message of [`Broker::next_message`]: it is larger than the client takes.
    pub fn unsendable(&mut self, key: SessionKey) {
        self.counters.dropped_unsendable += 1;
        self.drop_first(key);
    }

    fn drop_first(&mut self, key: SessionKey) {
        let item = self.session_mut(key).and_then(|session| session.queue.pop_front());
        item.into_iter().for_each(|item| self.done(key, &item));
    }

    /// Drops what waits too long already.
    pub(crate) fn drop_expired(&mut self, key: SessionKey, now: Now) {
        let Some(session) = self.session_mut(key) else { return };
        let is_over = |item: &Item| item.life.remaining(now.moment) == Remaining::Over;
        if !session.queue.iter().any(is_over) {
            return;
        }
        let queue = std::mem::take(&mut session.queue);
        let (over, kept): (Vec<Item>, _) = queue.into_iter().partition(is_over);
        session.queue = kept.into();
        self.counters.dropped_expired += over.len() as u64;
        over.iter().for_each(|item| self.done(key, item));
    }

    /// A message is at its end: it counts no more, and the journal may forget it.
    fn done(&mut self, key: SessionKey, item: &Item) {
        self.forget(key, item);
        if item.batch > 0 {
            self.writing.entry(&Entry::Done { serial: key.serial, number: item.number });
        }
    }

    fn forget(&mut self, key: SessionKey, item: &Item) {
        let bytes = size_of(&item.publication);
        let Some(session) = self.session_mut(key) else { return };
        session.queue_bytes -= bytes;
        session.release(item.batch);
        let holder = session.holder;
        self.holders.take(holder, bytes);
        if item.batch > 0 {
            self.note(key);
        }
    }

    fn land(&mut self, key: SessionKey, id: PacketId) -> Option<Item> {
        let session = self.session_mut(key)?;
        let at = session.flying.iter().position(|(flying, _)| *flying == id)?;
        session.flying.remove(at).map(|(_, item)| item)
    }

    /// Takes note that the client has a message of QoS 2.
    pub fn received(&mut self, key: SessionKey, id: PacketId) {
        let Some(item) = self.land(key, id) else { return };
        self.forget(key, &item);
        let entry = Entry::Received { serial: key.serial, number: item.number, id };
        self.change_flow(key, entry, true, |session| session.unreleased.insert(id));
    }

    /// Takes note that a message is at its end. There is room for the next one.
    pub fn delivered(&mut self, key: SessionKey, id: PacketId) {
        if let Some(item) = self.land(key, id) {
            return self.done(key, &item);
        }
        let entry = Entry::Completed { serial: key.serial, id };
        self.change_flow(key, entry, false, |session| session.unreleased.remove(&id));
    }

    /// Writes what waits longest once more when the journal holds much that nobody needs, so that it can be
    /// trimmed.
    pub(crate) fn renew(&mut self) {
        let live = self.holders.in_all() as u64;
        if self.writing.journal_bytes <= live * JOURNAL_FACTOR_MAX + JOURNAL_SLACK {
            return;
        }
        let mut written = 0;
        while written < RENEWED_BYTES_MAX {
            let Some((batch, slot)) = self.writing.needed.first().copied() else { break };
            if batch >= self.writing.open {
                break;
            }
            written += self.renew_session(slot, batch);
        }
    }

    /// Writes once more what a session has in `batch`; how many bytes.
    fn renew_session(&mut self, slot: u32, batch: u64) -> usize {
        let open = self.writing.open;
        let Some(session) = self.sessions[slot as usize].as_deref_mut() else { return 0 };
        let (key, mut written) = (session.key, 0);
        let mut held = std::mem::take(&mut session.held);
        let flying = session.flying.iter_mut().map(|(id, item)| (Some(*id), item));
        let queued = session.queue.iter_mut().map(|item| (None, item));
        for (id, item) in flying.chain(queued).filter(|(_, item)| item.batch == batch) {
            let publication = &item.publication;
            let target = Target {
                serial: key.serial,
                qos: publication.qos,
                retain: publication.retain,
                ids: publication.subscription_ids.clone(),
            };
            let out = self.writing.entries();
            put_message(item.number, item.ends_unix_millis, &[target], publication, out);
            if let Some(id) = id.filter(|_| publication.qos == QoS::ExactlyOnce) {
                Entry::Sent { serial: key.serial, number: item.number, id }.put(out);
            }
            written += size_of(publication);
            item.batch = open;
        }
        if let Some(count) = held.remove(&batch) {
            *held.entry(open).or_default() += count;
        }
        session.held = held;
        if session.flow_batch == Some(batch) {
            session.flow_batch = Some(open);
            let (owned, unreleased) =
                (session.owned.iter().copied().collect(), session.unreleased.iter().copied().collect());
            self.writing.entry(&Entry::Flow { serial: key.serial, owned, unreleased });
            written += 64;
        }
        self.note(key);
        written
    }
}
