//! Files on their way to and from the file channel, with a token, by whoever has one.
//!
//! Source: ADR 0280.

use std::io::{Read, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use net::https_client::CallError;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::cli::say::document_of;
use crate::failure::{Failure, Outcome};
use crate::operator_client::{OperatorClient, refusal};

/// What the server takes at once.
const PIECE_SIZE: usize = 60 * 1024;
/// The largest file that a device may have.
pub(crate) const FILE_SIZE_MAX: usize = 256 * 1024 * 1024;

/// So often a download goes on from where its connection broke, and after how long.
const FETCH_TRIES: u32 = 5;
const FETCH_PAUSE: Duration = Duration::from_secs(1);
/// The longest time between two pieces of it.
const PIECE_TIME: Duration = Duration::from_secs(30);

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

/// Fetches a file with its token, from where an earlier try broke off, and puts it to `path` when its digest is the
/// right one; until then its bytes stand beside it, with `.part` behind the name. `progress` hears how many bytes of how many
/// are there. Gives its size.
pub(crate) async fn fetch(
    client: &OperatorClient,
    id: &str,
    path: &Path,
    token: &str,
    progress: impl Fn(u64, u64),
) -> Outcome<u64> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(&part);
    let mut file = opened.map_err(|error| unwritable(&part, error))?;
    let mut tries = 1;
    let tag = loop {
        let request = with_token(Method::GET, id, token)?;
        match fetch_on(client, request, (&part, &mut file), &progress).await? {
            Ok(tag) => break tag,
            Err(_) if tries < FETCH_TRIES => {
                tries += 1;
                tokio::time::sleep(FETCH_PAUSE).await;
            }
            Err(error) => return Err(client.not_called(error)),
        }
    };
    file.sync_all().map_err(|error| unwritable(&part, error))?;
    let (size, digest) = announced(&part)?;
    if tag.is_none_or(|tag| tag.trim_matches('"') != digest) {
        std::fs::remove_file(&part).map_err(|error| unwritable(&part, error))?;
        let why = "what arrived has another digest than the file has there, and was removed: fetch again";
        return Err(Failure::new("file-malformed", part.display().to_string()).because(why));
    }
    std::fs::rename(&part, path).map_err(|error| unwritable(path, error))?;
    Ok(size)
}

/// Goes on with a download, as far as its connection holds; the digest that the file has there. It begins at the last byte
/// that is there: so there is always something to be answered.
async fn fetch_on(
    client: &OperatorClient,
    mut request: Request<Bytes>,
    (part, file): (&Path, &mut std::fs::File),
    progress: impl Fn(u64, u64),
) -> Outcome<Result<Option<String>, CallError>> {
    let failed = |error| unwritable(part, error);
    let held = file.metadata().map_err(failed)?.len();
    if held > 0 {
        let range = HeaderValue::from_str(&format!("bytes={}-", held - 1));
        request.headers_mut().insert(header::RANGE, range.expect("a number makes a header"));
    }
    let mut pieces = match client.pieces(request).await {
        Ok(Ok(pieces)) => pieces,
        Ok(Err(answer)) if answer.status() == StatusCode::RANGE_NOT_SATISFIABLE => {
            // It has more bytes than the file: it is another one.
            file.set_len(0).map_err(failed)?;
            return Ok(Err(CallError::Broken));
        }
        Ok(Err(answer)) => return Err(refusal(&answer, &part.display().to_string())),
        Err(error) => return Ok(Err(error)),
    };
    let headers = &pieces.head().headers;
    let tag = headers.get(header::ETAG).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let left = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let mut at = match pieces.head().status {
        StatusCode::PARTIAL_CONTENT => held.saturating_sub(1),
        // All of it comes.
        _ => 0,
    };
    file.set_len(at).map_err(failed)?;
    let size = at + left.unwrap_or_default();
    loop {
        progress(at, size);
        let next = tokio::time::timeout(PIECE_TIME, pieces.next()).await;
        match next.unwrap_or(Err(CallError::Late { sent: true })) {
            Ok(None) => return Ok(Ok(tag)),
            Ok(Some(piece)) => {
                file.write_all(&piece).map_err(failed)?;
                at += piece.len() as u64;
            }
            Err(error) => return Ok(Err(error)),
        }
    }
}
