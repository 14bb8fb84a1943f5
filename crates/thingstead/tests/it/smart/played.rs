//! Devices that `maker osap` makes and `device run --osap` plays, at a real server.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{ROLE, Smart};
use crate::demo::PROGRAM;
use crate::going_on::{json, until};

/// Nothing here takes so long on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// A device that runs as a process of its own.
pub(super) struct Played {
    child: Child,
    input: ChildStdin,
    lines: Receiver<Value>,
    pub(super) said: Vec<Value>,
}

impl Drop for Played {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Played {
    pub(super) fn run(smart: &Smart, serial: &str) -> Self {
        Self::run_at(smart, serial, smart.lbs)
    }

    /// With this load balancer.
    pub(super) fn run_at(smart: &Smart, serial: &str, lbs: std::net::SocketAddr) -> Self {
        Self::spawn(smart, serial, lbs, &[])
    }

    /// With these arguments as well.
    pub(super) fn run_with(smart: &Smart, serial: &str, words: &[&str]) -> Self {
        Self::spawn(smart, serial, smart.lbs, words)
    }

    fn spawn(smart: &Smart, serial: &str, lbs: std::net::SocketAddr, words: &[&str]) -> Self {
        let (folder, lbs) = (smart.world.path(&format!("made/{serial}")), lbs.to_string());
        Self::start(&[&["--osap", &folder, "--lbs", &lbs], words].concat())
    }

    /// `device run` with these arguments.
    pub(super) fn start(words: &[&str]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["device", "run", "--json", "--wait-unit", "0.1"]).args(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        let input = child.stdin.take().unwrap();
        Self { child, input, lines, said: Vec::new() }
    }

    pub(super) fn type_in(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// Reads on until it said `count` lines of this event, all in all.
    pub(super) fn until(&mut self, event: &str, count: usize) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found: Vec<Value> = self.said.iter().filter(|said| said["event"] == event).cloned().collect();
            if found.len() >= count {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|_| panic!("no {count} of {event}: {:#?}", self.said));
            self.said.push(line);
        }
    }

    /// As a service is stopped; what it said, and its exit status.
    pub(super) fn stop(mut self) -> (Vec<Value>, Option<i32>) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        self.said.extend(self.lines.iter());
        (std::mem::take(&mut self.said), status.code())
    }

    /// As the power goes: no word to anybody.
    pub(super) fn kill(mut self) -> Vec<Value> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.said.extend(self.lines.iter());
        std::mem::take(&mut self.said)
    }
}

/// The thing that a device made with these words gets.
pub(super) fn thing_of(words: &[&str]) -> String {
    let sum: u32 = words.concat().bytes().map(u32::from).sum();
    format!("00000000-0000-4000-8000-{sum:012}")
}

/// Makes a device and has the server take it in.
pub(super) fn made(smart: &Smart, words: &[&str]) -> String {
    let out = smart.world.path("made");
    let all = [&["maker", "osap", "--json", "--out", &out], words].concat();
    let made = json(&all);
    let serial = made["serial"].as_str().unwrap().to_owned();
    let waiting = smart.world.path(&format!("inbox/{serial}.json"));
    let record = std::fs::read(made["record"].as_str().unwrap()).unwrap();
    let mut record: Value = serde_json::from_slice(&record).unwrap();
    record["thing"] = thing_of(words).into();
    std::fs::write(&waiting, record.to_string()).unwrap();
    until("the record is taken in", || !std::fs::exists(&waiting).unwrap());
    let refused = smart.world.path(&format!("inbox/{serial}.refused"));
    assert!(!std::fs::exists(refused).unwrap(), "the maker's record is one that the server takes");
    serial
}

fn kill(smart: &mut Smart) {
    smart.child.kill().unwrap();
    smart.child.wait().unwrap();
}

fn ids(said: &[Value], event: &str) -> Vec<String> {
    let of = said.iter().filter(|said| said["event"] == event);
    of.map(|said| said["id"].as_str().unwrap().to_owned()).collect()
}

// verifies: OSAP-2.1.6-01, OSAP-2.1.8-01, OSAP-5-44, OSAP-5-45, OSAP-5-69
#[test]
fn three_kinds_of_devices_enrol_come_back_with_their_ticket_and_keep_their_id() {
    let smart = Smart::start("smart-played", "");
    let pin = smart.world.path(&format!("{ROLE}/lbs.pin"));
    let data = smart.world.path(ROLE);
    let printed = json(&["lbs", "pin", "--json", "--data", &data]);
    assert_eq!(printed["pin"], std::fs::read_to_string(&pin).unwrap().trim());
    let nowhere = Command::new(PROGRAM).args(["lbs", "pin", "--data", "/nowhere"]).output().unwrap();
    assert!(!nowhere.status.success());
    let cases: [(&[&str], &str, u64); 3] = [
        (&["--model", "door-lock", "--realm", "localhost"], "code", 4),
        (&["--model", "camera", "--kind", "psk", "--types", "2"], "psk", 2),
        (&["--model", "radar", "--kind", "key-pair", "--pin", &pin], "key-pair", 4),
    ];
    for (words, credential, protocol) in cases {
        let serial = made(&smart, words);
        let mut device = Played::run(&smart, &serial);
        device.until("online", 1);
        let admitted = device.until("admitted", 1).remove(0);
        assert_eq!((&admitted["credential"], &admitted["type"]), (&credential.into(), &protocol.into()));
        device.kill();
        let mut again = Played::run(&smart, &serial);
        again.until("online", 1);
        let back = again.until("admitted", 1).remove(0);
        assert_eq!(back["credential"], "ticket", "{serial}");
        assert_eq!(back["devid"], admitted["devid"], "{serial}");
        again.type_in("power off");
        again.until("off", 1);
        assert!(again.child.wait().unwrap().success());
    }
}

