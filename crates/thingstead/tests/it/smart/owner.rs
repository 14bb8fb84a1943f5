//! What an owner does, every verb of it, through the command line at a real server.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::played::Played;
use super::{Smart, callers};
use crate::demo::PROGRAM;
use crate::going_on::{json as program, until};

/// The owner at the command line.
pub(super) struct Owner<'a>(pub(super) &'a Smart);

impl Owner<'_> {
    fn output(&self, group: &str, words: &[&str], input: &str) -> std::process::Output {
        let mut command = Command::new(PROGRAM);
        let data = self.0.world.path(super::ROLE);
        command.args([group, "--json", "--data", &data, "--server", &self.0.platform]).args(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// What a command answers that succeeds.
    #[track_caller]
    pub(super) fn typed(&self, group: &str, words: &[&str], input: &str) -> Value {
        let output = self.output(group, words, input);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    #[track_caller]
    pub(super) fn run(&self, group: &str, words: &[&str]) -> Value {
        self.typed(group, words, "")
    }

    /// The name of the failure with which a command ends.
    #[track_caller]
    pub(super) fn refused(&self, group: &str, words: &[&str], input: &str) -> String {
        let output = self.output(group, words, input);
        assert!(!output.status.success(), "{words:?}");
        let said =
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        let document = said.lines().find_map(|line| serde_json::from_str::<Value>(line).ok());
        document.and_then(|it| it["error"].as_str().map(str::to_owned)).unwrap_or(said)
    }
}

pub(super) fn made(smart: &Smart, words: &[&str]) -> Value {
    let out = smart.world.path("made");
    program(&[&["maker", "osap", "--json", "--out", &out], words].concat())
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

// verifies: OSAP-5-44, OSAP-5-45
#[test]
fn an_owner_does_everything_from_the_command_line() {
    let mut smart = Smart::start("smart-owner", "\n[coap]\nlisten = \"127.0.0.1:0\"\n");
    let owner = Owner(&smart);
    one_label(&smart, &owner);
    every_verb(&smart, &owner);
    callers::keys_outlive_a_kill(&mut smart);
}

/// A device is added by its label, blocked, let in and removed, and its session follows at once.
fn one_label(smart: &Smart, owner: &Owner<'_>) {
    let device = made(smart, &["--model", "door-lock", "--realm", "localhost", "--serial", "L1"]);
    let models = owner.run("things", &["models"]);
    assert_eq!((&models["realm"], models["models"].as_array().unwrap().len()), (&json!("localhost"), 4));

    // The label alone: serial and code in its picture, the model from the program.
    let label = text(&device["label"]);
    let added = owner.run("things", &["add", "--model", "door-lock", "--label", label]);
    let thing = text(&added["id"]).to_owned();
    let record = owner.run("things", &["record", &thing]);
    assert_eq!((&record["serial"], &record["kinds"]), (&json!("L1"), &json!(["code"])));
    assert_eq!(owner.refused("things", &["add", "--model", "camera", "--label", label], ""), "thing-exists");
    let mut played = Played::run(smart, "L1");
    played.until("online", 1);
    let record = owner.run("things", &["record", &thing]);
    assert_eq!((&record["enrolled"], &record["kinds"]), (&json!(true), &json!(["psk"])));
    assert!(record["admitted_unix_millis"].is_u64() && record["has_ticket"] == true);

    // Blocked: the session ends by itself, and neither ticket nor key opens anything.
    owner.run("things", &["block", &thing]);
    played.until("offline", 1);
    played.until("failed", 1);
    played.kill();
    let mut played = Played::run(smart, "L1");
    played.until("failed", 1);
    let said = played.kill();
    assert!(said.iter().all(|said| said["event"] != "admitted" && said["event"] != "online"), "{said:?}");
    let listed = owner.run("things", &["list"]);
    assert!(listed[0]["online_since_unix_millis"].is_null());
    owner.run("things", &["unblock", &thing]);
    let mut played = Played::run(smart, "L1");
    played.until("online", 1);

    // A window takes the code once more; another code is another code.
    assert!(owner.run("things", &["window", &thing])["window_until_unix_millis"].is_u64());
    assert!(owner.run("things", &["close-window", &thing])["window_until_unix_millis"].is_null());
    assert_eq!(owner.refused("things", &["code", &thing, "--code"], "0123-45YZ-0ZHG-0\n"), "code-refused");
    owner.typed("things", &["code", &thing, "--code"], "7777-7777-7777-G\n");

    // Removed: gone with its session and its record, and it does not come back.
    assert_eq!(owner.refused("things", &["remove", &thing], ""), "not-confirmed");
    owner.run("things", &["remove", &thing, "--yes"]);
    played.until("offline", 1);
    played.kill();
    assert_eq!(owner.refused("things", &["record", &thing], ""), "not-here");
    let mut stranger = Played::run(smart, "L1");
    stranger.until("failed", 2);
    let said = stranger.kill();
    assert!(said.iter().all(|said| said["event"] != "admitted"), "{said:?}");
    let log = fs::read_to_string(smart.world.path("log/smart.log")).unwrap();
    assert!(!log.contains("7777"), "no code is written down");
}

/// Every verb of things, grants, files and clients.
fn every_verb(smart: &Smart, owner: &Owner<'_>) {
    let device = made(smart, &["--model", "door-lock", "--kind", "psk", "--serial", "V1"]);
    let thing = owner.run("things", &["add", "--enrol", text(&device["record"])]);
    let thing = text(&thing["id"]).to_owned();
    let mut played = Played::run(smart, "V1");
    played.until("online", 1);
    callers::use_a_thing(smart, owner, &thing);
    things(owner, &thing, &mut played, smart);
    grants(owner, &thing);
    files(owner, &thing, smart);
    clients(owner);
}

fn things(owner: &Owner<'_>, thing: &str, played: &mut Played, smart: &Smart) {
    assert_eq!(owner.run("things", &["show", thing])["title"], "Door lock");
    assert_eq!(owner.run("things", &["list", "--find", "door is:osap"])[0]["id"], thing);
    assert_eq!(owner.run("things", &["list", "--find", "is:mqtt"]), json!([]));
    owner.run("things", &["write", thing, "autoLockSeconds", "9", "--wait", "20"]);
    until("the value is told", || owner.run("things", &["read", thing])["autoLockSeconds"]["value"] == 9);
    let history = owner.run("things", &["history", thing, "autoLockSeconds"]);
    assert_eq!(history.as_array().unwrap().last().unwrap()["value"], 9, "{history}");
    assert_eq!(owner.run("things", &["read", thing, "locked", "--fresh"])["value"], true);
    assert_eq!(owner.refused("things", &["write", thing, "autoLockSeconds", "\"x\""], ""), "value-refused");
    assert_eq!(owner.refused("things", &["read", thing, "nothing"], ""), "no-such-name");
    let called = owner.run("things", &["call", thing, "open", "{\"seconds\":3}", "--wait", "20"]);
    assert_eq!(called["opened"], true);
    let watching = std::thread::spawn({
        let mut command = smart.things_command(&["watch", thing, "--event", "tampered", "--count", "1"]);
        move || command.output().unwrap()
    });
    until("the watcher hears", || {
        played.type_in("event tampered");
        watching.is_finished()
    });
    let heard = watching.join().unwrap();
    assert!(heard.status.success() && String::from_utf8_lossy(&heard.stdout).contains("tampered"));
    until("events are kept", || !owner.run("things", &["events", thing]).as_array().unwrap().is_empty());
    played.type_in("power off");
    played.until("off", 1);
    until("it is away", || owner.run("things", &["list"])[0]["online_since_unix_millis"].is_null());
    let waiting = owner.run("things", &["call", thing, "lock", "--wait", "0"]);
    let number = waiting["number"].to_string();
    assert_eq!(owner.run("things", &["operation", thing, "lock", &number])["state"], "queued");
    owner.run("things", &["withdraw", thing, "lock", &number]);
    assert_eq!(owner.run("things", &["operation", thing, "lock", &number])["state"], "withdrawn");
    let model = smart.world.path("model.json");
    fs::write(
        &model,
        json!({ "title": "Gate", "properties": { "open": { "type": "boolean" } } }).to_string(),
    )
    .unwrap();
    owner.run("things", &["replace", thing, "--model", &model]);
    assert_eq!(owner.run("things", &["show", thing])["title"], "Gate");
}

fn grants(owner: &Owner<'_>, thing: &str) {
    let words = ["add", thing, "person:birch", "--act", "read", "--name", "open", "--hours", "1"];
    let grant = owner.run("grant", &words);
    let id = text(&grant["id"]);
    assert_eq!(owner.run("grant", &["list", thing])[0]["id"], id);
    let who =
        |owner: &Owner<'_>| owner.run("grant", &["who", thing, "read", "open", "--party", "person:birch"]);
    assert_eq!((&who(owner)[0]["allowed"], &who(owner)[0]["rule"]), (&json!(true), &json!("grant")));
    owner.run("grant", &["revoke", id]);
    assert_eq!((&who(owner)[0]["allowed"], &who(owner)[0]["rule"]), (&json!(false), &json!("default")));
    assert_eq!(owner.run("grant", &["list", thing]), json!([]));
}

fn files(owner: &Owner<'_>, thing: &str, smart: &Smart) {
    let (file, token, back) =
        (smart.world.path("clip.bin"), smart.world.path("token"), smart.world.path("back.bin"));
    let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(&file, &content).unwrap();
    let offered = owner.run("files", &["offer", thing, &file, "--token-to", &token]);
    let id = text(&offered["file"]).to_owned();
    assert!(owner.run("files", &["list", thing])[0]["arrived_unix_millis"].is_null());
    assert_eq!(owner.run("files", &["bring", &id, &file, "--token", &token])["name"], "clip.bin");
    owner.run("files", &["lend", thing, &id, "--token-to", &token]);
    // What is there of an earlier try is not fetched again.
    fs::write(&back, &content[..1000]).unwrap();
    assert_eq!(owner.run("files", &["fetch", &id, "-o", &back, "--token", &token])["size"], content.len());
    assert!(fs::read(&back).unwrap() == content);
    owner.run("files", &["remove", thing, &id]);
    assert_eq!(owner.run("files", &["list", thing]), json!([]));
    assert_eq!(owner.refused("files", &["fetch", &id, "-o", &back, "--token", &token], ""), "not-here");
}

fn clients(owner: &Owner<'_>) {
    owner.typed("client", &["add", "hall-lamp", "--namespace", "hall"], "correct-h0rse\n");
    assert_eq!(owner.refused("client", &["add", "hall-lamp"], "correct-h0rse\n"), "client-exists");
    assert_eq!(owner.refused("client", &["password", "hall-lamp"], "short\n"), "password-too-simple");
    owner.typed("client", &["password", "hall-lamp"], "another-h0rse\n");
    assert_eq!(owner.run("client", &["key", "hall-lamp"])["name"], "hall-lamp");
    assert_eq!(owner.run("client", &["list"])[0]["has_key"], true);
    assert_eq!(owner.refused("client", &["key-remove", "hall-lamp"], ""), "not-confirmed");
    owner.run("client", &["key-remove", "hall-lamp", "--yes"]);
    assert_eq!(owner.refused("client", &["key", "nobody"], ""), "client-unknown");
    let listed = owner.run("client", &["list"]);
    assert_eq!(listed[0]["has_key"], false);
    assert_eq!((&listed[0]["name"], &listed[0]["namespace"]), (&json!("hall-lamp"), &json!("hall")));
    assert_eq!(owner.refused("client", &["remove", "hall-lamp"], ""), "not-confirmed");
    owner.run("client", &["remove", "hall-lamp", "--yes"]);
    assert_eq!(owner.run("client", &["list"]), json!([]));
    assert_eq!(owner.refused("client", &["remove", "hall-lamp", "--yes"], ""), "client-unknown");
}
