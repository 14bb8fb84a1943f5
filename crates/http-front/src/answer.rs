//! Answers that several APIs share.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use core::time::Duration;
use store::RunError;

/// How long to wait after a fault of ours.
const RETRY_AFTER_FAULT: Duration = Duration::from_secs(5);

/// An empty answer.
pub(crate) fn empty(status: StatusCode) -> Response {
    status.into_response()
}

/// 503 with the time to wait.
pub(crate) fn later(after: Duration) -> Response {
    let secs = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs.max(1)));
    response
}

/// 503 for anything that is our fault; it is logged here, once.
pub(crate) fn fault(what: &'static str, why: &dyn std::fmt::Debug) -> Response {
    tracing::error!(what, ?why, "cannot serve");
    later(RETRY_AFTER_FAULT)
}

/// 503 for an operation that did not reach its commit.
pub(crate) fn not_run(what: &'static str, error: &RunError) -> Response {
    match error {
        RunError::Busy => later(Duration::from_secs(1)),
        RunError::Full | RunError::OutcomeUnknown(_) | RunError::Unavailable(_) => fault(what, error),
    }
}

/// 200 with a body of this type.
pub(crate) fn content(kind: &'static str, body: impl Into<Vec<u8>>) -> Response {
    let mut response = body.into().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
