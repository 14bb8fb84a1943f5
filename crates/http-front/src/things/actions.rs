//! Actions: invoked, looked at, taken back.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use hub::{Command, OperationState, OperationView, Refusal, Reply};
use serde_json::{Value, json};

use super::bodies::{OperationJson, href};
use super::directory::VALUE;
use super::properties::{WAIT_SECS_MAX, wait_millis};
use super::{created, document, refusals, thing_id, unexpected};
use crate::answer::empty;
use crate::console::caller::Caller;
use crate::console::problem::problem;
use crate::console::{Console, body, json as answer_json};

/// How long a call waits for its device when the caller does not say, in seconds.
const CALL_WAIT_SECS: u64 = 10;

/// How long an operation has when the caller does not say, in seconds.
const CALL_WITHIN_SECS: u64 = 30;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/things/{id}/actions/{name}", post(invoke))
        .route("/things/{id}/actions/{name}/{number}", get(look).delete(withdraw))
}

/// `POST /things/{id}/actions/{name}?within=&wait=`: 200 (done), 204 (done without output), 201 (goes on), 400,
/// 403, 404, 409, 422, 503, 504.
async fn invoke(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path((id, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    bytes: Bytes,
) -> Response {
    match console.invoke_action(&caller, &id, name, query.as_deref(), &bytes).await {
        Ok(response) | Err(response) => response,
    }
}

/// `GET /things/{id}/actions/{name}/{number}`: 200, 403, 404, 503.
async fn look(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path((id, name, number)): Path<(String, String, String)>,
) -> Response {
    match console.operation(&caller, &id, name, &number, false).await {
        Ok(response) | Err(response) => response,
    }
}

/// `DELETE /things/{id}/actions/{name}/{number}`: 200, 403, 404, 409, 503.
async fn withdraw(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path((id, name, number)): Path<(String, String, String)>,
) -> Response {
    match console.operation(&caller, &id, name, &number, true).await {
        Ok(response) | Err(response) => response,
    }
}

impl Console {
    async fn invoke_action(
        &self,
        caller: &Caller,
        id: &str,
        name: String,
        query: Option<&str>,
        bytes: &[u8],
    ) -> Result<Response, Response> {
        let input: Value = if bytes.is_empty() { Value::Null } else { body(bytes)? };
        let wait_millis_ = wait_millis(query, "wait", CALL_WAIT_SECS, WAIT_SECS_MAX)?;
        let deadline_millis = wait_millis(query, "within", CALL_WITHIN_SECS, 86_400)?;
        let invoke =
            Command::Invoke { thing: thing_id(id)?, name, input, deadline_millis, wait_millis: wait_millis_ };
        let Reply::Operation(view) = self.ask(caller, invoke).await? else {
            return Err(unexpected("invoke action"));
        };
        ended(view)
    }

    async fn operation(
        &self,
        caller: &Caller,
        id: &str,
        name: String,
        number: &str,
        is_withdrawn: bool,
    ) -> Result<Response, Response> {
        let thing = thing_id(id)?;
        let number = number.parse().map_err(|_| problem("not-here"))?;
        let command = match is_withdrawn {
            true => Command::Withdraw { thing, name, number },
            false => Command::Operation { thing, name, number },
        };
        match self.ask(caller, command).await? {
            Reply::Operation(view) => {
                Ok(answer_json("operation", StatusCode::OK, &OperationJson::from(view)))
            }
            _ => Err(unexpected("operation")),
        }
    }
}

/// The answer to an invocation.
fn ended(view: OperationView) -> Result<Response, Response> {
    match &view.state {
        OperationState::Done { output: Some(output) } => Ok(document(VALUE, output)),
        OperationState::Done { output: None } => Ok(empty(StatusCode::NO_CONTENT)),
        OperationState::Refused { code, message } => {
            Err(refusals::answer(Refusal::DeviceRefused { code: *code, message: message.clone() }))
        }
        OperationState::NoAnswer { was_sent: true } => Err(refusals::answer(Refusal::NoAnswer)),
        OperationState::NoAnswer { was_sent: false } => Err(refusals::answer(Refusal::Offline)),
        OperationState::Queued | OperationState::Sent | OperationState::Withdrawn => {
            let path = href(&view);
            Ok(created(&path, &json!(OperationJson::from(view))))
        }
    }
}
