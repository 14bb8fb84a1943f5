//! A face with a store in memory and real MQTT clients, without a network.

use std::collections::BTreeMap;
use std::time::Duration;

use broker::{Broker, JOURNAL_NAME, Limits, MESSAGES, RETAINED, SESSIONS, StoreBatch, Stored};
use clock::{Dice, Moment, Now, Timestamp};
use mqtt_front::{Admitted, Command, Event, FaceLimits, MqttFace, Newcomer, Output, SignIn, ThingsEvent};
use mqtt_proto::{
    Client, ClientOutput, ConnectOptions, PacketId, Password, Publication, QoS, ReasonCode, SavedSession,
    ServerSettings, SignIn as Credentials, SubscriptionOptions, Version,
};
use store::{Journal, Memory, Position, Range, Snapshot, Table};

pub(crate) const Q0: QoS = QoS::AtMostOnce;
pub(crate) const Q1: QoS = QoS::AtLeastOnce;
pub(crate) const Q2: QoS = QoS::ExactlyOnce;

pub(crate) fn at(secs: u64) -> Now {
    let moment = Moment::START + Duration::from_secs(secs);
    Now::new(moment, Timestamp::from_unix_millis(1_800_000_000_000 + secs * 1000))
}

/// One client and the wire to it.
pub(crate) struct Guest {
    pub(crate) client: Client,
    /// What it was told, in words.
    pub(crate) told: Vec<String>,
    /// Payloads that arrived, each acknowledged at once.
    pub(crate) came: Vec<String>,
    pub(crate) is_open: bool,
    pub(crate) session: Option<SavedSession>,
}

pub(crate) struct Hall {
    pub(crate) face: MqttFace,
    pub(crate) store: Memory,
    pub(crate) now: Now,
    pub(crate) guests: BTreeMap<u64, Guest>,
    pub(crate) asked: Vec<SignIn>,
    /// Batches that are not stored yet, when nobody stores them at once.
    pub(crate) batch: Option<StoreBatch>,
    pub(crate) stores_at_once: bool,
    /// What is for a hub, when nobody denies it at once.
    pub(crate) hub: Option<Vec<ThingsEvent>>,
    next_conn: u64,
}

fn recovered(store: &Memory, limits: Limits, now: Now) -> Broker {
    let mut stored = Stored::new();
    for space in [SESSIONS, RETAINED] {
        let all = Range { space, prefix: Vec::new(), after: None, limit: usize::MAX };
        for (key, record) in store.scan(&all).unwrap().records {
            stored.record(&key, &record.value).unwrap();
        }
    }
    for entry in store.read(MESSAGES, JOURNAL_NAME, Position(0), usize::MAX).unwrap() {
        stored.journal(entry.position, &entry.value).unwrap();
    }
    stored.open(limits, now)
}

/// How somebody connects; the account has the client identifier as its name.
#[derive(Clone, Debug)]
pub(crate) struct How {
    pub(crate) version: Version,
    pub(crate) clean: bool,
    pub(crate) expiry_secs: u32,
    pub(crate) session: Option<SavedSession>,
}

pub(crate) fn how(version: Version) -> How {
    How { version, clean: true, expiry_secs: 0, session: None }
}

pub(crate) fn kept(version: Version, session: Option<SavedSession>) -> How {
    How { version, clean: false, expiry_secs: 3600, session }
}

impl Hall {
    pub(crate) fn new() -> Self {
        Self::over(Memory::new(), at(0), FaceLimits::default())
    }

    pub(crate) fn over(store: Memory, now: Now, limits: FaceLimits) -> Self {
        let broker = recovered(&store, Limits::default(), now);
        let face = MqttFace::new(ServerSettings::default(), limits, broker, Dice::numbered(1));
        Self {
            face,
            store,
            now,
            guests: BTreeMap::new(),
            asked: Vec::new(),
            batch: None,
            stores_at_once: true,
            hub: None,
            next_conn: 1,
        }
    }

    pub(crate) fn open(&mut self) -> u64 {
        let conn = self.next_conn;
        self.next_conn += 1;
        let from = "192.0.2.1:5000".parse().unwrap();
        let newcomer = Newcomer { from, is_plain: true, client_certificate: None };
        self.face.opened(conn, newcomer, self.now);
        conn
    }

    /// Sends CONNECT; nobody answers who it is.
    pub(crate) fn knock(&mut self, name: &str, how: &How) -> u64 {
        let conn = self.open();
        let mut options = ConnectOptions::new(how.version, name);
        options.clean_start = how.clean;
        options.session_expiry_secs = how.expiry_secs;
        options.sign_in = Some(Credentials { user_name: name, password: Some(Password(b"secret")) });
        let session = how.session.clone();
        let client =
            Client::connect(&options, mqtt_proto::Limits::default(), session, self.now.moment).unwrap();
        let guest = Guest { client, told: Vec::new(), came: Vec::new(), is_open: true, session: None };
        self.guests.insert(conn, guest);
        self.run();
        conn
    }

    /// Connects a client whose account is in the namespace `home`.
    pub(crate) fn connect(&mut self, name: &str, how: &How) -> u64 {
        let conn = self.knock(name, how);
        let asked = self.asked.pop().unwrap();
        assert_eq!((asked.conn, asked.user_name.as_deref()), (conn, Some(name)));
        self.admit(conn, name);
        conn
    }

    pub(crate) fn admit(&mut self, conn: u64, name: &str) {
        self.admit_to(conn, name, "home");
    }

