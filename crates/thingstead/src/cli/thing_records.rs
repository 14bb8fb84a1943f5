//! `thingstead things record|enrol|window|block|...`: what the load balancer has on record of a smart device.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, Subcommand};
use http::Method;
use model::Uuid;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::account::line;
use super::audit::time_of;
use super::owner::escaped;
use super::say::{Say, document_of, read};
use super::stdout::print_line;
use super::thing_verbs::chosen_model;
use crate::failure::{Failure, Outcome};
use crate::operator_client::OperatorClient;
use crate::{files, label_picture};

/// The largest maker's record.
const RECORD_SIZE_MAX: u64 = 256 * 1024;

#[derive(Subcommand)]
pub(crate) enum RecordVerb {
    /// Show what the load balancer has on record of a smart device, or say whether the old protocol is run with it.
    ///
    /// Examples:
    ///   thingstead things --data data/a record 8f2c41d0-0000-4000-8000-0000000077aa
    ///   thingstead things --data data/a record 8f2c41d0-0000-4000-8000-0000000077aa --compat allow < code
    ///   thingstead things --data data/a record 8f2c41d0-0000-4000-8000-0000000077aa --compat forbid
    #[command(verbatim_doc_comment)]
    Record {
        /// The thing's UUID.
        thing: Uuid,
        /// The old protocol, type 1, which protects nothing. To allow it takes the device's code.
        #[arg(long, value_enum)]
        compat: Option<OldProtocol>,
        /// Takes what the code comes to from the maker's record of the device, not the code from standard input.
        #[arg(long, value_name = "FILE", requires = "compat")]
        from: Option<PathBuf>,
    },
    /// Put the device of a thing on record that is on none yet.
    ///
    /// Examples:
    ///   thingstead things --data data/a enrol 8f2c41d0-0000-4000-8000-0000000077aa --code < code
    ///   thingstead things --data data/a enrol 8f2c41d0-0000-4000-8000-0000000077aa --from made/TS7Q2K.json
    #[command(verbatim_doc_comment)]
    Enrol {
        /// The thing's UUID.
        thing: Uuid,
        #[command(flatten)]
        proof: Proof,
    },
    /// Take the code on the label for 15 minutes once more, as after a sale.
    Window {
        /// The thing's UUID.
        thing: Uuid,
    },
    /// Take the code on the label no more, before the window's time is over.
    CloseWindow {
        /// The thing's UUID.
        thing: Uuid,
    },
    /// Let a smart device in no more; if it is connected, its session ends at once.
    Block {
        /// The thing's UUID.
        thing: Uuid,
    },
    /// Let a smart device in again.
    Unblock {
        /// The thing's UUID.
        thing: Uuid,
    },
    /// Give a smart device another code. A device that has enrolled takes it once the window is open.
    Code {
        /// The thing's UUID.
        thing: Uuid,
        #[command(flatten)]
        proof: Proof,
    },
    /// List the sub-devices behind a gateway: those that wait for a decision, those that are things or refused.
    Children {
        /// The gateway's UUID.
        thing: Uuid,
    },
    /// Make a thing of a sub-device that a gateway tells of; prints its UUID.
    ///
    /// Examples:
    ///   thingstead things --data data/a adopt 8f2c41d0-0000-4000-8000-0000000077aa LAMP-1 --model radar
    #[command(verbatim_doc_comment)]
    Adopt {
        /// The gateway's UUID.
        thing: Uuid,
        /// The sub-device's serial.
        serial: String,
        /// The model: a file with a W3C Thing Model, or one of `things models`.
        #[arg(long, value_name = "FILE|NAME")]
        model: PathBuf,
        /// The UUID of its thing; drawn when it is left out.
        #[arg(long)]
        id: Option<Uuid>,
    },
    /// Refuse a sub-device, until it is adopted.
    Decline {
        /// The gateway's UUID.
        thing: Uuid,
        /// The sub-device's serial.
        serial: String,
    },
    /// List the models that come with the program, and the realm of the load balancer.
    Models,
}

#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum OldProtocol {
    /// It is run with the device.
    Allow,
    /// It is run no more; a session of it ends at once.
    Forbid,
}

#[derive(Args)]
#[command(group(ArgGroup::new("proof").required(true).args(["code", "from", "picture"])))]
pub(crate) struct Proof {
    /// Reads the code on the label from standard input, never from the arguments.
    #[arg(long)]
    code: bool,
    /// The maker's record of the device (SERIAL.json).
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The picture of the device's label.
    #[arg(long, value_name = "PNG")]
    picture: Option<PathBuf>,
}

