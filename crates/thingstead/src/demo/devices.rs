//! The four devices of the demo: made, claimed, bootstrapped, transferred, bootstrapped again.

use std::time::{Duration, Instant};

use assure_json::DeviceStatus;
use clap::ValueEnum;
use serde_json::Value;

use crate::failure::{Failure, Outcome};

use super::Progress;
use super::places::{self, BOOTSTRAP_SERVER, OWNERS};
use super::servers::{Servers, text};
use super::stage::{Actor, PAUSE, Stage};
use super::timeline;

const IMAGE_WAITS: DeviceStatus = DeviceStatus::BootstrapUploaded;
const IN_SERVICE: DeviceStatus = DeviceStatus::InService;
const RELEASED: DeviceStatus = DeviceStatus::Released;

/// A server that can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The identity server.
    Identity,
    /// The registration server.
    Registration,
    /// The bootstrap server.
    Bootstrap,
    /// The first owner's management system.
    OwnerA,
    /// The second owner's management system.
    OwnerB,
}

/// The kinds of device key, as `maker make` names them and as people read them.
pub(crate) const KINDS: [(&str, &str); 4] =
    [("secret", "shared secret"), ("p256", "EC P-256"), ("p384", "EC P-384"), ("rsa2048", "RSA-2048")];

/// One device.
pub(crate) struct Device {
    pub(crate) uuid: String,
    /// Index into [`KINDS`].
    pub(crate) kind: usize,
    actor: Option<Actor>,
    /// The sequence numbers under which it said that it has a new owner, in that order, over all its starts.
    pub(crate) owned: Vec<u64>,
    /// What each of the two management systems says of it in the end.
    pub(crate) owners: [Value; 2],
}

impl Device {
    fn made(uuid: String, kind: usize) -> Self {
        Self { uuid, kind, actor: None, owned: Vec::new(), owners: [Value::Null, Value::Null] }
    }
}

/// The devices, in the order of [`KINDS`].
#[derive(Default)]
pub(crate) struct Fleet {
    pub(crate) devices: Vec<Device>,
}

/// The factory: station, records, labels, upload, and the identity server's issue.
pub(crate) fn make(stage: &Stage, servers: &Servers, fleet: &mut Fleet, progress: &Progress) -> Outcome {
    progress.step("a maker is certified and uploads its parameter set");
    let maker = text(&stage.path("maker"));
    let ca = text(&stage.path("public/system-ca.pem"));
    let gateway = places::at(servers.ports.maker_gateway);
    let operator = text(&stage.path("registration/operator.pem"));
    let platform = places::at(servers.ports.registration_platform);
    let register = [
        "maker",
        "register",
        "--data",
        &maker,
        "--operator",
        &operator,
        "--platform",
        &platform,
        "--system-ca",
        &ca,
    ];
    stage.act("maker-register", &register, || Ok(None))?;
    let set = stage.path("parameters.json");
    crate::files::write_secret(&set, PARAMETERS.as_bytes())?;
    let upload_set = [
        "maker",
        "parameters",
        "upload",
        &text(&set),
        "--data",
        &maker,
        "--gateway",
        &gateway,
        "--system-ca",
        &ca,
    ];
    let parameter_set = stage.act("maker-parameters", &upload_set, || Ok(None))?.trim().to_owned();
    progress.done();
    progress.step("four devices are made, their records encrypted and uploaded, their labels written");
    for (kind, (name, _)) in KINDS.into_iter().enumerate() {
        fleet.devices.push(Device::made(make_one(stage, &maker, name, &parameter_set)?, kind));
    }
    let upload = ["maker", "upload", "--data", &maker, "--gateway", &gateway, "--system-ca", &ca];
    stage.act("maker-upload", &upload, || Ok(None))?;
    timeline::wait_for_import(stage, servers, fleet)?;
    progress.done();
    Ok(())
}

/// What a device of the demo can be told.
const PARAMETERS: &str = r#"{"name":"demo","choices":[{"name":"standard","messages":[
{"method":"PUT","path":"/v1/keys/{id}","payload":"authenticated_key","required":false,"min":0,"max":4,
 "description":"the secret of the management channel"},
{"method":"PUT","path":"/v1/channels/1","payload":"channel","required":true,"min":1,"max":1,
 "description":"the management channel"}]}]}"#;

fn make_one(stage: &Stage, maker: &str, kind: &str, parameter_set: &str) -> Outcome<String> {
    let bootstrap_server = BOOTSTRAP_SERVER.to_string();
    let devices = text(&stage.path("devices"));
    let made = stage.run(
        &format!("maker-make-{kind}"),
        &[
            "maker",
            "make",
            "--data",
            maker,
            "--kind",
            kind,
            "--count",
            "1",
            "--bootstrap-server",
            &bootstrap_server,
            "--parameter-set",
            parameter_set,
            "--devices",
            &devices,
            "--quiet",
        ],
    )?;
    let uuid = made.lines().next().unwrap_or_default().trim().to_owned();
    match uuid.parse::<model::Uuid>() {
        Ok(_) => Ok(uuid),
        Err(_) => {
            Err(Failure::new("step-missing", format!("device {kind} made")).because("no UUID was printed"))
        }
    }
}

