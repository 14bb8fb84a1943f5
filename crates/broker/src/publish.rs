//! Messages come in and are routed.

use clock::Now;
use mqtt_proto::{Countdown, PacketId, Publication, QoS, ReasonCode, Remaining};

use crate::broker::millis;
use crate::entry::{Entry, Target, put_message};
use crate::records::{RetainedRecord, retained_key};
use crate::retained::Retained;
use crate::session::{Item, SessionKey, size_of};
use crate::trie::{Route, Share};
use crate::{Broker, Place};

/// An entry of the journal names so many targets at most, each with its identifiers counted.
const TARGETS_PER_ENTRY_MAX: usize = 4_096;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is the broker's. Acknowledge it, with [`ReasonCode::NO_MATCHING_SUBSCRIBERS`] if nobody wants it.
    Yes {
        /// Whether a subscription matched.
        is_matched: bool,
    },
    /// It is not taken, and why. 3.1.1 has no refusal: there the connection is closed.
    Refused(ReasonCode),
    /// It belongs to the hub; nothing was done with it.
    Things,
}

/// One message on its way to the sessions.
struct Routing<'a> {
    publication: &'a Publication,
    ends_unix_millis: u64,
    /// 0: none yet.
    number: u64,
    now: Now,
}

impl Broker {
    pub(crate) fn is_too_deep(&self, topic: &str) -> bool {
        topic.bytes().filter(|byte| *byte == b'/').count() >= self.limits.level_count_max
    }

    /// Takes a message of the session's client; `id` is that of QoS 1 and 2.
    ///
    /// After a refusal nothing of it is kept and nobody gets it.
    pub fn publish(
        &mut self,
        key: SessionKey,
        publication: &Publication,
        id: Option<PacketId>,
        now: Now,
    ) -> Taken {
        let Some(session) = self.session(key) else { return Taken::Refused(ReasonCode::NOT_AUTHORIZED) };
        let (realm, is_durable) = (session.realm, session.is_durable);
        match Place::of(&publication.message.topic) {
            Place::Free => {}
            Place::Things => return Taken::Things,
            Place::Reserved => {
                self.counters.refused_topic += 1;
                return Taken::Refused(ReasonCode::NOT_AUTHORIZED);
            }
        }
        if self.is_too_deep(&publication.message.topic) {
            self.counters.refused_levels += 1;
            return Taken::Refused(ReasonCode::TOPIC_NAME_INVALID);
        }
        let is_stored = id.is_some() || publication.retain;
        if is_stored && self.writing.unstored_bytes() > self.limits.unstored_bytes_max {
            self.counters.refused_unstored += 1;
            return Taken::Refused(ReasonCode::QUOTA_EXCEEDED);
        }
        let before = self.writing.change_count;
        if publication.retain && !self.retain(realm, publication, now) {
            self.counters.refused_retained += 1;
            return Taken::Refused(ReasonCode::QUOTA_EXCEEDED);
        }
        self.counters.messages_in += 1;
        let is_matched = self.route(realm, Some(key), publication, now);
        if let Some(id) = id.filter(|_| publication.qos == QoS::ExactlyOnce && is_durable) {
            let entry = Entry::Owned { serial: key.serial, id };
            self.change_flow(key, entry, true, |session| session.owned.insert(id));
        }
        if id.is_some() && self.writing.change_count != before {
            self.depend(key, self.writing.open);
        }
        Taken::Yes { is_matched }
    }

    pub(crate) fn publish_will(&mut self, key: SessionKey, will: &Publication, now: Now) {
        let Some(realm) = self.session(key).map(|session| session.realm) else { return };
        self.counters.wills += 1;
        self.counters.messages_in += 1;
        if will.retain && !self.retain(realm, will, now) {
            // Nobody can be told; it still reaches who is subscribed.
            self.counters.refused_retained += 1;
        }
        self.route(realm, Some(key), will, now);
    }

