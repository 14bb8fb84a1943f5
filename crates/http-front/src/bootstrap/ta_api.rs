//! What the registration server asks of the bootstrap server.
//!
//! Source: decision G 31 of the layouts.

use std::sync::Arc;

use assure_json::{ConfiguredDevice, CreateMessage, DeviceDataMessage, MirrorMessage, OwnerChangeMessage};
use authority::bootstrap::{CreateDevice, Created, MirrorOwner, Mirrored, ReadMirrors, RemoveDevice};
use authority::registration::OperationId;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use model::{ManagementId, ServerRole, Uuid, bytes_from_hex};
use serde::Serialize;

use super::{BootstrapServer, Stored, Unable};
use crate::answer::{content, empty, fault, not_run};
use crate::caller::Peer;
use crate::ta_client::{owner_message, owner_now};

/// The routes for the registration server.
pub fn ta_api(server: Arc<BootstrapServer>) -> Router {
    Router::new()
        .route("/ta/v1/devices", get(list))
        .route("/ta/v1/devices/{uuid}", put(create).delete(remove))
        .route("/ta/v1/devices/{uuid}/owner", put(mirror))
        .route("/ta/v1/devices/{uuid}/data", get(read_data))
        .route("/ta/v1/devices/{uuid}/bootstrap", put(store_image).get(read_image))
        .with_state(server)
}

type Server = State<Arc<BootstrapServer>>;

fn unable(what: &'static str, why: &Unable) -> Response {
    match why {
        Unable::Store(error) => not_run(what, error),
        Unable::Registration(_) | Unable::Record => fault(what, why),
    }
}

fn json<T: Serialize>(what: &'static str, status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(json) => (status, content("application/json", json)).into_response(),
        Err(error) => fault(what, &error),
    }
}

/// Only the registration server calls; the path names a device.
fn device(role: ServerRole, uuid: &str) -> Result<Uuid, Response> {
    if role != ServerRole::Registration {
        return Err(empty(StatusCode::FORBIDDEN));
    }
    uuid.parse().map_err(|_| empty(StatusCode::NOT_FOUND))
}

fn operation(text: &str) -> Option<OperationId> {
    bytes_from_hex(text).ok()?.try_into().ok().map(OperationId)
}

/// `CreateDevice`: 201, 409, 503.
async fn create(State(server): Server, Peer(role): Peer, Path(uuid): Path<String>, body: Bytes) -> Response {
    let device = match device(role, &uuid) {
        Ok(device) => device,
        Err(refusal) => return refusal,
    };
    let message = serde_json::from_slice::<CreateMessage>(&body).ok();
    let Some(operation) = message.and_then(|message| operation(&message.operation)) else {
        return empty(StatusCode::BAD_REQUEST);
    };
    match server.executor.run(CreateDevice { device, operation }).await {
        Ok(Ok(Created::Stands)) => empty(StatusCode::CREATED),
        Ok(Ok(Created::Exists)) => empty(StatusCode::CONFLICT),
        Ok(Err(bad)) => fault("create device", &bad),
        Err(error) => not_run("create device", &error),
    }
}

/// Takes an upload back: 204, 503.
async fn remove(
    State(server): Server,
    Peer(role): Peer,
    Path(uuid): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let device = match device(role, &uuid) {
        Ok(device) => device,
        Err(refusal) => return refusal,
    };
    let named = query.as_deref().and_then(|query| query.strip_prefix("operation=")).and_then(operation);
    let Some(operation) = named else { return empty(StatusCode::BAD_REQUEST) };
    match server.executor.run(RemoveDevice { device, operation }).await {
        Ok(Ok(())) => empty(StatusCode::NO_CONTENT),
        Ok(Err(bad)) => fault("remove device", &bad),
        Err(error) => not_run("remove device", &error),
    }
}

