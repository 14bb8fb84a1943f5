//! Records of smart devices that makers gave: a folder whose files are taken in.
//!
//! A file is JSON: `serial`, `model` (a thing model), and one or several of `psk` (hexadecimal), `key` (the
//! device's public key as SubjectPublicKeyInfo, hexadecimal) and `code` (`w0`, `l`, `kdf`); with `compat` (what the
//! code comes to in type 1, hexadecimal) that protocol is allowed for this one device. It holds secrets
//! and is deleted when all of it is stored; one that cannot be used is kept under another name.

use std::path::{Path, PathBuf};
use std::time::Duration;

use admission::{AllowCompat, CompatAllowed, Credentials, Origin};
use consent::Party;
use crypto::{Curve, PublicKey, Secret};
use hub::{Binding, Marks, OsapMode, Refusal, ThingModel};
use hub_desk::{Caller, HubDesk, NewSmartDevice, RecordChange, RecordRefusal};
use model::{Uuid, bytes_from_hex};
use net::executor::Executor;
use net::shutdown::Shutdown;
use osap_proto::compat::CodeKeys;
use osap_proto::{CodeRecord, Kdf, Mode, Serial};
use serde::Deserialize;
use serde_json::Value;

/// How often the folder is looked at.
const INTERVAL: Duration = Duration::from_secs(2);

/// Bytes of a record file.
const FILE_SIZE_MAX: u64 = 256 * 1024;

/// A record file.
#[derive(Deserialize)]
struct Record {
    serial: String,
    /// 1 for `<product key>:<device name>`.
    #[serde(default)]
    mode: u8,
    thing: Option<String>,
    model: Value,
    psk: Option<String>,
    key: Option<String>,
    code: Option<Code>,
    compat: Option<String>,
}

#[derive(Deserialize)]
struct Code {
    w0: String,
    l: String,
    kdf: u8,
}

/// Takes record files in.
pub(super) struct Inbox {
    pub(super) folder: PathBuf,
    pub(super) executor: Executor,
    pub(super) desk: HubDesk,
}

/// What became of a file.
enum Taken {
    /// All of it is stored.
    Done,
    /// It will never be.
    Refused(String),
    /// Not now.
    Later,
}