    /// Sets, replaces or removes a retained message; whether there was room.
    fn retain(&mut self, realm: u32, publication: &Publication, now: Now) -> bool {
        let ends_unix_millis = ends(publication, now);
        let is_durable = self.limits.is_durable;
        let message = &publication.message;
        let known = self.realms[realm as usize].retained.get(message.topic.as_str());
        let (known_number, known_bytes) =
            known.map_or((None, 0), |known| (Some(known.number), size_of(&known.publication)));
        if message.payload.is_empty() {
            if let Some(number) = known_number {
                self.realm_mut(realm).retained.remove(message.topic.as_str());
                self.retained_bytes -= known_bytes;
                self.retained_count -= 1;
                if is_durable {
                    self.writing.delete(retained_key(number));
                }
            }
            return true;
        }
        let more_bytes = size_of(publication);
        let more_count = usize::from(known_number.is_none());
        if !self.has_retained_room(known_bytes, more_bytes, more_count) {
            self.drop_retained_expired(now);
        }
        // What was replaced may be gone by now.
        let is_known = self.realms[realm as usize].retained.contains_key(message.topic.as_str());
        let (known_number, known_bytes) = if is_known { (known_number, known_bytes) } else { (None, 0) };
        let more_count = usize::from(known_number.is_none());
        if !self.has_retained_room(known_bytes, more_bytes, more_count) {
            return false;
        }
        self.retained_bytes = self.retained_bytes - known_bytes + more_bytes;
        self.retained_count += more_count;
        let number = known_number.unwrap_or_else(|| {
            self.last_retained += 1;
            self.last_retained
        });
        let publication = Publication { subscription_ids: Vec::new(), ..publication.clone() };
        if is_durable {
            let record = RetainedRecord {
                namespace: self.realms[realm as usize].name.as_ref().into(),
                qos: publication.qos,
                ends_unix_millis,
                publication: publication.clone(),
            };
            self.writing.put(retained_key(number), record.to_value());
        }
        let life = Countdown::start(publication.expiry_secs, now.moment);
        let topic = message.topic.as_str().into();
        let retained = Retained { publication, life, number };
        self.realm_mut(realm).retained.insert(topic, retained);
        true
    }

    const fn has_retained_room(&self, less_bytes: usize, more_bytes: usize, more_count: usize) -> bool {
        self.retained_bytes - less_bytes + more_bytes <= self.limits.retained_bytes_max
            && self.retained_count + more_count <= self.limits.retained_count_max
    }

    /// Forgets retained messages whose time is over.
    fn drop_retained_expired(&mut self, now: Now) {
        let is_durable = self.limits.is_durable;
        let mut dropped = Vec::new();
        for realm in &mut self.realms {
            realm.retained.retain(|_, retained| {
                let is_over = retained.life.remaining(now.moment) == Remaining::Over;
                if is_over {
                    dropped.push((retained.number, size_of(&retained.publication)));
                }
                !is_over
            });
        }
        for (number, bytes) in dropped {
            self.retained_count -= 1;
            self.retained_bytes -= bytes;
            if is_durable {
                self.writing.delete(retained_key(number));
            }
        }
    }

    /// Hands a message to every session that wants it, once each; whether there was one.
    fn route(&mut self, realm: u32, from: Option<SessionKey>, publication: &Publication, now: Now) -> bool {
        let mut routes = std::mem::take(&mut self.routes);
        routes.clear();
        let mut shared = Vec::new();
        let sessions = &self.sessions;
        let is_connected = |route: &Route| {
            let session = sessions[route.key.slot as usize].as_deref();
            session.is_some_and(|session| session.key == route.key && session.link.is_some())
        };
        let pick = |share: &Share| pick(share, is_connected);
        self.realms[realm as usize].trie.find(&publication.message.topic, &pick, &mut routes, &mut shared);
        routes.retain(|route| !(route.options.no_local && Some(route.key) == from));
        if routes.len() > 1 {
            routes.sort_by_key(|route| route.key.slot);
        }
        let is_matched = !routes.is_empty() || !shared.is_empty();
        let mut routing = Routing { publication, ends_unix_millis: ends(publication, now), number: 0, now };
        let mut rest = routes.as_slice();
        while let Some(first) = rest.first() {
            let count = rest.iter().take_while(|route| route.key == first.key).count();
            let (same, others) = rest.split_at(count);
            self.hand_out(same, &mut routing);
            rest = others;
        }
        self.write_targets(&routing);
        // A share is a subscription of its own: who has another one gets both, each under its own number.
        for route in &shared {
            routing.number = 0;
            self.hand_out(std::slice::from_ref(route), &mut routing);
            self.write_targets(&routing);
        }
        self.routes = routes;
        is_matched
    }

    /// One copy for a session, whatever number of its subscriptions match. Source: MQTT 5.0 section 3.3.4.
    fn hand_out(&mut self, routes: &[Route], routing: &mut Routing<'_>) {
        let published = routing.publication;
        let highest = routes.iter().map(|route| route.options.qos).max().unwrap_or(QoS::AtMostOnce);
        let copy = Publication {
            message: published.message.clone(),
            qos: published.qos.min(highest),
            retain: published.retain && routes.iter().any(|route| route.options.retain_as_published),
            expiry_secs: published.expiry_secs,
            subscription_ids: routes.iter().filter_map(|route| route.id).collect(),
        };
        self.deliver(routes[0].key, copy, routing);
    }

    /// Hands a message to one session, by `routes` of its own.
    pub(crate) fn deliver_to(&mut self, routes: &[Route], publication: &Publication, now: Now) {
        let mut routing = Routing { publication, ends_unix_millis: ends(publication, now), number: 0, now };
        self.hand_out(routes, &mut routing);
        self.write_targets(&routing);
    }

