//! The access service: one MQTT connection for each device, every message sealed.
//!
//! ```text
//! CONNECT -> ticket, password --WhoIs--> owner
//!            table, will      <-Known--
//! CONNACK, greeting           --Online-->
//! PUBLISH -> envelope opened  --Up, Answered--> owner
//! PUBACK                      <-Taken---------
//! PUBLISH <- envelope sealed  <-Order---------
//! ```
//! A message is acknowledged when the owner has stored it, not before. Orders are sealed anew on the next
//! connection with the number and time they had, until the device acknowledges them or their time is over.
//! Source: OSAP secure profile sections 12 and 13.

mod compat;
mod cover;
mod device;
mod known;
mod line;
mod outlet;
mod publishing;
mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use clock::{Deadlines, Dice, Moment, Now};
use crypto::Provider;
use mqtt_proto::{
    Accept, Capabilities, ConnectRequest, End, Publication, QoS, ReasonCode, Server, ServerEnd, ServerOutput,
    ServerSettings, Version,
};
use osap_proto::{
    Admitted, ConnectRefusal, ConnectTable, Devid, General, Serial, ServerId, TicketKeyRing, greet,
    greeting_topic,
};
use osap_things::Node;

use crate::{LineId, Output};
use device::Device;
use line::{Cover, Line, Live, Stage, connect_of, will_of};
use outlet::Outlet;
pub use words::{DasCommand, DasEvent, DasOrder, OfflineReason, OrderFailure, OrderResult, Token};

/// Longest keep alive that 5.0 devices are told, in seconds.
const KEEP_ALIVE_MAX: NonZeroU16 = NonZeroU16::new(300).expect("300 is not 0");

/// Bytes of one packet: a topic and a body of 64 KiB with its envelope fit.
const PACKET_SIZE_MAX: u32 = 80 * 1024;

/// How long events that the owner had no room for are kept before they are offered again.
const RETRY_TIME: Duration = Duration::from_millis(20);

/// What an access service is.
#[derive(Clone, Debug)]
pub struct DasSettings {
    /// Its name in tickets.
    pub server_id: ServerId,
    /// Devices that are remembered; see [`ConnectTable`].
    pub device_count_max: usize,
    /// Events that wait because the owner had no room; over it the connection of the newest is closed.
    pub backlog_count_max: usize,
    /// The number of the first message: above all that an access service of this name has used.
    pub first_seq: u64,
}

/// What an access service counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DasCounters {
    /// Devices let in.
    pub admitted: u64,
    /// CONNECTs refused for their names or password.
    pub refused_password: u64,
    /// CONNECTs sent back to the load balancer: an ended ticket, or one that was here before.
    pub refused_session: u64,
    /// CONNECTs refused for their device or will.
    pub refused_device: u64,
    /// Messages that were opened.
    pub opened: u64,
    /// Envelopes seen before, or too late.
    pub old: u64,
    /// Envelopes that are not genuine.
    pub bad: u64,
    /// Connections closed for the third bad envelope.
    pub bad_closed: u64,
    /// Connections closed for a topic of somebody else.
    pub foreign_topic: u64,
    /// Genuine messages that cannot be read.
    pub unreadable: u64,
    /// Messages that had been stored before.
    pub repeated: u64,
    /// Answers to nothing.
    pub stray: u64,
    /// Messages to devices.
    pub sent: u64,
    /// Events that had to wait for the owner.
    pub backed_up: u64,
    /// Devices of type 1 let in; they are among the admitted.
    pub compat_admitted: u64,
}

/// What a deadline is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Line(LineId),
    /// Its orders; when it is not there, what is kept of it.
    Device(Serial),
    Retry,
}

/// What waits for the owner's word.
#[derive(Debug)]
struct Waiting {
    line: LineId,
    id: mqtt_proto::PacketId,
    general: General,
    /// The number of the order, for an answer.
    order: Option<u64>,
}

/// The access service for many connections.
pub struct DasFace {
    provider: Arc<dyn Provider>,
    settings: DasSettings,
    dice: Dice,
    ring: TicketKeyRing,
    table: ConnectTable,
    lines: BTreeMap<LineId, Line>,
    devices: BTreeMap<Serial, Device>,
    /// Until when a device that is away is remembered: the end of its ticket.
    remembered: BTreeMap<Serial, Moment>,
    by_devid: BTreeMap<Devid, LineId>,
    waiting: BTreeMap<Token, Waiting>,
    next_token: u64,
    next_seq: u64,
    /// The number of the next message to a device of type 1: those read it as a number of 32 bits.
    next_compat_seq: u32,
    due: Deadlines<Due>,
    outputs: Outlet,
    counters: DasCounters,
}