impl Inbox {
    /// Looks at the folder until shutdown.
    pub(super) async fn run(self, stop: Shutdown) {
        loop {
            self.look().await;
            tokio::select! {
                () = stop.requested() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    async fn look(&self) {
        let folder = self.folder.clone();
        let files = tokio::task::spawn_blocking(move || files_in(&folder)).await.unwrap_or_default();
        for path in files {
            let taken = self.take(&path).await;
            let name = path.display().to_string();
            let outcome = match taken {
                Taken::Done => {
                    tracing::info!(name, "a smart device is on record");
                    std::fs::remove_file(&path)
                }
                Taken::Refused(why) => {
                    tracing::warn!(name, why, "a record of a smart device is not taken");
                    std::fs::rename(&path, path.with_extension("refused"))
                }
                Taken::Later => Ok(()),
            };
            if let Err(error) = outcome {
                tracing::error!(name, %error, "a record of a smart device stays where it is");
            }
        }
    }

    fn origin(&self) -> Origin {
        Origin {
            role: "lbs",
            actor: "inbox".into(),
            address: None,
            correlation: self.executor.correlation(),
            seed: self.executor.bytes(),
        }
    }

    async fn take(&self, path: &Path) -> Taken {
        let Ok(bytes) = std::fs::read(path) else { return Taken::Later };
        let record: Record = match serde_json::from_slice(&bytes) {
            Ok(record) => record,
            // It may still be being written.
            Err(error) if error.is_eof() => return Taken::Later,
            Err(error) => return Taken::Refused(error.to_string()),
        };
        let refused = |why: &str| Taken::Refused(why.to_owned());
        let Some(serial) = Serial::new(record.serial.as_bytes()) else { return refused("no serial") };
        let mode = match record.mode {
            0 => Mode::Serial,
            1 => Mode::ProductKey,
            _ => return refused("no mode"),
        };
        let Some(credentials) = credentials_of(&record) else { return refused("no credentials") };
        let Ok(model) = ThingModel::new(record.model) else { return refused("no thing model") };
        let named = record.thing.as_deref().map(str::parse::<Uuid>);
        let Ok(named) = named.transpose() else { return refused("no UUID") };
        let compat = record.compat.as_deref().map(|text| CodeKeys::from_bytes(&Secret::new(bytes_of(text)?)));
        let Some(compat) = flat(compat) else { return refused("no keys of type 1") };
        let of_device = serial.clone();
        let caller = Caller { party: Party::Owner, actor: "inbox".into(), address: None };
        let marks = Marks::default();
        let binding = binding_of(&serial, mode);
        let kept = credentials.clone();
        let new = NewSmartDevice { id: named, model, serial, mode, credentials, marks };
        let admitted = match self.desk.admit(caller.clone(), new).await {
            Ok(_) => Taken::Done,
            Err(RecordRefusal::Thing(Refusal::Exists)) => self.enrol(caller, binding, kept).await,
            Err(refusal) => taken(&refusal),
        };
        match (admitted, compat) {
            (Taken::Done, Some(keys)) => self.allow_compat(of_device, keys).await,
            (taken, _) => taken,
        }
    }

    /// Type 1 is run with this device from now on, unless it can do better.
    async fn allow_compat(&self, serial: Serial, keys: CodeKeys) -> Taken {
        let origin = self.origin();
        match self.executor.run(AllowCompat { serial, keys, origin }).await {
            Ok(Ok(CompatAllowed::Done)) => Taken::Done,
            Ok(Ok(CompatAllowed::ProvenBetter)) => Taken::Refused("it can do better than type 1".to_owned()),
            Ok(Ok(CompatAllowed::Unknown) | Err(_)) | Err(_) => Taken::Later,
        }
    }

    /// The thing is there already: added alone, or the process ended before the file was deleted.
    async fn enrol(&self, caller: Caller, binding: Binding, credentials: Credentials) -> Taken {
        match self.desk.find(binding).await {
            Ok(Some(thing)) => {
                let change = RecordChange::Enrol(credentials);
                match self.desk.change_record(caller, thing, change).await {
                    Ok(_) | Err(RecordRefusal::Recorded) => Taken::Done,
                    Err(refusal) => taken(&refusal),
                }
            }
            Ok(None) => Taken::Refused("the UUID is that of another thing".to_owned()),
            Err(refusal) => taken(&refusal.into()),
        }
    }
}

fn taken(refusal: &RecordRefusal) -> Taken {
    match refusal {
        RecordRefusal::Thing(Refusal::Busy | Refusal::Fault(_)) => Taken::Later,
        refusal => Taken::Refused(format!("{refusal:?}")),
    }
}

fn binding_of(serial: &Serial, mode: Mode) -> Binding {
    let mode = match mode {
        Mode::Serial => OsapMode::Serial,
        Mode::ProductKey => OsapMode::ProductKey,
    };
    Binding::Osap { serial: super::lbs_desk::text(serial), mode }
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_record = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "json")
            && path.metadata().is_ok_and(|data| data.is_file() && data.len() <= FILE_SIZE_MAX)
    };
    let mut files: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_record).collect();
    files.sort();
    files
}

fn credentials_of(record: &Record) -> Option<Credentials> {
    let psk = record.psk.as_deref().map(bytes_of);
    let key = record.key.as_deref().map(|text| PublicKey::from_spki(&bytes_of(text)?).ok());
    let code = record.code.as_ref().map(|code| {
        let kdf = match code.kdf {
            1 => Kdf::Scrypt,
            2 => Kdf::Pbkdf2,
            _ => return None,
        };
        let w0 = bytes_of(&code.w0).filter(|w0| w0.len() == 32)?;
        let point_l = PublicKey::from_point(Curve::P256, &bytes_of(&code.l)?).ok()?;
        Some(CodeRecord { w0: Secret::new(w0), point_l, kdf })
    });
    Some(Credentials { psk: flat(psk)?.map(Secret::new), device_key: flat(key)?, code: flat(code)? })
}

/// `None` when there is something that cannot be read.
fn flat<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        None => Some(None),
        Some(Some(value)) => Some(Some(value)),
        Some(None) => None,
    }
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    bytes_from_hex(text.trim()).ok()
}
