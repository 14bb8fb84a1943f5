//! Other implementations use things: over MQTT Paho, MQTT.js, Mosquitto's clients, and Mosquitto as a bridge; over CoAP
//! and DTLS libcoap on GnuTLS, and aiocoap on tinydtls.
//!
//! A peer that is not installed is skipped with a line on standard output; with `CI=true` it fails the test.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::house::{LOCK, SENSOR};

/// A server in a process of its own, killed when dropped.
struct Server {
    child: Child,
    words: ChildStdin,
    port: String,
}

/// A program that ends with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        // An error means that the process has ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Server {
    fn start(name: &str) -> Self {
        let test = std::env::current_exe().unwrap();
        let program = test.parent().and_then(|deps| deps.parent()).unwrap().join("examples").join(name);
        assert!(program.is_file(), "build it with `cargo build -p things-desk --examples`");
        let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let port = line.trim().rsplit(':').next().unwrap().to_owned();
        std::thread::spawn(move || lines.read_to_string(&mut String::new()));
        let words = child.stdin.take().unwrap();
        Self { child, words, port }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.words, "{line}").unwrap();
    }

    /// Runs a peer that asks for what the server is to do by lines that begin with "do "; what it said last.
    fn run(&mut self, command: &mut Command) -> String {
        let child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut peer = Ends(child);
        let mut last = String::new();
        for line in BufReader::new(peer.0.stdout.take().unwrap()).lines().map_while(Result::ok) {
            if let Some(wanted) = line.strip_prefix("do ") {
                self.say(wanted);
            }
            last = line;
        }
        assert!(peer.0.wait().unwrap().success(), "{command:?}: {last}");
        last
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

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/peers").join(name)
}

fn has_python(modules: &str) -> bool {
    let mut check = Command::new("python3");
    check.args(["-c", &format!("import {modules}")]).stderr(Stdio::null());
    check.status().is_ok_and(|status| status.success())
}

#[test]
fn paho_uses_things_and_is_one() {
    if !peer("paho-mqtt", has_python("paho.mqtt.properties")) {
        return;
    }
    let mut server = Server::start("things_tcp");
    let port = server.port.clone();
    let mut paho = Command::new("python3");
    paho.arg(script("paho_things.py")).args(["127.0.0.1", &port, &LOCK.to_string(), &SENSOR.to_string()]);
    assert_eq!(server.run(&mut paho), "all right");
}

#[test]
fn mqtt_js_uses_things() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var("CARGO_TARGET_DIR").map_or_else(|_| root.join("target"), PathBuf::from);
    let folder = target.join("peers/wot");
    if !peer("mqtt.js", is_installed("node") && folder.join("node_modules/mqtt").is_dir()) {
        return;
    }
    let mut server = Server::start("things_tcp");
    let port = server.port.clone();
    let mut node = Command::new("node");
    node.arg(script("mqttjs_things.cjs")).arg(folder).args([&port, &LOCK.to_string()]);
    assert_eq!(server.run(&mut node), "all right");
}

