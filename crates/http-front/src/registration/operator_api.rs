//! What the operator of the registration server does besides reading its audit log: certificates of makers,
//! recovery after a restore, owner secrets, a new generation.

use std::sync::Arc;

use authority::registration::{AskRefill, Asked, Certificand, Certify, OperationId, ReadRegistered, Stock};
use authority::{AskGeneration, NextKeys};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use certificate::{KeyDemand, Request};
use crypto::HashAlgorithm;
use model::{Uuid, bytes_from_hex, hex};
use serde::Serialize;

use super::RegistrationServer;
use super::recovery_flow::recovery_answer;
use crate::answer::{content, empty, fault, not_run, to_its_end};
use crate::caller::Operator;
use crate::platform::platform_api;

/// The routes for the operator: the audit log, certificates of makers, recovery after a restore.
pub fn operator_api(server: Arc<RegistrationServer>) -> Router {
    let audit = platform_api(server.executor.clone());
    Router::new()
        .route("/v1/makers/{uuid}/certificate", put(certify_maker))
        .route("/v1/recovery", get(read_recovery).post(recover))
        .route("/v1/pools", get(read_pools))
        .route("/v1/devices/{uuid}/refill", post(refill))
        .route("/v1/generation", post(ask_generation))
        .with_state(server)
        .merge(audit)
}

/// `PUT /v1/makers/{uuid}/certificate` with a request for a P-256 key in DER: 201 with the certificate,
/// 400, 503. The UUID is the maker's id for ever; the operator picks it once.
async fn certify_maker(
    State(server): State<Arc<RegistrationServer>>,
    _: Operator,
    Path(uuid): Path<String>,
    csr: Bytes,
) -> Response {
    let Ok(maker) = uuid.parse::<Uuid>() else { return empty(StatusCode::BAD_REQUEST) };
    let Ok(request) = Request::from_der(&csr, KeyDemand::P256, &*server.keys.provider) else {
        return empty(StatusCode::BAD_REQUEST);
    };
    let (key, keys) = (request.public_key().clone(), server.keys.clone());
    let certify = Certify { whom: Certificand::Maker(maker), key, keys, origin: server.origin("operator") };
    match server.executor.run(certify).await {
        Ok(Some(certificate)) => {
            let mut response = (StatusCode::CREATED, certificate).into_response();
            let kind = HeaderValue::from_static("application/pkix-cert");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response
        }
        Ok(None) => fault("certify maker", &"no clock, or signing failed"),
        Err(error) => not_run("certify maker", &error),
    }
}

/// `GET /v1/recovery`: 200 with the latest recovery, 404 when there was none, 503.
async fn read_recovery(State(server): State<Arc<RegistrationServer>>, _: Operator) -> Response {
    match server.latest_recovery().await {
        Ok(Some(recovery)) => recovery_answer(&recovery),
        Ok(None) => empty(StatusCode::NOT_FOUND),
        Err(refusal) => refusal,
    }
}

/// `POST /v1/recovery?request=<32 hex digits>`: one step, 200 with how far it is; call again until it is
/// finished. 400, 409 when this generation has had its share, 503.
/// Source: decision H5; ADR 0098.
async fn recover(
    State(server): State<Arc<RegistrationServer>>,
    _: Operator,
    RawQuery(query): RawQuery,
) -> Response {
    let named = query.as_deref().and_then(|query| query.strip_prefix("request="));
    let id = named.and_then(|hex| bytes_from_hex(hex).ok()?.try_into().ok()).map(OperationId);
    let Some(id) = id else { return empty(StatusCode::BAD_REQUEST) };
    to_its_end(async move {
        match server.recovery_step(id).await {
            Ok(recovery) => recovery_answer(&recovery),
            Err(refusal) => refusal,
        }
    })
    .await
}

/// How many owner secrets one device has left.
#[derive(Serialize)]
struct PoolMessage {
    device: String,
    left: Option<usize>,
    asked: bool,
}

