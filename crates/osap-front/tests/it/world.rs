//! A load balancer, an access service, and devices.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clock::{Dice, Moment, Now, Timestamp};
use crypto::{Curve, KeyKind, PrivateKey, Provider, Secret};
use crypto_server::Server;
use mqtt_proto::{Client, Limits, Version};
use osap_front::das::{DasCommand, DasEvent, DasFace, DasSettings};
use osap_front::lbs::{Arrival, DeviceCertificate, LbsCommand, LbsEvent, LbsFace, LbsSettings, Tls};
use osap_front::{LineId, Output};
use osap_proto::compat::{CompatDevice, CompatSession};
use osap_proto::*;

use crate::device::{Device, Talk};

pub(crate) const EPOCH_MILLIS: u64 = 1_790_000_000_000;

pub(crate) fn provider() -> Arc<dyn Provider> {
    Arc::new(Server::new())
}

pub(crate) fn at(secs: u64) -> Now {
    Now {
        moment: Moment::START + Duration::from_secs(1000 + secs),
        utc: Some(Timestamp::from_unix_millis(EPOCH_MILLIS + secs * 1000)),
    }
}

pub(crate) fn serial(text: &str) -> Serial {
    Serial::new(text.as_bytes()).unwrap()
}

/// One entry of a memory in place of a store.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) record: DeviceRecord,
    pub(crate) devid: Option<Devid>,
    pub(crate) is_blocked: bool,
    pub(crate) issued: u64,
}

pub(crate) struct World {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) dice: Dice,
    pub(crate) lbs: LbsFace,
    pub(crate) lbs_key: Arc<dyn PrivateKey>,
    pub(crate) records: BTreeMap<Serial, Entry>,
    pub(crate) das: DasFace,
    pub(crate) server_id: ServerId,
    pub(crate) ticket_key: TicketKey,
    pub(crate) served: TypeGroup,
    pub(crate) events: Vec<DasEvent>,
    /// Devices that type 1 is run with.
    pub(crate) compat: BTreeMap<Serial, CompatDevice>,
    pub(crate) compat_sessions: BTreeMap<Serial, CompatSession>,
    pub(crate) burned: Vec<Serial>,
    /// Whether the owner takes what devices say at once.
    pub(crate) takes: bool,
    next_line: u64,
    wires: BTreeMap<LineId, Wire>,
    /// What a listener hears of runs of the profile; `true` from the device.
    pub(crate) listens: Option<Vec<(bool, Vec<u8>)>>,
}

/// What has reached the other end of a connection.
#[derive(Default)]
pub(crate) struct Wire {
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_closed: bool,
}

impl World {
    pub(crate) fn new() -> Self {
        let provider = provider();
        let mut dice = Dice::numbered(7);
        let served = TypeGroup::new(&[2, 4, 8]).unwrap();
        let lbs_key = provider.generate_key(KeyKind::Ec(Curve::P256), &mut dice).unwrap();
        let fakes = FakeRecords::new(provider.as_ref(), Secret::from(&[9; 32][..])).unwrap();
        let settings = LbsSettings {
            served: served.clone(),
            realm: Realm::new(b"things.example").unwrap(),
            key: Arc::clone(&lbs_key),
            fakes: Arc::new(fakes),
            run_count_max: 8,
        };
        let lbs = LbsFace::new(Arc::clone(&provider), settings, dice.split());
        let server_id = ServerId::new(b"das-1").unwrap();
        let mut das = das_named(&provider, &server_id, dice.split());
        let ticket_key = TicketKey { id: dice.bytes(), key: Secret::from(&dice.bytes::<32>()[..]) };
        das.command(DasCommand::TicketKey(ticket_key.clone()), at(0));
        Self {
            provider,
            dice,
            lbs,
            lbs_key,
            records: BTreeMap::new(),
            das,
            server_id,
            ticket_key,
            served,
            events: Vec::new(),
            compat: BTreeMap::new(),
            compat_sessions: BTreeMap::new(),
            burned: Vec::new(),
            takes: true,
            next_line: 1,
            wires: BTreeMap::new(),
            listens: None,
        }
    }

