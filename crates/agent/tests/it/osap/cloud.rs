//! A load balancer and an access service in memory: the machines of the other side, and switches for what
//! goes wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use clock::{Dice, Moment};
use crypto::{Curve, KeyKind, PrivateKey, Provider, Secret};
use crypto_portable::Portable;
use mqtt_proto::{Accept, Publication, QoS, ReasonCode, Server, ServerOutput, ServerSettings};
use osap_proto::*;
use osap_things::{DownMessage, UpMessage, decode_up, encode_down};

pub(crate) const UNIX_SECS: u64 = 1_795_300_000;
const SERVER_ID: &[u8] = b"das-0001";

pub(crate) fn server_id() -> ServerId {
    ServerId::new(SERVER_ID).unwrap()
}

/// One device at the load balancer.
pub(crate) struct Known {
    pub(crate) record: DeviceRecord,
    pub(crate) devid: Option<Devid>,
    pub(crate) is_blocked: bool,
    /// Whether the code counts also after an enrolment.
    pub(crate) is_window_open: bool,
    pub(crate) issued: u64,
}

enum Peer {
    Lbs(Box<LbsRun>),
    Das(Box<Seat>),
}

/// A connection at the access service.
struct Seat {
    server: Server,
    session: Option<Session>,
    serial: Option<Serial>,
}

pub(crate) struct Cloud {
    provider: Arc<dyn Provider>,
    pub(crate) dice: Dice,
    key: Arc<dyn PrivateKey>,
    fakes: Arc<FakeRecords>,
    memory: LbsMemory,
    pub(crate) served: Vec<u8>,
    pub(crate) devices: BTreeMap<Serial, Known>,
    ring: TicketKeyRing,
    ticket_key: TicketKey,
    table: ConnectTable,
    peers: BTreeMap<u64, Peer>,
    /// What the access service took, in order.
    pub(crate) heard: Vec<(General, UpMessage)>,
    /// Kinds of the runs that were completed.
    pub(crate) runs: Vec<u8>,
    /// CONNECTs that were taken.
    pub(crate) connects: Vec<u32>,
    /// Keep alives that were asked for.
    pub(crate) keep_alives: Vec<u16>,
    /// DISCONNECTs that were said.
    pub(crate) farewells: usize,
    /// Messages that the device acknowledged.
    pub(crate) acknowledged: usize,
    /// Seconds that a session lasts.
    pub(crate) session_secs: u64,
    pub(crate) is_acknowledging: bool,
    pub(crate) refuses_with: Option<ReasonCode>,
    pub(crate) acknowledges_with: ReasonCode,
    pub(crate) greets: bool,
    pub(crate) has_das: bool,
    pub(crate) is_mute: bool,
    /// A failing step: no H1-II, and so on, by the number of messages of the load balancer that pass.
    pub(crate) lbs_messages_left: Option<usize>,
    seq: u64,
}

/// What goes back to the device.
#[derive(Debug, PartialEq)]
pub(crate) enum Said {
    Bytes(Vec<u8>),
    Closed,
}

impl Cloud {
    pub(crate) fn new() -> Self {
        let mut dice = Dice::numbered(77);
        let fakes = FakeRecords::new(&Portable, Secret::from(&[3; 32][..])).unwrap();
        let ticket_key = TicketKey { id: [1; 8], key: Secret::from(&[4; 32][..]) };
        let mut ring = TicketKeyRing::new();
        ring.add(ticket_key.clone());
        Self {
            provider: Arc::new(Portable),
            key: Portable.generate_key(KeyKind::Ec(Curve::P256), &mut dice).unwrap(),
            dice,
            fakes: Arc::new(fakes),
            memory: LbsMemory::new(),
            served: vec![2, 4],
            devices: BTreeMap::new(),
            ring,
            ticket_key,
            table: ConnectTable::new(server_id(), 100),
            peers: BTreeMap::new(),
            heard: Vec::new(),
            runs: Vec::new(),
            connects: Vec::new(),
            keep_alives: Vec::new(),
            farewells: 0,
            acknowledged: 0,
            session_secs: 80_000,
            is_acknowledging: true,
            refuses_with: None,
            acknowledges_with: ReasonCode::SUCCESS,
            greets: true,
            has_das: true,
            is_mute: false,
            lbs_messages_left: None,
            seq: 0,
        }
    }

