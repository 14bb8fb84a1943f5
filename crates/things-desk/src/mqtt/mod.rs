//! Things over MQTT.
//!
//! Each connection that has to do with things has a line: a task that works on what the connection says in the
//! order in which it said it. A message is acknowledged when what it asks is stored. Observations are tasks of
//! their own; what they tell goes through one window per connection, so that a slow client makes values wait, and
//! give way to newer ones, where they may still be taken back.

mod asking;
mod hearing;
mod line;
mod remembered;
mod reporting;
mod topic;

use std::collections::HashMap;
use std::sync::Arc;

use hub_desk::HubDesk;
use mqtt_front::{Asked, Command, ReasonCode, ThingsClient, ThingsCommand, ThingsEvent};
use net::now::Clock;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Sender, channel};

use line::Line;
use remembered::Remembered;

/// Events of one connection that wait for its line. Beyond: messages and filters are refused with 0x97.
const LINE_LENGTH: usize = 256;
/// Messages that are under way to one connection.
const WINDOW: usize = 8;
/// Requests of one connection whose device has not answered. Beyond: refused with 0x97.
const ASKED_COUNT_MAX: usize = 32;

/// What every line stands on.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) desk: HubDesk,
    pub(crate) commands: Sender<Command>,
    pub(crate) clock: Clock,
    pub(crate) remembered: Arc<Remembered>,
}

impl Ground {
    pub(crate) async fn say(&self, command: ThingsCommand) {
        // A face that has stopped has lost its connections too.
        self.commands.send(Command::Things(command)).await.ok();
    }

    /// Answers a message.
    pub(crate) async fn taken(&self, asked: &Asked, reason: ReasonCode, why: Option<&'static str>) {
        let (conn, key, id, qos) = (asked.conn, asked.key, asked.id, asked.publication.qos);
        self.say(ThingsCommand::Taken { conn, key, id, qos, reason, why }).await;
    }
}

struct Open {
    line: Sender<ThingsEvent>,
    window: Arc<Semaphore>,
    client: Arc<ThingsClient>,
}

/// Answers what a face asks about things.
pub struct ThingsDesk {
    ground: Ground,
    open: HashMap<u64, Open>,
}

impl std::fmt::Debug for ThingsDesk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ThingsDesk").field("open", &self.open.len()).finish_non_exhaustive()
    }
}

impl ThingsDesk {
    /// A desk before `desk` that answers on `commands`.
    #[must_use]
    pub fn new(desk: HubDesk, commands: Sender<Command>, clock: Clock) -> Self {
        let ground = Ground { desk, commands, clock, remembered: Arc::default() };
        Self { ground, open: HashMap::new() }
    }

    /// Takes an event; the answers are commands.
    pub async fn take(&mut self, event: ThingsEvent) {
        let conn = event.conn();
        let client = match &event {
            ThingsEvent::Subscribe { client, .. }
            | ThingsEvent::Resume { client, .. }
            | ThingsEvent::Publish { client, .. } => Arc::clone(client),
            ThingsEvent::Unsubscribe { .. } => return self.pass_on(conn, event).await,
            ThingsEvent::Told { filter, mark, .. } => {
                if let Some(open) = self.open.get(&conn) {
                    open.window.add_permits(1);
                    self.ground.remembered.told(&open.client.session, filter.clone(), *mark);
                }
                return;
            }
            ThingsEvent::Gone { .. } => {
                if let Some(open) = self.open.remove(&conn) {
                    self.ground.remembered.left(&open.client.session, self.ground.clock.now().utc);
                }
                return;
            }
        };
        self.open.entry(conn).or_insert_with(|| {
            let (events, line) = channel(LINE_LENGTH);
            let window = Arc::new(Semaphore::new(WINDOW));
            let task = Line::new(self.ground.clone(), conn, Arc::clone(&client), Arc::clone(&window));
            tokio::spawn(task.run(line));
            Open { line: events, window, client }
        });
        self.pass_on(conn, event).await;
    }

    async fn pass_on(&self, conn: u64, event: ThingsEvent) {
        let Some(open) = self.open.get(&conn) else { return };
        let Err(TrySendError::Full(event) | TrySendError::Closed(event)) = open.line.try_send(event) else {
            return;
        };
        match event {
            ThingsEvent::Publish { asked, .. } => {
                self.ground.taken(&asked, ReasonCode::QUOTA_EXCEEDED, Some("try-later")).await;
            }
            ThingsEvent::Subscribe { request, wants, .. } => {
                let refused = wants.iter().map(|_| Some(ReasonCode::QUOTA_EXCEEDED)).collect();
                self.ground.say(ThingsCommand::Subscribed { conn, request, refused }).await;
            }
            // It is the first event of its connection, and has room; the others do not come here.
            ThingsEvent::Resume { .. } | ThingsEvent::Told { .. } | ThingsEvent::Gone { .. } => {}
            // It must not be lost, and nobody else is to wait for it: with the connection all filters go.
            ThingsEvent::Unsubscribe { .. } => self.ground.say(ThingsCommand::Overrun { conn }).await,
        }
    }
}
