//! Events: the kept ones as a list, those to come as a stream; and the stream of everything.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use hub::{Command, Interest, Pick, Reply};
use model::Uuid;

use super::bodies::{EventJson, EventsJson};
use super::streams::Form;
use super::{thing_id, unexpected, wants_events};
use crate::console::caller::Caller;
use crate::console::problem::problem;
use crate::console::{Console, in_query, json};

/// Kept events that one page looks at.
const PAGE: usize = 100;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/things/{id}/events", get(every_event))
        .route("/things/{id}/events/{name}", get(one_event))
        .route("/things/{id}/watch", get(watch))
}

/// The number of the last event that was seen: `after=`, or what a reader of a stream sends by itself.
fn last_seen(headers: &HeaderMap, query: Option<&str>) -> Result<Option<u64>, Response> {
    let header = headers.get("last-event-id").and_then(|id| id.to_str().ok().map(str::to_owned));
    match in_query(query, "after").filter(|after| !after.is_empty()).or(header) {
        None => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| problem("request-unreadable")),
    }
}

/// `GET /things/{id}/events?after=`: 200 (JSON, or a stream), 400, 404, 503.
async fn every_event(
    State(console): State<Arc<Console>>,
    caller: Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    match console.events(caller, &id, None, &headers, query.as_deref()).await {
        Ok(response) | Err(response) => response,
    }
}

/// `GET /things/{id}/events/{name}?after=`: 200 (JSON, or a stream), 400, 403, 404, 503.
async fn one_event(
    State(console): State<Arc<Console>>,
    caller: Caller,
    headers: HeaderMap,
    Path((id, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    match console.events(caller, &id, Some(name), &headers, query.as_deref()).await {
        Ok(response) | Err(response) => response,
    }
}

/// `GET /things/{id}/watch?properties=&events=&after=`: 200 (a stream), 400, 403, 404, 503.
async fn watch(
    State(console): State<Arc<Console>>,
    caller: Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.as_deref();
    let pick = |name| match in_query(query, name).as_deref() {
        None => Pick::All,
        Some("") => Pick::Nothing,
        Some(names) => Pick::Set(names.split(',').map(str::to_owned).collect::<BTreeSet<_>>()),
    };
    let (properties, events) = (pick("properties"), pick("events"));
    match (thing_id(&id), last_seen(&headers, query)) {
        (Ok(thing), Ok(after)) => {
            let interest = Interest { thing, properties, events };
            console.stream_things(caller, interest, Form::Everything, after).await
        }
        (Err(refusal), _) | (_, Err(refusal)) => refusal,
    }
}

impl Console {
    async fn events(
        self: &Arc<Self>,
        caller: Caller,
        id: &str,
        name: Option<String>,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Result<Response, Response> {
        let thing = thing_id(id)?;
        let after = last_seen(headers, query)?;
        if wants_events(headers) {
            let events = name.map_or(Pick::All, |name| Pick::Set([name].into()));
            let interest = Interest { thing, properties: Pick::Nothing, events };
            return Ok(self.stream_things(caller, interest, Form::Affordance, after).await);
        }
        let page = self.kept_events(&caller, thing, name, after).await?;
        Ok(json("list events", StatusCode::OK, &page))
    }

    pub(super) async fn kept_events(
        &self,
        caller: &Caller,
        thing: Uuid,
        name: Option<String>,
        after: Option<u64>,
    ) -> Result<EventsJson, Response> {
        match self.ask(caller, Command::Events { thing, name, after, limit: PAGE }).await? {
            Reply::Events(page) => Ok(EventsJson {
                events: page.events.into_iter().map(EventJson::from).collect(),
                next: page.next,
                gap: page.gap,
            }),
            _ => Err(unexpected("list events")),
        }
    }
}
