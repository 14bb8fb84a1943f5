//! A hub desk with things, and an MQTT face with real clients before it; bytes pass in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use accounts::{AUDIT, AuditEntry};
use broker::{Broker, Limits, StoreBatch};
use clock::{Dice, Now};
use hub::{
    Act, Acts, Binding, Command as HubCommand, Event as HubEvent, Marks, Names, Order, OsapMode, Outcome,
    Party, Reply, Reported, Spot, ThingModel,
};
use hub_desk::{Attachment, HubDesk};
use model::Uuid;
use mqtt_front::{Admitted, Command, Event, FaceLimits, MqttFace, Newcomer, Output, ThingsEvent};
use mqtt_proto::{
    Client, ClientOutput, ConnectOptions, Message, PacketId, Password, Property, PropertyList, Publication,
    QoS, ReasonCode, SavedSession, ServerSettings, SignIn, SubscriptionOptions, Version,
};
use net::executor::Executor;
use net::now::Clock;
use serde_json::Value;
use store::{Memory, Range, Table as _};
use things_desk::mqtt::ThingsDesk;
use tokio::sync::mpsc::{Receiver, Sender, channel, unbounded_channel};

pub(crate) const LOCK: Uuid = Uuid([7; 16]);
pub(crate) const SENSOR: Uuid = Uuid([9; 16]);

pub(crate) fn topic(thing: Uuid, rest: &str) -> String {
    format!("things/{thing}/{rest}")
}

/// The cases that every front is held against, and the model of the thing they are about.
pub(crate) fn table() -> Value {
    serde_json::from_str(include_str!("../../../../conformance/same_answer.json")).unwrap()
}

fn model() -> ThingModel {
    ThingModel::new(table()["model"].clone()).unwrap()
}

/// A message as a client saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Came {
    pub(crate) topic: String,
    pub(crate) payload: String,
    pub(crate) retain: bool,
    pub(crate) qos: QoS,
    pub(crate) words: BTreeMap<String, String>,
    pub(crate) correlation: Option<Vec<u8>>,
    pub(crate) response_topic: Option<String>,
}

pub(crate) struct Guest {
    client: Client,
    pub(crate) told: Vec<String>,
    pub(crate) came: Vec<Came>,
    pub(crate) is_open: bool,
    /// Messages are acknowledged as they come.
    pub(crate) acknowledges: bool,
    unacknowledged: Vec<PacketId>,
    pub(crate) session: Option<SavedSession>,
}

pub(crate) struct House {
    pub(crate) desk: HubDesk,
    pub(crate) clock: Clock,
    table: Arc<Memory>,
    face: MqttFace,
    events: Sender<ThingsEvent>,
    commands: Receiver<Command>,
    pub(crate) guests: BTreeMap<u64, Guest>,
    next_conn: u64,
}

/// How somebody connects.
#[derive(Clone, Default)]
pub(crate) struct How {
    pub(crate) is_old: bool,
    pub(crate) kept: Option<SavedSession>,
}

impl House {
    /// A lock behind an access service, a sensor that is the MQTT client `meter`.
    pub(crate) async fn new() -> Self {
        let clock = Clock::start();
        let table = Arc::new(Memory::default());
        let executor = Executor::new(table.clone(), clock, Dice::numbered(1));
        let desk = HubDesk::open(executor, "management");
        let broker = Broker::new(Limits { is_durable: false, ..Limits::default() });
        let face = MqttFace::new(ServerSettings::default(), FaceLimits::default(), broker, Dice::numbered(2));
        let (commands_in, commands) = channel(4096);
        let (events, mut line) = channel(4096);
        let mut things = ThingsDesk::new(desk.clone(), commands_in, clock);
        tokio::spawn(async move {
            while let Some(event) = line.recv().await {
                things.take(event).await;
            }
        });
        let guests = BTreeMap::new();
        let house = Self { desk, clock, table, face, events, commands, guests, next_conn: 1 };
        house.add(LOCK, Binding::Osap { serial: "D00000001".into(), mode: OsapMode::Serial }).await;
        house.add(SENSOR, Binding::Mqtt { client: "meter".into() }).await;
        house
    }

