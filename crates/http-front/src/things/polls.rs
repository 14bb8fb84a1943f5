//! Long polls: a call that ends with the next value of a property, or with the next event of a name.
//!
//! For programs that go by a description and cannot say who they are to a stream. What happens between two polls
//! is told in the second at once: for a minute it is remembered what a reader was told last. `HEAD` says whether
//! one may wait, and waits for nothing.
//! Source: W3C Thing Description 1.1, 5.3.4.2 (`longpoll`); ADR 0380.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use clock::Moment;
use hub::{Command, Interest, Notice, Pick, Reading, Reply, StoredEvent};
use hub_desk::Watch;
use model::Uuid;
use net::https_server::Patience;

use super::directory::VALUE;
use super::streams::{BEAT, PAGE};
use super::{document, hub_caller, refusals, thing_id};
use crate::answer::{content, empty};
use crate::console::Console;
use crate::console::caller::{Caller, Who};
use crate::console::problem::{problem, problem_until};

/// How long it is remembered what a reader was told.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Readers that are remembered; beyond, those whose time is over first are forgotten.
const READERS_MAX: usize = 4096;

/// What to wait for after a wait that ended with nothing.
const AGAIN: Duration = Duration::from_secs(1);

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/things/{id}/properties/{name}/next", get(next_value).head(has_value))
        .route("/things/{id}/events/{name}/next", get(next_event).head(has_event))
}

/// `GET /things/{id}/properties/{name}/next`: 200, 401, 403, 404, 405, 503.
async fn next_value(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Extension(patience): Extension<Patience>,
    Path((id, name)): Path<(String, String)>,
) -> Response {
    let poll = Poll::of(&caller, &id, false, name);
    match console.poll(poll, &patience).await {
        Ok(response) | Err(response) => response,
    }
}

/// `GET /things/{id}/events/{name}/next`: 200, 401, 403, 404, 503.
async fn next_event(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Extension(patience): Extension<Patience>,
    Path((id, name)): Path<(String, String)>,
) -> Response {
    let poll = Poll::of(&caller, &id, true, name);
    match console.poll(poll, &patience).await {
        Ok(response) | Err(response) => response,
    }
}

async fn has_value(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path((id, name)): Path<(String, String)>,
) -> Response {
    let poll = Poll::of(&caller, &id, false, name);
    match console.may_poll(poll).await {
        Ok(response) | Err(response) => response,
    }
}

async fn has_event(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path((id, name)): Path<(String, String)>,
) -> Response {
    let poll = Poll::of(&caller, &id, true, name);
    match console.may_poll(poll).await {
        Ok(response) | Err(response) => response,
    }
}

/// What a poll is about.
struct Poll<'a> {
    caller: &'a Caller,
    thing: Uuid,
    is_event: bool,
    name: String,
}

/// What is told, and its number among those of its name (values) or its thing (events).
struct Told {
    number: u64,
    value: serde_json::Value,
}

impl From<Reading> for Told {
    fn from(reading: Reading) -> Self {
        Self { number: reading.version, value: reading.value }
    }
}

impl From<StoredEvent> for Told {
    fn from(event: StoredEvent) -> Self {
        Self { number: event.number, value: event.data }
    }
}

impl<'a> Poll<'a> {
    fn of(caller: &'a Caller, id: &str, is_event: bool, name: String) -> Result<Self, Response> {
        Ok(Self { caller, thing: thing_id(id)?, is_event, name })
    }

    fn interest(&self) -> Interest {
        let name = Pick::Set([self.name.clone()].into());
        let (properties, events) = if self.is_event { (Pick::Nothing, name) } else { (name, Pick::Nothing) };
        Interest { thing: self.thing, properties, events }
    }

    fn reader(&self) -> Reader {
        let session = match &self.caller.who {
            Who::Operator => None,
            Who::Account(account) => Some(account.session.0),
        };
        (session, self.thing, self.is_event, self.name.clone())
    }
}

impl Console {
    /// Whether one may wait for this.
    async fn may_poll(&self, poll: Result<Poll<'_>, Response>) -> Result<Response, Response> {
        self.watch_for(&poll?).await.map(|_watch| content(VALUE, ""))
    }

    async fn watch_for(&self, poll: &Poll<'_>) -> Result<Watch, Response> {
        match self.desk().watch(hub_caller(poll.caller), poll.interest()).await {
            Ok(watch) => Ok(watch),
            Err(why) => {
                // With an account its grants go: who is signed out hears that, whichever is noticed first.
                self.is_open(poll.caller).await?;
                Err(refusals::answer(why))
            }
        }
    }

