//! Properties: read, written, observed.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use hub::{Command, DesiredState, Interest, Pick, Refusal, Reply};
use serde_json::{Value, json};

use super::bodies::{DesiredJson, ObservationJson, SeriesJson, by_name};
use super::directory::VALUE;
use super::streams::Form;
use super::{document, hub_caller, refusals, thing_id, unexpected, wants_events};
use crate::answer::empty;
use crate::console::caller::Caller;
use crate::console::problem::problem;
use crate::console::{Console, body, in_query};

/// How long a write waits for its device when the caller does not say, in seconds.
const WRITE_WAIT_SECS: u64 = 5;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/things/{id}/properties", get(read_all))
        .route("/things/{id}/properties/{name}", get(read).put(write))
        .route("/things/{id}/properties/{name}/history", get(history))
}

/// The longest wait for a device, in seconds: the server ends calls that take 30.
pub(super) const WAIT_SECS_MAX: u64 = 25;

/// A number of seconds in a query, up to `most`, as milliseconds.
pub(super) fn wait_millis(
    query: Option<&str>,
    name: &str,
    otherwise: u64,
    most: u64,
) -> Result<u64, Response> {
    let secs = match in_query(query, name) {
        None => otherwise,
        Some(text) => text.parse().map_err(|_| problem("request-unreadable"))?,
    };
    if secs <= most { Ok(secs * 1000) } else { Err(problem("request-unreadable")) }
}

/// A switch in a query: absent, or `true`.
pub(super) fn is_set(query: Option<&str>, name: &str) -> Result<bool, Response> {
    match in_query(query, name).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(problem("request-unreadable")),
    }
}

/// `GET /things/{id}/properties?detail=`: 200 (JSON, or a stream), 404, 503.
async fn read_all(
    State(console): State<Arc<Console>>,
    caller: Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let thing = match thing_id(&id) {
        Ok(thing) => thing,
        Err(refusal) => return refusal,
    };
    if wants_events(&headers) {
        let interest = Interest { thing, properties: Pick::All, events: Pick::Nothing };
        return console.stream_things(caller, interest, Form::Affordance, None).await;
    }
    match console.read_all(&caller, thing, query.as_deref()).await {
        Ok(response) | Err(response) => response,
    }
}

/// `GET /things/{id}/properties/{name}?fresh=&detail=`: 200 (JSON, or a stream), 403, 404, 409, 503, 504.
async fn read(
    State(console): State<Arc<Console>>,
    caller: Caller,
    headers: HeaderMap,
    Path((id, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    if wants_events(&headers) {
        let thing = match thing_id(&id) {
            Ok(thing) => thing,
            Err(refusal) => return refusal,
        };
        let properties = Pick::Set([name].into());
        let interest = Interest { thing, properties, events: Pick::Nothing };
        return console.stream_things(caller, interest, Form::Affordance, None).await;
    }
    match console.read_property(&caller, &id, name, query.as_deref()).await {
        Ok(response) | Err(response) => response,
    }
}

/// `PUT /things/{id}/properties/{name}?wait=`: 204 (taken), 202 (wanted), 400, 403, 404, 409, 422, 503.
async fn write(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path((id, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    bytes: Bytes,
) -> Response {
    match console.write_property(&caller, &id, name, query.as_deref(), &bytes).await {
        Ok(response) | Err(response) => response,
    }
}

/// `GET /things/{id}/properties/{name}/history?after=`: 200, 400, 403, 404, 405, 503.
async fn history(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path((id, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let read = async {
        let thing = thing_id(&id)?;
        let after = match in_query(query.as_deref(), "after").filter(|after| !after.is_empty()) {
            Some(after) => after.parse::<u64>().map_err(|_| problem("request-unreadable"))?,
            None => 0,
        };
        let series = console.desk().series(hub_caller(&caller), thing, name, after).await;
        series.map_err(refusals::answer)
    };
    match read.await {
        Ok(series) => crate::console::json("read history", StatusCode::OK, &SeriesJson::from(series)),
        Err(response) => response,
    }
}

impl Console {
    async fn read_all(
        &self,
        caller: &Caller,
        thing: model::Uuid,
        query: Option<&str>,
    ) -> Result<Response, Response> {
        let has_detail = is_set(query, "detail")?;
        let Reply::Properties(all) = self.ask(caller, Command::ReadAll { thing }).await? else {
            return Err(unexpected("read properties"));
        };
        let values = all.into_iter().filter_map(|(name, seen)| {
            let value = match has_detail {
                true => json!(ObservationJson::from(seen)),
                false => seen.reading?.value,
            };
            Some((name, value))
        });
        Ok(document(VALUE, &by_name(values)))
    }

    async fn read_property(
        &self,
        caller: &Caller,
        id: &str,
        name: String,
        query: Option<&str>,
    ) -> Result<Response, Response> {
        let (fresh, has_detail) = (is_set(query, "fresh")?, is_set(query, "detail")?);
        let Reply::Property(seen) =
            self.ask(caller, Command::Read { thing: thing_id(id)?, name, fresh }).await?
        else {
            return Err(unexpected("read property"));
        };
        if has_detail {
            return Ok(document(VALUE, &json!(ObservationJson::from(seen))));
        }
        match seen.reading {
            Some(reading) => Ok(document(VALUE, &reading.value)),
            None => Err(refusals::answer(Refusal::NoValue)),
        }
    }

    async fn write_property(
        &self,
        caller: &Caller,
        id: &str,
        name: String,
        query: Option<&str>,
        bytes: &[u8],
    ) -> Result<Response, Response> {
        let value: Value = body(bytes)?;
        let wait_millis = wait_millis(query, "wait", WRITE_WAIT_SECS, WAIT_SECS_MAX)?;
        let write = Command::Write { thing: thing_id(id)?, name, value, wait_millis };
        let Reply::Desired(desired) = self.ask(caller, write).await? else {
            return Err(unexpected("write property"));
        };
        match desired.state {
            DesiredState::Taken => Ok(empty(StatusCode::NO_CONTENT)),
            DesiredState::Refused { code, message } => {
                Err(refusals::answer(Refusal::DeviceRefused { code, message }))
            }
            DesiredState::Withdrawn => Err(refusals::answer(Refusal::NotPermitted)),
            DesiredState::Wanted => {
                let wanted = DesiredJson::from(desired);
                Ok(crate::console::json("write property", StatusCode::ACCEPTED, &wanted))
            }
        }
    }
}
