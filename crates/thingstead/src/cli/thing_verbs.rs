//! `thingstead things list|show|add|...`: what an owner does with things.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, Subcommand};
use http::{Method, StatusCode};
use model::Uuid;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::owner::{Danger, escaped};
use super::say::{Say, document_of, read, read_all};
use super::stdout::print_line;
use super::thing_records;
use crate::device::smart::models;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::operator_client::OperatorClient;

/// The largest file of a model; the server takes 64 KiB without spaces.
const MODEL_SIZE_MAX: u64 = 256 * 1024;

#[derive(Subcommand)]
pub(crate) enum Use {
    /// List things.
    List {
        /// Words that all have to stand in the title; `is:osap`, `is:mqtt`, `is:compat`, a minus turns around.
        #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
        find: Option<String>,
    },
    /// Show a thing as a W3C Thing Description.
    Show {
        /// The thing's UUID.
        thing: Uuid,
    },
    /// Add a thing for a device; with a label, a code or a maker's record its device comes on record, too.
    ///
    /// Examples:
    ///   thingstead things --data data/a add --enrol made/TS7Q2K.json
    ///   thingstead things --data data/a add --model door-lock --label label.png
    ///   thingstead things --data data/a add --model lock.json --osap TS7Q2K --code < code
    #[command(verbatim_doc_comment)]
    Add(Add),
    /// Give a thing another model.
    Replace {
        /// The thing's UUID.
        thing: Uuid,
        /// The model: a W3C Thing Model in JSON.
        #[arg(long, value_name = "FILE")]
        model: PathBuf,
    },
    /// Remove a thing with everything that was kept of it.
    Remove {
        /// The thing's UUID.
        thing: Uuid,
        #[command(flatten)]
        danger: Danger,
    },
    /// Read a property, or all of them.
    Read {
        /// The thing's UUID.
        thing: Uuid,
        /// The property; all when it is left out.
        name: Option<String>,
        /// Asks the device first; else what it said last is shown.
        #[arg(long, requires = "name")]
        fresh: bool,
    },
    /// Show what a property was: up to 256 reports are kept.
    History {
        /// The thing's UUID.
        thing: Uuid,
        /// The property.
        name: String,
        /// Behind the report of this number.
        #[arg(long, default_value_t = 0)]
        after: u64,
    },
    /// Want another value of a property.
    Write {
        /// The thing's UUID.
        thing: Uuid,
        /// The property.
        name: String,
        /// The value, as JSON; text that is no JSON is taken as text.
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// Seconds to wait for the device.
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(0..=25))]
        wait: u8,
    },
    /// Invoke an action and wait for what comes of it.
    Call {
        /// The thing's UUID.
        thing: Uuid,
        /// The action.
        name: String,
        /// Its input, as JSON; text that is no JSON is taken as text.
        #[arg(allow_hyphen_values = true)]
        input: Option<String>,
        /// Seconds that the device has.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=86_400))]
        within: u32,
        /// Seconds to wait for the device; `things operation` tells later.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(0..=25))]
        wait: u8,
    },
    /// Show what became of an action.
    Operation(OneOperation),
    /// Take an action out of the queue.
    Withdraw(OneOperation),
    /// List events that were kept.
    Events {
        /// The thing's UUID.
        thing: Uuid,
        /// Behind the event of this number.
        #[arg(long, default_value_t = 0)]
        after: u64,
    },
    /// Follow values and events until the stream ends.
    Watch {
        /// The thing's UUID.
        thing: Uuid,
        /// Only these properties; with --event alone none.
        #[arg(long = "property", value_name = "NAME")]
        properties: Vec<String>,
        /// Only these events; with --property alone none.
        #[arg(long = "event", value_name = "NAME")]
        events: Vec<String>,
        /// Ends after so many values and events.
        #[arg(long)]
        count: Option<u64>,
    },
}

#[derive(Args)]
#[command(group(ArgGroup::new("device").required(true).args(["osap", "mqtt", "enrol", "label"])))]
pub(crate) struct Add {
    /// The model: a file with a W3C Thing Model, or one of `things models`. A maker's record has its own.
    #[arg(long, value_name = "FILE|NAME", required_unless_present = "enrol")]
    model: Option<PathBuf>,
    /// The maker's record of a smart device (SERIAL.json): serial, model, and what it proves itself with.
    #[arg(long, value_name = "FILE")]
    enrol: Option<PathBuf>,
    /// The picture of a smart device's label.
    #[arg(long, value_name = "PNG")]
    label: Option<PathBuf>,
    /// Reads the code on the label from standard input, never from the arguments.
    #[arg(long, requires = "osap")]
    code: bool,
    /// The serial of a smart device.
    #[arg(long, value_name = "SERIAL")]
    osap: Option<String>,
    /// The serial is `<product key>:<device name>`.
    #[arg(long, requires = "osap")]
    product_key: bool,
    /// The name of a client of the broker.
    #[arg(long, value_name = "NAME")]
    mqtt: Option<String>,
    /// The thing's UUID; drawn when it is left out.
    #[arg(long)]
    id: Option<Uuid>,
}

