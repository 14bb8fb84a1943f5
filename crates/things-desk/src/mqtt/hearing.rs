//! One observation of one connection.

use std::sync::Arc;

use hub::{Act, Command, Interest, Notice, Pick, Reading, Reply, StoredEvent};
use hub_desk::{Caller, Watch};
use mqtt_front::{Message, Property, PropertyList, Publication, QoS, ThingsCommand};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Ground;
use super::remembered::Since;
use super::topic::{event_topic, value_topic};
use crate::words::millis;

/// Kept events that one look brings.
const PAGE: usize = 100;

pub(super) struct Hearing {
    pub(super) ground: Ground,
    pub(super) conn: u64,
    pub(super) window: Arc<Semaphore>,
    pub(super) caller: Caller,
    pub(super) filter: Arc<str>,
    pub(super) interest: Interest,
    pub(super) watch: Watch,
    /// Whether values that are known are told first.
    pub(super) wants_known: bool,
    /// From where events that are kept are told first.
    pub(super) since: Option<Since>,
    /// The number of the last event that was told.
    pub(super) told: u64,
    /// Events that were left out since then.
    pub(super) lost: u64,
}

/// The right to hear more has ended.
struct Over;

impl Hearing {
    pub(super) async fn run(mut self: Box<Self>) {
        let _over = self.hear().await;
        let (conn, filter) = (self.conn, Arc::clone(&self.filter));
        self.ground.say(ThingsCommand::Ended { conn, filter, why: "not-granted" }).await;
    }

    async fn hear(&mut self) -> Result<(), Over> {
        if self.wants_known {
            self.known_values().await?;
        }
        if let Some(since) = self.since {
            self.kept_events(since).await?;
        }
        loop {
            self.watch.ready().await;
            let room = self.room().await?;
            match self.watch.take() {
                Some(Notice::Value { reading, .. }) => self.value(&reading, false, room).await,
                Some(Notice::Event { event, .. }) => self.event(&event, room).await,
                Some(Notice::Gap { count, .. }) => self.lost += count,
                None => {}
            }
        }
    }

    /// Waits until the client takes one more; what is told meanwhile waits where it can be taken back.
    async fn room(&mut self) -> Result<OwnedSemaphorePermit, Over> {
        if self.watch.is_over() {
            return Err(Over);
        }
        tokio::select! {
            biased;
            () = self.watch.ended() => Err(Over),
            room = Arc::clone(&self.window).acquire_owned() => room.map_err(|_| Over),
        }
    }

    fn wants(pick: &Pick, name: &str) -> bool {
        match pick {
            Pick::Nothing => false,
            Pick::All => true,
            Pick::Set(names) => names.contains(name),
        }
    }

    /// What was reported last, of what the client may read and observe.
    async fn known_values(&mut self) -> Result<(), Over> {
        if self.interest.properties == Pick::Nothing {
            return Ok(());
        }
        let all = Command::ReadAll { thing: self.interest.thing };
        let Ok(Reply::Properties(all)) = self.ground.desk.call(self.caller.clone(), all).await else {
            return Ok(());
        };
        for (name, seen) in all {
            let is_wanted = Self::wants(&self.interest.properties, &name);
            let Some(reading) = seen.reading.filter(|_| is_wanted) else { continue };
            if !self.may_observe(&name).await {
                continue;
            }
            let room = self.room().await?;
            self.value(&reading, true, room).await;
        }
        Ok(())
    }

    async fn may_observe(&self, name: &str) -> bool {
        let (party, thing) = (Some(self.caller.party.clone()), self.interest.thing);
        let who = Command::Who { party, thing, act: Act::Observe, name: name.to_owned() };
        match self.ground.desk.call(self.caller.clone(), who).await {
            Ok(Reply::May(judged)) => judged.iter().any(|judgement| judgement.is_allowed),
            Ok(_) | Err(_) => false,
        }
    }

    /// The kept events that the session has not heard; those that come meanwhile wait in the watch.
    async fn kept_events(&mut self, since: Since) -> Result<(), Over> {
        if self.interest.events == Pick::Nothing || since == Since::default() {
            return Ok(());
        }
        let mut after = since.mark;
        loop {
            let thing = self.interest.thing;
            let list = Command::Events { thing, name: None, after, limit: PAGE };
            let Ok(Reply::Events(page)) = self.ground.desk.call(self.caller.clone(), list).await else {
                return Err(Over);
            };
            self.lost += page.gap;
            for kept in page.events {
                let is_missed = since.mark.is_some() || since.left.is_some_and(|left| kept.received >= left);
                if is_missed && Self::wants(&self.interest.events, &kept.name) {
                    let room = self.room().await?;
                    self.event(&kept, room).await;
                }
            }
            after = match page.next {
                Some(next) => Some(next),
                None => return Ok(()),
            };
        }
    }

    async fn value(&self, reading: &Reading, is_known: bool, room: OwnedSemaphorePermit) {
        let topic = value_topic(self.interest.thing, &reading.name);
        let (version, at) = (reading.version.to_string(), millis(reading.at));
        let words = [("version", version.as_str()), ("at", at.as_str())];
        let publication = Publication { retain: is_known, ..json_message(topic, &reading.value, &words) };
        self.tell(0, publication, room).await;
    }

    async fn event(&mut self, event: &StoredEvent, room: OwnedSemaphorePermit) {
        if event.number <= self.told {
            return;
        }
        self.told = event.number;
        let lost = std::mem::take(&mut self.lost) + event.lost_before;
        let topic = event_topic(self.interest.thing, &event.name);
        let (number, id) = (event.number.to_string(), event.id.to_string());
        let (at, lost) = (millis(event.at), lost.to_string());
        let words = [("number", &*number), ("id", &*id), ("at", &*at), ("lost", &*lost)];
        self.tell(event.number, json_message(topic, &event.data, &words), room).await;
    }

    async fn tell(&self, mark: u64, publication: Publication, room: OwnedSemaphorePermit) {
        let (conn, filter) = (self.conn, Arc::clone(&self.filter));
        self.ground.say(ThingsCommand::Tell { conn, filter, mark, publication }).await;
        // It comes back when the message is with the client.
        room.forget();
    }
}

/// A message of JSON with words about it.
pub(super) fn json_message(topic: String, value: &serde_json::Value, words: &[(&str, &str)]) -> Publication {
    let mut properties = PropertyList::new();
    let all = words.iter().map(|(name, value)| Property::UserProperty(name, value));
    for property in [Property::ContentType("application/json")].into_iter().chain(all) {
        properties.push(property).expect("words of ours are short and valid");
    }
    let message = Message { topic, payload: value.to_string().into_bytes(), properties };
    Publication {
        message: Arc::new(message),
        qos: QoS::AtLeastOnce,
        retain: false,
        expiry_secs: None,
        subscription_ids: Vec::new(),
    }
}
