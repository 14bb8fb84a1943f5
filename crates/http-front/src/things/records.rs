//! What the load balancer has on record of a smart device, for the owner of its thing.
//!
//! `GET|POST /things/{id}/record`, `POST|DELETE /things/{id}/record/window`,
//! `PUT|DELETE /things/{id}/record/block`, `PUT /things/{id}/record/code`, `PUT|DELETE /things/{id}/record/compat`,
//! `GET /v1/models`.
//!
//! A code comes in as it is typed and is stretched here, away from what answers other calls; it is neither
//! stored nor written anywhere, and a caller who would rather stretch it elsewhere sends what came of it.
//! Source: OSAP secure profile sections 5 and 8; ADR 0310.

use std::sync::Arc;

use admission::{Credentials, NoCredential};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post, put};
use crypto::{Curve, Provider, PublicKey, Secret};
use hub_desk::{RecordChange, RecordRefusal};
use model::Uuid;
use osap_proto::compat::CodeKeys;
use osap_proto::{CodeRecord, Kdf, Realm, Serial, StretchedCode};
use osap_things::LabelCode;

use super::record_bodies::{CodeJson, CompatJson, EnrolmentJson, ModelsJson, NewCodeJson, RecordJson};
use super::{hub_caller, refusals, thing_id};
use crate::answer::{fault, later};
use crate::console::caller::Caller;
use crate::console::problem::{problem, problem_because};
use crate::console::sign_in::Typed;
use crate::console::{Console, body, json};

/// Codes and licences of old devices have this many characters at most.
const OLD_CODE_SIZE_MAX: usize = 47;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/things/{id}/record", get(show).post(enrol))
        .route("/things/{id}/record/window", post(open_window).delete(close_window))
        .route("/things/{id}/record/block", put(block).delete(unblock))
        .route("/things/{id}/record/code", put(set_code))
        .route("/things/{id}/record/compat", put(allow_compat).delete(forbid_compat))
        .route("/v1/models", get(models))
}

/// The answer to a refusal.
pub(super) fn answer(why: RecordRefusal) -> Response {
    match why {
        RecordRefusal::Thing(why) => refusals::answer(why),
        RecordRefusal::NoRecord => problem("not-on-record"),
        RecordRefusal::Recorded => problem("on-record-already"),
        RecordRefusal::ProvenBetter => problem("proven-better"),
        RecordRefusal::Credential(why) => problem_because(
            "enrolment-refused",
            match why {
                NoCredential::None => "it holds no code, no pre-shared key and no public key",
                NoCredential::PskSize => "a pre-shared key has 16 to 64 bytes",
                NoCredential::KeyKind => "the public key is not on P-256",
            },
        ),
    }
}

/// `GET /things/{id}/record`: 200, 404, 503.
async fn show(State(console): State<Arc<Console>>, caller: Caller, Path(id): Path<String>) -> Response {
    let shown = async {
        let thing = thing_id(&id)?;
        console.desk().record(hub_caller(&caller), thing).await.map_err(answer)
    };
    match shown.await {
        Ok(record) => json("show record", StatusCode::OK, &RecordJson::from(record)),
        Err(response) => response,
    }
}

