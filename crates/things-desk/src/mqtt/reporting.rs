//! A plain MQTT client that is a thing: its values, its events, and what it is asked to do.

use std::sync::Arc;
use std::time::Duration;

use clock::Timestamp;
use hub::{Event, Order, Outcome, Refusal, Reported, Spot, VALUES_PER_REPORT_MAX, What};
use hub_desk::Attachment;
use model::Uuid;
use mqtt_front::{Asked, Properties, Property, PropertyList, Publication, ReasonCode, ThingsCommand};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::Ground;
use super::hearing::json_message;
use super::line::Line;
use super::topic::order_topics;

/// How often a store that is busy is asked again, and after how long.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(50);

/// Values that follow each other, to be stored in one go.
#[derive(Default)]
pub(super) struct Values {
    thing: Option<Uuid>,
    waiting: Vec<(Asked, Reported)>,
}

/// A user property of a message.
fn word<'a>(properties: &Properties<'a>, wanted: &str) -> Option<&'a str> {
    properties.user_properties().find(|(name, _)| *name == wanted).map(|(_, value)| value)
}

fn time_of(properties: &Properties<'_>) -> Option<Timestamp> {
    Some(Timestamp::from_unix_millis(word(properties, "at")?.parse().ok()?))
}

impl Line {
    /// Takes a value in line to be stored.
    pub(super) async fn value(&mut self, asked: Asked, name: String, values: &mut Values) {
        let message = &asked.publication.message;
        let Ok(value) = serde_json::from_slice(&message.payload) else {
            self.store(values).await;
            return self.refuse(&asked, ReasonCode::PAYLOAD_FORMAT_INVALID, "value-refused").await;
        };
        let at = time_of(&message.properties.as_properties());
        values.thing = self.thing;
        values.waiting.push((asked, Reported { of: Spot::Named(name), value, at }));
        if values.waiting.len() >= VALUES_PER_REPORT_MAX {
            self.store(values).await;
        }
    }

    /// Stores the values in line, and acknowledges each.
    pub(super) async fn store(&self, values: &mut Values) {
        let Some(thing) = values.thing.take() else { return };
        let waiting = std::mem::take(&mut values.waiting);
        let (asked, values): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
        match patiently(|| self.ground.desk.report(thing, values.clone())).await {
            Ok(reporting) => {
                for (number, asked) in asked.iter().enumerate() {
                    match reporting.refused.iter().find(|(at, _)| *at == number) {
                        Some((_, refusal)) => self.refuse_because(asked, refusal).await,
                        None => self.ground.taken(asked, ReasonCode::SUCCESS, None).await,
                    }
                }
            }
            Err(refusal) => {
                for asked in &asked {
                    self.refuse_because(asked, &refusal).await;
                }
            }
        }
    }

    /// Stores an event. One that names itself in the user property `id` is stored once, however often it comes.
    pub(super) async fn event(&mut self, asked: Asked, thing: Uuid, name: String) {
        let message = &asked.publication.message;
        let properties = message.properties.as_properties();
        let data = match message.payload.as_slice() {
            [] => Ok(Value::Null),
            payload => serde_json::from_slice(payload),
        };
        let id = word(&properties, "id").map(str::parse::<Uuid>).transpose();
        let lost = word(&properties, "lost").map(str::parse::<u64>).transpose();
        let (Ok(data), Ok(id), Ok(lost)) = (data, id, lost) else {
            return self.refuse(&asked, ReasonCode::PAYLOAD_FORMAT_INVALID, "value-refused").await;
        };
        let at = time_of(&properties);
        let event = Event { id, of: Spot::Named(name), data, at, lost_before: lost.unwrap_or(0) };
        match patiently(|| self.ground.desk.raise(thing, event.clone())).await {
            Ok(_) => self.ground.taken(&asked, ReasonCode::SUCCESS, None).await,
            Err(refusal) => self.refuse_because(&asked, &refusal).await,
        }
    }

