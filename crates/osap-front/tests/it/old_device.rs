//! A device of type 1, and what the owner of the faces keeps of it.

use std::sync::Arc;

use clock::Now;
use crypto::{Provider, Secret};
use osap_front::LineId;
use osap_front::lbs::{Arrival, LbsCommand, LbsEvent};
use osap_proto::compat::*;
use osap_proto::*;
use osap_things::{UpMessage, encode_up_compat};

use crate::world::{World, at, serial};

pub(crate) const CODE: &[u8] = b"QWERTY";

pub(crate) fn keys_of(provider: &dyn Provider, name: &str) -> CodeKeys {
    CodeKeys::of_code(provider, &Secret::from(CODE), &serial(name))
}

pub(crate) fn das() -> CompatDas {
    CompatDas {
        address: "127.0.0.1".to_owned(),
        port: 28667,
        udp_port: 28667,
        domain: "das.test".to_owned(),
        server_id: ServerId::new(b"das-1").unwrap(),
    }
}

/// What went over a connection, in order; `true` from the device.
pub(crate) type Heard = Vec<(bool, Vec<u8>)>;

impl World {
    pub(crate) fn allow_compat(&mut self, name: &str) {
        let keys = keys_of(self.provider.as_ref(), name);
        let device = CompatDevice { keys, devid: None, master_key: None };
        self.compat.insert(serial(name), device);
    }

    pub(crate) fn answer_compat(&mut self, event: LbsEvent) -> Option<LbsCommand> {
        match event {
            LbsEvent::LookUpCompat { line, serial, .. } => {
                let device = self.compat.get(&serial).cloned().map(Box::new);
                Some(LbsCommand::FoundCompat { line, device })
            }
            LbsEvent::CommitCompat { line, commit } => {
                let device = self.compat.get_mut(&commit.serial).unwrap();
                (device.devid, device.master_key) = (Some(commit.devid), Some(commit.master_key));
                let is_exposed = commit.dialogue != Dialogue::Refresh;
                let CompatCommit { serial, devid, session_key, .. } = *commit;
                let session = CompatSession { serial: serial.clone(), devid, session_key, is_exposed };
                self.compat_sessions.insert(serial, session);
                Some(LbsCommand::CompatDas { line, das: Some(das()) })
            }
            LbsEvent::CodeShown { serial, .. } => {
                self.burned.push(serial);
                None
            }
            _ => None,
        }
    }

    pub(crate) fn at_the_old_door(&mut self, now: Now) -> LineId {
        let line = self.line();
        let arrival = Arrival { from: [192, 0, 2, 7].into(), accepted: now.moment, tls: None };
        self.lbs.opened_compat(line, arrival, now);
        line
    }

    pub(crate) fn old_setup(&self, name: &str, stored: CompatStored) -> CompatDeviceSetup {
        CompatDeviceSetup {
            group: TypeGroup::new(&[1]).unwrap(),
            min_type: ProtocolType::COMPAT,
            has_seen_secure: false,
            is_held: false,
            mode: Mode::Serial,
            serial: serial(name),
            is_hub: false,
            keys: keys_of(self.provider.as_ref(), name),
            case: Case::Upper,
            generation: Generation::Third,
            stored,
        }
    }

    /// A run of type 1 over the face, and what a listener hears of it. At the door of type 1, or at the other.
    pub(crate) fn run_compat(
        &mut self,
        setup: CompatDeviceSetup,
        is_old_door: bool,
        now: Now,
    ) -> (Result<CompatCompleted, CompatDeviceEnd>, Heard) {
        let line = if is_old_door {
            self.at_the_old_door(now)
        } else {
            let line = self.line();
            let arrival = Arrival { from: [192, 0, 2, 7].into(), accepted: now.moment, tls: None };
            self.lbs.opened(line, arrival, now);
            line
        };
        let chance = CompatChance::draw(self.provider.as_ref(), &mut self.dice).unwrap();
        let mut run = CompatDeviceRun::start(Arc::clone(&self.provider), setup, chance, now.moment).unwrap();
        let mut heard = Vec::new();
        for _ in 0..10 {
            while let Some(output) = run.next_output() {
                match output {
                    CompatDeviceOutput::Send(bytes) => {
                        // Devices write header, variable header and payload by themselves.
                        for piece in [&bytes[..1], &bytes[1..3], &bytes[3..]] {
                            self.lbs.receive(line, piece, now);
                        }
                        heard.push((true, bytes));
                    }
                    CompatDeviceOutput::Done(done) => {
                        self.drain_lbs(now);
                        assert!(self.is_closed(line));
                        return (Ok(*done), heard);
                    }
                    CompatDeviceOutput::Failed(end) => return (Err(end), heard),
                }
            }
            self.drain_lbs(now);
            let bytes = self.heard(line);
            if bytes.is_empty() && self.is_closed(line) {
                return (Err(CompatDeviceEnd::Malformed), heard);
            }
            run.receive(&bytes, now.moment);
            heard.push((false, bytes));
        }
        panic!("the run does not end")
    }

    /// An old device that has a session key nobody heard, and is connected.
    pub(crate) fn connected(&mut self, name: &str, now: Now) -> OldDevice {
        self.allow_compat(name);
        let (first, _) = self.run_compat(self.old_setup(name, CompatStored::Nothing), true, now);
        let first = first.unwrap();
        let stored = CompatStored::Both(first.devid, first.master_key);
        let (second, _) = self.run_compat(self.old_setup(name, stored), true, now);
        let mut device = OldDevice::new(name, second.unwrap());
        assert_eq!(device.connect(self, true, now), [0x20, 2, 0, 0]);
        device
    }
}

