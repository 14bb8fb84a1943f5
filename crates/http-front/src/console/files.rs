//! The console's files: built elsewhere, embedded here, served under a strict policy.
//!
//! `GET /` 302 to `/ui/`; `GET /ui/*` a file, else the page itself for a route of it, else 404. Names with a
//! hash never change; the page is asked for each time.
//! Source: ADR 0123.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use certificate::TlsPeer;

use super::Console;
use super::problem::problem;

/// An embedded file.
struct File {
    /// Below `/ui/`.
    name: &'static str,
    bytes: &'static [u8],
    gzip: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/console_files.rs"));

const PAGE: &str = "index.html";

/// What stands in place of the page where the console was not built in.
const NOT_BUILT: &[u8] =
    b"<!doctype html><html lang=en><title>Thingstead</title><h1>The console is not built \
into this program</h1><p>Every call works: see /v1/openapi.json. The folder console/dist was missing when \
the program was made.";

/// Headers of every file.
/// Source: ADR 0123; measured in a browser.
const POLICY: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
         media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types svelte-trusted-html",
    ),
    ("permissions-policy", "camera=(self)"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("vary", "accept-encoding"),
];

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/", get(to_the_console))
        .route("/ui", get(to_the_console))
        .route("/ui/", get(page))
        .route("/ui/{*path}", get(file))
}

fn with_policy(mut response: Response) -> Response {
    for (name, value) in POLICY {
        response.headers_mut().insert(*name, HeaderValue::from_static(value));
    }
    response
}

async fn to_the_console() -> Response {
    with_policy((StatusCode::FOUND, [(header::LOCATION, "/ui/")]).into_response())
}

fn find(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("txt") => "text/plain; charset=utf-8",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}

/// Whether a client that sends `headers` reads gzip.
fn reads_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| {
        accepted.split(',').any(|coding| {
            let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
            name.trim() == "gzip" && !matches!(quality.trim(), "q=0" | "q=0.0")
        })
    })
}

fn serve(file: &'static File, headers: &HeaderMap) -> Response {
    let zipped = file.gzip.filter(|_| reads_gzip(headers));
    let mut response = zipped.unwrap_or(file.bytes).into_response();
    let fields = response.headers_mut();
    if zipped.is_some() {
        fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(file.name)));
    let hashed = file.name.starts_with("assets/");
    let caching = if hashed { "public, max-age=31536000, immutable" } else { "no-store" };
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    with_policy(response)
}

async fn page(
    State(console): State<Arc<Console>>,
    Extension(peer): Extension<TlsPeer>,
    headers: HeaderMap,
) -> Response {
    if !console.admits(peer.address.ip()) {
        return problem("address-refused");
    }
    match find(PAGE) {
        Some(page) => serve(page, &headers),
        None => {
            let kind = (header::CONTENT_TYPE, kind(PAGE));
            with_policy((StatusCode::NOT_FOUND, [kind], NOT_BUILT).into_response())
        }
    }
}

async fn file(
    console: State<Arc<Console>>,
    peer: Extension<TlsPeer>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Response {
    if !console.admits(peer.address.ip()) {
        return problem("address-refused");
    }
    match find(&path) {
        Some(file) => serve(file, &headers),
        // The routes of the page have no dot in their last part.
        None if !path.rsplit('/').next().is_some_and(|last| last.contains('.')) => {
            page(console, peer, headers).await
        }
        None => with_policy(StatusCode::NOT_FOUND.into_response()),
    }
}
