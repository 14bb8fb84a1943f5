//! Between connections and the owner, for `things/...`.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use broker::{HandedUp, KeptFilter, Place, SessionKey, granted_qos};
use clock::Now;
use mqtt_proto::{
    Incoming, PacketId, Publication, QoS, ReasonCode, RetainHandling, SubscribeRequest, Version,
};

use crate::face::RETRY_TIME;
use crate::things::{Asked, AskedFilters, LineThings, Untold, Want, farewell};
use crate::{Event, MqttFace, Output, ThingsClient, ThingsCommand, ThingsEvent};

/// Bytes of filters that one connection may have put to the owner; those of one SUBSCRIBE more are refused.
const ASKED_BYTES_MAX: usize = 512 * 1024;

impl MqttFace {
    fn tell_owner(&mut self, event: ThingsEvent) {
        self.outputs.push_back(Output::Event(Event::Things(event)));
    }

    /// What the line has to do with things, from its first word about them.
    fn things_of(&mut self, slot: u32) -> Option<&mut LineThings> {
        let line = self.lines.get_mut(slot as usize)?.as_deref_mut()?;
        let things = line.things.get_or_insert_with(|| {
            Box::new(LineThings::new(ThingsClient {
                name: line.name.clone(),
                session: line.session.clone(),
                address: line.newcomer.from.ip(),
                version: line.server.version(),
                for_owner: line.for_owner,
            }))
        });
        Some(things)
    }

    /// A session goes on: messages of the hub that were not acknowledged are not sent again, since the right to
    /// them may have ended; the owner tells what is due now.
    pub(crate) fn resume_things(&mut self, slot: u32, key: SessionKey) {
        let filters = self.broker.kept_filters(key);
        let Some(conn) = self.line(slot).map(|line| line.conn).filter(|_| !filters.is_empty()) else {
            return;
        };
        let Some(things) = self.things_of(slot) else { return };
        let client = Arc::clone(&things.client);
        self.tell_owner(ThingsEvent::Resume { conn, client, filters });
    }

    /// Subscribes to the filters that are the broker's, and asks about the others.
    pub(crate) fn on_subscribe(&mut self, slot: u32, key: SessionKey, request: SubscribeRequest, now: Now) {
        let is_ours = |text: &str| Place::of(text) == Place::Things;
        if !request.subscriptions.iter().any(|(text, _)| is_ours(text)) {
            let reasons = self.broker.subscribe(key, &request, now);
            self.answer_subscribe(slot, request.id, &reasons, now);
            return self.spread(now);
        }
        let (mut wants, mut reasons) = (Vec::new(), Vec::new());
        for (text, options) in &request.subscriptions {
            if !is_ours(text) {
                let one =
                    SubscribeRequest { subscriptions: vec![(text.clone(), *options)], ..request.clone() };
                reasons.push(self.broker.subscribe(key, &one, now).first().copied());
                continue;
            }
            let filter = KeptFilter { text: text.clone(), options: *options, id: request.identifier };
            reasons.push(match self.broker.keep_filter(key, &filter) {
                Ok(is_new) => {
                    let wants_known = match options.retain_handling {
                        RetainHandling::Send => true,
                        RetainHandling::SendIfNew => is_new,
                        RetainHandling::DoNotSend => false,
                    };
                    wants.push(Want { filter, wants_known });
                    None
                }
                Err(reason) => Some(reason),
            });
        }
        let Some(conn) = self.line(slot).map(|line| line.conn) else { return };
        // What ends a filter must not come after what begins it anew.
        let is_behind = self.unsaid.iter().any(|event| event.conn() == conn);
        let Some(things) = self.things_of(slot) else { return };
        let (id, client) = (request.id, Arc::clone(&things.client));
        let asked = AskedFilters { request, reasons };
        let is_too_much = things.asked_bytes + asked.size() > ASKED_BYTES_MAX;
        things.asked_bytes += asked.size();
        things.asked.insert(id, asked);
        match wants.is_empty() {
            _ if is_too_much || is_behind => {
                let refused = wants.iter().map(|_| Some(ReasonCode::QUOTA_EXCEEDED)).collect();
                self.subscribed(slot, id, refused, now);
            }
            true => self.subscribed(slot, id, Vec::new(), now),
            false => self.tell_owner(ThingsEvent::Subscribe { conn, client, request: id, wants }),
        }
        self.spread(now);
    }

