//! The session at an access service: CONNECT, greeting, sealed messages, and what follows its ends.
//!
//! Source: sections 12 to 14.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::time::Duration;

use clock::{Moment, Now};
use crypto::Secret;
use mqtt_proto::{
    Client, ClientOutput, ConnectOptions, End, Incoming, Limits, NotSent, Password, Publication, QoS,
    ReasonCode, SignIn, Version,
};
use osap_proto::{
    ConnectHeader, ConnectionNumbers, DasInfo, Devid, Opened, Session, Unopened, connect_password,
    open_greeting,
};
use osap_things::{DownMessage, UpMessage, decode_down, encode_up};

use super::mail::Item;
use super::orders::Ordered;
use super::output::{Offline, SmartEvent, SmartOutput, Target};
use super::settings::{GREETING_TIME_MAX, OPEN_TIME_MAX, RECONNECT_COUNT_MAX};
use super::smart_device::{Goal, Phase, SmartDevice};

/// User name, password and clean start.
const CONNECT_FLAGS: u8 = 0x80 | 0x40 | 0x02;
/// The access service sends the device back to the load balancer; 11 in MQTT 3.1.1.
const SENT_BACK: u8 = 0x9C;
/// The level of MQTT 5.0.
const CONNECT_LEVEL: u8 = 5;

/// What a run gave: it outlives connections, in memory only.
#[derive(Debug)]
pub(crate) struct DasSession {
    devid: Devid,
    info: DasInfo,
    secret: Secret,
    conn_no: u32,
    /// Connections in a row that did not come to a greeting.
    failures: u32,
    expires: Moment,
}

impl DasSession {
    pub(crate) fn new(devid: Devid, info: DasInfo, secret: Secret, now: Moment) -> Self {
        let left = info.das_expiry.saturating_mul(1000).saturating_sub(info.time_ms);
        let expires = now + Duration::from_millis(left);
        Self { devid, info, secret, conn_no: 0, failures: 0, expires }
    }
}

#[derive(Debug)]
pub(crate) enum Stage {
    Connecting,
    Greeting {
        until: Moment,
    },
    Live(Box<Session>),
    /// Live, in the old protocol.
    Old {
        key: Secret,
    },
}

/// A connection to an access service.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) stream: u64,
    pub(crate) client: Client,
    numbers: ConnectionNumbers,
    pub(crate) stage: Stage,
}

impl Link {
    pub(crate) const fn new(stream: u64, client: Client, numbers: ConnectionNumbers, stage: Stage) -> Self {
        Self { stream, client, numbers, stage }
    }

    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        let staged = match &self.stage {
            Stage::Connecting | Stage::Old { .. } => None,
            Stage::Greeting { until } => Some(*until),
            Stage::Live(session) => session.opener.next_deadline(),
        };
        staged.into_iter().chain(self.client.next_deadline()).min()
    }

    pub(crate) const fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Live(_) | Stage::Old { .. })
    }
}

impl SmartDevice {
    /// Opens a stream to the access service of the last run; an attempt where there is none.
    pub(crate) fn connect_das(&mut self, now: Now) {
        if self.is_old() {
            return self.old_connect(now);
        }
        let Some(das) = self.das.as_ref().filter(|das| now.moment < das.expires) else {
            self.das = None;
            return self.attempt(now);
        };
        let info = &das.info;
        let (address, port, tls_key) = (info.address.clone(), info.port, info.tls_key);
        let stream = self.open(Target::Das { address, port, tls_key });
        let until = now.moment + OPEN_TIME_MAX;
        self.phase = Phase::Opening { stream, until, goal: Goal::Das };
    }