    pub(crate) async fn add(&self, thing: Uuid, binding: Binding) {
        let add = HubCommand::Add { id: Some(thing), model: model(), binding, marks: Marks::default() };
        assert!(matches!(self.desk.call(Party::Owner, add).await, Ok(Reply::Thing(_))));
    }

    pub(crate) async fn grant(&self, client: &str, acts: &[Act], names: &[&str]) -> Uuid {
        self.grant_on(LOCK, client, acts, names).await
    }

    pub(crate) async fn grant_on(&self, thing: Uuid, client: &str, acts: &[Act], names: &[&str]) -> Uuid {
        let names = match names {
            [] => Names::All,
            names => Names::Set(names.iter().map(|name| (*name).to_owned()).collect()),
        };
        let acts: Acts = acts.iter().copied().collect();
        let party = Party::Client(client.into());
        let grant = HubCommand::Grant { party, thing, acts, names, from: None, until: None };
        match self.desk.call(Party::Owner, grant).await {
            Ok(Reply::Granted(grant)) => grant.id,
            other => panic!("not granted: {other:?}"),
        }
    }

    /// What stands in the audit log, as `operation actor result`.
    pub(crate) fn audit(&self) -> BTreeSet<String> {
        let range = Range { space: AUDIT, prefix: Vec::new(), after: None, limit: 1000 };
        let page = self.table.scan(&range).unwrap();
        let entries = page.records.iter().map(|(_, record)| AuditEntry::from_bytes(&record.value).unwrap());
        entries.map(|entry| format!("{} {} {}", entry.operation, entry.actor, entry.result)).collect()
    }

    pub(crate) async fn revoke(&self, grant: Uuid) {
        let revoked = self.desk.call(Party::Owner, HubCommand::Revoke { grant }).await;
        assert_eq!(revoked, Ok(Reply::Done));
    }

    pub(crate) async fn report(&self, name: &str, value: Value) {
        let reported = Reported { of: Spot::Named(name.into()), value, at: None };
        let reporting = self.desk.report(LOCK, vec![reported]).await.unwrap();
        assert_eq!(reporting.taken, 1);
    }

    pub(crate) async fn raise(&self, data: &str) -> u64 {
        let of = Spot::Named("tamper".into());
        let event = HubEvent { id: None, of, data: data.into(), at: None, lost_before: 0 };
        self.desk.raise(LOCK, event).await.unwrap().number
    }

    pub(crate) async fn known(&self, thing: Uuid, name: &str) -> Option<Value> {
        let read = HubCommand::Read { thing, name: name.into(), fresh: false };
        match self.desk.call(Party::Owner, read).await {
            Ok(Reply::Property(seen)) => seen.reading.map(|reading| reading.value),
            other => panic!("{other:?}"),
        }
    }

