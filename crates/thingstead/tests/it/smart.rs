//! Smart devices at a server with the sections `[lbs]` and `[das]`: real processes and sockets.

mod apart;
mod callers;
mod carried;
mod certificates;
mod children;
mod device;
mod kinds;
mod mosquitto;
mod mqtt;
mod mutual;
mod old;
mod owner;
mod plain;
mod played;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use agent::osap::{FactoryCredential, OrderKind, SmartEvent, SmartFactory};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clock::Dice;
use crypto::{Curve, KeyKind, Provider, PublicKey, Secret};
use osap_proto::{Mode, Serial, TypeGroup};
use osap_things::{Place, Resource};
use serde_json::{Value, json};

use super::demo::PROGRAM;
use super::going_on::{World, until};
use device::Running;

/// A management system with smart devices beside it.
struct Smart {
    world: World,
    child: Child,
    lbs: SocketAddr,
    /// Where it speaks type 1 too, when it does.
    compat: Option<SocketAddr>,
    /// Of its HTTPS.
    platform: String,
    /// Of things over CoAP, when it serves them.
    coap: Option<String>,
    /// Of its broker, when it has one: over TLS, and without.
    mqtt: Option<(SocketAddr, SocketAddr)>,
}

impl Drop for Smart {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

const ROLE: &str = "owner-a";

impl Smart {
    /// `das` goes into the section of the access services.
    fn start(name: &str, das: &str) -> Self {
        Self::start_with(name, "", das)
    }

    /// `lbs` and `das` go on their sections.
    fn start_with(name: &str, lbs: &str, das: &str) -> Self {
        Self::with(name, &format!("{lbs}\n[das]\nlisten = \"127.0.0.1:0\"\n{das}"))
    }

