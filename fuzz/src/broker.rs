//! The broker: clients of two owners that do anything, a store that is slow, a process that dies; beside it a
//! model of who may get what, and of what nobody may lose.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ::broker::{
    Broker, JOURNAL_NAME, Joining, Limits, Link, MESSAGES, NotJoined, Place, RETAINED, SESSIONS, SessionKey,
    Stored, Taken,
};
use clock::{Moment, Now, Timestamp};
use mqtt_proto::{
    Absence, LastWill, PacketId, PropertyList, Publication, QoS, SavedSession, SubscribeRequest,
    SubscriptionOptions, Unacknowledged, UnsubscribeRequest, Version,
};
use store::{Journal, Memory, Position, Range, Snapshot, Table};

use crate::memory;
use crate::rules::reached;
use crate::script::{Recorder, Script};
use crate::{Reached, Target};

pub(crate) const TARGETS: &[Target] = &[Target {
    name: "broker",
    about: "Broker: clients of two owners, topics, limits, a slow store, a process that dies; beside a model",
    length_max: 768,
    run: |input| memory::within(2 * 1024 * 1024 + 1024 * input.len(), || run(input)),
    seeds,
}];

/// Two owners have clients of the same names.
const CLIENTS: [(&str, &str); 6] =
    [("home", "a"), ("home", "b"), ("home", "c"), ("shop", "a"), ("shop", "b"), ("shop", "c")];
const TOPICS: [&str; 8] = ["t", "t/u", "t/u/v", "x/u", "", "$SYS/t", "things/1/on", "/iot/T1/x"];
const FILTERS: [&str; 12] =
    ["t", "t/#", "+/u", "#", "t/+/v", "$share/g/t/#", "+", "x/u", "things/#", "/iot/#", "$SYS/#", "t/#/u"];
const EXPIRY_SECS: u32 = 600;

/// What one will counts at most.
const WILL_SIZE_MAX: usize = 200;

fn limits() -> Limits {
    Limits {
        session_count_max: 5,
        session_expiry_max_secs: EXPIRY_SECS,
        client_id_size_max: 4,
        subscription_count_max: 3,
        filter_bytes_max: 12,
        level_count_max: 3,
        queue_bytes_max: 1200,
        queue_bytes_account_max: 1800,
        queue_bytes_total_max: 2400,
        will_bytes_max: 400,
        retained_count_max: 3,
        retained_bytes_max: 600,
        unstored_bytes_max: 4000,
        is_durable: true,
    }
}

/// A client that is connected.
struct Line {
    key: SessionKey,
    link: Link,
    flying: Vec<Unacknowledged>,
    unreleased: Vec<PacketId>,
    owned: Vec<PacketId>,
    last_id: u16,
    will: Option<LastWill>,
    expiry_secs: u32,
}

/// What the model knows of one client's session.
#[derive(Clone, Default)]
struct Known {
    /// Every filter it ever had.
    filters: BTreeSet<&'static str>,
    /// Those it has, without those that are shared, whose copies may go elsewhere.
    now: BTreeSet<&'static str>,
    /// Messages that must come, if it stays: they were routed to it, and not acknowledged.
    owed: BTreeSet<u32>,
    /// How often each message came that is not retained, new and not as a repetition.
    came: BTreeMap<u32, usize>,
    /// Whether it outlives its connection, and since when it is alone.
    is_kept: bool,
    left: Option<u64>,
}

/// A message that somebody published.
struct Published {
    namespace: &'static str,
    topic: &'static str,
    is_retained: bool,
}

struct Run {
    broker: Broker,
    store: Memory,
    secs: u64,
    lines: BTreeMap<usize, Line>,
    known: Vec<Known>,
    published: Vec<Published>,
    /// Every filter that a client ever had: what is stored may be older than what it knows.
    asked: Vec<BTreeSet<&'static str>>,
    next_link: u64,
    has_come: bool,
}

fn run(input: &[u8]) -> Reached {
    let mut script = Script::new(input);
    let mut run = Run {
        broker: Broker::new(limits()),
        store: Memory::new(),
        secs: 0,
        lines: BTreeMap::new(),
        known: vec![Known::default(); CLIENTS.len()],
        published: Vec::new(),
        asked: vec![BTreeSet::new(); CLIENTS.len()],
        next_link: 1,
        has_come: false,
    };
    while !script.is_empty() {
        run.step(&mut script);
        run.deliver();
        run.check();
    }
    run.end();
    reached(run.has_come)
}

