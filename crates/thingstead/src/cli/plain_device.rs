//! What `device run --mqtt` takes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use crypto::Secret;
use model::Uuid;
use net::https_client::Endpoint;
use zeroize::Zeroizing;

use super::account::line;
use super::smart::model_text;
use crate::device::smart::models::Model;
use crate::device::smart::mqtt::{self, Setup};
use crate::device::voice::Voice;
use crate::failure::{Failure, Outcome};
use crate::files;

/// The longest file with a password.
const PASSWORD_FILE_MAX: u64 = 4096;

/// The arguments of a plain MQTT client that is a thing.
#[derive(Args)]
pub(super) struct PlainDevice {
    /// The broker of a plain MQTT 5 client that is a thing, over TLS.
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["state", "osap", "listen", "resolve", "suffix", "retry_base", "data"], requires_all = ["name", "thing", "ca"])]
    mqtt: Option<Endpoint>,
    /// The name of the client, as `client add` made it.
    #[arg(long, value_name = "CLIENT", requires = "mqtt")]
    name: Option<String>,
    /// The UUID of the thing that is bound to the client.
    #[arg(long, value_name = "UUID", requires = "mqtt")]
    thing: Option<Uuid>,
    /// The certificates under which the broker's has to be: PEM.
    #[arg(long, value_name = "FILE", requires = "mqtt")]
    ca: Option<PathBuf>,
    /// Where the client's password stands; it is the first line of standard input unless given.
    #[arg(long, value_name = "FILE", requires = "mqtt")]
    password: Option<PathBuf>,
    /// What it plays: one of `device models`, or a file with a W3C Thing Model.
    #[arg(long, value_name = "FILE|NAME", default_value = "sensor", requires = "mqtt")]
    model: String,
    /// How often it measures a temperature that its model has.
    #[arg(long, value_name = "SECS", default_value = "1", requires = "mqtt", value_parser = super::device::retry_base)]
    every: f64,
}

impl PlainDevice {
    /// Whether one is to run.
    pub(super) const fn is_meant(&self) -> bool {
        self.mqtt.is_some()
    }

    /// Runs it until it is switched off.
    pub(super) fn play(self, wait_unit: f64, json: bool) -> Outcome {
        let missing = |what: &str| Failure::new("request-unreadable", what).because("it has to be given");
        let setup = Setup {
            server: self.mqtt.ok_or_else(|| missing("--mqtt"))?,
            roots: roots(&self.ca.ok_or_else(|| missing("--ca"))?)?,
            name: self.name.ok_or_else(|| missing("--name"))?,
            thing: self.thing.ok_or_else(|| missing("--thing"))?,
            model: Model::parse(model_text(&self.model)?.as_bytes())
                .map_err(|why| Failure::new("request-unreadable", self.model.clone()).because(why))?,
            password: password(self.password.as_deref())?,
            every: Duration::from_secs_f64(self.every),
            wait_unit: Duration::from_secs_f64(wait_unit),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new("internal", "the runtime").because(error))?;
        let voice = Voice::start(json);
        let outcome = runtime.block_on(mqtt::run(setup, &voice));
        voice.finish();
        // a lookup that hangs in the system's resolver is not waited for
        runtime.shutdown_background();
        outcome
    }
}

fn roots(path: &Path) -> Outcome<Vec<Vec<u8>>> {
    let roots = files::read_pem(path)?.certificates;
    if roots.is_empty() { Err(files::malformed(path, "it holds no certificate")) } else { Ok(roots) }
}

/// The password on the first line of a file, or of standard input.
fn password(path: Option<&Path>) -> Outcome<Secret> {
    let Some(path) = path else {
        let typed = line("Password of the client (shown as you type; pipe it in to hide it): ")?;
        return Ok(Secret::from(typed.as_bytes()));
    };
    let bytes = Zeroizing::new(files::read(path, PASSWORD_FILE_MAX)?);
    let first = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    if first.is_empty() {
        Err(files::malformed(path, "it holds no password"))
    } else {
        Ok(Secret::from(first))
    }
}
