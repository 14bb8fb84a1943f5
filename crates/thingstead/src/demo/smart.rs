//! Smart devices of the demo: a door lock with a code on its label and a radar with a key pair, at the load balancer
//! and access service of the second owner, and a camera of the old protocol at listeners of its own.

use std::time::Instant;

use http::{Method, Request, StatusCode, header};
use net::https_client::{CallLimits, Client};
use serde_json::{Value, json};

use crate::cli::block_on;
use crate::failure::{Failure, Outcome};
use crate::operator_client::{OperatorClient, identity};
use crate::serve::{config, single_certificate};

use super::Progress;
use super::places::{self, OWNERS};
use super::sensor::{self, Sensor};
use super::servers::{Servers, text};
use super::stage::{Actor, PAUSE, Stage};

/// Whose they are.
pub(crate) const OWNER: usize = 1;
/// Model and credential of each, as `maker osap` names them; `OLD` is no credential, but the old protocol.
const KINDS: [(&str, &str); 3] = [("door-lock", "code"), ("radar", "key-pair"), ("camera", OLD)];
const OLD: &str = "compat";
/// The risk that the listener of the old protocol is.
const OLD_RISK: &str = "insecure-mode-osap-compat";
/// Somebody who signs in and was granted nothing.
const STRANGER: &str = "visitor";

/// One smart device.
pub(crate) struct SmartDevice {
    pub(crate) title: String,
    pub(crate) thing: String,
    pub(crate) serial: String,
    /// Whether it speaks the old protocol.
    pub(crate) is_old: bool,
    _actor: Actor,
}

impl SmartDevice {
    /// For programs.
    pub(crate) fn to_json(&self) -> Value {
        json!({ "title": self.title, "thing": self.thing, "serial": self.serial, "old": self.is_old })
    }
}

/// Makes them, puts them on record, switches them on, and waits until all are connected.
pub(crate) fn join(stage: &Stage, servers: &Servers, progress: &Progress) -> Outcome<Vec<SmartDevice>> {
    progress.step("a door lock and a radar prove themselves at the load balancer and connect");
    let mut made = Vec::new();
    for (model, kind) in KINDS {
        made.push((make(stage, model, kind)?, kind == OLD));
    }
    let mut devices = Vec::new();
    for ((serial, folder), is_old) in made {
        let thing = listed(stage, servers, &serial, "is on record", |_| true)?;
        let ports = &servers.ports;
        let at = places::at(if is_old { ports.lbs_compat } else { ports.lbs });
        let arguments = ["device", "run", "--osap", &folder, "--lbs", &at, "--json"];
        let actor = stage.start(&format!("smart-{serial}"), &arguments)?;
        let field = |name: &str| thing[name].as_str().unwrap_or_default().to_owned();
        let (title, thing) = (field("title"), field("id"));
        devices.push(SmartDevice { title, thing, serial, is_old, _actor: actor });
    }
    for device in &devices {
        let is_connected = |thing: &Value| thing["online_since_unix_millis"].is_u64();
        listed(stage, servers, &device.serial, "is connected", is_connected)?;
    }
    progress.done();
    Ok(devices)
}

/// Makes one; gives its serial and folder.
fn make(stage: &Stage, model: &str, kind: &str) -> Outcome<(String, String)> {
    let (out, pin) = (text(&stage.path("smart")), text(&stage.path(OWNERS[OWNER]).join("lbs.pin")));
    let born = if kind == OLD { "code" } else { kind };
    let mut arguments =
        vec!["maker", "osap", "--out", &out, "--kind", born, "--model", model, "--json", "--realm", REALM];
    if kind == OLD {
        arguments.push("--compat");
    }
    if kind == "key-pair" {
        arguments.extend(["--pin", &pin]);
    }
    let said = stage.run(&format!("maker-osap-{model}"), &arguments)?;
    let said: Value = serde_json::from_str(said.trim())
        .map_err(|error| Failure::new("internal", "maker osap").because(error))?;
    let field = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
    let (serial, record) = (field("serial"), field("record"));
    // As the operator would: copied under another name, then given the one that is looked for.
    let inbox = stage.path(INBOX);
    let unwritable = |error| Failure::new("file-unwritable", inbox.display().to_string()).because(error);
    std::fs::copy(&record, inbox.join(format!("{serial}.part"))).map_err(unwritable)?;
    std::fs::rename(inbox.join(format!("{serial}.part")), inbox.join(format!("{serial}.json")))
        .map_err(unwritable)?;
    Ok((serial, field("folder")))
}

