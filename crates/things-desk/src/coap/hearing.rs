//! Observations: the newest state of a property or event, until the right to it ends.
//!
//! A state that is not told yet gives way to a newer one, at the face and in the watch. What was passed over is seen
//! by the ETag: it is the number of the event, or the version of the value,
//! in eight bytes.

use std::collections::BTreeSet;

use coap_front::things::{ContentFormat, ObserverId, Response, ThingsCommand};
use coap_front::{Code, ExchangeId};
use hub::{Command, Interest, Notice, Pick, Reading, Refusal, Reply, StoredEvent};
use hub_desk::{Caller, Watch};
use model::Uuid;
use tokio::sync::oneshot;

use super::{Ground, lock, words};

/// Kept events that one look brings.
const PAGE: usize = 1000;

/// Observes a property.
pub(super) async fn property(
    ground: Ground,
    caller: Caller,
    exchange: ExchangeId,
    (thing, name): (Uuid, String),
) {
    let properties = Pick::Set(BTreeSet::from([name.clone()]));
    let interest = Interest { thing, properties, events: Pick::Nothing };
    let watch = match ground.desk.watch(caller.clone(), interest).await {
        Ok(watch) => watch,
        Err(refusal) => return refuse(&ground, exchange, refusal).await,
    };
    // Who may observe and not read hears what comes; the answer has to say something of success all the same.
    let read = Command::Read { thing, name, fresh: false };
    let first = match ground.desk.call(caller, read).await {
        Ok(Reply::Property(seen)) => seen.reading.map(|reading| value_response(&reading)),
        Ok(_) | Err(_) => None,
    };
    begin(ground, exchange, watch, first).await;
}

/// Observes an event.
pub(super) async fn event(
    ground: Ground,
    caller: Caller,
    exchange: ExchangeId,
    (thing, name): (Uuid, String),
) {
    let events = Pick::Set(BTreeSet::from([name.clone()]));
    let interest = Interest { thing, properties: Pick::Nothing, events };
    let watch = match ground.desk.watch(caller.clone(), interest).await {
        Ok(watch) => watch,
        Err(refusal) => return refuse(&ground, exchange, refusal).await,
    };
    let first = newest(&ground, &caller, thing, &name).await.ok().flatten();
    let first = first.map(|event| event_response(&event));
    begin(ground, exchange, watch, first).await;
}

async fn refuse(ground: &Ground, exchange: ExchangeId, refusal: Refusal) {
    let response = words::refused(refusal);
    ground.say(ThingsCommand::Respond { exchange, response }).await;
}

/// The newest kept event of a name that the caller may observe.
pub(super) async fn newest(
    ground: &Ground,
    caller: &Caller,
    thing: Uuid,
    name: &str,
) -> Result<Option<StoredEvent>, Refusal> {
    let list = Command::Events { thing, name: Some(name.to_owned()), after: None, limit: PAGE };
    match ground.desk.call(caller.clone(), list).await? {
        Reply::Events(page) => Ok(page.events.into_iter().next_back()),
        _ => Ok(None),
    }
}

/// Answers with the first state (nothing yet: an empty 2.05) and tells what comes.
async fn begin(ground: Ground, exchange: ExchangeId, watch: Watch, first: Option<Response>) {
    let (observer_in, observer) = oneshot::channel();
    lock(&ground.beginning).insert(exchange, observer_in);
    let response = first.unwrap_or_else(|| Response::new(Code::CONTENT));
    ground.say(ThingsCommand::RespondObserved { exchange, response }).await;
    let Ok(Some(observer)) = observer.await else { return };
    let (started_in, started) = oneshot::channel();
    let task = tokio::spawn(hear(ground.clone(), observer, watch, started));
    let before = lock(&ground.hearing).insert(observer, task.abort_handle());
    // The same observer came again, with the same token.
    before.into_iter().for_each(|before| before.abort());
    // It is on record now: should it have ended already, it takes itself out.
    let _ended = started_in.send(());
}

async fn hear(ground: Ground, observer: ObserverId, mut watch: Watch, started: oneshot::Receiver<()>) {
    started.await.ok();
    while let Some(notice) = watch.next().await {
        let response = match notice {
            Notice::Value { reading, .. } => value_response(&reading),
            Notice::Event { event, .. } => event_response(&event),
            Notice::Gap { .. } => continue,
        };
        ground.say(ThingsCommand::Notify { observer, response }).await;
    }
    // The last word: whoever hears no more may ask why.
    let response = words::refused(Refusal::NotPermitted);
    ground.say(ThingsCommand::Notify { observer, response }).await;
    lock(&ground.hearing).remove(&observer);
}

fn value_response(reading: &Reading) -> Response {
    let response = Response::content(ContentFormat::JSON, reading.value.to_string());
    response.with_etag(&reading.version.to_be_bytes())
}

/// An event as the answer to a question for the newest.
pub(super) fn event_response(event: &StoredEvent) -> Response {
    let response = Response::content(ContentFormat::JSON, event.data.to_string());
    response.with_etag(&event.number.to_be_bytes())
}
