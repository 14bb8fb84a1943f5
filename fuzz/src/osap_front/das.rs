//! The access service with many lines: two devices that come, speak and go, strangers, a slow owner.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clock::{Dice, Moment, Now, Timestamp};
use crypto::Secret;
use crypto_portable::Portable;
use mqtt_proto::{
    Client, ClientOutput, ConnectOptions, Limits, Password, Publication, QoS, ReasonCode, SignIn, Version,
};
use osap_front::das::{DasCommand, DasEvent, DasFace, DasOrder, DasSettings, Token};
use osap_front::{LineId, Output};
use osap_proto::*;
use osap_things::{DownMessage, Node, Place, Resource, decode_down};

use super::LINE_COUNT;
use crate::memory;
use crate::osap::parties;
use crate::rules::reached;
use crate::script::{Recorder, Script};
use crate::{Reached, Target};

pub(super) const DAS: Target = Target {
    name: "osap_front_das",
    about: "DasFace: many lines, two devices and any bytes, orders, answers late, twice, never; time",
    length_max: 768,
    run: |input| memory::within(4 * 1024 * 1024 + 96 * input.len(), || run(input)),
    seeds,
};

const SECONDS: u64 = 1_795_307_861;
const SERIALS: [&[u8]; 2] = [b"T12345678", b"T12345679"];
const BODY: &[u8] = b"{}";

/// One connection.
struct Line {
    id: LineId,
    /// Which device speaks on it; `None`: a stranger.
    device: Option<usize>,
    client: Option<Box<Client>>,
    session: Option<Session>,
    numbers: ConnectionNumbers,
    seq: u64,
    to_device: Vec<u8>,
}

struct Run {
    face: DasFace,
    now: Now,
    millis: u64,
    lines: BTreeMap<u64, Line>,
    last_line: u64,
    conn_no: [u32; 2],
    issued: [u64; 2],
    online: [bool; 2],
    asked: Vec<LineId>,
    tokens: BTreeSet<Token>,
    taken: BTreeSet<Token>,
    kept: Vec<DasEvent>,
    orders: u64,
    was_online: bool,
}

fn serial(device: usize) -> Serial {
    Serial::new(SERIALS[device]).expect("a serial")
}

fn devid(device: usize) -> Devid {
    Devid::from_random([device as u8 + 1; 16])
}

fn das_secret(device: usize) -> Secret {
    Secret::new(vec![device as u8 + 3; 32])
}

fn ticket_key() -> TicketKey {
    TicketKey { id: [1; 8], key: Secret::new(vec![1; 32]) }
}

fn run(input: &[u8]) -> Reached {
    let mut script = Script::new(input);
    let settings = DasSettings {
        server_id: parties::server_id(),
        device_count_max: 2,
        backlog_count_max: 2,
        first_seq: 1000,
    };
    let utc = Some(Timestamp::from_unix_millis(SECONDS * 1000));
    let mut run = Run {
        face: DasFace::new(parties::provider(), settings, Dice::numbered(5)),
        now: Now { moment: Moment::START, utc },
        millis: SECONDS * 1000,
        lines: BTreeMap::new(),
        last_line: 0,
        conn_no: [0; 2],
        issued: [1; 2],
        online: [false; 2],
        asked: Vec::new(),
        tokens: BTreeSet::new(),
        taken: BTreeSet::new(),
        kept: Vec::new(),
        orders: 0,
        was_online: false,
    };
    run.face.command(DasCommand::TicketKey(ticket_key()), run.now);
    while !script.is_empty() {
        run.step(&mut script);
        run.drain();
    }
    for (_, line) in std::mem::take(&mut run.lines) {
        run.face.closed(line.id, run.now);
        run.drain();
    }
    // What the owner had no room for is offered again, and what is told stands behind it.
    run.pass(Duration::from_secs(1));
    run.drain();
    assert_eq!((run.face.device_count(), run.online), (0, [false; 2]), "nobody stays online");
    reached(run.was_online)
}

