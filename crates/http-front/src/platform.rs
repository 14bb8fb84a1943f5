//! What every role offers its operator: the audit log.

use accounts::AuditEntry;
use authority::AUDIT;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use clock::Now;
use net::executor::Executor;
use serde::Serialize;
use store::{Batch, Decision, Operation, Range, ReadSet, Snapshot};
use utoipa::ToSchema;

use crate::answer::{content, empty, fault, not_run};
use crate::caller::Operator;

/// Entries per answer.
const PAGE: usize = 500;

/// The routes of the platform API that exist: `GET /v1/audit?after=<cursor>`.
pub fn platform_api(executor: Executor) -> Router {
    Router::new().route("/v1/audit", get(read_audit)).with_state(executor)
}

struct ReadAudit {
    after: Option<Vec<u8>>,
}

impl ReadAudit {
    fn range(&self) -> Range {
        Range { space: AUDIT, prefix: Vec::new(), after: self.after.clone(), limit: PAGE }
    }
}

impl Operation for ReadAudit {
    type Reply = AuditPage;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default().with_range(self.range())
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<AuditPage, ()> {
        let page = snapshot.page(&self.range());
        let entries = page.records.iter().filter_map(|(key, record)| {
            Some((model::hex(&key.name), AuditEntry::from_bytes(&record.value).ok()?))
        });
        let entries = entries.map(|(cursor, entry)| AuditLine::new(cursor, &entry)).collect();
        let reply = AuditPage { entries, more: page.more };
        Decision::Done { batch: Batch::default(), reply, effects: Vec::new() }
    }
}

/// One page of the audit log, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditPage {
    entries: Vec<AuditLine>,
    more: bool,
}

/// One entry; `cursor` continues after it.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(crate) struct AuditLine {
    pub(crate) cursor: String,
    pub(crate) unix_millis: u64,
    pub(crate) role: String,
    pub(crate) actor: String,
    pub(crate) operation: String,
    pub(crate) device: Option<String>,
    pub(crate) result: String,
    pub(crate) correlation: String,
    pub(crate) address: Option<String>,
}

impl AuditLine {
    pub(crate) fn new(cursor: String, entry: &AuditEntry) -> Self {
        Self {
            cursor,
            unix_millis: entry.at.as_unix_millis(),
            role: entry.role.clone(),
            actor: entry.actor.clone(),
            operation: entry.operation.clone(),
            device: entry.device.map(|device| device.to_string()),
            result: entry.result.clone(),
            correlation: entry.correlation.to_string(),
            address: entry.address.map(|address| address.to_string()),
        }
    }
}

/// `GET /v1/audit`: 200, 400, 503; for the operator alone.
async fn read_audit(State(executor): State<Executor>, _: Operator, RawQuery(query): RawQuery) -> Response {
    read_forward(&executor, query.as_deref()).await
}

/// A page from the oldest entry on, or behind the one that `after=` names.
pub(crate) async fn read_forward(executor: &Executor, query: Option<&str>) -> Response {
    let after = match query.unwrap_or_default() {
        "" => None,
        query => match query.strip_prefix("after=").map(model::bytes_from_hex) {
            Some(Ok(cursor)) => Some(cursor),
            Some(Err(_)) | None => return empty(StatusCode::BAD_REQUEST),
        },
    };
    match executor.run(ReadAudit { after }).await {
        Ok(page) => match serde_json::to_vec(&page) {
            Ok(json) => content("application/json", json),
            Err(error) => fault("read audit", &error),
        },
        Err(error) => not_run("read audit", &error),
    }
}
