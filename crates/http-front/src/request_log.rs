//! One line per request: method, path without query, status, and who in one word.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use std::sync::atomic::{AtomicU64, Ordering};

tokio::task_local! {
    /// The number of the request that this task answers.
    static REQUEST: u64;
}

static COUNT: AtomicU64 = AtomicU64::new(1);

/// What a person quotes so that the request is found in the log.
pub(crate) fn request_id() -> Option<String> {
    REQUEST.try_with(|number| format!("r-{number:x}")).ok()
}

/// Work of the same request, for a task of its own.
pub(crate) fn same_request<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let number = REQUEST.try_with(|number| *number).ok();
    async move {
        match number {
            Some(number) => REQUEST.scope(number, work).await,
            None => work.await,
        }
    }
}

/// The same router with one log line per request under the name `api`. Queries carry case strings and are
/// left out (ruling A-ASSURE-15).
pub fn with_request_log(api: &'static str, router: Router) -> Router {
    router.layer(middleware::from_fn(move |request: Request, next: Next| async move {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let response: Response = REQUEST.scope(number, next.run(request)).await;
        let status = response.status().as_u16();
        tracing::info!(api, request = %format_args!("r-{number:x}"), %method, path, status, "request");
        response
    }))
}
