//! `POST /v1/claims`: a device is claimed by its label, or by its UUID and the string on its case.
//!
//! The caller names each claim; the same name is the same claim, under way or done, and never a second one
//! (the authority counts refused claims). Names are remembered for as long as this process runs; a claim that
//! is repeated after that is harmless, since the authority answers it as it did.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use assure_json::DeviceStatus;
use assure_proto::{CaseId, Label};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto::Secret;
use management::ReadDevice;
use model::Uuid;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Caller;
use super::problem::{problem, problem_because, problem_until};
use super::sign_in::Typed;
use super::{Console, body, json};
use crate::answer::{fault, not_run, to_its_end};
use crate::management::Registered;

/// Claims that are remembered; the oldest is forgotten first.
const CLAIM_COUNT_MAX: usize = 256;
/// How long a caller waits when nobody knows.
const RETRY: Duration = Duration::from_secs(5);

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/v1/claims", post(claim))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Claimed,
    Refused,
}

struct Remembered {
    by: String,
    request: Uuid,
    device: Uuid,
    /// `None`: under way.
    ended: Option<Ended>,
}

/// The claims of this run.
#[derive(Default)]
pub(super) struct Claims(Mutex<VecDeque<Remembered>>);

/// What is known of a claim before it is made.
enum Before {
    New,
    UnderWay,
    Ended(Ended),
    /// The name stands for another device.
    Other,
}

impl Claims {
    fn begin(&self, by: &str, request: Uuid, device: Uuid) -> Before {
        let mut claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match claims.iter().find(|claim| claim.request == request && claim.by == by) {
            Some(known) if known.device != device => Before::Other,
            Some(known) => known.ended.map_or(Before::UnderWay, Before::Ended),
            None => {
                if claims.len() == CLAIM_COUNT_MAX {
                    claims.pop_front();
                }
                claims.push_back(Remembered { by: by.to_owned(), request, device, ended: None });
                Before::New
            }
        }
    }

    /// `None`: it did not come to its end, and may be made again under the same name.
    fn end(&self, by: &str, request: Uuid, ended: Option<Ended>) {
        let mut claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match ended {
            Some(_) => {
                let known = claims.iter_mut().find(|claim| claim.request == request && claim.by == by);
                if let Some(known) = known {
                    known.ended = ended;
                }
            }
            None => claims.retain(|claim| claim.request != request || claim.by != by),
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Claim)]
pub(super) struct ClaimJson {
    device: Option<String>,
    #[schema(value_type = Option<String>)]
    case_string: Option<Typed>,
    /// The 36 bytes of a label, in Base64; in place of the two before.
    #[schema(value_type = Option<String>)]
    label: Option<Typed>,
    /// A fresh UUID: the same one is the same claim, never a second.
    request: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Claimed)]
pub(super) struct ClaimedJson {
    device: String,
}

impl ClaimJson {
    /// The device, its case id, and the name of the claim.
    fn read(self) -> Result<(Uuid, CaseId, Uuid), Response> {
        let unreadable = || problem("request-unreadable");
        let request = self.request.parse().map_err(|_| unreadable())?;
        match (self.device, self.case_string, self.label) {
            (Some(device), Some(case), None) => {
                let text = std::str::from_utf8(case.0.expose()).map_err(|_| unreadable())?;
                let case = CaseId::from_typed(text).map_err(|_| {
                    problem_because(
                        "request-unreadable",
                        "The case string is not 32 characters of 0-9 and a-f.",
                    )
                })?;
                Ok((device.parse().map_err(|_| unreadable())?, case, request))
            }
            (None, None, Some(label)) => {
                let bytes = STANDARD.decode(label.0.expose()).map(Secret::new).map_err(|_| unreadable())?;
                let label = Label::decode(bytes.expose())
                    .map_err(|_| problem_because("request-unreadable", "This is no device label."))?;
                Ok((label.device, label.case_id, request))
            }
            _ => Err(unreadable()),
        }
    }
}

/// `POST /v1/claims`: 201, 202, 400, 403, 409, 503.
async fn claim(State(console): State<Arc<Console>>, caller: Caller, bytes: Bytes) -> Response {
    let (device, case, request) = match body::<ClaimJson>(&bytes).and_then(ClaimJson::read) {
        Ok(asked) => asked,
        Err(refusal) => return refusal,
    };
    let by = caller.name().to_owned();
    match console.claims.begin(&by, request, device) {
        Before::New => {}
        Before::UnderWay => return problem("claim-on-its-way"),
        Before::Ended(ended) => return answer(device, ended),
        Before::Other => return problem("request-unreadable"),
    }
    // Half a claim would be neither made nor refused: it ends also when the caller hangs up.
    to_its_end(async move {
        let (response, ended) = console.claim(&caller, device, &case).await;
        console.claims.end(&by, request, ended);
        response
    })
    .await
}

fn answer(device: Uuid, ended: Ended) -> Response {
    match ended {
        Ended::Claimed => {
            json("claim device", StatusCode::CREATED, &ClaimedJson { device: device.to_string() })
        }
        Ended::Refused => problem("claim-refused"),
    }
}

const fn is_ours(status: DeviceStatus) -> bool {
    !matches!(
        status,
        DeviceStatus::Unknown
            | DeviceStatus::Registered
            | DeviceStatus::OwnershipRefused
            | DeviceStatus::Replaced
            | DeviceStatus::Released
    )
}

impl Console {
    async fn claim(&self, caller: &Caller, device: Uuid, case: &CaseId) -> (Response, Option<Ended>) {
        let by = caller.registrant();
        match self.executor().run(ReadDevice { device, by: by.clone() }).await {
            Ok(Ok(Some(view))) if is_ours(view.status) => return (problem("already-yours"), None),
            Ok(Ok(_)) => {}
            Ok(Err(bad)) => return (fault("claim device", &bad), None),
            Err(error) => return (not_run("claim device", &error), None),
        }
        let case_string = Secret::from(case.case_string().as_bytes());
        match self.server.register(device, &by, &case_string).await {
            Ok(Registered::Done) => (answer(device, Ended::Claimed), Some(Ended::Claimed)),
            Ok(Registered::Refused) => (answer(device, Ended::Refused), Some(Ended::Refused)),
            Ok(Registered::Later(Some(after))) => (problem_until("claim-limit", after), None),
            Ok(Registered::Later(None)) => (problem_until("try-later", RETRY), None),
            Err(error) => (not_run("claim device", &error), None),
        }
    }
}
