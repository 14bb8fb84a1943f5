//! From what is stored to a broker.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use clock::Now;
use mqtt_proto::{Absence, Countdown, PacketId, Publication, QoS, SavedSession};
use store::{Key, Position};

use crate::batch::{Place, Writing};
use crate::entry::{Entry, Target};
use crate::layout::Broken;
use crate::records::{RETAINED, RetainedRecord, SESSIONS, SessionRecord, number_of};
use crate::retained::Retained;
use crate::session::{Item, SessionKey, size_of};
use crate::{Broker, Limits};

/// What is stored is not as the broker wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// This record.
    Record(Key),
    /// This value of the journal.
    Journal(Position),
}

/// A message as the journal tells of it.
#[derive(Debug)]
struct Waiting {
    publication: Publication,
    ends_unix_millis: u64,
    batch: u64,
    /// Of QoS 2, once it may have reached the client.
    id: Option<PacketId>,
}

/// What the journal tells of one session.
#[derive(Debug, Default)]
struct Replay {
    messages: BTreeMap<u64, Waiting>,
    owned: BTreeSet<PacketId>,
    unreleased: BTreeSet<PacketId>,
    flow_batch: Option<u64>,
}

impl Replay {
    fn flow(&mut self, batch: u64) {
        if self.owned.is_empty() && self.unreleased.is_empty() {
            self.flow_batch = None;
        } else {
            self.flow_batch.get_or_insert(batch);
        }
    }
}

/// Everything that is stored, read in this order: all records of [`SESSIONS`] and [`RETAINED`], then the journal
/// from its first value on. Then [`Stored::open`].
#[derive(Debug, Default)]
pub struct Stored {
    sessions: BTreeMap<u64, SessionRecord>,
    retained: BTreeMap<u64, RetainedRecord>,
    replays: BTreeMap<u64, Replay>,
    places: BTreeMap<u64, Place>,
    last_serial: u64,
    last_message: u64,
}

impl Stored {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a record.
    ///
    /// # Errors
    /// [`Unreadable::Record`].
    pub fn record(&mut self, key: &Key, value: &[u8]) -> Result<(), Unreadable> {
        let broken = |_: Broken| Unreadable::Record(key.clone());
        let number = number_of(key).map_err(broken)?;
        if key.space == SESSIONS {
            self.sessions.insert(number, SessionRecord::from_value(value).map_err(broken)?);
            self.last_serial = self.last_serial.max(number);
        } else if key.space == RETAINED {
            self.retained.insert(number, RetainedRecord::from_value(value).map_err(broken)?);
        } else {
            return Err(broken(Broken));
        }
        Ok(())
    }

    /// Takes in the next value of the journal.
    ///
    /// # Errors
    /// [`Unreadable::Journal`].
    pub fn journal(&mut self, position: Position, value: &[u8]) -> Result<(), Unreadable> {
        let entries = Entry::read_all(value).map_err(|_| Unreadable::Journal(position))?;
        let batch = self.places.len() as u64 + 1;
        self.places.insert(batch, Place { first: position, bytes: value.len() as u64 });
        entries.into_iter().for_each(|entry| self.apply(entry, batch));
        Ok(())
    }

    /// What is told of a session that is still there.
    fn replay(&mut self, serial: u64) -> Option<&mut Replay> {
        self.last_serial = self.last_serial.max(serial);
        self.sessions.contains_key(&serial).then(|| self.replays.entry(serial).or_default())
    }

    fn apply(&mut self, entry: Entry, batch: u64) {
        match entry {
            Entry::Message { number, ends_unix_millis, targets, publication } => {
                self.last_message = self.last_message.max(number);
                for target in targets {
                    self.wait(target, number, ends_unix_millis, &publication, batch);
                }
            }
            Entry::Sent { serial, number, id } => {
                let waiting = self.replay(serial).and_then(|replay| replay.messages.get_mut(&number));
                waiting.into_iter().for_each(|waiting| waiting.id = Some(id));
            }
            Entry::Received { serial, number, id } => {
                let Some(replay) = self.replay(serial) else { return };
                replay.messages.remove(&number);
                replay.unreleased.insert(id);
                replay.flow(batch);
            }
            Entry::Done { serial, number } => {
                self.last_message = self.last_message.max(number);
                self.replay(serial).into_iter().for_each(|replay| drop(replay.messages.remove(&number)));
            }
            Entry::Completed { serial, id } => {
                let Some(replay) = self.replay(serial) else { return };
                replay.unreleased.remove(&id);
                replay.flow(batch);
            }
            Entry::Owned { serial, id } => {
                let Some(replay) = self.replay(serial) else { return };
                replay.owned.insert(id);
                replay.flow(batch);
            }
            Entry::Freed { serial, id } => {
                let Some(replay) = self.replay(serial) else { return };
                replay.owned.remove(&id);
                replay.flow(batch);
            }
            Entry::Flow { serial, owned, unreleased } => {
                let Some(replay) = self.replay(serial) else { return };
                replay.owned = owned.into_iter().collect();
                replay.unreleased = unreleased.into_iter().collect();
                replay.flow_batch = None;
                replay.flow(batch);
            }
        }
    }

