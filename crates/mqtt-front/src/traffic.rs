//! Messages between connections and the broker.

use broker::{Link, Taken};
use clock::Now;
use mqtt_proto::{Incoming, NotSent, QoS, ReasonCode, ServerEnd, ServerOutput};

use crate::{MqttFace, Output};

impl MqttFace {
    /// Does everything that the machine of a connection says.
    pub(crate) fn drain(&mut self, slot: u32, now: Now) {
        loop {
            let Some(line) = self.line(slot) else { return };
            line.fresh_bytes = 0;
            let Some(output) = line.server.next_output() else { return };
            let key = line.key;
            match output {
                ServerOutput::Transmit(bytes) => self.send(slot, bytes, now),
                ServerOutput::Connect(request) => self.on_connect(slot, request, now),
                ServerOutput::Authenticate { .. } => {
                    line.server.disconnect(ReasonCode::BAD_AUTHENTICATION_METHOD, None, now.moment);
                }
                ServerOutput::Message(incoming) => self.on_message(slot, &incoming, now),
                ServerOutput::Released { id } => {
                    key.into_iter().for_each(|key| self.broker.released(key, id));
                }
                ServerOutput::Received { id } => {
                    key.into_iter().for_each(|key| self.broker.received(key, id));
                }
                ServerOutput::Delivered { id, .. } => {
                    if !self.on_told(slot, id) {
                        key.into_iter().for_each(|key| self.broker.delivered(key, id));
                    }
                    self.tell_on(slot);
                    self.pump(slot, now);
                }
                ServerOutput::Subscribe(request) => {
                    let Some(key) = key else { continue };
                    self.on_subscribe(slot, key, request, now);
                }
                ServerOutput::Unsubscribe(request) => {
                    let Some(key) = key else { continue };
                    let reasons = self.broker.unsubscribe(key, &request, now);
                    let all = request.filters.iter().zip(&reasons);
                    let gone = all.filter(|(_, reason)| **reason == ReasonCode::SUCCESS);
                    self.on_unsubscribe(slot, gone.map(|(filter, _)| filter.as_str()));
                    let answered = line_of(self, slot)
                        .map(|line| line.server.unsubscribed(request.id, &reasons, None, now.moment));
                    debug_assert!(
                        answered.is_none_or(|answered| answered.is_ok()),
                        "a reason for each filter"
                    );
                }
                ServerOutput::Ended(end) => return self.on_ended(slot, *end, now),
            }
        }
    }

    fn on_message(&mut self, slot: u32, incoming: &Incoming, now: Now) {
        let Some(key) = self.line(slot).and_then(|line| line.key) else { return };
        let taken = self.broker.publish(key, &incoming.publication, incoming.id, now);
        self.spread(now);
        let reason = match taken {
            Taken::Yes { is_matched: true } => ReasonCode::SUCCESS,
            Taken::Yes { is_matched: false } => ReasonCode::NO_MATCHING_SUBSCRIBERS,
            Taken::Refused(reason) => reason,
            Taken::Things => return self.on_things(slot, key, incoming, now),
        };
        if let Some(id) = incoming.id {
            self.answer_publish(slot, id, reason, None, now);
        }
    }

    /// The connection is over: its session begins its absence.
    fn on_ended(&mut self, slot: u32, end: ServerEnd, now: Now) {
        let Some(line) = self.line(slot) else { return };
        line.is_over = true;
        line.request = None;
        self.things_over(slot);
        let Some(line) = self.line(slot) else { return };
        let key = line.key.take();
        if let (Some(key), Some(absence)) = (key, end.absence) {
            self.broker.left(key, absence, now);
            self.spread(now);
        }
        self.close_if_over(slot);
    }

    /// Hands on what the broker has for connections.
    pub(crate) fn spread(&mut self, now: Now) {
        let (limit, at_once) = (self.limits.slow_bytes_max, self.limits.at_once_bytes_max);
        while let Some((key, Link(slot), publication)) = self.broker.next_direct() {
            let line = self.lines.get_mut(slot as usize).and_then(Option::as_deref_mut);
            let Some(line) = line.filter(|line| line.key == Some(key)) else { continue };
            if line.waiting_bytes + line.held_bytes > limit || line.fresh_bytes > at_once {
                self.counters.dropped_slow += 1;
                continue;
            }
            let message = &publication.message;
            line.fresh_bytes += message.topic.len() + message.payload.len() + 8;
            // One that is too large for the client counts as sent. Source: MQTT-3.1.2-25.
            let _dropped = line.server.publish(publication);
            if !line.is_dirty {
                line.is_dirty = true;
                self.dirty.push(slot as u32);
            }
        }
        while let Some((_, Link(slot))) = self.broker.next_ready() {
            self.pump(slot as u32, now);
        }
    }

    /// Sends what waits for a session as far as its client takes it.
    pub(crate) fn pump(&mut self, slot: u32, now: Now) {
        loop {
            let Some(line) = self.lines.get_mut(slot as usize).and_then(Option::as_deref_mut) else { return };
            let Some(key) = line.key.filter(|_| line.server.quota() > 0) else { return };
            let Some(publication) = self.broker.next_message(key, now) else { return };
            debug_assert!(publication.qos > QoS::AtMostOnce, "QoS 0 does not wait");
            match line.server.publish(publication) {
                Ok(Some(id)) => self.broker.sent(key, id),
                Ok(None) | Err(NotSent::TooLarge | NotSent::Invalid(_)) => self.broker.unsendable(key),
                Err(_) => return,
            }
            if !line.is_dirty {
                line.is_dirty = true;
                self.dirty.push(slot);
            }
        }
    }

    /// Sends bytes, or keeps them until what they say is stored.
    fn send(&mut self, slot: u32, bytes: Vec<u8>, now: Now) {
        let stored = self.broker.last_stored();
        let held_max = self.limits.held_bytes_max;
        let Some(line) = self.lines.get_mut(slot as usize).and_then(Option::as_deref_mut) else { return };
        let depends = line.key.map_or(0, |key| self.broker.depends(key));
        if line.held.is_empty() && depends <= stored {
            let conn = line.conn;
            return self.outputs.push_back(Output::Transmit { conn, bytes });
        }
        line.held_bytes += bytes.len();
        line.held.push_back((depends, bytes));
        self.holding.insert(slot);
        if line.held_bytes > held_max && line.server.is_open() {
            self.counters.ended_held += 1;
            line.server.disconnect(ReasonCode::QUOTA_EXCEEDED, None, now.moment);
        }
    }

    /// Sends what waited for what is stored now.
    pub(crate) fn let_go(&mut self) {
        let stored = self.broker.last_stored();
        for slot in std::mem::take(&mut self.holding) {
            let Some(line) = self.lines.get_mut(slot as usize).and_then(Option::as_deref_mut) else {
                continue;
            };
            while let Some((_, bytes)) = line.held.pop_front_if(|(depends, _)| *depends <= stored) {
                line.held_bytes -= bytes.len();
                self.outputs.push_back(Output::Transmit { conn: line.conn, bytes });
            }
            if line.held.is_empty() {
                self.close_if_over(slot);
            } else {
                self.holding.insert(slot);
            }
        }
    }

    fn close_if_over(&mut self, slot: u32) {
        let Some(line) = self.line(slot) else { return };
        if line.is_over && line.held.is_empty() {
            let conn = line.conn;
            self.outputs.push_back(Output::Close { conn });
            self.forget(slot);
        }
    }
}

fn line_of(face: &mut MqttFace, slot: u32) -> Option<&mut crate::line::Line> {
    face.line(slot)
}
