//! Failures of calls as people and programs read them: RFC 9457, in the words of the catalogue.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::catalogue::{self, sentence};

/// The media type of a failure.
const KIND: &str = "application/problem+json";

#[derive(Serialize, ToSchema)]
pub(super) struct Problem {
    #[serde(rename = "type")]
    kind: String,
    code: &'static str,
    title: String,
    detail: String,
    #[serde(rename = "try")]
    attempts: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
}

/// The status of a code of the catalogue.
const STATUSES: &[(&str, StatusCode)] = &[
    ("activation-ended", StatusCode::GONE),
    ("address-refused", StatusCode::FORBIDDEN),
    ("account-exists", StatusCode::CONFLICT),
    ("account-unknown", StatusCode::NOT_FOUND),
    ("client-exists", StatusCode::CONFLICT),
    ("client-unknown", StatusCode::NOT_FOUND),
    ("clients-full", StatusCode::CONFLICT),
    ("accounts-full", StatusCode::CONFLICT),
    ("already-yours", StatusCode::CONFLICT),
    ("cannot-await", StatusCode::CONFLICT),
    ("certificate-refused", StatusCode::UNPROCESSABLE_ENTITY),
    ("certificate-taken", StatusCode::CONFLICT),
    ("claim-limit", StatusCode::SERVICE_UNAVAILABLE),
    ("claim-on-its-way", StatusCode::ACCEPTED),
    ("claim-refused", StatusCode::FORBIDDEN),
    ("code-refused", StatusCode::UNPROCESSABLE_ENTITY),
    ("cross-site", StatusCode::FORBIDDEN),
    ("file-digest-wrong", StatusCode::UNPROCESSABLE_ENTITY),
    ("file-name-refused", StatusCode::UNPROCESSABLE_ENTITY),
    ("file-size-refused", StatusCode::UNPROCESSABLE_ENTITY),
    ("enrolment-refused", StatusCode::UNPROCESSABLE_ENTITY),
    ("file-lent-out", StatusCode::CONFLICT),
    ("files-full", StatusCode::CONFLICT),
    ("device-offline", StatusCode::SERVICE_UNAVAILABLE),
    ("device-refused", StatusCode::CONFLICT),
    ("device-silent", StatusCode::GATEWAY_TIMEOUT),
    ("grant-refused", StatusCode::UNPROCESSABLE_ENTITY),
    ("grant-unknown", StatusCode::NOT_FOUND),
    ("image-not-built", StatusCode::CONFLICT),
    ("internal", StatusCode::INTERNAL_SERVER_ERROR),
    ("last-administrator", StatusCode::CONFLICT),
    ("leaving-already", StatusCode::CONFLICT),
    ("model-refused", StatusCode::UNPROCESSABLE_ENTITY),
    ("name-refused", StatusCode::UNPROCESSABLE_ENTITY),
    ("never-reported", StatusCode::NOT_FOUND),
    ("no-load-balancer", StatusCode::CONFLICT),
    ("no-such-name", StatusCode::NOT_FOUND),
    ("not-granted", StatusCode::FORBIDDEN),
    ("not-here", StatusCode::NOT_FOUND),
    ("not-in-queue", StatusCode::CONFLICT),
    ("not-on-record", StatusCode::NOT_FOUND),
    ("not-permitted", StatusCode::FORBIDDEN),
    ("not-so-described", StatusCode::METHOD_NOT_ALLOWED),
    ("on-record-already", StatusCode::CONFLICT),
    ("password-too-simple", StatusCode::UNPROCESSABLE_ENTITY),
    ("password-wrong", StatusCode::FORBIDDEN),
    ("proven-better", StatusCode::CONFLICT),
    ("refused", StatusCode::FORBIDDEN),
    ("request-unreadable", StatusCode::BAD_REQUEST),
    ("setting-refused", StatusCode::UNPROCESSABLE_ENTITY),
    ("sign-in-failed", StatusCode::UNAUTHORIZED),
    ("signed-out", StatusCode::UNAUTHORIZED),
    ("thing-exists", StatusCode::CONFLICT),
    ("thing-full", StatusCode::CONFLICT),
    ("token-missing", StatusCode::FORBIDDEN),
    ("too-many-tries", StatusCode::TOO_MANY_REQUESTS),
    ("transfer-refused", StatusCode::FORBIDDEN),
    ("try-later", StatusCode::SERVICE_UNAVAILABLE),
    ("value-refused", StatusCode::UNPROCESSABLE_ENTITY),
];

/// The answer to a failed call.
///
/// # Panics
/// When the catalogue has no such code: a test reads every code used here.
pub(crate) fn problem(code: &'static str) -> Response {
    answer(code, None)
}

