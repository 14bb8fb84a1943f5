//! `GET /v1/listeners`: every port that is open, or could be.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::{Console, json};

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/v1/listeners", get(list))
}

/// A port of this program, as its configuration has it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Listener {
    /// Role, transport and purpose.
    pub name: String,
    /// Where, or nothing when it is off.
    pub address: Option<String>,
    /// Whether it is open.
    pub on: bool,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Listeners)]
pub(super) struct ListenersJson<'a> {
    #[schema(value_type = Vec<Listener>)]
    listeners: &'a [Listener],
}

/// `GET /v1/listeners`: 200.
async fn list(State(console): State<Arc<Console>>, _: Caller) -> Response {
    json("list listeners", StatusCode::OK, &ListenersJson { listeners: &console.listeners })
}