    /// Sends a retained message for a new subscription.
    pub(crate) fn deliver_retained(&mut self, route: &Route, retained: Publication, now: Now) {
        let mut routing =
            Routing { publication: &retained, ends_unix_millis: ends(&retained, now), number: 0, now };
        let copy = Publication {
            qos: retained.qos.min(route.options.qos),
            retain: true,
            subscription_ids: route.id.into_iter().collect(),
            ..retained.clone()
        };
        self.deliver(route.key, copy, &mut routing);
        self.write_targets(&routing);
    }

    fn deliver(&mut self, key: SessionKey, copy: Publication, routing: &mut Routing<'_>) {
        let Some(session) = self.session(key) else { return };
        if copy.qos == QoS::AtMostOnce {
            match session.link {
                Some(link) => {
                    self.counters.messages_out += 1;
                    self.direct.push_back((key, link, copy));
                }
                None => self.counters.dropped_absent += 1,
            }
            return;
        }
        if session.may_wait(copy.qos) && self.has_room(key, size_of(&copy), routing.now) {
            self.counters.messages_out += 1;
            self.enqueue(key, copy, routing);
        }
    }

    /// Whether the queue takes so many bytes more; what is dropped is counted.
    fn has_room(&mut self, key: SessionKey, bytes: usize, now: Now) -> bool {
        for is_last in [false, true] {
            let (limits, Some(session)) = (&self.limits, self.session(key)) else { return false };
            let of_account = self.holders.bytes(session.holder);
            let is_session_full = session.queue_bytes + bytes > limits.queue_bytes_max;
            let is_account_full = of_account + bytes > limits.queue_bytes_account_max;
            let are_all_full = self.holders.in_all() + bytes > limits.queue_bytes_total_max;
            if !is_session_full && !is_account_full && !are_all_full {
                return true;
            }
            match is_last {
                false => self.drop_expired(key, now),
                true if is_session_full => self.counters.dropped_queue_full += 1,
                true if is_account_full => self.counters.dropped_account_full += 1,
                true => self.counters.dropped_queues_full += 1,
            }
        }
        false
    }

    fn enqueue(&mut self, key: SessionKey, copy: Publication, routing: &mut Routing<'_>) {
        let bytes = size_of(&copy);
        let open = self.writing.open;
        let Some(session) = self.sessions[key.slot as usize].as_deref_mut() else { return };
        let mut batch = 0;
        if session.is_durable {
            if routing.number == 0 {
                self.last_message += 1;
                routing.number = self.last_message;
            }
            batch = open;
            self.targets.push(Target {
                serial: key.serial,
                qos: copy.qos,
                retain: copy.retain,
                ids: copy.subscription_ids.clone(),
            });
        }
        let life = Countdown::start(copy.expiry_secs, routing.now.moment);
        let ends_unix_millis = routing.ends_unix_millis;
        let number = routing.number;
        session.queue.push_back(Item { publication: copy, life, ends_unix_millis, number, batch });
        session.queue_bytes += bytes;
        session.hold(batch);
        let holder = session.holder;
        if session.link.is_some() && !session.is_ready {
            session.is_ready = true;
            self.ready.push_back(key);
        }
        self.holders.add(holder, bytes);
        if batch > 0 {
            self.note(key);
        }
    }

    /// Writes who waits for the message.
    fn write_targets(&mut self, routing: &Routing<'_>) {
        let mut rest = self.targets.as_slice();
        while !rest.is_empty() {
            let mut weight = 0;
            let is_within = |target: &&Target| {
                weight += 1 + target.ids.len();
                weight <= TARGETS_PER_ENTRY_MAX
            };
            // One alone has fewer identifiers than a session has subscriptions.
            let count = rest.iter().take_while(is_within).count().max(1);
            let (targets, others) = rest.split_at(count);
            rest = others;
            let out = self.writing.entries();
            put_message(routing.number, routing.ends_unix_millis, targets, routing.publication, out);
        }
        self.targets.clear();
    }
}

/// The member of a share whose turn it is: a connected one if there is one.
fn pick(share: &Share, is_connected: impl Fn(&Route) -> bool) -> Option<Route> {
    let count = share.members.len();
    let turn = share.turn.get();
    let in_turn = || (turn..turn + count).map(|at| at % count);
    let at = in_turn().find(|at| is_connected(&share.members[*at])).or_else(|| in_turn().next())?;
    share.turn.set((at + 1) % count);
    share.members.get(at).copied()
}

/// When a message's time is over, in milliseconds since 1970; 0: never, or not known.
fn ends(publication: &Publication, now: Now) -> u64 {
    let span = publication.expiry_secs.map(|secs| std::time::Duration::from_secs(u64::from(secs)));
    span.zip(now.utc).map_or(0, |(span, utc)| utc.as_unix_millis().saturating_add(millis(span)))
}
