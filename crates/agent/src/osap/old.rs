//! The old protocol, type 1: a device that was made to speak that and nothing else.
//!
//! It stands for devices in the field, so that a server can be tried with one. It proves nothing and hides nothing: who
//! listens has its keys. Nothing leads here but the maker's group of types, and nothing leads from here elsewhere.
//! Source: the wire facts of type 1; OSAP secure profile section 9; decision H13; ADR 0301.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use clock::Now;
use crypto::Secret;
use mqtt_proto::{
    Client, ConnectOptions, Incoming, Limits, Publication, QoS, ReasonCode, SubscriptionOptions, Version,
};
use osap_proto::compat::{
    Case, CodeKeys, CompatChance, CompatCompleted, CompatConnect, CompatDas, CompatDeviceEnd,
    CompatDeviceOutput, CompatDeviceRun, CompatDeviceSetup, CompatGeneral, CompatStored, Generation,
    open_compat, seal_compat,
};
use osap_proto::{ConnectionNumbers, Devid, General, ProtocolType, ResultCode};
use osap_things::{DownMessage, UpMessage, decode_down, encode_up_compat};

use super::credential::CredentialKind;
use super::factory::FactoryCredential;
use super::orders::Ordered;
use super::output::{Offline, SmartEvent, SmartOutput, Target, Trouble};
use super::session::{Link, Stage};
use super::settings::{OPEN_TIME_MAX, RECONNECT_COUNT_MAX};
use super::smart_device::{Goal, Phase, SmartDevice};

/// The device id is not the one that the load balancer has.
const OTHER_DEVID: ResultCode = ResultCode(4);
/// Nor is the master key.
const OTHER_MASTER_KEY: ResultCode = ResultCode(10);
/// CONNACK that sends a device back to the load balancer; no machine of MQTT knows it.
const SENT_BACK: [u8; 4] = [0x20, 2, 0, 11];
/// What the device calls itself.
const FIRMWARE: &str = "V1.0.0";

/// What such a device has in memory only.
#[derive(Debug)]
pub(crate) struct OldWays {
    case: Case,
    session: Option<OldSession>,
    /// Counts changes of attributes.
    version: u64,
}

impl OldWays {
    pub(crate) const fn new() -> Self {
        Self { case: Case::Upper, session: None, version: 0 }
    }
}

/// What a run gave.
#[derive(Debug)]
struct OldSession {
    devid: Devid,
    key: Secret,
    das: CompatDas,
    /// Connections in a row that came to nothing.
    failures: u32,
    /// Whether it has registered; later connections go on from there.
    has_registered: bool,
    conn_no: u32,
}

/// A run of type 1 on an open stream.
#[derive(Debug)]
pub(crate) struct OldRunning {
    pub(crate) stream: u64,
    run: CompatDeviceRun,
}

impl OldRunning {
    pub(crate) fn next_deadline(&self) -> Option<clock::Moment> {
        self.run.next_deadline()
    }
}

impl SmartDevice {
    /// Whether it speaks the old protocol and nothing else.
    pub(crate) fn is_old(&self) -> bool {
        self.factory.types.as_bytes() == [ProtocolType::COMPAT.0]
    }

    pub(crate) fn old_attempt(&mut self, now: Now) {
        let (protocol, credential) = (ProtocolType::COMPAT, CredentialKind::Code);
        self.tell(SmartEvent::Attempting { protocol, credential });
        let stream = self.open(Target::Lbs { is_tls: false, tls_key: None });
        let until = now.moment + OPEN_TIME_MAX;
        self.phase = Phase::Opening { stream, until, goal: Goal::OldRun };
    }

    pub(crate) fn begin_old_run(&mut self, stream: u64, now: Now) {
        let FactoryCredential::Code { code, .. } = &self.factory.credential else {
            self.close(stream);
            let trouble = Trouble::Setup(osap_proto::SetupError::Credential);
            return self.attempt_failed(trouble, None, now);
        };
        let provider = Arc::clone(&self.provider);
        let keys = CodeKeys::of_code(provider.as_ref(), code, &self.factory.serial);
        let Ok(chance) = CompatChance::draw(provider.as_ref(), &mut self.dice) else {
            self.close(stream);
            return self.attempt_failed(Trouble::Provider, None, now);
        };
        let stored = match (self.stored.devid, &self.stored.old_master_key) {
            (Some(devid), Some(master)) => CompatStored::Both(devid, master.clone()),
            (Some(devid), None) => CompatStored::Devid(devid),
            (None, _) => CompatStored::Nothing,
        };
        let setup = CompatDeviceSetup {
            group: self.factory.types.clone(),
            min_type: self.stored.min_type,
            has_seen_secure: self.stored.has_seen_h1,
            is_held: false,
            mode: self.factory.mode,
            serial: self.factory.serial.clone(),
            is_hub: self.factory.is_hub,
            keys,
            case: self.old.case,
            generation: Generation::Third,
            stored,
        };
        match CompatDeviceRun::start(provider, setup, chance, now.moment) {
            Ok(run) => {
                self.phase = Phase::OldRunning(Box::new(OldRunning { stream, run }));
                self.drain_old_run(now);
            }
            Err(error) => {
                self.close(stream);
                self.attempt_failed(Trouble::Setup(error), None, now);
            }
        }
    }

