//! A broker with a store in memory, and connections that are only lists.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use broker::{
    Broker, JOURNAL_NAME, Joined, Joining, Limits, Link, MESSAGES, NotJoined, RETAINED, SESSIONS, SessionKey,
    Stored, Taken,
};
use clock::{Moment, Now, Timestamp};
use mqtt_proto::{
    Absence, LastWill, PacketId, PropertyList, Publication, QoS, ReasonCode, SavedSession, SubscribeRequest,
    SubscriptionOptions, Unacknowledged, UnsubscribeRequest, Version,
};
use store::{Journal, Memory, Position, Range, Snapshot, Table};

pub(crate) use mqtt_proto::QoS::{AtLeastOnce as Q1, AtMostOnce as Q0, ExactlyOnce as Q2};

/// One connection: what came, and what is not acknowledged.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) key: SessionKey,
    pub(crate) came: Vec<Publication>,
    pub(crate) flying: Vec<Unacknowledged>,
    pub(crate) unreleased: Vec<PacketId>,
    pub(crate) owned: Vec<PacketId>,
    pub(crate) last_id: u16,
    pub(crate) quota: usize,
    pub(crate) expiry_secs: u32,
    pub(crate) will: Option<LastWill>,
}

pub(crate) struct Desk {
    pub(crate) broker: Broker,
    pub(crate) store: Memory,
    pub(crate) now: Now,
    pub(crate) lines: BTreeMap<u64, Line>,
    next_link: u64,
}

pub(crate) fn at(secs: u64) -> Now {
    let moment = Moment::START + Duration::from_secs(secs);
    Now::new(moment, Timestamp::from_unix_millis(1_800_000_000_000 + secs * 1000))
}

pub(crate) fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

pub(crate) fn message(topic: &str, payload: &str, qos: QoS) -> Publication {
    Publication::new(topic, payload.as_bytes(), qos).unwrap()
}

pub(crate) fn retained(topic: &str, payload: &str, qos: QoS) -> Publication {
    Publication { retain: true, ..message(topic, payload, qos) }
}

/// How somebody connects.
#[derive(Clone, Debug)]
pub(crate) struct How {
    pub(crate) version: Version,
    pub(crate) namespace: &'static str,
    pub(crate) clean: bool,
    pub(crate) expiry_secs: u32,
    pub(crate) will: Option<LastWill>,
}

pub(crate) const FOR_NOW: How =
    How { version: Version::V5, namespace: "home", clean: true, expiry_secs: 0, will: None };
pub(crate) const KEPT: How = How { clean: false, expiry_secs: 3600, ..FOR_NOW };

impl Desk {
    pub(crate) fn new(limits: Limits) -> Self {
        Self::over(Memory::new(), limits, at(0))
    }

    /// Opens what is stored.
    pub(crate) fn over(store: Memory, limits: Limits, now: Now) -> Self {
        let mut stored = Stored::new();
        for space in [SESSIONS, RETAINED] {
            let all = Range { space, prefix: Vec::new(), after: None, limit: usize::MAX };
            for (key, record) in store.scan(&all).unwrap().records {
                stored.record(&key, &record.value).unwrap();
            }
        }
        for entry in store.read(MESSAGES, JOURNAL_NAME, Position(0), usize::MAX).unwrap() {
            stored.journal(entry.position, &entry.value).unwrap();
        }
        let broker = stored.open(limits, now);
        Self { broker, store, now, lines: BTreeMap::new(), next_link: 1 }
    }

    pub(crate) fn try_connect(&mut self, name: &str, how: &How) -> Result<(u64, Joined), NotJoined> {
        let link = self.next_link;
        self.next_link += 1;
        let who = Joining {
            namespace: how.namespace,
            client_id: name,
            version: how.version,
            clean_start: how.clean,
            session_expiry_secs: how.expiry_secs,
            will: how.will.as_ref(),
        };
        let joined = self.broker.connect(Link(link), who, self.now)?;
        let saved = joined.session.clone().unwrap_or_default();
        let line = Line {
            key: joined.key,
            came: saved.unacknowledged.iter().map(|kept| kept.publication.clone()).collect(),
            flying: saved.unacknowledged,
            unreleased: saved.unreleased,
            owned: saved.received,
            last_id: saved.last_id,
            quota: 16,
            expiry_secs: how.expiry_secs,
            will: how.will.clone(),
        };
        self.lines.insert(link, line);
        self.drain();
        Ok((link, joined))
    }

    pub(crate) fn connect(&mut self, name: &str, how: &How) -> u64 {
        self.try_connect(name, how).unwrap().0
    }