    /// `sections` stand behind that of the load balancer.
    fn with(name: &str, sections: &str) -> Self {
        let world = World::new(name);
        world.signal(&world.path(&format!("{ROLE}.toml")), "TERM");
        until("the owner's server stops", || {
            super::demo::processes(&world_folder(&world))
                .iter()
                .all(|(_, said)| !said.contains(&format!("{ROLE}.toml")))
        });
        let path = world.path(&format!("{ROLE}.toml"));
        let configuration = fs::read_to_string(&path).unwrap();
        fs::create_dir(world.path("inbox")).unwrap();
        let sections = format!(
            "{configuration}\n[lbs]\nlisten = \"127.0.0.1:0\"\ninbox = \"{}\"\n{sections}\n",
            world.path("inbox")
        );
        fs::write(&path, sections).unwrap();
        let Served { child, lbs, compat, platform, coap, mqtt } = serve(&world);
        Self { world, child, lbs, compat, platform, coap, mqtt }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn serve_again(&mut self) {
        let Served { child, lbs, compat, platform, coap, mqtt } = serve(&self.world);
        (self.child, self.lbs, self.compat) = (child, lbs, compat);
        (self.platform, self.coap, self.mqtt) = (platform, coap, mqtt);
    }

    fn things_command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        let data = self.world.path(ROLE);
        command.args(["things", "--json", "--data", &data, "--server", &self.platform]).args(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn things(&self, words: &[&str]) -> Value {
        let output = self.things_command(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn files(&self, words: &[&str]) -> Value {
        let mut command = Command::new(PROGRAM);
        let data = self.world.path(ROLE);
        command.args(["files", "--json", "--data", &data, "--server", &self.platform]).args(words);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn pin(&self) -> PublicKey {
        let text = fs::read_to_string(self.world.path(&format!("{ROLE}/lbs.pin"))).unwrap();
        let text = text.trim();
        let bytes: Vec<u8> = (0..text.len() / 2)
            .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        PublicKey::from_spki(&bytes).unwrap()
    }

    /// Puts a device on record by a file in the inbox; gives the UUID of its thing.
    fn admit(&self, serial: &str, credential: Value) -> String {
        let thing = format!("{:0>8}-0000-4000-8000-000000000001", &serial[1..]);
        let mut record = json!({ "serial": serial, "model": model(), "thing": thing });
        record.as_object_mut().unwrap().extend(credential.as_object().unwrap().clone());
        let path = self.world.path(&format!("inbox/{serial}.json"));
        fs::write(&path, record.to_string()).unwrap();
        until("the record is taken in", || !fs::exists(&path).unwrap());
        thing
    }
}

fn world_folder(world: &World) -> std::path::PathBuf {
    std::path::PathBuf::from(world.path(""))
}

/// A server that runs.
struct Served {
    child: Child,
    lbs: SocketAddr,
    compat: Option<SocketAddr>,
    platform: String,
    coap: Option<String>,
    mqtt: Option<(SocketAddr, SocketAddr)>,
}

/// Starts the server.
fn serve(world: &World) -> Served {
    let mut command = Command::new(PROGRAM);
    command.args(["serve", "--config", &world.path(&format!("{ROLE}.toml"))]);
    let log = fs::File::options().append(true).create(true).open(world.path("log/smart.log")).unwrap();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut ready = |role: &str| lines.find(|line| line.starts_with(&format!("ready {role} "))).unwrap();
    let place = |line: &str, name: &str| {
        let place = line.split(' ').find_map(|word| word.strip_prefix(&format!("{name}=")));
        place.map(str::to_owned)
    };
    let line = ready("lbs");
    let lbs = place(&line, "devices").unwrap().parse().unwrap();
    let compat = place(&line, "compat").map(|at| at.parse().unwrap());
    let line = ready("management");
    let (platform, coap) = (place(&line, "platform").unwrap(), place(&line, "coap"));
    let of_mqtt = |name| place(&line, name).map(|at| at.parse().unwrap());
    let mqtt = of_mqtt("mqtt").zip(of_mqtt("mqtt-plain"));
    std::thread::spawn(move || lines.for_each(drop));
    Served { child, lbs, compat, platform, coap, mqtt }
}

fn model() -> Value {
    json!({
        "@context": "https://www.w3.org/2022/wot/td/v1.1",
        "@type": "tm:ThingModel",
        "title": "Front door",
        "properties": {
            "isLocked": { "type": "boolean", "osap:place": { "area": "Lock" } },
            "count": { "type": "integer", "readOnly": true, "osap:place": { "area": "Lock" } }
        },
        "actions": { "open": { "osap:place": { "area": "Lock" } } },
        "events": { "opened": { "osap:place": { "area": "Lock" } } }
    })
}

fn place(identifier: &str) -> Place {
    Place::new(Resource::global(), "Lock", identifier).unwrap()
}

fn factory(serial: &str, types: &[u8], credential: FactoryCredential) -> SmartFactory {
    SmartFactory {
        serial: Serial::new(serial.as_bytes()).unwrap(),
        mode: Mode::Serial,
        is_hub: false,
        types: TypeGroup::new(types).unwrap(),
        credential,
        lbs_tls_key: None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const PSK: &[u8] = b"0123456789abcdefghij22";

fn is_admitted(device: &Running, kind: u8) -> bool {
    device
        .events
        .iter()
        .any(|event| matches!(event, SmartEvent::Admitted { protocol, .. } if protocol.0 == kind))
}

fn device(smart: &Smart, serial: &str, types: &[u8], seed: u64) -> Running {
    Running::start(&factory(serial, types, FactoryCredential::Psk(Secret::from(PSK))), smart.lbs, seed)
}

// verifies: OSAP-5-09, OSAP-6-03, OSAP-6-08, OSAP-6-16
#[test]
fn a_device_proves_itself_reports_what_it_is_and_is_asked_to_change() {
    let smart = Smart::start("smart-path", "");
    let first = smart.admit("T10000001", json!({ "psk": hex(PSK) }));
    let provider = crypto_server::Server::new();
    let key = provider.generate_key(KeyKind::Ec(Curve::P256), &mut Dice::numbered(5)).unwrap();
    let second = smart.admit("T10000002", json!({ "key": hex(key.public().spki()) }));
    let by_key = FactoryCredential::KeyPair { pkcs8: key.pkcs8().unwrap(), pins: vec![smart.pin()] };
    let by_psk = FactoryCredential::Psk(Secret::from(PSK));
    for (serial, thing, credential, types, kind) in
        [("T10000001", first, by_psk, &[2][..], 2), ("T10000002", second, by_key, &[4, 2], 4)]
    {
        let mut device = Running::start(&factory(serial, types, credential), smart.lbs, 3);
        device.set(&place("isLocked"), json!(false));
        device.until("it is online", |device| device.device.is_online());
        assert!(is_admitted(&device, kind), "{:?}", device.events);
        let now = device.now();
        let event =
            device.device.raise(osap_things::Node::Device, place("opened"), Value::Null, now).unwrap();
        device.until("the event is stored", |device| device.delivered().contains(&event));
        // what came before it was stored before it
        let events = smart.things(&["events", &thing]);
        assert_eq!(events[0]["id"], event.to_string());
        assert_eq!(smart.things(&["read", &thing, "isLocked"])["value"], false);

        let mut write = smart.things_command(&["write", &thing, "isLocked", "true", "--wait", "20"]);
        let written = std::thread::spawn(move || write.output().unwrap());
        device.until("the order comes", |device| !device.orders.is_empty());
        let order = device.orders.remove(0);
        assert_eq!((&order.place, &order.kind), (&place("isLocked"), &OrderKind::Set(json!(true))));
        device.set(&place("isLocked"), json!(true));
        let now = device.now();
        device.device.answer(order.number, Ok(Value::Null), now).unwrap();
        device.until("the command ends", |_| written.is_finished());
        let written = written.join().unwrap();
        assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
        let seen = smart.things(&["read", &thing, "isLocked"]);
        assert_eq!(seen["desired"]["state"], "taken");
    }
}

// verifies: OSAP-6-01, OSAP-6-02
#[test]
fn devices_spread_over_two_access_services() {
    let smart = Smart::start("smart-two", "[[das.beside]]\nid = \"das-2\"\nlisten = \"127.0.0.1:0\"\n");
    let serials: Vec<String> = (0..6).map(|number| format!("T2000000{number}")).collect();
    let mut devices = Vec::new();
    for (serial, seed) in serials.iter().zip(10..) {
        smart.admit(serial, json!({ "psk": hex(PSK) }));
        let mut device = device(&smart, serial, &[4, 2], seed);
        device.until("it is online", |device| device.device.is_online());
        devices.push(device);
    }
    let mut ports: Vec<u16> = devices.iter().map(|device| device.ports[0]).collect();
    ports.sort_unstable();
    assert!(ports[0] == ports[2] && ports[2] != ports[3] && ports[3] == ports[5], "{ports:?}");
}

#[test]
fn a_server_that_is_killed_again_and_again_has_every_event_it_acknowledged() {
    let mut smart = Smart::start("smart-kill", "");
    let thing = smart.admit("T30000001", json!({ "psk": hex(PSK) }));
    let mut device = device(&smart, "T30000001", &[4, 2], 20);
    device.raising = true;
    for round in 1..=3 {
        let acknowledged = device.delivered().len() + 5 * round;
        device.until("events are acknowledged", |device| device.delivered().len() >= acknowledged);
        smart.kill();
        smart.serve_again();
        device.lbs = smart.lbs;
    }
    let all = device.raised;
    device.raising = false;
    device.until("all are acknowledged", |device| device.delivered().len() == all);
    let stored: Vec<String> = smart
        .things(&["events", &thing])
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect();
    let once: std::collections::BTreeSet<_> = stored.iter().collect();
    assert_eq!(once.len(), stored.len(), "none is stored twice");
    for id in device.delivered() {
        assert!(stored.contains(&id.to_string()), "an acknowledged event is lost: {id}");
    }
}

// verifies: OSAP-3-02, OSAP-3-05
#[test]
fn a_device_asks_for_a_place_brings_a_file_by_https_and_fetches_what_its_owner_put_there() {
    let smart = Smart::start("smart-files", "");
    let thing = smart.admit("T40000001", json!({ "psk": hex(PSK) }));
    let mut device = device(&smart, "T40000001", &[4, 2], 40);
    device.until("it is online", |device| device.device.is_online());
    let content = vec![7_u8; 150_000];
    let digest = crypto_server::Server::new().digest(crypto::HashAlgorithm::Sha256, &[&content]);
    let offer = json!({ "name": "clip.bin", "size": content.len(), "sha256": hex(digest.as_ref()) });
    let place_for = device.ask("Files", "offer", offer.clone()).unwrap();
    let id = place_for["file"].as_str().unwrap().to_owned();
    let at = place_for["url"].as_str().unwrap();
    let port = smart.platform.rsplit(':').next().unwrap();
    assert_eq!(at, format!("https://127.0.0.1:{port}/v1/files/{id}"));
    let pin =
        <[u8; 32]>::try_from(URL_SAFE_NO_PAD.decode(place_for["tlsKey"].as_str().unwrap()).unwrap()).unwrap();
    let (file, token) = (smart.world.path("clip.bin"), smart.world.path("token"));
    fs::write(&file, &content).unwrap();
    fs::write(&token, place_for["token"].as_str().unwrap()).unwrap();
    let brought = smart.files(&["bring", &id, &file, "--token", &token]);
    assert_eq!(brought["sha256"], offer["sha256"]);
    assert!(device::Wire::open(format!("127.0.0.1:{port}").parse().unwrap(), Some(Some(pin))).is_some());
    assert!(device::Wire::open(format!("127.0.0.1:{port}").parse().unwrap(), Some(Some([1; 32]))).is_none());
    assert_eq!(smart.files(&["list", &thing])[0]["name"], "clip.bin", "its owner sees it");
    let listed = device.ask("Files", "list", Value::Null).unwrap();
    assert_eq!((&listed["files"][0]["file"], &listed["files"][0]["isThere"]), (&json!(id), &json!(true)));
    let lent = device.ask("Files", "fetch", json!({ "file": id })).unwrap();
    fs::write(&token, lent["token"].as_str().unwrap()).unwrap();
    let back = smart.world.path("back.bin");
    assert_eq!(smart.files(&["fetch", &id, "-o", &back, "--token", &token])["size"], content.len());
    assert!(fs::read(&back).unwrap() == content);
    for (identifier, input, code) in [
        ("offer", json!({ "name": "a/b", "size": 1, "sha256": "00".repeat(32) }), 400),
        ("offer", json!({ "name": "a", "size": 1_u64 << 40, "sha256": "00".repeat(32) }), 400),
        ("offer", json!({ "name": "a" }), 400),
        ("fetch", json!({ "file": "00".repeat(16) }), 404),
        ("fetch", json!({ "file": id, "thing": "another" }), 400),
        ("erase", Value::Null, 404),
    ] {
        assert_eq!(
            device.ask("Files", identifier, input).map_err(|failure| failure.code),
            Err(code),
            "{identifier}"
        );
    }
    assert_eq!(device.ask("Valve", "offer", offer).map_err(|failure| failure.code), Err(404));
}