    /// Stores the answer to an order.
    pub(super) async fn answer(&mut self, asked: Asked, thing: Uuid, id: u64) {
        let Some(result) = answered(&asked.publication.message.payload) else {
            return self.refuse(&asked, ReasonCode::PAYLOAD_FORMAT_INVALID, "value-refused").await;
        };
        let outcome = Outcome { id, result };
        match patiently(|| self.ground.desk.answer(thing, outcome.clone())).await {
            Ok(_) => self.ground.taken(&asked, ReasonCode::SUCCESS, None).await,
            Err(refusal) => self.refuse_because(&asked, &refusal).await,
        }
    }
}

/// What a device answered: nothing or `{"value": ...}` when it is done, `{"error": {"code": 1, "message": "..."}}`
/// when it is not.
fn answered(payload: &[u8]) -> Option<Result<Option<Value>, (i64, String)>> {
    if payload.is_empty() {
        return Some(Ok(None));
    }
    let Value::Object(mut members) = serde_json::from_slice(payload).ok()? else { return None };
    if let Some(error) = members.remove("error") {
        let code = error.get("code")?.as_i64()?;
        let message = error.get("message").map_or(Some(""), Value::as_str)?;
        return Some(Err((code, message.chars().take(256).collect())));
    }
    let is_known = members.keys().all(|name| name == "value");
    is_known.then(|| Ok(members.remove("value")))
}

/// Asks again while the store is busy.
async fn patiently<T, F>(ask: impl Fn() -> F) -> Result<T, Refusal>
where
    F: Future<Output = Result<T, Refusal>>,
{
    for _ in 1..TRIES {
        match ask().await {
            Err(Refusal::Busy) => tokio::time::sleep(PAUSE).await,
            other => return other,
        }
    }
    ask().await
}

/// What a client that is a thing is asked to do: it is there as long as this runs.
pub(super) struct Orders {
    pub(super) ground: Ground,
    pub(super) conn: u64,
    pub(super) window: Arc<Semaphore>,
    pub(super) filter: Arc<str>,
    pub(super) attachment: Attachment,
}

impl Orders {
    pub(super) async fn run(mut self: Box<Self>) {
        while let Some(order) = self.attachment.orders.recv().await {
            let Ok(room) = Arc::clone(&self.window).acquire_owned().await else { return };
            if self.is_over(&order) {
                continue;
            }
            let (conn, filter) = (self.conn, Arc::clone(&self.filter));
            let publication = self.message(&order);
            self.ground.say(ThingsCommand::Tell { conn, filter, mark: 0, publication }).await;
            room.forget();
        }
        let (conn, filter) = (self.conn, Arc::clone(&self.filter));
        self.ground.say(ThingsCommand::Ended { conn, filter, why: "replaced" }).await;
    }

    fn now_millis(&self) -> u64 {
        self.ground.clock.now().utc.map_or(0, Timestamp::as_unix_millis)
    }

    /// Whether nobody wants it any more: it waited too long for room. A value is wanted until it is taken.
    fn is_over(&self, order: &Order) -> bool {
        !matches!(order.what, What::Set { .. }) && order.deadline.as_unix_millis() <= self.now_millis()
    }

    fn message(&self, order: &Order) -> Publication {
        let (topic, reply) = order_topics(order);
        let what = match &order.what {
            What::Set { value, .. } => value,
            What::Call { input, .. } => input,
            What::Query { .. } => &Value::Null,
        };
        let mut publication = json_message(topic, what, &[]);
        let message = Arc::make_mut(&mut publication.message);
        if what.is_null() && !matches!(order.what, What::Set { .. }) {
            message.payload.clear();
        }
        let mut properties = PropertyList::new();
        properties.extend(message.properties.as_properties());
        properties.push(Property::ResponseTopic(&reply)).expect("a topic name of ours");
        message.properties = properties;
        // A value whose time to be answered is over is still to be set.
        let left = order.deadline.as_unix_millis().saturating_sub(self.now_millis()).div_ceil(1000).max(1);
        Publication { expiry_secs: Some(u32::try_from(left).unwrap_or(u32::MAX)), ..publication }
    }
}
