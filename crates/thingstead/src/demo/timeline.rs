//! What happened, read back from the audit logs that servers and devices stored.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli::stdout::print_line;
use crate::cli::{Output, audit, block_on};
use crate::failure::{Failure, Outcome};
use crate::operator_client::{OperatorClient, identity};
use crate::serve::single_certificate;

use super::devices::{Device, Fleet, KINDS};
use super::places::{self, OWNERS};
use super::sensor::Sensor;
use super::servers::{Servers, text};
use super::smart::SmartDevice;
use super::stage::{PAUSE, Stage};

/// One stored entry about one device.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    unix_millis: u64,
    role: String,
    operation: String,
    device: String,
    result: String,
}

/// What must stand in the logs for each device: who stored it, what it is called, how often.
const LIFE: [(&str, &str, usize); 12] = [
    ("registration", "maker.upload", 1),
    ("identity", "identity.issue", 1),
    ("registration", "identity.import", 1),
    ("bootstrap", "identity.import", 1),
    ("registration", "owner.claim", 1),
    ("bootstrap", "bootstrap.store", 2),
    ("bootstrap", "bootstrap.serve", 2),
    ("device", "device.owned", 2),
    ("device", "device.bootstrapped", 2),
    ("owner-a", "device.presence", 1),
    ("registration", "owner.transfer", 1),
    ("owner-b", "device.presence", 1),
];

/// Reads every log and checks that each device's life stands in them.
pub(crate) fn read(stage: &Stage, servers: &Servers, fleet: &Fleet) -> Outcome<Vec<Entry>> {
    let entries = collect(stage, servers, fleet)?;
    for device in &fleet.devices {
        for (role, operation, count) in LIFE {
            // A device that is killed after its state was written and before its log was remembers less.
            if role == "device" && stage.peril().is_some() {
                continue;
            }
            let found =
                of(&entries, device).filter(|entry| entry.role == role && entry.operation == operation);
            if found.clone().filter(|entry| entry.result == "done").count() < count {
                let what = format!("{operation} of {role} for {}", device.uuid);
                return Err(Failure::new("step-missing", what).because("it does not stand in the audit log"));
            }
        }
    }
    Ok(entries)
}

/// Prints each device's life and one line per device.
pub(crate) fn show(
    stage: &Stage,
    entries: &[Entry],
    fleet: &Fleet,
    others: Option<&(Vec<SmartDevice>, Sensor)>,
    output: Output,
    elapsed: Duration,
) {
    if output.json {
        let mut document = as_json(entries, fleet, elapsed);
        let (smart, sensor) = others.map(|(smart, sensor)| (smart.as_slice(), sensor)).unzip();
        document["smart"] = smart.unwrap_or_default().iter().map(SmartDevice::to_json).collect();
        document["sensor"] = sensor.map(Sensor::to_json).into();
        if let Some(peril) = stage.peril() {
            document["peril"] = peril.to_json();
        }
        print_line(document);
        return;
    }
    for device in &fleet.devices {
        print_life(entries, device);
    }
    print_line("");
    for device in &fleet.devices {
        let (first, last) = span(entries, device);
        print_line(format_args!(
            "{:<14}{}  made, claimed, in service, transferred, in service again: {:.2} s",
            KINDS[device.kind].1,
            device.uuid,
            seconds(first, last)
        ));
    }
    let Some((smart, sensor)) = others else { return end(elapsed) };
    for device in smart {
        let life = if device.is_old {
            "old protocol: let in by a listener of its own, marked, a risk in the list"
        } else {
            "proven, connected, read, called, shared"
        };
        print_line(format_args!("{:<14}{}  {life}", device.title, device.thing));
    }
    let life = "plain MQTT 5: connected, read, shared";
    print_line(format_args!("{:<14}{}  {life}", sensor.title, sensor.thing));
    end(elapsed);
}

fn end(elapsed: Duration) {
    print_line(format_args!("all of them lived through it in {:.1} s", elapsed.as_secs_f64()));
}

fn of<'a>(entries: &'a [Entry], device: &'a Device) -> impl Iterator<Item = &'a Entry> + Clone {
    entries.iter().filter(move |entry| entry.device == device.uuid)
}

fn span(entries: &[Entry], device: &Device) -> (u64, u64) {
    let times = of(entries, device).map(|entry| entry.unix_millis);
    (times.clone().min().unwrap_or_default(), times.max().unwrap_or_default())
}

#[expect(clippy::cast_precision_loss, reason = "a demo lasts seconds")]
fn seconds(from: u64, to: u64) -> f64 {
    to.saturating_sub(from) as f64 / 1000.0
}

