//! Files of things: an owner offers a place for one or lends one out, and whoever holds the token brings or
//! fetches it.
//!
//! | Call | Body | Answers |
//! |---|---|---|
//! | `GET /things/{id}/files?after=` | | 200, 404 |
//! | `POST /things/{id}/files` | `{"name","size","sha256","within_secs"}` | 201 `{"file","token","until_unix_millis"}`, 404, 409 no room, 422 |
//! | `POST /things/{id}/files/{file}/token` | `{"within_secs"}` | 201 as above, 404 |
//! | `DELETE /things/{id}/files/{file}` | | 204, 404 |
//! | `GET /v1/files/{file}` | `Range: bytes=N-` or none | 200, 206, 404, 416; HEAD tells the size, or how much has arrived (`Upload-Offset`) |
//! | `PATCH /v1/files/{file}` | bytes from `Upload-Offset` on | 204 more to come, 200 all there, 404, 409 another offset, 422 other bytes than announced |
//!
//! The last two ask for nothing but `Authorization: Bearer TOKEN`, and answer every other token with 404.
//! Source: OSAP 3; ADR 0280; RFC 9110 section 14, RFC 9530; offsets as in draft-ietf-httpbis-resumable-upload.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use crypto::Secret;
use depot::{
    FileArrived, FileId, FileSpoiled, FileView, FindGrant, GrantDownload, GrantUpload, IsKnown, ListFiles,
    NoGrant, OpenGrant, RemoveFile, Settled, SweepGrants, Way,
};
use hub::{Party, ReadThing};
use ledger::Origin;
use model::Uuid;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::audit::in_query;
use super::caller::Caller;
use super::lines::Lines;
use super::problem::problem;
use super::{Console, body, gate, json};
use crate::answer::{empty, fault, not_run};
use crate::shelf::{NotTaken, Shelf, Taken};

/// Files per answer.
const PAGE: usize = 100;
/// How long a token holds unless the caller says.
const WITHIN_SECS: u64 = 15 * 60;
/// How much is read from the shelf at once.
const PIECE_SIZE: usize = 64 * 1024;
/// How often left-over files are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10 * 60);

const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/things/{id}/files", get(list).post(offer))
        .route("/things/{id}/files/{file}", delete(remove))
        .route("/things/{id}/files/{file}/token", post(lend))
        .route("/v1/files/{file}", get(fetch).patch(bring))
}

/// A file that a thing is to bring.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FileOffer)]
pub(super) struct OfferJson {
    name: String,
    size: u64,
    /// Of the whole content, as 64 hexadecimal digits.
    sha256: String,
    within_secs: Option<u64>,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FileLoan)]
pub(super) struct LendJson {
    within_secs: Option<u64>,
}

/// A token for one file; it is shown this once.
#[derive(Serialize, ToSchema)]
#[schema(as = FileToken)]
pub(super) struct TokenJson {
    file: String,
    token: String,
    until_unix_millis: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ThingFile)]
pub(super) struct FileJson {
    id: String,
    name: String,
    size: u64,
    sha256: String,
    made_unix_millis: u64,
    arrived_unix_millis: Option<u64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ThingFiles)]
pub(super) struct FilesJson {
    files: Vec<FileJson>,
    /// Goes on behind this one.
    next: Option<String>,
}

impl From<&FileView> for FileJson {
    fn from(file: &FileView) -> Self {
        Self {
            id: model::hex(&file.id.0),
            name: file.name.clone(),
            size: file.size,
            sha256: model::hex(&file.digest),
            made_unix_millis: file.made.as_unix_millis(),
            arrived_unix_millis: file.arrived.map(clock::Timestamp::as_unix_millis),
        }
    }
}

fn file_id(text: &str) -> Option<FileId> {
    model::bytes_from_hex(text).ok()?.try_into().ok().map(FileId)
}

fn refused(why: NoGrant) -> Response {
    match why {
        NoGrant::BadName => problem("file-name-refused"),
        NoGrant::BadSize => problem("file-size-refused"),
        NoGrant::NoRoom => problem("files-full"),
        NoGrant::NoFile => problem("not-here"),
        NoGrant::ManyLent => problem("file-lent-out"),
        NoGrant::NoClock | NoGrant::BadRecord => fault("files", &why),
    }
}

impl Console {
    /// Throws away what nobody is to fetch any more, now and every ten minutes, until shutdown.
    pub async fn keep_the_files(self: Arc<Self>) {
        loop {
            if let Err(why) = self.sweep_files().await {
                tracing::error!(why, "left-over files could not be removed");
            }
            tokio::select! {
                () = self.stop.requested() => return,
                () = tokio::time::sleep(SWEEP_INTERVAL) => {}
            }
        }
    }

