//! The parties of the vectors: devices and a load balancer whose chance is given.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use clock::{Dice, Moment};
use crypto::{CryptoError, Curve, KeyExchange, PrivateKey, Provider, PublicKey, Secret};
use crypto_portable::Portable;
use osap_proto::*;
use serde_json::Value;

pub(crate) const NOW: Moment = Moment::from_micros(1_000_000);

pub(crate) fn provider() -> Arc<dyn Provider> {
    Arc::new(Portable)
}

pub(crate) fn hex(value: &Value) -> Vec<u8> {
    unhex(value.as_str().expect("octets"))
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

pub(crate) fn array<const N: usize>(value: &Value) -> [u8; N] {
    hex(value).try_into().unwrap()
}

pub(crate) fn secret(value: &Value) -> Secret {
    Secret::new(hex(value))
}

pub(crate) fn name(vector: &Value) -> &str {
    vector["name"].as_str().unwrap()
}

pub(crate) fn is_good(vector: &Value) -> bool {
    vector["accept"].as_bool().unwrap()
}

/// A whole file.
pub(crate) fn file(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/vectors/osap");
    serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
}

pub(crate) fn vectors(name: &str) -> Vec<Value> {
    file(name)["vectors"].as_array().unwrap().clone()
}

/// A key pair of P-256 from its scalar.
pub(crate) fn key_of(scalar: &[u8]) -> Arc<dyn PrivateKey> {
    let head = "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420";
    Portable.import_key(&[&unhex(head)[..], scalar].concat()).unwrap()
}

/// An exchange whose scalar is given.
struct Given {
    key: Arc<dyn PrivateKey>,
    share: Vec<u8>,
}

impl KeyExchange for Given {
    fn public(&self) -> &[u8] {
        &self.share
    }

    fn finish(self: Box<Self>, peer: &[u8]) -> Result<Secret, CryptoError> {
        self.key.agree(&PublicKey::from_point(Curve::P256, peer).map_err(|_| CryptoError::BadInput)?)
    }
}

pub(crate) fn ephemeral(scalar: &Value, random: &Value) -> Ephemeral {
    let key = key_of(&hex(scalar));
    let share = key.public().point().unwrap().1.to_vec();
    let pake = Portable.start_pake(&hex(scalar)).unwrap();
    Ephemeral { random: array(random), exchange: Box::new(Given { key, share }), pake }
}

pub(crate) fn group(value: &Value) -> TypeGroup {
    let types: Vec<u8> = value.as_array().unwrap().iter().map(|one| one.as_u64().unwrap() as u8).collect();
    TypeGroup::new(&types).unwrap()
}

pub(crate) fn protocol(value: &Value) -> ProtocolType {
    ProtocolType(value.as_u64().unwrap() as u8)
}

pub(crate) fn exporter(inputs: &Value) -> Option<[u8; 32]> {
    hex(&inputs["exporter"]).try_into().ok()
}

pub(crate) fn serial(value: &Value) -> Serial {
    Serial::new(value.as_str().unwrap().as_bytes()).unwrap()
}

/// The records of the world, and the load balancer's own things.
pub(crate) struct World {
    pub(crate) records: BTreeMap<String, DeviceRecord>,
    pub(crate) key: Arc<dyn PrivateKey>,
    pub(crate) fakes: Arc<FakeRecords>,
}

impl World {
    pub(crate) fn new() -> Self {
        let world = &file("attacks.json")["world"];
        let records = world["records"].as_array().unwrap().iter();
        let records = records.map(|one| (one["serial"].as_str().unwrap().to_owned(), record(one))).collect();
        let fakes = FakeRecords::new(&Portable, secret(&world["server_secret"])).unwrap();
        Self { records, key: key_of(&hex(&world["lbs_key"])), fakes: Arc::new(fakes) }
    }

    pub(crate) fn record(&self, serial: &Serial) -> Option<&DeviceRecord> {
        self.records.get(std::str::from_utf8(serial.as_bytes()).unwrap())
    }

    /// A load balancer that gets a run with these inputs.
    pub(crate) fn lbs(&self, inputs: &Value, certificate: Option<Serial>) -> LbsRun {
        let connection = match inputs["protocol"].as_u64().unwrap() {
            8 => Connection::Mutual,
            4 => Connection::Tls,
            _ => Connection::Plain,
        };
        let setup = LbsSetup {
            served: group(&inputs["server_group"]),
            connection,
            exporter: exporter(inputs),
            from: AddressPrefix::of(std::net::IpAddr::from([192, 0, 2, 1])),
            realm: Realm::new(b"lbs.example").unwrap(),
            certificate_serial: certificate,
            key: Arc::clone(&self.key),
            fakes: Arc::clone(&self.fakes),
        };
        let ephemeral = ephemeral(&inputs["y"], &inputs["random_s"]);
        LbsRun::new(provider(), setup, Dice::numbered(1), NOW).with_drawn(ephemeral)
    }
}

fn record(one: &Value) -> DeviceRecord {
    let kinds: Vec<u64> =
        one["allowed"].as_array().unwrap().iter().map(|kind| kind.as_u64().unwrap()).collect();
    let point = |value: &Value| PublicKey::from_point(Curve::P256, &hex(value)).unwrap();
    let present = |member: &str| Some(&one[member]).filter(|value| !value.is_null());
    DeviceRecord {
        allowed: AllowedKinds {
            code: kinds.contains(&1),
            psk: kinds.contains(&2),
            key_pair: kinds.contains(&3),
        },
        min_type: protocol(&one["min_type"]),
        code: present("w0").map(|w0| CodeRecord {
            w0: secret(w0),
            point_l: point(&one["L"]),
            kdf: Kdf::from_number(one["kdf"].as_u64().unwrap() as u8).unwrap(),
        }),
        psk: present("psk").map(secret),
        device_key: present("device_point").map(point),
        ticket: present("ticket").map(ticket),
    }
}

pub(crate) fn ticket(value: &Value) -> TicketOnRecord {
    let end_secs = value["end"].as_u64().unwrap();
    TicketOnRecord { id: array(&value["id"]), secret: secret(&value["secret"]), end_secs }
}

pub(crate) fn realm(inputs: &Value) -> Realm {
    Realm::new(inputs["realm"].as_str().unwrap().as_bytes()).unwrap()
}

/// The code of these inputs, stretched once for all tests.
pub(crate) fn stretched(inputs: &Value) -> StretchedCode {
    of_label(inputs).0
}

/// What both sides keep of it; a code takes seconds to stretch here.
pub(crate) fn of_label(inputs: &Value) -> (StretchedCode, CodeRecord) {
    static KNOWN: Mutex<BTreeMap<String, (StretchedCode, CodeRecord)>> = Mutex::new(BTreeMap::new());
    let text = |member: &str| inputs[member].as_str().unwrap().to_owned();
    let kdf = Kdf::from_number(inputs["kdf"].as_u64().unwrap() as u8).unwrap();
    let name = format!("{} {} {} {kdf:?}", text("code"), text("serial"), text("realm"));
    let mut known = KNOWN.lock().unwrap();
    let stretched = known.entry(name).or_insert_with(|| {
        let code = Secret::from(text("code").as_bytes());
        let (serial, realm) = (serial(&inputs["serial"]), realm(inputs));
        StretchedCode::of_label(&Portable, &code, &serial, &realm, kdf).unwrap()
    });
    stretched.clone()
}

/// What a device begins a run of these inputs with.
pub(crate) fn setup(inputs: &Value) -> DeviceSetup {
    let credential = match inputs["kind"].as_u64().unwrap() {
        1 => DeviceCredential::Code { code: stretched(inputs), realm: realm(inputs) },
        2 => DeviceCredential::Psk(secret(&inputs["psk"])),
        3 => DeviceCredential::KeyPair {
            key: key_of(&hex(&inputs["device_key"])),
            pins: vec![key_of(&hex(&inputs["lbs_key"])).public().clone()],
        },
        4 => DeviceCredential::Ticket(Ticket {
            id: array(&inputs["ticket_id"]),
            secret: secret(&inputs["psk"]),
        }),
        other => panic!("no credential of kind {other}"),
    };
    DeviceSetup {
        header: Header { protocol: protocol(&inputs["protocol"]), group: group(&inputs["group"]) },
        min_type: ProtocolType::PLAIN,
        mode: if inputs["mode"] == 1 { Mode::ProductKey } else { Mode::Serial },
        serial: serial(&inputs["serial"]),
        is_hub: false,
        credential,
        exporter: exporter(inputs),
    }
}

pub(crate) fn device(setup: DeviceSetup, inputs: &Value) -> DeviceRun {
    let ephemeral = ephemeral(&inputs["x"], &inputs["random_d"]);
    DeviceRun::start(provider(), setup, ephemeral, Dice::numbered(2), NOW).unwrap()
}

pub(crate) fn device_outputs(device: &mut DeviceRun) -> Vec<DeviceOutput> {
    std::iter::from_fn(|| device.next_output()).collect()
}

pub(crate) fn lbs_outputs(lbs: &mut LbsRun) -> Vec<LbsOutput> {
    std::iter::from_fn(|| lbs.next_output()).collect()
}

/// All published runs.
pub(crate) fn runs() -> Vec<Value> {
    let runs = vectors("handshake.json");
    assert_eq!(runs.len(), 12);
    runs
}

pub(crate) fn run(named: &str) -> Value {
    vectors("handshake.json").into_iter().find(|run| run["name"] == named).unwrap()
}

/// An access service as B2 names one.
pub(crate) fn das_info(served: TypeGroup) -> DasInfo {
    DasInfo {
        address: "127.0.0.1".to_owned(),
        port: 8883,
        udp_port: 0,
        domain: "das.example".to_owned(),
        server_id: ServerId::new(b"das-0001").unwrap(),
        served,
        epoch: 7,
        time_ms: 1_795_307_861_000,
        tls_key: Some([9; 32]),
        das_ticket: "AW_4".to_owned(),
        das_expiry: 1_795_387_861,
    }
}

pub(crate) fn devid() -> Devid {
    Devid::from_random([0xA5; 16])
}