/// The arguments with which an owner's command reaches its management system.
fn owner_call(stage: &Stage, servers: &Servers, owner: usize, verb: &[&str]) -> Vec<String> {
    let (data, at) = (text(&stage.path(OWNERS[owner])), places::at(servers.ports.owner_platforms[owner]));
    let head = ["owner", "--data", &data, "--server", &at, "--json"].map(str::to_owned);
    head.into_iter().chain(verb.iter().map(|word| (*word).to_owned())).collect()
}

fn call(stage: &Stage, servers: &Servers, owner: usize, verb: &[&str]) -> Outcome<Value> {
    call_unless(stage, servers, owner, verb, || Ok(None))
}

/// The same; `done` tells from elsewhere that the call came off when its answer was lost.
fn call_unless(
    stage: &Stage,
    servers: &Servers,
    owner: usize,
    verb: &[&str],
    done: impl Fn() -> Outcome<Option<String>>,
) -> Outcome<Value> {
    let arguments = owner_call(stage, servers, owner, verb);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let name = format!("{}-{}", OWNERS[owner], verb[0]);
    let answer = stage.act(&name, &arguments, done)?;
    serde_json::from_str(&answer).map_err(|error| Failure::new("internal", name).because(error))
}

/// What a management system says of a device, when it says anything.
fn shown(stage: &Stage, servers: &Servers, owner: usize, device: &Device) -> Outcome<Option<String>> {
    let arguments = owner_call(stage, servers, owner, &["show", &device.uuid]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Ok(stage.attempt(&format!("{}-show", OWNERS[owner]), &arguments)?.ok())
}

/// Claims by the picture of the label, switches the devices on, and waits until each is in service.
pub(crate) fn first_owner(
    stage: &Stage,
    servers: &Servers,
    fleet: &mut Fleet,
    progress: &Progress,
) -> Outcome {
    progress.step("the first owner claims each device by a picture of its label");
    for device in &fleet.devices {
        let label = text(&stage.path(format!("maker/{}.label.png", device.uuid)));
        call(stage, servers, 0, &["claim", "--label", &label])?;
    }
    for device in &fleet.devices {
        status_is(stage, servers, 0, device, IMAGE_WAITS)?;
    }
    progress.done();
    progress.step("the devices are switched on, bootstrap over DTLS and enter service");
    for device in &mut fleet.devices {
        device.actor = Some(switch_on(stage, servers, &device.uuid)?);
    }
    for device in &mut fleet.devices {
        in_service(stage, device, 1)?;
        status_is(stage, servers, 0, device, IN_SERVICE)?;
    }
    progress.done();
    Ok(())
}

fn switch_on(stage: &Stage, servers: &Servers, uuid: &str) -> Outcome<Actor> {
    let state = text(&stage.path(format!("devices/{uuid}")));
    let resolve = format!("{BOOTSTRAP_SERVER}={}", places::at(servers.ports.bootstrap_devices));
    let data = text(&stage.path(format!("devices/{uuid}/data")));
    let run =
        ["device", "run", "--state", &state, "--resolve", &resolve, "--retry-base", "1", "--data", &data];
    let arguments: Vec<&str> = run.into_iter().chain(["--json"]).collect();
    stage.start(&format!("device-{uuid}"), &arguments)
}

/// A device that says nothing for so long is switched off and on, as a person would.
const SILENCE: Duration = Duration::from_secs(20);

/// Waits until the device says that it reported to this owner, after it applied this owner's image.
fn in_service(stage: &Stage, device: &mut Device, seq: u32) -> Outcome {
    let what = format!("{} device {} in service with owner {seq}", KINDS[device.kind].1, device.uuid);
    stage.step_begins("in-service");
    let Some(actor) = &mut device.actor else { return Err(Failure::new("step-missing", what)) };
    // Which owner's image the device runs on: one that was started again does not say a second time that it
    // applied an image, but under which number it was switched on.
    let mut applied = None;
    let is_there = |line: &str| {
        let said: Value = serde_json::from_str(line).ok()?;
        match said["event"].as_str()? {
            "bootstrapped" => applied = said["sequence_number"].as_u64(),
            "started" => {
                applied = said["sequence_number"].as_u64().filter(|_| said["configured"] == true);
            }
            "in-service" if applied == Some(seq.into()) => return Some(()),
            _ => {}
        }
        None
    };
    match stage.peril() {
        None => actor.wait_for(&what, is_there),
        Some(peril) => actor.wait_pressing(&what, is_there, SILENCE, |actor| {
            peril.pressed();
            actor.tell("reboot")
        }),
    }
}

/// Checks what a management system says of a device; its answer may lag behind the device's word a little.
fn status_is(
    stage: &Stage,
    servers: &Servers,
    owner: usize,
    device: &Device,
    expected: DeviceStatus,
) -> Outcome {
    // The second owner's number is one higher than the first one's.
    let seq = owner as u64 + 1;
    stage.step_begins("status");
    let deadline = Instant::now() + stage.step_time();
    loop {
        let said = shown(stage, servers, owner, device)?;
        let status: Value = said.and_then(|said| serde_json::from_str(&said).ok()).unwrap_or_default();
        let is_served = status["status"] == IN_SERVICE.number() && status["owner_sequence_number"] == seq;
        // A device that was switched on at the right moment may have fetched its image already.
        let is_reached = match expected {
            IN_SERVICE => is_served,
            IMAGE_WAITS => is_served || status["status"] == expected.number(),
            _ => status["status"] == expected.number(),
        };
        if is_reached {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let what = format!("{} at {} is {}", device.uuid, OWNERS[owner], expected.description());
            let why = format!("its status is {}: {}", status["status"], status["description"]);
            return Err(Failure::new("step-missing", what).because(why));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Transfers every device, has it look for its new owner, and sees the first owner refused everywhere.
pub(crate) fn second_owner(
    stage: &Stage,
    servers: &Servers,
    fleet: &mut Fleet,
    progress: &Progress,
) -> Outcome {
    progress.step("the first owner transfers each device to the second");
    let receiver = call(stage, servers, 1, &["id"])?["id"].as_str().unwrap_or_default().to_owned();
    for device in &fleet.devices {
        let is_released = || {
            let said = shown(stage, servers, 0, device)?;
            let status =
                |said: &String| serde_json::from_str::<Value>(said).unwrap_or_default()["status"].clone();
            Ok(said.filter(|said| status(said) == RELEASED.number()))
        };
        let transfer = ["transfer", &device.uuid, "--to", &receiver, "--yes"];
        call_unless(stage, servers, 0, &transfer, is_released)?;
        // Whoever has not accepted the device cannot show it.
        call_unless(stage, servers, 1, &["accept", &device.uuid], || shown(stage, servers, 1, device))?;
    }
    for device in &fleet.devices {
        status_is(stage, servers, 1, device, IMAGE_WAITS)?;
    }
    progress.done();
    progress
        .step("a person holds each device's button for five seconds; the second owner's image is applied");
    for device in &mut fleet.devices {
        if let Some(actor) = &mut device.actor {
            actor.tell("button 5")?;
        }
    }
    for device in &mut fleet.devices {
        in_service(stage, device, 2)?;
        status_is(stage, servers, 1, device, IN_SERVICE)?;
    }
    for device in &fleet.devices {
        status_is(stage, servers, 0, device, RELEASED)?;
        refused(stage, servers, device)?;
    }
    progress.done();
    Ok(())
}

/// Notes for each device what it said and what both management systems say of it.
pub(crate) fn look_at_each(stage: &Stage, servers: &Servers, fleet: &mut Fleet) -> Outcome {
    for device in &mut fleet.devices {
        for owner in 0..OWNERS.len() {
            device.owners[owner] = call(stage, servers, owner, &["show", &device.uuid])?;
        }
        let lines = device.actor.as_mut().map(Actor::unread).unwrap_or_default();
        let said = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        // One that was cut off between the two commits of an image takes it again, from the same owner.
        let owned = said.filter(|said| said["event"] == "owned" && said["new_owner"] == true);
        device.owned = owned.filter_map(|said| said["sequence_number"].as_u64()).collect();
    }
    Ok(())
}

/// The first owner may not even build an image any more: its own management system refuses it.
fn refused(stage: &Stage, servers: &Servers, device: &Device) -> Outcome {
    let arguments = owner_call(stage, servers, 0, &["bootstrap", &device.uuid]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let deadline = Instant::now() + stage.step_time();
    loop {
        let what = || Failure::new("step-missing", format!("the first owner is refused for {}", device.uuid));
        match stage.attempt("owner-a-bootstrap", &arguments)? {
            Ok(_) => return Err(what().because("it could still leave an image")),
            Err(answer) if answer.exit == Some(REFUSED_EXIT) && answer.said.contains(REFUSED_CODE) => {
                return Ok(());
            }
            Err(answer) if stage.peril().is_none() || Instant::now() >= deadline => {
                return Err(what().because(answer.said));
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// How a command ends that a server refused, and what it says then.
const REFUSED_EXIT: i32 = 3;
const REFUSED_CODE: &str = r#""error":"refused""#;