    /// Ended grants first, then content without a record: a cut between the two is mended by the second.
    async fn sweep_files(&self) -> Result<(), &'static str> {
        let mut after = None;
        loop {
            let swept = self.executor().run(SweepGrants { after, limit: PAGE }).await;
            let swept =
                swept.map_err(|_| "the store does not answer")?.map_err(|_| "a grant is unreadable")?;
            after = swept.next;
            if after.is_none() {
                break;
            }
        }
        let there = self.on_shelf("files", Shelf::files).await.map_err(|_| "the shelf does not answer")?;
        for (thing, file) in there.map_err(|_| "the shelf cannot be read")? {
            let is_known = self.executor().run(IsKnown { thing, file }).await;
            if !is_known.map_err(|_| "the store does not answer")? {
                let removed = self.on_shelf("remove a file", move |shelf| shelf.remove(thing, file)).await;
                removed.map_err(|_| "the shelf does not answer")?.map_err(|_| "a file stays")?;
            }
        }
        Ok(())
    }

    fn files_origin(&self, actor: &str, address: Option<std::net::IpAddr>) -> Origin {
        let executor = self.executor();
        let role = crate::management::ROLE;
        Origin {
            role,
            actor: actor.to_owned(),
            address,
            correlation: executor.correlation(),
            seed: executor.bytes(),
        }
    }

    /// The thing of a path, if it is there.
    async fn known_thing(&self, text: &str) -> Result<Uuid, Response> {
        let thing = text.parse().map_err(|_| problem("not-here"))?;
        match self.executor().run(ReadThing { thing, party: Party::Owner }).await {
            Ok(Ok(_)) => Ok(thing),
            Ok(Err(hub::Refusal::NotHere)) => Err(problem("not-here")),
            Ok(Err(why)) => Err(fault("read a thing", &why)),
            Err(error) => Err(not_run("read a thing", &error)),
        }
    }

    /// Removes every file of a thing that is about to go.
    pub(crate) async fn forget_files(&self, caller: &Caller, thing: Uuid) -> Result<(), Response> {
        loop {
            let page = self.executor().run(ListFiles { thing, after: None, limit: PAGE }).await;
            let page = page.map_err(|error| not_run("list files", &error))?;
            let page = page.map_err(|why| fault("list files", &why))?;
            if page.files.is_empty() {
                return Ok(());
            }
            for file in page.files.iter().map(|file| file.id) {
                let origin = self.files_origin(caller.name(), Some(caller.address));
                let removed = self.executor().run(RemoveFile { thing, file, origin }).await;
                removed
                    .map_err(|error| not_run("remove a file", &error))?
                    .map_err(|why| fault("remove a file", &why))?;
                // Content that stays for now goes with the next sweep.
                self.on_shelf("remove a file", move |shelf| shelf.remove(thing, file)).await?.ok();
            }
        }
    }

    /// Runs blocking work of the shelf.
    async fn on_shelf<T, F>(&self, what: &'static str, work: F) -> Result<T, Response>
    where
        T: Send + 'static,
        F: FnOnce(&Shelf) -> T + Send + 'static,
    {
        let shelf = Arc::clone(&self.shelf);
        tokio::task::spawn_blocking(move || work(&shelf)).await.map_err(|error| fault(what, &error))
    }

    /// The grant behind a request's token, if it is for this file.
    async fn granted(&self, headers: &HeaderMap, file: &str) -> Result<(OpenGrant, [u8; 32]), Response> {
        let not_here = || problem("not-here");
        let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = token.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(not_here)?;
        let token = URL_SAFE_NO_PAD.decode(token).map(Secret::new).map_err(|_| not_here())?;
        let token_digest = gate::token_hash(self.provider(), &token).0;
        let found = self.executor().run(FindGrant { token_digest }).await;
        match found.map_err(|error| not_run("find a grant", &error))? {
            Ok(Some(grant)) if Some(grant.file.id) == file_id(file) => Ok((grant, token_digest)),
            Ok(_) => Err(not_here()),
            Err(why) => Err(refused(why)),
        }
    }
}

/// `GET /things/{id}/files`.
async fn list(
    State(console): State<Arc<Console>>,
    _: Caller,
    Path(thing): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let thing = match console.known_thing(&thing).await {
        Ok(thing) => thing,
        Err(refusal) => return refusal,
    };
    let after = match in_query(query.as_deref(), "after") {
        None => None,
        Some(text) => match file_id(&text) {
            Some(id) => Some(id),
            None => return problem("request-unreadable"),
        },
    };
    match console.executor().run(ListFiles { thing, after, limit: PAGE }).await {
        Ok(Ok(page)) => {
            let files: Vec<FileJson> = page.files.iter().map(FileJson::from).collect();
            let next = files.last().filter(|_| page.more).map(|file| file.id.clone());
            json("list files", StatusCode::OK, &FilesJson { files, next })
        }
        Ok(Err(why)) => fault("list files", &why),
        Err(error) => not_run("list files", &error),
    }
}

