//! The manufacturer API, as the maker gateway serves it.
//!
//! Source: aSSURE 9.2, 14.1.

use std::sync::Arc;

use assure_proto::ParameterSet;
use authority::registration::{
    CreateDevice, Created, OperationId, ReadParameterSet, RemoveDevice, SetStored, StoreParameterSet,
    SubmitRecord,
};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use crypto::{HashAlgorithm, Provider};
use model::Uuid;

use super::RegistrationServer;
use crate::answer::{content, empty, fault, not_run, to_its_end};
use crate::caller::Maker;

/// Longest ECIES blob: the longest record with its signature, a point, a block of padding and a tag.
const BLOB_LENGTH_MAX: usize = 17 * 1024;

/// The routes of the maker gateway.
pub fn maker_api(server: Arc<RegistrationServer>) -> Router {
    Router::new()
        .route("/v1/devices/{uuid}", put(upload))
        .route("/v1/parametersets", post(create_set))
        .route("/v1/parametersets/{uuid}", get(read_set).put(replace_set))
        .with_state(server)
}

type Server = State<Arc<RegistrationServer>>;

/// `PUT /v1/devices/{uuid}`: 201, 403, 503; 400 for a URI or body that cannot be one.
async fn upload(
    State(server): Server,
    Maker(maker): Maker,
    Path(uuid): Path<String>,
    blob: Bytes,
) -> Response {
    let Ok(device) = uuid.parse::<Uuid>() else { return empty(StatusCode::BAD_REQUEST) };
    if blob.is_empty() || blob.len() > BLOB_LENGTH_MAX {
        return empty(StatusCode::BAD_REQUEST);
    }
    to_its_end(create_and_submit(server, device, maker, blob)).await
}

/// The upload itself: entries on both servers, then the file. What fails before the file is taken back.
async fn create_and_submit(
    server: Arc<RegistrationServer>,
    device: Uuid,
    maker: Uuid,
    blob: Bytes,
) -> Response {
    let operation = upload_name(&*server.keys.provider, device, maker, &blob);
    let origin = server.origin(maker.to_string());
    let create = CreateDevice { device, maker, operation, origin };
    match server.executor.run(create).await {
        Ok(Ok(Created::Stands)) => {}
        Ok(Ok(Created::Exists)) => return empty(StatusCode::FORBIDDEN),
        Ok(Err(bad)) => return fault("create device", &bad),
        Err(error) => return not_run("create device", &error),
    }
    if let Err(refusal) = server.submit(device, maker, operation, blob).await {
        server.undo(device, maker, operation).await;
        return refusal;
    }
    let flush = server.flush_outbox.clone();
    match tokio::task::spawn_blocking(move || flush()).await {
        Ok(Ok(())) => empty(StatusCode::CREATED),
        // The file stays in the outbox and goes with the next upload or start. Its entries stay with it: the
        // identity server issues a device once, and what it issued must find them.
        Ok(Err(why)) => fault("write the file", &why),
        Err(error) => fault("write the file", &error),
    }
}

/// The name of an upload, the same whenever this maker brings this record: one that was cut between the two
/// servers, by a loss of power or of an answer, is driven on when it is brought again.
fn upload_name(provider: &dyn Provider, device: Uuid, maker: Uuid, blob: &[u8]) -> OperationId {
    let record = provider.digest(HashAlgorithm::Sha256, &[blob]);
    let parts: [&[u8]; 4] = [UPLOAD_LABEL, &maker.0, &device.0, record.as_ref()];
    let name = provider.digest(HashAlgorithm::Sha256, &parts).first_32();
    OperationId(*name.first_chunk().expect("a name is the beginning of a longer hash"))
}

/// Separates names of uploads from other hashes.
const UPLOAD_LABEL: &[u8] = b"thingstead upload";

