//! The four devices of the demo: made, claimed, bootstrapped, transferred, bootstrapped again.

use assure_json::DeviceStatus;
use clap::ValueEnum;
use serde_json::Value;

use crate::failure::{Failure, Outcome};

use super::Progress;
use super::places::{self, BOOTSTRAP_SERVER, OWNERS};
use super::servers::{Servers, text};
use super::stage::{Actor, Stage};

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
}

/// The devices, in the order of [`KINDS`].
pub(crate) struct Fleet {
    pub(crate) devices: Vec<Device>,
}

/// The factory: station, records, labels, upload, and the identity server's issue.
pub(crate) fn make(stage: &Stage, servers: &Servers, progress: &Progress) -> Outcome<Fleet> {
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
    stage.run("maker-register", &register)?;
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
    let parameter_set = stage.run("maker-parameters", &upload_set)?.trim().to_owned();
    progress.done();
    progress.step("four devices are made, their records encrypted and uploaded, their labels written");
    let mut devices = Vec::new();
    for (kind, (name, _)) in KINDS.into_iter().enumerate() {
        devices.push(Device { uuid: make_one(stage, &maker, name, &parameter_set)?, kind, actor: None });
    }
    let upload = ["maker", "upload", "--data", &maker, "--gateway", &gateway, "--system-ca", &ca];
    stage.run("maker-upload", &upload)?;
    progress.done();
    Ok(Fleet { devices })
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
    let arguments = owner_call(stage, servers, owner, verb);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let name = format!("{}-{}", OWNERS[owner], verb[0]);
    let answer = stage.run(&name, &arguments)?;
    serde_json::from_str(&answer).map_err(|error| Failure::new("internal", name).because(error))
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
        in_service(device, 1)?;
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

/// Waits until the device says that it applied its image and reported to its owner.
fn in_service(device: &mut Device, seq: u32) -> Outcome {
    let what = format!("{} device {} in service with owner {seq}", KINDS[device.kind].1, device.uuid);
    let Some(actor) = &mut device.actor else { return Err(Failure::new("step-missing", what)) };
    for event in ["bootstrapped", "in-service"] {
        actor.wait_for(&format!("{what} ({event})"), |line| {
            let said: Value = serde_json::from_str(line).ok()?;
            let number = said["sequence_number"].as_u64();
            (said["event"] == event && number.is_none_or(|number| number == u64::from(seq))).then_some(())
        })?;
    }
    Ok(())
}

/// Checks what a management system says of a device; its answer may lag behind the device's word a little.
fn status_is(
    stage: &Stage,
    servers: &Servers,
    owner: usize,
    device: &Device,
    expected: DeviceStatus,
) -> Outcome {
    let deadline = std::time::Instant::now() + super::stage::STEP_TIME;
    loop {
        let shown = call(stage, servers, owner, &["show", &device.uuid])?;
        if shown["status"] == expected.number() {
            return Ok(());
        }
        if std::time::Instant::now() >= deadline {
            let what = format!("{} at {} is {}", device.uuid, OWNERS[owner], expected.description());
            let why = format!("its status is {}: {}", shown["status"], shown["description"]);
            return Err(Failure::new("step-missing", what).because(why));
        }
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
        call(stage, servers, 0, &["transfer", &device.uuid, "--to", &receiver, "--yes"])?;
        call(stage, servers, 1, &["accept", &device.uuid])?;
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
        in_service(device, 2)?;
        status_is(stage, servers, 1, device, IN_SERVICE)?;
    }
    for device in &fleet.devices {
        status_is(stage, servers, 0, device, RELEASED)?;
        refused(stage, servers, device)?;
    }
    progress.done();
    Ok(())
}

/// The first owner may not even build an image any more.
fn refused(stage: &Stage, servers: &Servers, device: &Device) -> Outcome {
    match call(stage, servers, 0, &["bootstrap", &device.uuid]) {
        Err(_) => Ok(()),
        Ok(_) => {
            let what = format!("the first owner is refused for {}", device.uuid);
            Err(Failure::new("step-missing", what).because("it could still leave an image"))
        }
    }
}