/// Rumqttc is a crate: it is always there.
#[tokio::test]
async fn rumqttc_uses_things() {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::{Packet, PublishProperties};
    use rumqttc::v5::{AsyncClient, Event, MqttOptions};

    let mut server = Server::start("things_tcp");
    let mut options = MqttOptions::new("rumqttc", "127.0.0.1", server.port.parse().unwrap());
    options.set_credentials("panel", "secret");
    let (client, mut events) = AsyncClient::new(options, 10);
    let at = format!("things/{LOCK}");
    client.subscribe(format!("{at}/events/tamper"), QoS::AtLeastOnce).await.unwrap();
    client.subscribe("mine", QoS::AtLeastOnce).await.unwrap();
    let properties =
        PublishProperties { response_topic: Some("mine".into()), ..PublishProperties::default() };
    let call = format!("{at}/actions/unlock/call");
    let (mut came, mut granted) = (Vec::new(), 0);
    let all = async {
        while came.len() < 2 {
            match events.poll().await.unwrap() {
                Event::Incoming(Packet::SubAck(ack)) => {
                    assert!(
                        ack.return_codes.iter().all(|code| format!("{code:?}").contains("Success")),
                        "{ack:?}"
                    );
                    granted += 1;
                    if granted == 2 {
                        server.say("raise knocked");
                        let asked = client.publish_with_properties(
                            &call,
                            QoS::AtLeastOnce,
                            false,
                            r#"{"seconds":1}"#,
                            properties.clone(),
                        );
                        asked.await.unwrap();
                    }
                }
                Event::Incoming(Packet::Publish(publish)) => {
                    came.push(String::from_utf8(publish.payload.to_vec()).unwrap());
                }
                _ => {}
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), all).await.unwrap();
    came.sort();
    assert_eq!(came, [r#""knocked""#, r#"{"outcome":"done","value":"unlocked"}"#]);
}

fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}{errors}");
    text
}

#[test]
fn mosquittos_clients_use_things() {
    let programs = ["mosquitto_pub", "mosquitto_sub", "mosquitto_rr"];
    if !peer("mosquitto_pub", programs.into_iter().all(is_installed)) {
        return;
    }
    let server = Server::start("things_tcp");
    let port = server.port.clone();
    let with = |program: &str, name: &str| {
        let mut command = Command::new(program);
        command.args(["-p", &port, "-u", name, "-P", "secret", "-q", "1"]);
        command
    };
    let at = format!("things/{LOCK}");
    let call = format!("{at}/actions/unlock/call");
    let mut asks = with("mosquitto_rr", "panel");
    asks.args(["-V", "5", "-t", &call, "-e", "mine", "-m", r#"{"seconds":1}"#, "-W", "20"]);
    assert_eq!(said(&mut asks).trim(), r#"{"outcome":"done","value":"unlocked"}"#);
    // A plain sensor, with nothing but a program that publishes.
    let sensor = format!("things/{SENSOR}/properties/battery");
    for version in ["mqttv311", "mqttv5"] {
        said(with("mosquitto_pub", "meter").args(["-V", version, "-t", &sensor, "-m", "17"]));
        let mut hears = with("mosquitto_sub", "panel");
        let text = said(hears.args(["-V", version, "-t", &sensor, "-C", "1", "-W", "20", "-F", "%t %p %r"]));
        assert_eq!(text.trim(), format!("{sensor} 17 1"));
    }
    let mut denied = with("mosquitto_sub", "stranger");
    let denied = denied.args(["-V", "5", "-t", &sensor, "-C", "1", "-W", "5"]).output().unwrap();
    assert!(denied.stdout.is_empty(), "a stranger hears nothing");
    assert!(String::from_utf8_lossy(&denied.stderr).contains("denied"), "{denied:?}");
}

#[test]
fn mosquitto_bridges_a_thing_into_its_own_topics() {
    let programs = ["mosquitto", "mosquitto_sub"];
    if !peer("mosquitto", programs.into_iter().all(is_installed)) {
        return;
    }
    let mut server = Server::start("things_tcp");
    let folder = std::env::temp_dir().join(format!("thingstead-bridge-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let at = format!("things/{LOCK}");
    let config = format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\nconnection things\naddress 127.0.0.1:{}\n\
         remote_username panel\nremote_password secret\nbridge_protocol_version mqttv311\ntry_private false\n\
         notifications false\ntopic properties/+ in 1 lock/ {at}/\ntopic mode/set out 1 ask/ {at}/properties/\n",
        server.port,
    );
    let file = folder.join("bridge.conf");
    std::fs::write(&file, config).unwrap();
    let broker = Command::new("mosquitto").arg("-c").arg(&file).stderr(Stdio::null()).spawn().unwrap();
    let _broker = Ends(broker);
    let port = port.to_string();
    let listening = || std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_ok();
    let start = std::time::Instant::now();
    while !listening() {
        assert!(start.elapsed().as_secs() < 20, "mosquitto listens");
        std::thread::yield_now();
    }
    server.say("report 42");
    // What is known is told with the retained flag, and kept by the other broker.
    let mut hears = Command::new("mosquitto_sub");
    hears.args(["-p", &port, "-t", "lock/properties/battery", "-C", "1", "-W", "30"]);
    assert_eq!(said(&mut hears).trim(), "42");
    std::fs::remove_dir_all(&folder).ok();
}

/// What libcoap's client says: the payload, or the code of a refusal.
fn libcoap(port: &str, name: &str, words: &[&str], path: &str) -> Command {
    let mut command = Command::new("coap-client-gnutls");
    command.args(["-u", name, "-k", &format!("the key of {name}"), "-B", "10"]).args(words);
    command.arg(format!("coaps://127.0.0.1:{port}/things/{LOCK}{path}"));
    command
}

#[test]
fn libcoap_uses_things_over_dtls() {
    if !peer("coap-client-gnutls", is_installed("coap-client-gnutls")) {
        return;
    }
    let mut server = Server::start("things_udp");
    let port = server.port.clone();
    let both = |command: &mut Command| {
        let output = command.output().unwrap();
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()
    };
    let mut link = Command::new("coap-client-gnutls");
    link.args(["-u", "panel", "-k", "the key of panel", "-B", "10"]);
    let links = both(link.arg(format!("coaps://127.0.0.1:{port}/.well-known/core")));
    assert!(links.contains(&format!("</things/{LOCK}>")) && links.contains("wot.thing"), "{links}");
    server.say("report 55");
    let mut value = String::new();
    while !value.contains("55") {
        value = both(&mut libcoap(&port, "panel", &[], "/properties/battery"));
        assert!(value.contains("55") || value.contains("never-reported"), "{value}");
    }
    let set =
        both(&mut libcoap(&port, "panel", &["-m", "put", "-e", "\"away\"", "-t", "50"], "/properties/mode"));
    assert!(!set.contains("refused"), "{set}");
    let call = ["-m", "post", "-e", "{\"seconds\":1}", "-t", "50"];
    assert!(both(&mut libcoap(&port, "panel", &call, "/actions/unlock")).contains("unlocked"));
    let stranger = both(&mut libcoap(&port, "stranger", &[], "/properties/battery"));
    assert!(stranger.contains("4.04") && stranger.contains("not-here"), "{stranger}");
    // Observed until the grant is taken back.
    let mut observes = libcoap(&port, "panel", &["-s", "20"], "/properties/battery");
    let child = observes.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut observes = Ends(child);
    let mut told = observes.0.stdout.take().unwrap();
    let mut seen = Vec::new();
    let mut until = |wanted: &str| {
        let mut byte = [0];
        while !String::from_utf8_lossy(&seen).contains(wanted) {
            assert_eq!(told.read(&mut byte).unwrap(), 1, "{wanted} is told");
            seen.push(byte[0]);
        }
    };
    until("55");
    server.say("report 44");
    until("44");
    drop(observes);
    // Whole lines: in the times of what it complains of there may be any digits.
    let wrong = both(&mut libcoap(&port, "panel", &["-k", "another key"], "/properties/battery"));
    assert!(!wrong.lines().any(|line| line.trim() == "44"), "{wrong}");
}

#[test]
fn aiocoap_uses_things_over_dtls() {
    if !peer("aiocoap with tinydtls", has_python("aiocoap, DTLSSocket")) {
        return;
    }
    let mut server = Server::start("things_udp");
    let port = server.port.clone();
    let mut aiocoap = Command::new("python3");
    aiocoap.arg(script("aiocoap_things.py")).args([&port, &LOCK.to_string()]);
    assert_eq!(server.run(&mut aiocoap), "all right");
}
