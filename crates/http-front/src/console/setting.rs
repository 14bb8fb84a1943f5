//! `/v1/settings`.

use std::sync::{Arc, PoisonError};

use accounts::{AuditMode, BadSettings, SetSettings, Settings};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Caller;
use super::problem::problem_because;
use super::{Console, body, json};
use crate::answer::{empty, fault, not_run};

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/v1/settings", get(show).put(set))
}

#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[schema(as = AuditMode)]
pub(super) enum AuditModeJson {
    #[serde(rename = "ring")]
    Ring,
    #[serde(rename = "stop-warn")]
    StopAndWarn,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Settings)]
pub(super) struct SettingsJson {
    idle_minutes: u8,
    lock_failures: u8,
    lock_minutes: u8,
    audit_mode: AuditModeJson,
    audit_limit_entries: u32,
    allowed_addresses: Vec<String>,
    audit_on: bool,
}

impl From<&Settings> for SettingsJson {
    fn from(settings: &Settings) -> Self {
        Self {
            idle_minutes: settings.idle_minutes,
            lock_failures: settings.lock_failures,
            lock_minutes: settings.lock_minutes,
            audit_mode: match settings.audit_mode {
                AuditMode::Ring => AuditModeJson::Ring,
                AuditMode::StopAndWarn => AuditModeJson::StopAndWarn,
            },
            audit_limit_entries: settings.audit_limit,
            allowed_addresses: settings.allowed.iter().map(ToString::to_string).collect(),
            audit_on: settings.audit_is_on,
        }
    }
}

impl SettingsJson {
    fn read(self) -> Option<Settings> {
        let allowed = self.allowed_addresses.iter().map(|text| text.parse().ok()).collect::<Option<_>>()?;
        Some(Settings {
            idle_minutes: self.idle_minutes,
            lock_failures: self.lock_failures,
            lock_minutes: self.lock_minutes,
            audit_mode: match self.audit_mode {
                AuditModeJson::Ring => AuditMode::Ring,
                AuditModeJson::StopAndWarn => AuditMode::StopAndWarn,
            },
            audit_limit: self.audit_limit_entries,
            allowed,
            audit_is_on: self.audit_on,
        })
    }
}

const fn sentence(bad: BadSettings) -> &'static str {
    match bad {
        BadSettings::IdleMinutes => "The idle time is 1 to 60 minutes.",
        BadSettings::LockFailures => "An account locks after 3 to 10 failures.",
        BadSettings::LockMinutes => "A lock lasts 5 to 60 minutes.",
        BadSettings::AuditLimit => "The audit log keeps 100 to 1,000,000 entries.",
        BadSettings::TooManyNetworks => "At most 64 networks can be allowed.",
        BadSettings::LocksOutTheCaller => "The list of allowed addresses leaves out your own.",
    }
}

/// `GET /v1/settings`: 200.
async fn show(State(console): State<Arc<Console>>) -> Response {
    let settings = console.settings();
    json("show settings", StatusCode::OK, &SettingsJson::from(&settings))
}

impl Console {
    /// As stored.
    pub(super) fn settings(&self) -> Settings {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// `PUT /v1/settings`: 204, 400, 422, 503.
async fn set(State(console): State<Arc<Console>>, caller: Caller, bytes: Bytes) -> Response {
    let wanted: SettingsJson = match body(&bytes) {
        Ok(wanted) => wanted,
        Err(refusal) => return refusal,
    };
    let Some(settings) = wanted.read() else {
        return problem_because("setting-refused", "An allowed address is no network, as 192.0.2.0/24 is.");
    };
    let _one_after_the_other = console.setting.lock().await;
    let asked = caller.asked(console.executor().correlation());
    match console.executor().run(SetSettings { settings: settings.clone(), asked }).await {
        Ok(Ok(Ok(()))) => {
            console.feed.follow(settings.audit_policy());
            *console.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
            empty(StatusCode::NO_CONTENT)
        }
        Ok(Ok(Err(bad))) => problem_because("setting-refused", sentence(bad)),
        Ok(Err(why)) => fault("set settings", &why),
        Err(error) => not_run("set settings", &error),
    }
}