    pub(crate) fn line(&mut self) -> LineId {
        let line = LineId(self.next_line);
        self.next_line += 1;
        self.wires.insert(line, Wire::default());
        line
    }

    pub(crate) fn wire(&mut self, line: LineId) -> &mut Wire {
        self.wires.get_mut(&line).unwrap()
    }

    pub(crate) fn heard(&mut self, line: LineId) -> Vec<u8> {
        std::mem::take(&mut self.wire(line).bytes)
    }

    pub(crate) fn is_closed(&mut self, line: LineId) -> bool {
        self.wire(line).is_closed
    }

    /// Puts a device on record.
    pub(crate) fn enrol(
        &mut self,
        name: &str,
        allowed: AllowedKinds,
        psk: Option<&[u8]>,
        key: Option<&dyn PrivateKey>,
    ) {
        let record = DeviceRecord {
            allowed,
            min_type: ProtocolType::PLAIN,
            code: None,
            psk: psk.map(Secret::from),
            device_key: key.map(|key| key.public().clone()),
            ticket: None,
        };
        let entry = Entry { record, devid: None, is_blocked: false, issued: 0 };
        self.records.insert(serial(name), entry);
    }

    pub(crate) fn enrol_psk(&mut self, name: &str) {
        self.enrol(
            name,
            AllowedKinds { psk: true, ..AllowedKinds::default() },
            Some(b"0123456789abcdef"),
            None,
        );
    }

    /// Passes outputs of the load balancer on and answers its questions.
    pub(crate) fn drain_lbs(&mut self, now: Now) -> Vec<LbsEvent> {
        let mut told = Vec::new();
        while let Some(output) = self.lbs.next_output() {
            match output {
                Output::Transmit { line, bytes } => self.wire(line).bytes.extend(bytes),
                Output::Close { line } => self.wire(line).is_closed = true,
                Output::Event(event) => {
                    told.push(event.clone());
                    if let Some(command) = self.answer_lbs(event, now) {
                        self.lbs.command(command, now);
                    }
                }
            }
        }
        told
    }

    fn answer_lbs(&mut self, event: LbsEvent, now: Now) -> Option<LbsCommand> {
        Some(match event {
            LbsEvent::LookUp { line, serial, .. } => {
                let record = self.records.get(&serial).map(|entry| Box::new(entry.record.clone()));
                LbsCommand::Found { line, record, generation: 77 }
            }
            LbsEvent::Grant { line, serial, .. } => {
                let entry = &self.records[&serial];
                let devid = entry.devid.unwrap_or_else(|| Devid::from_random(self.dice.bytes()));
                let ticket_id = self.dice.bytes();
                let grant = match entry.is_blocked {
                    true => Grant::Blocked,
                    false => Grant::Devid { devid, ticket_id, lifetime_secs: 86_400 },
                };
                LbsCommand::Granted { line, grant }
            }
            LbsEvent::Commit { line, commit, generation } => {
                assert_eq!(generation, 77, "what came with the record comes back");
                let entry = self.records.get_mut(&commit.serial).unwrap();
                let is_last = |id| entry.record.ticket.as_ref().is_some_and(|ticket| ticket.id == id);
                let outcome = match commit.claim {
                    Claim::Ticket(id) if !is_last(id) => Committed::LostRace,
                    _ => Committed::Swapped,
                };
                if outcome == Committed::Swapped {
                    entry.devid = Some(commit.devid);
                    let Ticket { id, secret } = commit.ticket;
                    let end_secs = now.utc.unwrap().as_unix_millis() / 1000 + u64::from(commit.lifetime_secs);
                    entry.record.ticket = Some(TicketOnRecord { id, secret, end_secs });
                }
                LbsCommand::Committed { line, outcome }
            }
            LbsEvent::ChooseDas { line, request, devid, protocol, das_secret } => {
                let answer = Box::new(DasAnswer::Das(Box::new(self.das_info(
                    request.serial,
                    devid,
                    protocol,
                    das_secret,
                    now,
                ))));
                LbsCommand::Das { line, answer }
            }
            LbsEvent::LookUpCompat { .. } | LbsEvent::CodeShown { .. } | LbsEvent::CommitCompat { .. } => {
                return self.answer_compat(event);
            }
            LbsEvent::ManyTries { .. } | LbsEvent::Ended { .. } | LbsEvent::EndedCompat { .. } => {
                return None;
            }
        })
    }

