//! The machine of all connections.

use std::collections::{BTreeSet, HashMap, VecDeque};

use broker::{Broker, Joining, Link, NotJoined, Place, StoreBatch};
use clock::{Deadlines, Dice, Moment, Now};
use mqtt_proto::{Accept, ConnectRequest, ReasonCode, Server, ServerSettings};

use crate::line::Line;
use crate::{Admitted, Command, Event, FaceCounters, FaceLimits, Newcomer, Output, SignIn, ThingsEvent};

/// How long an event that nobody could take waits before it is told again.
pub(crate) const RETRY_TIME: std::time::Duration = std::time::Duration::from_millis(10);

/// Every connection of MQTT clients, and the broker behind them. See the head of the crate.
#[derive(Debug)]
pub struct MqttFace {
    pub(crate) settings: ServerSettings,
    pub(crate) limits: FaceLimits,
    pub(crate) broker: Broker,
    pub(crate) counters: FaceCounters,
    dice: Dice,
    /// Places of connections; a [`Link`] is a place.
    pub(crate) lines: Vec<Option<Box<Line>>>,
    free: Vec<u32>,
    pub(crate) by_conn: HashMap<u64, u32>,
    pub(crate) dirty: Vec<u32>,
    pub(crate) holding: BTreeSet<u32>,
    due: Deadlines<u32>,
    pub(crate) outputs: VecDeque<Output>,
    /// A batch that nobody could take, and when it is told again.
    untold: Option<(Box<StoreBatch>, Moment)>,
    /// Events about things that nobody could take, and when they are told again.
    pub(crate) unsaid: VecDeque<ThingsEvent>,
    pub(crate) unsaid_due: Option<Moment>,
    is_stopping: bool,
}

impl MqttFace {
    /// A face in front of `broker`. `dice` draw the names of clients that gave none.
    #[must_use]
    pub fn new(settings: ServerSettings, limits: FaceLimits, broker: Broker, dice: Dice) -> Self {
        Self {
            settings,
            limits,
            broker,
            counters: FaceCounters::default(),
            dice,
            lines: Vec::new(),
            free: Vec::new(),
            by_conn: HashMap::new(),
            dirty: Vec::new(),
            holding: BTreeSet::new(),
            due: Deadlines::new(),
            outputs: VecDeque::new(),
            untold: None,
            unsaid: VecDeque::new(),
            unsaid_due: None,
            is_stopping: false,
        }
    }

    /// What was counted.
    #[must_use]
    pub const fn counters(&self) -> FaceCounters {
        self.counters
    }

    /// The broker.
    #[must_use]
    pub const fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Gives the broker back, with a batch that nobody could take.
    #[must_use]
    pub fn into_broker(self) -> (Broker, Option<StoreBatch>) {
        (self.broker, self.untold.map(|(batch, _)| *batch))
    }

    pub(crate) fn line(&mut self, slot: u32) -> Option<&mut Line> {
        self.lines.get_mut(slot as usize)?.as_deref_mut()
    }

