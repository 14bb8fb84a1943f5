//! A plain MQTT 5 sensor of the demo, at the broker of the second owner: it could be anybody's program.

use std::time::Instant;

use http::Method;
use serde_json::{Value, json};

use crate::cli::block_on;
use crate::failure::{Failure, Outcome};
use crate::files;

use super::Progress;
use super::places::{self, OWNERS};
use super::servers::{Servers, text};
use super::smart::{OWNER, operator, owner_says};
use super::stage::{Actor, PAUSE, Stage};

/// The client, and the model that it plays.
const NAME: &str = "sensor";
/// What it measures.
pub(crate) const PROPERTY: &str = "temperature";
/// Seconds between two looks at it.
const EVERY: &str = "0.5";

/// The sensor.
pub(crate) struct Sensor {
    pub(crate) title: String,
    pub(crate) thing: String,
    _actor: Actor,
}

impl Sensor {
    /// For programs.
    pub(crate) fn to_json(&self) -> Value {
        json!({ "title": self.title, "thing": self.thing, "client": NAME })
    }
}

/// Makes its client and its thing, and switches it on.
pub(crate) fn join(stage: &Stage, servers: &Servers, progress: &Progress) -> Outcome<Sensor> {
    progress.step("a plain MQTT 5 sensor becomes a thing: a client, a model, a connection");
    let password = stage.path(format!("{NAME}.password"));
    make_client(stage, servers, &password)?;
    let added = owner_says(stage, servers, "things", &["add", "--model", NAME, "--mqtt", NAME])?;
    let thing = added["id"].as_str().unwrap_or_default().to_owned();
    let (at, password) = (places::at(servers.ports.mqtt), text(&password));
    let ca = text(&stage.path(OWNERS[OWNER]).join("ca.pem"));
    let arguments = ["device", "run", "--mqtt", &at, "--ca", &ca, "--name", NAME, "--password", &password];
    let arguments = [&arguments[..], &["--thing", &thing, "--model", NAME, "--every", EVERY, "--json"]];
    let mut actor = stage.start(NAME, &arguments.concat())?;
    let online = |line: &str| {
        let said: Value = serde_json::from_str(line).ok()?;
        (said["event"] == "online").then_some(())
    };
    actor.wait_for("the sensor is connected", online)?;
    let title = owner_says(stage, servers, "things", &["show", &thing])?;
    let title = title["title"].as_str().unwrap_or_default().to_owned();
    progress.done();
    Ok(Sensor { title, thing, _actor: actor })
}

/// As the owner would with `client add`; the sensor finds its password in a file.
fn make_client(stage: &Stage, servers: &Servers, file: &std::path::Path) -> Outcome {
    let mut dice = net::seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
    let password = format!("Aa1-{}", model::hex(&dice.bytes::<12>()));
    files::write_secret(file, password.as_bytes())?;
    let client = json!({ "name": NAME, "namespace": "home", "password": password });
    block_on(operator(stage, servers)?.call(Method::POST, "/v1/clients", client.to_string(), NAME)).map(drop)
}

/// The owner reads what it measures, until it is another value than at first.
pub(crate) fn read(stage: &Stage, servers: &Servers, sensor: &Sensor) -> Outcome {
    let path = format!("/things/{}/properties/{PROPERTY}", sensor.thing);
    let owner = operator(stage, servers)?;
    let look = || -> Outcome<Value> {
        let answer = block_on(owner.call(Method::GET, &path, "", PROPERTY))?;
        serde_json::from_slice(answer.body())
            .map_err(|error| Failure::new("internal", "a property").because(error))
    };
    let (first, deadline) = (look()?, Instant::now() + stage.step_time());
    loop {
        let now = look()?;
        if first.is_number() && now.is_number() && now != first {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(Failure::new("step-missing", "the temperature changes")
                .because(format!("it was {first} and is {now}")));
        }
        std::thread::sleep(PAUSE);
    }
}