    pub(crate) fn receive_old_run(&mut self, bytes: &[u8], now: Now) {
        if let Phase::OldRunning(running) = &mut self.phase {
            running.run.receive(bytes, now.moment);
            self.drain_old_run(now);
        }
    }

    pub(crate) fn expire_old_run(&mut self, now: Now) {
        if let Phase::OldRunning(running) = &mut self.phase {
            running.run.expire(now.moment);
            self.drain_old_run(now);
        }
    }

    fn drain_old_run(&mut self, now: Now) {
        loop {
            let Phase::OldRunning(running) = &mut self.phase else { return };
            let Some(output) = running.run.next_output() else { return };
            let stream = running.stream;
            match output {
                CompatDeviceOutput::Send(bytes) => {
                    self.outputs.push_back(SmartOutput::Transmit { stream, bytes });
                }
                CompatDeviceOutput::Done(completed) => {
                    self.close(stream);
                    return self.old_run_done(*completed, now);
                }
                CompatDeviceOutput::Failed(end) => {
                    self.close(stream);
                    return self.old_run_ended(Some(end), now);
                }
            }
        }
    }

    fn old_run_done(&mut self, completed: CompatCompleted, now: Now) {
        let CompatCompleted { devid, master_key, session_key, das } = completed;
        (self.stored.devid, self.stored.old_master_key) = (Some(devid), Some(master_key));
        self.persist();
        let server_id = String::from_utf8_lossy(das.server_id.as_bytes()).into_owned();
        let (protocol, credential) = (ProtocolType::COMPAT, CredentialKind::Code);
        self.tell(SmartEvent::Admitted { devid, protocol, credential, server_id });
        let (key, failures, conn_no) = (session_key, 0, 0);
        self.old.session = Some(OldSession { devid, key, das, failures, has_registered: false, conn_no });
        self.old_connect(now);
    }

    /// What nothing proves is believed here as deployed devices believe it, but for this power cycle only.
    pub(crate) fn old_run_ended(&mut self, end: Option<CompatDeviceEnd>, now: Now) {
        let was_upper = self.old.case == Case::Upper;
        self.old.case = Case::Upper;
        match end {
            Some(CompatDeviceEnd::Hint(ResultCode::NOT_PROVEN)) if was_upper => {
                self.old.case = Case::Lower;
                return self.old_attempt(now);
            }
            Some(CompatDeviceEnd::Hint(OTHER_DEVID)) => self.stored.devid = None,
            Some(CompatDeviceEnd::Hint(OTHER_MASTER_KEY)) => self.stored.old_master_key = None,
            Some(_) | None => {}
        }
        self.attempt_failed(end.map_or(Trouble::NotReached, Trouble::OldRun), None, now);
    }

    /// Opens a stream to the access service of the last run; an attempt where there is none.
    pub(crate) fn old_connect(&mut self, now: Now) {
        let Some(session) = &self.old.session else { return self.old_attempt(now) };
        let (address, port) = (session.das.address.clone(), session.das.port);
        let stream = self.open(Target::Das { address, port, tls_key: None });
        let until = now.moment + OPEN_TIME_MAX;
        self.phase = Phase::Opening { stream, until, goal: Goal::Das };
    }

    /// The stream stands: the registration goes out.
    pub(crate) fn begin_old_link(&mut self, stream: u64, now: Now) {
        let provider = Arc::clone(&self.provider);
        let keep_alive = self.settings.keep_alive_secs;
        let Some(session) = &mut self.old.session else {
            self.close(stream);
            return self.old_attempt(now);
        };
        session.conn_no += 1;
        let serial = String::from_utf8_lossy(self.factory.serial.as_bytes()).into_owned();
        let devid = String::from_utf8_lossy(session.devid.as_bytes()).into_owned();
        let is_clean = !session.has_registered;
        let about = if is_clean {
            format!(
                "{{\"DevSerial\":\"\",\"SubSerial\":\"{serial}\",\"FirmwareVersion\":\"{FIRMWARE}\",\
                 \"Status\":1,\"RegMode\":1,\"SDKMainVersion\":\"\",\"DeviceID\":\"{devid}\",\
                 \"SDKVersion\":{{\"1000\":\"V3.0.0\"}}}}"
            )
        } else {
            format!("{{\"SubSerial\":\"{serial}\",\"DeviceID\":\"{devid}\"}}")
        };
        let will = provider.cbc_encrypt(session.key.expose(), &IV, about.as_bytes());
        let topic = format!("/Basic/pu2cenplt/{serial}/firstconnect");
        let mut options = ConnectOptions::new(Version::V3_1_1, &devid);
        options.keep_alive_secs = keep_alive;
        let client = Client::connect(&options, Limits::default(), None, now.moment);
        let (Ok(will), Ok(mut client)) = (will, client) else {
            self.close(stream);
            return self.link_ended(Offline::Expired, now);
        };
        // What such a device says to connect no strict machine says: it goes out in the place of ours.
        let _strict = client.next_output();
        let bytes = CompatConnect {
            is_clean,
            keep_alive,
            will_topic: topic.as_bytes(),
            will: &will,
            user_name: self.factory.serial.as_bytes(),
        }
        .encode();
        self.outputs.push_back(SmartOutput::Transmit { stream, bytes });
        let numbers = ConnectionNumbers { epoch: 0, conn_no: session.conn_no, conn_nonce: [0; 16] };
        let stage = Stage::Connecting;
        self.phase = Phase::Linked(Box::new(Link::new(stream, client, numbers, stage)));
        self.drive_link(now);
    }