    pub(crate) fn leave(&mut self, link: u64, with_will: bool) {
        let line = self.lines.remove(&link).unwrap();
        let saved = SavedSession {
            unacknowledged: line.flying,
            unreleased: line.unreleased,
            received: line.owned,
            last_id: line.last_id,
        };
        let will = line.will.filter(|_| with_will);
        let absence = Absence::begin(saved, line.expiry_secs, will, self.now.moment);
        self.broker.left(line.key, absence, self.now);
        self.drain();
    }

    pub(crate) fn subscribe_with(
        &mut self,
        link: u64,
        filter: &str,
        options: SubscriptionOptions,
        identifier: Option<u32>,
    ) -> ReasonCode {
        let request = SubscribeRequest {
            id: id(1),
            subscriptions: vec![(filter.into(), options)],
            identifier: identifier.and_then(NonZeroU32::new),
            user_properties: PropertyList::new(),
        };
        let reasons = self.broker.subscribe(self.lines[&link].key, &request, self.now);
        self.drain();
        reasons[0]
    }

    pub(crate) fn subscribe(&mut self, link: u64, filter: &str, qos: QoS) -> ReasonCode {
        self.subscribe_with(link, filter, SubscriptionOptions::plain(qos), None)
    }

    pub(crate) fn unsubscribe(&mut self, link: u64, filter: &str) -> ReasonCode {
        let request = UnsubscribeRequest {
            id: id(1),
            filters: vec![filter.into()],
            user_properties: PropertyList::new(),
        };
        self.broker.unsubscribe(self.lines[&link].key, &request, self.now)[0]
    }

    pub(crate) fn publish(&mut self, link: u64, publication: &Publication) -> Taken {
        let packet_id = (publication.qos > Q0).then(|| id(1));
        let key = self.lines[&link].key;
        let taken = self.broker.publish(key, publication, packet_id, self.now);
        if publication.qos == Q2 && matches!(taken, Taken::Yes { .. }) {
            self.broker.released(key, id(1));
        }
        self.drain();
        taken
    }

    pub(crate) fn pass(&mut self, now: Now) {
        self.now = now;
        self.broker.expire(now);
        self.drain();
    }

    pub(crate) fn drain(&mut self) {
        while let Some((_, Link(link), publication)) = self.broker.next_direct() {
            if let Some(line) = self.lines.get_mut(&link) {
                line.came.push(publication);
            }
        }
        while let Some((_, Link(link))) = self.broker.next_ready() {
            self.pump(link);
        }
    }

    pub(crate) fn pump(&mut self, link: u64) {
        let Some(line) = self.lines.get_mut(&link) else { return };
        while line.flying.len() + line.unreleased.len() < line.quota {
            let Some(publication) = self.broker.next_message(line.key, self.now) else { break };
            line.last_id += 1;
            let id = id(line.last_id);
            self.broker.sent(line.key, id);
            line.came.push(publication.clone());
            line.flying.push(Unacknowledged { id, publication });
        }
    }

    /// The client acknowledges the oldest message; QoS 2 to its end.
    pub(crate) fn acknowledge(&mut self, link: u64) {
        let line = self.lines.get_mut(&link).unwrap();
        let kept = line.flying.remove(0);
        if kept.publication.qos == Q2 {
            self.broker.received(line.key, kept.id);
        }
        self.broker.delivered(line.key, kept.id);
        self.pump(link);
    }

    /// Stores everything that waits for it.
    pub(crate) fn store_all(&mut self) {
        while self.store_one() {}
    }

    pub(crate) fn store_one(&mut self) -> bool {
        let Some(batch) = self.broker.take_batch() else { return false };
        let first = (!batch.append.is_empty())
            .then(|| self.store.append(MESSAGES, JOURNAL_NAME, &batch.append).unwrap());
        self.store.commit(&Snapshot::default(), &batch.records).unwrap();
        if let Some(before) = batch.trim {
            self.store.trim(MESSAGES, JOURNAL_NAME, before).unwrap();
        }
        self.broker.stored(batch.number, first);
        true
    }

    /// Kills the process and starts it again on what is stored.
    pub(crate) fn crash(self, limits: Limits) -> Self {
        Self::over(self.store, limits, self.now)
    }

    /// What came on a connection, as "topic payload", and forgets it.
    pub(crate) fn came(&mut self, link: u64) -> Vec<String> {
        let came = std::mem::take(&mut self.lines.get_mut(&link).unwrap().came);
        let text = |publication: Publication| {
            let message = &publication.message;
            format!("{} {}", message.topic, String::from_utf8_lossy(&message.payload))
        };
        came.into_iter().map(text).collect()
    }

    /// What came on a connection, as it was sent, and forgets it.
    pub(crate) fn copies(&mut self, link: u64) -> Vec<Publication> {
        std::mem::take(&mut self.lines.get_mut(&link).unwrap().came)
    }
}

pub(crate) fn yes(is_matched: bool) -> Taken {
    Taken::Yes { is_matched }
}

pub(crate) fn default() -> Desk {
    Desk::new(Limits::default())
}
