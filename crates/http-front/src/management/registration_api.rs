//! The registration API.
//!
//! Source: aSSURE 11.2, 11.4; rulings A-ASSURE-86 to -89.

use std::sync::Arc;
use std::time::Duration;

use assure_json::StatusAnswer;
use assure_proto::{CaseId, PreciseTime};
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use crypto::{KeyKind, Secret};
use management::{DeviceView, ReadDevice, Registrant, Replace, Replacement};
use model::Uuid;
use serde::Serialize;

use super::ManagementServer;
use super::flow::Registered;
use super::registrar::{Registrar, unauthorized};
use crate::answer::{content, empty, fault, later, not_run};

/// How long a caller waits when nobody knows.
pub(super) const RETRY: Duration = Duration::from_secs(5);
/// RSA keys that one replacement may need: one per channel of a device.
const SPARE_KEY_COUNT_MAX: usize = 64;
/// Modulus of RSA keys that are issued to devices, in bits.
pub(super) const ISSUED_MODULUS_BITS: u16 = 2048;

pub(super) type Server = State<Arc<ManagementServer>>;

pub(super) fn routes() -> Router<Arc<ManagementServer>> {
    Router::new()
        .route("/v1/devices/{uuid}", post(register).get(super::platform::read_device))
        .route("/v1/devices/{uuid}/replace", post(replace))
        .route("/v1/devices/{uuid}/status", get(read_status))
        .route("/v1/devices/{uuid}/info", get(read_info))
        .route("/v1/timestamp", get(read_timestamp))
}

pub(super) fn json<T: Serialize>(what: &'static str, status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(json) => (status, content("application/json", json)).into_response(),
        Err(error) => fault(what, &error),
    }
}

/// The canonical case string of a query; `None` when there is none that could be right.
fn case_string(query: Option<&str>) -> Option<Secret> {
    let text = query?.strip_prefix("case_string=")?;
    let case = CaseId::from_typed(&text.replace("%20", " ").replace('+', " ")).ok()?;
    Some(Secret::from(case.case_string().as_bytes()))
}

/// `POST /v1/devices/{uuid}?case_string=`: 201, 401, 503.
async fn register(
    State(server): Server,
    Registrar(by): Registrar,
    Path(uuid): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let (Ok(device), Some(case_string)) = (uuid.parse::<Uuid>(), case_string(query.as_deref())) else {
        return unauthorized();
    };
    match server.register(device, &by, &case_string).await {
        Ok(Registered::Done) => empty(StatusCode::CREATED),
        Ok(Registered::Refused) => unauthorized(),
        Ok(Registered::Later(after)) => later(after.unwrap_or(RETRY)),
        Err(error) => not_run("register device", &error),
    }
}

impl ManagementServer {
    /// A fresh RSA key as PKCS#8, made where it holds up nobody.
    pub(super) async fn spare_rsa_key(&self) -> Option<Secret> {
        let (keys, seed) = (Arc::clone(&self.owner.keys), self.executor.bytes());
        let made = tokio::task::spawn_blocking(move || {
            let kind = KeyKind::Rsa { modulus_bits: ISSUED_MODULUS_BITS };
            let key = keys.provider.generate_key(kind, &mut clock::Dice::new(seed));
            key.and_then(|key| key.pkcs8()).ok()
        });
        made.await.ok().flatten()
    }
}

/// `POST /v1/devices/{uuid}/replace?uuid=`: 201, 401, 503.
async fn replace(
    State(server): Server,
    Registrar(by): Registrar,
    Path(old): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let new = query.as_deref().and_then(|query| query.strip_prefix("uuid=")?.parse::<Uuid>().ok());
    let (Ok(old), Some(new)) = (old.parse::<Uuid>(), new) else { return unauthorized() };
    let mut spare_rsa = Vec::new();
    loop {
        let replace = Replace {
            old,
            new,
            by: by.clone(),
            spare_rsa: spare_rsa.clone(),
            keys: Arc::clone(&server.owner.keys),
            origin: server.origin(&by),
        };
        match server.executor.run(replace).await {
            Ok(Ok(Replacement::Replaced)) => {
                (server.hooks.close_sessions)(old);
                (server.hooks.orders_wait)(None);
                server.hurry(old);
                return empty(StatusCode::CREATED);
            }
            Ok(Ok(Replacement::Forbidden)) => return unauthorized(),
            Ok(Ok(Replacement::NotYet)) => return later(RETRY),
            Ok(Ok(Replacement::NeedsRsaKey)) if spare_rsa.len() < SPARE_KEY_COUNT_MAX => {
                let Some(key) = server.spare_rsa_key().await else {
                    return fault("replace device", &"no RSA key could be made");
                };
                spare_rsa.push(key);
            }
            Ok(Ok(Replacement::NeedsRsaKey)) => return later(RETRY),
            Ok(Err(why)) => return fault("replace device", &why),
            Err(error) => return not_run("replace device", &error),
        }
    }
}

impl ManagementServer {
    /// The device, when `by` may see it; else the answer to give.
    async fn seen(&self, uuid: &str, by: Registrant) -> Result<DeviceView, Response> {
        let device = uuid.parse().map_err(|_| unauthorized())?;
        match self.executor.run(ReadDevice { device, by }).await {
            Ok(Ok(Some(view))) => Ok(view),
            Ok(Ok(None)) => Err(unauthorized()),
            Ok(Err(bad)) => Err(fault("read device", &bad)),
            Err(error) => Err(not_run("read device", &error)),
        }
    }
}

/// `GET /v1/devices/{uuid}/status`: 200, 401, 503.
async fn read_status(State(server): Server, Registrar(by): Registrar, Path(uuid): Path<String>) -> Response {
    match server.seen(&uuid, by).await {
        Ok(view) => json("read status", StatusCode::OK, &StatusAnswer::from(view.status)),
        Err(answer) => answer,
    }
}

/// `GET /v1/devices/{uuid}/info`: 200, 401, 503; before its first presence there is nothing to tell.
async fn read_info(State(server): Server, Registrar(by): Registrar, Path(uuid): Path<String>) -> Response {
    match server.seen(&uuid, by).await {
        Ok(view) => match view.info {
            Some(info) => json("read info", StatusCode::OK, &info_json(&info)),
            None => later(RETRY),
        },
        Err(answer) => answer,
    }
}

/// The JSON twin of what a device says of itself.
/// Source: aSSURE 11.2.4.
pub(super) fn info_json(info: &assure_proto::DeviceInfo) -> assure_json::DeviceInfo {
    let mac = info.mac_address.map(|mac| mac.map(|byte| format!("{byte:02x}")).join(":"));
    assure_json::DeviceInfo {
        device_id: info.device,
        device_mac_address: mac.unwrap_or_default(),
        device_manufacturer: info.device_manufacturer.clone(),
        device_product_code: info.device_product_code.clone(),
        device_serial_number: info.device_serial_number.clone(),
        device_build_date: info.device_build_date.clone(),
        software_manufacturer: info.software_manufacturer.clone(),
        software_product_code: info.software_product_code.clone(),
        software_version: info.software_version.clone(),
    }
}

/// `GET /v1/timestamp`: 200, 503.
async fn read_timestamp(State(server): Server) -> Response {
    let utc = server.executor.now().utc;
    match utc.and_then(PreciseTime::from_timestamp) {
        Some(time) => content("application/cbor", time.encode()),
        None => later(RETRY),
    }
}
