//! `/v1/risks`: what an administrator should know of, as far as this server truly knows it.
//!
//! A risk that somebody accepted stays in the list, with who, until when and why.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use accounts::{AUDIT, AcceptRisk, AuditEntry, AuditMode, ListAccounts, ReadAcceptances, Role};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, put};
use clock::Timestamp;
use serde::{Deserialize, Serialize};
use store::Range;
use utoipa::ToSchema;

use super::caller::Caller;
use super::feed::Feed;
use super::problem::{problem, problem_because};
use super::{Console, body, json};
use crate::answer::{empty, fault, not_run};

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1000;
/// Failed sign-ins within a day that are a risk.
const FAILED_COUNT: usize = 10;
/// Entries of the audit log that are looked at for them.
const LOOK_COUNT_MAX: usize = 2000;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/v1/risks", get(list)).route("/v1/risks/{id}/acceptance", put(accept))
}

/// How soon something is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Act,
    Soon,
    Know,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Risk)]
pub(super) struct RiskJson {
    id: String,
    level: Level,
    code: &'static str,
    since_unix_millis: u64,
    device: Option<String>,
    who: Option<String>,
    detail: String,
    accepted: Option<AcceptedJson>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RiskAcceptance)]
pub(super) struct AcceptedJson {
    by: String,
    until_unix_millis: u64,
    reason: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Risks)]
pub(super) struct RisksJson {
    risks: Vec<RiskJson>,
}

/// Since when this run has seen each risk.
#[derive(Default)]
pub(super) struct Seen(Mutex<BTreeMap<String, u64>>);

/// A risk as it is found.
struct Found {
    id: String,
    level: Level,
    code: &'static str,
    who: Option<String>,
    detail: String,
    /// When that began, where it is known.
    since: Option<u64>,
}

impl Found {
    fn new(level: Level, code: &'static str, detail: impl Into<String>) -> Self {
        Self { id: code.to_owned(), level, code, who: None, detail: detail.into(), since: None }
    }
}

/// A certificate of this server, and its end.
#[derive(Clone, Debug)]
pub struct WatchedCertificate {
    /// What it is for, as one word.
    pub purpose: &'static str,
    /// Its last moment.
    pub ends: Timestamp,
}

/// A mode that is switched on though it is not secure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InsecureMode {
    /// One word of its own.
    pub name: &'static str,
    /// What it lets others do, in a sentence.
    pub effect: &'static str,
}

fn of_mode(mode: &InsecureMode) -> Found {
    let found = Found::new(Level::Soon, "insecure-mode", mode.effect);
    Found { id: format!("insecure-mode-{}", mode.name), ..found }
}

fn of_certificate(certificate: &WatchedCertificate, now: u64) -> Option<Found> {
    let ends = certificate.ends.as_unix_millis();
    let left = ends.saturating_sub(now);
    let level = match left / DAY_MILLIS {
        0 => Level::Act,
        1..7 => Level::Soon,
        7..30 => Level::Know,
        _ => return None,
    };
    let detail = format!("The certificate for {} ends in {} days.", certificate.purpose, left / DAY_MILLIS);
    let mut found = Found::new(level, "certificate-ends", detail);
    found.id = format!("certificate-ends-{}", certificate.purpose);
    found.since = Some(ends.saturating_sub(30 * DAY_MILLIS));
    Some(found)
}

/// What stands in the log about failed sign-ins of the last day: how many, how many locks, the last address.
#[derive(Default)]
struct Failures {
    count: usize,
    locks: usize,
    first: Option<u64>,
    from: Option<String>,
}

/// Reads the log, which may block.
fn failures(feed: &Feed, now: u64) -> Option<Failures> {
    let range = Range { space: AUDIT, prefix: Vec::new(), after: None, limit: LOOK_COUNT_MAX };
    let page = feed.table().scan_back(&range).ok()?;
    let entries = page.records.iter().filter_map(|(_, record)| AuditEntry::from_bytes(&record.value).ok());
    let mut failures = Failures::default();
    for entry in entries.take_while(|entry| entry.at.as_unix_millis() + DAY_MILLIS > now) {
        if entry.operation == "login" && matches!(entry.result.as_str(), "refused" | "locked") {
            failures.count += 1;
            failures.locks += usize::from(entry.result == "locked");
            failures.first = Some(entry.at.as_unix_millis());
            let from = entry.address.map(|address| address.to_string());
            failures.from = failures.from.take().or(from);
        }
    }
    Some(failures)
}

