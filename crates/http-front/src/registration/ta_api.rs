//! What the bootstrap server asks of the registration server.
//!
//! Source: decisions G 29 and G 31 of the layouts.

use std::sync::Arc;

use assure_json::KeysMessage;
use authority::registration::{ReadOwner, SignBootstrapKeys};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use crypto::PublicKey;
use model::{ServerRole, Uuid};

use super::RegistrationServer;
use crate::answer::{content, empty, fault, not_run};
use crate::caller::Peer;
use crate::ta_client::owner_message;

/// The routes for the other servers of the authority.
pub fn ta_api(server: Arc<RegistrationServer>) -> Router {
    Router::new()
        .route("/ta/v1/devices/{uuid}/owner", get(read_owner))
        .route("/ta/v1/class3", post(sign_class_3))
        .with_state(server)
}

type Server = State<Arc<RegistrationServer>>;

/// `GetDeviceOwner`: 200, 404, 503.
async fn read_owner(State(server): Server, Peer(_): Peer, Path(uuid): Path<String>) -> Response {
    let Ok(device) = uuid.parse::<Uuid>() else { return empty(StatusCode::NOT_FOUND) };
    match server.executor.run(ReadOwner { device }).await {
        Ok(Ok(Some(owner))) => match serde_json::to_vec(&owner_message(&owner)) {
            Ok(json) => content("application/json", json),
            Err(error) => fault("read owner", &error),
        },
        Ok(Ok(None)) => empty(StatusCode::NOT_FOUND),
        Ok(Err(bad)) => fault("read owner", &bad),
        Err(error) => not_run("read owner", &error),
    }
}

/// Signs the bootstrap server's public keys as class 3: 200, 400, 403, 503.
async fn sign_class_3(State(server): Server, Peer(role): Peer, body: Bytes) -> Response {
    if role != ServerRole::Bootstrap {
        return empty(StatusCode::FORBIDDEN);
    }
    let Ok(message) = serde_json::from_slice::<KeysMessage>(&body) else {
        return empty(StatusCode::BAD_REQUEST);
    };
    let keys: Result<Vec<_>, _> = message.keys.iter().map(|spki| PublicKey::from_spki(spki)).collect();
    let Ok(public) = keys else { return empty(StatusCode::BAD_REQUEST) };
    let sign = SignBootstrapKeys { public, keys: server.keys.clone(), origin: server.origin("bootstrap") };
    match server.executor.run(sign).await {
        Ok(Some(keys)) => match serde_json::to_vec(&KeysMessage { keys }) {
            Ok(json) => content("application/json", json),
            Err(error) => fault("sign bootstrap keys", &error),
        },
        Ok(None) => empty(StatusCode::BAD_REQUEST),
        Err(error) => not_run("sign bootstrap keys", &error),
    }
}