    fn answer_subscribe(&mut self, slot: u32, id: PacketId, reasons: &[ReasonCode], now: Now) {
        let Some(line) = self.line(slot) else { return };
        let answered = line.server.subscribed(id, reasons, None, now.moment);
        debug_assert!(answered.is_ok() || !line.server.is_open(), "there is a reason for each filter");
    }

    fn subscribed(&mut self, slot: u32, id: PacketId, refused: Vec<Option<ReasonCode>>, now: Now) {
        let Some(line) = self.line(slot) else { return };
        let Some(key) = line.key else { return };
        let Some(things) = line.things.as_mut() else { return };
        let Some(asked) = things.asked.remove(&id) else { return };
        things.asked_bytes -= asked.size();
        let AskedFilters { request, reasons } = asked;
        let mut refused = refused.into_iter();
        let mut answers = Vec::new();
        for ((text, options), reason) in request.subscriptions.iter().zip(reasons) {
            answers.push(match reason {
                Some(reason) => reason,
                None => match refused.next().flatten() {
                    Some(reason) => {
                        self.broker.drop_filter(key, text);
                        reason
                    }
                    None => ReasonCode(granted_qos(*options).to_bits()),
                },
            });
        }
        self.broker.store_filters(key, now);
        self.answer_subscribe(slot, id, &answers, now);
        self.touch(slot);
    }