impl Run {
    fn now(&self) -> Now {
        let moment = Moment::START + Duration::from_secs(self.secs);
        Now::new(moment, Timestamp::from_unix_millis(1_800_000_000_000 + self.secs * 1000))
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let operation = script.u8();
        let choice = script.u8();
        let client = usize::from(choice & 7) % CLIENTS.len();
        let flags = choice / 8;
        match operation % 10 {
            0 => self.connect(client, flags & 1 == 0, flags & 2 == 0, flags & 4 == 0),
            1 => self.leave(client, flags & 1 == 0),
            2 => self.subscribe(client, usize::from(script.u8())),
            3 => self.unsubscribe(client, usize::from(script.u8())),
            4..=6 => self.publish(client, script.u8(), script.u8()),
            7 => self.acknowledge(client),
            8 if choice < 128 => drop(self.store_one()),
            8 => self.die(flags & 1 == 0),
            _ => {
                self.secs += u64::from(choice) * 4;
                self.broker.expire(self.now());
                self.forget_late();
                let due = self.broker.next_deadline();
                assert!(due.is_none_or(|due| due > self.now().moment), "nothing stays due");
            }
        }
    }

    fn connect(&mut self, client: usize, is_clean: bool, is_kept: bool, has_will: bool) {
        if self.lines.contains_key(&client) {
            self.leave(client, true);
        }
        let (namespace, client_id) = CLIENTS[client];
        let message = Publication::new("t", &u32::MAX.to_be_bytes(), QoS::AtMostOnce).expect("a topic");
        let will = has_will.then_some(LastWill { publication: message, delay_secs: 0 });
        let link = Link(self.next_link);
        self.next_link += 1;
        let expiry_secs = if is_kept { EXPIRY_SECS } else { 0 };
        let who = Joining {
            namespace,
            client_id,
            version: Version::V5,
            clean_start: is_clean,
            session_expiry_secs: expiry_secs,
            will: will.as_ref(),
        };
        let now = self.now();
        match self.broker.connect(link, who, now) {
            Ok(joined) => {
                let known = &mut self.known[client];
                match &joined.session {
                    None => {
                        let is_late =
                            known.left.is_none_or(|left| self.secs >= left + u64::from(EXPIRY_SECS));
                        assert!(is_clean || !known.is_kept || is_late, "a session is lost");
                        *known = Known::default();
                    }
                    Some(_) => assert!(!is_clean, "a session that was to begin anew is there"),
                }
                (known.is_kept, known.left) = (is_kept, None);
                let saved = joined.session.unwrap_or_default();
                let line = Line {
                    key: joined.key,
                    link,
                    flying: saved.unacknowledged,
                    unreleased: saved.unreleased,
                    owned: saved.received,
                    last_id: saved.last_id,
                    will,
                    expiry_secs,
                };
                self.lines.insert(client, line);
            }
            Err(NotJoined::Quota) => {
                let (gauges, limits) = (self.broker.gauges(), limits());
                let are_wills_full =
                    will.is_some() && gauges.will_bytes + WILL_SIZE_MAX > limits.will_bytes_max;
                assert!(gauges.sessions >= limits.session_count_max || are_wills_full, "{gauges:?}");
            }
            Err(other) => panic!("a client that may join does not: {other:?}"),
        }
    }

    fn leave(&mut self, client: usize, with_will: bool) {
        let Some(line) = self.lines.remove(&client) else { return };
        let saved = SavedSession {
            unacknowledged: line.flying,
            unreleased: line.unreleased,
            received: line.owned,
            last_id: line.last_id,
        };
        let will = line.will.filter(|_| with_will);
        let now = self.now();
        let absence = Absence::begin(saved, line.expiry_secs, will, now.moment);
        self.broker.left(line.key, absence, now);
        self.known[client].left = Some(self.secs);
        if line.expiry_secs == 0 {
            self.known[client] = Known::default();
        }
    }

