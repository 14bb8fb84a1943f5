//! Answers that several APIs share.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use core::time::Duration;
use store::RunError;

use crate::console::caller::{asker, on_behalf_of};
use crate::request_log::same_request;

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

/// Runs a flow of several commits to its end, even when the caller hangs up or the time of the call is over:
/// half of it would leave an entry that nobody takes back or drives on.
pub(crate) async fn to_its_end<F>(flow: F) -> Response
where
    F: Future<Output = Response> + Send + 'static,
{
    match tokio::spawn(same_request(on_behalf_of(asker(), flow))).await {
        Ok(response) => response,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => fault("end of a flow", &error),
    }
}

/// 200 with a body of this type.
pub(crate) fn content(kind: &'static str, body: impl Into<Vec<u8>>) -> Response {
    let mut response = body.into().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
