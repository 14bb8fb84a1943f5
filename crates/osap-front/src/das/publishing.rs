//! Messages in both directions.

use clock::Now;
use mqtt_proto::{Incoming, NotSent, PacketId, Publication, QoS, ReasonCode, SubscribeRequest};
use osap_proto::{General, Serial, Unopened, is_below};
use osap_things::{DownMessage, decode_up, encode_down, is_compat_topic};

use super::cover::Way;
use super::device::{Progress, Said, node_of};
use super::line::Cover;
use super::words::{DasEvent, DasOrder, OrderFailure, Token};
use super::{DasFace, Due, Waiting};
use crate::LineId;

impl DasFace {
    /// A PUBLISH of a device.
    pub(super) fn message(&mut self, line: LineId, incoming: Incoming, now: Now) {
        let Some(open) = self.lines.get_mut(&line) else { return };
        let Some(live) = open.live() else { return };
        let message = &incoming.publication.message;
        let is_own = match &live.cover {
            Cover::Sealed(_) => is_below(&live.serial, message.topic.as_bytes()),
            Cover::Compat { .. } => is_compat_topic(&live.serial, &message.topic),
        };
        if !is_own {
            self.counters.foreign_topic += 1;
            return self.expel(line, ReasonCode::NOT_AUTHORIZED, now);
        }
        let now_millis = now.utc.map_or(0, |utc| utc.as_unix_millis());
        let sealed = (message.topic.as_str(), message.payload.as_slice());
        let opened = live.cover.open(&self.provider, sealed, now_millis, now.moment);
        let tells_repetitions = live.cover.tells_repetitions();
        let serial = live.serial.clone();
        match opened {
            Ok(opened) => {
                self.counters.opened += 1;
                let said = match opened.said {
                    Ok(Some(said)) => said,
                    Ok(None) => {
                        self.say_whose(line, &message.topic, opened.general.seq);
                        return self.acknowledge(line, incoming.id, ReasonCode::SUCCESS, now);
                    }
                    Err(()) => {
                        self.counters.unreadable += 1;
                        let reason = ReasonCode::PAYLOAD_FORMAT_INVALID;
                        return self.acknowledge(line, incoming.id, reason, now);
                    }
                };
                let device = self.devices.entry(serial.clone()).or_default();
                if tells_repetitions && device.knows(opened.general) {
                    self.counters.repeated += 1;
                    return self.acknowledge(line, incoming.id, ReasonCode::SUCCESS, now);
                }
                let said = device.sort(said, opened.general);
                self.hand_up(line, incoming.id, serial, opened.general, said, now);
            }
            Err(Unopened::Old) => {
                self.counters.old += 1;
                self.acknowledge(line, incoming.id, ReasonCode::SUCCESS, now);
            }
            Err(Unopened::Bad) => {
                self.counters.bad += 1;
                if let (Some(id), Some(open)) = (incoming.id, self.lines.get_mut(&line)) {
                    // It is not acknowledged, and what is behind it is not to wait for that.
                    open.mqtt.pass_over(id, now.moment).ok();
                }
            }
            Err(Unopened::Closed) => {
                self.counters.bad += 1;
                self.counters.bad_closed += 1;
                self.expel(line, ReasonCode::MALFORMED_PACKET, now);
            }
        }
    }

    fn hand_up(
        &mut self,
        line: LineId,
        id: Option<PacketId>,
        serial: Serial,
        general: General,
        said: Said,
        now: Now,
    ) {
        let order = match &said {
            Said::News(_) => None,
            Said::Answer { seq, .. } => Some(*seq),
            Said::Stray => {
                self.counters.stray += 1;
                return self.acknowledge(line, id, ReasonCode::SUCCESS, now);
            }
        };
        let token = id.map(|id| {
            let token = Token(self.next_token);
            self.next_token += 1;
            self.waiting.insert(token, Waiting { line, id, general, order });
            token
        });
        if let (Some(token), Some(live)) = (token, self.lines.get_mut(&line).and_then(super::Line::live)) {
            live.tokens.insert(token);
        }
        match said {
            Said::News(message) => {
                self.tell(DasEvent::Up { token, serial, message, general });
            }
            Said::Answer { seq, result } => {
                if token.is_none()
                    && let Some(device) = self.devices.get_mut(&serial)
                {
                    device.answered(seq);
                }
                self.tell(DasEvent::Answered { token, serial, result: Box::new(result) });
            }
            Said::Stray => {}
        }
    }

    fn acknowledge(&mut self, line: LineId, id: Option<PacketId>, reason: ReasonCode, now: Now) {
        if let (Some(id), Some(open)) = (id, self.lines.get_mut(&line)) {
            // It was just handed up, so it waits for this.
            open.mqtt.acknowledge(id, reason, None, now.moment).ok();
        }
    }

    /// The owner has taken a message, or refused it for good.
    pub(super) fn taken(&mut self, token: Token, reason: ReasonCode, now: Now) {
        let Some(Waiting { line, id, general, order }) = self.waiting.remove(&token) else { return };
        let Some(live) = self.lines.get_mut(&line).and_then(super::Line::live) else { return };
        live.tokens.remove(&token);
        let serial = live.serial.clone();
        if let Some(device) = self.devices.get_mut(&serial) {
            device.note(general);
            if let Some(seq) = order {
                device.answered(seq);
            }
        }
        self.acknowledge(line, Some(id), reason, now);
        self.settle(line, now);
    }

    /// The will of a device whose connection ended without farewell.
    pub(super) fn last_will(&mut self, serial: &Serial, topic: &str, application: &[u8], now: Now) {
        match decode_up(topic, application) {
            Ok(message) => {
                let general = self.general(now);
                let (serial, message) = (serial.clone(), Box::new(message));
                self.tell(DasEvent::Up { token: None, serial, message, general });
            }
            Err(_) => self.counters.unreadable += 1,
        }
    }

