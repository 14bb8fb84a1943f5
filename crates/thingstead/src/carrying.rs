//! Files on their way to and from the file channel, with a token, by whoever has one.
//!
//! Source: ADR 0280.

use std::io::{Read, Seek as _, Write as _};
use std::path::Path;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::cli::say::document_of;
use crate::failure::{Failure, Outcome};
use crate::operator_client::{OperatorClient, refusal};

/// What the server takes at once.
const PIECE_SIZE: usize = 60 * 1024;
/// The largest file that a device may have.
pub(crate) const FILE_SIZE_MAX: usize = 256 * 1024 * 1024;

pub(crate) fn unreadable(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::new("file-unreadable", path.display().to_string()).because(error)
}

fn unwritable(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::new("file-unwritable", path.display().to_string()).because(error)
}

/// How many bytes a file has.
pub(crate) fn size_of(path: &Path) -> Outcome<u64> {
    let facts = std::fs::metadata(path).map_err(|error| unreadable(path, error))?;
    Ok(facts.len())
}

/// Size and SHA-256 of a file.
pub(crate) fn announced(path: &Path) -> Outcome<(u64, String)> {
    let mut file = std::fs::File::open(path).map_err(|error| unreadable(path, error))?;
    let (mut digest, mut piece, mut size) = (Sha256::new(), vec![0; PIECE_SIZE], 0);
    loop {
        match file.read(&mut piece).map_err(|error| unreadable(path, error))? {
            0 => return Ok((size, model::hex(&digest.finalize()))),
            count => {
                digest.update(&piece[..count]);
                size += count as u64;
            }
        }
    }
}

/// One call with a token.
fn with_token(method: Method, id: &str, token: &str) -> Outcome<Request<Bytes>> {
    let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| Failure::new("request-unreadable", "the token").because("it has other characters"))?;
    bearer.set_sensitive(true);
    let request = Request::builder().method(method).uri(format!("/v1/files/{id}"));
    let request = request.header(header::AUTHORIZATION, bearer).body(Bytes::new());
    request.map_err(|error| Failure::new("request-unreadable", id.to_owned()).because(error))
}

fn offset_of(answer: &Response<Bytes>) -> Option<u64> {
    answer.headers().get("upload-offset")?.to_str().ok()?.parse().ok()
}

/// Brings a file with its token, from where an earlier try broke off; `progress` hears how far it is. Gives what the
/// server says of it.
pub(crate) async fn bring(
    client: &OperatorClient,
    id: &str,
    path: &Path,
    token: &str,
    progress: impl Fn(u64),
) -> Outcome<Value> {
    let mut file = std::fs::File::open(path).map_err(|error| unreadable(path, error))?;
    let answer = client.send(with_token(Method::HEAD, id, token)?).await?;
    let begun = offset_of(&answer).filter(|_| answer.status().is_success());
    let mut at = begun.ok_or_else(|| Failure::new("not-here", id.to_owned()))?;
    loop {
        progress(at);
        file.seek(std::io::SeekFrom::Start(at)).map_err(|error| unreadable(path, error))?;
        let mut piece = Vec::new();
        let read = Read::by_ref(&mut file).take(PIECE_SIZE as u64).read_to_end(&mut piece);
        read.map_err(|error| unreadable(path, error))?;
        let mut request = with_token(Method::PATCH, id, token)?;
        request.headers_mut().insert("upload-offset", HeaderValue::from(at));
        *request.body_mut() = piece.into();
        let answer = client.send(request).await?;
        match (answer.status(), offset_of(&answer)) {
            (StatusCode::OK, _) => return document_of(&answer),
            // Without progress nothing more is to come from here: the file was announced longer than it is.
            (StatusCode::NO_CONTENT, Some(next)) if next > at => at = next,
            (StatusCode::NO_CONTENT, _) => {
                return Err(Failure::new("file-size-refused", path.display().to_string()));
            }
            (StatusCode::CONFLICT, Some(next)) if next != at => at = next,
            _ => return Err(refusal(&answer, id)),
        }
    }
}

/// Fetches a file with its token into `path`, from where an earlier try broke off, and compares its digest. Gives its
/// size.
pub(crate) async fn fetch(client: &OperatorClient, id: &str, path: &Path, token: &str) -> Outcome<u64> {
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(path);
    let mut file = opened.map_err(|error| unwritable(path, error))?;
    let held = file.metadata().map_err(|error| unwritable(path, error))?.len();
    let mut request = with_token(Method::GET, id, token)?;
    if held > 0 {
        let range = HeaderValue::from_str(&format!("bytes={held}-"));
        request.headers_mut().insert(header::RANGE, range.expect("a number makes a header"));
    }
    let answer = client.send(request).await?;
    match answer.status() {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT => {}
        // All of it is there already.
        StatusCode::RANGE_NOT_SATISFIABLE => return Ok(held),
        _ => return Err(refusal(&answer, id)),
    }
    file.write_all(answer.body()).and_then(|()| file.sync_all()).map_err(|error| unwritable(path, error))?;
    let tag = answer.headers().get(header::ETAG).and_then(|value| value.to_str().ok());
    let (size, digest) = announced(path)?;
    if tag.is_none_or(|tag| tag.trim_matches('"') != digest) {
        return Err(Failure::new("file-malformed", path.display().to_string())
            .because("what arrived has another digest than the file has there: remove it and fetch again"));
    }
    Ok(size)
}