fn print_life(entries: &[Entry], device: &Device) {
    print_line(format_args!("\n{} {}", KINDS[device.kind].1, device.uuid));
    let (first, _) = span(entries, device);
    let mut before = first;
    for entry in of(entries, device) {
        let (since_first, since_before) =
            (seconds(first, entry.unix_millis), seconds(before, entry.unix_millis));
        let Entry { role, operation, result, .. } = entry;
        print_line(format_args!(
            "  {since_first:>7.3} s  +{since_before:<6.3}  {role:<13} {operation:<20} {result}"
        ));
        before = entry.unix_millis;
    }
}

fn as_json(entries: &[Entry], fleet: &Fleet, elapsed: Duration) -> Value {
    let device = |device: &Device| {
        let life = of(entries, device).map(|entry| {
            serde_json::json!({
                "unix_millis": entry.unix_millis, "role": entry.role,
                "operation": entry.operation, "result": entry.result,
            })
        });
        serde_json::json!({
            "device": device.uuid, "kind": KINDS[device.kind].0, "life": life.collect::<Vec<_>>(),
            "owned": device.owned, "owners": device.owners,
        })
    };
    let devices: Vec<Value> = fleet.devices.iter().map(device).collect();
    serde_json::json!({ "devices": devices, "seconds": elapsed.as_secs_f64() })
}

/// Waits until both online servers have taken in what the identity server issued for every device.
pub(crate) fn wait_for_import(stage: &Stage, servers: &Servers, fleet: &Fleet) -> Outcome {
    stage.step_begins("identity-import");
    let system_ca = "public/system-ca.pem";
    for (role, port) in [
        ("registration", servers.ports.registration_platform),
        ("bootstrap", servers.ports.bootstrap_platform),
    ] {
        let deadline = Instant::now() + stage.step_time();
        loop {
            // Looked at before the log is read: what it issued until then may still come in.
            let is_over = Instant::now() >= deadline || stage.lacks("identity");
            let read = stored(stage, role, role, system_ca, port);
            let missing = match &read {
                Ok(entries) => fleet
                    .devices
                    .iter()
                    .find(|device| !of(entries, device).any(|entry| entry.operation == "identity.import")),
                Err(_) => fleet.devices.first(),
            };
            let Some(missing) = missing else { break };
            if is_over {
                read?;
                let what = format!("the {role} server takes in what the identity server issued");
                let why = format!("nothing has come across the gap for {}", missing.uuid);
                return Err(Failure::new("step-missing", what).because(why));
            }
            std::thread::sleep(PAUSE);
        }
    }
    Ok(())
}

/// Every entry of one server that names a device.
fn stored(stage: &Stage, role: &str, folder: &str, ca: &str, port: u16) -> Outcome<Vec<Entry>> {
    let operator = identity(&stage.path(folder).join("operator.pem"))?;
    let ca = single_certificate(&stage.path(ca))?;
    let client = OperatorClient::new(&places::at(port), &ca, &operator)?;
    let listed = block_on(audit::entries(&client))?;
    Ok(listed.iter().filter_map(|value| entry(value, role)).collect())
}

/// Every entry that names a device, oldest first.
fn collect(stage: &Stage, servers: &Servers, fleet: &Fleet) -> Outcome<Vec<Entry>> {
    let ports = &servers.ports;
    let system_ca = "public/system-ca.pem".to_owned();
    let mut sources = vec![
        ("registration", "registration", system_ca.clone(), ports.registration_platform),
        ("bootstrap", "bootstrap", system_ca, ports.bootstrap_platform),
    ];
    for (owner, name) in OWNERS.into_iter().enumerate() {
        sources.push((name, name, format!("{name}/ca.pem"), ports.owner_platforms[owner]));
    }
    let mut entries = Vec::new();
    for (role, folder, ca, port) in sources {
        entries.extend(stored(stage, role, folder, &ca, port)?);
    }
    let data = text(&stage.path("identity"));
    let lines = stage.run("identity-audit", &["identity", "audit", "--data", &data, "--json"])?;
    entries.extend(from_lines(&lines, "identity"));
    for device in &fleet.devices {
        let state = text(&stage.path(format!("devices/{}", device.uuid)));
        let lines = stage.run("device-log", &["device", "log", "--state", &state, "--json"])?;
        entries.extend(from_lines(&lines, "device"));
    }
    entries.sort_by_key(|entry| entry.unix_millis);
    Ok(entries)
}

fn from_lines<'a>(lines: &'a str, role: &'a str) -> impl Iterator<Item = Entry> + 'a {
    let values = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    values.filter_map(move |value| entry(&value, role))
}

fn entry(value: &Value, role: &str) -> Option<Entry> {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    Some(Entry {
        unix_millis: value["unix_millis"].as_u64()?,
        role: role.to_owned(),
        operation: text("operation")?,
        device: text("device")?,
        result: text("result")?,
    })
}