    fn wait(
        &mut self,
        target: Target,
        number: u64,
        ends_unix_millis: u64,
        publication: &Publication,
        batch: u64,
    ) {
        let Some(replay) = self.replay(target.serial) else { return };
        let publication = Publication {
            qos: target.qos,
            retain: target.retain,
            subscription_ids: target.ids,
            ..publication.clone()
        };
        replay.messages.insert(number, Waiting { publication, ends_unix_millis, batch, id: None });
    }

    /// The broker that goes on. All clients are away: sessions that were connected begin their absence now.
    #[must_use]
    pub fn open(self, limits: Limits, now: Now) -> Broker {
        let mut broker = Broker::new(limits);
        broker.writing = Writing::after(self.places);
        broker.last_message = self.last_message;
        broker.last_serial = self.last_serial;
        for (number, record) in self.retained {
            broker.restore_retained(number, record, now);
        }
        let mut replays = self.replays;
        let mut absences = Vec::new();
        for (serial, record) in self.sessions {
            let replay = replays.remove(&serial).unwrap_or_default();
            absences.push(broker.restore_session(serial, record, replay, now));
        }
        // Wills may reach any session: all are there now.
        for (key, absence, was_connected) in absences {
            broker.restore_absence(key, absence, was_connected, now);
        }
        broker
    }
}

/// Whole seconds until `ends_unix_millis`, rounded up; `otherwise` when that or the time is not known.
fn secs_left(ends_unix_millis: u64, otherwise: u32, now: Now) -> u32 {
    match now.utc.filter(|_| ends_unix_millis != 0) {
        None => otherwise,
        Some(utc) => {
            let left = ends_unix_millis.saturating_sub(utc.as_unix_millis());
            let left = Duration::from_millis(left).as_millis().div_ceil(1000);
            // Never more than it ever had: clocks are set back.
            u32::try_from(left).unwrap_or(u32::MAX).min(otherwise)
        }
    }
}

fn life(publication: &Publication, ends_unix_millis: u64, now: Now) -> Countdown {
    let secs = publication.expiry_secs.map(|secs| secs_left(ends_unix_millis, secs, now));
    Countdown::start(secs, now.moment)
}

impl Broker {
    fn restore_retained(&mut self, number: u64, record: RetainedRecord, now: Now) {
        let RetainedRecord { namespace, ends_unix_millis, publication, .. } = record;
        self.last_retained = self.last_retained.max(number);
        self.retained_count += 1;
        self.retained_bytes += size_of(&publication);
        let life = life(&publication, ends_unix_millis, now);
        let realm = self.realm(&namespace);
        let topic = publication.message.topic.as_str().into();
        let retained = Retained { publication, life, number };
        self.realm_mut(realm).retained.insert(topic, retained);
    }

    fn restore_session(
        &mut self,
        serial: u64,
        record: SessionRecord,
        replay: Replay,
        now: Now,
    ) -> (SessionKey, Absence, bool) {
        let realm = self.realm(&record.namespace);
        let key = self.begin(realm, &record.client_id, record.version, serial);
        for (filter, subscription) in record.subscriptions {
            self.add_subscription(key, &filter, subscription);
        }
        let mut last_id = 0;
        let mut queue = VecDeque::new();
        let mut flying = VecDeque::new();
        let mut bytes = 0;
        for (number, waiting) in replay.messages {
            let Waiting { publication, ends_unix_millis, batch, id } = waiting;
            bytes += size_of(&publication);
            let life = life(&publication, ends_unix_millis, now);
            let is_flying = publication.qos == QoS::ExactlyOnce;
            let item = Item { publication, life, ends_unix_millis, number, batch };
            match id.filter(|_| is_flying) {
                Some(id) => flying.push_back((id, item)),
                None => queue.push_back(item),
            }
        }
        let is_durable = self.limits.is_durable;
        if let Some(holder) = self.session(key).map(|session| session.holder) {
            self.holders.add(holder, bytes);
        }
        let mut saved = SavedSession::default();
        if let Some(session) = self.session_mut(key) {
            session.expiry_secs = record.expiry_secs;
            session.is_durable = is_durable;
            session.queue_bytes = bytes;
            queue.iter().for_each(|item: &Item| session.hold(item.batch));
            flying.iter().for_each(|(_, item): &(PacketId, Item)| session.hold(item.batch));
            (session.queue, session.flying) = (queue, flying);
            (session.owned, session.unreleased) = (replay.owned, replay.unreleased);
            session.flow_batch = replay.flow_batch;
            let ids = session.flying.iter().map(|(id, _)| *id).chain(session.unreleased.iter().copied());
            last_id = ids.map(PacketId::get).max().unwrap_or(last_id);
            saved = SavedSession {
                unacknowledged: session.unacknowledged(),
                unreleased: session.unreleased.iter().copied().collect(),
                received: session.owned.iter().copied().collect(),
                last_id,
            };
        }
        self.note(key);
        let expiry_secs = secs_left(record.ends_unix_millis, record.expiry_secs, now);
        let absence = Absence::begin(saved, expiry_secs, record.will, now.moment);
        (key, absence, record.ends_unix_millis == 0)
    }

    fn restore_absence(&mut self, key: SessionKey, mut absence: Absence, was_connected: bool, now: Now) {
        if self.drain(key, &mut absence, now) {
            return;
        }
        self.absent(key, absence, now, was_connected);
    }
}
