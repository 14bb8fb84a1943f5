//! Mosquitto's clients and its broker at a real server, over TLS.
//!
//! A peer that is not installed is skipped with a line on standard output; with `CI=true` it fails the test.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::Smart;
use super::callers::Observer;
use super::owner::{Owner, text};
use super::plain::{self, PASSWORD, SECTIONS};
use crate::going_on::until;

/// Where a program is, if it is installed; packages put the broker where not everybody looks.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    if found.is_none() {
        println!("SKIPPED peer {name}: not installed");
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{name} has to be installed where CI=true");
    }
    found
}

fn are_installed() -> bool {
    ["mosquitto_pub", "mosquitto_sub", "mosquitto_rr", "mosquitto"].iter().all(|name| program(name).is_some())
}

/// One of Mosquitto's clients, signed in over TLS.
fn client(smart: &Smart, name: &str, who: &str, words: &[&str]) -> Command {
    let port = smart.mqtt.unwrap().0.port().to_string();
    let mut command = Command::new(name);
    command.args(["-h", "127.0.0.1", "-p", &port, "--cafile", &smart.world.path("owner-a/ca.pem")]);
    command.args(["-u", who, "-P", PASSWORD]).args(words).stdin(Stdio::null());
    command
}

/// Whether it came off, and all that it said.
fn said(mut command: Command) -> (bool, String) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    (output.status.success(), said.concat())
}

#[track_caller]
fn done(command: Command) -> String {
    let (is_done, said) = said(command);
    assert!(is_done, "{said}");
    said
}

/// One that listens, and besides to the topic `ready`, whose retained message it gets: from then on it hears all.
fn listening(mut command: Command) -> Observer {
    command.args(["-t", "ready", "-F", "<%t %p %q %r>"]);
    let mut observer = Observer::run(command);
    observer.until("<ready now ");
    observer
}

const READY: [&str; 7] = ["-q", "1", "-r", "-t", "ready", "-m", "now"];

fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn mosquittos_clients_use_topics_of_their_own_and_things_that_they_were_granted() {
    if !are_installed() {
        return;
    }
    let smart = Smart::with("smart-mosquitto", SECTIONS);
    let owner = Owner(&smart);
    for (name, namespace) in [("panel", "home"), ("desk", "office")] {
        owner.typed("client", &["add", name, "--namespace", namespace], &format!("{PASSWORD}\n"));
    }
    for who in ["panel", "desk"] {
        done(client(&smart, "mosquitto_pub", who, &READY));
    }
    own_topics(&smart);
    namespaces(&smart);
    let thing = plain::sensor(&owner, "meter");
    let mut meter = plain::run(&smart, ("meter", &thing), smart.mqtt.unwrap().0, "3600");
    meter.until("online", 1);
    meter.type_in("set temperature 20");
    until("it is told", || owner.run("things", &["read", &thing])["temperature"]["value"] == 20);
    refused(&smart, &thing);
    let acts = ["read", "write", "call", "observe"].map(|act| ["--act", act]).concat();
    let grant = owner.run("grant", &[&["add", &thing, "client:panel"][..], &acts].concat());
    written_read_and_called(&smart, &owner, &thing);

    // Observed, until the right to it ends.
    let filter = format!("things/{thing}/properties/temperature");
    let words = ["-V", "5", "-q", "1", "-t", &filter, "-t", "home/after", "-F", "<%t %p>"];
    let mut observer = Observer::run(client(&smart, "mosquitto_sub", "panel", &words));
    observer.until(&format!("<{filter} 20>"));
    meter.type_in("set temperature 23");
    observer.until(&format!("<{filter} 23>"));
    owner.run("grant", &["revoke", text(&grant["id"])]);
    observer.until(&format!("<{filter} >"));
    meter.type_in("set temperature 24");
    until("it is told", || owner.run("things", &["read", &thing])["temperature"]["value"] == 24);
    done(client(&smart, "mosquitto_pub", "panel", &["-q", "1", "-t", "home/after", "-m", "that"]));
    observer.until("<home/after that>");
    assert!(!observer.seen.contains(" 24>"), "{}", observer.seen);
    refused(&smart, &thing);
}

