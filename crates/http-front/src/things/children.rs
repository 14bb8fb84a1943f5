//! Sub-devices behind a gateway, for its owner: `GET /things/{id}/children`,
//! `PUT|DELETE /things/{id}/children/{serial}`. Source: ADR 0370.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, put};
use clock::Timestamp;
use hub::{ChildState, ChildView, ThingModel};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::directory::was_added;
use super::{hub_caller, refusals, thing_id};
use crate::answer::empty;
use crate::console::caller::Caller;
use crate::console::problem::problem;
use crate::console::{Console, body, json};

/// What becomes of a sub-device's thing.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Adoption)]
pub(crate) struct AdoptionJson {
    /// Its UUID; drawn when it is left out.
    #[serde(default)]
    id: Option<String>,
    /// A W3C Thing Model.
    #[schema(value_type = Object)]
    model: Value,
}

/// A sub-device behind a gateway.
#[derive(Serialize, ToSchema)]
#[schema(as = SubDevice)]
pub(crate) struct ChildJson {
    serial: String,
    /// `waiting` for a decision, `declined`, or `adopted` when it is a thing.
    state: &'static str,
    /// The thing that it is.
    thing: Option<String>,
    /// Whether its gateway tells of it.
    told: bool,
    /// Whether its gateway is there and reaches it.
    connected: bool,
    /// When its gateway first told of it.
    since_unix_millis: Option<u64>,
}

/// All sub-devices of a gateway.
#[derive(Serialize, ToSchema)]
#[schema(as = SubDevices)]
pub(crate) struct ChildrenJson {
    children: Vec<ChildJson>,
}

impl From<ChildView> for ChildJson {
    fn from(view: ChildView) -> Self {
        let (state, thing) = match view.state {
            ChildState::Waiting => ("waiting", None),
            ChildState::Declined => ("declined", None),
            ChildState::Adopted(thing) => ("adopted", Some(thing.to_string())),
        };
        Self {
            serial: view.serial,
            state,
            thing,
            told: view.is_told,
            connected: view.is_connected,
            since_unix_millis: view.since.map(Timestamp::as_unix_millis),
        }
    }
}

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/things/{id}/children", get(list))
        .route("/things/{id}/children/{serial}", put(adopt).delete(decline))
}

/// `GET /things/{id}/children`: 200, 403, 404, 503.
async fn list(State(console): State<Arc<Console>>, caller: Caller, Path(id): Path<String>) -> Response {
    let listed = async {
        let hub = thing_id(&id)?;
        console.desk().children(hub_caller(&caller), hub).await.map_err(refusals::answer)
    };
    match listed.await {
        Ok(children) => {
            let children = children.into_iter().map(ChildJson::from).collect();
            json("list sub-devices", StatusCode::OK, &ChildrenJson { children })
        }
        Err(response) => response,
    }
}

/// `PUT /things/{id}/children/{serial}`: 201, 400, 403, 404, 409, 422, 503.
async fn adopt(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path((id, serial)): Path<(String, String)>,
    bytes: Bytes,
) -> Response {
    match console.adopt(&caller, &id, serial, &bytes).await {
        Ok(response) | Err(response) => response,
    }
}

/// `DELETE /things/{id}/children/{serial}`: 204, 403, 404, 409, 503.
async fn decline(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path((id, serial)): Path<(String, String)>,
) -> Response {
    let declined = async {
        let hub = thing_id(&id)?;
        console.desk().decline(hub_caller(&caller), hub, serial).await.map_err(refusals::answer)
    };
    match declined.await {
        Ok(()) => empty(StatusCode::NO_CONTENT),
        Err(response) => response,
    }
}

impl Console {
    async fn adopt(
        &self,
        caller: &Caller,
        id: &str,
        serial: String,
        bytes: &[u8],
    ) -> Result<Response, Response> {
        let hub = thing_id(id)?;
        let wanted: AdoptionJson = body(bytes)?;
        let id = match wanted.id {
            Some(id) => Some(id.parse().map_err(|_| problem("request-unreadable"))?),
            None => None,
        };
        let model = ThingModel::new(wanted.model).map_err(|bad| refusals::answer(bad.into()))?;
        let adopted = self.desk().adopt(hub_caller(caller), hub, serial, (id, model)).await;
        Ok(was_added(adopted.map_err(refusals::answer)?.id))
    }
}
