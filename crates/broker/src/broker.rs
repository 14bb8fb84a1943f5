//! The broker: sessions come and go.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use clock::{Deadlines, Moment, Now};
use mqtt_proto::{Absence, AbsenceOutput, LastWill, PacketId, Publication, SavedSession, Version};
use store::Position;

use crate::batch::Writing;
use crate::entry::{Entry, Target};
use crate::holders::Holders;
use crate::records::{SessionRecord, session_key};
use crate::retained::RetainedMessages;
use crate::session::{Session, SessionKey, size_of};
use crate::trie::{Route, Trie};
use crate::{Counters, Gauges, Limits, Link, Place, StoreBatch};

/// What clients of one owner share.
#[derive(Debug)]
pub(crate) struct Realm {
    pub(crate) name: Arc<str>,
    pub(crate) trie: Trie,
    pub(crate) retained: RetainedMessages,
    /// Sessions by client identifier.
    pub(crate) sessions: HashMap<Arc<str>, u32>,
}

/// The broker of all namespaces. See the head of the crate.
#[derive(Debug)]
pub struct Broker {
    pub(crate) limits: Limits,
    pub(crate) counters: Counters,
    pub(crate) realms: Vec<Realm>,
    pub(crate) realm_of: HashMap<Arc<str>, u32>,
    pub(crate) sessions: Vec<Option<Box<Session>>>,
    pub(crate) free: Vec<u32>,
    pub(crate) session_count: usize,
    pub(crate) last_serial: u64,
    pub(crate) last_message: u64,
    pub(crate) last_retained: u64,
    pub(crate) retained_count: usize,
    pub(crate) retained_bytes: usize,
    pub(crate) holders: Holders,
    will_bytes: usize,
    pub(crate) absences: Deadlines<u32>,
    pub(crate) writing: Writing,
    pub(crate) direct: VecDeque<(SessionKey, Link, Publication)>,
    pub(crate) ready: VecDeque<SessionKey>,
    /// Memory of routing, kept between messages.
    pub(crate) routes: Vec<Route>,
    pub(crate) targets: Vec<Target>,
}

/// Who joins. The caller has proven who it is.
#[derive(Clone, Copy, Debug)]
pub struct Joining<'a> {
    /// Whose topics it uses.
    pub namespace: &'a str,
    /// Not empty; one client that named none is given one.
    pub client_id: &'a str,
    /// Which text its connection follows.
    pub version: Version,
    /// Whether a stored session is discarded.
    pub clean_start: bool,
    /// Seconds that its session outlives the connection; shortened to the limit.
    pub session_expiry_secs: u32,
    /// What is published if it leaves without farewell.
    pub will: Option<&'a LastWill>,
}

impl Joining<'_> {
    /// What its will counts.
    fn will_bytes(&self) -> usize {
        self.will.map_or(0, |will| size_of(&will.publication))
    }
}

/// A session that has a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Which.
    pub key: SessionKey,
    /// What it has under way, if it was there before.
    pub session: Option<SavedSession>,
}

/// Why a client does not join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotJoined {
    /// Another connection has the session: end it (0x8e), say [`Broker::left`], and join again.
    Held(Link),
    /// The identifier is empty or too long.
    ClientIdentifier,
    /// There are too many sessions.
    Quota,
    /// The topic of the will is not the client's.
    WillTopic,
}

