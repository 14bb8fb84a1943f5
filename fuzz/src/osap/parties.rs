//! A device with every kind of credential, and a load balancer that has its record.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};

use clock::{Dice, Moment};
use crypto::{Curve, KeyKind, PrivateKey, Provider, Secret};
use crypto_portable::Portable;
use osap_proto::*;

pub(crate) const NOW: Moment = Moment::START;

pub(crate) fn provider() -> Arc<dyn Provider> {
    Arc::new(Portable)
}

pub(crate) fn serial() -> Serial {
    Serial::new(b"T12345678").expect("a serial")
}

pub(crate) fn realm() -> Realm {
    Realm::new(b"lbs.example").expect("a realm")
}

pub(crate) fn server_id() -> ServerId {
    ServerId::new(b"das-0001").expect("a name")
}

pub(crate) fn group(types: &[u8]) -> TypeGroup {
    TypeGroup::new(types).expect("a group")
}

pub(crate) fn prefix() -> AddressPrefix {
    AddressPrefix::of(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)))
}

fn key(number: u64) -> Arc<dyn PrivateKey> {
    Portable.generate_key(KeyKind::Ec(Curve::P256), &mut Dice::numbered(number)).expect("P-256")
}

/// What both sides have for all inputs.
struct Held {
    lbs_key: Arc<dyn PrivateKey>,
    device_key: Arc<dyn PrivateKey>,
    fakes: Arc<FakeRecords>,
    code: StretchedCode,
    record: CodeRecord,
}

fn held() -> &'static Held {
    static HELD: OnceLock<Held> = OnceLock::new();
    HELD.get_or_init(|| {
        // As if stretched: what it costs is not what is fuzzed.
        let password = Portable.pake_password(&Secret::new(vec![7; 80])).expect("80 bytes");
        let kdf = Kdf::Scrypt;
        Held {
            lbs_key: key(1),
            device_key: key(2),
            fakes: Arc::new(FakeRecords::new(&Portable, Secret::new(vec![3; 32])).expect("P-256")),
            code: StretchedCode { w0: password.w0.clone(), w1: password.w1, kdf },
            record: CodeRecord { w0: password.w0, point_l: password.point_l, kdf },
        }
    })
}

/// The key of the load balancer.
pub(crate) fn lbs_key() -> Arc<dyn PrivateKey> {
    Arc::clone(&held().lbs_key)
}

/// The records of who has none.
pub(crate) fn fakes() -> Arc<FakeRecords> {
    Arc::clone(&held().fakes)
}

fn psk() -> Secret {
    Secret::new(vec![9; 32])
}

fn ticket() -> Ticket {
    Ticket { id: [4; 16], secret: Secret::new(vec![5; 32]) }
}

/// The record of the device, which may do everything.
pub(crate) fn record() -> DeviceRecord {
    let held = held();
    DeviceRecord {
        allowed: AllowedKinds { code: true, psk: true, key_pair: true },
        min_type: ProtocolType::PLAIN,
        code: Some(held.record.clone()),
        psk: Some(psk()),
        device_key: Some(held.device_key.public().clone()),
        ticket: Some(TicketOnRecord { id: ticket().id, secret: ticket().secret, end_secs: 1000 }),
    }
}

/// What a device begins with, by the kind of its credential.
pub(crate) fn device_setup(kind: u8) -> DeviceSetup {
    let held = held();
    let credential = match kind & 3 {
        0 => DeviceCredential::Code { code: held.code.clone(), realm: realm() },
        1 => DeviceCredential::Psk(psk()),
        2 => DeviceCredential::KeyPair {
            key: Arc::clone(&held.device_key),
            pins: vec![held.lbs_key.public().clone()],
        },
        _ => DeviceCredential::Ticket(ticket()),
    };
    DeviceSetup {
        header: Header { protocol: ProtocolType::PLAIN, group: group(&[2, 4]) },
        min_type: ProtocolType::PLAIN,
        mode: Mode::Serial,
        serial: serial(),
        is_hub: false,
        credential,
        exporter: None,
    }
}

pub(crate) fn device(kind: u8) -> DeviceRun {
    let mut dice = Dice::numbered(11);
    let ephemeral = Ephemeral::draw(&Portable, &mut dice).expect("P-256");
    DeviceRun::start(provider(), device_setup(kind), ephemeral, dice, NOW).expect("the setup is right")
}

pub(crate) fn lbs() -> LbsRun {
    let held = held();
    let dice = Dice::numbered(12);
    let setup = LbsSetup {
        served: group(&[2, 4, 8]),
        connection: Connection::Plain,
        exporter: None,
        from: prefix(),
        realm: realm(),
        certificate_serial: None,
        key: Arc::clone(&held.lbs_key),
        fakes: Arc::clone(&held.fakes),
    };
    LbsRun::new(provider(), setup, dice, NOW)
}

pub(crate) fn devid() -> Devid {
    Devid::from_random([0xA5; 16])
}

pub(crate) fn grant() -> Grant {
    Grant::Devid { devid: devid(), ticket_id: [6; 16], lifetime_secs: 60 }
}

pub(crate) fn das_answer() -> DasAnswer {
    DasAnswer::Das(Box::new(DasInfo {
        address: "127.0.0.1".to_owned(),
        port: 8883,
        udp_port: 0,
        domain: "das.example".to_owned(),
        server_id: server_id(),
        served: group(&[2, 4, 8]),
        epoch: 7,
        time_ms: 1_795_307_861_000,
        tls_key: Some([9; 32]),
        das_ticket: "AW_4".to_owned(),
        das_expiry: 1_795_387_861,
    }))
}

/// What an honest run of this kind says: the device's bytes and those of the load balancer, in order.
pub(crate) fn honest(kind: u8) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (mut device, mut lbs, mut memory) = (device(kind), lbs(), LbsMemory::new());
    let (mut said, mut answered) = (Vec::new(), Vec::new());
    for _ in 0..12 {
        while let Some(output) = device.next_output() {
            match output {
                DeviceOutput::Send(bytes) => {
                    lbs.receive(&bytes, &mut memory, NOW);
                    said.push(bytes);
                }
                DeviceOutput::Store(_) => device.stored(NOW),
                DeviceOutput::Done(_) => return (said, answered),
                DeviceOutput::Failed(end) => panic!("an honest run fails: {end:?}"),
            }
        }
        while let Some(output) = lbs.next_output() {
            match output {
                LbsOutput::Send(bytes) => {
                    device.receive(&bytes, NOW);
                    answered.push(bytes);
                }
                LbsOutput::LookUp { .. } => lbs.record(Some(&record()), 0, &mut memory, NOW),
                LbsOutput::Grant { .. } => lbs.grant(grant(), NOW),
                LbsOutput::Commit(_) => lbs.committed(Committed::Swapped, NOW),
                LbsOutput::AskDas { .. } => lbs.das(&das_answer(), NOW),
                LbsOutput::ManyTries { .. } | LbsOutput::Close(_) => {}
            }
        }
    }
    panic!("an honest run comes to its end")
}