/// Retained messages of every quality in both versions, and those that are taken away.
fn own_topics(smart: &Smart) {
    for version in ["mqttv311", "mqttv5"] {
        for qos in ["0", "1", "2"] {
            let topic = format!("{version}/{qos}");
            let words = ["-V", version, "-r", "-q", qos, "-t", &topic, "-m", qos];
            done(client(smart, "mosquitto_pub", "panel", &words));
        }
        let filter = format!("{version}/#");
        let words = ["-V", version, "-q", "2", "-t", &filter, "-W", "60", "-F", "%t %p %q %r", "-C"];
        let read =
            |count: &str| done(client(smart, "mosquitto_sub", "panel", &[&words[..], &[count]].concat()));
        let kept = ["0", "1", "2"].map(|qos| format!("{version}/{qos} {qos} {qos} 1"));
        assert_eq!(lines(&read("3")), kept);
        let gone = format!("{version}/0");
        done(client(smart, "mosquitto_pub", "panel", &["-V", version, "-r", "-q", "1", "-t", &gone, "-n"]));
        assert_eq!(lines(&read("2")), kept[1..], "one was taken away");
        let words = ["-V", version, "-q", "2", "-t", "live/#"];
        let mut live = listening(client(smart, "mosquitto_sub", "panel", &words));
        for qos in ["0", "1", "2"] {
            let words = ["-V", version, "-q", qos, "-t", "live/a", "-m", qos];
            done(client(smart, "mosquitto_pub", "panel", &words));
            live.until(&format!("<live/a {qos} {qos} 0>"));
        }
        assert_eq!(live.seen.matches("<live/a").count(), 3, "each once: {}", live.seen);
    }
}

/// Who is not known, who is elsewhere, and a server that cannot show who it is.
fn namespaces(smart: &Smart) {
    let mut elsewhere = listening(client(smart, "mosquitto_sub", "desk", &["-q", "1", "-t", "#"]));
    for who in ["panel", "desk"] {
        done(client(smart, "mosquitto_pub", who, &["-q", "1", "-t", "both/of", "-m", who]));
    }
    elsewhere.until("<both/of desk ");
    assert!(!elsewhere.seen.contains("panel"), "{}", elsewhere.seen);
    let publish = ["-t", "a", "-m", "x", "-q", "1"];
    let mut wrong = client(smart, "mosquitto_pub", "panel", &publish);
    wrong.args(["-P", "wrong"]);
    let (is_done, why) = said(wrong);
    assert!(!is_done && why.contains("bad user name or password"), "{why}");
    let mut foreign = client(smart, "mosquitto_pub", "panel", &publish);
    foreign.args(["--cafile", &smart.world.path("public/system-ca.pem")]);
    assert!(!said(foreign).0, "its certificate is of another CA");
}

/// Nothing of a thing without a grant.
fn refused(smart: &Smart, thing: &str) {
    let filter = format!("things/{thing}/#");
    let (_, why) = said(client(smart, "mosquitto_sub", "panel", &["-V", "5", "-q", "1", "-t", &filter]));
    assert!(why.contains("denied"), "{why}");
    let topic = format!("things/{thing}/properties/tooWarmAbove/set");
    let words = ["-V", "5", "-d", "-q", "1", "-t", &topic, "-m", "30"];
    let (_, why) = said(client(smart, "mosquitto_pub", "panel", &words));
    assert!(why.to_lowercase().contains("not authori"), "{why}");
}