impl RegistrationServer {
    /// The entry on the other server and the file for the identity server in the outbox.
    async fn submit(
        &self,
        device: Uuid,
        maker: Uuid,
        operation: OperationId,
        blob: Bytes,
    ) -> Result<(), Response> {
        let made = self.bootstrap.create_device(device, operation).await;
        match made.map_err(|error| fault("create device on the bootstrap server", &error))? {
            true => {}
            false => return Err(empty(StatusCode::FORBIDDEN)),
        }
        let submit = SubmitRecord {
            device,
            maker,
            operation,
            blob: blob.into(),
            me: self.gap.clone(),
            identity: self.identity.clone(),
            provider: self.keys.provider.clone(),
            seed: self.executor.bytes(),
        };
        match self.executor.run(submit).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(fault("submit record", &"the entry is gone")),
            Ok(Err(error)) => Err(fault("submit record", &error)),
            Err(error) => Err(not_run("submit record", &error)),
        }
    }

    /// Takes the upload back on both servers (ruling A-ASSURE-109); what cannot be reached now stands as
    /// "exists, not ready" and is freed by the identity server's rejection.
    async fn undo(&self, device: Uuid, maker: Uuid, operation: OperationId) {
        let origin = self.origin(maker.to_string());
        let remove = RemoveDevice { device, operation: Some(operation), reason: "failed", origin };
        match self.executor.run(remove).await {
            // Another try of the same upload was taken in the meantime, and needs both entries.
            Ok(Ok(false)) => return,
            Ok(Ok(true)) => {}
            Ok(Err(error)) => tracing::warn!(?error, %device, "an upload could not be taken back"),
            Err(error) => tracing::warn!(?error, %device, "an upload could not be taken back"),
        }
        if let Err(error) = self.bootstrap.remove_device(device, operation).await {
            tracing::warn!(%error, %device, "an upload could not be taken back on the bootstrap server");
        }
    }

    async fn store_set(
        &self,
        set: Uuid,
        replaces: bool,
        maker: Uuid,
        bytes: Bytes,
    ) -> Result<SetStored, Response> {
        if ParameterSet::decode(&bytes).is_err() {
            return Err(empty(StatusCode::BAD_REQUEST));
        }
        let origin = self.origin(maker.to_string());
        let store = StoreParameterSet { set, replaces, maker, bytes: bytes.into(), origin };
        match self.executor.run(store).await {
            Ok(Ok(stored)) => Ok(stored),
            Ok(Err(bad)) => Err(fault("store parameter set", &bad)),
            Err(error) => Err(not_run("store parameter set", &error)),
        }
    }
}

/// `POST /v1/parametersets`: 201 with the UUID as text, 400, 503.
async fn create_set(State(server): Server, Maker(maker): Maker, bytes: Bytes) -> Response {
    let set = Uuid::v4(server.executor.bytes());
    match server.store_set(set, false, maker, bytes).await {
        Ok(SetStored::Stands) => {
            let mut response = (StatusCode::CREATED, set.to_string()).into_response();
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            response
        }
        // A fresh UUID that is taken: the caller repeats.
        Ok(SetStored::Forbidden) => fault("store parameter set", &"the id is taken"),
        Err(refusal) => refusal,
    }
}

/// `PUT /v1/parametersets/{uuid}`: 201 with an empty body, 400, 403, 503.
async fn replace_set(
    State(server): Server,
    Maker(maker): Maker,
    Path(uuid): Path<String>,
    bytes: Bytes,
) -> Response {
    let Ok(set) = uuid.parse() else { return empty(StatusCode::FORBIDDEN) };
    match server.store_set(set, true, maker, bytes).await {
        Ok(SetStored::Stands) => empty(StatusCode::CREATED),
        Ok(SetStored::Forbidden) => empty(StatusCode::FORBIDDEN),
        Err(refusal) => refusal,
    }
}

/// `GET /v1/parametersets/{uuid}`: 200, 403.
async fn read_set(State(server): Server, Maker(maker): Maker, Path(uuid): Path<String>) -> Response {
    let Ok(set) = uuid.parse() else { return empty(StatusCode::FORBIDDEN) };
    match server.executor.run(ReadParameterSet { set, maker }).await {
        Ok(Ok(Some(bytes))) => content("application/cbor", bytes),
        Ok(Ok(None)) => empty(StatusCode::FORBIDDEN),
        Ok(Err(bad)) => fault("read parameter set", &bad),
        Err(error) => not_run("read parameter set", &error),
    }
}