/// `POST /things/{id}/record`: 200, 400, 404, 409, 422, 503.
async fn enrol(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Response {
    match console.enrol(&caller, &id, &bytes).await {
        Ok(response) | Err(response) => response,
    }
}

/// `POST /things/{id}/record/window`: 200, 404, 503.
async fn open_window(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Response {
    console.change_record(&caller, &id, RecordChange::OpenWindow).await
}

/// `DELETE /things/{id}/record/window`: 200, 404, 503.
async fn close_window(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Response {
    console.change_record(&caller, &id, RecordChange::CloseWindow).await
}

/// `PUT /things/{id}/record/block`: 200, 404, 503.
async fn block(State(console): State<Arc<Console>>, caller: Caller, Path(id): Path<String>) -> Response {
    console.change_record(&caller, &id, RecordChange::Block).await
}

/// `DELETE /things/{id}/record/block`: 200, 404, 503.
async fn unblock(State(console): State<Arc<Console>>, caller: Caller, Path(id): Path<String>) -> Response {
    console.change_record(&caller, &id, RecordChange::Unblock).await
}

/// `PUT /things/{id}/record/code`: 200, 400, 404, 409, 422, 503.
async fn set_code(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Response {
    match console.set_code(&caller, &id, &bytes).await {
        Ok(response) | Err(response) => response,
    }
}

/// `PUT /things/{id}/record/compat`: 200, 400, 404, 409, 422, 503.
async fn allow_compat(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Response {
    match console.allow_compat(&caller, &id, &bytes).await {
        Ok(response) | Err(response) => response,
    }
}

/// `DELETE /things/{id}/record/compat`: 200, 404, 503.
async fn forbid_compat(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Response {
    console.change_record(&caller, &id, RecordChange::ForbidCompat).await
}

/// `GET /v1/models`: 200.
async fn models(State(console): State<Arc<Console>>, _: Caller) -> Response {
    json("list models", StatusCode::OK, &ModelsJson::new(console.realm(), console.models()))
}

/// Bytes of a member that holds hexadecimal text.
fn bytes_of(member: &Typed) -> Option<Secret> {
    let text = std::str::from_utf8(member.0.expose()).ok()?;
    model::bytes_from_hex(text.trim()).ok().map(Secret::new)
}

fn unreadable(what: &str) -> Response {
    problem_because("enrolment-refused", what)
}

fn code_record(code: &CodeJson, own: &Realm, provider: &dyn Provider) -> Result<CodeRecord, Response> {
    if code.realm.as_ref().is_some_and(|realm| realm.as_bytes() != own.as_bytes()) {
        return Err(unreadable("the code was stretched for another realm than this load balancer has"));
    }
    let kdf = Kdf::from_number(code.kdf).ok_or_else(|| unreadable("kdf is 1 or 2"))?;
    let w0 = bytes_of(&code.w0).filter(|w0| w0.len() == 32);
    let w0 = w0.ok_or_else(|| unreadable("w0 has 32 bytes in hexadecimal text"))?;
    let point = model::bytes_from_hex(&code.l).ok();
    let point = point.and_then(|bytes| PublicKey::from_point(Curve::P256, &bytes).ok());
    let point = point.filter(|point| provider.check_key(point).is_ok());
    let point_l = point.ok_or_else(|| unreadable("l is a point on P-256 in hexadecimal text"))?;
    Ok(CodeRecord { w0, point_l, kdf })
}

impl Console {
    /// What the enrolment of a device comes to.
    pub(super) async fn credentials(
        &self,
        serial: &Serial,
        enrolment: EnrolmentJson,
    ) -> Result<Credentials, Response> {
        let realm = self.realm().ok_or_else(|| problem("no-load-balancer"))?;
        let code = match (enrolment.code, enrolment.record) {
            (Some(_), Some(_)) => return Err(unreadable("it has a code, or what came of it, not both")),
            (Some(code), None) => Some(self.stretched(serial, &code).await?),
            (None, Some(record)) => Some(code_record(&record, realm, self.provider())?),
            (None, None) => None,
        };
        let psk = match enrolment.psk {
            Some(psk) => Some(bytes_of(&psk).ok_or_else(|| unreadable("psk is no hexadecimal text"))?),
            None => None,
        };
        let device_key = match enrolment.key {
            Some(text) => {
                let bytes = model::bytes_from_hex(&text).ok();
                let key = bytes.and_then(|bytes| PublicKey::from_spki(&bytes).ok());
                let key = key.filter(|key| self.provider().check_key(key).is_ok());
                let what = "key is no SubjectPublicKeyInfo in hexadecimal text";
                Some(key.ok_or_else(|| unreadable(what))?)
            }
            None => None,
        };
        let credentials = Credentials { code, psk, device_key };
        credentials.check().map_err(|why| answer(RecordRefusal::Credential(why)))?;
        Ok(credentials)
    }

    /// What the load balancer verifies a code by.
    async fn stretched(&self, serial: &Serial, code: &Typed) -> Result<CodeRecord, Response> {
        let realm = self.realm().ok_or_else(|| problem("no-load-balancer"))?.clone();
        let text = std::str::from_utf8(code.0.expose()).unwrap_or_default();
        let code = LabelCode::parse(text).map_err(|_| problem("code-refused"))?;
        let (provider, serial) = (self.provider_handle(), serial.clone());
        let work = move || {
            let code = Secret::from(&code.as_bytes()[..]);
            StretchedCode::of_label(&*provider, &code, &serial, &realm, Kdf::Scrypt)
        };
        match self.passwords().in_turn(work).await {
            Some(Ok((_, record))) => Ok(record),
            Some(Err(why)) => Err(fault("stretch a code", &why)),
            None => Err(later(std::time::Duration::from_secs(1))),
        }
    }

    /// The serial of a thing's device.
    async fn serial_of(&self, caller: &Caller, thing: Uuid) -> Result<Serial, Response> {
        self.desk().serial_of(hub_caller(caller), thing).await.map_err(answer)
    }

    async fn enrol(&self, caller: &Caller, id: &str, bytes: &[u8]) -> Result<Response, Response> {
        let thing = thing_id(id)?;
        let enrolment: EnrolmentJson = body(bytes)?;
        let serial = self.serial_of(caller, thing).await?;
        let credentials = self.credentials(&serial, enrolment).await?;
        Ok(self.change_record(caller, id, RecordChange::Enrol(credentials)).await)
    }

    async fn set_code(&self, caller: &Caller, id: &str, bytes: &[u8]) -> Result<Response, Response> {
        let thing = thing_id(id)?;
        let wanted: NewCodeJson = body(bytes)?;
        let realm = self.realm().ok_or_else(|| problem("no-load-balancer"))?;
        let record = match (wanted.code, wanted.record) {
            (Some(code), None) => {
                let serial = self.serial_of(caller, thing).await?;
                self.stretched(&serial, &code).await?
            }
            (None, Some(record)) => code_record(&record, realm, self.provider())?,
            (Some(_), Some(_)) | (None, None) => {
                return Err(unreadable("it has a code, or what came of it"));
            }
        };
        Ok(self.change_record(caller, id, RecordChange::Code(record)).await)
    }

    async fn allow_compat(&self, caller: &Caller, id: &str, bytes: &[u8]) -> Result<Response, Response> {
        let thing = thing_id(id)?;
        let wanted: CompatJson = body(bytes)?;
        let keys = match (wanted.code, wanted.keys) {
            (Some(code), None) => {
                let serial = self.serial_of(caller, thing).await?;
                self.old_keys(serial, &code).await?
            }
            (None, Some(keys)) => {
                let keys = bytes_of(&keys).and_then(|bytes| CodeKeys::from_bytes(&bytes));
                keys.ok_or_else(|| unreadable("keys are 64 bytes in hexadecimal text"))?
            }
            (Some(_), Some(_)) | (None, None) => return Err(unreadable("it has a code, or its keys")),
        };
        Ok(self.change_record(caller, id, RecordChange::AllowCompat(keys)).await)
    }

    /// What a code comes to in the old protocol: one of our labels, or what stands on an old device.
    async fn old_keys(&self, serial: Serial, code: &Typed) -> Result<CodeKeys, Response> {
        let text = std::str::from_utf8(code.0.expose()).unwrap_or_default().trim();
        let is_old =
            (1..=OLD_CODE_SIZE_MAX).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_graphic());
        let code = match LabelCode::parse(text) {
            Ok(label) => Secret::from(&label.as_bytes()[..]),
            Err(_) if is_old => Secret::from(text.as_bytes()),
            Err(_) => return Err(problem("code-refused")),
        };
        let provider = self.provider_handle();
        let work = move || CodeKeys::of_code(&*provider, &code, &serial);
        self.passwords().in_turn(work).await.ok_or_else(|| later(std::time::Duration::from_secs(1)))
    }

    async fn change_record(&self, caller: &Caller, id: &str, change: RecordChange) -> Response {
        let changed = async {
            let thing = thing_id(id)?;
            self.desk().change_record(hub_caller(caller), thing, change).await.map_err(answer)
        };
        match changed.await {
            Ok(record) => json("change record", StatusCode::OK, &RecordJson::from(record)),
            Err(response) => response,
        }
    }
}
