//! Transfers to us: which are expected, and whether others are taken at all.
//!
//! Source: decision D-05; layouts section 3, step 10.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{post, put};
use management::{AcceptDevice, Acceptance, AwaitNoMore, Registrant, TakesSet};

use super::ManagementServer;
use super::flow::Step;
use super::gateway::Granted;
use super::registration_api::{RETRY, Server};
use crate::answer::{empty, fault, later, not_run};
use crate::caller::Operator;

pub(super) fn routes() -> Router<Arc<ManagementServer>> {
    Router::new()
        .route("/v1/devices/{uuid}/accept", post(accept).delete(accept_no_more))
        .route("/v1/managementsystem/takes", put(set_takes))
}

/// `POST /v1/devices/{uuid}/accept`: 204, 400, 409, 503. Stored before the authority is told, so that 503
/// only says that it is not told yet; repeated, it goes on where the device stands.
async fn accept(State(server): Server, _: Operator, Path(uuid): Path<String>) -> Response {
    let Ok(device) = uuid.parse() else { return empty(StatusCode::BAD_REQUEST) };
    let origin = server.origin(&Registrant::Operator);
    match server.executor.run(AcceptDevice { device, origin }).await {
        Ok(Ok(Acceptance::Announce)) => match server.announce(device).await {
            Step::Done => {
                server.hurry(device);
                empty(StatusCode::NO_CONTENT)
            }
            Step::Again { after, .. } => {
                server.wake();
                later(after.unwrap_or(RETRY))
            }
        },
        Ok(Ok(Acceptance::Awaited)) => {
            server.hurry(device);
            empty(StatusCode::NO_CONTENT)
        }
        Ok(Ok(Acceptance::Ours)) => empty(StatusCode::NO_CONTENT),
        Ok(Ok(Acceptance::Forbidden)) => empty(StatusCode::CONFLICT),
        Ok(Err(why)) => fault("accept device", &why),
        Err(error) => not_run("accept device", &error),
    }
}

/// `DELETE /v1/devices/{uuid}/accept`: 204, 400, 409, 503. The authority is told first: while it is not, the
/// device is awaited and the call can be repeated.
async fn accept_no_more(State(server): Server, _: Operator, Path(uuid): Path<String>) -> Response {
    let Ok(device) = uuid.parse() else { return empty(StatusCode::BAD_REQUEST) };
    match server.owner.gateway.expect_no_more(&server.owner.keys.id, device).await {
        Ok(Granted::Yes) => {}
        Ok(Granted::No) => return fault("announcement", &"the authority refused to take it back"),
        Err(error) => return later(error.retry_after().unwrap_or(RETRY)),
    }
    let origin = server.origin(&Registrant::Operator);
    match server.executor.run(AwaitNoMore { device, origin }).await {
        Ok(Ok(true)) => empty(StatusCode::NO_CONTENT),
        Ok(Ok(false)) => empty(StatusCode::CONFLICT),
        Ok(Err(why)) => fault("accept no more", &why),
        Err(error) => not_run("accept no more", &error),
    }
}

/// `PUT /v1/managementsystem/takes`: 204, 400, 503.
async fn set_takes(State(server): Server, _: Operator, body: Bytes) -> Response {
    let announced_only = match &body[..] {
        b"announced" => true,
        b"all" => false,
        _ => return empty(StatusCode::BAD_REQUEST),
    };
    match server.owner.gateway.set_takes(&server.owner.keys.id, announced_only).await {
        Ok(Granted::Yes) => {}
        Ok(Granted::No) => return fault("set transfers", &"the authority refused"),
        Err(error) => return later(error.retry_after().unwrap_or(RETRY)),
    }
    let origin = server.origin(&Registrant::Operator);
    match server.executor.run(TakesSet { announced_only, origin }).await {
        Ok(Ok(())) => empty(StatusCode::NO_CONTENT),
        Ok(Err(why)) => fault("set transfers", &why),
        Err(error) => not_run("set transfers", &error),
    }
}