    /// Connects a client under the name of its account; `remote` acts for the owner.
    pub(crate) async fn connect(&mut self, name: &str, how: &How) -> u64 {
        let conn = self.next_conn;
        self.next_conn += 1;
        let from = "192.0.2.1:5000".parse().unwrap();
        self.face.opened(conn, Newcomer { from, is_plain: true, client_certificate: None }, self.now());
        let version = if how.is_old { Version::V3_1_1 } else { Version::V5 };
        let mut options = ConnectOptions::new(version, name);
        options.sign_in = Some(SignIn { user_name: name, password: Some(Password(b"secret")) });
        options.clean_start = how.kept.is_none();
        if how.kept.is_some() {
            options.session_expiry_secs = 3600;
        }
        let limits = mqtt_proto::Limits::default();
        let client = Client::connect(&options, limits, how.kept.clone(), self.now().moment).unwrap();
        let guest = Guest {
            client,
            told: Vec::new(),
            came: Vec::new(),
            is_open: true,
            acknowledges: true,
            unacknowledged: Vec::new(),
            session: None,
        };
        self.guests.insert(conn, guest);
        self.until("connected", |house| !house.guests[&conn].told.is_empty()).await;
        self.guests.get_mut(&conn).unwrap().told.clear();
        conn
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    pub(crate) async fn subscribe(&mut self, conn: u64, filter: &str, qos: QoS) -> String {
        let now = self.now().moment;
        let client = &mut self.guests.get_mut(&conn).unwrap().client;
        client.subscribe(&[(filter, SubscriptionOptions::plain(qos))], None, now).unwrap();
        self.next_told(conn).await
    }

    pub(crate) async fn unsubscribe(&mut self, conn: u64, filter: &str) -> String {
        let now = self.now().moment;
        self.guests.get_mut(&conn).unwrap().client.unsubscribe(&[filter], now).unwrap();
        self.next_told(conn).await
    }

    /// Publishes and gives what the client heard of it.
    pub(crate) async fn publish(&mut self, conn: u64, topic: &str, payload: &str) -> String {
        self.send(conn, message(topic, payload, &[]));
        self.next_told(conn).await
    }

    pub(crate) fn send(&mut self, conn: u64, publication: Publication) {
        let now = self.now().moment;
        self.guests.get_mut(&conn).unwrap().client.publish(publication, now).unwrap();
    }

    /// What the client is told next.
    pub(crate) async fn next_told(&mut self, conn: u64) -> String {
        self.until("something is told", |house| !house.guests[&conn].told.is_empty()).await;
        self.guests.get_mut(&conn).unwrap().told.remove(0)
    }

    /// The next message.
    pub(crate) async fn next_came(&mut self, conn: u64) -> Came {
        self.until("a message comes", |house| !house.guests[&conn].came.is_empty()).await;
        self.guests.get_mut(&conn).unwrap().came.remove(0)
    }

    /// Acknowledges what was not.
    pub(crate) fn acknowledge(&mut self, conn: u64) {
        let now = self.now().moment;
        let guest = self.guests.get_mut(&conn).unwrap();
        for id in std::mem::take(&mut guest.unacknowledged) {
            guest.client.acknowledge(id, ReasonCode::SUCCESS, None, now).unwrap();
        }
    }

    /// Moves bytes until `done`.
    pub(crate) async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let all = async {
            loop {
                self.run();
                if done(self) {
                    return;
                }
                match tokio::time::timeout(Duration::from_millis(20), self.commands.recv()).await {
                    Ok(command) => {
                        let command = command.expect("the desk stands");
                        self.face.command(command, self.clock.now());
                    }
                    Err(_) => self.face.expire(self.clock.now()),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), all).await.unwrap_or_else(|_| panic!("{what}"));
    }

    /// Moves bytes for a while in which nothing is to happen.
    pub(crate) async fn settle(&mut self) {
        for _ in 0..5 {
            if let Ok(command) = tokio::time::timeout(Duration::from_millis(10), self.commands.recv()).await {
                self.face.command(command.expect("the desk stands"), self.clock.now());
            }
            self.run();
        }
    }

    fn run(&mut self) {
        loop {
            let mut is_still = true;
            while let Ok(command) = self.commands.try_recv() {
                self.face.command(command, self.clock.now());
            }
            let conns: Vec<u64> = self.guests.keys().copied().collect();
            for conn in conns {
                is_still &= !self.hear(conn);
            }
            while let Some(output) = self.face.next_output(self.clock.now()) {
                is_still = false;
                self.take(output);
            }
            if is_still {
                return;
            }
        }
    }

    fn take(&mut self, output: Output) {
        let now = self.clock.now();
        match output {
            Output::Transmit { conn, bytes } => {
                if let Some(guest) = self.guests.get_mut(&conn).filter(|guest| guest.is_open) {
                    guest.client.receive(&bytes, now.moment);
                }
            }
            Output::Close { conn } => {
                if let Some(guest) = self.guests.get_mut(&conn) {
                    guest.is_open = false;
                    guest.client.transport_lost(now.moment);
                }
            }
            Output::Event(Event::SignIn(asked)) => {
                let name = asked.user_name.unwrap();
                let for_owner = name == "remote";
                let who = Admitted { name, namespace: "home".into(), for_owner };
                self.face.command(Command::Admit { conn: asked.conn, who }, now);
            }
            Output::Event(Event::Store(batch)) => {
                let StoreBatch { number, .. } = *batch;
                self.face.command(Command::Stored { number, first: None }, now);
            }
            Output::Event(Event::Things(event)) => {
                if let Err(error) = self.events.try_send(event) {
                    self.face.refused(Event::Things(error.into_inner()), now);
                }
            }
        }
    }

    fn hear(&mut self, conn: u64) -> bool {
        let now = self.clock.now();
        let mut heard = false;
        loop {
            let guest = self.guests.get_mut(&conn).unwrap();
            let Some(output) = guest.client.next_output() else { return heard };
            heard = true;
            match output {
                ClientOutput::Transmit(bytes) if guest.is_open => self.face.receive(conn, &bytes, now),
                ClientOutput::Transmit(_) => {}
                ClientOutput::Message(incoming) => {
                    guest.came.push(came(&incoming.publication));
                    match incoming.id {
                        Some(id) if guest.acknowledges => {
                            guest.client.acknowledge(id, ReasonCode::SUCCESS, None, now.moment).unwrap();
                        }
                        other => guest.unacknowledged.extend(other),
                    }
                }
                ClientOutput::Connected(connected) => {
                    guest.told.push(format!("connected present={}", connected.session_present));
                }
                ClientOutput::Delivered { reason, .. } => guest.told.push(format!("{:#04x}", reason.0)),
                ClientOutput::Subscribed { reasons, .. } => {
                    let reasons: Vec<_> = reasons.iter().map(|one| format!("{:#04x}", one.0)).collect();
                    guest.told.push(reasons.join(" "));
                }
                ClientOutput::Unsubscribed { reasons, .. } => {
                    guest.told.push(format!("{:#04x}", reasons[0].0));
                }
                ClientOutput::Ended(end) => {
                    guest.told.push("ended".into());
                    guest.session = end.session;
                    guest.is_open = false;
                }
                _ => {}
            }
        }
    }

    /// The transport breaks; gives what the client keeps.
    pub(crate) async fn break_off(&mut self, conn: u64) -> SavedSession {
        let guest = self.guests.get_mut(&conn).unwrap();
        guest.is_open = false;
        let now = self.clock.now();
        guest.client.transport_lost(now.moment);
        self.face.closed(conn, now);
        self.settle().await;
        self.guests.remove(&conn).unwrap().session.unwrap_or_default()
    }
}

fn came(publication: &Publication) -> Came {
    let properties = publication.message.properties.as_properties();
    Came {
        topic: publication.message.topic.clone(),
        payload: String::from_utf8(publication.message.payload.clone()).unwrap(),
        retain: publication.retain,
        qos: publication.qos,
        words: properties.user_properties().map(|(name, value)| (name.into(), value.into())).collect(),
        correlation: properties.correlation_data().map(<[u8]>::to_vec),
        response_topic: properties.response_topic().map(str::to_owned),
    }
}

/// A message of QoS 1.
pub(crate) fn message(topic: &str, payload: &str, properties: &[Property<'_>]) -> Publication {
    let mut list = PropertyList::new();
    properties.iter().for_each(|property| list.push(*property).unwrap());
    let message = Message { topic: topic.into(), payload: payload.into(), properties: list };
    Publication {
        message: Arc::new(message),
        qos: QoS::AtLeastOnce,
        retain: false,
        expiry_secs: None,
        subscription_ids: Vec::new(),
    }
}

/// A device that answers every order with `answer` until its line ends.
pub(crate) fn obedient(
    desk: &HubDesk,
    mut device: Attachment,
    answer: impl Fn(&Order) -> Result<Option<Value>, (i64, String)> + Send + 'static,
) {
    let desk = desk.clone();
    let (seen, _) = unbounded_channel();
    tokio::spawn(async move {
        while let Some(order) = device.orders.recv().await {
            let outcome = Outcome { id: order.id, result: answer(&order) };
            desk.answer(order.thing, outcome).await.unwrap();
            seen.send(order).ok();
        }
    });
}