#[derive(Args)]
pub(crate) struct OneOperation {
    /// The thing's UUID.
    thing: Uuid,
    /// The action.
    name: String,
    /// The number that `things call` printed.
    number: u64,
}

impl OneOperation {
    fn path(&self) -> String {
        format!("/things/{}/actions/{}/{}", self.thing, escaped(&self.name), self.number)
    }
}

/// A value as it was typed: JSON, or else text.
fn typed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

fn model(path: &Path) -> Outcome<Value> {
    let bytes = files::read(path, MODEL_SIZE_MAX)?;
    serde_json::from_slice(&bytes).map_err(|_| files::malformed(path, "it is no JSON"))
}

/// A model in a file, or one that comes with the program.
pub(super) fn chosen_model(name: &Path) -> Outcome<Value> {
    match name.to_str().and_then(models::text_of).filter(|_| !name.exists()) {
        Some(text) => serde_json::from_str(text)
            .map_err(|error| Failure::new("internal", "a model of the program").because(error)),
        None => model(name),
    }
}

/// What people see of a property.
fn line_of(name: &str, seen: &Value) -> String {
    let value = seen.get("value").map_or_else(|| "-".to_owned(), Value::to_string);
    let at = seen["at_unix_millis"].as_u64().map_or_else(|| "-".to_owned(), super::audit::time_of);
    let wanted = match seen["desired"]["state"].as_str() {
        Some("wanted") => format!("\twanted {}", seen["desired"]["value"]),
        Some("refused") => format!("\trefused {}", seen["desired"]["value"]),
        _ => String::new(),
    };
    format!("{name}\t{value}\t{at}{wanted}")
}

impl Use {
    pub(crate) async fn run(self, client: &OperatorClient, say: Say) -> Outcome {
        match self {
            Self::List { find } => {
                let words = find.map(|find| format!("&q={}", escaped(&find))).unwrap_or_default();
                let all = read_all(client, &format!("/things?format=summary{words}"), "things").await?;
                say.rows(&all, &["id", "title", "binding", "device", "online_since_unix_millis"])
            }
            Self::Show { thing } => say.document(&read(client, &format!("/things/{thing}")).await?),
            Self::Add(add) => add.run(client, say).await,
            Self::Replace { thing, model: path } => {
                let body = model(&path)?.to_string();
                client.call(Method::PUT, &format!("/things/{thing}"), body, &thing.to_string()).await?;
                say.done("thing", &thing.to_string(), "model replaced")
            }
            Self::Remove { thing, danger } => {
                danger.confirm(
                    thing,
                    "Its values, events, operations and grants are erased; its device is let in no more.",
                )?;
                client.call(Method::DELETE, &format!("/things/{thing}"), "", &thing.to_string()).await?;
                say.done("thing", &thing.to_string(), "removed")
            }
            Self::Read { thing, name: None, .. } => {
                let all = read(client, &format!("/things/{thing}/properties?detail=true")).await?;
                if say.output.json {
                    return say.document(&all);
                }
                let lines = all.as_object().into_iter().flatten().map(|(name, seen)| line_of(name, seen));
                lines.for_each(print_line);
                Ok(())
            }
            Self::Read { thing, name: Some(name), fresh } => {
                let path = format!("/things/{thing}/properties/{}", escaped(&name));
                let seen = read(client, &format!("{path}?detail=true&fresh={fresh}")).await?;
                match seen.get("value") {
                    Some(value) => say.value(&value.to_string(), &seen),
                    None => Err(Failure::new("never-reported", name)),
                }
            }
            Self::History { thing, name, after } => {
                let path = format!("/things/{thing}/properties/{}/history?after={after}", escaped(&name));
                let series = read(client, &path).await?;
                say.rows(&series["samples"], &["version", "at_unix_millis", "value"])
            }
            Self::Write { thing, name, value, wait } => {
                write(client, thing, &name, &typed(&value), wait, say).await
            }
            Self::Call { thing, name, input, within, wait } => {
                let path = format!("/things/{thing}/actions/{}", escaped(&name));
                let path = format!("{path}?within={within}&wait={wait}");
                let input = input.map(|input| typed(&input).to_string()).unwrap_or_default();
                let answer = client.call(Method::POST, &path, input, &name).await?;
                match answer.status() {
                    StatusCode::OK => {
                        let output = document_of(&answer)?;
                        say.value(&output.to_string(), &output)
                    }
                    StatusCode::CREATED => {
                        let view = document_of(&answer)?;
                        say.value(&format!("{}\t{}", view["number"], words(&view["state"])), &view)
                    }
                    _ => say.done("action", &name, "done"),
                }
            }
            Self::Operation(one) => say.document(&read(client, &one.path()).await?),
            Self::Withdraw(one) => {
                client.call(Method::DELETE, &one.path(), "", &one.name).await?;
                say.done("action", &one.name, "withdrawn")
            }
            Self::Events { thing, after } => events(client, thing, after, say).await,
            Self::Watch { thing, properties, events, count } => {
                watch(client, thing, &properties, &events, count, say).await
            }
        }
    }
}