    /// Whether these bytes send the device back to the load balancer.
    pub(crate) fn is_old_and_sent_back(&self, bytes: &[u8]) -> bool {
        self.is_old() && bytes.starts_with(&SENT_BACK)
    }

    /// CONNACK came: the device is there, and after a registration it subscribes.
    pub(crate) fn old_connected(&mut self, now: Now) {
        let serial = String::from_utf8_lossy(self.factory.serial.as_bytes()).into_owned();
        let (Some(session), Phase::Linked(link)) = (&mut self.old.session, &mut self.phase) else { return };
        link.stage = Stage::Old { key: session.key.clone() };
        if !session.has_registered {
            for filter in [format!("/iot/{serial}/#"), format!("/{serial}/#")] {
                let wanted = [(filter.as_str(), SubscriptionOptions::plain(QoS::AtLeastOnce))];
                // Messages come without it too.
                let _unasked = link.client.subscribe(&wanted, None, now.moment);
            }
        }
        session.has_registered = true;
        session.failures = 0;
        let conn_no = session.conn_no;
        self.failures = 0;
        self.mail.logged_in();
        self.tell(SmartEvent::Online { conn_no });
    }

    /// A message of the platform.
    pub(crate) fn old_message(&mut self, incoming: &Incoming, now: Now) {
        let provider = Arc::clone(&self.provider);
        let Phase::Linked(link) = &mut self.phase else { return };
        let Stage::Old { key } = &link.stage else { return };
        let message = &incoming.publication.message;
        let opened = open_compat(provider.as_ref(), key, &message.payload);
        if let Some(id) = incoming.id {
            let _gone = link.client.acknowledge(id, ReasonCode::SUCCESS, None, now.moment);
        }
        let said = opened.and_then(|opened| {
            let said = decode_down(&message.topic, &opened.application).ok()?;
            Some((opened.general.seq, said))
        });
        let Some((seq, said)) = said else { return self.tell(SmartEvent::MessageDropped) };
        match self.orders.take(said, seq) {
            Ordered::New(order) => self.outputs.push_back(SmartOutput::Order(order)),
            Ordered::Busy(answer) => self.mail.answer(answer, seq, 0),
            Ordered::Other(DownMessage::Desired { node, resource, values }) => {
                self.outputs.push_back(SmartOutput::Desired { node, resource, values });
            }
            Ordered::Other(_) => {}
        }
    }

    /// A message to the platform, sealed; `None` when it cannot be said.
    pub(crate) fn old_publication(&mut self, message: &UpMessage, general: General) -> Option<Publication> {
        let provider = Arc::clone(&self.provider);
        let Phase::Linked(link) = &self.phase else { return None };
        let Stage::Old { key } = &link.stage else { return None };
        self.old.version += 1;
        let (topic, body) = encode_up_compat(message, &self.factory.serial, self.old.version).ok()?;
        let general = CompatGeneral { version: None, seq: general.seq, message_type: 1 };
        let payload: Vec<u8> = seal_compat(provider.as_ref(), key, &general, &body)?;
        let mut publication = Publication::new(&topic, &payload, QoS::AtLeastOnce).ok()?;
        publication.retain = true;
        Some(publication)
    }

    /// The connection is gone, its stream closed: once more, or a new run.
    pub(crate) fn old_link_ended(&mut self, why: Offline, now: Now) {
        self.mail.link_lost();
        let is_spent = self.old.session.as_mut().is_none_or(|session| {
            session.failures += 1;
            session.failures > RECONNECT_COUNT_MAX
        });
        let is_back = why == Offline::Expired;
        if is_spent || is_back {
            self.old.session = None;
        }
        // The first key of a device is never taken: the way back for the second is no failure.
        let wait = if is_back && self.failures == 0 {
            self.failures = 1;
            Duration::ZERO
        } else {
            self.back_off()
        };
        let wait_millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.tell(SmartEvent::Offline { why, wait_millis });
        self.phase = Phase::Waiting { until: now.moment + wait };
    }
}

/// The one that all messages of type 1 have.
const IV: [u8; 16] = *b"01234567\0\0\0\0\0\0\0\0";
