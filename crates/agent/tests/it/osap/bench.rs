//! A device on a bench: its storage, its clock, its power, and the way to the cloud.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use agent::osap::{
    FactoryCredential, OrderKind, SmartDevice, SmartEvent, SmartFactory, SmartOutput, SmartSettings, Target,
};
use clock::{Dice, Moment, Now, Timestamp};
use crypto::{Curve, KeyKind, Provider, PublicKey, Secret};
use crypto_portable::Portable;
use osap_proto::{
    AllowedKinds, CodeRecord, DeviceRecord, Kdf, Mode, ProtocolType, Serial, StretchedCode, TypeGroup,
};
use osap_things::{DownMessage, Failure, Node, Place, Resource, UpMessage};
use serde_json::Value;

use super::cloud::{Cloud, Said, UNIX_SECS, realm};

pub(crate) const PSK: [u8; 32] = [7; 32];

pub(crate) fn serial() -> Serial {
    Serial::new(b"T12345678").unwrap()
}

pub(crate) fn place(identifier: &str) -> Place {
    Place::new(Resource::global(), "Lock", identifier).unwrap()
}

pub(crate) fn provider() -> Arc<dyn Provider> {
    Arc::new(Portable)
}

pub(crate) fn factory(credential: FactoryCredential, types: &[u8]) -> SmartFactory {
    SmartFactory {
        serial: serial(),
        mode: Mode::Serial,
        is_hub: true,
        types: TypeGroup::new(types).unwrap(),
        credential,
        lbs_tls_key: None,
    }
}

pub(crate) fn record(psk: Option<&[u8]>, device_key: Option<PublicKey>) -> DeviceRecord {
    DeviceRecord {
        allowed: AllowedKinds { code: false, psk: psk.is_some(), key_pair: device_key.is_some() },
        min_type: ProtocolType::PLAIN,
        code: None,
        psk: psk.map(Secret::from),
        device_key,
        ticket: None,
    }
}

/// What survives a power cut.
#[derive(Clone)]
pub(crate) struct Disk {
    pub(crate) state: Secret,
    pub(crate) events: BTreeMap<u64, Vec<u8>>,
}

pub(crate) struct Bench {
    pub(crate) device: SmartDevice,
    pub(crate) disk: Disk,
    pub(crate) cloud: Cloud,
    pub(crate) now: Now,
    pub(crate) events: Vec<SmartEvent>,
    /// Orders that came in, and are answered by `answers`.
    pub(crate) orders: Vec<agent::osap::Order>,
    pub(crate) answers: Option<Result<Value, Failure>>,
    pub(crate) desired: Vec<osap_things::DesiredValue>,
    /// Targets of streams, and whether they can be opened.
    pub(crate) targets: Vec<Target>,
    pub(crate) is_reachable: bool,
    pub(crate) stream: Option<u64>,
    /// Outputs of the device that are still done; after the last one the power is cut.
    pub(crate) outputs_left: Option<usize>,
    pub(crate) is_off: bool,
    /// Whether writes are safe at once.
    pub(crate) is_writing: bool,
    pub(crate) last_write: u64,
    settings: SmartSettings,
    starts: u64,
}

pub(crate) fn now() -> Now {
    Now::new(Moment::from_micros(1_000_000), Timestamp::from_unix_millis(UNIX_SECS * 1000))
}

fn started(disk: &Disk, settings: SmartSettings, run: u64, now: Now) -> SmartDevice {
    let events = disk.events.iter().map(|(number, bytes)| (*number, bytes.clone())).collect();
    let dice = Dice::numbered(run);
    SmartDevice::start(disk.state.expose(), events, settings, provider(), dice, now).unwrap()
}

impl Bench {
    pub(crate) fn of(factory: &SmartFactory, cloud: Cloud) -> Self {
        Self::with(factory, cloud, SmartSettings::default())
    }