// verifies: OSAP-2.1.2-01, OSAP-2.1.2-02, OSAP-2.1.3-02, OSAP-2.1.3-03, OSAP-2.1.7-01, OSAP-6-16
#[test]
fn an_operator_reads_sets_and_runs_what_a_device_has() {
    let smart = Smart::start("smart-orders", "");
    let words = ["--model", "door-lock", "--kind", "psk", "--types", "4"];
    let (serial, thing) = (made(&smart, &words), thing_of(&words));
    let mut device = Played::run(&smart, &serial);
    device.until("online", 1);
    smart.things(&["write", &thing, "autoLockSeconds", "9", "--wait", "20"]);
    let called = smart.things(&["call", &thing, "open", "{\"seconds\":3}", "--wait", "20"]);
    assert!(called.to_string().contains("\"opened\":true"), "{called}");
    let read = smart.things(&["read", &thing, "locked", "--fresh"]);
    assert!(read.to_string().contains("false"), "{read}");
    let orders = device.until("order", 3);
    let said: Vec<_> = orders.iter().map(|order| (&order["verb"], &order["name"], &order["input"])).collect();
    let (set, operate, query) = ("set".into(), "operate".into(), "query".into());
    let names = ["autoLockSeconds", "open", "locked"].map(Value::from);
    let inputs = [Value::from(9), serde_json::json!({ "seconds": 3 }), Value::Null];
    let expected =
        [(&set, &names[0], &inputs[0]), (&operate, &names[1], &inputs[1]), (&query, &names[2], &inputs[2])];
    assert_eq!(said, expected);
}

// verifies: OSAP-2.1.4-01, OSAP-2.1.4-03, OSAP-7-07
#[test]
fn events_outlive_a_dead_server_and_a_killed_device_and_arrive_in_order() {
    let mut smart = Smart::start("smart-events", "");
    let serial = made(&smart, &["--model", "door-lock", "--kind", "psk"]);
    let mut device = Played::run(&smart, &serial);
    device.until("online", 1);
    device.type_in("event doorOpened {\"by\":\"key 1\"}");
    device.until("delivered", 1);
    kill(&mut smart);
    device.until("offline", 1);
    for n in 0..20 {
        device.type_in(&format!("event doorOpened {{\"by\":\"key {n}\"}}"));
    }
    device.until("raised", 21);
    let raised = ids(&device.kill(), "raised").split_off(1);
    smart.serve_again();
    let mut again = Played::run(&smart, &serial);
    again.until("delivered", 20);
    assert_eq!(ids(&again.said, "delivered"), raised, "none lost, none twice, in their order");
    let started = again.until("started", 1).remove(0);
    assert_eq!(started["waiting_events"], 20);
    // The server dies once more; the device that stays finds it again by itself where it was.
    again.type_in("event tampered");
    again.until("delivered", 21);
    let folder = smart.world.path(&format!("made/{serial}/events"));
    until("what the platform has is not kept", || std::fs::read_dir(&folder).unwrap().count() == 0);
}

/// Kills of the server and of the device, by turns.
fn kill_count() -> usize {
    std::env::var("THINGSTEAD_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

// verifies: OSAP-2.1.4-01, OSAP-7-07
#[test]
fn events_are_stored_once_each_through_kills_of_server_and_device_by_turns() {
    let mut smart = Smart::start("smart-turns", "");
    let words = ["--model", "door-lock", "--kind", "psk"];
    let (serial, thing) = (made(&smart, &words), thing_of(&words));
    let mut device = Played::run(&smart, &serial);
    device.until("online", 1);
    let (mut raised, mut delivered) = (Vec::new(), Vec::new());
    for round in 0..kill_count() {
        let before = device.said.iter().filter(|said| said["event"] == "raised").count();
        for number in 0..6 {
            device.type_in(&format!("event doorOpened {{\"by\":\"{round} {number}\"}}"));
        }
        // It is killed while some are on their way: at another place each time.
        device.until("raised", before + 1 + round % 6);
        if round % 2 == 0 {
            let said = device.kill();
            raised.extend(ids(&said, "raised"));
            delivered.extend(ids(&said, "delivered"));
            device = Played::run(&smart, &serial);
        } else {
            kill(&mut smart);
            smart.serve_again();
            // The load balancer has another port now: the device is switched off and finds it.
            let said = device.kill();
            raised.extend(ids(&said, "raised"));
            delivered.extend(ids(&said, "delivered"));
            device = Played::run(&smart, &serial);
        }
        device.until("online", 1);
    }
    device.type_in("event tampered");
    let folder = smart.world.path(&format!("made/{serial}/events"));
    until("what the platform has is not kept", || {
        device.until("raised", 1);
        std::fs::read_dir(&folder).unwrap().count() == 0
    });
    let said = device.kill();
    raised.extend(ids(&said, "raised"));
    delivered.extend(ids(&said, "delivered"));
    let stored = smart.things(&["events", &thing]);
    let stored: Vec<&str> =
        stored.as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap()).collect();
    let once: std::collections::BTreeSet<_> = stored.iter().collect();
    assert_eq!(once.len(), stored.len(), "none is stored twice");
    for id in raised.iter().chain(&delivered) {
        assert!(stored.contains(&id.as_str()), "an event that was safe at the device is lost: {id}");
    }
    assert!(raised.len() > kill_count(), "{raised:?}");
}