    /// Grants what is the device's own; the rest it never gets.
    pub(super) fn subscribe(&mut self, line: LineId, request: &SubscribeRequest, now: Now) {
        let Some(open) = self.lines.get_mut(&line) else { return };
        let Some(serial) = open.live().map(|live| live.serial.clone()) else { return };
        let granted = request.granted(QoS::AtLeastOnce);
        let is_compat = open.live().is_some_and(|live| matches!(live.cover, Cover::Compat { .. }));
        let is_own = |filter: &str| {
            is_below(&serial, filter.as_bytes()) || is_compat && is_command_filter(&serial, filter)
        };
        let own = |((filter, _), granted): (&(String, _), &ReasonCode)| {
            if is_own(filter) { *granted } else { ReasonCode::NOT_AUTHORIZED }
        };
        let reasons: Vec<_> = request.subscriptions.iter().zip(&granted).map(own).collect();
        open.mqtt.subscribed(request.id, &reasons, None, now.moment).ok();
    }

    /// The device has a message of ours.
    pub(super) fn delivered(&mut self, line: LineId, id: PacketId, now: Now) {
        let Some(live) = self.lines.get_mut(&line).and_then(super::Line::live) else { return };
        let serial = live.serial.clone();
        if let Some(seq) = live.sent.remove(&id)
            && let Some(device) = self.devices.get_mut(&serial)
        {
            device.acknowledged(seq);
        }
        self.send_orders(&serial, now);
    }

    pub(super) fn order(&mut self, order: DasOrder, now: Now) {
        let (serial, id, node) = (order.serial.clone(), order.id, node_of(&order.message).clone());
        let is_compat = self.devices.get(&serial).is_some_and(|device| device.is_compat);
        let general = if is_compat { self.compat_general(now) } else { self.general(now) };
        let failure = match self.devices.get_mut(&serial) {
            None => Some(OrderFailure::NotHere),
            Some(_) if encode_down(&order.message, &serial).is_err() => Some(OrderFailure::TooLarge),
            Some(device) => (!device.keep(order, general)).then_some(OrderFailure::Busy),
        };
        if let Some(why) = failure {
            return self.tell(DasEvent::OrderFailed { serial, node, id, why });
        }
        self.set_device_due(&serial);
        self.send_orders(&serial, now);
        if let Some(line) = self.devices.get(&serial).and_then(|device| device.line) {
            self.settle(line, now);
        }
    }

    /// Sends what waits for a device, as much as it takes at once.
    pub(super) fn send_orders(&mut self, serial: &Serial, now: Now) {
        let Some(device) = self.devices.get_mut(serial) else { return };
        device.expire(now.moment);
        let Some(line) = device.line else { return };
        let Some(open) = self.lines.get_mut(&line) else { return };
        while open.mqtt.quota() > 0 {
            let Some(kept) = device.next_waiting() else { break };
            let Ok((topic, body)) = encode_down(&kept.message, serial) else {
                kept.progress = Progress::Acknowledged;
                continue;
            };
            let Some(live) = open.live() else { break };
            let how = (kept.general, Way::Request);
            let Some(payload) = live.cover.seal(&self.provider, &topic, how, &body, now.moment) else {
                // No phase is left: the connection ends as at the end of its ticket.
                live.expiry = now.moment;
                return self.due.set(Due::Line(line), now.moment);
            };
            let (id, seq) = (kept.id, kept.general.seq);
            let publication = Publication::new(&topic, &payload, QoS::AtLeastOnce).map_err(NotSent::Invalid);
            match publication.and_then(|publication| open.mqtt.publish(publication)) {
                Ok(Some(packet)) => {
                    kept.progress = Progress::Sent;
                    self.counters.sent += 1;
                    if let Some(live) = open.live() {
                        live.sent.insert(packet, seq);
                    }
                }
                Ok(None) | Err(NotSent::NotConnected | NotSent::NoQuota) => break,
                // This device does not take it, now or later, and others wait behind it.
                Err(_) => {
                    let node = node_of(&kept.message).clone();
                    device.answered(seq);
                    let (serial, why) = (serial.clone(), OrderFailure::TooLarge);
                    self.outputs.tell(DasEvent::OrderFailed { serial, node, id, why });
                }
            }
        }
    }

    /// Answers what a device asked; one that is gone asks again.
    pub(super) fn answer(&mut self, serial: &Serial, seq: u64, message: &DownMessage, now: Now) {
        let Some(line) = self.devices.get(serial).and_then(|device| device.line) else { return };
        let ts = self.general(now).ts;
        let Some(open) = self.lines.get_mut(&line) else { return };
        let Ok((topic, body)) = encode_down(message, serial) else { return };
        let qos = if open.mqtt.quota() > 0 { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        let Some(live) = open.live() else { return };
        let general = General { seq, ts };
        let how = (general, Way::Answer);
        let Some(payload) = live.cover.seal(&self.provider, &topic, how, &body, now.moment) else {
            return self.expel(line, ReasonCode::MAXIMUM_CONNECT_TIME, now);
        };
        if let Ok(publication) = Publication::new(&topic, &payload, qos)
            && open.mqtt.publish(publication).is_ok()
        {
            self.counters.sent += 1;
        }
        self.settle(line, now);
    }
}

/// Commands of the platform to a device of type 1: `/<serial>/#`.
fn is_command_filter(serial: &Serial, filter: &str) -> bool {
    filter.as_bytes().strip_prefix(b"/").and_then(|rest| rest.strip_prefix(serial.as_bytes())) == Some(b"/#")
}