    pub(crate) fn lbs_key(&self) -> &crypto::PublicKey {
        self.key.public()
    }

    pub(crate) fn add(&mut self, serial: &Serial, record: DeviceRecord) {
        let known = Known { record, devid: None, is_blocked: false, is_window_open: false, issued: 0 };
        self.devices.insert(serial.clone(), known);
    }

    /// The access service forgets all that it has in memory.
    pub(crate) fn restart_das(&mut self) {
        self.ticket_key = TicketKey { id: self.dice.bytes(), key: Secret::from(&[5; 32][..]) };
        self.ring = TicketKeyRing::new();
        self.ring.add(self.ticket_key.clone());
        self.table = ConnectTable::new(server_id(), 100);
        self.peers.clear();
    }

    pub(crate) fn open_lbs(&mut self, stream: u64, is_tls: bool, now: Moment) -> Option<[u8; 32]> {
        let exporter = is_tls.then_some([8; 32]);
        let setup = LbsSetup {
            served: TypeGroup::new(&self.served).unwrap(),
            connection: if is_tls { Connection::Tls } else { Connection::Plain },
            exporter,
            from: AddressPrefix::of(std::net::IpAddr::from([192, 0, 2, 1])),
            realm: realm(),
            certificate_serial: None,
            key: Arc::clone(&self.key),
            fakes: Arc::clone(&self.fakes),
        };
        let run = LbsRun::new(Arc::clone(&self.provider), setup, self.dice.split(), now);
        self.peers.insert(stream, Peer::Lbs(Box::new(run)));
        exporter
    }

    pub(crate) fn open_das(&mut self, stream: u64, now: Moment) {
        let server = Server::new(ServerSettings::default(), now);
        self.peers.insert(stream, Peer::Das(Box::new(Seat { server, session: None, serial: None })));
    }

    pub(crate) fn closed(&mut self, stream: u64) {
        self.peers.remove(&stream);
    }

    /// Bytes of the device, and what they lead to.
    pub(crate) fn receive(&mut self, stream: u64, bytes: &[u8], now: Moment) -> Vec<Said> {
        if self.is_mute {
            return Vec::new();
        }
        let Some(peer) = self.peers.remove(&stream) else { return Vec::new() };
        let mut said = Vec::new();
        match peer {
            Peer::Lbs(mut run) => {
                run.receive(bytes, &mut self.memory, now);
                self.drive_lbs(&mut run, &mut said, now);
                self.peers.insert(stream, Peer::Lbs(run));
            }
            Peer::Das(mut seat) => {
                seat.server.receive(bytes, now);
                self.drive_das(&mut seat, &mut said, now);
                self.peers.insert(stream, Peer::Das(seat));
            }
        }
        said
    }

    fn drive_lbs(&mut self, run: &mut LbsRun, said: &mut Vec<Said>, now: Moment) {
        while let Some(output) = run.next_output() {
            match output {
                LbsOutput::Send(bytes) => {
                    match &mut self.lbs_messages_left {
                        Some(0) => return said.push(Said::Closed),
                        Some(left) => *left -= 1,
                        None => {}
                    }
                    said.push(Said::Bytes(bytes));
                }
                LbsOutput::LookUp { serial, .. } => {
                    let record = self.devices.get(&serial).map(|known| known.record.clone());
                    run.record(record.as_ref(), UNIX_SECS, &mut self.memory, now);
                }
                LbsOutput::Grant { serial } => {
                    let fresh = Devid::from_random(self.dice.bytes());
                    let known = &self.devices[&serial];
                    let grant = if known.is_blocked {
                        Grant::Blocked
                    } else {
                        let devid = known.devid.unwrap_or(fresh);
                        Grant::Devid { devid, ticket_id: self.dice.bytes(), lifetime_secs: 2_592_000 }
                    };
                    run.grant(grant, now);
                }
                LbsOutput::Commit(commit) => {
                    let outcome = self.commit(commit);
                    run.committed(outcome, now);
                }
                LbsOutput::AskDas { request, protocol, das_secret } => {
                    let answer = self.das_for(&request, protocol, das_secret);
                    run.das(&answer, now);
                }
                LbsOutput::Close(_) => said.push(Said::Closed),
                _ => {}
            }
        }
    }

