//! What an operator does with a management system by commands: each is one call of its API.

use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::demo::PROGRAM;
use crate::going_on::{World, json, said, serving, until};

impl World {
    /// `thingstead WORDS` with the operator's certificate of an owner.
    pub(super) fn operator(&self, owner: &str, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        let (data, server) = (self.path(owner), self.address(owner, "platform"));
        // The place of the server stands with the group.
        command.arg(words[0]).args(["--json", "--data", &data, "--server", &server]).args(&words[1..]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn told(&self, owner: &str, words: &[&str]) -> Value {
        let text = said(self.operator(owner, words));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{words:?}: {error} in {text}"))
    }

    #[track_caller]
    fn refused(&self, owner: &str, words: &[&str], code: &str, exit: i32) {
        let output = self.operator(owner, words).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        let failure: Value =
            serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap_or_default();
        assert_eq!(
            (&failure["error"], output.status.code()),
            (&code.into(), Some(exit)),
            "{words:?}: {text}"
        );
    }
}

fn people(world: &World) {
    let none = world.told("owner-b", &["account", "list"]);
    assert_eq!(none, Value::Array(Vec::new()));
    let link = world.told("owner-b", &["account", "offer"])["link"].as_str().unwrap().to_owned();
    assert!(link.contains("/ui/activate#"), "{link}");
    world.refused("owner-b", &["account", "add", "olga"], "password-too-simple", 2);
    world.refused("owner-b", &["account", "lock", "olga"], "account-unknown", 3);
    assert_eq!(world.told("owner-b", &["account", "sessions", "olga"]), Value::Array(Vec::new()));
    assert_eq!(world.told("owner-b", &["account", "sign-out", "olga"])["done"], "signed out everywhere");
}

fn settings_and_risks(world: &World) {
    let before = world.told("owner-b", &["settings", "show"]);
    assert_eq!(before["idle_minutes"], 15);
    world.refused("owner-b", &["settings", "set", "--idle-minutes", "61"], "setting-refused", 2);
    world.refused("owner-b", &["settings", "set", "--allow", "192.0.2.0/24"], "setting-refused", 2);
    let words =
        ["settings", "set", "--idle-minutes", "7", "--audit-mode", "stop-warn", "--allow", "127.0.0.0/8"];
    world.told("owner-b", &words);
    let mut after = world.told("owner-b", &["settings", "show"]);
    assert_eq!(after["allowed_addresses"], serde_json::json!(["127.0.0.0/8"]));
    for (name, value) in [
        ("idle_minutes", 15.into()),
        ("audit_mode", "ring".into()),
        ("allowed_addresses", Value::Array(Vec::new())),
    ] {
        assert_ne!(after[name], value, "{name}");
        after[name] = value;
    }
    assert_eq!(after, before, "what was not named stayed");
    world.told("owner-b", &["settings", "set", "--audit", "off"]);
    let of_audit = || {
        let risks = world.told("owner-b", &["risk", "list"]);
        let found = risks.as_array().unwrap().iter().find(|risk| risk["id"] == "audit-off").cloned();
        found.unwrap_or_else(|| panic!("{risks}"))
    };
    assert_eq!(of_audit()["accepted"], Value::Null);
    let accept = ["risk", "accept", "audit-off", "--days", "2", "--reason", "a test"];
    assert_eq!(world.told("owner-b", &accept)["done"], "accepted");
    assert_eq!(of_audit()["accepted"]["reason"], "a test");
    let accept = ["risk", "accept", "no-such-risk", "--days", "2", "--reason", "a test"];
    world.refused("owner-b", &accept, "not-here", 3);
    world.told("owner-b", &["settings", "set", "--audit", "on"]);
}

fn devices(world: &World) {
    let device = world.devices[1].as_str();
    let timeline = world.told("owner-b", &["owner", "timeline", device, "--count", "3"]);
    let timeline = timeline.as_array().unwrap();
    assert_eq!(timeline.len(), 3);
    assert!(timeline.iter().all(|entry| entry["device"] == device), "{timeline:?}");
    let at = |index: usize| timeline[index]["unix_millis"].as_u64().unwrap();
    assert!(at(0) >= at(1) && at(1) >= at(2), "newest first");
    let keys = world.told("owner-b", &["owner", "keys", device]);
    assert!(keys.as_array().unwrap().iter().any(|key| key["purpose"] == "owner"), "{keys}");
    assert_eq!(world.told("owner-b", &["owner", "channels", device])[0]["number"], 1);
    assert_eq!(world.told("owner-b", &["owner", "offers"]), Value::Array(Vec::new()));
    assert_eq!(world.told("owner-b", &["network", "show"]), Value::Array(Vec::new()));
    world.refused("owner-b", &["owner", "keys", "00000000-0000-4000-8000-000000000000"], "not-here", 3);

    let pong =
        world.told("owner-b", &["things", "order", device, "ping", "--with", "{\"payload\":\"hello\"}"]);
    assert_eq!(pong["answer"]["pong"], "hello", "{pong}");
    let placed = world.told("owner-b", &["things", "order", device, "read-info", "--no-wait"]);
    let number = placed["order"].as_u64().unwrap().to_string();
    assert!(world.told("owner-b", &["things", "outcome", device, &number])["state"].is_string());
    world.refused("owner-b", &["things", "order", device, "fly"], "refused", 3);
    let listeners = world.told("owner-b", &["listeners"]);
    assert!(listeners.as_array().unwrap().iter().any(|one| one["on"] == true), "{listeners}");
}

/// What it is shown of a claim, and what of one that is repeated.
fn claims(world: &World) {
    let device = world.devices[0].as_str();
    let label = world.path(&format!("maker/{device}.label.png"));
    world.refused("owner-a", &["owner", "claim", "--label", &label], "claim-refused", 3);
    assert_eq!(
        world.told("owner-b", &["owner", "claim", "--label", &label])["status"],
        5,
        "it is ours already"
    );
    assert_eq!(world.told("owner-a", &["owner", "accept", device])["done"], "accepted");
    assert_eq!(world.told("owner-a", &["owner", "offers"])[0]["device"], device);
    assert_eq!(world.told("owner-a", &["owner", "decline", device])["done"], "expected no more");
    assert_eq!(world.told("owner-a", &["owner", "offers"]), Value::Array(Vec::new()));
    world.refused("owner-a", &["owner", "replace", device, "--by", device, "--yes"], "refused", 3);
}

/// The configured number of connections from one address is taken, one more is turned away, and those that
/// were there stay.
fn connections(world: &mut World) {
    world.end(&serving(world, "owner-b"));
    let path = world.path("owner-b.toml");
    let configuration = std::fs::read_to_string(&path).unwrap();
    let limits = "[management]\nconnections = 9\nconnections_per_address = 2\n";
    std::fs::write(&path, configuration.replacen("[management]\n", limits, 1)).unwrap();
    world.serve_again("owner-b");
    let address = world.address("owner-b", "platform");
    let connect = || {
        let connection = TcpStream::connect(&address).unwrap();
        connection.set_nonblocking(true).unwrap();
        connection
    };
    // Nothing is said before a client's hello: a connection that was turned away is at its end.
    let is_open = |connection: &TcpStream| {
        let read = (&*connection).read(&mut [0]);
        matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
    };
    let held = [connect(), connect()];
    let more = connect();
    until("one more is turned away", || !is_open(&more));
    assert!(held.iter().all(is_open), "those that were there stay");
    world.refused("owner-b", &["settings", "show"], "cannot-reach", 5);
    drop(held);
    until("there is room again", || {
        world.operator("owner-b", &["settings", "show"]).output().unwrap().status.success()
    });
}

// verifies: SECDEV-6.2.6-a1, SECDEV-6.4.4-c, SECDEV-6.4.4-d
#[test]
fn every_call_of_the_console_has_a_command_that_does_the_same() {
    let mut world = World::new("operator");
    devices(&world);
    claims(&world);
    people(&world);
    settings_and_risks(&world);
    let (data, server) = (world.path("owner-b"), world.address("owner-b", "platform"));
    let log = json(&["audit", "list", "--json", "--data", &data, "--server", &server]);
    for operation in
        ["account.offer", "account.sign-out", "settings.set", "audit.off", "risk.accept", "audit.on"]
    {
        let is_it = |entry: &Value| {
            entry["operation"] == operation && entry["actor"] == "operator" && entry["address"] == "127.0.0.1"
        };
        // What came while nothing was recorded is not there.
        let is_there = log.as_array().unwrap().iter().any(is_it);
        assert_eq!(is_there, operation != "risk.accept", "{operation}");
    }
    connections(&mut world);
}

#[test]
fn the_description_of_the_calls_needs_no_server() {
    let output = Command::new(PROGRAM).arg("api").output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["paths"]["/v1/devices/{uuid}/release"]["post"]["operationId"], "owner.release");
}