/// The code that a person types or pipes in.
pub(super) fn typed_code() -> Outcome<Zeroizing<String>> {
    line("Code on the label (shown as you type; pipe it in to hide it): ")
}

/// What a maker's record says, as the body of a call that adds its thing.
pub(super) fn of_maker(path: &Path) -> Outcome<Value> {
    let bytes = Zeroizing::new(files::read(path, RECORD_SIZE_MAX)?);
    let record: Value =
        serde_json::from_slice(&bytes).map_err(|_| files::malformed(path, "it is no JSON"))?;
    let serial = record["serial"].as_str().ok_or_else(|| files::malformed(path, "it names no serial"))?;
    let mut enrolment = json!({});
    for (from, to) in [("code", "record"), ("psk", "psk"), ("key", "key")] {
        if let Some(member) = record.get(from) {
            enrolment[to] = member.clone();
        }
    }
    Ok(json!({
        "model": record["model"], "enrolment": enrolment,
        "osap": { "serial": serial, "product_key": record["mode"].as_u64() == Some(1) },
    }))
}

/// What the label in a picture says, likewise.
pub(super) fn of_label(path: &Path) -> Outcome<Value> {
    let label = label_picture::read_smart(path)?;
    let code = Zeroizing::new(label.code.print());
    Ok(json!({
        "osap": { "serial": String::from_utf8_lossy(label.serial.as_bytes()) },
        "enrolment": { "code": code.as_str() },
    }))
}

/// What the old protocol is run by.
fn old_keys(from: Option<&Path>) -> Outcome<Value> {
    let Some(path) = from else { return Ok(json!({ "code": typed_code()?.as_str() })) };
    let bytes = Zeroizing::new(files::read(path, RECORD_SIZE_MAX)?);
    let mut record: Value =
        serde_json::from_slice(&bytes).map_err(|_| files::malformed(path, "it is no JSON"))?;
    match record["compat"].take() {
        Value::Null => Err(files::malformed(path, "it has nothing for the old protocol")),
        keys => Ok(json!({ "keys": keys })),
    }
}

impl Proof {
    fn enrolment(&self) -> Outcome<Value> {
        match (&self.from, &self.picture) {
            (Some(path), _) => Ok(of_maker(path)?["enrolment"].take()),
            (None, Some(path)) => Ok(of_label(path)?["enrolment"].take()),
            (None, None) => Ok(json!({ "code": typed_code()?.as_str() })),
        }
    }
}

/// A record as people read it.
fn lines_of(record: &Value) -> String {
    let time = |name: &str| record[name].as_u64().map_or_else(|| "-".to_owned(), time_of);
    let kinds: Vec<&str> =
        record["kinds"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let is = |name: &str| if record[name] == true { "yes" } else { "no" };
    let kinds = if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(", ") };
    format!(
        "serial       {}\nproves with  {kinds}\nticket       {}\nblocked      {}\nwindow       {}\n\
         enrolled     {}\ncode burned  {}\nmin type     {}\nold protocol {}\ndevid        {}\non record    {}\nadmitted     {}",
        record["serial"].as_str().unwrap_or("-"),
        is("has_ticket"),
        is("blocked"),
        time("window_until_unix_millis"),
        is("enrolled"),
        is("code_burned"),
        record["min_type"],
        if record["compat"] == true { "allowed" } else { "no" },
        record["devid"].as_str().unwrap_or("-"),
        time("created_unix_millis"),
        time("admitted_unix_millis"),
    )
}

async fn children(client: &OperatorClient, say: Say, thing: Uuid) -> Outcome {
    let all = read(client, &format!("/things/{thing}/children")).await?;
    if say.output.json {
        return say.document(&all);
    }
    for one in all["children"].as_array().into_iter().flatten() {
        let word = |name: &str| one[name].as_str().unwrap_or("-").to_owned();
        let there = match (&one["connected"], &one["told"]) {
            (Value::Bool(true), _) => "connected",
            (_, Value::Bool(true)) => "away",
            (_, _) => "not told of",
        };
        print_line(format_args!("{}\t{}\t{there}\t{}", word("serial"), word("state"), word("thing")));
    }
    Ok(())
}