    pub(crate) fn admit_to(&mut self, conn: u64, name: &str, namespace: &str) {
        let who = Admitted { name: name.into(), namespace: namespace.into(), for_owner: false };
        self.face.command(Command::Admit { conn, who }, self.now);
        self.run();
    }

    pub(crate) fn subscribe(&mut self, conn: u64, filter: &str, qos: QoS) {
        let client = &mut self.guests.get_mut(&conn).unwrap().client;
        client.subscribe(&[(filter, SubscriptionOptions::plain(qos))], None, self.now.moment).unwrap();
        self.run();
    }

    pub(crate) fn unsubscribe(&mut self, conn: u64, filter: &str) {
        self.guests.get_mut(&conn).unwrap().client.unsubscribe(&[filter], self.now.moment).unwrap();
        self.run();
    }

    pub(crate) fn publish(&mut self, conn: u64, topic: &str, payload: &str, qos: QoS) -> Option<PacketId> {
        let publication = Publication::new(topic, payload.as_bytes(), qos).unwrap();
        let id = self.guests.get_mut(&conn).unwrap().client.publish(publication, self.now.moment).unwrap();
        self.run();
        id
    }

    /// Moves bytes until everybody is still.
    pub(crate) fn run(&mut self) {
        loop {
            let mut is_still = true;
            let conns: Vec<u64> = self.guests.keys().copied().collect();
            for conn in conns {
                is_still &= !self.hear(conn);
            }
            while let Some(output) = self.face.next_output(self.now) {
                is_still = false;
                self.take(output);
            }
            if is_still {
                return;
            }
        }
    }

    fn take(&mut self, output: Output) {
        match output {
            Output::Transmit { conn, bytes } => {
                if let Some(guest) = self.guests.get_mut(&conn).filter(|guest| guest.is_open) {
                    guest.client.receive(&bytes, self.now.moment);
                }
            }
            Output::Close { conn } => {
                if let Some(guest) = self.guests.get_mut(&conn) {
                    guest.is_open = false;
                    guest.client.transport_lost(self.now.moment);
                }
            }
            Output::Event(Event::SignIn(asked)) => self.asked.push(*asked),
            Output::Event(Event::Things(event)) => {
                if let Some(hub) = &mut self.hub {
                    hub.push(event);
                } else if let Some(denied) = event.denied() {
                    self.face.command(Command::Things(denied), self.now);
                }
            }
            Output::Event(Event::Store(batch)) => {
                assert!(self.batch.is_none(), "one at a time");
                self.batch = Some(*batch);
                if self.stores_at_once {
                    self.store();
                }
            }
        }
    }

    /// Stores the batch that waits.
    pub(crate) fn store(&mut self) {
        let Some(batch) = self.batch.take() else { return };
        let first = (!batch.append.is_empty())
            .then(|| self.store.append(MESSAGES, JOURNAL_NAME, &batch.append).unwrap());
        self.store.commit(&Snapshot::default(), &batch.records).unwrap();
        self.face.command(Command::Stored { number: batch.number, first }, self.now);
    }

    fn hear(&mut self, conn: u64) -> bool {
        let mut heard = false;
        loop {
            let guest = self.guests.get_mut(&conn).unwrap();
            let Some(output) = guest.client.next_output() else { return heard };
            heard = true;
            match output {
                ClientOutput::Transmit(bytes) if guest.is_open => self.face.receive(conn, &bytes, self.now),
                ClientOutput::Transmit(_) => {}
                ClientOutput::Message(incoming) => {
                    let payload = String::from_utf8(incoming.publication.message.payload.clone()).unwrap();
                    guest.came.push(payload);
                    if let Some(id) = incoming.id {
                        guest.client.acknowledge(id, ReasonCode::SUCCESS, None, self.now.moment).unwrap();
                    }
                }
                ClientOutput::Connected(connected) => {
                    guest.told.push(format!("connected present={}", connected.session_present));
                }
                ClientOutput::Delivered { id, reason } => {
                    guest.told.push(format!("delivered {} {:#04x}", id.get(), reason.0));
                }
                ClientOutput::Subscribed { reasons, .. } => {
                    guest.told.push(format!(
                        "subscribed {:?}",
                        reasons.iter().map(|one| one.0).collect::<Vec<_>>()
                    ));
                }
                ClientOutput::Ended(end) => {
                    guest.told.push(format!("ended {:?}", end.end));
                    guest.session = end.session;
                    guest.is_open = false;
                }
                _ => {}
            }
        }
    }

    pub(crate) fn told(&mut self, conn: u64) -> Vec<String> {
        std::mem::take(&mut self.guests.get_mut(&conn).unwrap().told)
    }

    pub(crate) fn came(&mut self, conn: u64) -> Vec<String> {
        std::mem::take(&mut self.guests.get_mut(&conn).unwrap().came)
    }

    /// The transport breaks; gives what the client keeps.
    pub(crate) fn break_off(&mut self, conn: u64) -> SavedSession {
        let guest = self.guests.get_mut(&conn).unwrap();
        guest.is_open = false;
        guest.client.transport_lost(self.now.moment);
        self.face.closed(conn, self.now);
        self.run();
        self.guests.remove(&conn).unwrap().session.unwrap_or_default()
    }

    pub(crate) fn pass(&mut self, secs: u64) {
        self.now = at(secs);
        self.face.expire(self.now);
        self.run();
    }
}
