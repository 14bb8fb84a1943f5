//! What the operator of the registration server does besides reading its audit log.

use std::sync::Arc;

use authority::registration::{Certificand, Certify};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::put;
use certificate::{KeyDemand, Request};
use model::Uuid;

use super::RegistrationServer;
use crate::answer::{empty, fault, not_run};
use crate::caller::Operator;
use crate::platform::platform_api;

/// The routes for the operator: the audit log, and certificates of makers.
pub fn operator_api(server: Arc<RegistrationServer>) -> Router {
    let audit = platform_api(server.executor.clone());
    Router::new().route("/v1/makers/{uuid}/certificate", put(certify_maker)).with_state(server).merge(audit)
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