    fn subscribe(&mut self, client: usize, choice: usize) {
        let Some(line) = self.lines.get(&client) else { return };
        let filter = FILTERS[(choice & 15) % FILTERS.len()];
        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][choice / 16 % 3];
        let request = SubscribeRequest {
            id: packet(1),
            subscriptions: vec![(filter.into(), SubscriptionOptions::plain(qos))],
            identifier: None,
            user_properties: PropertyList::new(),
        };
        let reasons = self.broker.subscribe(line.key, &request, self.now());
        assert_eq!(reasons.len(), 1);
        let is_granted = reasons[0].0 < 0x80;
        let place = Place::of(filter.strip_prefix("$share/g/").unwrap_or(filter));
        assert!(!is_granted || (place == Place::Free && filter != "t/#/u"), "{filter}");
        if is_granted {
            let known = &mut self.known[client];
            known.filters.insert(filter);
            self.asked[client].insert(filter);
            known.now.remove(filter);
            if qos > QoS::AtMostOnce && !filter.starts_with('$') {
                known.now.insert(filter);
            }
        }
    }

    fn unsubscribe(&mut self, client: usize, choice: usize) {
        let Some(line) = self.lines.get(&client) else { return };
        let filter = FILTERS[(choice & 15) % FILTERS.len()];
        let request = UnsubscribeRequest {
            id: packet(1),
            filters: vec![filter.into()],
            user_properties: PropertyList::new(),
        };
        let reasons = self.broker.unsubscribe(line.key, &request, self.now());
        assert_eq!(reasons.len(), 1);
        self.known[client].now.remove(filter);
    }

    fn publish(&mut self, client: usize, choice: u8, size: u8) {
        let Some(line) = self.lines.get_mut(&client) else { return };
        let topic = TOPICS[usize::from(choice) % TOPICS.len()];
        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(choice) / 8 % 3];
        let number = u32::try_from(self.published.len()).expect("inputs are short");
        let payload = [&number.to_be_bytes()[..], &vec![7; usize::from(size)]].concat();
        let Ok(mut publication) = Publication::new(topic, &payload, qos) else {
            return assert_eq!(topic, "", "a name of a topic");
        };
        publication.retain = choice & 0x80 != 0;
        let id = packet(100);
        // Identifiers of messages that are ours until they are released are not used again.
        if qos == QoS::ExactlyOnce && line.owned.contains(&id) {
            self.broker.released(line.key, id);
            line.owned.retain(|owned| *owned != id);
        }
        let key = line.key;
        let (before, now) = (self.broker.counters(), self.now());
        let taken = self.broker.publish(key, &publication, (qos > QoS::AtMostOnce).then_some(id), now);
        let namespace = CLIENTS[client].0;
        self.published.push(Published { namespace, topic, is_retained: publication.retain });
        let place = Place::of(topic);
        match taken {
            Taken::Yes { .. } => {
                assert_eq!(place, Place::Free);
                if qos == QoS::ExactlyOnce
                    && let Some(line) = self.lines.get_mut(&client)
                {
                    line.owned.push(id);
                }
                let after = self.broker.counters();
                let is_whole = after.dropped_queue_full == before.dropped_queue_full
                    && after.dropped_queues_full == before.dropped_queues_full;
                if qos > QoS::AtMostOnce && is_whole {
                    self.owe(namespace, topic, number);
                }
            }
            Taken::Things => assert_eq!(place, Place::Things),
            Taken::Refused(reason) => assert!(reason.0 >= 0x80),
        }
    }

    /// Everybody who asked for it, and is there or comes again, gets it.
    fn owe(&mut self, namespace: &str, topic: &str, number: u32) {
        for (client, known) in self.known.iter_mut().enumerate() {
            let is_there = self.lines.contains_key(&client) || (known.is_kept && known.left.is_some());
            let is_asked = known.now.iter().any(|filter| matches(filter, topic));
            if CLIENTS[client].0 == namespace && is_there && is_asked {
                known.owed.insert(number);
            }
        }
    }

    /// The client acknowledges the oldest message that is under way, QoS 2 to its end.
    fn acknowledge(&mut self, client: usize) {
        let Some(line) = self.lines.get_mut(&client) else { return };
        if line.flying.is_empty() {
            if let Some(id) = line.unreleased.pop() {
                self.broker.delivered(line.key, id);
            }
            return;
        }
        let kept = line.flying.remove(0);
        if kept.publication.qos == QoS::ExactlyOnce {
            self.broker.received(line.key, kept.id);
        }
        self.broker.delivered(line.key, kept.id);
        self.known[client].owed.remove(&number_of(&kept.publication));
    }

    fn deliver(&mut self) {
        while let Some((_, link, publication)) = self.broker.next_direct() {
            let client = self.lines.iter().find(|(_, line)| line.link == link).map(|(client, _)| *client);
            if let Some(client) = client {
                self.came(client, &publication);
            }
        }
        while let Some((_, link)) = self.broker.next_ready() {
            let client = self.lines.iter().find(|(_, line)| line.link == link).map(|(client, _)| *client);
            self.pump(client.expect("who is ready has a connection"));
        }
    }

    fn pump(&mut self, client: usize) {
        let now = self.now();
        loop {
            let Some(line) = self.lines.get_mut(&client) else { return };
            if line.flying.len() + line.unreleased.len() >= 4 {
                return;
            }
            let Some(publication) = self.broker.next_message(line.key, now) else { return };
            line.last_id += 1;
            let id = packet(line.last_id);
            self.broker.sent(line.key, id);
            line.flying.push(Unacknowledged { id, publication: publication.clone() });
            self.came(client, &publication);
        }
    }

    /// Somebody gets a message for the first time on this path: it was published by one of its own owner, on a
    /// topic it asked for, and no oftener than it asked.
    fn came(&mut self, client: usize, publication: &Publication) {
        self.has_come = true;
        let number = number_of(publication);
        if number == u32::MAX {
            return;
        }
        let known = &mut self.known[client];
        let published = &self.published[usize::try_from(number).expect("inputs are short")];
        assert_eq!(published.namespace, CLIENTS[client].0, "a message of another owner");
        assert_eq!(&*publication.message.topic, published.topic);
        let fits =
            |filter: &&&str| matches(filter.strip_prefix("$share/g/").unwrap_or(filter), published.topic);
        let fitting = known.filters.iter().filter(fits).count();
        assert!(fitting > 0, "nobody asked for {}", published.topic);
        if !published.is_retained {
            let times = known.came.entry(number).or_default();
            *times += 1;
            assert!(*times <= fitting, "a message comes oftener than it was asked for");
        }
    }

    fn store_one(&mut self) -> bool {
        let Some(batch) = self.broker.take_batch() else { return false };
        let append = &batch.append;
        let first = (!append.is_empty())
            .then(|| self.store.append(MESSAGES, JOURNAL_NAME, append).expect("memory takes it"));
        self.store.commit(&Snapshot::default(), &batch.records).expect("memory takes it");
        if let Some(before) = batch.trim {
            self.store.trim(MESSAGES, JOURNAL_NAME, before).expect("memory forgets it");
        }
        self.broker.stored(batch.number, first);
        true
    }

    /// The process dies and starts again on what is stored.
    fn die(&mut self, is_all_stored: bool) {
        if is_all_stored {
            while self.store_one() {}
        }
        let mut stored = Stored::new();
        for space in [SESSIONS, RETAINED] {
            let all = Range { space, prefix: Vec::new(), after: None, limit: usize::MAX };
            for (key, record) in self.store.scan(&all).expect("memory reads").records {
                stored.record(&key, &record.value).expect("our own records");
            }
        }
        for entry in self.store.read(MESSAGES, JOURNAL_NAME, Position(0), usize::MAX).expect("memory reads") {
            stored.journal(entry.position, &entry.value).expect("our own entries");
        }
        self.broker = stored.open(limits(), self.now());
        for client in std::mem::take(&mut self.lines).into_keys() {
            self.known[client].left = Some(self.secs);
        }
        for (known, asked) in self.known.iter_mut().zip(&self.asked) {
            if !is_all_stored {
                // What nobody was told of may be lost, and may be there.
                *known = Known { filters: asked.clone(), ..Known::default() };
            } else if known.is_kept {
                // What was under way comes again.
                known.came.clear();
            } else {
                // After a death before this one nobody knows which sessions there are.
                *known = Known { filters: asked.clone(), ..Known::default() };
            }
        }
    }

    fn forget_late(&mut self) {
        for known in &mut self.known {
            if known.left.is_some_and(|left| self.secs >= left + u64::from(EXPIRY_SECS)) {
                *known = Known::default();
            }
        }
    }

    fn check(&self) {
        let (gauges, limits) = (self.broker.gauges(), limits());
        assert!(gauges.sessions <= limits.session_count_max && gauges.connected == self.lines.len());
        assert!(gauges.queue_bytes <= limits.queue_bytes_total_max, "{gauges:?}");
        assert!(gauges.will_bytes <= limits.will_bytes_max, "{gauges:?}");
        assert!(gauges.retained_count <= limits.retained_count_max, "{gauges:?}");
        assert!(gauges.retained_bytes <= limits.retained_bytes_max, "{gauges:?}");
    }

    /// All come once more: what is owed is under way, or waits.
    fn end(&mut self) {
        for client in 0..CLIENTS.len() {
            let owed = std::mem::take(&mut self.known[client].owed);
            if owed.is_empty() || (!self.lines.contains_key(&client) && !self.known[client].is_kept) {
                continue;
            }
            if !self.lines.contains_key(&client) {
                let sessions = self.broker.gauges().sessions;
                self.connect(client, false, true, false);
                assert!(self.lines.contains_key(&client), "its session is one of {sessions}");
            }
            let mut seen = BTreeSet::new();
            loop {
                self.deliver();
                self.pump(client);
                let Some(line) = self.lines.get_mut(&client) else { break };
                if line.flying.is_empty() && line.unreleased.is_empty() {
                    break;
                }
                seen.extend(line.flying.iter().map(|kept| number_of(&kept.publication)));
                self.acknowledge(client);
            }
            let lost: Vec<_> = owed.difference(&seen).collect();
            assert!(lost.is_empty(), "messages are lost: {lost:?} of {owed:?}");
        }
    }
}

