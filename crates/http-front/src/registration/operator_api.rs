//! What the operator of the registration server does besides reading its audit log: certificates of makers,
//! recovery after a restore.

use std::sync::Arc;

use authority::registration::{Certificand, Certify, OperationId};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use certificate::{KeyDemand, Request};
use model::{Uuid, bytes_from_hex};

use super::RegistrationServer;
use super::recovery_flow::recovery_answer;
use crate::answer::{empty, fault, not_run, to_its_end};
use crate::caller::Operator;
use crate::platform::platform_api;

/// The routes for the operator: the audit log, certificates of makers, recovery after a restore.
pub fn operator_api(server: Arc<RegistrationServer>) -> Router {
    let audit = platform_api(server.executor.clone());
    Router::new()
        .route("/v1/makers/{uuid}/certificate", put(certify_maker))
        .route("/v1/recovery", get(read_recovery).post(recover))
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