    /// The stream stands: CONNECT goes out.
    pub(crate) fn begin_link(&mut self, stream: u64, now: Now) {
        let keep_alive_secs = self.settings.keep_alive_secs;
        let Some(das) = self.das.as_mut() else {
            self.close(stream);
            return self.attempt(now);
        };
        das.conn_no += 1;
        let numbers =
            ConnectionNumbers { epoch: das.info.epoch, conn_no: das.conn_no, conn_nonce: self.dice.bytes() };
        let header =
            ConnectHeader { level: CONNECT_LEVEL, flags: CONNECT_FLAGS, keep_alive: keep_alive_secs };
        let password = connect_password(
            self.provider.as_ref(),
            &das.secret,
            &das.info.server_id,
            &self.factory.serial,
            &numbers,
            header,
        );
        let client_id = String::from_utf8_lossy(das.devid.as_bytes()).into_owned();
        let mut options = ConnectOptions::new(Version::V5, &client_id);
        options.keep_alive_secs = keep_alive_secs;
        options.sign_in =
            Some(SignIn { user_name: &das.info.das_ticket, password: Some(Password(&password)) });
        let Ok(client) = Client::connect(&options, Limits::default(), None, now.moment) else {
            self.close(stream);
            return self.link_ended(Offline::Expired, now);
        };
        self.phase = Phase::Linked(Box::new(Link::new(stream, client, numbers, Stage::Connecting)));
        self.drive_link(now);
    }

    pub(crate) fn receive_link(&mut self, bytes: &[u8], now: Now) {
        let is_sent_back = self.is_old_and_sent_back(bytes);
        if let Phase::Linked(link) = &mut self.phase {
            if is_sent_back && matches!(link.stage, Stage::Connecting) {
                let stream = link.stream;
                self.close(stream);
                return self.link_ended(Offline::Expired, now);
            }
            link.client.receive(bytes, now.moment);
            self.drive_link(now);
        }
    }

    pub(crate) fn expire_link(&mut self, now: Now) {
        let Phase::Linked(link) = &mut self.phase else { return };
        let stream = link.stream;
        link.client.expire(now.moment);
        match &mut link.stage {
            Stage::Greeting { until } if *until <= now.moment => {
                self.close(stream);
                return self.link_ended(Offline::NotGenuine, now);
            }
            Stage::Live(session) => session.opener.expire(now.moment),
            Stage::Connecting | Stage::Greeting { .. } | Stage::Old { .. } => {}
        }
        if self.das.as_ref().is_some_and(|das| das.expires <= now.moment) {
            return self.leave(Offline::Expired, now);
        }
        self.drive_link(now);
    }

    pub(crate) fn link_lost(&mut self, now: Now) {
        if let Phase::Linked(link) = &mut self.phase {
            link.client.transport_lost(now.moment);
            self.link_ended(Offline::LinkLost, now);
        }
    }

    /// When the session ends whatever happens.
    pub(crate) fn session_end(&self) -> Option<Moment> {
        self.das.as_ref().map(|das| das.expires)
    }

    /// Says DISCONNECT and closes.
    pub(crate) fn leave(&mut self, why: Offline, now: Now) {
        let Phase::Linked(link) = &mut self.phase else { return };
        let stream = link.stream;
        // Before CONNACK nothing can be said; the close says it.
        let _unsaid = link.client.disconnect(ReasonCode::SUCCESS, None, now.moment);
        while let Some(output) = link.client.next_output() {
            if let ClientOutput::Transmit(bytes) = output {
                self.outputs.push_back(SmartOutput::Transmit { stream, bytes });
            }
        }
        self.close(stream);
        self.link_ended(why, now);
    }

    /// Takes what the MQTT client says, and says what waits, until there is nothing more.
    pub(crate) fn drive_link(&mut self, now: Now) {
        loop {
            while let Phase::Linked(link) = &mut self.phase {
                let stream = link.stream;
                match link.client.next_output() {
                    Some(ClientOutput::Transmit(bytes)) => {
                        self.outputs.push_back(SmartOutput::Transmit { stream, bytes });
                    }
                    Some(output) => self.client_said(output, now),
                    None => break,
                }
            }
            if !self.say_next(now) {
                return;
            }
        }
    }