    /// Passes on which filters of the hub are no longer wanted.
    pub(crate) fn on_unsubscribe<'a>(&mut self, slot: u32, gone: impl Iterator<Item = &'a str>) {
        let Some(conn) = self.line(slot).map(|line| line.conn) else { return };
        for filter in gone.filter(|filter| Place::of(filter) == Place::Things) {
            self.drop_untold(slot, filter);
            self.tell_owner(ThingsEvent::Unsubscribe { conn, filter: filter.to_owned() });
        }
    }

    /// Passes on a message to the hub, unless it is a repetition of one that the hub has.
    pub(crate) fn on_things(&mut self, slot: u32, key: SessionKey, incoming: &Incoming, now: Now) {
        let Some(conn) = self.line(slot).map(|line| line.conn) else { return };
        if let Some(id) = incoming.id.filter(|_| incoming.publication.qos == QoS::ExactlyOnce) {
            match self.broker.hand_up(key, id) {
                HandedUp::Now => {}
                HandedUp::Before => return,
                HandedUp::Taken => return self.answer_publish(slot, id, ReasonCode::SUCCESS, None, now),
            }
        }
        let Some(things) = self.things_of(slot) else { return };
        let client = Arc::clone(&things.client);
        let asked = Asked { conn, key, id: incoming.id, publication: incoming.publication.clone() };
        self.tell_owner(ThingsEvent::Publish { client, asked: Box::new(asked) });
    }

    /// The owner answers.
    pub(crate) fn on_things_command(&mut self, command: ThingsCommand, now: Now) {
        match command {
            ThingsCommand::Subscribed { conn, request, refused } => {
                if let Some(slot) = self.by_conn.get(&conn).copied() {
                    self.subscribed(slot, request, refused, now);
                }
            }
            ThingsCommand::Taken { conn, key, id, qos, reason, why } => {
                let Some(id) = id else { return };
                if qos == QoS::ExactlyOnce {
                    self.broker.handed_up(key, id);
                    if !reason.is_failure() {
                        self.broker.own(key, id);
                    }
                }
                let slot = self.by_conn.get(&conn).copied();
                if let Some(slot) = slot.filter(|slot| self.line(*slot).is_some_and(|it| it.key == Some(key)))
                {
                    self.answer_publish(slot, id, reason, why, now);
                    self.touch(slot);
                } else if qos == QoS::ExactlyOnce {
                    self.answer_repeated(key, id, reason, now);
                }
            }
            ThingsCommand::Tell { conn, filter, mark, publication } => {
                if let Some(slot) = self.by_conn.get(&conn).copied() {
                    self.tell(slot, Untold { filter, mark, publication });
                }
            }
            ThingsCommand::Ended { conn, filter, why } => self.ended(conn, &filter, why, now),
            ThingsCommand::Overrun { conn } => {
                if let Some(slot) = self.by_conn.get(&conn).copied()
                    && let Some(line) = self.line(slot)
                {
                    line.server.disconnect(ReasonCode::QUOTA_EXCEEDED, None, now.moment);
                    self.touch(slot);
                }
            }
            ThingsCommand::Answer { key, publication } => {
                if !self.broker.tell(key, &publication, now) {
                    self.counters.unheard_answers += 1;
                }
                self.spread(now);
            }
        }
    }

    /// Acknowledges a message, or ends a connection that cannot be told that it is not taken.
    pub(crate) fn answer_publish(
        &mut self,
        slot: u32,
        id: PacketId,
        reason: ReasonCode,
        why: Option<&str>,
        now: Now,
    ) {
        let Some(line) = self.line(slot) else { return };
        if reason.is_failure() && line.server.version() == Version::V3_1_1 {
            // Acknowledging would be a lie. Source: MQTT-3.3.5-2 of 3.1.1.
            return line.server.disconnect(reason, None, now.moment);
        }
        let answered = line.server.acknowledge(id, reason, why, now.moment);
        debug_assert!(answered.is_ok() || !line.server.is_open(), "the message waits for its answer");
    }

    /// Answers a message of QoS 2 on the connection that came after its own, if it was repeated there already.
    fn answer_repeated(&mut self, key: SessionKey, id: PacketId, reason: ReasonCode, now: Now) {
        let slot = self.broker.link(key).map(|link| link.0 as u32);
        let Some((slot, line)) = slot.and_then(|slot| Some((slot, self.line(slot)?))) else { return };
        if reason.is_failure() && line.server.version() == Version::V3_1_1 {
            line.server.disconnect(reason, None, now.moment);
        } else {
            // One that is not repeated yet is answered then.
            let _unasked = line.server.acknowledge(id, reason, None, now.moment);
        }
        self.touch(slot);
    }

    fn tell(&mut self, slot: u32, untold: Untold) {
        let Some(line) = self.line(slot) else { return };
        if let Some(things) = line.things.as_mut().filter(|_| line.server.is_open()) {
            things.untold.push_back(untold);
            self.tell_on(slot);
        }
    }

    /// Sends what waits for a client, as far as it reads and its quota goes.
    pub(crate) fn tell_on(&mut self, slot: u32) {
        let limit = self.limits.slow_bytes_max;
        loop {
            let Some(line) = self.lines.get_mut(slot as usize).and_then(Option::as_deref_mut) else { return };
            let is_slow = line.fresh_bytes + line.waiting_bytes + line.held_bytes > limit;
            let (conn, quota) = (line.conn, line.server.quota());
            let (Some(key), Some(things)) = (line.key, line.things.as_mut()) else { return };
            if is_slow {
                return;
            }
            let Some(next) = things.untold.front() else { return };
            let Some(filter) = self.broker.kept_filter(key, &next.filter) else {
                let text = next.filter.clone();
                self.drop_untold(slot, &text);
                continue;
            };
            let qos = granted_qos(filter.options);
            if qos > QoS::AtMostOnce && quota == 0 {
                return;
            }
            let Some(Untold { filter: text, mark, publication }) = things.untold.pop_front() else { return };
            let ids = filter.id.into_iter().collect();
            let publication = Publication { qos, subscription_ids: ids, ..publication };
            line.fresh_bytes += publication.message.topic.len() + publication.message.payload.len() + 8;
            match line.server.publish(publication) {
                Ok(Some(id)) => {
                    things.flying.insert(id, (text, mark));
                }
                // Of QoS 0 it is on its way; one that is too large for the client counts as sent.
                Ok(None) | Err(_) => self.tell_owner(ThingsEvent::Told { conn, filter: text, mark }),
            }
            self.touch(slot);
        }
    }

    /// Whether an acknowledgement was for a message of the hub.
    pub(crate) fn on_told(&mut self, slot: u32, id: PacketId) -> bool {
        let Some(line) = self.line(slot) else { return false };
        let conn = line.conn;
        let Some(things) = line.things.as_mut() else { return false };
        let Entry::Occupied(flying) = things.flying.entry(id) else { return false };
        let (filter, mark) = flying.remove();
        self.tell_owner(ThingsEvent::Told { conn, filter, mark });
        true
    }

    fn ended(&mut self, conn: u64, text: &str, why: &str, now: Now) {
        let Some(slot) = self.by_conn.get(&conn).copied() else { return };
        let Some(line) = self.line(slot) else { return };
        let Some(key) = line.key else { return };
        self.drop_untold(slot, text);
        let Some(filter) = self.broker.kept_filter(key, text) else { return };
        self.broker.drop_filter(key, text);
        self.broker.store_filters(key, now);
        if let (Some(line), Some(farewell)) = (self.line(slot), farewell(&filter, why)) {
            // One that is not connected any more hears nothing.
            let _unsaid = line.server.publish(farewell);
        }
        self.touch(slot);
    }

    /// Drops what waits for a filter: nobody hears it, and there is room for as many others.
    fn drop_untold(&mut self, slot: u32, text: &str) {
        let Some(line) = self.line(slot) else { return };
        let conn = line.conn;
        let Some(things) = line.things.as_mut() else { return };
        let all = std::mem::take(&mut things.untold);
        let (dropped, kept): (Vec<_>, Vec<_>) = all.into_iter().partition(|untold| *untold.filter == *text);
        things.untold = kept.into();
        for untold in dropped {
            self.tell_owner(ThingsEvent::Told { conn, filter: untold.filter, mark: 0 });
        }
    }

    /// The owner has too much to do for an event of ours.
    pub(crate) fn things_refused(&mut self, event: ThingsEvent, now: Now) {
        let busy = ReasonCode::QUOTA_EXCEEDED;
        match event {
            ThingsEvent::Subscribe { conn, request, wants, .. } => {
                let refused = wants.iter().map(|_| Some(busy)).collect();
                self.on_things_command(ThingsCommand::Subscribed { conn, request, refused }, now);
            }
            ThingsEvent::Publish { asked, .. } => {
                let Asked { conn, key, id, publication } = *asked;
                let (qos, why) = (publication.qos, Some("try-later"));
                let taken = ThingsCommand::Taken { conn, key, id, qos, reason: busy, why };
                self.on_things_command(taken, now);
            }
            ThingsEvent::Resume { conn, .. } => {
                if let Some(slot) = self.by_conn.get(&conn).copied() {
                    let line = self.line(slot);
                    line.into_iter()
                        .for_each(|line| line.server.disconnect(ReasonCode::SERVER_BUSY, None, now.moment));
                    self.touch(slot);
                }
            }
            // These must not be lost.
            event @ (ThingsEvent::Unsubscribe { .. }
            | ThingsEvent::Told { .. }
            | ThingsEvent::Gone { .. }) => {
                self.unsaid.push_back(event);
                self.unsaid_due.get_or_insert(now.moment + RETRY_TIME);
            }
        }
    }

    /// Says once more what the owner had no room for.
    pub(crate) fn say_again(&mut self, now: Now) {
        if self.unsaid_due.is_some_and(|due| due <= now.moment) {
            self.unsaid_due = None;
            for event in std::mem::take(&mut self.unsaid) {
                self.tell_owner(event);
            }
        }
    }

    /// The connection is over.
    pub(crate) fn things_over(&mut self, slot: u32) {
        let Some(line) = self.line(slot) else { return };
        let conn = line.conn;
        if line.things.take().is_some() {
            self.tell_owner(ThingsEvent::Gone { conn });
        }
    }

    /// Sees to it that what the machine of a connection says is done.
    pub(crate) fn touch(&mut self, slot: u32) {
        let Some(line) = self.line(slot) else { return };
        if !line.is_dirty {
            line.is_dirty = true;
            self.dirty.push(slot);
        }
    }
}
