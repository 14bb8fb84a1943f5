//! The owner API, as the owner gateway serves it.
//!
//! Source: aSSURE 9.3.

use std::sync::{Arc, PoisonError};

use authority::registration::{
    Announce, LinkRsaKey, Linked, NotCertified, ReadDeviceParameters, RegisterManagement, RenewCertificate,
    TakeAnnouncedOnly,
};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use certificate::{KeyDemand, Request, TlsPeer};
use crypto::PublicKey;
use model::Uuid;

use super::RegistrationServer;
use super::even::at_a_tick;
use super::query::OwnerQuery;
use crate::answer::{content, empty, fault, later, not_run, to_its_end};
use crate::caller::Management;
use crate::ta_client::ImageReply;

/// The routes of the owner gateway. Besides the calls of 9.3 there are those of decision D-05: which
/// transfers a management system takes.
pub fn owner_api(server: Arc<RegistrationServer>) -> Router {
    Router::new()
        .route("/v1/managementsystems", post(register))
        .route("/v1/managementsystems/{id}/certificate", put(renew))
        .route("/v1/managementsystems/{id}/rsa", put(link_rsa))
        .route("/v1/managementsystems/{id}/takes", put(set_takes))
        .route("/v1/managementsystems/{id}/expected/{uuid}", put(expect).delete(expect_no_more))
        .route("/v1/devices/{uuid}/owner", put(change_owner))
        .route("/v1/devices/{uuid}/parameterset", get(read_parameters))
        .route("/v1/devices/{uuid}/configuration", get(read_configuration))
        .route("/v1/devices/{uuid}/bootstrap", put(store_image).get(read_image))
        .layer(middleware::from_fn(at_a_tick))
        .with_state(server)
}

type Server = State<Arc<RegistrationServer>>;

fn issued(status: StatusCode, certificate: Vec<u8>) -> Response {
    let mut response = (status, certificate).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/pkix-cert"));
    response
}

/// `POST /v1/managementsystems`: 201 with the certificate, 400, 503. Needs no client certificate.
async fn register(State(server): Server, Extension(peer): Extension<TlsPeer>, csr: Bytes) -> Response {
    let now = server.executor.now().moment;
    let admitted =
        server.registrations.lock().unwrap_or_else(PoisonError::into_inner).admit(peer.address.ip(), now);
    if let Err(wait) = admitted {
        return later(wait);
    }
    let Some(key) = server.requested_key(&csr, KeyDemand::P256) else {
        return empty(StatusCode::BAD_REQUEST);
    };
    let operation = RegisterManagement { key, keys: server.keys.clone(), origin: server.origin("stranger") };
    match server.executor.run(operation).await {
        Ok(Ok(certified)) => {
            let mut response = issued(StatusCode::CREATED, certified.certificate);
            let location = format!("/v1/managementsystems/{}", certified.id);
            if let Ok(location) = HeaderValue::from_str(&location) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            response
        }
        Ok(Err(error)) => fault("register management system", &error),
        Err(error) => not_run("register management system", &error),
    }
}

impl RegistrationServer {
    fn requested_key(&self, csr: &[u8], demand: KeyDemand) -> Option<PublicKey> {
        let request = Request::from_der(csr, demand, &*self.keys.provider).ok()?;
        Some(request.public_key().clone())
    }
}

/// `PUT /v1/managementsystems/{id}/certificate`: 201 with the certificate, 400, 403, 503.
async fn renew(
    State(server): Server,
    Management(caller): Management,
    Path(id): Path<String>,
    csr: Bytes,
) -> Response {
    if caller.as_str() != id {
        return empty(StatusCode::FORBIDDEN);
    }
    let Some(key) = server.requested_key(&csr, KeyDemand::P256) else {
        return empty(StatusCode::BAD_REQUEST);
    };
    let origin = server.origin(caller.as_str());
    let renew = RenewCertificate { id: caller, key, keys: server.keys.clone(), origin };
    match server.executor.run(renew).await {
        Ok(Ok(Some(certified))) => issued(StatusCode::CREATED, certified.certificate),
        Ok(Ok(None)) => empty(StatusCode::FORBIDDEN),
        Ok(Err(error)) => fault("renew certificate", &error),
        Err(error) => not_run("renew certificate", &error),
    }
}

/// `PUT /v1/managementsystems/{id}/rsa`: 204, 400, 403.
async fn link_rsa(
    State(server): Server,
    Management(caller): Management,
    Path(id): Path<String>,
    csr: Bytes,
) -> Response {
    if caller.as_str() != id {
        return empty(StatusCode::FORBIDDEN);
    }
    let Some(key) = server.requested_key(&csr, KeyDemand::Rsa) else { return empty(StatusCode::BAD_REQUEST) };
    let origin = server.origin(caller.as_str());
    let link = LinkRsaKey { id: caller, key, keys: server.keys.clone(), origin };
    match server.executor.run(link).await {
        Ok(Ok(Linked::Linked)) => empty(StatusCode::NO_CONTENT),
        Ok(Ok(Linked::Forbidden)) => empty(StatusCode::FORBIDDEN),
        Ok(Err(NotCertified::Signing)) => empty(StatusCode::BAD_REQUEST),
        Ok(Err(error)) => fault("link RSA key", &error),
        Err(error) => not_run("link RSA key", &error),
    }
}

