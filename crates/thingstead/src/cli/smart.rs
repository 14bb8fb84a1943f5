//! What `maker osap` and `device run --osap` take and print.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use model::bytes_from_hex;
use net::https_client::Endpoint;
use osap_proto::{Realm, Serial, TypeGroup};
use serde_json::json;

use super::stdout::print_line;
use super::{Output, provider};
use crate::device::smart::models::{self, MODELS, Model};
use crate::device::smart::run;
use crate::device::voice::Voice;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::identity::dice;
use crate::maker::smart::{SmartBirth, SmartLot, draw_serial, make, read_issuer, read_pin};

/// With what a smart device is born.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Born {
    /// A code of 12 characters on its label; after its first run it has a key instead.
    Code,
    /// A pre-shared key of 32 bytes.
    Psk,
    /// A key pair on P-256.
    KeyPair,
}

/// Make smart devices of OSAP, with their labels and the operator's records.
///
/// Each device is a folder for `device run --osap`. Beside it stand SERIAL.json, which the operator of the load
/// balancer takes in, and for a device with a code SERIAL.png: its label, with the code as QR and as text. The
/// code is in no other file. All of them are for this user alone.
///
/// Examples:
///   thingstead maker osap --out made --realm lbs.example.org --model camera
///   thingstead maker osap --out made --kind psk --serial LOCK-7
///   thingstead maker osap --out made --kind key-pair --pin data/a/lbs.pin
///   thingstead maker osap --out made --realm lbs.example.org --compat
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(super) struct MakeSmart {
    /// The folder that everything goes to; made if needed.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// With what the device proves itself at first.
    #[arg(long, value_enum, default_value = "code")]
    kind: Born,
    /// The lower-case name of the load balancer that a code is good at: `realm` of its section `[lbs]`.
    #[arg(long, value_name = "NAME", required_if_eq("kind", "code"))]
    realm: Option<String>,
    /// A key that load balancers have (`lbs.pin` in their folder), for a device with a key pair: one or two.
    #[arg(long, value_name = "FILE", required_if_eq("kind", "key-pair"))]
    pin: Vec<PathBuf>,
    /// What it is called: visible ASCII without " # + / \. Drawn unless given.
    #[arg(long)]
    serial: Option<String>,
    /// How many are made.
    #[arg(long, default_value_t = 1, conflicts_with = "serial", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
    /// What it is: door-lock, camera, radar, sensor, or a file with a W3C Thing Model.
    #[arg(long, default_value = "door-lock")]
    model: String,
    /// It is a gateway with sub-devices behind it.
    #[arg(long)]
    hub: bool,
    /// The protocol types it can, best first: 2 on plain TCP, 4 inside TLS, 8 inside TLS with a certificate of the
    /// device (with --kind key-pair).
    #[arg(long, default_value = "4,2", value_delimiter = ',', value_parser = clap::value_parser!(u8))]
    types: Vec<u8>,
    /// Who issues certificates of devices with type 8: a file with a CA's certificate and private key, in PEM. Each
    /// device signs its own without it, which the key on its record makes good.
    #[arg(long, value_name = "FILE")]
    issuer: Option<PathBuf>,
    /// It speaks the old protocol, type 1, and nothing else, as devices in the field do: who listens has its keys.
    #[arg(long, conflicts_with_all = ["types", "hub", "lbs_tls_key", "pin", "issuer"])]
    compat: bool,
    /// The SHA-256 of the load balancer's TLS key in hexadecimal: with it the device takes no other.
    #[arg(long, value_name = "HEX")]
    lbs_tls_key: Option<String>,
}