/// A fresh token, and the digest under which it is stored.
fn fresh_token(console: &Console) -> (String, [u8; 32]) {
    let token = Secret::from(&console.executor().bytes::<32>()[..]);
    let digest = gate::token_hash(console.provider(), &token).0;
    (URL_SAFE_NO_PAD.encode(token.expose()), digest)
}

fn lent(token: String, grant: Result<OpenGrant, NoGrant>) -> Response {
    match grant {
        Ok(grant) => {
            let answer = TokenJson {
                file: model::hex(&grant.file.id.0),
                token,
                until_unix_millis: grant.until.as_unix_millis(),
            };
            json("grant a file", StatusCode::CREATED, &answer)
        }
        Err(why) => refused(why),
    }
}

/// `POST /things/{id}/files`.
async fn offer(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path(thing): Path<String>,
    bytes: Bytes,
) -> Response {
    let thing = match console.known_thing(&thing).await {
        Ok(thing) => thing,
        Err(refusal) => return refusal,
    };
    let offer: OfferJson = match body(&bytes) {
        Ok(offer) => offer,
        Err(refusal) => return refusal,
    };
    let digest = model::bytes_from_hex(&offer.sha256).ok().and_then(|digest| digest.try_into().ok());
    let Some(digest) = digest else { return problem("request-unreadable") };
    let (token, token_digest) = fresh_token(&console);
    let grant = GrantUpload {
        thing,
        name: offer.name,
        size: offer.size,
        digest,
        file: FileId(console.executor().bytes()),
        token_digest,
        duration: Duration::from_secs(offer.within_secs.unwrap_or(WITHIN_SECS)),
        origin: console.files_origin(caller.name(), Some(caller.address)),
    };
    match console.executor().run(grant).await {
        Ok(grant) => lent(token, grant),
        Err(error) => not_run("offer a place for a file", &error),
    }
}

/// `POST /things/{id}/files/{file}/token`.
async fn lend(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path((thing, file)): Path<(String, String)>,
    bytes: Bytes,
) -> Response {
    let thing = match console.known_thing(&thing).await {
        Ok(thing) => thing,
        Err(refusal) => return refusal,
    };
    let asked: Result<LendJson, Response> =
        if bytes.is_empty() { Ok(LendJson::default()) } else { body(&bytes) };
    let asked = match asked {
        Ok(asked) => asked,
        Err(refusal) => return refusal,
    };
    let Some(file) = file_id(&file) else { return problem("not-here") };
    let (token, token_digest) = fresh_token(&console);
    let duration = Duration::from_secs(asked.within_secs.unwrap_or(WITHIN_SECS));
    let origin = console.files_origin(caller.name(), Some(caller.address));
    match console.executor().run(GrantDownload { thing, file, token_digest, duration, origin }).await {
        Ok(grant) => lent(token, grant),
        Err(error) => not_run("lend a file", &error),
    }
}

/// `DELETE /things/{id}/files/{file}`.
async fn remove(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path((thing, file)): Path<(String, String)>,
) -> Response {
    let thing = match console.known_thing(&thing).await {
        Ok(thing) => thing,
        Err(refusal) => return refusal,
    };
    let Some(file) = file_id(&file) else { return problem("not-here") };
    let origin = console.files_origin(caller.name(), Some(caller.address));
    match console.executor().run(RemoveFile { thing, file, origin }).await {
        Ok(Ok(true)) => match console.on_shelf("remove a file", move |shelf| shelf.remove(thing, file)).await
        {
            Ok(Ok(())) => empty(StatusCode::NO_CONTENT),
            // The record is gone; the content goes with the next sweep.
            Ok(Err(error)) => {
                tracing::warn!(%error, "the content of a removed file stays for now");
                empty(StatusCode::NO_CONTENT)
            }
            Err(failure) => failure,
        },
        Ok(Ok(false)) => problem("not-here"),
        Ok(Err(why)) => fault("remove a file", &why),
        Err(error) => not_run("remove a file", &error),
    }
}

fn with_offset(status: StatusCode, offset: u64) -> Response {
    let mut response = empty(status);
    response.headers_mut().insert(UPLOAD_OFFSET, HeaderValue::from(offset));
    response
}