fn words(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

impl Add {
    async fn run(self, client: &OperatorClient, say: Say) -> Outcome {
        let mut body = match (&self.enrol, &self.label) {
            (Some(path), _) => thing_records::of_maker(path)?,
            (None, Some(path)) => thing_records::of_label(path)?,
            (None, None) => json!({}),
        };
        if let Some(path) = &self.model {
            body["model"] = chosen_model(path)?;
        }
        if self.code {
            body["enrolment"] = json!({ "code": thing_records::typed_code()?.as_str() });
        }
        if let Some(id) = self.id {
            body["id"] = json!(id.to_string());
        }
        if let Some(serial) = self.osap {
            body["osap"] = json!({ "serial": serial, "product_key": self.product_key });
        }
        if let Some(name) = self.mqtt {
            body["mqtt"] = json!({ "client": name });
        }
        let body = Zeroizing::new(body.to_string());
        let answer = client.call(Method::POST, "/things", body.as_bytes().to_vec(), "the thing").await?;
        let added = document_of(&answer)?;
        say.value(words(&added["id"]), &added)
    }
}

async fn write(
    client: &OperatorClient,
    thing: Uuid,
    name: &str,
    value: &Value,
    wait: u8,
    say: Say,
) -> Outcome {
    let path = format!("/things/{thing}/properties/{}?wait={wait}", escaped(name));
    let answer = client.call(Method::PUT, &path, value.to_string(), name).await?;
    if answer.status() == StatusCode::ACCEPTED {
        return say.done("property", name, "wanted: the device gets it when it is there");
    }
    say.done("property", name, "taken")
}

async fn events(client: &OperatorClient, thing: Uuid, after: u64, say: Say) -> Outcome {
    let (mut all, mut after) = (Vec::new(), after);
    loop {
        let page = read(client, &format!("/things/{thing}/events?after={after}")).await?;
        all.extend(page["events"].as_array().into_iter().flatten().cloned());
        match page["next"].as_u64() {
            Some(next) => after = next,
            None => break,
        }
    }
    say.rows(&Value::Array(all), &["number", "at_unix_millis", "name", "data"])
}

async fn watch(
    client: &OperatorClient,
    thing: Uuid,
    properties: &[String],
    events: &[String],
    count: Option<u64>,
    say: Say,
) -> Outcome {
    let picked = |names: &[String]| names.iter().map(|name| escaped(name)).collect::<Vec<_>>().join(",");
    let query = match (properties, events) {
        ([], []) => String::new(),
        _ => format!("?properties={}&events={}", picked(properties), picked(events)),
    };
    let mut stream = client.follow(&format!("/things/{thing}/watch{query}"), &thing.to_string()).await?;
    let mut left = count.unwrap_or(u64::MAX);
    while left > 0 {
        let Some((kind, data)) = stream.next().await? else { return Ok(()) };
        let told: Value = serde_json::from_str(&data)
            .map_err(|error| Failure::new("internal", "an event").because(error))?;
        match kind.as_str() {
            "beat" => continue,
            _ if say.output.json => print_line(json!({ "kind": kind, "told": told })),
            "value" => print_line(line_of(words(&told["name"]), &told)),
            "event" => print_line(line_of(
                words(&told["name"]),
                &json!({
                    "value": told["data"], "at_unix_millis": told["at_unix_millis"],
                }),
            )),
            _ => print_line(format!("{kind}\t{data}")),
        }
        left -= 1;
    }
    Ok(())
}