/// A device of type 1 at an access service, packet by packet.
pub(crate) struct OldDevice {
    pub(crate) name: String,
    pub(crate) completed: CompatCompleted,
    pub(crate) line: LineId,
    seq: u64,
    id: u16,
}

fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    let mut left = body.len();
    while left >= 0x80 {
        bytes.push((left & 0x7F) as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    [&bytes[..], body].concat()
}

/// One packet off the front: its first byte and body.
pub(crate) fn taken(bytes: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (kind, mut at, mut length, mut place) = (*bytes.first()?, 1, 0_usize, 0);
    loop {
        let part = bytes[at];
        length |= usize::from(part & 0x7F) << (7 * place);
        (at, place) = (at + 1, place + 1);
        if part & 0x80 == 0 {
            break;
        }
    }
    let body = bytes[at..at + length].to_vec();
    bytes.drain(..at + length);
    Some((kind, body))
}

/// What the platform published: topic, packet identifier, general part, application part.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) topic: String,
    pub(crate) id: Option<u16>,
    pub(crate) general: CompatGeneral,
    pub(crate) application: String,
}

impl OldDevice {
    pub(crate) fn new(name: &str, completed: CompatCompleted) -> Self {
        Self { name: name.to_owned(), completed, line: LineId(0), seq: 0, id: 1 }
    }

    /// The CONNECT of this device.
    pub(crate) fn registration(&self, provider: &dyn Provider, key: &Secret, is_clean: bool) -> Vec<u8> {
        let devid = String::from_utf8(self.completed.devid.as_bytes().to_vec()).unwrap();
        let json = format!(
            "{{\"SubSerial\":\"{}\",\"DeviceID\":\"{devid}\",\"SDKVersion\":{{\"0\":\"\",\"0\":\"\"}}}}",
            self.name
        );
        let iv = *b"01234567\0\0\0\0\0\0\0\0";
        let will = provider.cbc_encrypt(key.expose(), &iv, json.as_bytes()).unwrap();
        let topic = format!("/Basic/pu2cenplt/{}/firstconnect", self.name);
        CompatConnect {
            is_clean,
            keep_alive: 30,
            will_topic: topic.as_bytes(),
            will: &will,
            user_name: self.name.as_bytes(),
        }
        .encode()
    }

    /// Connects anew; what came back.
    pub(crate) fn connect(&mut self, world: &mut World, is_clean: bool, now: Now) -> Vec<u8> {
        self.line = world.line();
        world.das.opened_compat(self.line, now);
        let bytes = self.registration(world.provider.clone().as_ref(), &self.completed.session_key, is_clean);
        world.das.receive(self.line, &bytes[..7], now);
        world.das.receive(self.line, &bytes[7..], now);
        world.drain_das(now);
        world.heard(self.line)
    }

    pub(crate) fn sealed(&self, world: &World, seq: u64, application: &[u8]) -> Vec<u8> {
        let general = CompatGeneral { version: None, seq, message_type: 1 };
        seal_compat(world.provider.as_ref(), &self.completed.session_key, &general, application).unwrap()
    }

    /// Publishes with QoS 1 and RETAIN, as they do; the packet identifier.
    pub(crate) fn publish(&mut self, world: &mut World, topic: &str, payload: &[u8], now: Now) -> u16 {
        self.id += 1;
        let size = u16::try_from(topic.len()).unwrap().to_be_bytes();
        let body = [&size[..], topic.as_bytes(), &self.id.to_be_bytes(), payload].concat();
        world.das.receive(self.line, &packet(0x33, &body), now);
        world.drain_das(now);
        self.id
    }

    pub(crate) fn say(&mut self, world: &mut World, message: &UpMessage, now: Now) -> u16 {
        self.seq += 1;
        self.answer(world, message, self.seq, now)
    }

    /// Says something with the number of a request.
    pub(crate) fn answer(&mut self, world: &mut World, message: &UpMessage, seq: u64, now: Now) -> u16 {
        let (topic, body) = encode_up_compat(message, &serial(&self.name), 1).unwrap();
        let payload = self.sealed(world, seq, &body);
        self.publish(world, &topic, &payload, now)
    }

    pub(crate) fn acknowledge(&self, world: &mut World, id: u16) {
        world.das.receive(self.line, &packet(0x40, &id.to_be_bytes()), at(0));
        world.drain_das(at(0));
    }

    /// What came since, as packets; those of the platform opened.
    pub(crate) fn heard(&self, world: &mut World) -> (Vec<Told>, Vec<(u8, Vec<u8>)>) {
        let (mut bytes, mut told, mut others) = (world.heard(self.line), Vec::new(), Vec::new());
        while let Some((kind, body)) = taken(&mut bytes) {
            if kind >> 4 != 3 {
                others.push((kind, body));
                continue;
            }
            let size = usize::from(u16::from_be_bytes([body[0], body[1]]));
            let topic = String::from_utf8(body[2..2 + size].to_vec()).unwrap();
            let has_id = kind & 0x06 != 0;
            let id = has_id.then(|| u16::from_be_bytes([body[2 + size], body[3 + size]]));
            let payload = &body[2 + size + if has_id { 2 } else { 0 }..];
            let key = &self.completed.session_key;
            let opened = open_compat(world.provider.as_ref(), key, payload).unwrap();
            let application = String::from_utf8(opened.application).unwrap();
            told.push(Told { topic, id, general: opened.general, application });
        }
        (told, others)
    }
}