    pub(crate) fn with(factory: &SmartFactory, cloud: Cloud, settings: SmartSettings) -> Self {
        let disk = Disk { state: factory.first_state(), events: BTreeMap::new() };
        let device = started(&disk, settings, 1, now());
        Self {
            device,
            disk,
            cloud,
            now: now(),
            events: Vec::new(),
            orders: Vec::new(),
            answers: Some(Ok(Value::Null)),
            desired: Vec::new(),
            targets: Vec::new(),
            is_reachable: true,
            stream: None,
            outputs_left: None,
            is_off: false,
            is_writing: true,
            last_write: 0,
            settings,
            starts: 1,
        }
    }

    /// A device with a pre-shared key that the cloud knows, on plain TCP.
    pub(crate) fn with_psk() -> Self {
        let mut cloud = Cloud::new();
        cloud.add(&serial(), record(Some(&PSK), None));
        Self::of(&factory(FactoryCredential::Psk(Secret::from(&PSK[..])), &[2]), cloud)
    }

    /// A device with a code on its label.
    pub(crate) fn with_code() -> Self {
        let mut cloud = Cloud::new();
        let code = Secret::from(&b"ABCDEFGHJKLM"[..]);
        // Stretched once for all tests: that is meant to be slow.
        static RECORD: std::sync::OnceLock<CodeRecord> = std::sync::OnceLock::new();
        let made = RECORD.get_or_init(|| {
            StretchedCode::of_label(&Portable, &code, &serial(), &realm(), Kdf::Scrypt).unwrap().1
        });
        let mut known = record(None, None);
        (known.allowed.code, known.code) = (true, Some(made.clone()));
        cloud.add(&serial(), known);
        Self::of(&factory(FactoryCredential::Code { code, realm: realm() }, &[2]), cloud)
    }

    pub(crate) fn with_key_pair() -> Self {
        let mut cloud = Cloud::new();
        let key = Portable.generate_key(KeyKind::Ec(Curve::P256), &mut Dice::numbered(5)).unwrap();
        cloud.add(&serial(), record(None, Some(key.public().clone())));
        let pins = vec![cloud.lbs_key().clone()];
        let credential = FactoryCredential::KeyPair { pkcs8: key.pkcs8().unwrap(), pins };
        Self::of(&factory(credential, &[2]), cloud)
    }