impl Broker {
    /// A broker of which nothing is stored yet. One that was goes on with [`crate::Stored::open`].
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            counters: Counters::default(),
            realms: Vec::new(),
            realm_of: HashMap::new(),
            sessions: Vec::new(),
            free: Vec::new(),
            session_count: 0,
            last_serial: 0,
            last_message: 0,
            last_retained: 0,
            retained_count: 0,
            retained_bytes: 0,
            holders: Holders::default(),
            will_bytes: 0,
            absences: Deadlines::new(),
            writing: Writing::new(),
            direct: VecDeque::new(),
            ready: VecDeque::new(),
            routes: Vec::new(),
            targets: Vec::new(),
        }
    }

    /// What happened since the start.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// What there is now.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        Gauges {
            sessions: self.session_count,
            connected: self.sessions.iter().flatten().filter(|session| session.link.is_some()).count(),
            queue_bytes: self.holders.in_all(),
            will_bytes: self.will_bytes,
            retained_count: self.retained_count,
            retained_bytes: self.retained_bytes,
            unstored_bytes: self.writing.unstored_bytes(),
            journal_bytes: self.writing.journal_bytes,
        }
    }

    pub(crate) fn realm(&mut self, namespace: &str) -> u32 {
        if let Some(realm) = self.realm_of.get(namespace) {
            return *realm;
        }
        let number = u32::try_from(self.realms.len()).expect("namespaces are of accounts, which are counted");
        let name: Arc<str> = namespace.into();
        self.realm_of.insert(Arc::clone(&name), number);
        self.realms.push(Realm {
            name,
            trie: Trie::default(),
            retained: RetainedMessages::new(),
            sessions: HashMap::new(),
        });
        number
    }

    pub(crate) fn session(&self, key: SessionKey) -> Option<&Session> {
        let session = self.sessions.get(key.slot as usize)?.as_deref()?;
        (session.key == key).then_some(session)
    }

    pub(crate) fn session_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        let session = self.sessions.get_mut(key.slot as usize)?.as_deref_mut()?;
        (session.key == key).then_some(session)
    }

    pub(crate) fn realm_mut(&mut self, realm: u32) -> &mut Realm {
        &mut self.realms[realm as usize]
    }

    /// Joins a client to its session, or begins one.
    ///
    /// # Errors
    /// [`NotJoined`]; nothing was changed.
    pub fn connect(&mut self, link: Link, who: Joining<'_>, now: Now) -> Result<Joined, NotJoined> {
        if who.client_id.is_empty() || who.client_id.len() > self.limits.client_id_size_max {
            return Err(NotJoined::ClientIdentifier);
        }
        let is_own = |will: &LastWill| Place::of(&will.publication.message.topic) == Place::Free;
        if who.will.is_some_and(|will| !is_own(will) || self.is_too_deep(&will.publication.message.topic)) {
            self.counters.refused_topic += 1;
            return Err(NotJoined::WillTopic);
        }
        let realm = self.realm(who.namespace);
        let slot = self.realms[realm as usize].sessions.get(who.client_id).copied();
        let before = slot.and_then(|slot| self.sessions[slot as usize].as_deref());
        let will_before = before.map_or(0, |known| known.will_bytes);
        let before = before.map(|known| known.key);
        // The will of an earlier connection, in whose place this one comes, does not count.
        if who.will.is_some() && self.will_bytes - will_before + who.will_bytes() > self.limits.will_bytes_max
        {
            self.counters.refused_wills += 1;
            return Err(NotJoined::Quota);
        }
        let mut discarded = false;
        if let Some(key) = before {
            if let Some(holder) = self.session(key).and_then(|session| session.link) {
                return Err(NotJoined::Held(holder));
            }
            let saved = self.wake(key, who.clean_start, now);
            if let Some(saved) = saved {
                self.join(key, link, &who, now);
                return Ok(Joined { key, session: Some(saved) });
            }
            discarded = true;
        }
        if self.session_count >= self.limits.session_count_max {
            self.counters.refused_sessions += 1;
            return Err(NotJoined::Quota);
        }
        let key = {
            self.last_serial += 1;
            self.begin(realm, who.client_id, who.version, self.last_serial)
        };
        self.join(key, link, &who, now);
        if discarded && let Some(open) = self.open_batch() {
            // What was discarded must not be there again after CONNACK.
            self.depend(key, open);
        }
        Ok(Joined { key, session: None })
    }

    /// Takes note of how much the will of a session counts.
    pub(crate) fn weigh_will(&mut self, key: SessionKey, bytes: usize) {
        let Some(session) = self.session_mut(key) else { return };
        let before = std::mem::replace(&mut session.will_bytes, bytes);
        self.will_bytes = self.will_bytes - before + bytes;
    }

    /// Takes a session out of its absence; `None` when it ended, by time or because it is not wanted.
    fn wake(&mut self, key: SessionKey, is_unwanted: bool, now: Now) -> Option<SavedSession> {
        let mut absence = self.session_mut(key)?.absence.take()?;
        self.absences.clear(&key.slot);
        absence.expire(now.moment);
        if is_unwanted {
            absence.discard(now.moment);
        }
        if self.drain(key, &mut absence, now) {
            return None;
        }
        absence.resume()
    }

    /// A new session in memory.
    pub(crate) fn begin(&mut self, realm: u32, client_id: &str, version: Version, serial: u64) -> SessionKey {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.sessions.push(None);
            u32::try_from(self.sessions.len() - 1).expect("sessions are counted")
        });
        let key = SessionKey { slot, serial };
        let client_id: Arc<str> = client_id.into();
        self.realm_mut(realm).sessions.insert(Arc::clone(&client_id), slot);
        let holder = self.holders.number_of(&client_id);
        let session = Session::new(key, (realm, holder), client_id, version);
        self.sessions[slot as usize] = Some(Box::new(session));
        self.session_count += 1;
        key
    }

    fn join(&mut self, key: SessionKey, link: Link, who: &Joining<'_>, now: Now) {
        let expiry_secs = who.session_expiry_secs.min(self.limits.session_expiry_max_secs);
        let may_store = self.limits.is_durable;
        self.weigh_will(key, who.will_bytes());
        let Some(session) = self.session_mut(key) else { return };
        session.link = Some(link);
        session.version = who.version;
        session.expiry_secs = expiry_secs;
        session.will = who.will.cloned();
        let was_durable = session.is_durable;
        session.is_durable = may_store && expiry_secs > 0;
        let is_waiting = !session.queue.is_empty() && !session.is_ready;
        session.is_ready |= is_waiting;
        if session.is_durable {
            self.put_record(key, now);
            // A client keeps what it sends in this session: the session must not be gone after CONNACK.
            self.depend(key, self.writing.open);
        } else if was_durable {
            self.forget_stored(key);
        }
        if is_waiting {
            self.ready.push_back(key);
        }
    }

    /// The session ends with its connection from now on: nothing of it is stored any more.
    fn forget_stored(&mut self, key: SessionKey) {
        self.writing.delete(session_key(key.serial));
        let Some(session) = self.session_mut(key) else { return };
        session.held.clear();
        session.flow_batch = None;
        let items = session.queue.iter_mut().chain(session.flying.iter_mut().map(|(_, item)| item));
        items.for_each(|item| item.batch = 0);
        self.note(key);
    }

    /// Takes note that the connection of a session ended; `absence` is what its machine said.
    pub fn left(&mut self, key: SessionKey, absence: Absence, now: Now) {
        let Some(session) = self.session_mut(key) else { return };
        session.link = None;
        session.will = None;
        if absence.session().is_some() {
            // A farewell may have changed it. Source: MQTT 5.0 section 3.14.2.2.2.
            let left = absence.ends().map(|ends| millis(ends.since(now.moment)).div_ceil(1000));
            session.expiry_secs = left.map_or(u32::MAX, |secs| u32::try_from(secs).unwrap_or(u32::MAX));
        }
        let mut absence = absence;
        if !self.drain(key, &mut absence, now) {
            self.absent(key, absence, now, true);
        }
    }

    /// Keeps an absence until it is over or its client is back.
    pub(crate) fn absent(&mut self, key: SessionKey, absence: Absence, now: Now, is_news: bool) {
        let deadline = absence.next_deadline();
        self.weigh_will(key, absence.will().map_or(0, |(publication, _)| size_of(publication)));
        let Some(session) = self.session_mut(key) else { return };
        session.absence = Some(absence);
        let is_written = session.is_durable && is_news;
        match deadline {
            Some(deadline) => self.absences.set(key.slot, deadline),
            None => self.absences.clear(&key.slot),
        }
        if is_written {
            self.put_record(key, now);
        }
    }

    /// Does what an absence says; whether the session is over.
    pub(crate) fn drain(&mut self, key: SessionKey, absence: &mut Absence, now: Now) -> bool {
        while let Some(output) = absence.next_output() {
            match output {
                AbsenceOutput::PublishWill(will) => self.publish_will(key, &will, now),
                AbsenceOutput::SessionOver => {
                    self.counters.sessions_over += 1;
                    self.end(key);
                    return true;
                }
            }
        }
        false
    }

    /// Forgets a session and everything that waits for it.
    pub(crate) fn end(&mut self, key: SessionKey) {
        if self.session(key).is_none() {
            return;
        }
        let Some(session) = self.sessions[key.slot as usize].take() else { return };
        self.free.push(key.slot);
        self.session_count -= 1;
        self.absences.clear(&key.slot);
        self.holders.take(session.holder, session.queue_bytes);
        self.will_bytes -= session.will_bytes;
        let waiting = session.queue.len() + session.flying.len();
        self.counters.dropped_session_over += waiting as u64;
        if let Some(batch) = session.noted_batch {
            self.writing.needed.remove(&(batch, key.slot));
        }
        let realm = self.realm_mut(session.realm);
        realm.sessions.remove(&session.client_id);
        for filter in session.subscriptions.keys() {
            crate::subscribe::remove_route(realm, filter, key);
        }
        if session.is_durable {
            self.writing.delete(session_key(key.serial));
        }
    }

    /// Lets time pass.
    pub fn expire(&mut self, now: Now) {
        while let Some(slot) = self.absences.take_due(now.moment) {
            let Some(session) = self.sessions[slot as usize].as_deref_mut() else { continue };
            let key = session.key;
            let Some(mut absence) = session.absence.take() else { continue };
            absence.expire(now.moment);
            if !self.drain(key, &mut absence, now) {
                self.absent(key, absence, now, true);
            }
        }
    }

    /// When to call [`Broker::expire`] next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        self.absences.next()
    }

    /// The connection of a session.
    #[must_use]
    pub fn link(&self, key: SessionKey) -> Option<Link> {
        self.session(key)?.link
    }

    /// Forgets all sessions whose client identifiers begin with `prefix`, in every namespace, with what waits for them.
    /// None of their wills is published.
    pub fn forget_all(&mut self, prefix: &str) {
        let of_them = self.sessions.iter().flatten().filter(|session| session.client_id.starts_with(prefix));
        let keys: Vec<SessionKey> = of_them.map(|session| session.key).collect();
        keys.into_iter().for_each(|key| self.end(key));
    }

    /// Says that a session's client may be told things only when batch `batch` is stored.
    pub(crate) fn depend(&mut self, key: SessionKey, batch: u64) {
        if let Some(session) = self.session_mut(key) {
            session.depends = session.depends.max(batch);
        }
    }

    /// The number of the open batch, if there is something in it.
    pub(crate) fn open_batch(&self) -> Option<u64> {
        self.writing.has_open().then_some(self.writing.open)
    }

    /// Bytes for the session's client wait until this batch is stored; 0 when they need not wait.
    #[must_use]
    pub fn depends(&self, key: SessionKey) -> u64 {
        self.session(key).map_or(0, |session| session.depends)
    }

    /// The last batch that is stored.
    #[must_use]
    pub const fn last_stored(&self) -> u64 {
        self.writing.stored
    }

    /// What is to be stored, everything since the last batch; `None` when there is nothing, or the last one is not
    /// stored yet.
    pub fn take_batch(&mut self) -> Option<StoreBatch> {
        if !self.writing.may_take() {
            return None;
        }
        self.renew();
        self.writing.take()
    }

    /// Takes note that a batch is stored; `first` is where its values begin in the journal, if it has any.
    ///
    /// # Panics
    /// When it is not the one that was taken.
    pub fn stored(&mut self, number: u64, first: Option<Position>) {
        self.writing.stored(number, first);
    }

    /// Writes the record of a session anew.
    pub(crate) fn put_record(&mut self, key: SessionKey, now: Now) {
        let Some(session) = self.session(key) else { return };
        let absence = session.absence.as_ref();
        let left_until = |moment: Moment| {
            let left = moment.since(now.moment);
            now.utc.map(|utc| utc.as_unix_millis().saturating_add(millis(left)))
        };
        let will = match absence {
            None => session.will.clone(),
            Some(absence) => absence.will().map(|(publication, due)| LastWill {
                publication: publication.clone(),
                delay_secs: u32::try_from(due.since(now.moment).as_secs()).unwrap_or(u32::MAX),
            }),
        };
        let record = SessionRecord {
            namespace: self.realms[session.realm as usize].name.as_ref().into(),
            client_id: session.client_id.as_ref().into(),
            version: session.version,
            expiry_secs: session.expiry_secs,
            ends_unix_millis: absence.and_then(Absence::ends).and_then(left_until).unwrap_or(0),
            subscriptions: session.subscriptions.iter().map(|(text, one)| (text.clone(), *one)).collect(),
            will,
        };
        self.writing.put(session_key(key.serial), record.to_value());
    }

    /// Keeps the journal from being trimmed below what the session needs, and no longer than that.
    pub(crate) fn note(&mut self, key: SessionKey) {
        let Some(session) = self.sessions[key.slot as usize].as_deref_mut() else { return };
        let oldest = session.oldest_batch();
        let noted = std::mem::replace(&mut session.noted_batch, oldest);
        if noted != oldest {
            let needed = &mut self.writing.needed;
            if let Some(batch) = noted {
                needed.remove(&(batch, key.slot));
            }
            needed.extend(oldest.map(|batch| (batch, key.slot)));
        }
    }

    /// Notes that the client's message of QoS 2 is at its end.
    pub fn released(&mut self, key: SessionKey, id: PacketId) {
        self.change_flow(key, Entry::Freed { serial: key.serial, id }, true, |session| {
            session.owned.remove(&id)
        });
    }

    /// Changes what is owned or unreleased, and writes `entry` if that changed anything of a stored session.
    pub(crate) fn change_flow(
        &mut self,
        key: SessionKey,
        entry: Entry,
        client_waits: bool,
        change: impl FnOnce(&mut Session) -> bool,
    ) {
        let open = self.writing.open;
        let Some(session) = self.session_mut(key) else { return };
        if !change(session) || !session.is_durable {
            return;
        }
        session.flow_changed(open);
        if client_waits {
            session.depends = open;
        }
        self.writing.entry(&entry);
        self.note(key);
    }
}

pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