    fn client_said(&mut self, output: ClientOutput, now: Now) {
        let is_old = self.is_old();
        let Phase::Linked(link) = &mut self.phase else { return };
        match output {
            ClientOutput::Connected(_) if is_old => self.old_connected(now),
            ClientOutput::Message(incoming) if is_old => self.old_message(&incoming, now),
            ClientOutput::Connected(_) => {
                link.stage = Stage::Greeting { until: now.moment + GREETING_TIME_MAX };
            }
            ClientOutput::Message(incoming) => self.message(&incoming, now),
            // Not now: it is kept, and said again on another connection.
            ClientOutput::Delivered { reason: ReasonCode::QUOTA_EXCEEDED, .. } => {
                self.leave(Offline::LinkLost, now);
            }
            ClientOutput::Delivered { id, reason } => {
                if let Some(event) = self.mail.acknowledged(id) {
                    self.event_settled(event.number, event.id, reason.0, reason.is_failure());
                }
            }
            ClientOutput::Ended(ended) => {
                let stream = link.stream;
                self.close(stream);
                let why = match ended.end {
                    End::Refused(reason) | End::Left(reason) => Offline::Refused(reason.0),
                    _ => Offline::LinkLost,
                };
                self.link_ended(why, now);
            }
            ClientOutput::Transmit(_)
            | ClientOutput::Challenge { .. }
            | ClientOutput::Reauthenticated { .. }
            | ClientOutput::Released { .. }
            | ClientOutput::Received { .. }
            | ClientOutput::Subscribed { .. }
            | ClientOutput::Unsubscribed { .. } => {}
        }
    }

    fn message(&mut self, incoming: &Incoming, now: Now) {
        let Phase::Linked(link) = &mut self.phase else { return };
        let stream = link.stream;
        let (topic, payload) =
            (&incoming.publication.message.topic, incoming.publication.message.payload.as_slice());
        let opened = match &mut link.stage {
            Stage::Connecting | Stage::Old { .. } => Err(Unopened::Closed),
            Stage::Greeting { .. } => return self.greeted(topic.clone().as_bytes(), payload, now),
            Stage::Live(session) => session.opener.receive(topic.as_bytes(), payload, now.moment),
        };
        if opened == Err(Unopened::Closed) {
            self.close(stream);
            return self.link_ended(Offline::NotGenuine, now);
        }
        // A bad one is not acknowledged, and holds nothing back; whatever opens or is old is.
        if let Some(id) = incoming.id {
            let _gone = match opened {
                Err(Unopened::Bad) => link.client.pass_over(id, now.moment),
                _ => link.client.acknowledge(id, ReasonCode::SUCCESS, None, now.moment),
            };
        }
        match opened {
            Ok(opened) => self.opened_message(topic, &opened, now),
            Err(Unopened::Old | Unopened::Bad | Unopened::Closed) => self.tell(SmartEvent::MessageDropped),
        }
    }

    fn greeted(&mut self, topic: &[u8], payload: &[u8], now: Now) {
        let (Phase::Linked(link), Some(das)) = (&mut self.phase, &mut self.das) else { return };
        let provider = Arc::clone(&self.provider);
        let session = open_greeting(
            &provider,
            &das.secret,
            &self.factory.serial,
            &link.numbers,
            topic,
            payload,
            now.moment,
        );
        let Some(session) = session else {
            let stream = link.stream;
            self.close(stream);
            return self.link_ended(Offline::NotGenuine, now);
        };
        link.stage = Stage::Live(Box::new(session));
        das.failures = 0;
        self.failures = 0;
        let conn_no = link.numbers.conn_no;
        self.mail.logged_in();
        self.tell(SmartEvent::Online { conn_no });
    }