impl Console {
    /// Everything that is found now.
    async fn found(&self) -> Option<Vec<Found>> {
        let Some(now) = self.executor().now().utc.map(Timestamp::as_unix_millis) else {
            let detail = "Nothing that needs the time works: sign-in, claims, bootstrap images.";
            return Some(vec![Found::new(Level::Act, "clock-unknown", detail)]);
        };
        let mut found: Vec<Found> =
            self.certificates.iter().filter_map(|certificate| of_certificate(certificate, now)).collect();
        found.extend(self.insecure.iter().map(of_mode));
        let (kept, policy) = self.feed.audit();
        if !policy.is_on {
            let detail = "What people do is not recorded.";
            found.push(Found::new(Level::Act, "audit-off", detail));
        } else if policy.mode == AuditMode::StopAndWarn && kept >= u64::from(policy.limit) {
            let detail = format!("All {} entries are used; nothing more is recorded.", policy.limit);
            found.push(Found::new(Level::Act, "audit-full", detail));
        } else if policy.warns(kept) {
            let detail = format!("{kept} of {} entries are used.", policy.limit);
            found.push(Found::new(Level::Soon, "audit-filling", detail));
        }
        let feed = Arc::clone(&self.feed);
        let failures = tokio::task::spawn_blocking(move || failures(&feed, now)).await.ok().flatten();
        if let Some(failures) = failures.filter(|it| it.count >= FAILED_COUNT || it.locks > 0) {
            let detail = format!("{} sign-ins failed within a day.", failures.count);
            let mut risk = Found::new(Level::Soon, "sign-ins-failed", detail);
            (risk.who, risk.since) = (failures.from, failures.first);
            found.push(risk);
        }
        let people = self.executor().run(ListAccounts).await.ok()?.ok()?;
        let administrators = people.iter().filter(|it| it.role == Role::Administrator && !it.is_locked);
        if administrators.count() == 1 {
            let detail = "There is one administrator: if that password is lost, a new link must be made on the server.";
            found.push(Found::new(Level::Know, "one-administrator", detail));
        }
        Some(found)
    }

    /// The risks of now, most urgent first; `None` when they cannot be told.
    pub(super) async fn risks(self: &Arc<Self>) -> Option<Vec<RiskJson>> {
        let found = self.found().await?;
        let now = self.executor().now().utc.map_or(0, Timestamp::as_unix_millis);
        let accepted = self.executor().run(ReadAcceptances).await;
        let accepted = accepted.ok().and_then(Result::ok).unwrap_or_default();
        let mut seen = self.risks_seen.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|id, _| found.iter().any(|risk| risk.id == *id));
        let json = |risk: Found| {
            let since = *seen.entry(risk.id.clone()).or_insert(risk.since.unwrap_or(now));
            let acceptance = accepted.iter().find(|(id, _)| *id == risk.id).map(|(_, held)| AcceptedJson {
                by: held.by.clone(),
                until_unix_millis: held.until_unix_millis,
                reason: held.reason.clone(),
            });
            RiskJson {
                id: risk.id,
                level: risk.level,
                code: risk.code,
                since_unix_millis: since,
                device: None,
                who: risk.who,
                detail: risk.detail,
                accepted: acceptance,
            }
        };
        let mut risks: Vec<RiskJson> = found.into_iter().map(json).collect();
        risks.sort_by_key(|risk| (risk.accepted.is_some(), risk.level as u8));
        Some(risks)
    }
}

/// `GET /v1/risks`: 200, 503.
async fn list(State(console): State<Arc<Console>>, _: Caller) -> Response {
    match console.risks().await {
        Some(risks) => json("list risks", StatusCode::OK, &RisksJson { risks }),
        None => fault("list risks", &"accounts cannot be read"),
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRiskAcceptance)]
pub(super) struct AcceptJson {
    until_unix_millis: u64,
    reason: String,
}

/// `PUT /v1/risks/{id}/acceptance`: 204, 400, 404, 422, 503; only a risk that there is.
async fn accept(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Response {
    let asked: AcceptJson = match body(&bytes) {
        Ok(asked) => asked,
        Err(refusal) => return refusal,
    };
    if asked.reason.trim().is_empty() {
        return problem_because("setting-refused", "A risk is accepted for a reason.");
    }
    let there = console.risks().await;
    if !there.is_some_and(|risks| risks.iter().any(|risk| risk.id == id)) {
        return problem("not-here");
    }
    let until = Timestamp::from_unix_millis(asked.until_unix_millis);
    let by = caller.asked(console.executor().correlation());
    match console.executor().run(AcceptRisk { id, until, reason: asked.reason, asked: by }).await {
        Ok(Ok(())) => empty(StatusCode::NO_CONTENT),
        Ok(Err(why)) => fault("accept risk", &why),
        Err(error) => not_run("accept risk", &error),
    }
}