/// `SetDeviceOwner`: 204, 404, 409 with what stands here, 503.
async fn mirror(State(server): Server, Peer(role): Peer, Path(uuid): Path<String>, body: Bytes) -> Response {
    let device = match device(role, &uuid) {
        Ok(device) => device,
        Err(refusal) => return refusal,
    };
    let message = serde_json::from_slice::<OwnerChangeMessage>(&body).ok();
    let change =
        message.and_then(|message| Some((operation(&message.operation)?, owner_now(message.owner)?)));
    let Some((operation, owner)) = change else { return empty(StatusCode::BAD_REQUEST) };
    let origin = server.origin("registration");
    match server.executor.run(MirrorOwner { device, operation, owner, origin }).await {
        Ok(Ok(Mirrored::Stands)) => empty(StatusCode::NO_CONTENT),
        Ok(Ok(Mirrored::Unknown)) => empty(StatusCode::NOT_FOUND),
        Ok(Ok(Mirrored::Ahead(owner))) => json("mirror owner", StatusCode::CONFLICT, &owner_message(&owner)),
        Ok(Err(bad)) => fault("mirror owner", &bad),
        Err(error) => not_run("mirror owner", &error),
    }
}

fn owner(query: Option<&str>) -> Option<ManagementId> {
    query?.strip_prefix("owner=")?.parse().ok()
}

/// `GetDeviceData`: 200, 403, 503.
async fn read_data(
    State(server): Server,
    Peer(role): Peer,
    Path(uuid): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let (Ok(device), Some(caller)) = (device(role, &uuid), owner(query.as_deref())) else {
        return empty(StatusCode::FORBIDDEN);
    };
    match server.owned_by(device, &caller).await {
        Ok(Some(_)) => {}
        Ok(None) => return empty(StatusCode::FORBIDDEN),
        Err(why) => return unable("read owner", &why),
    }
    match server.device(device).await {
        Ok(Some(issued)) => {
            let bootstrap_key = server.key_for(&issued.proof);
            match ConfiguredDevice::from_json(&issued.configuration) {
                Ok(device) => {
                    json("read device", StatusCode::OK, &DeviceDataMessage { device, bootstrap_key })
                }
                Err(error) => fault("read device", &error),
            }
        }
        Ok(None) => empty(StatusCode::FORBIDDEN),
        Err(why) => unable("read device", &why),
    }
}

/// `SetDeviceBootstrap`: 204, 400, 403, 503.
async fn store_image(
    State(server): Server,
    Peer(role): Peer,
    Path(uuid): Path<String>,
    RawQuery(query): RawQuery,
    image: Bytes,
) -> Response {
    let (Ok(device), Some(caller)) = (device(role, &uuid), owner(query.as_deref())) else {
        return empty(StatusCode::FORBIDDEN);
    };
    match server.store_image(device, &caller, image.into()).await {
        Ok(Stored::Stands) => empty(StatusCode::NO_CONTENT),
        Ok(Stored::Forbidden) => empty(StatusCode::FORBIDDEN),
        Ok(Stored::Malformed) => empty(StatusCode::BAD_REQUEST),
        Err(why) => unable("store image", &why),
    }
}

/// Reads an image back: 200, 403, 503.
async fn read_image(
    State(server): Server,
    Peer(role): Peer,
    Path(uuid): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let (Ok(device), Some(caller)) = (device(role, &uuid), owner(query.as_deref())) else {
        return empty(StatusCode::FORBIDDEN);
    };
    match server.read_image(device, &caller).await {
        Ok(Some(image)) => content("application/cbor", image),
        Ok(None) => empty(StatusCode::FORBIDDEN),
        Err(why) => unable("read image", &why),
    }
}

/// One page of the mirror: 200, 400, 503.
async fn list(State(server): Server, Peer(role): Peer, RawQuery(query): RawQuery) -> Response {
    if role != ServerRole::Registration {
        return empty(StatusCode::FORBIDDEN);
    }
    let after = match query.as_deref().unwrap_or_default() {
        "" => None,
        query => match query.strip_prefix("after=").and_then(|uuid| uuid.parse().ok()) {
            Some(uuid) => Some(uuid),
            None => return empty(StatusCode::BAD_REQUEST),
        },
    };
    match server.executor.run(ReadMirrors { after }).await {
        Ok(Ok(mirrors)) => {
            let message = |(device, owner): &(Uuid, _)| MirrorMessage {
                device: device.to_string(),
                owner: owner_message(owner),
            };
            json("list devices", StatusCode::OK, &mirrors.iter().map(message).collect::<Vec<_>>())
        }
        Ok(Err(bad)) => fault("list devices", &bad),
        Err(error) => not_run("list devices", &error),
    }
}