fn packet(number: u16) -> PacketId {
    PacketId::new(number).expect("numbers begin at 1")
}

fn number_of(publication: &Publication) -> u32 {
    let bytes = publication.message.payload.first_chunk().expect("all that is published is numbered");
    u32::from_be_bytes(*bytes)
}

/// Whether a filter takes a topic, level by level: slowly, and another way than the broker's.
fn matches(filter: &str, topic: &str) -> bool {
    let (mut filters, mut levels) = (filter.split('/'), topic.split('/'));
    loop {
        match (filters.next(), levels.next()) {
            (Some("#"), _) => return true,
            (Some("+"), Some(_)) => {}
            (Some(filter), Some(level)) if filter == level => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut kept = Recorder::default();
    // Two readers that are kept, one that publishes; one reader leaves, the process dies, it comes again.
    kept.u8(0).u8(8).u8(0).u8(9).u8(0).u8(2).u8(2).u8(0).u8(17).u8(2).u8(1).u8(35);
    kept.u8(4).u8(2).u8(8).u8(9).u8(4).u8(2).u8(17).u8(20).u8(1).u8(0).u8(4).u8(2).u8(9).u8(1);
    kept.u8(7).u8(1).u8(8).u8(0).u8(8).u8(240).u8(0).u8(8).u8(7).u8(0).u8(7).u8(0);
    let mut limits = Recorder::default();
    for client in 0..6 {
        limits.u8(0).u8(8 + client);
    }
    limits.u8(2).u8(0).u8(17).u8(2).u8(0).u8(19).u8(2).u8(0).u8(18).u8(2).u8(0).u8(22).u8(2).u8(0).u8(8);
    for size in [200, 250, 250, 250, 250, 250] {
        limits.u8(4).u8(1).u8(8).u8(size).u8(4).u8(1).u8(136).u8(size);
    }
    limits.u8(9).u8(200).u8(1).u8(0).u8(9).u8(200).u8(3).u8(1).u8(3).u8(0).u8(0).u8(0);
    let mut shared = Recorder::default();
    shared.u8(0).u8(8).u8(0).u8(9).u8(2).u8(0).u8(21).u8(2).u8(1).u8(21).u8(0).u8(2);
    for number in 0..4 {
        shared.u8(4).u8(2).u8(9).u8(number).u8(7).u8(number & 1);
    }
    shared.u8(1).u8(1).u8(4).u8(2).u8(17).u8(1).u8(6).u8(2).u8(5).u8(0).u8(5).u8(2).u8(6).u8(0);
    vec![kept.0, limits.0, shared.0]
}