    /// A connection is there.
    pub fn opened(&mut self, conn: u64, newcomer: Newcomer, now: Now) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.lines.push(None);
            u32::try_from(self.lines.len() - 1).expect("a process has fewer connections")
        });
        let server = Server::new(self.settings, now.moment);
        self.lines[slot as usize] = Some(Box::new(Line::new(conn, newcomer, server)));
        self.by_conn.insert(conn, slot);
        self.plan(slot);
    }

    /// Bytes arrived.
    pub fn receive(&mut self, conn: u64, bytes: &[u8], now: Now) {
        let Some(slot) = self.by_conn.get(&conn).copied() else { return };
        if let Some(line) = self.line(slot) {
            line.server.receive(bytes, now.moment);
        }
        self.drain(slot, now);
        self.plan(slot);
    }

    /// So many bytes wait at the socket because the client does not read.
    pub fn waits(&mut self, conn: u64, bytes: usize) {
        let slot = self.by_conn.get(&conn).copied();
        if let Some(line) = slot.and_then(|slot| self.line(slot)) {
            line.waiting_bytes = bytes;
        }
        slot.into_iter().for_each(|slot| self.tell_on(slot));
    }

    /// The connection is gone.
    pub fn closed(&mut self, conn: u64, now: Now) {
        let Some(slot) = self.by_conn.get(&conn).copied() else { return };
        if let Some(line) = self.line(slot) {
            line.server.transport_lost(now.moment);
        }
        self.drain(slot, now);
        self.forget(slot);
    }

    /// The connection is over in both directions.
    pub(crate) fn forget(&mut self, slot: u32) {
        let Some(line) = self.lines[slot as usize].take() else { return };
        self.by_conn.remove(&line.conn);
        self.holding.remove(&slot);
        self.due.clear(&slot);
        if line.is_dirty {
            self.dirty.retain(|dirty| *dirty != slot);
        }
        self.free.push(slot);
    }

    /// The owner answers.
    pub fn command(&mut self, command: Command, now: Now) {
        match command {
            Command::Admit { conn, who } => {
                if let Some(slot) = self.by_conn.get(&conn).copied() {
                    self.admit(slot, &who, now);
                    self.drain(slot, now);
                    self.plan(slot);
                }
            }
            Command::Refuse { conn, reason } => {
                if let Some(slot) = self.by_conn.get(&conn).copied() {
                    self.refuse(slot, reason, now);
                }
            }
            Command::Stored { number, first } => {
                self.broker.stored(number, first);
                self.let_go();
            }
            Command::Expel { name } => self.expel(&name, now),
            Command::Forget { name } => {
                self.expel(&name, now);
                self.broker.forget_all(&session_name(&name, ""));
            }
            Command::Things(command) => self.on_things_command(command, now),
        }
    }

    fn refuse(&mut self, slot: u32, reason: ReasonCode, now: Now) {
        let Some(line) = self.line(slot) else { return };
        if line.request.take().is_some() {
            // It was asked: the connection waits for an answer.
            line.server.disconnect(reason, None, now.moment);
            self.counters.refused += 1;
        }
        self.drain(slot, now);
        self.plan(slot);
    }

    fn expel(&mut self, name: &str, now: Now) {
        for slot in 0..self.lines.len() as u32 {
            let Some(line) = self.line(slot) else { continue };
            if line.request.is_some() {
                // What the owner found out may be older than this word.
                line.expelled.push(name.to_owned());
            } else if line.key.is_some() && line.name == name {
                line.server.disconnect(ReasonCode::ADMINISTRATIVE_ACTION, None, now.moment);
                self.drain(slot, now);
            }
        }
    }

    /// An event that nobody could take comes back.
    pub fn refused(&mut self, event: Event, now: Now) {
        match event {
            Event::SignIn(asked) => {
                let slot = self.by_conn.get(&asked.conn).copied();
                slot.into_iter().for_each(|slot| self.refuse(slot, ReasonCode::SERVER_BUSY, now));
            }
            Event::Store(batch) => self.untold = Some((batch, now.moment + RETRY_TIME)),
            Event::Things(event) => self.things_refused(event, now),
        }
    }

    /// A deadline may have passed.
    pub fn expire(&mut self, now: Now) {
        while let Some(slot) = self.due.take_due(now.moment) {
            if let Some(line) = self.line(slot) {
                line.due = None;
                line.server.expire(now.moment);
                self.drain(slot, now);
                self.plan(slot);
            }
        }
        self.broker.expire(now);
        self.spread(now);
        self.say_again(now);
        if self.untold.as_ref().is_some_and(|(_, due)| *due <= now.moment) {
            let batch = self.untold.take().map(|(batch, _)| Output::Event(Event::Store(batch)));
            self.outputs.extend(batch);
        }
    }

    /// The process stops.
    pub fn stop(&mut self, now: Now) {
        self.is_stopping = true;
        for slot in 0..self.lines.len() as u32 {
            if let Some(line) = self.line(slot) {
                line.server.disconnect(ReasonCode::SERVER_SHUTTING_DOWN, None, now.moment);
                self.drain(slot, now);
            }
        }
    }

    /// When to call [`MqttFace::expire`] next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        let untold = self.untold.as_ref().map(|(_, due)| *due);
        [self.due.next(), self.broker.next_deadline(), untold, self.unsaid_due].into_iter().flatten().min()
    }

    /// Sees to it that the machine of a connection is woken in time. A deadline that moved on is found out when it
    /// comes: most connections speak before.
    pub(crate) fn plan(&mut self, slot: u32) {
        let Some(line) = self.line(slot) else { return };
        let due = line.server.next_deadline();
        let Some(moment) = due.filter(|moment| line.due.is_none_or(|known| *moment < known)) else { return };
        line.due = Some(moment);
        self.due.set(slot, moment);
    }

    /// The next thing to be done; `None` when all is done.
    pub fn next_output(&mut self, now: Now) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            if let Some(slot) = self.dirty.pop() {
                if let Some(line) = self.line(slot) {
                    line.is_dirty = false;
                    self.drain(slot, now);
                }
                continue;
            }
            if self.is_stopping {
                return None;
            }
            let batch = self.broker.take_batch()?;
            return Some(Output::Event(Event::Store(Box::new(batch))));
        }
    }

    /// A client asks to be connected.
    pub(crate) fn on_connect(&mut self, slot: u32, request: Box<ConnectRequest>, now: Now) {
        let Some(line) = self.line(slot) else { return };
        if request.method.is_some() {
            // No method is spoken here. Source: MQTT 5.0 section 4.12.
            line.server.disconnect(ReasonCode::BAD_AUTHENTICATION_METHOD, None, now.moment);
            self.counters.refused += 1;
            return;
        }
        let mut request = request;
        let asked = SignIn {
            conn: line.conn,
            newcomer: line.newcomer.clone(),
            version: request.version,
            user_name: request.user_name.take(),
            password: request.password.take(),
        };
        line.request = Some(request);
        self.outputs.push_back(Output::Event(Event::SignIn(Box::new(asked))));
    }

    fn admit(&mut self, slot: u32, who: &Admitted, now: Now) {
        let Some(line) = self.line(slot) else { return };
        let Some(request) = line.request.take() else { return };
        if std::mem::take(&mut line.expelled).contains(&who.name) {
            // Whoever has the right still comes again.
            line.server.disconnect(ReasonCode::SERVER_BUSY, None, now.moment);
            self.counters.refused += 1;
            return;
        }
        let assigned = request.client_id.is_empty().then(|| self.new_name());
        let client_id = assigned.as_deref().unwrap_or(&request.client_id);
        let session = session_name(&who.name, client_id);
        let joining = Joining {
            namespace: &who.namespace,
            client_id: &session,
            version: request.version,
            clean_start: request.clean_start,
            session_expiry_secs: request.session_expiry_secs,
            will: request.will.as_ref(),
        };
        let mut joined = self.broker.connect(Link(slot.into()), joining, now);
        if let Err(NotJoined::Held(Link(holder))) = joined {
            self.take_over(holder as u32, now);
            joined = self.broker.connect(Link(slot.into()), joining, now);
        }
        self.spread(now);
        let Some(line) = self.lines[slot as usize].as_deref_mut() else { return };
        match joined {
            Ok(mut joined) => {
                line.key = Some(joined.key);
                line.name.clone_from(&who.name);
                line.for_owner = who.for_owner;
                line.session = session;
                let is_resumed = joined.session.is_some();
                if let Some(saved) = &mut joined.session {
                    let is_free = |topic: &str| Place::of(topic) == Place::Free;
                    saved.unacknowledged.retain(|sent| is_free(&sent.publication.message.topic));
                }
                let accept = Accept {
                    session: joined.session,
                    assigned_client_id: assigned.as_deref(),
                    ..Accept::default()
                };
                let accepted = line.server.accept(accept, now.moment);
                assert_eq!(accepted, Ok(()), "a client that was asked about waits for its answer");
                self.counters.admitted += 1;
                if is_resumed {
                    self.resume_things(slot, joined.key);
                }
                self.pump(slot, now);
            }
            Err(error) => {
                let reason = match error {
                    NotJoined::ClientIdentifier => ReasonCode::CLIENT_IDENTIFIER_NOT_VALID,
                    NotJoined::WillTopic => ReasonCode::NOT_AUTHORIZED,
                    NotJoined::Quota | NotJoined::Held(_) => ReasonCode::QUOTA_EXCEEDED,
                };
                line.server.disconnect(reason, None, now.moment);
                self.counters.refused += 1;
            }
        }
    }

    /// Source: MQTT 5.0 section 3.1.4, MQTT-3.1.4-3.
    fn take_over(&mut self, holder: u32, now: Now) {
        self.counters.taken_over += 1;
        if let Some(line) = self.line(holder) {
            line.server.disconnect(ReasonCode::SESSION_TAKEN_OVER, None, now.moment);
        }
        self.drain(holder, now);
    }

    fn new_name(&mut self) -> String {
        let bytes: [u8; 12] = self.dice.bytes();
        bytes.iter().fold(String::from("auto-"), |name, byte| format!("{name}{byte:02x}"))
    }
}

/// The name of an account has no slash: no account reaches a session of another.
fn session_name(account: &str, client_id: &str) -> String {
    format!("{account}/{client_id}")
}