    fn commit(&mut self, commit: Commit) -> Committed {
        let known = self.devices.get_mut(&commit.serial).unwrap();
        if let Claim::Ticket(id) = commit.claim
            && known.record.ticket.as_ref().is_none_or(|ticket| ticket.id != id)
        {
            return Committed::LostRace;
        }
        self.runs.push(commit.claim.kind());
        known.devid = Some(commit.devid);
        known.record.ticket = Some(TicketOnRecord {
            id: commit.ticket.id,
            secret: commit.ticket.secret,
            end_secs: UNIX_SECS + u64::from(commit.lifetime_secs),
        });
        known.record.allowed.code &= known.is_window_open;
        if let Some(psk) = commit.enrol_psk {
            known.record.psk = Some(psk);
            known.record.allowed.psk = true;
        }
        Committed::Swapped
    }

    fn das_for(&mut self, request: &DasRequest, protocol: ProtocolType, das_secret: Secret) -> DasAnswer {
        if !self.has_das {
            return DasAnswer::None;
        }
        let known = self.devices.get_mut(&request.serial).unwrap();
        known.issued = (known.issued + 1).max(UNIX_SECS * 1000);
        let epoch = u32::from_be_bytes(self.dice.bytes());
        let ticket = DasTicket {
            devid: known.devid.unwrap(),
            serial: request.serial.clone(),
            protocol,
            das_secret,
            epoch,
            issued: known.issued,
            expiry: UNIX_SECS + self.session_secs,
            server_id: server_id(),
        };
        let sealed = ticket.seal(&Portable, &self.ticket_key, self.dice.bytes());
        DasAnswer::Das(Box::new(DasInfo {
            address: "das.example".into(),
            port: 8883,
            udp_port: 0,
            domain: "das.example".into(),
            server_id: server_id(),
            served: TypeGroup::new(&self.served).unwrap(),
            epoch,
            time_ms: UNIX_SECS * 1000,
            tls_key: Some([9; 32]),
            das_ticket: String::from_utf8(sealed).unwrap(),
            das_expiry: ticket.expiry,
        }))
    }

    fn drive_das(&mut self, seat: &mut Seat, said: &mut Vec<Said>, now: Moment) {
        while let Some(output) = seat.server.next_output() {
            match output {
                ServerOutput::Transmit(bytes) => said.push(Said::Bytes(bytes)),
                ServerOutput::Connect(request) => self.connect(seat, &request, now),
                ServerOutput::Message(incoming) => self.hear(seat, &incoming, now),
                ServerOutput::Delivered { .. } => self.acknowledged += 1,
                ServerOutput::Ended(ended) => {
                    self.farewells += usize::from(ended.end == mqtt_proto::End::Left(ReasonCode::SUCCESS));
                    said.push(Said::Closed);
                }
                _ => {}
            }
        }
    }

