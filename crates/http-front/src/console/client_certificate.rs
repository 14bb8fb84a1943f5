//! `/v1/clients/{name}/certificate`: the keys of certificates with which a client signs in over MQTT.

use std::sync::Arc;

use accounts::{AccountName, KeyPin, NotPinned, PIN_COUNT_MAX, PinClient};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::put;
use certificate::{CERTIFICATE, Leaf, pem_blocks};
use crypto::Provider;

use super::caller::Caller;
use super::problem::problem;
use super::{ClientWord, Console};
use crate::answer::{empty, fault, not_run};

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/v1/clients/{name}/certificate", put(set).delete(remove))
}

/// `PUT /v1/clients/{name}/certificate`, a body of PEM: 204, 404, 409, 422, 503.
async fn set(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path(name): Path<String>,
    bytes: Bytes,
) -> Response {
    match pins(&bytes, console.provider()) {
        Some(pins) => console.pin_client(&caller, &name, pins).await,
        None => problem("certificate-refused"),
    }
}

/// `DELETE /v1/clients/{name}/certificate`: 204, 404, 503.
async fn remove(State(console): State<Arc<Console>>, caller: Caller, Path(name): Path<String>) -> Response {
    console.pin_client(&caller, &name, Vec::new()).await
}

/// The keys of the certificates in a PEM text; `None` for what is no certificate, none, or too many. A private key
/// beside them is refused as well: it is nobody's but the client's.
fn pins(pem: &[u8], provider: &dyn Provider) -> Option<Vec<KeyPin>> {
    let blocks = pem_blocks(std::str::from_utf8(pem).ok()?).ok()?;
    if !(1..=PIN_COUNT_MAX).contains(&blocks.len()) {
        return None;
    }
    let pin = |block: &certificate::PemBlock| {
        let leaf = (block.label == CERTIFICATE).then(|| Leaf::from_der(block.der.expose()))?.ok()?;
        leaf.key_digest(provider).ok().map(KeyPin)
    };
    blocks.iter().map(pin).collect()
}

impl Console {
    async fn pin_client(&self, caller: &Caller, name: &str, pins: Vec<KeyPin>) -> Response {
        let Ok(name) = AccountName::from_typed(name) else { return problem("client-unknown") };
        let asked = caller.asked(self.executor().correlation());
        match self.executor().run(PinClient { name: name.clone(), pins, asked }).await {
            Ok(Ok(Ok(()))) => {
                self.tell_of_client(name.as_str(), ClientWord::Certificate);
                empty(StatusCode::NO_CONTENT)
            }
            Ok(Ok(Err(NotPinned::Unknown))) => problem("client-unknown"),
            Ok(Ok(Err(NotPinned::Taken))) => problem("certificate-taken"),
            Ok(Ok(Err(NotPinned::TooMany))) => problem("certificate-refused"),
            Ok(Err(why)) => fault("change client", &why),
            Err(error) => not_run("change client", &error),
        }
    }
}
