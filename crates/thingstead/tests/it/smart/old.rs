//! Devices of type 1, the old protocol, at a server where it is switched on: real processes and sockets.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crypto::Secret;
use osap_proto::Serial;
use osap_proto::compat::CodeKeys;
use serde_json::{Value, json};

use super::played::{Played, made, thing_of};
use super::{PSK, ROLE, Smart, hex};
use crate::demo::PROGRAM;
use crate::going_on::until;

const COMPAT: &str = "compat = \"127.0.0.1:0\"";
const WORDS: [&str; 5] = ["--model", "door-lock", "--realm", "localhost", "--compat"];

impl Smart {
    /// A command of the owner, with what it printed.
    fn says(&self, group: &str, words: &[&str]) -> Value {
        let mut command = Command::new(PROGRAM);
        let data = self.world.path(ROLE);
        let (verb, rest) = words.split_first().unwrap();
        command.args([group, "--json"]);
        // `audit` has its server behind the verb.
        if group == "audit" {
            command.args([*verb, "--data", &data, "--server", &self.platform]).args(rest);
        } else {
            command.args(["--data", &data, "--server", &self.platform, *verb]).args(rest);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|_| {
            text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect()
        })
    }

    fn audit(&self) -> Vec<String> {
        let log = self.says("audit", &["list"]).to_string();
        let log: Value = serde_json::from_str(&log).unwrap();
        let entries = log.as_array().or_else(|| log["entries"].as_array()).unwrap().clone();
        entries.iter().map(|entry| entry["operation"].as_str().unwrap().to_owned()).collect()
    }
}

// verifies: OSAP-2.1.2-02, OSAP-2.1.3-02, OSAP-2.1.4-01, OSAP-5-44, OSAP-5-51, OSAP-5-63, OSAP-6-09, TS-H13
#[test]
fn an_old_device_is_let_in_by_its_own_door_marked_and_a_risk_that_people_see() {
    let mut smart = Smart::start_with("smart-old", COMPAT, COMPAT);
    let door = smart.compat.unwrap();
    let (serial, thing) = (made(&smart, &WORDS), thing_of(&WORDS));

    // At the secure door it is nobody, and no mark tells otherwise.
    let mut stranger = Played::run(&smart, &serial);
    stranger.until("failed", 2);
    assert!(stranger.kill().iter().all(|said| said["event"] != "admitted" && said["event"] != "online"));
    assert!(!is_marked(&smart, &serial));

    let mut device = Played::run_at(&smart, &serial, door);
    device.until("online", 1);
    let admitted = device.until("admitted", 2);
    assert!(admitted.iter().all(|said| said["type"] == 1), "{admitted:?}");
    assert_eq!(admitted[0]["devid"], admitted[1]["devid"], "sent back once for a key that nobody heard");
    until("it is marked", || is_marked(&smart, &serial));

    // Its data takes the way of all others.
    smart.things(&["write", &thing, "autoLockSeconds", "9", "--wait", "20"]);
    let called = smart.things(&["call", &thing, "open", "{\"seconds\":3}", "--wait", "20"]);
    assert!(called.to_string().contains("\"opened\":true"), "{called}");
    let inputs: Vec<Value> = device.until("order", 2).iter().map(|order| order["input"].clone()).collect();
    assert_eq!(inputs, [Value::from(9), json!({ "seconds": 3 })]);
    until("the value is there", || smart.things(&["read", &thing, "autoLockSeconds"])["value"] == 9);
    device.type_in("event doorOpened {\"by\":\"key 1\"}");
    let delivered = device.until("delivered", 1);
    assert_eq!(smart.things(&["events", &thing])[0]["id"], delivered[0]["id"]);
    let fresh = smart.things_command(&["read", &thing, "locked", "--fresh"]).output().unwrap();
    assert!(!fresh.status.success(), "devices of type 1 are not asked");
    let why = String::from_utf8_lossy(&fresh.stderr).into_owned();
    assert!(why.contains("device-refused"), "{why}");

    let risks = smart.says("risk", &["list"]).to_string();
    assert!(risks.contains("insecure-mode-osap-compat"), "{risks}");
    let log = smart.audit();
    for entry in ["lbs.compat-on", "device.compat-on", "device.code-burned", "things.mark"] {
        assert_eq!(log.iter().filter(|one| *one == entry).count(), 1, "{entry} in {log:?}");
    }

    // The server dies: the device refreshes its key, and nobody notes a switch that did not turn.
    smart.kill();
    device.until("offline", 2);
    device.kill();
    smart.serve_again();
    let mut again = Played::run_at(&smart, &serial, smart.compat.unwrap());
    again.until("online", 1);
    let back = again.until("admitted", 1);
    assert_eq!(back[0]["devid"], admitted[0]["devid"]);
    assert_eq!(smart.audit().iter().filter(|one| *one == "lbs.compat-on").count(), 1);
}