    fn connect(&mut self, seat: &mut Seat, request: &mqtt_proto::ConnectRequest, now: Moment) {
        self.keep_alives.push(request.keep_alive_secs);
        if let Some(reason) = self.refuses_with {
            return seat.server.refuse(reason, None, None, now).unwrap();
        }
        assert!(request.clean_start && request.will.is_none());
        let header = ConnectHeader { level: 5, flags: 0xC2, keep_alive: request.keep_alive_secs };
        let connect = Connect {
            client_id: request.client_id.as_bytes(),
            user_name: request.user_name.as_ref().unwrap().as_bytes(),
            password: request.password.as_ref().unwrap().as_bytes(),
            header,
            will: None,
        };
        let admitted = match self.table.admit(&Portable, &self.ring, &connect, false, UNIX_SECS) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                return seat.server.refuse(ReasonCode(refusal.reason_code()), None, None, now).unwrap();
            }
        };
        self.connects.push(admitted.numbers.conn_no);
        seat.server.accept(Accept::default(), now).unwrap();
        let serial = admitted.ticket.serial.clone();
        if !self.greets {
            return;
        }
        let general = General { seq: 1, ts: UNIX_SECS * 1000 };
        let (greeting, session) = greet(
            &self.provider,
            &admitted.ticket.das_secret,
            &serial,
            &admitted.numbers,
            self.dice.bytes(),
            general,
            now,
        );
        let topic = String::from_utf8(greeting_topic(&serial)).unwrap();
        seat.server.publish(Publication::new(&topic, &greeting, QoS::AtMostOnce).unwrap()).unwrap();
        (seat.session, seat.serial) = (Some(session), Some(serial));
    }

    fn hear(&mut self, seat: &mut Seat, incoming: &mqtt_proto::Incoming, now: Moment) {
        let session = seat.session.as_mut().expect("nothing is published before the greeting");
        let message = &incoming.publication.message;
        let opened = session.opener.receive(message.topic.as_bytes(), &message.payload, now).unwrap();
        if !self.is_acknowledging {
            return;
        }
        let id = incoming.id.expect("QoS 1");
        if self.acknowledges_with == ReasonCode::SUCCESS {
            self.heard.push((opened.general, decode_up(&message.topic, opened.application()).unwrap()));
        }
        seat.server.acknowledge(id, self.acknowledges_with, None, now).unwrap();
    }

    /// Says something to the device that is connected, under these numbers or fresh ones.
    pub(crate) fn say(
        &mut self,
        message: &DownMessage,
        general: Option<General>,
        now: Moment,
    ) -> (u64, Vec<Said>, General) {
        self.seq += 1;
        let general = general.unwrap_or(General { seq: 1000 + self.seq, ts: UNIX_SECS * 1000 + self.seq });
        let online = |peer: &Peer| matches!(peer, Peer::Das(seat) if seat.session.is_some());
        let stream = *self.peers.iter().rfind(|(_, peer)| online(peer)).expect("a device is online").0;
        let Some(Peer::Das(mut seat)) = self.peers.remove(&stream) else { unreachable!() };
        let (topic, body) = encode_down(message, seat.serial.as_ref().unwrap()).unwrap();
        let payload =
            seat.session.as_mut().unwrap().sealer.seal(topic.as_bytes(), general, &body, now).unwrap();
        seat.server.publish(Publication::new(&topic, &payload, QoS::AtLeastOnce).unwrap()).unwrap();
        let mut said = Vec::new();
        self.drive_das(&mut seat, &mut said, now);
        self.peers.insert(stream, Peer::Das(seat));
        (stream, said, general)
    }

    /// Raw bytes in the name of the access service.
    pub(crate) fn forge(&mut self, topic: &str, payload: &[u8], now: Moment) -> (u64, Vec<Said>) {
        let stream = *self.peers.keys().last().unwrap();
        let Some(Peer::Das(mut seat)) = self.peers.remove(&stream) else { panic!("an access service") };
        seat.server.publish(Publication::new(topic, payload, QoS::AtLeastOnce).unwrap()).unwrap();
        let mut said = Vec::new();
        self.drive_das(&mut seat, &mut said, now);
        self.peers.insert(stream, Peer::Das(seat));
        (stream, said)
    }
}

pub(crate) fn realm() -> Realm {
    Realm::new(b"lbs.example").unwrap()
}