impl Run {
    fn step(&mut self, script: &mut Script<'_>) {
        let (operation, choice) = (script.u8(), script.u8());
        let slot = u64::from(choice) % LINE_COUNT;
        let device = usize::from(choice >> 2 & 1);
        match operation % 16 {
            0 | 1 => self.open(slot, (choice & 0x80 == 0).then_some(device), choice >> 3 & 15),
            2 | 3 => self.talk(slot, usize::MAX),
            4 => self.talk(slot, usize::from(script.u8())),
            5 => {
                let id = self.lines.get(&slot).map_or(LineId(u64::MAX), |line| line.id);
                self.face.receive(id, script.bytes(), self.now);
            }
            6 | 7 => self.say(slot, script.u8()),
            8 => self.known(choice & 0x80 == 0),
            9 => self.take(choice),
            10 => self.order(device, choice),
            11 => self.command(device, choice),
            12 => {
                if let Some(line) = self.lines.remove(&slot) {
                    self.face.closed(line.id, self.now);
                }
            }
            13 => {
                if let Some(event) = self.kept.pop() {
                    self.refuse(event);
                }
            }
            _ => self.pass(Duration::from_millis(u64::from(script.u16()) * u64::from(choice))),
        }
    }

    /// A device comes with its newest ticket, or says something wrong in its CONNECT.
    fn open(&mut self, slot: u64, device: Option<usize>, flaw: u8) {
        if let Some(line) = self.lines.remove(&slot) {
            self.face.closed(line.id, self.now);
            self.drain();
        }
        self.last_line += 1;
        let id = LineId(self.last_line);
        let mut line = Line {
            id,
            device,
            client: None,
            session: None,
            numbers: ConnectionNumbers { epoch: 7, conn_no: 0, conn_nonce: [9; 16] },
            seq: 0,
            to_device: Vec::new(),
        };
        if let Some(device) = device {
            self.conn_no[device] += u32::from(flaw != 1);
            line.numbers.conn_no = self.conn_no[device];
            line.client = Some(Box::new(self.client(device, &line.numbers, flaw)));
        }
        self.lines.insert(slot, line);
        self.face.opened(id, flaw != 2, self.now);
    }

    fn client(&self, device: usize, numbers: &ConnectionNumbers, flaw: u8) -> Client {
        let ticket = DasTicket {
            devid: devid(device),
            serial: serial(device),
            protocol: ProtocolType::PLAIN,
            das_secret: das_secret(device),
            epoch: numbers.epoch,
            issued: SECONDS * 1000 + self.issued[device],
            expiry: SECONDS + 80_000,
            server_id: parties::server_id(),
        };
        let name = ticket.seal(&Portable, &ticket_key(), [device as u8; 16]);
        let name = String::from_utf8(name).expect("base64url");
        let (server, header) =
            (parties::server_id(), ConnectHeader { level: 5, flags: 0xC2, keep_alive: 30 });
        let secret = das_secret(if flaw == 3 { 1 - device } else { device });
        let password = connect_password(&Portable, &secret, &server, &serial(device), numbers, header);
        let id = devid(if flaw == 4 { 1 - device } else { device });
        let options = ConnectOptions {
            keep_alive_secs: 30,
            sign_in: Some(SignIn { user_name: &name, password: Some(Password(&password)) }),
            ..ConnectOptions::new(Version::V5, std::str::from_utf8(id.as_bytes()).expect("text"))
        };
        Client::connect(&options, Limits::default(), None, self.now.moment).expect("options that fit")
    }

    /// The device of a line goes on; at most so many of its bytes arrive.
    fn talk(&mut self, slot: u64, amount: usize) {
        let now = self.now;
        let Some(line) = self.lines.get_mut(&slot) else { return };
        let (id, bytes) = (line.id, std::mem::take(&mut line.to_device));
        let mut said = Vec::new();
        if let Some(client) = &mut line.client {
            client.receive(&bytes, now.moment);
        }
        while let Some(output) = line.client.as_mut().and_then(|client| client.next_output()) {
            match output {
                ClientOutput::Transmit(bytes) => said.extend(bytes),
                ClientOutput::Message(incoming) => {
                    if let Some(packet) = incoming.id
                        && let Some(client) = &mut line.client
                    {
                        client.acknowledge(packet, ReasonCode::SUCCESS, None, now.moment).ok();
                    }
                    line.message(&incoming.publication, now.moment);
                }
                _ => {}
            }
        }
        said.truncate(amount);
        if !said.is_empty() {
            self.face.receive(id, &said, now);
        }
    }