// verifies: TS-H13
#[test]
fn the_owner_ends_the_old_protocol_for_a_device_that_is_there_and_allows_it_again() {
    let smart = Smart::start_with("smart-allowed", COMPAT, COMPAT);
    let (serial, thing) = (made(&smart, &WORDS), thing_of(&WORDS));
    let door = smart.compat.unwrap();
    let mut device = Played::run_at(&smart, &serial, door);
    device.until("online", 1);
    until("it is marked", || is_marked(&smart, &serial));
    let forbidden = smart.things(&["record", &thing, "--compat", "forbid"]);
    assert_eq!((&forbidden["compat"], &forbidden["min_type"]), (&json!(false), &json!(2)));
    device.until("offline", 2);
    device.until("failed", 1);
    assert!(!is_marked(&smart, &serial));
    let said = device.kill();
    assert_eq!(said.iter().filter(|said| said["event"] == "online").count(), 1, "{said:?}");

    let record = smart.world.path(&format!("made/{serial}.json"));
    assert_eq!(smart.things(&["record", &thing, "--compat", "allow", "--from", &record])["compat"], true);
    let mut again = Played::run_at(&smart, &serial, door);
    again.until("online", 1);
    let log = smart.audit();
    for (entry, count) in [("device.compat-on", 2), ("device.compat-off", 1)] {
        assert_eq!(log.iter().filter(|one| *one == entry).count(), count, "{entry} in {log:?}");
    }

    // What proved itself by the secure profile is not let in by the old one, whoever says so.
    let words = ["--model", "door-lock", "--kind", "psk", "--types", "2"];
    let (serial, thing) = (made(&smart, &words), thing_of(&words));
    Played::run(&smart, &serial).until("online", 1);
    let refused = smart.things_command(&["record", &thing, "--compat", "allow", "--from", &record]);
    let refused = { refused }.output().unwrap();
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && why.contains("proven-better"), "{why}");
}

/// Whether the directory marks it.
fn is_marked(smart: &Smart, serial: &str) -> bool {
    let listed = smart.things(&["list", "--find", "is:compat"]).to_string();
    listed.contains(serial)
}

/// Whether Python has what the peer needs; with `CI=true` it has to.
fn has_python() -> bool {
    let check = ["-c", "import cryptography.hazmat.primitives.ciphers.aead, paho.mqtt.client"];
    let status = Command::new("python3").args(check).stderr(Stdio::null()).status();
    let is_there = status.is_ok_and(|status| status.success());
    if !is_there {
        println!("SKIPPED peer osap_type_1.py: python3 without paho-mqtt or cryptography");
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "it has to be installed where CI=true");
    }
    is_there
}

// verifies: OSAP-5-28, OSAP-5-36, OSAP-5-40, OSAP-5-44, OSAP-5-47, OSAP-5-50, OSAP-5-53, OSAP-5-59, OSAP-6-06, OSAP-6-09, OSAP-6-16
#[test]
fn a_device_that_others_wrote_from_the_wire_alone_comes_in_and_is_heard_and_obeys() {
    if !has_python() {
        return;
    }
    let smart = Smart::start_with("smart-python", COMPAT, COMPAT);
    let (name, code) = ("T40000001", "QWERTY");
    let serial = Serial::new(name.as_bytes()).unwrap();
    let provider = crypto_server::Server::new();
    let keys = CodeKeys::of_code(&provider, &Secret::from(code.as_bytes()), &serial).to_bytes();
    let thing = smart.admit(name, json!({ "psk": hex(PSK), "compat": hex(keys.expose()) }));
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../conformance/peers/osap_type_1.py");
    let door = smart.compat.unwrap();
    let mut peer = Command::new("python3")
        .arg(script)
        .args([door.ip().to_string(), door.port().to_string(), name.to_owned(), code.to_owned()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(peer.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut said = Vec::new();
    let mut until_said = |word: &str| loop {
        let line = lines.next().unwrap_or_else(|| panic!("it ended before {word}: {said:#?}"));
        said.push(line.clone());
        if line.split(' ').next() == Some(word) {
            return line;
        }
    };
    until_said("sent-back");
    until_said("refreshed");
    let raised = until_said("raised");
    assert_eq!(smart.things(&["read", &thing, "isLocked"])["value"], true);
    let event = raised.split(' ').next_back().unwrap();
    assert_eq!(smart.things(&["events", &thing])[0]["id"], event);
    let called = smart.things(&["call", &thing, "open", "--wait", "20"]);
    assert!(called.to_string().contains("\"for\":null"), "{called}");
    assert_eq!(until_said("operated"), "operated null");
    smart.things(&["write", &thing, "isLocked", "false", "--wait", "20"]);
    assert_eq!(until_said("set"), "set false");
    until_said("all");
    assert!(peer.wait().unwrap().success());
    assert!(is_marked(&smart, name));
}

#[test]
fn one_listener_of_the_old_protocol_without_the_other_is_no_configuration() {
    let smart = Smart::start("smart-half", "");
    let path = smart.world.path(&format!("{ROLE}.toml"));
    let whole = std::fs::read_to_string(&path).unwrap();
    for section in ["[lbs]", "[das]"] {
        let half = smart.world.path("half.toml");
        std::fs::write(&half, whole.replace(section, &format!("{section}\n{COMPAT}"))).unwrap();
        let output = Command::new(PROGRAM).args(["serve", "--config", &half]).output().unwrap();
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && why.contains("need both listeners"), "{section}: {why}");
    }
    // An access service of its own process has no store to read sessions of type 1 from.
    let apart = smart.world.path("apart.toml");
    let section = format!("[das]\nlisten = \"127.0.0.1:0\"\npass = \"a.pass\"\ndata = \"d\"\n{COMPAT}\n");
    std::fs::write(&apart, section).unwrap();
    let output = Command::new(PROGRAM).args(["serve", "--config", &apart]).output().unwrap();
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && why.contains("no compat with a pass"), "{why}");
}
