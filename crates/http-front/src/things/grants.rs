//! Grants: made, listed, taken back; and who may.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{delete, get};
use clock::Timestamp;
use hub::{Command, Reply};
use serde_json::json;

use super::bodies::{GrantJson, GrantsJson, JudgementJson, NewGrantJson, WhoJson};
use super::{created, unexpected};
use crate::answer::empty;
use crate::console::caller::Caller;
use crate::console::problem::problem;
use crate::console::{Console, body, in_query, json as answer_json};

/// Grants per page.
const PAGE: usize = 100;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/v1/grants", get(list).post(add))
        .route("/v1/grants/who", get(who))
        .route("/v1/grants/{id}", delete(revoke))
}

fn unreadable<E>(_: E) -> Response {
    problem("request-unreadable")
}

/// `GET /v1/grants?thing=&after=`: 200, 400, 503.
async fn list(State(console): State<Arc<Console>>, caller: Caller, RawQuery(query): RawQuery) -> Response {
    match console.grants(&caller, query.as_deref()).await {
        Ok(response) | Err(response) => response,
    }
}

/// `POST /v1/grants`: 201, 400, 404, 422, 503.
async fn add(State(console): State<Arc<Console>>, caller: Caller, bytes: Bytes) -> Response {
    match console.grant(&caller, &bytes).await {
        Ok(response) | Err(response) => response,
    }
}

/// `DELETE /v1/grants/{id}`: 204, 404, 503.
async fn revoke(State(console): State<Arc<Console>>, caller: Caller, Path(id): Path<String>) -> Response {
    let Ok(grant) = id.parse() else { return problem("not-here") };
    match console.ask(&caller, Command::Revoke { grant }).await {
        Ok(Reply::Done) => empty(StatusCode::NO_CONTENT),
        Ok(_) => unexpected("revoke"),
        Err(refusal) => refusal,
    }
}

/// `GET /v1/grants/who?thing=&act=&name=&party=`: 200, 400, 403, 404, 503.
async fn who(State(console): State<Arc<Console>>, caller: Caller, RawQuery(query): RawQuery) -> Response {
    match console.who(&caller, query.as_deref()).await {
        Ok(response) | Err(response) => response,
    }
}

impl Console {
    async fn grants(&self, caller: &Caller, query: Option<&str>) -> Result<Response, Response> {
        let given = |name| in_query(query, name).filter(|text| !text.is_empty());
        let thing = given("thing").map(|thing| thing.parse().map_err(unreadable)).transpose()?;
        let after = match given("after") {
            None => None,
            Some(after) => {
                let (thing, id) = after.split_once('.').ok_or_else(|| unreadable(()))?;
                Some((thing.parse().map_err(unreadable)?, id.parse().map_err(unreadable)?))
            }
        };
        let Reply::Grants(page) = self.ask(caller, Command::Grants { thing, after, limit: PAGE }).await?
        else {
            return Err(unexpected("list grants"));
        };
        let last = page.grants.last().filter(|_| page.more);
        let next = last.map(|grant| format!("{}.{}", grant.thing, grant.id));
        let grants = page.grants.into_iter().map(GrantJson::from).collect();
        Ok(answer_json("list grants", StatusCode::OK, &GrantsJson { grants, next }))
    }

    async fn grant(&self, caller: &Caller, bytes: &[u8]) -> Result<Response, Response> {
        let mut wanted: NewGrantJson = body(bytes)?;
        let time = |millis: Option<u64>| millis.map(Timestamp::from_unix_millis);
        let grant = Command::Grant {
            party: wanted.party.parse().map_err(unreadable)?,
            thing: wanted.thing.parse().map_err(|_| problem("not-here"))?,
            acts: wanted.acts().ok_or_else(|| unreadable(()))?,
            names: wanted.names(),
            from: time(wanted.from_unix_millis),
            until: time(wanted.until_unix_millis),
        };
        match self.ask(caller, grant).await? {
            Reply::Granted(grant) => {
                let path = format!("/v1/grants/{}", grant.id);
                Ok(created(&path, &json!(GrantJson::from(grant))))
            }
            _ => Err(unexpected("grant")),
        }
    }

    async fn who(&self, caller: &Caller, query: Option<&str>) -> Result<Response, Response> {
        let given = |name| in_query(query, name).filter(|text: &String| !text.is_empty());
        let needed = |name| given(name).ok_or_else(|| unreadable(()));
        let command = Command::Who {
            party: given("party").map(|party| party.parse().map_err(unreadable)).transpose()?,
            thing: needed("thing")?.parse().map_err(|_| problem("not-here"))?,
            act: needed("act")?.parse().map_err(unreadable)?,
            name: needed("name")?,
        };
        match self.ask(caller, command).await? {
            Reply::May(judged) => {
                let judgements = judged.into_iter().map(JudgementJson::from).collect();
                Ok(answer_json("who may", StatusCode::OK, &WhoJson { judgements }))
            }
            _ => Err(unexpected("who may")),
        }
    }
}