/// The same with what exactly was wrong: one of our own sentences, never the caller's words.
pub(crate) fn problem_because(code: &'static str, detail: &str) -> Response {
    answer(code, Some(detail))
}

/// The same with the time to wait.
pub(crate) fn problem_until(code: &'static str, wait: Duration) -> Response {
    let mut response = answer(code, None);
    let secs = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs.max(1)));
    response
}

fn answer(code: &'static str, detail: Option<&str>) -> Response {
    let entry = catalogue::entry(code).expect("every code used is in the catalogue");
    let status = STATUSES.iter().find(|(known, _)| *known == code).map(|(_, status)| *status);
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let problem = Problem {
        kind: format!("/ui/help/{code}"),
        code,
        title: sentence(entry.title),
        detail: sentence(detail.unwrap_or(entry.why)),
        attempts: entry.attempts.iter().map(|attempt| sentence(attempt)).collect(),
        request: crate::request_log::request_id(),
    };
    // Texts of the catalogue always make JSON.
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = (status, body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(KIND));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The code for an empty answer of `operation`.
fn code_of(operation: &str, status: StatusCode) -> &'static str {
    match (operation, status) {
        ("owner.transfer" | "owner.release", StatusCode::FORBIDDEN) => "transfer-refused",
        ("owner.transfer" | "owner.release", StatusCode::CONFLICT) => "leaving-already",
        ("owner.accept" | "owner.decline", StatusCode::CONFLICT) => "cannot-await",
        ("owner.bootstrap", StatusCode::CONFLICT) => "image-not-built",
        (_, StatusCode::BAD_REQUEST) => "request-unreadable",
        // Unknown and not to be seen are one answer.
        (_, StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND) => "not-here",
        (_, StatusCode::FORBIDDEN) if operation.starts_with("owner.") => "not-here",
        (_, StatusCode::FORBIDDEN | StatusCode::CONFLICT) => "refused",
        (_, StatusCode::SERVICE_UNAVAILABLE) => "try-later",
        (_, _) => "internal",
    }
}

/// Gives an empty failure its words, for callers that are no machines of aSSURE 11.
pub(super) fn with_words(operation: &str, response: Response) -> Response {
    use axum::body::HttpBody as _;
    let status = response.status();
    let fails = status.is_client_error() || status.is_server_error();
    if !fails || response.body().size_hint().exact() != Some(0) {
        return response;
    }
    let mut worded = problem(code_of(operation, status));
    if let Some(after) = response.headers().get(header::RETRY_AFTER) {
        worded.headers_mut().insert(header::RETRY_AFTER, after.clone());
    }
    if status == StatusCode::CONFLICT {
        *worded.status_mut() = status;
    }
    worded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of failures as the console shows them; a page reads them without asking the server.
    fn texts_of_the_console() -> String {
        let mut codes: Vec<&str> = STATUSES.iter().map(|(code, _)| *code).collect();
        // What no answer says: the page itself finds it out.
        codes.extend(["cannot-reach", "outcome-unknown"]);
        codes.sort_unstable();
        let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
        let mut source = String::from(
            "// Texts of failures, written by a test of http-front from its catalogue: change them there.\n\n\
             /** What the console knows of a failure. */\n\
             export interface Entry {\n  readonly title: string;\n  readonly why: string;\n  \
             readonly attempts: readonly string[];\n}\n\n\
             export const TEXTS: Readonly<Record<string, Entry>> = {\n",
        );
        for code in codes {
            let entry = catalogue::entry(code).expect("it is in the catalogue");
            // What to do is shown as a list, without full stops.
            let attempts: Vec<String> =
                entry.attempts.iter().map(|attempt| quoted(&catalogue::title(attempt))).collect();
            source += &format!(
                "  '{code}': {{\n    title: {},\n    why: {},\n    attempts: [{}],\n  }},\n",
                quoted(&catalogue::title(entry.title)),
                quoted(&sentence(entry.why)),
                attempts.join(", "),
            );
        }
        source + "};\n"
    }

    /// With `THINGSTEAD_WRITE_TEXTS` set the file is written instead; the console is to be built again then.
    #[test]
    fn the_console_shows_the_texts_of_the_catalogue() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../console/src/lib/api/catalogue.ts");
        if std::env::var_os("THINGSTEAD_WRITE_TEXTS").is_some() {
            std::fs::write(path, texts_of_the_console()).unwrap();
        }
        let shown = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            shown == texts_of_the_console(),
            "set THINGSTEAD_WRITE_TEXTS and run this test, then build the console"
        );
    }

    #[test]
    fn every_code_has_words() {
        for (code, status) in STATUSES {
            assert_eq!(problem(code).status(), *status, "{code}");
        }
    }
}