    fn das_info(
        &mut self,
        serial: Serial,
        devid: Devid,
        protocol: ProtocolType,
        das_secret: Secret,
        now: Now,
    ) -> DasInfo {
        let millis = now.utc.unwrap().as_unix_millis();
        let entry = self.records.get_mut(&serial).unwrap();
        let before = entry.issued;
        entry.issued = millis.max(before + 1);
        let ticket = DasTicket {
            devid,
            serial,
            protocol,
            das_secret,
            epoch: u32::from_be_bytes(self.dice.bytes()),
            issued: entry.issued,
            expiry: millis / 1000 + 80_000,
            server_id: self.server_id.clone(),
        };
        if before > 0 {
            let (issued, epoch) = (ticket.issued, ticket.epoch);
            self.das.command(DasCommand::Replaced { devid, issued, epoch }, now);
        }
        let text = ticket.seal(self.provider.as_ref(), &self.ticket_key, self.dice.bytes());
        DasInfo {
            address: "127.0.0.1".into(),
            port: 8884,
            udp_port: 0,
            domain: String::new(),
            server_id: self.server_id.clone(),
            served: self.served.clone(),
            epoch: ticket.epoch,
            time_ms: millis,
            tls_key: None,
            das_ticket: String::from_utf8(text).unwrap(),
            das_expiry: ticket.expiry,
        }
    }

    /// Passes outputs of the access service on; asks of devices are answered, the rest is kept.
    pub(crate) fn drain_das(&mut self, now: Now) {
        while let Some(output) = self.das.next_output() {
            match output {
                Output::Transmit { line, bytes } => self.wire(line).bytes.extend(bytes),
                Output::Close { line } => self.wire(line).is_closed = true,
                Output::Event(DasEvent::WhoIsCompat { line, serial }) => {
                    let until = Timestamp::from_unix_millis(now.utc.unwrap().as_unix_millis() + 3_600_000);
                    let session = self.compat_sessions.get(&serial).cloned();
                    let standing = session.map(|session| Box::new((session, until)));
                    self.das.command(DasCommand::KnownCompat { line, standing }, now);
                }
                Output::Event(DasEvent::WhoIs { line, serial, .. }) => {
                    let is_welcome = self.records.get(&serial).is_some_and(|entry| !entry.is_blocked);
                    self.das.command(DasCommand::Known { line, is_welcome }, now);
                }
                Output::Event(event) => {
                    let token = match &event {
                        DasEvent::Up { token, .. } | DasEvent::Answered { token, .. } => *token,
                        _ => None,
                    };
                    self.events.push(event);
                    if let Some(token) = token.filter(|_| self.takes) {
                        self.das.command(DasCommand::Taken(token), now);
                    }
                }
            }
        }
    }

    pub(crate) fn told(&mut self) -> Vec<DasEvent> {
        std::mem::take(&mut self.events)
    }

    /// A whole run of a device.
    pub(crate) fn run(&mut self, setup: DeviceSetup, now: Now) -> Result<(Pending, Completed), DeviceEnd> {
        self.run_over(setup, None, now)
    }

    pub(crate) fn run_over(
        &mut self,
        setup: DeviceSetup,
        certificate: Option<DeviceCertificate>,
        now: Now,
    ) -> Result<(Pending, Completed), DeviceEnd> {
        let line = self.line();
        let tls = setup.exporter.map(|exporter| Tls { exporter, certificate });
        let arrival = Arrival { from: [192, 0, 2, 7].into(), accepted: now.moment, tls };
        self.lbs.opened(line, arrival, now);
        self.run_on(line, setup, now)
    }