    /// The power comes back: nothing is left but the disk.
    pub(crate) fn restart(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.cloud.closed(stream);
        }
        self.starts += 1;
        (self.outputs_left, self.is_off) = (None, false);
        self.device = started(&self.disk, self.settings, self.starts, self.now);
    }

    /// Does what the device wants until it wants nothing.
    pub(crate) fn drain(&mut self) {
        while !self.is_off {
            let Some(output) = self.device.next_output() else { return };
            match &mut self.outputs_left {
                Some(0) => {
                    self.is_off = true;
                    return;
                }
                Some(left) => *left -= 1,
                None => {}
            }
            self.perform(output);
        }
    }

    fn perform(&mut self, output: SmartOutput) {
        match output {
            SmartOutput::Open { stream, target } => self.open(stream, target),
            SmartOutput::Transmit { stream, bytes } => {
                let said = self.cloud.receive(stream, &bytes, self.now.moment);
                self.hand(stream, said);
            }
            SmartOutput::Close { stream } => {
                // The other side may have been faster.
                if self.stream == Some(stream) {
                    self.stream = None;
                }
                self.cloud.closed(stream);
            }
            SmartOutput::Persist { write, bytes } => {
                if self.is_writing {
                    self.disk.state = bytes;
                }
                self.wrote(write);
            }
            SmartOutput::KeepEvent { write, number, bytes } => {
                if self.is_writing {
                    self.disk.events.insert(number, bytes);
                }
                self.wrote(write);
            }
            SmartOutput::ForgetEvent { number } => {
                self.disk.events.remove(&number);
            }
            SmartOutput::Order(order) => {
                if let OrderKind::Set(value) = &order.kind {
                    let (node, place) = (order.node.clone(), order.place.clone());
                    self.device.set_attribute(node, place, value.clone(), self.now).unwrap();
                }
                if let Some(answer) = self.answers.clone() {
                    self.device.answer(order.number, answer, self.now).unwrap();
                }
                self.orders.push(order);
            }
            SmartOutput::Desired { values, .. } => self.desired.extend(values),
            SmartOutput::Event(event) => self.events.push(event),
            SmartOutput::Off => {}
        }
    }

    fn open(&mut self, stream: u64, target: Target) {
        assert_eq!(self.stream, None, "one stream at a time");
        self.targets.push(target.clone());
        self.stream = Some(stream);
        if !self.is_reachable {
            self.stream = None;
            return self.device.closed(stream, self.now);
        }
        let exporter = match target {
            Target::Lbs { is_tls, .. } => self.cloud.open_lbs(stream, is_tls, self.now.moment),
            Target::Das { .. } => {
                self.cloud.open_das(stream, self.now.moment);
                None
            }
        };
        self.device.opened(stream, exporter, self.now);
    }

    fn wrote(&mut self, write: u64) {
        assert!(write > self.last_write || self.starts > 1, "writes have rising numbers");
        self.last_write = write;
        if self.is_writing {
            self.device.persisted(write, self.now);
        }
    }

    pub(crate) fn hand(&mut self, stream: u64, said: Vec<Said>) {
        for one in said {
            match one {
                Said::Bytes(bytes) => self.device.receive(stream, &bytes, self.now),
                Said::Closed => {
                    if self.stream == Some(stream) {
                        self.device.closed(stream, self.now);
                        self.stream = None;
                        self.cloud.closed(stream);
                    }
                }
            }
        }
    }

    /// The link breaks without a word.
    pub(crate) fn break_link(&mut self) {
        let stream = self.stream.take().expect("a link");
        self.cloud.closed(stream);
        self.device.closed(stream, self.now);
        self.drain();
    }

    /// Lets time pass up to the next deadline, and does what follows.
    pub(crate) fn wait(&mut self) -> Duration {
        let due = self.device.next_deadline().expect("a device that is on has a deadline");
        let slept = due.since(self.now.moment);
        let utc = self.now.utc.unwrap().as_unix_millis() + slept.as_millis() as u64;
        self.now = Now::new(due.max(self.now.moment), Timestamp::from_unix_millis(utc));
        self.device.expire(self.now);
        self.drain();
        slept
    }

    /// Until the device is online, through waits and attempts.
    pub(crate) fn until_online(&mut self) {
        self.drain();
        for _ in 0..60 {
            if self.device.is_online() {
                return;
            }
            self.wait();
        }
        panic!("never online: {:?}", self.events);
    }

    pub(crate) fn say(&mut self, message: &DownMessage) -> osap_proto::General {
        let (stream, said, general) = self.cloud.say(message, None, self.now.moment);
        self.hand(stream, said);
        self.drain();
        general
    }

    pub(crate) fn raise(&mut self, what: &str) {
        self.device.raise(Node::Device, place("opened"), Value::from(what), self.now).unwrap();
        self.drain();
    }

    pub(crate) fn raise_if_on(&mut self, what: &str) {
        if !self.is_off {
            self.raise(what);
        }
    }

    /// The names of events that are safe.
    pub(crate) fn raised(&self) -> Vec<model::Uuid> {
        let of = |event: &SmartEvent| match event {
            SmartEvent::Raised { id } => Some(*id),
            _ => None,
        };
        self.events.iter().filter_map(of).collect()
    }

    /// The events that the platform took, by their data, each once.
    pub(crate) fn taken_events(&self) -> Vec<String> {
        let mut ids = Vec::new();
        let mut taken = Vec::new();
        for (_, message) in &self.cloud.heard {
            if let UpMessage::Event { id, data, .. } = message
                && !ids.contains(id)
            {
                ids.push(*id);
                taken.push(data.as_str().unwrap().to_owned());
            }
        }
        taken
    }

    pub(crate) fn reported(&self, identifier: &str) -> Vec<Value> {
        let of_name = |(_, message): &(_, UpMessage)| match message {
            UpMessage::Attribute { place, value, .. } if place.identifier() == identifier => {
                Some(value.clone())
            }
            _ => None,
        };
        self.cloud.heard.iter().filter_map(of_name).collect()
    }
}