/// `GET` and `HEAD /v1/files/{file}`.
async fn fetch(
    State(console): State<Arc<Console>>,
    method: Method,
    headers: HeaderMap,
    Path(file): Path<String>,
) -> Response {
    let (grant, _) = match console.granted(&headers, &file).await {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    let (thing, id) = (grant.thing, grant.file.id);
    if grant.way == Way::Upload {
        if method != Method::HEAD {
            return problem("not-here");
        }
        return match console.on_shelf("size of a file", move |shelf| shelf.size(thing, id)).await {
            Ok(Ok(size)) => with_offset(StatusCode::NO_CONTENT, size),
            Ok(Err(error)) => fault("size of a file", &error),
            Err(failure) => failure,
        };
    }
    let Some(from) = range(&headers, grant.file.size) else {
        let mut response = empty(StatusCode::RANGE_NOT_SATISFIABLE);
        insert(&mut response, header::CONTENT_RANGE, &format!("bytes */{}", grant.file.size));
        return response;
    };
    content_from(&console, &grant.file, from)
}

/// Where to begin: 0 without a range, and for ranges of other forms, which a server may leave unread; `None`
/// behind the end.
fn range(headers: &HeaderMap, size: u64) -> Option<u64> {
    let text = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let from = text.and_then(|text| text.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<u64>().ok());
    let from = from.unwrap_or(0);
    (from < size).then_some(from)
}

fn insert(response: &mut Response, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        response.headers_mut().insert(name, value);
    }
}

fn content_from(console: &Console, file: &FileView, from: u64) -> Response {
    let (pieces, content) = Lines::pair();
    let (shelf, wanted) = (Arc::clone(&console.shelf), file.clone());
    tokio::spawn(async move {
        let mut at = from;
        loop {
            // A thread for a piece: one that waited for a slow reader would be missing to everybody else.
            let (shelf, wanted) = (Arc::clone(&shelf), wanted.clone());
            let reading = tokio::task::spawn_blocking(move || shelf.read(&wanted, at, PIECE_SIZE));
            let piece = match reading.await.map_err(io::Error::other).and_then(|read| read) {
                Ok(piece) if piece.is_empty() => return,
                Ok(piece) => piece,
                Err(error) => return tracing::error!(%error, "a file could not be read"),
            };
            at += piece.len() as u64;
            if pieces.send(Bytes::from(piece)).await.is_err() {
                return;
            }
        }
    });
    let status = if from == 0 { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT };
    let mut response = (status, Body::new(content)).into_response();
    insert(&mut response, header::CONTENT_TYPE, "application/octet-stream");
    insert(&mut response, header::ACCEPT_RANGES, "bytes");
    insert(&mut response, header::CONTENT_LENGTH, &(file.size - from).to_string());
    insert(&mut response, header::ETAG, &format!("\"{}\"", model::hex(&file.digest)));
    insert(&mut response, REPR_DIGEST, &format!("sha-256=:{}:", STANDARD.encode(file.digest)));
    if from > 0 {
        let range = format!("bytes {from}-{}/{}", file.size - 1, file.size);
        insert(&mut response, header::CONTENT_RANGE, &range);
    }
    response
}

/// `PATCH /v1/files/{file}`.
async fn bring(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    Path(file): Path<String>,
    bytes: Bytes,
) -> Response {
    let (grant, token_digest) = match console.granted(&headers, &file).await {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    if grant.way != Way::Upload {
        return problem("not-here");
    }
    let offset = headers.get(UPLOAD_OFFSET).and_then(|value| value.to_str().ok()?.parse().ok());
    let Some(offset) = offset else { return problem("request-unreadable") };
    let (id, view) = (grant.file.id, grant.file);
    let taken = console.on_shelf("take a file", move |shelf| shelf.take(&view, offset, &bytes)).await;
    let origin = console.files_origin(&format!("file {}", model::hex(&id.0)), None);
    match taken {
        Ok(Ok(Taken::More(next))) => with_offset(StatusCode::NO_CONTENT, next),
        Ok(Ok(Taken::Whole)) => settled(console.executor().run(FileArrived { token_digest, origin }).await),
        Ok(Ok(Taken::Wrong)) => settled(console.executor().run(FileSpoiled { token_digest, origin }).await),
        Ok(Err(NotTaken::Busy)) => problem("try-later"),
        Ok(Err(NotTaken::Offset(next))) => with_offset(StatusCode::CONFLICT, next),
        Ok(Err(NotTaken::TooMany)) => problem("file-size-refused"),
        Ok(Err(NotTaken::Disk(error))) => fault("take a file", &error),
        Err(failure) => failure,
    }
}

fn settled(end: Result<Result<Settled, depot::BadRecord>, store::RunError>) -> Response {
    match end {
        Ok(Ok(Settled::Stored(file))) => json("store a file", StatusCode::OK, &FileJson::from(&file)),
        Ok(Ok(Settled::Again)) => problem("file-digest-wrong"),
        Ok(Ok(Settled::Over)) => problem("not-here"),
        Ok(Err(why)) => fault("store a file", &why),
        Err(error) => not_run("store a file", &error),
    }
}