impl RecordVerb {
    pub(crate) async fn run(self, client: &OperatorClient, say: Say) -> Outcome {
        let show = |record: &Value| {
            if say.output.json {
                return say.document(record);
            }
            print_line(lines_of(record));
            Ok(())
        };
        let change = async |method: Method, thing: Uuid, what: &str, body: &Value, done: &str| -> Outcome {
            let path = format!("/things/{thing}/record{what}");
            let body = Zeroizing::new(if body.is_null() { String::new() } else { body.to_string() });
            let answer = client.call(method, &path, body.as_bytes().to_vec(), &thing.to_string()).await?;
            if say.output.json {
                return say.document(&document_of(&answer)?);
            }
            say.done("thing", &thing.to_string(), done)
        };
        let nothing = Value::Null;
        match self {
            Self::Record { thing, compat: None, .. } => {
                show(&read(client, &format!("/things/{thing}/record")).await?)
            }
            Self::Record { thing, compat: Some(OldProtocol::Allow), from } => {
                let keys = old_keys(from.as_deref())?;
                change(Method::PUT, thing, "/compat", &keys, "the old protocol is run with it").await
            }
            Self::Record { thing, compat: Some(OldProtocol::Forbid), .. } => {
                change(Method::DELETE, thing, "/compat", &nothing, "the old protocol is run with it no more")
                    .await
            }
            Self::Enrol { thing, proof } => {
                change(Method::POST, thing, "", &proof.enrolment()?, "on record").await
            }
            Self::Window { thing } => {
                change(Method::POST, thing, "/window", &nothing, "takes its code for 15 minutes").await
            }
            Self::CloseWindow { thing } => {
                change(Method::DELETE, thing, "/window", &nothing, "takes its code no more").await
            }
            Self::Block { thing } => change(Method::PUT, thing, "/block", &nothing, "blocked").await,
            Self::Unblock { thing } => {
                change(Method::DELETE, thing, "/block", &nothing, "let in again").await
            }
            Self::Code { thing, proof } => {
                let enrolment = proof.enrolment()?;
                let code = json!({ "code": enrolment.get("code"), "record": enrolment.get("record") });
                if code["code"].is_null() && code["record"].is_null() {
                    return Err(Failure::new("enrolment-refused", thing.to_string())
                        .because("the maker's record holds no code"));
                }
                change(Method::PUT, thing, "/code", &code, "has another code").await
            }
            Self::Children { thing } => children(client, say, thing).await,
            Self::Adopt { thing, serial, model, id } => {
                let id = id.map(|id| id.to_string());
                let body = json!({ "model": chosen_model(&model)?, "id": id }).to_string();
                let path = format!("/things/{thing}/children/{}", escaped(&serial));
                let answer = client.call(Method::PUT, &path, body, &serial).await?;
                let added = document_of(&answer)?;
                say.value(added["id"].as_str().unwrap_or("-"), &added)
            }
            Self::Decline { thing, serial } => {
                let path = format!("/things/{thing}/children/{}", escaped(&serial));
                client.call(Method::DELETE, &path, "", &serial).await?;
                say.done("child", &serial, "refused")
            }
            Self::Models => {
                let all = read(client, "/v1/models").await?;
                if say.output.json {
                    return say.document(&all);
                }
                say.step(&format!("realm: {}", all["realm"].as_str().unwrap_or("none: no load balancer")));
                for one in all["models"].as_array().into_iter().flatten() {
                    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
                    print_line(format_args!("{}\t{}", word(&one["name"]), word(&one["model"]["title"])));
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_makers_record_is_the_body_of_a_call() {
        let folder = std::env::temp_dir().join(format!("thingstead-record-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("T1.json");
        let record = json!({
            "osap": 1, "serial": "T1", "hub": false, "model": {"title": "Lock"}, "psk": "00ff",
            "code": {"w0": "aa", "l": "bb", "kdf": 1, "realm": "localhost"},
        });
        std::fs::write(&path, record.to_string()).unwrap();
        let body = of_maker(&path).unwrap();
        assert_eq!(
            body,
            json!({
                "model": {"title": "Lock"}, "osap": {"serial": "T1", "product_key": false},
                "enrolment": {"psk": "00ff", "record": {"w0": "aa", "l": "bb", "kdf": 1, "realm": "localhost"}},
            })
        );
        std::fs::write(&path, "{}").unwrap();
        assert_eq!(of_maker(&path).map_err(|failure| failure.code()), Err("file-malformed"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