impl MakeSmart {
    pub(super) fn run(self, output: Output) -> Outcome {
        let wrong = |subject: &str, why: &str| Failure::new("request-unreadable", subject).because(why);
        let birth = match self.kind {
            Born::Code => {
                let realm = self.realm.as_deref().and_then(|realm| Realm::new(realm.as_bytes()));
                SmartBirth::Code(realm.ok_or_else(|| wrong("--realm", "it is a lower-case name"))?)
            }
            Born::Psk => SmartBirth::Psk,
            Born::KeyPair if self.pin.len() > 2 => return Err(wrong("--pin", "one or two")),
            Born::KeyPair => {
                SmartBirth::KeyPair(self.pin.iter().map(|path| read_pin(path)).collect::<Outcome<_>>()?)
            }
        };
        if self.compat && self.kind != Born::Code {
            return Err(wrong("--compat", "devices of the old protocol have a code"));
        }
        let asked = if self.compat { vec![1] } else { self.types.clone() };
        let has_pair = self.kind == Born::KeyPair;
        let is_known = |one: &u8| matches!(one, 2 | 4) || *one == 8 && has_pair;
        let types = TypeGroup::new(&asked).filter(|_| self.compat || asked.iter().all(is_known));
        let types = types.ok_or_else(|| wrong("--types", "2, 4, and 8 for a device with a key pair"))?;
        let issuer = self.issuer.as_deref().map(|path| read_issuer(path, &provider())).transpose()?;
        let key = self.lbs_tls_key.as_deref().map(|text| {
            let bytes = bytes_from_hex(text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
            bytes.ok_or_else(|| wrong("--lbs-tls-key", "64 hexadecimal digits"))
        });
        let model = model_text(&self.model)?;
        let lot = SmartLot {
            birth,
            is_hub: self.hub,
            types,
            lbs_tls_key: key.transpose()?,
            issuer,
            model: &model,
            out: &self.out,
        };
        let mut dice = dice()?;
        for _ in 0..self.count {
            let serial = match &self.serial {
                Some(text) => Serial::new(text.as_bytes()).ok_or_else(|| {
                    wrong("--serial", "1 to 71 visible ASCII characters without \" # + / \\")
                })?,
                None => draw_serial(&mut dice),
            };
            let made = make(&lot, serial, &provider(), &mut dice)?;
            if output.json {
                print_line(json!({
                    "serial": made.serial, "folder": made.folder.display().to_string(),
                    "record": made.record.display().to_string(),
                    "label": made.label.map(|label| label.display().to_string()),
                }));
            } else if output.quiet {
                print_line(&made.serial);
            } else {
                let label = made.label.map_or_else(String::new, |label| format!("\t{}", label.display()));
                print_line(format_args!("{}\t{}{label}", made.serial, made.record.display()));
            }
        }
        Ok(())
    }
}

/// The text of a model in the program, or of a file.
pub(super) fn model_text(name: &str) -> Outcome<String> {
    if let Some(text) = models::text_of(name) {
        return Ok(text.to_owned());
    }
    let path = PathBuf::from(name);
    if !path.exists() {
        return Err(models::unknown(name));
    }
    let bytes = files::read(&path, 64 * 1024)?;
    Model::parse(&bytes).map_err(|why| files::malformed(&path, why))?;
    String::from_utf8(bytes).map_err(|_| files::malformed(&path, "it is no UTF-8"))
}

/// Show the models of smart devices that this program can play, as W3C Thing Models.
///
/// Examples:
///   thingstead device models
///   thingstead device models camera
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Models {
    /// The model to print whole.
    name: Option<String>,
}

impl Models {
    pub(super) fn run(self, output: Output) -> Outcome {
        if let Some(name) = self.name {
            let text = models::text_of(&name).ok_or_else(|| models::unknown(&name))?;
            print_line(text.trim_end());
            return Ok(());
        }
        for (name, text) in MODELS {
            let model =
                Model::parse(text.as_bytes()).map_err(|why| Failure::new("internal", name).because(why))?;
            let names = |parts: &[models::Part]| -> Vec<String> {
                parts.iter().map(|part| part.name.clone()).collect()
            };
            let (properties, actions, events) =
                (names(&model.properties), names(&model.actions), names(&model.events));
            if output.json {
                print_line(json!({
                    "name": name, "title": model.title, "properties": properties, "actions": actions,
                    "events": events,
                }));
            } else if output.quiet {
                print_line(name);
            } else {
                print_line(format_args!(
                    "{name}\t{}\n  properties  {}\n  actions     {}\n  events      {}",
                    model.title,
                    properties.join(", "),
                    actions.join(", "),
                    events.join(", ")
                ));
            }
        }
        Ok(())
    }
}

/// A sub-device as it is named: `SERIAL=MODEL`.
fn sub_device(text: &str) -> Outcome<(Serial, Model)> {
    let wrong = |why: &str| Failure::new("request-unreadable", text).because(why);
    let (serial, model) = text.split_once('=').ok_or_else(|| wrong("it is SERIAL=MODEL"))?;
    let serial = Serial::new(serial.as_bytes()).ok_or_else(|| wrong("it has no serial that can be used"))?;
    let model = Model::parse(model_text(model)?.as_bytes()).map_err(wrong)?;
    Ok((serial, model))
}

/// Runs the smart device in `folder`, with these sub-devices.
pub(super) fn play(
    (folder, children): (PathBuf, Vec<String>),
    lbs: Endpoint,
    wait_unit: f64,
    json: bool,
) -> Outcome {
    let children = children.iter().map(|text| sub_device(text)).collect::<Outcome<_>>()?;
    let setup = run::Setup { folder, lbs, wait_unit: Duration::from_secs_f64(wait_unit), children };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new("internal", "the runtime").because(error))?;
    let voice = Voice::start(json);
    let outcome = runtime.block_on(run::run(setup, provider(), &voice));
    voice.finish();
    // a lookup that hangs in the system's resolver is not waited for
    runtime.shutdown_background();
    outcome
}