    fn opened_message(&mut self, topic: &str, opened: &Opened, now: Now) {
        let Ok(message) = decode_down(topic, opened.application()) else {
            return self.tell(SmartEvent::MessageDropped);
        };
        if let DownMessage::CallAnswered { result, .. } = message {
            if let Some(call) = self.mail.call_answered(opened.general.seq) {
                self.tell(SmartEvent::CallEnded { call, result: Some(result) });
            }
            return;
        }
        // An answer has the numbers of our question: only what the platform asks has its own.
        if !matches!(message, DownMessage::Desired { .. }) && self.orders.is_repeated(opened.general) {
            return self.tell(SmartEvent::MessageDropped);
        }
        match self.orders.take(message, opened.general.seq) {
            Ordered::New(order) => self.outputs.push_back(SmartOutput::Order(order)),
            Ordered::Busy(answer) => self.mail.answer(answer, opened.general.seq, self.unix_millis(now)),
            Ordered::Other(DownMessage::Desired { node, resource, values }) => {
                self.outputs.push_back(SmartOutput::Desired { node, resource, values });
            }
            Ordered::Other(_) => {}
        }
    }

    /// Says one thing, if there is one and it may be said now.
    fn say_next(&mut self, now: Now) -> bool {
        let (ts, dropped) = (self.unix_millis(now), self.stored.dropped);
        let Phase::Linked(link) = &mut self.phase else { return false };
        if !link.is_live() || link.client.quota() == 0 {
            return false;
        }
        let Some((item, general, message)) = self.mail.next(ts, dropped) else { return false };
        if matches!(link.stage, Stage::Old { .. }) {
            let publication = self.old_publication(&message, general);
            return self.hand_over(item, publication, now);
        }
        let Phase::Linked(link) = &mut self.phase else { return false };
        let Stage::Live(session) = &mut link.stage else { return false };
        let Ok((topic, body)) = encode_up(&message, &self.factory.serial) else {
            self.unsayable(&item);
            return true;
        };
        let Ok(payload) = session.sealer.seal(topic.as_bytes(), general, &body, now.moment) else {
            self.leave(Offline::Expired, now);
            return false;
        };
        let publication = Publication::new(&topic, &payload, QoS::AtLeastOnce).ok();
        self.hand_over(item, publication, now)
    }

    /// Gives a message to the client; `false` when nothing more can be said.
    fn hand_over(&mut self, item: Item, publication: Option<Publication>, now: Now) -> bool {
        let Some(publication) = publication else {
            self.unsayable(&item);
            return true;
        };
        let Phase::Linked(link) = &mut self.phase else { return false };
        match link.client.publish(publication, now.moment) {
            Ok(Some(id)) => self.mail.sent(id, item),
            Ok(None) => {}
            Err(NotSent::TooLarge | NotSent::Invalid(_) | NotSent::QosNotSupported) => self.unsayable(&item),
            Err(_) => {
                self.leave(Offline::LinkLost, now);
                return false;
            }
        }
        true
    }

    /// What this access service does not take stays unsaid.
    fn unsayable(&mut self, item: &Item) {
        if let Some(event) = self.mail.settle(item) {
            self.event_settled(event.number, event.id, ReasonCode::PACKET_TOO_LARGE.0, true);
        }
    }

    /// The connection is gone, its stream closed: once more, or a new run.
    pub(crate) fn link_ended(&mut self, why: Offline, now: Now) {
        if self.is_old() {
            return self.old_link_ended(why, now);
        }
        let was_live = matches!(&self.phase, Phase::Linked(link) if link.is_live());
        self.mail.link_lost();
        let needs_run = matches!(why, Offline::Expired | Offline::Refused(SENT_BACK));
        let is_spent = self.das.as_mut().is_none_or(|das| {
            das.failures += 1;
            das.failures > RECONNECT_COUNT_MAX || das.expires <= now.moment || das.conn_no == u32::MAX
        });
        if needs_run || is_spent {
            self.das = None;
        }
        // Only a session that was good is renewed without a wait: else two servers at odds make a circle.
        let wait = if needs_run && was_live { Duration::ZERO } else { self.back_off() };
        let wait_millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.tell(SmartEvent::Offline { why, wait_millis });
        self.phase = Phase::Waiting { until: now.moment + wait };
    }
}

/// What can be said at all.
pub(crate) fn is_sayable(message: &UpMessage, serial: &osap_proto::Serial) -> bool {
    encode_up(message, serial).is_ok()
}