fn written_read_and_called(smart: &Smart, owner: &Owner<'_>, thing: &str) {
    let publish = |rest: &str, words: &[&str]| {
        let topic = format!("things/{thing}/{rest}");
        let words = [&["-V", "5", "-d", "-q", "1", "-t", &topic], words].concat();
        said(client(smart, "mosquitto_pub", "panel", &words)).1
    };
    let written = publish("properties/tooWarmAbove/set", &["-m", "24"]);
    assert!(!written.contains("failed"), "{written}");
    until("it is taken", || owner.run("things", &["read", thing])["tooWarmAbove"]["value"] == 24);
    for (rest, words, why) in [
        ("properties/tooWarmAbove/set", ["-m", "\"x\""], "payload format invalid"),
        ("properties/nothing/set", ["-m", "1"], "topic name invalid"),
        // Nobody would hear what it is.
        ("properties/temperature/get", ["-m", ""], "topic name invalid"),
    ] {
        let said = publish(rest, &words);
        assert!(said.to_lowercase().contains(why), "{rest}: {said}");
    }
    let ask = |rest: &str, input: &str| -> Value {
        let topic = format!("things/{thing}/{rest}");
        let words = ["-V", "5", "-q", "1", "-W", "60", "-t", &topic, "-e", "answers/mine", "-m", input];
        let answer = done(client(smart, "mosquitto_rr", "panel", &words));
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer}"))
    };
    assert_eq!(ask("properties/temperature/get", "fresh"), json!({ "outcome": "done", "value": 20 }));
    assert_eq!(ask("properties/tooWarmAbove/set", "25")["outcome"], "done");
    assert_eq!(ask("actions/blink/call", "")["outcome"], "done");
}

/// Mosquitto's broker, which is connected to ours as a bridge.
struct Bridge {
    child: Child,
    port: String,
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // An error means that the process has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Bridge {
    fn start(smart: &Smart, version: &str) -> Self {
        let (ours, ca) = (smart.mqtt.unwrap().0, smart.world.path("owner-a/ca.pem"));
        let path = smart.world.path(&format!("bridge-{version}.conf"));
        let program = program("mosquitto").expect("it was there before");
        // It takes no port 0: another process may take a free one first, and then the next one is tried.
        let tried = (0..10).find_map(|_| {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let configuration = format!(
                "user root\nlistener {port} 127.0.0.1\nallow_anonymous true\nconnection ours\naddress {ours}\n\
                 bridge_protocol_version {version}\nbridge_cafile {ca}\nremote_username bridge\n\
                 remote_password {PASSWORD}\nremote_clientid bridge-{version}\nnotifications false\n\
                 try_private false\nrestart_timeout 1\ntopic up/{version}/# out 1\ntopic down/{version}/# in 1\n"
            );
            std::fs::write(&path, configuration).unwrap();
            let mut command = Command::new(&program);
            command.args(["-c", &path]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut started = Self { child: command.spawn().unwrap(), port: port.to_string() };
            loop {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Some(started);
                }
                if started.child.try_wait().unwrap().is_some() {
                    return None;
                }
                std::thread::yield_now();
            }
        });
        tried.expect("a port is free")
    }

    fn client(&self, name: &str, words: &[&str]) -> Command {
        let mut command = Command::new(name);
        command.args(["-h", "127.0.0.1", "-p", &self.port]).args(words).stdin(Stdio::null());
        command
    }
}

#[test]
fn a_mosquitto_broker_that_is_bridged_to_ours_passes_messages_both_ways() {
    if !are_installed() {
        return;
    }
    let smart = Smart::with("smart-bridge", SECTIONS);
    let owner = Owner(&smart);
    for name in ["panel", "bridge"] {
        owner.typed("client", &["add", name], &format!("{PASSWORD}\n"));
    }
    done(client(&smart, "mosquitto_pub", "panel", &READY));
    for version in ["mqttv311", "mqttv50"] {
        let bridge = Bridge::start(&smart, version);
        let (up, down) = (format!("up/{version}/a"), format!("down/{version}/a"));
        done(bridge.client("mosquitto_pub", &READY));
        let mut above = listening(client(&smart, "mosquitto_sub", "panel", &["-q", "1", "-t", &up]));
        let mut below = listening(bridge.client("mosquitto_sub", &["-q", "1", "-t", &down]));
        done(bridge.client("mosquitto_pub", &["-q", "1", "-t", &up, "-m", "from below"]));
        above.until(&format!("<{up} from below "));
        // Retained, so that it need not be connected yet.
        let words = ["-q", "1", "-r", "-t", &down, "-m", "from above"];
        done(client(&smart, "mosquitto_pub", "panel", &words));
        below.until(&format!("<{down} from above "));
    }
}