impl fmt::Debug for DasFace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DasFace").field("lines", &self.lines.len()).finish_non_exhaustive()
    }
}

fn mqtt_settings() -> ServerSettings {
    let mut settings = ServerSettings {
        capabilities: Capabilities {
            maximum_qos: QoS::AtLeastOnce,
            retain: false,
            wildcards: true,
            subscription_identifiers: false,
            shared_subscriptions: false,
        },
        keep_alive_max_secs: Some(KEEP_ALIVE_MAX),
        // what outlives a connection is ours to keep: it is sealed anew
        session_expiry_max_secs: 0,
        ..ServerSettings::default()
    };
    settings.limits.packet_size_max = PACKET_SIZE_MAX;
    settings
}

impl DasFace {
    /// An access service without ticket keys: it takes nobody until it has one.
    #[must_use]
    pub fn new(provider: Arc<dyn Provider>, settings: DasSettings, dice: Dice) -> Self {
        let table = ConnectTable::new(settings.server_id.clone(), settings.device_count_max);
        Self {
            provider,
            dice,
            ring: TicketKeyRing::new(),
            table,
            lines: BTreeMap::new(),
            devices: BTreeMap::new(),
            remembered: BTreeMap::new(),
            by_devid: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next_token: 0,
            next_seq: settings.first_seq,
            next_compat_seq: 1,
            due: Deadlines::new(),
            outputs: Outlet::default(),
            counters: DasCounters::default(),
            settings,
        }
    }

    /// What was counted so far.
    #[must_use]
    pub const fn counters(&self) -> DasCounters {
        self.counters
    }

    /// How many devices are there.
    #[must_use]
    pub fn device_count(&self) -> usize {
        self.by_devid.len()
    }

    /// A connection is there.
    pub fn opened(&mut self, line: LineId, is_tls: bool, now: Now) {
        let mqtt = Server::new(mqtt_settings(), now.moment);
        self.lines.insert(line, Line { mqtt, is_tls, stage: Stage::New });
        self.settle(line, now);
    }

    /// Bytes arrived.
    pub fn receive(&mut self, line: LineId, bytes: &[u8], now: Now) {
        let Some(open) = self.lines.get_mut(&line) else { return };
        match &mut open.stage {
            Stage::Registering(_) | Stage::Registered(_) => self.receive_registration(line, bytes, now),
            Stage::New | Stage::Asked(_) | Stage::Live(_) => {
                open.mqtt.receive(bytes, now.moment);
                self.settle(line, now);
            }
        }
    }

    /// The connection is gone.
    pub fn closed(&mut self, line: LineId, now: Now) {
        if let Some(open) = self.lines.get_mut(&line) {
            open.mqtt.transport_lost(now.moment);
            self.settle(line, now);
        }
    }

    /// The owner answers or asks.
    pub fn command(&mut self, command: DasCommand, now: Now) {
        match command {
            DasCommand::Known { line, is_welcome } => self.known(line, is_welcome, now),
            DasCommand::KnownCompat { line, standing } => self.known_compat(line, standing, now),
            DasCommand::CouldNotLookUp { line } => {
                if let Some(open) = self.lines.get_mut(&line)
                    && matches!(open.stage, Stage::Asked(_) | Stage::Registered(_))
                {
                    open.mqtt.disconnect(ReasonCode::SERVER_UNAVAILABLE, None, now.moment);
                    self.settle(line, now);
                }
            }
            DasCommand::Taken(token) => self.taken(token, ReasonCode::SUCCESS, now),
            DasCommand::Refused(token) => self.taken(token, ReasonCode::PAYLOAD_FORMAT_INVALID, now),
            DasCommand::Unable(token) => {
                if let Some(waiting) = self.waiting.remove(&token) {
                    self.expel(waiting.line, ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR, now);
                }
            }
            DasCommand::Order(order) => self.order(*order, now),
            DasCommand::Withdraw { serial, id } => {
                if let Some(device) = self.devices.get_mut(&serial) {
                    device.withdraw(id);
                }
            }
            DasCommand::Answer { serial, seq, message } => self.answer(&serial, seq, &message, now),
            DasCommand::Close { serial } => {
                if let Some(line) = self.devices.get(&serial).and_then(|device| device.line) {
                    self.expel(line, ReasonCode::ADMINISTRATIVE_ACTION, now);
                }
            }
            DasCommand::Forget { serial, node } => self.forget(&serial, &node, now),
            DasCommand::Replaced { devid, issued, epoch } => self.replaced(devid, issued, epoch, now),
            DasCommand::TicketKey(key) => self.ring.add(key),
        }
    }