/// `PUT /v1/managementsystems/{id}/takes` with body `announced` or `all`: 204, 400, 403.
async fn set_takes(
    State(server): Server,
    Management(caller): Management,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let announced_only = match &body[..] {
        b"announced" => true,
        b"all" => false,
        _ => return empty(StatusCode::BAD_REQUEST),
    };
    if caller.as_str() != id {
        return empty(StatusCode::FORBIDDEN);
    }
    let origin = server.origin(caller.as_str());
    found(
        server.executor.run(TakeAnnouncedOnly { id: caller, announced_only, origin }).await,
        "set transfers",
    )
}

async fn expect(server: Server, caller: Management, path: Path<(String, String)>) -> Response {
    announce(server, caller, path, true).await
}

async fn expect_no_more(server: Server, caller: Management, path: Path<(String, String)>) -> Response {
    announce(server, caller, path, false).await
}

/// `PUT` or `DELETE /v1/managementsystems/{id}/expected/{uuid}`: 204, 400, 403.
async fn announce(
    State(server): Server,
    Management(caller): Management,
    Path((id, uuid)): Path<(String, String)>,
    expected: bool,
) -> Response {
    let Ok(device) = uuid.parse::<Uuid>() else { return empty(StatusCode::BAD_REQUEST) };
    if caller.as_str() != id {
        return empty(StatusCode::FORBIDDEN);
    }
    found(server.executor.run(Announce { id: caller, device, expected }).await, "announce transfer")
}

fn found(ran: Result<Result<bool, authority::BadRecord>, store::RunError>, what: &'static str) -> Response {
    match ran {
        Ok(Ok(true)) => empty(StatusCode::NO_CONTENT),
        Ok(Ok(false)) => empty(StatusCode::FORBIDDEN),
        Ok(Err(bad)) => fault(what, &bad),
        Err(error) => not_run(what, &error),
    }
}

/// `PUT /v1/devices/{uuid}/owner`: 204, 403, 503; 400 for a query of no known form.
async fn change_owner(
    State(server): Server,
    Management(caller): Management,
    Path(uuid): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let Ok(query) = OwnerQuery::parse(query.as_deref()) else { return empty(StatusCode::BAD_REQUEST) };
    let Ok(device) = uuid.parse::<Uuid>() else { return empty(StatusCode::FORBIDDEN) };
    to_its_end(async move {
        match server.settled_first().await {
            Ok(()) => server.change_owner(caller, device, query).await,
            Err(refusal) => refusal,
        }
    })
    .await
}

/// `GET /v1/devices/{uuid}/parameterset`: 200, 403, 503.
async fn read_parameters(
    State(server): Server,
    Management(caller): Management,
    Path(uuid): Path<String>,
) -> Response {
    let Ok(device) = uuid.parse::<Uuid>() else { return empty(StatusCode::FORBIDDEN) };
    if let Err(refusal) = server.settled_first().await {
        return refusal;
    }
    match server.executor.run(ReadDeviceParameters { device, caller }).await {
        Ok(Ok(Some(bytes))) => content("application/cbor", bytes),
        Ok(Ok(None)) => empty(StatusCode::FORBIDDEN),
        Ok(Err(bad)) => fault("read parameter set", &bad),
        Err(error) => not_run("read parameter set", &error),
    }
}

/// `GET /v1/devices/{uuid}/configuration`: 200, 403, 503.
async fn read_configuration(
    State(server): Server,
    Management(caller): Management,
    Path(uuid): Path<String>,
) -> Response {
    let Ok(device) = uuid.parse::<Uuid>() else { return empty(StatusCode::FORBIDDEN) };
    if let Err(refusal) = server.settled_first().await {
        return refusal;
    }
    server.configuration(caller, device).await
}

/// `PUT /v1/devices/{uuid}/bootstrap`: 204, 400, 403, 503.
async fn store_image(
    State(server): Server,
    Management(caller): Management,
    Path(uuid): Path<String>,
    image: Bytes,
) -> Response {
    let Ok(device) = uuid.parse::<Uuid>() else { return empty(StatusCode::FORBIDDEN) };
    if let Err(refusal) = server.settled_first().await {
        return refusal;
    }
    match server.bootstrap.store_image(device, &caller, image).await {
        Ok(ImageReply::Done(_)) => empty(StatusCode::NO_CONTENT),
        Ok(ImageReply::Forbidden) => empty(StatusCode::FORBIDDEN),
        Ok(ImageReply::Malformed) => empty(StatusCode::BAD_REQUEST),
        Err(error) => fault("store image", &error),
    }
}

/// `GET /v1/devices/{uuid}/bootstrap`: 200, 403, 503.
async fn read_image(
    State(server): Server,
    Management(caller): Management,
    Path(uuid): Path<String>,
) -> Response {
    let Ok(device) = uuid.parse::<Uuid>() else { return empty(StatusCode::FORBIDDEN) };
    if let Err(refusal) = server.settled_first().await {
        return refusal;
    }
    match server.bootstrap.read_image(device, &caller).await {
        Ok(ImageReply::Done(image)) => content("application/cbor", image),
        Ok(ImageReply::Forbidden) => empty(StatusCode::FORBIDDEN),
        Ok(ImageReply::Malformed) => fault("read image", &"unexpected answer"),
        Err(error) => fault("read image", &error),
    }
}
