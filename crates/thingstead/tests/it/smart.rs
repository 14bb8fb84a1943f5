//! Smart devices at a server with the sections `[lbs]` and `[das]`: real processes and sockets.

mod device;
mod played;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use agent::osap::{FactoryCredential, SmartEvent, SmartFactory};
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
}

impl Drop for Smart {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

const ROLE: &str = "owner-b";

impl Smart {
    /// `das` is the section of the access services.
    fn start(name: &str, das: &str) -> Self {
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
            "{configuration}\n[lbs]\nlisten = \"127.0.0.1:0\"\ninbox = \"{}\"\n[das]\nlisten = \"127.0.0.1:0\"\n{das}\n",
            world.path("inbox")
        );
        fs::write(&path, sections).unwrap();
        let (child, lbs) = serve(&world);
        Self { world, child, lbs }
    }

    fn pin(&self) -> PublicKey {
        let text = fs::read_to_string(self.world.path(&format!("{ROLE}/lbs.pin"))).unwrap();
        let text = text.trim();
        let bytes: Vec<u8> = (0..text.len() / 2)
            .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        PublicKey::from_spki(&bytes).unwrap()
    }

    /// Puts a device on record by a file in the inbox.
    fn admit(&self, serial: &str, credential: Value) {
        let mut record = json!({ "serial": serial, "model": model() });
        record.as_object_mut().unwrap().extend(credential.as_object().unwrap().clone());
        let path = self.world.path(&format!("inbox/{serial}.json"));
        fs::write(&path, record.to_string()).unwrap();
        until("the record is taken in", || !fs::exists(&path).unwrap());
    }
}

fn world_folder(world: &World) -> std::path::PathBuf {
    std::path::PathBuf::from(world.path(""))
}

fn serve(world: &World) -> (Child, SocketAddr) {
    let mut command = Command::new(PROGRAM);
    command.args(["serve", "--config", &world.path(&format!("{ROLE}.toml"))]);
    let log = fs::File::options().append(true).create(true).open(world.path("log/smart.log")).unwrap();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.by_ref().map_while(Result::ok).find(|line| line.starts_with("ready lbs ")).unwrap();
    let lbs = line.strip_prefix("ready lbs devices=").unwrap().parse().unwrap();
    std::thread::spawn(move || lines.for_each(drop));
    (child, lbs)
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

// verifies: OSAP-5-09, OSAP-6-03, OSAP-6-08, OSAP-6-16
#[test]
fn a_device_proves_itself_reports_what_it_is_and_is_asked_to_change() {
    let smart = Smart::start("smart-path", "");
    smart.admit("T10000001", json!({ "psk": hex(PSK) }));
    let provider = crypto_server::Server::new();
    let key = provider.generate_key(KeyKind::Ec(Curve::P256), &mut Dice::numbered(5)).unwrap();
    smart.admit("T10000002", json!({ "key": hex(key.public().spki()) }));
    let by_key = FactoryCredential::KeyPair { pkcs8: key.pkcs8().unwrap(), pins: vec![smart.pin()] };
    let by_psk = FactoryCredential::Psk(Secret::from(PSK));
    for (serial, credential, types, kind) in
        [("T10000001", by_psk, &[2][..], 2), ("T10000002", by_key, &[4, 2], 4)]
    {
        let mut device = Running::start(&factory(serial, types, credential), smart.lbs, 3);
        device.set(&place("isLocked"), json!(true));
        device.until("it is online", |device| device.device.is_online());
        assert!(is_admitted(&device, kind), "{:?}", device.events);
        let now = device.now();
        let event =
            device.device.raise(osap_things::Node::Device, place("opened"), Value::Null, now).unwrap();
        device.until("the event is stored", |device| {
            device.events.contains(&SmartEvent::Delivered { id: event })
        });
    }
}