    /// The owner has no room: this and what is behind it is offered again, in order.
    pub fn refused(&mut self, event: DasEvent, now: Now) {
        self.counters.backed_up += 1;
        self.due.set(Due::Retry, now.moment + RETRY_TIME);
        for event in self.outputs.hold(event, self.settings.backlog_count_max) {
            self.give_up(event, now);
        }
    }

    /// Ends what is late.
    pub fn expire(&mut self, now: Now) {
        while let Some(due) = self.due.take_due(now.moment) {
            match due {
                Due::Line(line) => self.line_due(line, now),
                Due::Device(serial) => self.device_due(&serial, now),
                Due::Retry => self.outputs.offer(),
            }
        }
    }

    /// The process stops: devices are told to come again.
    pub fn stop(&mut self, now: Now) {
        for line in self.lines.keys().copied().collect::<Vec<_>>() {
            self.expel(line, ReasonCode::SERVER_SHUTTING_DOWN, now);
        }
    }

    /// What is to be done next.
    pub fn next_output(&mut self) -> Option<Output<DasEvent>> {
        self.outputs.next()
    }

    /// When [`Self::expire`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        self.due.next()
    }

    /// Tells the owner, behind what waits already.
    fn tell(&mut self, event: DasEvent) {
        self.outputs.tell(event);
    }

    /// An event that cannot even wait: its device comes again and says it once more.
    fn give_up(&mut self, event: DasEvent, now: Now) {
        match event {
            DasEvent::WhoIs { line, .. } | DasEvent::WhoIsCompat { line, .. } => {
                self.expel(line, ReasonCode::SERVER_BUSY, now)
            }
            DasEvent::Up { token: Some(token), .. } | DasEvent::Answered { token: Some(token), .. } => {
                if let Some(waiting) = self.waiting.remove(&token) {
                    self.expel(waiting.line, ReasonCode::SERVER_BUSY, now);
                }
            }
            DasEvent::Up { token: None, .. } | DasEvent::Answered { token: None, .. } => {}
            // These are few, and state hangs on them.
            event @ (DasEvent::Online { .. } | DasEvent::Offline { .. } | DasEvent::OrderFailed { .. }) => {
                self.tell(event);
            }
        }
    }

    fn forget(&mut self, serial: &Serial, node: &Node, now: Now) {
        let Some(device) = self.devices.get_mut(serial) else { return };
        device.forget(node);
        if let (Node::Device, Some(line)) = (node, device.line) {
            self.expel(line, ReasonCode::ADMINISTRATIVE_ACTION, now);
        }
    }

    fn line_due(&mut self, line: LineId, now: Now) {
        let Some(open) = self.lines.get_mut(&line) else { return };
        let is_over = open.live().is_some_and(|live| live.expiry <= now.moment);
        if is_over {
            open.mqtt.disconnect(ReasonCode::MAXIMUM_CONNECT_TIME, None, now.moment);
        } else {
            open.mqtt.expire(now.moment);
        }
        self.settle(line, now);
    }

    fn device_due(&mut self, serial: &Serial, now: Now) {
        let Some(device) = self.devices.get_mut(serial) else { return };
        device.expire(now.moment);
        let is_over = self.remembered.get(serial).is_none_or(|until| *until <= now.moment);
        if device.line.is_none() && is_over {
            self.devices.remove(serial);
            self.remembered.remove(serial);
        } else {
            self.set_device_due(serial);
        }
    }

    fn set_device_due(&mut self, serial: &Serial) {
        let orders = self.devices.get(serial).and_then(Device::next_deadline);
        let until = self.remembered.get(serial).copied();
        if let Some(due) = orders.into_iter().chain(until).min() {
            self.due.set(Due::Device(serial.clone()), due);
        }
    }

    /// Closes a connection for a reason of ours.
    fn expel(&mut self, line: LineId, reason: ReasonCode, now: Now) {
        if let Some(open) = self.lines.get_mut(&line) {
            open.mqtt.disconnect(reason, None, now.moment);
            self.settle(line, now);
        }
    }

    fn replaced(&mut self, devid: Devid, issued: u64, epoch: u32, now: Now) {
        self.table.replaced(devid, issued, epoch);
        let Some(line) = self.by_devid.get(&devid).copied() else { return };
        let is_older = |open: &mut Line| open.live().is_some_and(|live| live.issued < issued);
        if self.lines.get_mut(&line).is_some_and(is_older) {
            self.expel(line, ReasonCode::USE_ANOTHER_SERVER, now);
        }
    }

    /// Works through what a connection put out.
    fn settle(&mut self, line: LineId, now: Now) {
        while let Some(output) = self.lines.get_mut(&line).and_then(|open| open.mqtt.next_output()) {
            match output {
                ServerOutput::Transmit(bytes) => self.outputs.transmit(line, bytes),
                ServerOutput::Connect(request) => self.connect(line, *request, now),
                ServerOutput::Message(incoming) => self.message(line, incoming, now),
                ServerOutput::Delivered { id, .. } => self.delivered(line, id, now),
                ServerOutput::Subscribe(request) => self.subscribe(line, &request, now),
                ServerOutput::Unsubscribe(request) => {
                    let reasons = vec![ReasonCode::SUCCESS; request.filters.len()];
                    if let Some(open) = self.lines.get_mut(&line) {
                        open.mqtt.unsubscribed(request.id, &reasons, None, now.moment).ok();
                    }
                }
                // nobody is challenged, and QoS 2 is not offered
                ServerOutput::Authenticate { .. } => self.expel(line, ReasonCode::NOT_AUTHORIZED, now),
                ServerOutput::Released { .. } | ServerOutput::Received { .. } => {}
                ServerOutput::Ended(end) => return self.ended(line, *end, now),
            }
        }
        let Some(open) = self.lines.get_mut(&line) else { return };
        let expiry = open.live().map(|live| live.expiry);
        let Some(due) = open.mqtt.next_deadline().into_iter().chain(expiry).min() else { return };
        // What is set for earlier is looked at again then: most messages only move it on.
        if self.due.of(&Due::Line(line)).is_none_or(|set| due < set) {
            self.due.set(Due::Line(line), due);
        }
    }

    /// What needs no more than ticket and password is judged before anybody is asked.
    fn connect(&mut self, line: LineId, request: ConnectRequest, now: Now) {
        let Some(utc) = now.utc else { return self.expel(line, ReasonCode::SERVER_UNAVAILABLE, now) };
        let now_secs = utc.as_unix_millis() / 1000;
        let claimed = self.table.claimed(self.provider.as_ref(), &self.ring, &connect_of(&request), now_secs);
        match claimed {
            Ok((ticket, _)) => {
                if let Some(open) = self.lines.get_mut(&line) {
                    open.stage = Stage::Asked(Box::new(request));
                    self.tell(DasEvent::WhoIs { line, serial: ticket.serial, devid: ticket.devid });
                }
            }
            Err(refusal) => self.refuse(line, refusal, now),
        }
    }

    fn refuse(&mut self, line: LineId, refusal: ConnectRefusal, now: Now) {
        let counter = match refusal {
            ConnectRefusal::Password => &mut self.counters.refused_password,
            ConnectRefusal::Session => &mut self.counters.refused_session,
            ConnectRefusal::NotAuthorized => &mut self.counters.refused_device,
        };
        *counter += 1;
        let Some(open) = self.lines.get_mut(&line) else { return };
        if refusal == ConnectRefusal::Session && open.mqtt.version() == Version::V3_1_1 {
            // 11 is the profile's own: no machine of MQTT knows it.
            let bytes = vec![0x20, 2, 0, refusal.return_code()];
            self.lines.remove(&line);
            self.due.clear(&Due::Line(line));
            self.outputs.transmit(line, bytes);
            self.outputs.close(line);
            return;
        }
        // The client waits for an answer, so there is somebody to refuse.
        open.mqtt.refuse(ReasonCode(refusal.reason_code()), None, None, now.moment).ok();
        self.settle(line, now);
    }

    fn known(&mut self, line: LineId, is_welcome: bool, now: Now) {
        let Some(open) = self.lines.get_mut(&line) else { return };
        let request = match std::mem::replace(&mut open.stage, Stage::New) {
            Stage::Asked(request) => request,
            other => {
                open.stage = other;
                return;
            }
        };
        let Some(utc) = now.utc else { return self.expel(line, ReasonCode::SERVER_UNAVAILABLE, now) };
        let now_secs = utc.as_unix_millis() / 1000;
        let provider = self.provider.as_ref();
        let connect = connect_of(&request);
        match self.table.admit(provider, &self.ring, &connect, !is_welcome, now_secs) {
            Ok(admitted) => self.admit(line, &request, admitted, now),
            Err(refusal) => self.refuse(line, refusal, now),
        }
    }

    fn admit(&mut self, line: LineId, request: &ConnectRequest, admitted: Admitted, now: Now) {
        self.counters.admitted += 1;
        let will = will_of(request, &admitted);
        let Admitted { ticket, numbers, .. } = admitted;
        let serial = ticket.serial.clone();
        let earlier = self.devices.get(&serial).and_then(|device| device.line);
        let of_same_id = self.by_devid.get(&ticket.devid).copied();
        for before in earlier.into_iter().chain(of_same_id) {
            self.supersede(before, now);
        }
        let general = self.general(now);
        let nonce = self.dice.bytes();
        let (greeting, session) =
            greet(&self.provider, &ticket.das_secret, &serial, &numbers, nonce, general, now.moment);
        let unix_millis = now.utc.map_or(0, |utc| utc.as_unix_millis());
        let left = Duration::from_millis((ticket.expiry * 1000).saturating_sub(unix_millis));
        let expiry = now.moment + left;
        let Some(open) = self.lines.get_mut(&line) else { return };
        open.stage = Stage::Live(Box::new(Live {
            serial: serial.clone(),
            devid: ticket.devid,
            issued: ticket.issued,
            cover: Cover::Sealed(Box::new(session)),
            expiry,
            will,
            sent: BTreeMap::new(),
            tokens: Default::default(),
        }));
        let is_tls = open.is_tls;
        let topic = String::from_utf8_lossy(&greeting_topic(&serial)).into_owned();
        let greeting = Publication::new(&topic, &greeting, QoS::AtMostOnce);
        let accepted = open.mqtt.accept(Accept::default(), now.moment).is_ok();
        let greeted = greeting.is_ok_and(|greeting| open.mqtt.publish(greeting).is_ok());
        if !(accepted && greeted) {
            return self.expel(line, ReasonCode::UNSPECIFIED_ERROR, now);
        }
        self.by_devid.insert(ticket.devid, line);
        let device = self.devices.entry(serial.clone()).or_default();
        (device.line, device.is_compat) = (Some(line), false);
        self.remembered.insert(serial.clone(), expiry);
        self.set_device_due(&serial);
        let (devid, protocol) = (ticket.devid, ticket.protocol);
        self.tell(DasEvent::Online { serial: serial.clone(), devid, protocol, is_tls });
        self.send_orders(&serial, now);
        self.settle(line, now);
    }

    /// A newer connection of the same device takes the place of this one, and nobody is told that it left.
    fn supersede(&mut self, line: LineId, now: Now) {
        if let Some(live) = self.lines.get_mut(&line).and_then(Line::live) {
            let (serial, devid) = (live.serial.clone(), live.devid);
            self.by_devid.remove(&devid);
            if let Some(device) = self.devices.get_mut(&serial)
                && device.line == Some(line)
            {
                device.line = None;
                device.unsent();
            }
        }
        self.expel(line, ReasonCode::SESSION_TAKEN_OVER, now);
    }

    fn ended(&mut self, line: LineId, end: ServerEnd, now: Now) {
        self.due.clear(&Due::Line(line));
        self.outputs.close(line);
        let Some(open) = self.lines.remove(&line) else { return };
        let Stage::Live(live) = open.stage else { return };
        for token in &live.tokens {
            self.waiting.remove(token);
        }
        let is_farewell = matches!(end.end, End::Left(ReasonCode::SUCCESS));
        if let Some((topic, application)) = live.will.filter(|_| !is_farewell) {
            self.last_will(&live.serial, &topic, &application, now);
        }
        if self.by_devid.get(&live.devid) == Some(&line) {
            self.by_devid.remove(&live.devid);
        }
        let Some(device) = self.devices.get_mut(&live.serial) else { return };
        if device.line == Some(line) {
            device.line = None;
            device.unsent();
            self.tell(DasEvent::Offline { serial: live.serial, reason: reason_of(&end.end) });
        }
    }

    fn general(&mut self, now: Now) -> General {
        let seq = self.next_seq;
        self.next_seq += 1;
        General { seq, ts: now.utc.map_or(0, |utc| utc.as_unix_millis()) }
    }
}

fn reason_of(end: &End) -> OfflineReason {
    match end {
        End::Left(_) => OfflineReason::Left,
        End::Closed(ReasonCode::MAXIMUM_CONNECT_TIME | ReasonCode::USE_ANOTHER_SERVER) => {
            OfflineReason::TicketOver
        }
        End::Closed(
            ReasonCode::MALFORMED_PACKET | ReasonCode::NOT_AUTHORIZED | ReasonCode::PROTOCOL_ERROR,
        )
        | End::Malformed(_)
        | End::Violation(_) => OfflineReason::Expelled,
        End::Closed(_) | End::Refused(_) => OfflineReason::Closed,
        End::TransportLost | End::KeepAlive | End::NotConnectedInTime | End::Unsendable => {
            OfflineReason::Lost
        }
    }
}
