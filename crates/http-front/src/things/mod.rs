//! The API of things: `/things` for whoever was granted something, `/v1/grants` for the owner.
//!
//! `GET /things` (directory), `POST /things`, `GET|PUT|DELETE /things/{id}`, `GET /things/{id}/properties`,
//! `GET|PUT /things/{id}/properties/{name}`, `POST /things/{id}/actions/{name}`,
//! `GET|DELETE /things/{id}/actions/{name}/{number}`, `GET /things/{id}/events`,
//! `GET /things/{id}/events/{name}`, `GET /things/{id}/(properties|events)/{name}/next`, `GET /things/{id}/watch`,
//! `GET /.well-known/wot`, `GET|POST /v1/grants`, `DELETE /v1/grants/{id}`, `GET /v1/grants/who`; what is on record of
//! smart devices ([`records`]), and sub-devices behind gateways ([`children`]).
//!
//! The operator and administrators are the owner; every other account is a person who sees what grants allow.
//! A thing that is not there and one that is not the caller's to see are answered alike. Nothing is decided
//! here: calls become [`hub::Command`]s (in the files of the routes), refusals become problems
//! ([`refusals`]), and descriptions list what the hub says the caller may.
//! Source: W3C Thing Description 1.1; W3C WoT Discovery; ADRs 0230 to 0234.

mod actions;
pub(crate) mod bodies;
pub(crate) mod children;
mod description;
mod directory;
mod elsewhere;
mod events;
mod grants;
pub(crate) mod polls;
mod properties;
pub(crate) mod record_bodies;
mod records;
mod refusals;
mod streams;

use std::sync::Arc;

use accounts::Role;
use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use hub::{Command, Party, Reply};
use model::Uuid;

use crate::answer::content;
use crate::console::caller::{Caller, Who};
use crate::console::problem::problem;
use crate::console::{Console, Elsewhere};

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .merge(directory::routes())
        .merge(properties::routes())
        .merge(actions::routes())
        .merge(events::routes())
        .merge(polls::routes())
        .merge(grants::routes())
        .merge(records::routes())
        .merge(children::routes())
}

/// Who a caller is to the rules of things.
fn party(caller: &Caller) -> Party {
    match &caller.who {
        Who::Operator => Party::Owner,
        Who::Account(account) => match account.resumed.role {
            Role::Administrator => Party::Owner,
            Role::User => Party::Person(account.resumed.account.as_str().to_owned()),
        },
    }
}

pub(crate) fn hub_caller(caller: &Caller) -> hub_desk::Caller {
    hub_desk::Caller { party: party(caller), actor: caller.name().to_owned(), address: Some(caller.address) }
}

/// A thing's id in a path; text that is none names nothing that is here.
fn thing_id(text: &str) -> Result<Uuid, Response> {
    text.parse().map_err(|_| problem("not-here"))
}

impl Console {
    async fn ask(&self, caller: &Caller, command: Command) -> Result<Reply, Response> {
        self.desk().call(hub_caller(caller), command).await.map_err(refusals::answer)
    }
}

/// JSON of any form with this media type.
fn document(kind: &'static str, value: &serde_json::Value) -> Response {
    content(kind, value.to_string())
}

const JSON: &str = "application/json";

/// Whether a stream of events is asked for.
pub(crate) fn wants_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| {
        kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
    })
}

/// A description for somebody who did not ask over HTTP; `host` as in a Host header.
pub(crate) fn described(view: &hub::ThingView, host: &str, elsewhere: &[Elsewhere]) -> Vec<u8> {
    let host = HeaderValue::from_str(host).ok().map(|host| (header::HOST, host));
    description::of(view, &host.into_iter().collect(), elsewhere).to_string().into_bytes()
}

/// 201 with where the new thing is.
fn created(path: &str, value: &serde_json::Value) -> Response {
    let mut response = document(JSON, value);
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(place) = HeaderValue::from_str(path) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

/// The one answer a front can give to a reply of another kind than asked for: our own fault.
fn unexpected(what: &'static str) -> Response {
    crate::answer::fault(what, &"a reply of another kind")
}
