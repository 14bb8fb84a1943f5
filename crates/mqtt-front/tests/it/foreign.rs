//! Other implementations, over TCP on the loopback: Mosquitto's clients and Paho.
//!
//! A peer that is not installed is skipped with a line on standard output; with `CI=true` it fails the test.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A broker in a process of its own, killed when dropped.
pub(crate) struct Broker {
    child: Child,
    pub(crate) port: String,
}

impl Drop for Broker {
    fn drop(&mut self) {
        // An error means that the process has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Broker {
    pub(crate) fn start(words: &[&str]) -> Self {
        let test = std::env::current_exe().unwrap();
        let program = test.parent().and_then(|deps| deps.parent()).unwrap().join("examples/mqtt_tcp");
        assert!(program.is_file(), "build it with `cargo build -p mqtt-front --examples`");
        let mut child = Command::new(program).args(words).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit(':').next().unwrap().to_owned();
        Self { child, port }
    }
}

fn is_installed(program: &str) -> bool {
    let found = |directory: PathBuf| directory.join(program).is_file();
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(found))
}

/// Whether to go on; says so, or fails, when not.
fn peer(name: &str, installed: bool) -> bool {
    if !installed {
        println!("SKIPPED peer {name}: not installed");
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{name} has to be installed where CI=true");
    }
    installed
}

fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}{errors}");
    text
}

// verifies: MQTT-4.3.1-1, MQTT-4.3.2-4, MQTT-4.3.3-10, MQTT-4.8.2-4
#[test]
fn paho_does_everything_it_can() {
    let has_paho = || {
        let check = Command::new("python3")
            .args(["-c", "import paho.mqtt.subscribeoptions"])
            .stderr(Stdio::null())
            .status();
        check.is_ok_and(|status| status.success())
    };
    if !peer("paho-mqtt", has_paho()) {
        return;
    }
    let broker = Broker::start(&[]);
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../conformance/peers/paho_mqtt.py");
    let text = said(Command::new("python3").arg(script).args(["127.0.0.1", &broker.port]));
    assert!(text.ends_with("all right\n"), "{text}");
}

#[test]
fn mosquittos_clients_publish_and_subscribe_in_both_versions() {
    if !peer("mosquitto_pub", is_installed("mosquitto_pub") && is_installed("mosquitto_sub")) {
        return;
    }
    let broker = Broker::start(&[]);
    for version in ["mqttv311", "mqttv5"] {
        let common = ["-V", version, "-p", &broker.port, "-u", "m", "-P", "secret"];
        // Retained messages: the subscriber need not be there first.
        for (qos, topic) in [("0", "a"), ("1", "b"), ("2", "c")] {
            let topic = format!("{version}/{topic}");
            said(Command::new("mosquitto_pub").args(common).args(["-r", "-q", qos, "-t", &topic, "-m", qos]));
        }
        let filter = format!("{version}/#");
        let mut subscribe = Command::new("mosquitto_sub");
        subscribe.args(common).args(["-q", "2", "-t", &filter, "-C", "3", "-W", "20", "-F", "%t %p %q"]);
        let text = said(&mut subscribe);
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        let expected =
            [("a", "0"), ("b", "1"), ("c", "2")].map(|(topic, qos)| format!("{version}/{topic} {qos} {qos}"));
        assert_eq!(lines, expected);
        let mut wrong = Command::new("mosquitto_pub");
        wrong.args(["-V", version, "-p", &broker.port, "-u", "m", "-P", "wrong", "-t", "a", "-m", "x"]);
        assert!(!wrong.stderr(Stdio::null()).status().unwrap().success());
    }
}