    async fn poll(
        &self,
        poll: Result<Poll<'_>, Response>,
        patience: &Patience,
    ) -> Result<Response, Response> {
        let poll = poll?;
        // Watched first: what happens from here on is told, whatever is looked up meanwhile.
        let watch = self.watch_for(&poll).await?;
        patience.ask();
        let reader = poll.reader();
        let told = match self.missed(&poll, &reader).await {
            Some(told) => told,
            None => self.next_of(&poll, watch).await?,
        };
        self.polled().note(reader, told.number, self.executor().now().moment);
        Ok(document(VALUE, &told.value))
    }

    /// What came since the reader's last poll, when that is not long ago.
    async fn missed(&self, poll: &Poll<'_>, reader: &Reader) -> Option<Told> {
        let told = self.polled().last(reader, self.executor().now().moment)?;
        let Poll { caller, thing, is_event, name } = poll;
        if !is_event {
            let read = Command::Read { thing: *thing, name: name.clone(), fresh: false };
            let Ok(Reply::Property(seen)) = self.ask(caller, read).await else { return None };
            return seen.reading.filter(|reading| reading.version > told).map(Told::from);
        }
        let mut after = Some(told);
        while after.is_some() {
            let list = Command::Events { thing: *thing, name: Some(name.clone()), after, limit: PAGE };
            let Ok(Reply::Events(page)) = self.ask(caller, list).await else { return None };
            if let Some(event) = page.events.into_iter().next() {
                return Some(event.into());
            }
            after = page.next;
        }
        None
    }

    /// The next of what the watch brings.
    async fn next_of(&self, poll: &Poll<'_>, mut watch: Watch) -> Result<Told, Response> {
        let stop = self.stop().clone();
        let mut looks = tokio::time::interval(BEAT);
        looks.reset();
        let mut ended = self.sessions_ended();
        loop {
            tokio::select! {
                notice = watch.next() => match notice {
                    Some(Notice::Value { reading, .. }) => return Ok(reading.into()),
                    Some(Notice::Event { event, .. }) => return Ok(event.into()),
                    Some(Notice::Gap { .. }) => {}
                    // The right to hear has ended: as it would be refused now.
                    None => {
                        self.watch_for(poll).await?;
                        return Err(problem_until("try-later", AGAIN));
                    }
                },
                _ = looks.tick() => self.is_open(poll.caller).await?,
                () = ended.wait() => self.is_open(poll.caller).await?,
                () = stop.requested() => return Err(empty(StatusCode::SERVICE_UNAVAILABLE)),
            }
        }
    }

    async fn is_open(&self, caller: &Caller) -> Result<(), Response> {
        if self.is_still_signed_in(caller).await { Ok(()) } else { Err(problem("signed-out")) }
    }
}

/// Whose poll of what: the session (none: the operator), the thing, whether an event, the name.
type Reader = (Option<[u8; 32]>, Uuid, bool, String);

/// What readers were told last.
#[derive(Debug, Default)]
pub(crate) struct Polled(Mutex<BTreeMap<Reader, (u64, Moment)>>);

impl Polled {
    fn last(&self, reader: &Reader, now: Moment) -> Option<u64> {
        let readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        readers.get(reader).filter(|(_, at)| now < *at + REMEMBERED).map(|(number, _)| *number)
    }

    fn note(&self, reader: Reader, number: u64, now: Moment) {
        let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() >= READERS_MAX && !readers.contains_key(&reader) {
            readers.retain(|_, (_, at)| now < *at + REMEMBERED);
            let oldest = readers.iter().min_by_key(|(_, (_, at))| *at).map(|(reader, _)| reader.clone());
            if readers.len() >= READERS_MAX
                && let Some(oldest) = oldest
            {
                readers.remove(&oldest);
            }
        }
        readers.insert(reader, (number, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(number: u32) -> Reader {
        (None, Uuid([7; 16]), true, number.to_string())
    }

    #[test]
    fn what_was_told_is_remembered_for_a_minute_and_for_so_many_readers() {
        let polled = Polled::default();
        let start = Moment::START;
        polled.note(reader(0), 5, start);
        assert_eq!(polled.last(&reader(0), start + Duration::from_secs(59)), Some(5));
        assert_eq!(polled.last(&reader(0), start + REMEMBERED), None);
        assert_eq!(polled.last(&reader(1), start), None);
        for number in 0..=READERS_MAX {
            let at = start + Duration::from_millis(number as u64);
            polled.note(reader(number as u32), 1, at);
        }
        let late = start + Duration::from_secs(5);
        assert_eq!(polled.0.lock().unwrap().len(), READERS_MAX);
        assert_eq!(polled.last(&reader(0), late), None, "the one that waited longest went");
        assert_eq!(polled.last(&reader(READERS_MAX as u32), late), Some(1));
    }
}