/// `GET /v1/pools?after=<uuid>`: 200 with a page of devices in the order of their UUIDs, empty at the end;
/// `left` is null for devices that need no owner secrets. 400, 503.
async fn read_pools(
    State(server): State<Arc<RegistrationServer>>,
    _: Operator,
    RawQuery(query): RawQuery,
) -> Response {
    let after = match query.as_deref().unwrap_or_default() {
        "" => None,
        query => match query.strip_prefix("after=").and_then(|uuid| uuid.parse().ok()) {
            Some(uuid) => Some(uuid),
            None => return empty(StatusCode::BAD_REQUEST),
        },
    };
    let message = |stock: Stock| PoolMessage {
        device: stock.device.to_string(),
        left: stock.pool,
        asked: stock.is_asked,
    };
    match server.executor.run(ReadRegistered { after }).await {
        Ok(Ok(page)) => json(&page.into_iter().map(message).collect::<Vec<_>>()),
        Ok(Err(bad)) => fault("read pools", &bad),
        Err(error) => not_run("read pools", &error),
    }
}

fn json<T: Serialize>(message: &T) -> Response {
    match serde_json::to_vec(message) {
        Ok(json) => content("application/json", json),
        Err(error) => fault("answer", &error),
    }
}

/// `POST /v1/devices/{uuid}/refill`: asks the identity server for owner secrets. 202 when the request is on
/// its way across the gap, 404 for a device that needs none, 503.
/// Source: decision H6; ADR 0100.
async fn refill(
    State(server): State<Arc<RegistrationServer>>,
    _: Operator,
    Path(uuid): Path<String>,
) -> Response {
    let Ok(device) = uuid.parse::<Uuid>() else { return empty(StatusCode::NOT_FOUND) };
    let ask = AskRefill {
        device,
        me: server.gap.clone(),
        identity: server.identity.clone(),
        provider: server.keys.provider.clone(),
        origin: server.origin("operator"),
    };
    match server.executor.run(ask).await {
        Ok(Ok(Asked::Sent)) => match server.flush().await {
            Ok(()) => empty(StatusCode::ACCEPTED),
            Err(refusal) => refusal,
        },
        Ok(Ok(Asked::NotNeeded)) => empty(StatusCode::NOT_FOUND),
        Ok(Ok(Asked::NotNow)) => fault("ask for a refill", &"a recovery is under way, or there is no clock"),
        Ok(Err(error)) => fault("ask for a refill", &error),
        Err(error) => not_run("ask for a refill", &error),
    }
}

/// The request for a new generation, as the operator carries and compares it.
#[derive(Serialize)]
struct GenerationMessage {
    file: String,
    fingerprint: String,
    present: u32,
}

/// `POST /v1/generation`: makes the online keys of the next generation, if none wait already, and asks the
/// identity server to sign them. 200 with the file's name and its SHA-256, 503.
/// Source: decision H7; ADR 0101.
async fn ask_generation(State(server): State<Arc<RegistrationServer>>, _: Operator) -> Response {
    let (provider, seed) = (server.keys.provider.clone(), server.executor.bytes());
    let made = tokio::task::spawn_blocking(move || NextKeys::create(&*provider, &mut clock::Dice::new(seed)));
    let next = match made.await {
        Ok(Ok(next)) => next,
        Ok(Err(error)) => return fault("make online keys", &error),
        Err(error) => return fault("make online keys", &error),
    };
    let ask = AskGeneration {
        next,
        me: server.gap.clone(),
        identity: server.identity.clone(),
        provider: server.keys.provider.clone(),
        origin: server.origin("operator"),
    };
    let request = match server.executor.run(ask).await {
        Ok(Ok(Some(request))) => request,
        Ok(Ok(None)) => return fault("ask for a generation", &"no clock"),
        Ok(Err(error)) => return fault("ask for a generation", &error),
        Err(error) => return not_run("ask for a generation", &error),
    };
    if let Err(refusal) = server.flush().await {
        return refusal;
    }
    let (from, to) = (server.gap.id, server.identity.id);
    let header = assure_proto::GapHeader { from, to, sequence_number: request.number };
    let fingerprint = server.keys.provider.digest(HashAlgorithm::Sha256, &[&request.file]);
    json(&GenerationMessage {
        file: header.file_name(),
        fingerprint: hex(fingerprint.as_ref()),
        present: server.keys.generation(),
    })
}

impl RegistrationServer {
    /// Writes the outbox to the gap; what cannot be written now goes with the next call or start.
    async fn flush(&self) -> Result<(), Response> {
        let flush = self.flush_outbox.clone();
        match tokio::task::spawn_blocking(move || flush()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(fault("write the file", &why)),
            Err(error) => Err(fault("write the file", &error)),
        }
    }
}