    /// A whole run on a connection that stands.
    pub(crate) fn run_on(
        &mut self,
        line: LineId,
        setup: DeviceSetup,
        now: Now,
    ) -> Result<(Pending, Completed), DeviceEnd> {
        let ephemeral = Ephemeral::draw(self.provider.as_ref(), &mut self.dice).unwrap();
        let mut device =
            DeviceRun::start(Arc::clone(&self.provider), setup, ephemeral, self.dice.split(), now.moment)
                .unwrap();
        let mut pending = None;
        for _ in 0..20 {
            while let Some(output) = device.next_output() {
                match output {
                    DeviceOutput::Send(bytes) => {
                        self.lbs.receive(line, &bytes, now);
                        self.listens.iter_mut().for_each(|heard| heard.push((true, bytes.clone())));
                    }
                    DeviceOutput::Store(brought) => {
                        pending = Some(brought);
                        device.stored(now.moment);
                    }
                    DeviceOutput::Done(completed) => {
                        self.drain_lbs(now);
                        assert!(self.is_closed(line));
                        return Ok((pending.unwrap(), completed));
                    }
                    DeviceOutput::Failed(end) => return Err(end),
                }
            }
            self.drain_lbs(now);
            let bytes = self.heard(line);
            self.listens.iter_mut().for_each(|heard| heard.push((false, bytes.clone())));
            device.receive(&bytes, now.moment);
        }
        panic!("the run does not end")
    }

    /// A device that has its ticket for the access service.
    pub(crate) fn ready_device(&mut self, name: &str, now: Now) -> Device {
        self.enrol_psk(name);
        let (pending, completed) = self.run(setup_psk(name), now).unwrap();
        Device {
            serial: serial(name),
            devid: pending.devid,
            completed,
            conn_no: 0,
            seq: 0,
            provider: Arc::clone(&self.provider),
            dice: self.dice.split(),
            version: Version::V5,
            limits: Limits::default(),
            will: None,
        }
    }

    /// Connects a device and gives its greeted session.
    pub(crate) fn connect(&mut self, device: &mut Device, now: Now) -> Talk {
        match self.try_connect(device, now) {
            Ok(talk) => talk,
            Err(talk) => panic!("it is not let in: {:?}", talk.end),
        }
    }

    pub(crate) fn try_connect(&mut self, device: &mut Device, now: Now) -> Result<Talk, Box<Talk>> {
        let line = self.line();
        self.das.opened(line, true, now);
        let (connect, numbers) = device.connect(&self.server_id);
        self.talk(device, line, connect, numbers, now)
    }

    pub(crate) fn talk(
        &mut self,
        device: &mut Device,
        line: LineId,
        client: Client,
        numbers: ConnectionNumbers,
        now: Now,
    ) -> Result<Talk, Box<Talk>> {
        let mut talk = Talk {
            line,
            client,
            numbers,
            session: None,
            serial: device.serial.clone(),
            das_secret: device.completed.das_secret.clone(),
            sent: Vec::new(),
            heard: Vec::new(),
            delivered: Vec::new(),
            end: None,
            acknowledges: true,
        };
        talk.turn(self, now);
        if talk.session.is_some() { Ok(talk) } else { Err(Box::new(talk)) }
    }
}

pub(crate) fn das_named(provider: &Arc<dyn Provider>, server_id: &ServerId, dice: Dice) -> DasFace {
    let settings = DasSettings {
        server_id: server_id.clone(),
        device_count_max: 1000,
        backlog_count_max: 4,
        first_seq: 5_000_000,
    };
    DasFace::new(Arc::clone(provider), settings, dice)
}

pub(crate) fn setup_psk(name: &str) -> DeviceSetup {
    setup(name, DeviceCredential::Psk(Secret::from(&b"0123456789abcdef"[..])), ProtocolType::PLAIN)
}

pub(crate) fn setup(name: &str, credential: DeviceCredential, protocol: ProtocolType) -> DeviceSetup {
    DeviceSetup {
        header: Header { protocol, group: TypeGroup::new(&[8, 4, 2]).unwrap() },
        min_type: ProtocolType::PLAIN,
        mode: Mode::Serial,
        serial: serial(name),
        is_hub: false,
        credential,
        exporter: (protocol != ProtocolType::PLAIN).then_some([3; 32]),
    }
}
