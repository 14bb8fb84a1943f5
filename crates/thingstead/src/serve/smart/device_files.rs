//! Files from the device's side: it asks for a place for one, or for one that is there, and gets a token.
//!
//! ```text
//! device --call Files/offer {name, size, sha256}--> place in the depot --{url, token, until, tlsKey}--> device
//! device --call Files/list {after}----------------> what is there
//! device --call Files/fetch {file}----------------> as for offer
//! device --HTTPS, Bearer token--> the platform's port, like everybody who has a token
//! ```
//! The answer goes back in the sealed envelope of the call, and with it the key that the device pins: it needs
//! no certificate authority for the bytes. Source: OSAP 3; ADR 0313.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto::{Provider, Secret};
use depot::{FileId, FileView, GrantDownload, GrantUpload, ListFiles, NoGrant, OpenGrant};
use hub::Origin;
use model::Uuid;
use net::executor::Executor;
use osap_proto::Serial;
use osap_things::{Failure, Place};
use serde::Deserialize;
use serde_json::{Value, json};

use super::lbs_desk::text;

/// The area of the operations that the platform has for devices.
const AREA: &str = "Files";
/// How long a token holds.
const WITHIN: Duration = Duration::from_secs(15 * 60);
/// Files in one answer: it has to fit a message.
const PAGE: usize = 64;

/// Codes of failures, as HTTP has them: devices know those.
const NOT_UNDERSTOOD: i64 = 400;
const NO_SUCH: i64 = 404;
const NO_ROOM: i64 = 409;
const NOT_NOW: i64 = 503;

/// What answers devices that ask about files.
#[derive(Clone)]
pub(super) struct DeviceFiles {
    pub(super) executor: Executor,
    pub(super) provider: Arc<dyn Provider>,
    /// Where devices reach the platform's HTTPS: `host:port`.
    pub(super) at: Arc<str>,
    /// SHA-256 of its TLS key.
    pub(super) tls_key: [u8; 32],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Offer {
    name: String,
    size: u64,
    sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    file: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct List {
    after: Option<String>,
}

fn failure(code: i64, message: &str) -> Failure {
    Failure { code, message: message.to_owned() }
}

fn read<'a, T: Deserialize<'a>>(input: &'a Value) -> Result<T, Failure> {
    T::deserialize(input).map_err(|_| failure(NOT_UNDERSTOOD, "the input is of another form"))
}

fn file_id(text: &str) -> Result<FileId, Failure> {
    let bytes = model::bytes_from_hex(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(FileId).ok_or_else(|| failure(NO_SUCH, "no such file"))
}

fn refused(why: NoGrant) -> Failure {
    match why {
        NoGrant::BadName => failure(NOT_UNDERSTOOD, "a file cannot have this name"),
        NoGrant::BadSize => failure(NOT_UNDERSTOOD, "a file has 1 byte to 256 MiB"),
        NoGrant::NoRoom => failure(NO_ROOM, "the files take all the room there is"),
        NoGrant::NoFile => failure(NO_SUCH, "no such file"),
        NoGrant::ManyLent => failure(NO_ROOM, "too many grants to fetch this file hold already"),
        NoGrant::NoClock | NoGrant::BadRecord => failure(NOT_NOW, "not now"),
    }
}

impl DeviceFiles {
    /// What a device that calls `place` is answered; `None` for a place of somebody else.
    pub(super) async fn call(
        &self,
        (serial, thing): (&Serial, Uuid),
        place: &Place,
        input: &Value,
    ) -> Option<Result<Value, Failure>> {
        let is_ours = place.resource().as_str() == "0-global" && place.area() == AREA;
        Some(match place.identifier() {
            _ if !is_ours => return None,
            "offer" => self.offer(serial, thing, input).await,
            "fetch" => self.fetch(serial, thing, input).await,
            "list" => self.list(thing, input).await,
            _ => return None,
        })
    }

    fn origin(&self, serial: &Serial) -> Origin {
        Origin {
            role: "das",
            actor: text(serial),
            address: None,
            correlation: self.executor.correlation(),
            seed: self.executor.bytes(),
        }
    }

    fn fresh_token(&self) -> (String, [u8; 32]) {
        let token = Secret::from(&self.executor.bytes::<32>()[..]);
        let digest = http_front::console::file_token_digest(&*self.provider, &token);
        (URL_SAFE_NO_PAD.encode(token.expose()), digest)
    }

    fn lent(&self, token: &str, grant: Result<OpenGrant, NoGrant>) -> Result<Value, Failure> {
        let grant = grant.map_err(refused)?;
        let file = model::hex(&grant.file.id.0);
        Ok(json!({
            "file": file,
            "url": format!("https://{}/v1/files/{file}", self.at),
            "token": token,
            "until": grant.until.as_unix_millis(),
            "tlsKey": URL_SAFE_NO_PAD.encode(self.tls_key),
            "name": grant.file.name,
            "size": grant.file.size,
            "sha256": model::hex(&grant.file.digest),
        }))
    }

    async fn offer(&self, serial: &Serial, thing: Uuid, input: &Value) -> Result<Value, Failure> {
        let offer: Offer = read(input)?;
        let digest = model::bytes_from_hex(&offer.sha256).ok().and_then(|digest| digest.try_into().ok());
        let digest = digest.ok_or_else(|| failure(NOT_UNDERSTOOD, "sha256 has 64 hexadecimal digits"))?;
        let (token, token_digest) = self.fresh_token();
        let grant = GrantUpload {
            thing,
            name: offer.name,
            size: offer.size,
            digest,
            file: FileId(self.executor.bytes()),
            token_digest,
            duration: WITHIN,
            origin: self.origin(serial),
        };
        let granted = self.executor.run(grant).await.map_err(|_| failure(NOT_NOW, "not now"))?;
        self.lent(&token, granted)
    }

    async fn fetch(&self, serial: &Serial, thing: Uuid, input: &Value) -> Result<Value, Failure> {
        let wanted: Wanted = read(input)?;
        let file = file_id(&wanted.file)?;
        let (token, token_digest) = self.fresh_token();
        let origin = self.origin(serial);
        let grant = GrantDownload { thing, file, token_digest, duration: WITHIN, origin };
        let granted = self.executor.run(grant).await.map_err(|_| failure(NOT_NOW, "not now"))?;
        self.lent(&token, granted)
    }

    async fn list(&self, thing: Uuid, input: &Value) -> Result<Value, Failure> {
        let asked: List = if input.is_null() { List::default() } else { read(input)? };
        let after = asked.after.as_deref().map(file_id).transpose()?;
        let page = self.executor.run(ListFiles { thing, after, limit: PAGE }).await;
        let page = page.map_err(|_| failure(NOT_NOW, "not now"))?.map_err(|_| failure(NOT_NOW, "not now"))?;
        let shown = |file: &FileView| {
            json!({
                "file": model::hex(&file.id.0), "name": file.name, "size": file.size,
                "sha256": model::hex(&file.digest), "isThere": file.arrived.is_some(),
            })
        };
        let files: Vec<Value> = page.files.iter().map(shown).collect();
        let next = page.files.last().filter(|_| page.more).map(|file| model::hex(&file.id.0));
        Ok(json!({ "files": files, "next": next }))
    }
}