    /// A device raises an event, reports, or answers; or it says what it may not.
    fn say(&mut self, slot: u64, choice: u8) {
        let now = self.now;
        let Some(line) = self.lines.get_mut(&slot) else { return };
        let (Some(device), Some(session)) = (line.device, &mut line.session) else { return };
        let Some(client) = &mut line.client else { return };
        let whose = if choice & 15 == 15 { 1 - device } else { device };
        let topic = format!(
            "/iot/{}/global/0-global/model/{}",
            std::str::from_utf8(SERIALS[whose]).expect("text"),
            ["event/report/Lock/opened", "attribute/report/Lock/mode", "service/operate_reply/Lock/open"]
                [usize::from(choice >> 4) % 3]
        );
        line.seq += u64::from(choice & 3 != 3);
        let general = General { seq: line.seq, ts: self.millis };
        let Ok(mut payload) = session.sealer.seal(topic.as_bytes(), general, BODY, now.moment) else {
            return;
        };
        if choice & 7 == 6 {
            payload[12] ^= 1;
        }
        let qos = if choice & 8 == 0 { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        if let Ok(publication) = Publication::new(&topic, &payload, qos) {
            client.publish(publication, now.moment).ok();
        }
        self.talk(slot, usize::MAX);
    }

    fn known(&mut self, is_welcome: bool) {
        let line = self.asked.pop().unwrap_or(LineId(1));
        self.face.command(DasCommand::Known { line, is_welcome }, self.now);
    }

    fn take(&mut self, choice: u8) {
        let Some(token) = self.tokens.pop_first().or_else(|| self.taken.first().copied()) else { return };
        self.taken.insert(token);
        let command = match choice & 3 {
            0 | 1 => DasCommand::Taken(token),
            2 => DasCommand::Refused(token),
            _ => DasCommand::Unable(token),
        };
        self.face.command(command, self.now);
    }

    fn order(&mut self, device: usize, choice: u8) {
        self.orders += 1;
        let place = Place::new(Resource::global(), "Lock", "mode").expect("a place");
        let message = DownMessage::Query { node: Node::Device, place };
        let order = DasOrder {
            serial: serial(device),
            id: self.orders,
            message,
            deadline: self.now.moment + Duration::from_secs(u64::from(choice)),
        };
        self.face.command(DasCommand::Order(Box::new(order)), self.now);
    }

    fn command(&mut self, device: usize, choice: u8) {
        let command = match choice >> 3 & 3 {
            0 if choice & 4 == 0 => DasCommand::Close { serial: serial(device) },
            0 => DasCommand::Forget { serial: serial(device), node: Node::Device },
            1 => DasCommand::Withdraw { serial: serial(device), id: self.orders },
            2 => DasCommand::CouldNotLookUp { line: self.asked.pop().unwrap_or(LineId(1)) },
            _ => {
                self.issued[device] += 1;
                self.conn_no[device] = 0;
                let issued = SECONDS * 1000 + self.issued[device];
                DasCommand::Replaced { devid: devid(device), issued, epoch: 7 }
            }
        };
        self.face.command(command, self.now);
    }

    /// The owner had no room for what it was told: it never saw it.
    fn refuse(&mut self, event: DasEvent) {
        match &event {
            DasEvent::Online { .. } | DasEvent::Offline { .. } => return,
            DasEvent::Up { token: Some(token), .. } | DasEvent::Answered { token: Some(token), .. } => {
                if !self.tokens.remove(token) {
                    return;
                }
            }
            DasEvent::WhoIs { line, .. } => {
                let before = self.asked.len();
                self.asked.retain(|asked| asked != line);
                if self.asked.len() == before {
                    return;
                }
            }
            DasEvent::WhoIsCompat { .. } => panic!("type 1 on a line that is not its own"),
            DasEvent::Up { .. } | DasEvent::Answered { .. } | DasEvent::OrderFailed { .. } => {}
        }
        self.face.refused(event, self.now);
    }

    fn pass(&mut self, span: Duration) {
        self.millis += u64::try_from(span.as_millis()).expect("days");
        let utc = Some(Timestamp::from_unix_millis(self.millis));
        self.now = Now { moment: self.now.moment + span, utc };
        self.face.expire(self.now);
        assert!(self.face.next_deadline().is_none_or(|due| due > self.now.moment), "nothing stays due");
    }

    fn drain(&mut self) {
        while let Some(output) = self.face.next_output() {
            match output {
                Output::Transmit { line, bytes } => {
                    let open = self.lines.values_mut().find(|open| open.id == line);
                    // Who hung up hears nothing more.
                    if let Some(open) = open {
                        open.to_device.extend(bytes);
                    }
                }
                Output::Close { line } => self.lines.retain(|_, open| open.id != line),
                Output::Event(event) => self.event(event),
            }
        }
    }

    fn which(serial: &Serial) -> usize {
        let which = SERIALS.iter().position(|known| *known == serial.as_bytes());
        which.expect("nobody else has a ticket")
    }

    fn event(&mut self, event: DasEvent) {
        match &event {
            DasEvent::WhoIs { line, serial, devid: shown } => {
                assert_eq!(*shown, devid(Self::which(serial)), "the id of the ticket");
                self.asked.push(*line);
            }
            DasEvent::Online { serial, .. } => {
                self.online[Self::which(serial)] = true;
                self.was_online = true;
            }
            DasEvent::Offline { serial, .. } => {
                let online = &mut self.online[Self::which(serial)];
                assert!(*online, "who was not there goes");
                *online = false;
            }
            DasEvent::Up { token, serial, .. } | DasEvent::Answered { token, serial, .. } => {
                assert!(self.online[Self::which(serial)] || token.is_none(), "who is not there speaks");
                if let Some(token) = token {
                    assert!(!self.taken.contains(token), "what was taken is told again");
                    self.tokens.insert(*token);
                }
            }
            DasEvent::OrderFailed { id, .. } => assert!(*id <= self.orders),
            DasEvent::WhoIsCompat { .. } => panic!("type 1 on a line that is not its own"),
        }
        self.kept.push(event);
    }
}

impl Line {
    /// A message to the device: genuine, each.
    fn message(&mut self, publication: &Publication, now: Moment) {
        let Some(device) = self.device else { return };
        let (topic, payload) = (publication.message.topic.as_bytes(), &publication.message.payload);
        match &mut self.session {
            None => {
                let (secret, serial) = (das_secret(device), serial(device));
                let provider = parties::provider();
                self.session = open_greeting(&provider, &secret, &serial, &self.numbers, topic, payload, now);
            }
            Some(session) => {
                if let Ok(opened) = session.opener.receive(topic, payload, now) {
                    let said = decode_down(&publication.message.topic, opened.application());
                    assert!(said.is_ok(), "what the platform says can be read");
                }
            }
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut honest = Recorder::default();
    // Two devices come, are known, hear the greeting, raise events, are taken and answered.
    for choice in [0, 5] {
        honest.u8(0).u8(choice).u8(2).u8(choice).u8(8).u8(0).u8(2).u8(choice).u8(2).u8(choice);
        honest.u8(6).u8(choice).u8(0).u8(6).u8(choice).u8(0x11).u8(9).u8(0).u8(9).u8(1).u8(2).u8(choice);
    }
    honest.u8(10).u8(4).u8(2).u8(1).u8(13).u8(0).u8(11).u8(24).u8(6).u8(0).u8(15).u8(12).u8(1);
    let mut flaws = Recorder::default();
    for flaw in 0..6 {
        flaws.u8(0).u8(flaw << 3).u8(2).u8(0).u8(8).u8(flaw << 7).u8(2).u8(0);
    }
    flaws
        .u8(0)
        .u8(0x81)
        .u8(5)
        .u8(1)
        .bytes(b"\x10\x0d\0\x04MQTT\x04\x02\0\x0a\0\x01c")
        .u8(14)
        .u8(200)
        .u16(900);
    let mut bad = Recorder::default();
    bad.u8(0).u8(0).u8(2).u8(0).u8(8).u8(0).u8(2).u8(0).u8(2).u8(0);
    for choice in [6, 14, 15, 3, 3, 0x20] {
        bad.u8(6).u8(0).u8(choice);
    }
    bad.u8(4).u8(0).u8(9).u8(9).u8(3).u8(12).u8(0).u8(14).u8(255).u16(60_000);
    vec![honest.0, flaws.0, bad.0]
}