/// The realm of the load balancer: what its configuration says when it says nothing.
const REALM: &str = "localhost";
/// Where records of smart devices are taken in.
pub(crate) const INBOX: &str = "smart-inbox";

/// Waits until the directory says of a device what is wanted.
fn listed(
    stage: &Stage,
    servers: &Servers,
    serial: &str,
    what: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Outcome<Value> {
    let client = operator(stage, servers)?;
    let deadline = Instant::now() + stage.step_time();
    loop {
        let answer = block_on(client.call(Method::GET, "/things?format=summary", "", "things"))?;
        let page: Value = serde_json::from_slice(answer.body())
            .map_err(|error| Failure::new("internal", "the directory").because(error))?;
        let mut all = page["things"].as_array().into_iter().flatten();
        if let Some(thing) = all.find(|thing| thing["device"] == serial && wanted(thing)) {
            return Ok(thing.clone());
        }
        if Instant::now() >= deadline {
            return Err(Failure::new("step-missing", format!("smart device {serial} {what}"))
                .because(format!("the directory says {page}")));
        }
        std::thread::sleep(PAUSE);
    }
}

/// The owner, as programs are.
pub(crate) fn operator(stage: &Stage, servers: &Servers) -> Outcome<OperatorClient> {
    let folder = stage.path(OWNERS[OWNER]);
    let ca = single_certificate(&folder.join("ca.pem"))?;
    OperatorClient::new(
        &places::at(servers.ports.owner_platforms[OWNER]),
        &ca,
        &identity(&folder.join("operator.pem"))?,
    )
}

/// Reads, calls and shares: the owner may, a stranger may not, then may what was granted, then not any more.
pub(crate) fn use_and_share(
    stage: &Stage,
    servers: &Servers,
    (devices, sensor): (&[SmartDevice], &Sensor),
    progress: &Progress,
) -> Outcome {
    progress.step(
        "the owner opens the lock and reads the sensor; a stranger is refused, let in, and refused again",
    );
    let lock = &devices[0];
    let things = |verb: &[&str]| owner_says(stage, servers, "things", verb);
    let locked = things(&["read", &lock.thing, "locked", "--fresh"])?;
    expect(locked["value"] == json!(true), "the lock is read", &locked)?;
    let opened = things(&["call", &lock.thing, "open", r#"{"seconds":1}"#])?;
    expect(opened["opened"] == json!(true), "the lock is opened", &opened)?;
    sensor::read(stage, servers, sensor)?;
    let stranger = Stranger::signed_in(stage, servers)?;
    for (thing, name) in [(&lock.thing, "battery"), (&sensor.thing, sensor::PROPERTY)] {
        share(stage, servers, &stranger, (thing, name))?;
    }
    let gone = format!("/v1/accounts/{STRANGER}");
    block_on(operator(stage, servers)?.call(Method::DELETE, &gone, "", STRANGER))?;
    progress.done();
    Ok(())
}

/// One property of a thing is lent to the stranger and taken back.
fn share(stage: &Stage, servers: &Servers, stranger: &Stranger, of: (&str, &str)) -> Outcome {
    let (thing, name) = of;
    stranger.expect(of, StatusCode::NOT_FOUND, "a stranger is refused")?;
    let party = format!("person:{STRANGER}");
    let words = ["add", thing, &party, "--act", "read", "--name", name];
    let grant = owner_says(stage, servers, "grant", &words)?;
    stranger.expect(of, StatusCode::OK, "who was granted it reads it")?;
    let id = grant["id"].as_str().unwrap_or_default();
    owner_says(stage, servers, "grant", &["revoke", id])?;
    stranger.expect(of, StatusCode::NOT_FOUND, "who is granted it no more is refused")
}

/// What people see of a device of the old protocol: a mark on it, no other is marked, and a risk.
pub(crate) fn show_the_old_one(
    stage: &Stage,
    servers: &Servers,
    devices: &[SmartDevice],
    progress: &Progress,
) -> Outcome {
    progress
        .step("the camera of the old protocol is marked, and that it is let in is a risk that people see");
    for device in devices {
        let is_right = |thing: &Value| thing["compat"] == json!(device.is_old);
        listed(stage, servers, &device.serial, "is marked if it is old", is_right)?;
    }
    let risks = block_on(operator(stage, servers)?.call(Method::GET, "/v1/risks", "", "risks"))?;
    let risks: Value = serde_json::from_slice(risks.body())
        .map_err(|error| Failure::new("internal", "the risks").because(error))?;
    let mut all = risks["risks"].as_array().into_iter().flatten();
    expect(all.any(|risk| risk["id"] == OLD_RISK), "the old protocol is a risk", &risks)?;
    progress.done();
    Ok(())
}

fn expect(is_so: bool, what: &str, said: &Value) -> Outcome {
    if is_so { Ok(()) } else { Err(Failure::new("step-missing", what).because(format!("it said {said}"))) }
}

/// A command of the owner, with what it printed.
pub(crate) fn owner_says(stage: &Stage, servers: &Servers, group: &str, verb: &[&str]) -> Outcome<Value> {
    let data = text(&stage.path(OWNERS[OWNER]));
    let at = places::at(servers.ports.owner_platforms[OWNER]);
    let mut arguments = vec![group, "--data", &data, "--server", &at, "--json"];
    arguments.extend(verb);
    let said = stage.run(&format!("{group}-{}", verb[0]), &arguments)?;
    match said.trim() {
        "" => Ok(Value::Null),
        said => serde_json::from_str(said).map_err(|error| Failure::new("internal", group).because(error)),
    }
}

/// A person with an account and nothing else.
struct Stranger {
    client: Client,
    endpoint: net::https_client::Endpoint,
    cookie: String,
}

impl Stranger {
    /// The owner makes the account; the person signs in.
    fn signed_in(stage: &Stage, servers: &Servers) -> Outcome<Self> {
        let mut dice = net::seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
        let password = format!("Aa1-{}", model::hex(&dice.bytes::<12>()));
        let account = json!({ "name": STRANGER, "role": "user", "duties": [], "password": password });
        let owner = operator(stage, servers)?;
        block_on(owner.call(Method::POST, "/v1/accounts", account.to_string(), STRANGER))?;
        let ca = single_certificate(&stage.path(OWNERS[OWNER]).join("ca.pem"))?;
        let client = Client::new(&[ca], None, CallLimits::default())
            .map_err(|error| Failure::new("internal", "TLS set-up").because(format!("{error:?}")))?;
        let endpoint = config::endpoint(&places::at(servers.ports.owner_platforms[OWNER]))?;
        let mut stranger = Self { client, endpoint, cookie: String::new() };
        let body = json!({ "account": STRANGER, "password": password }).to_string();
        let answer = stranger.call(Method::POST, "/v1/session", body)?;
        let cookie = answer.headers().get(header::SET_COOKIE).and_then(|value| value.to_str().ok());
        let cookie = cookie.and_then(|text| text.split(';').next()).filter(|text| text.contains('='));
        stranger.cookie = cookie
            .ok_or_else(|| {
                Failure::new("step-missing", "a stranger signs in").because(answer.status().to_string())
            })?
            .to_owned();
        Ok(stranger)
    }

    fn call(&self, method: Method, path: &str, body: String) -> Outcome<http::Response<bytes::Bytes>> {
        let request = Request::builder().method(method).uri(path).header(header::COOKIE, &self.cookie);
        let request = request.body(body.into());
        let request = request.map_err(|error| Failure::new("internal", path).because(error))?;
        let called = block_on(async { Ok(self.client.call(&self.endpoint, request).await) })?;
        called.map_err(|error| Failure::new("cannot-reach", self.endpoint.to_string()).because(error))
    }

    fn expect(&self, (thing, name): (&str, &str), wanted: StatusCode, what: &str) -> Outcome {
        let path = format!("/things/{thing}/properties/{name}");
        let status = self.call(Method::GET, &path, String::new())?.status();
        if status == wanted {
            return Ok(());
        }
        Err(Failure::new("step-missing", what).because(format!("the answer was {status}")))
    }
}
