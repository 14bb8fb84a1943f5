//! Type 1: the recorded dialogues on both sides, and what a listener learns from them.

use core::time::Duration;
use std::net::IpAddr;

use clock::Dice;
use crypto::{CryptoError, Curve, KeyExchange, Provider, PublicKey, Secret, ec_to_pkcs8};
use crypto_portable::Portable;
use osap_proto::compat::*;
use osap_proto::*;
use serde_json::Value;

use crate::world::*;

/// One recorded connection to a load balancer: its messages in order.
struct Recorded {
    name: String,
    messages: Vec<Value>,
}

fn recorded() -> Vec<Recorded> {
    let mut all: Vec<Recorded> = Vec::new();
    for message in vectors("transcript.json") {
        let connection = message["connection"].as_str().unwrap();
        if !connection.starts_with("lbs") {
            continue;
        }
        let dialogue = name(&message).split('/').next().unwrap();
        let name = format!("{dialogue} {connection}");
        match all.last_mut().filter(|last| last.name == name) {
            Some(last) => last.messages.push(message),
            None => all.push(Recorded { name, messages: vec![message] }),
        }
    }
    all
}

impl Recorded {
    fn field(&self, message: &str, field: &str) -> Option<Value> {
        let found = self.messages.iter().find(|one| one["message"] == message)?;
        Some(found["fields"][field].clone()).filter(|value| !value.is_null())
    }

    fn any(&self, fields: &[(&str, &str)]) -> Option<Value> {
        fields.iter().find_map(|(message, field)| self.field(message, field))
    }

    fn serial(&self) -> Serial {
        serial(&self.any(&[("auth-i", "serial"), ("refresh-i", "serial")]).unwrap())
    }

    fn bytes_from(&self, side: &str) -> Vec<Vec<u8>> {
        self.messages.iter().filter(|one| one["from"] == side).map(|one| hex(&one["bytes"])).collect()
    }

    fn keys(&self) -> CodeKeys {
        let code: &[u8] =
            if self.serial().as_bytes().starts_with(b"TEST") { b"TestLicense00000000001" } else { b"QWERTY" };
        CodeKeys::of_code(&Portable, &Secret::from(code), &self.serial())
    }

    /// What the side of the load balancer drew.
    fn chance(&self) -> CompatChance {
        let devid = self.any(&[("apply-answer", "devid"), ("refresh-answer", "devid")]);
        let session = self.any(&[
            ("apply-answer", "session_key"),
            ("refresh-answer", "session_key"),
            ("refresh-ii", "session_key"),
        ]);
        let point = self.field("auth-ii", "point").map(|point| hex(&point));
        let z = self.field("auth-ii", "z").map(|z| secret(&z));
        CompatChance {
            devid: devid.map_or(devid_of_nobody(), |devid| Devid::new(&hex(&devid)).unwrap()),
            session_key: session.map_or(Secret::new(vec![b'x'; 16]), |session| secret(&session)),
            challenge: self.field("refresh-ii", "random_2").map_or(0, |one| hex(&one)[0]),
            exchange: Box::new(Known {
                point: point.unwrap_or_default(),
                z: z.unwrap_or(Secret::new(vec![0; 48])),
            }),
        }
    }
}

fn devid_of_nobody() -> Devid {
    Devid::from_random([0; 16])
}

/// An exchange whose result is on record.
struct Known {
    point: Vec<u8>,
    z: Secret,
}

impl KeyExchange for Known {
    fn public(&self) -> &[u8] {
        &self.point
    }

    fn finish(self: Box<Self>, _: &[u8]) -> Result<Secret, CryptoError> {
        Ok(self.z)
    }
}

/// An exchange of a recorded scalar.
struct Scalar {
    key: std::sync::Arc<dyn crypto::PrivateKey>,
    point: Vec<u8>,
}

impl KeyExchange for Scalar {
    fn public(&self) -> &[u8] {
        &self.point
    }

    fn finish(self: Box<Self>, peer: &[u8]) -> Result<Secret, CryptoError> {
        self.key.agree(&PublicKey::from_point(Curve::P384, peer).map_err(|_| CryptoError::BadInput)?)
    }
}

fn lbs(served: &[u8], chance: CompatChance) -> CompatLbsRun {
    let from = AddressPrefix::of(IpAddr::from([192, 0, 2, 1]));
    let setup = CompatLbsSetup { served: TypeGroup::new(served).unwrap(), from };
    CompatLbsRun::new(provider(), setup, chance, NOW)
}

fn said(lbs: &mut CompatLbsRun) -> Vec<CompatLbsOutput> {
    std::iter::from_fn(|| lbs.next_output()).collect()
}

fn das() -> CompatDas {
    CompatDas {
        address: "127.0.0.1".to_owned(),
        port: 28667,
        udp_port: 28667,
        domain: "das.test".to_owned(),
        server_id: ServerId::new(b"das-0001").unwrap(),
    }
}

/// Runs the side of the load balancer with the recorded bytes of the device, three pieces for a message.
fn replay(recorded: &Recorded, device: &CompatDevice) -> (Vec<Vec<u8>>, Option<CompatCommit>) {
    let (mut lbs, mut memory) = (lbs(&[1], recorded.chance()), LbsMemory::new());
    let (mut sent, mut kept) = (Vec::new(), None);
    for message in recorded.bytes_from("device") {
        for piece in [&message[..1], &message[1..3], &message[3..]] {
            lbs.receive(piece, &mut memory, NOW);
        }
        while let Some(output) = lbs.next_output() {
            match output {
                CompatLbsOutput::Send(bytes) => sent.push(bytes),
                CompatLbsOutput::LookUp { serial, .. } => {
                    assert_eq!(serial, recorded.serial());
                    lbs.record(Some(device), &mut memory, NOW);
                }
                CompatLbsOutput::Ask { request, commit } => {
                    assert_eq!(request.serial, recorded.serial());
                    kept = Some(*commit);
                    lbs.das(Some(&das()), NOW);
                }
                CompatLbsOutput::CodeShown { serial } => assert_eq!(serial, recorded.serial()),
                CompatLbsOutput::Close(_) => {}
                CompatLbsOutput::ManyTries { .. } => panic!("{}: too many tries", recorded.name),
            }
        }
    }
    (sent, kept)
}

// verifies: OSAP-5-26, OSAP-5-27, OSAP-5-36, OSAP-5-40, OSAP-5-44, OSAP-5-47, OSAP-5-50, OSAP-5-53, OSAP-5-57, OSAP-5-59, OSAP-6-06
#[test]
fn the_load_balancer_answers_recorded_devices_byte_for_byte() {
    let (mut whole, mut count) = (0, 0);
    for recorded in recorded() {
        let answers = recorded.bytes_from("server");
        if answers.is_empty() || recorded.messages.iter().any(|one| name(one).contains("mismatch")) {
            continue;
        }
        count += 1;
        let devid = recorded.any(&[("refresh-i", "devid"), ("refresh-request", "devid")]);
        let has_answer = recorded.field("refresh-ii", "session_key").is_some();
        let mut device = CompatDevice {
            keys: recorded.keys(),
            devid: devid.map(|devid| Devid::new(&hex(&devid)).unwrap()),
            // Where the recorded one had no good key, ours has none.
            master_key: recorded
                .field("refresh-i", "master_key")
                .filter(|_| has_answer)
                .map(|key| secret(&key)),
        };
        if recorded.name.starts_with("4 ") {
            // That one knew the lower case alone.
            let mut keys = device.keys.to_bytes().expose().to_vec();
            keys[32..48].fill(0);
            device.keys = CodeKeys::from_bytes(&Secret::new(keys)).unwrap();
        }
        let (sent, kept) = replay(&recorded, &device);
        assert_eq!(sent, answers, "{}", recorded.name);
        if let Some(commit) = kept {
            whole += 1;
            let given = recorded.chance();
            assert_eq!(commit.session_key, given.session_key);
            assert_eq!(commit.dialogue == Dialogue::Refresh, recorded.field("refresh-i", "devid").is_some());
        }
    }
    assert!(whole >= 5 && count >= 7, "{whole} of {count}");
}

fn setup_of(recorded: &Recorded) -> (CompatDeviceSetup, CompatChance) {
    let is_upper = recorded.field("auth-i", "share_key_upper").is_none_or(|upper| upper == true);
    let devid = |value: Value| Devid::new(&hex(&value)).unwrap();
    let stored = match (recorded.field("refresh-i", "devid"), recorded.field("refresh-request", "devid")) {
        (Some(id), _) => {
            CompatStored::Both(devid(id), secret(&recorded.field("refresh-i", "master_key").unwrap()))
        }
        (None, Some(id)) => CompatStored::Devid(devid(id)),
        (None, None) => CompatStored::Nothing,
    };
    let setup = CompatDeviceSetup {
        group: TypeGroup::new(&[1]).unwrap(),
        min_type: ProtocolType::COMPAT,
        has_seen_secure: false,
        is_held: false,
        mode: if recorded.field("auth-i", "mode").is_some_and(|mode| mode == 1) {
            Mode::ProductKey
        } else {
            Mode::Serial
        },
        serial: recorded.serial(),
        is_hub: false,
        keys: recorded.keys(),
        case: if is_upper { Case::Upper } else { Case::Lower },
        generation: Generation::Third,
        stored,
    };
    let exchange: Box<dyn KeyExchange> = match recorded.field("auth-i", "scalar") {
        Some(scalar) => {
            let point = hex(&recorded.field("auth-i", "point").unwrap());
            let pkcs8 = ec_to_pkcs8(Curve::P384, &hex(&scalar), &point).unwrap();
            Box::new(Scalar { key: Portable.import_key(pkcs8.expose()).unwrap(), point })
        }
        None => Portable.start_exchange(crypto::Group::Nist(Curve::P384), &mut Dice::numbered(1)).unwrap(),
    };
    let challenge = recorded.field("refresh-i", "random_1").map_or(0, |one| hex(&one)[0]);
    let chance =
        CompatChance { devid: devid_of_nobody(), session_key: Secret::new(vec![0; 16]), challenge, exchange };
    (setup, chance)
}

fn asked(device: &mut CompatDeviceRun) -> Vec<CompatDeviceOutput> {
    std::iter::from_fn(|| device.next_output()).collect()
}

// verifies: OSAP-5-29, OSAP-5-32, OSAP-5-34, OSAP-5-35, OSAP-5-38, OSAP-5-39, OSAP-5-42, OSAP-5-44, OSAP-5-46, OSAP-5-48, OSAP-5-49, OSAP-5-52, OSAP-5-55, OSAP-5-58, OSAP-6-05
#[test]
fn the_device_says_what_recorded_devices_said_byte_for_byte() {
    let (mut whole, mut ended) = (0, Vec::new());
    for recorded in recorded() {
        if recorded.bytes_from("server").is_empty() {
            continue;
        }
        let (setup, chance) = setup_of(&recorded);
        let mut device = CompatDeviceRun::start(provider(), setup, chance, NOW).unwrap();
        let mut outputs = asked(&mut device);
        for answer in recorded.bytes_from("server") {
            for byte in answer {
                device.receive(&[byte], NOW);
            }
            outputs.extend(asked(&mut device));
        }
        let mut sent = Vec::new();
        for output in outputs {
            match output {
                CompatDeviceOutput::Send(bytes) => sent.push(bytes),
                CompatDeviceOutput::Done(done) => {
                    whole += 1;
                    assert_eq!(done.das, das(), "{}", recorded.name);
                    assert_eq!(done.session_key, recorded.chance().session_key);
                }
                CompatDeviceOutput::Failed(end) => ended.push((recorded.name.clone(), end)),
            }
        }
        let said = recorded.bytes_from("device");
        // Of dialogue 10 the last request is not on record.
        let sent = if recorded.name.starts_with("10 ") { &sent[..said.len()] } else { &sent[..] };
        assert_eq!(sent, said, "{}", recorded.name);
    }
    assert!(whole >= 5, "{whole}");
    let end = |name: &str, end| (name.to_owned(), end);
    assert_eq!(
        ended.into_iter().filter(|(name, _)| !name.starts_with("10 ")).collect::<Vec<_>>(),
        [
            end("3 lbs1", CompatDeviceEnd::Hint(ResultCode(10))),
            end("4 lbs1", CompatDeviceEnd::Hint(ResultCode::NOT_PROVEN)),
            end("6 lbs1", CompatDeviceEnd::OtherType(ProtocolType(16))),
            end("7 lbs1", CompatDeviceEnd::OtherType(ProtocolType(0))),
        ]
    );
}

/// A device and a load balancer that draw for themselves.
struct Pair {
    memory: LbsMemory,
    draws: u64,
    /// Everything that went over the wire, in order; `true` from the device.
    wire: Vec<(bool, Vec<u8>)>,
}

fn code_keys() -> CodeKeys {
    CodeKeys::of_code(&Portable, &Secret::from(&b"QWERTY"[..]), &Serial::new(b"T12345678").unwrap())
}

fn compat_setup(generation: Generation, case: Case, stored: CompatStored) -> CompatDeviceSetup {
    CompatDeviceSetup {
        group: TypeGroup::new(&[1]).unwrap(),
        min_type: ProtocolType::COMPAT,
        has_seen_secure: false,
        is_held: false,
        mode: Mode::Serial,
        serial: Serial::new(b"T12345678").unwrap(),
        is_hub: false,
        keys: code_keys(),
        case,
        generation,
        stored,
    }
}

impl Pair {
    const fn new() -> Self {
        Self { memory: LbsMemory::new(), draws: 0, wire: Vec::new() }
    }

    fn chance(&mut self) -> CompatChance {
        self.draws += 1;
        CompatChance::draw(&Portable, &mut Dice::numbered(self.draws)).unwrap()
    }

    fn run(
        &mut self,
        setup: CompatDeviceSetup,
        record: Option<&CompatDevice>,
        served: &[u8],
    ) -> (Result<CompatCompleted, CompatDeviceEnd>, Option<CompatCommit>) {
        let mut device = CompatDeviceRun::start(provider(), setup, self.chance(), NOW).unwrap();
        let mut lbs = lbs(served, self.chance());
        let mut kept = None;
        for _ in 0..8 {
            for output in asked(&mut device) {
                match output {
                    CompatDeviceOutput::Send(bytes) => {
                        lbs.receive(&bytes, &mut self.memory, NOW);
                        self.wire.push((true, bytes));
                    }
                    CompatDeviceOutput::Done(done) => return (Ok(*done), kept),
                    CompatDeviceOutput::Failed(end) => return (Err(end), kept),
                }
            }
            for output in said(&mut lbs) {
                match output {
                    CompatLbsOutput::Send(bytes) => {
                        device.receive(&bytes, NOW);
                        self.wire.push((false, bytes));
                    }
                    CompatLbsOutput::LookUp { .. } => lbs.record(record, &mut self.memory, NOW),
                    CompatLbsOutput::Ask { commit, .. } => {
                        kept = Some(*commit);
                        lbs.das(Some(&das()), NOW);
                    }
                    CompatLbsOutput::CodeShown { .. }
                    | CompatLbsOutput::ManyTries { .. }
                    | CompatLbsOutput::Close(_) => {}
                }
            }
        }
        panic!("the run does not end");
    }
}

fn record_of(commit: &CompatCommit) -> CompatDevice {
    CompatDevice { keys: code_keys(), devid: Some(commit.devid), master_key: Some(commit.master_key.clone()) }
}

fn nothing_known() -> CompatDevice {
    CompatDevice { keys: code_keys(), devid: None, master_key: None }
}

// verifies: OSAP-5-30, OSAP-5-44, OSAP-5-45
#[test]
fn devices_of_both_generations_and_cases_come_in_by_all_three_dialogues() {
    for generation in [Generation::Second, Generation::Third] {
        for case in [Case::Upper, Case::Lower] {
            let mut pair = Pair::new();
            let fresh = compat_setup(generation, case, CompatStored::Nothing);
            let (first, kept) = pair.run(fresh, Some(&nothing_known()), &[1]);
            let (first, kept) = (first.unwrap(), kept.unwrap());
            assert_eq!((first.devid, &first.session_key), (kept.devid, &kept.session_key));
            assert_eq!(kept.dialogue, Dialogue::First);
            let again = compat_setup(generation, case, CompatStored::Devid(first.devid));
            let (second, kept) = pair.run(again, Some(&record_of(&kept)), &[1]);
            let (second, kept) = (second.unwrap(), kept.unwrap());
            assert_eq!(kept.dialogue, Dialogue::Again);
            assert_ne!(second.devid, first.devid, "it gets another id");
            let stored = CompatStored::Both(second.devid, second.master_key.clone());
            let (third, kept) =
                pair.run(compat_setup(generation, case, stored), Some(&record_of(&kept)), &[1]);
            let (third, kept) = (third.unwrap(), kept.unwrap());
            assert_eq!((kept.dialogue, third.devid), (Dialogue::Refresh, second.devid));
            assert_ne!(third.session_key, second.session_key);
            if generation == Generation::Second {
                assert!(third.session_key.expose().iter().all(u8::is_ascii_graphic), "printable");
            }
        }
    }
}

/// What a listener computes from the request 42 and the answer 62: three strings of 16 bytes, added.
/// Source: wire facts of type 1, weakness 1.
fn heard(request: &[u8], answer: &[u8]) -> Vec<u8> {
    let (devid, id, key) = (&request[6..22], &answer[24..40], &answer[73..89]);
    devid.iter().zip(id).zip(key).map(|((a, b), c)| a ^ b ^ c).collect()
}

#[test]
fn a_listener_has_the_session_key_of_type_1() {
    for vector in vectors("compat.json").iter().filter(|one| one["kind"] == "listener") {
        assert_eq!(heard(&hex(&vector["request"]), &hex(&vector["answer"])), hex(&vector["session_key"]));
    }
    // And of a run that was never recorded: the id that the device had is the one that comes back.
    let mut pair = Pair::new();
    let first = compat_setup(Generation::Third, Case::Upper, CompatStored::Nothing);
    let (_, kept) = pair.run(first, Some(&nothing_known()), &[1]);
    let kept = kept.unwrap();
    let told = pair.wire.iter().find(|(is_device, bytes)| !is_device && bytes[0] == 0x82).unwrap().1.clone();
    // The id shows in clear in the next refresh.
    let stored = CompatStored::Both(kept.devid, kept.master_key.clone());
    pair.run(compat_setup(Generation::Third, Case::Upper, stored), Some(&record_of(&kept)), &[1]).0.unwrap();
    let refresh = pair.wire.iter().find(|(_, bytes)| bytes[0] == 0x70).unwrap().1.clone();
    let shown = refresh.windows(32).find(|part| Devid::new(part).is_some()).unwrap();
    let as_request = [&[0; 6][..], shown].concat();
    assert_eq!(heard(&as_request, &told), kept.session_key.expose(), "without any secret");
    // With it the listener is the device, for the access service.
    let session = CompatSession {
        serial: kept.serial.clone(),
        devid: kept.devid,
        session_key: kept.session_key.clone(),
        is_exposed: false,
    };
    let forged = register(&heard(&as_request, &told), &session, true);
    let connect = CompatConnect::decode(&forged).unwrap();
    assert!(admit_compat(&Portable, &connect, Some(&session)).is_ok());
    // Which is why the key of such a run is not taken, and the device fetches another.
    let exposed = CompatSession { is_exposed: true, ..session };
    let refused = admit_compat(&Portable, &connect, Some(&exposed));
    assert_eq!(refused.unwrap_err().return_code(), 11);
}

/// A CONNECT of who has this session key.
fn register(session_key: &[u8], session: &CompatSession, is_clean: bool) -> Vec<u8> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (serial, devid) = (text(session.serial.as_bytes()), text(session.devid.as_bytes()));
    let json = format!(
        "{{\"SubSerial\":\"{serial}\",\"DeviceID\":\"{devid}\",\"SDKVersion\":{{\"0\":\"\",\"0\":\"\"}}}}"
    );
    let iv = *b"01234567\0\0\0\0\0\0\0\0";
    let will = Portable.cbc_encrypt(session_key, &iv, json.as_bytes()).unwrap();
    let topic = format!("/Basic/pu2cenplt/{serial}/firstconnect");
    let connect = CompatConnect {
        is_clean,
        keep_alive: 30,
        will_topic: topic.as_bytes(),
        will: &will,
        user_name: serial.as_bytes(),
    };
    connect.encode()
}

// verifies: TS-H13
#[test]
fn a_listener_of_type_2_learns_nothing_by_the_same_sums() {
    let world = World::new();
    let run = run("kind 2, factory key");
    let inputs = &run["inputs"];
    let mut device = device(setup(inputs), inputs);
    let mut lbs = world.lbs(inputs, None);
    let mut memory = LbsMemory::new();
    let mut told = Vec::new();
    for _ in 0..10 {
        for output in device_outputs(&mut device) {
            match output {
                DeviceOutput::Send(bytes) => lbs.receive(&bytes, &mut memory, NOW),
                DeviceOutput::Store(_) => device.stored(NOW),
                DeviceOutput::Done(_) => {}
                DeviceOutput::Failed(end) => panic!("{end:?}"),
            }
        }
        for output in lbs_outputs(&mut lbs) {
            match output {
                LbsOutput::LookUp { serial, .. } => lbs.record(world.record(&serial), 0, &mut memory, NOW),
                LbsOutput::Grant { .. } => {
                    lbs.grant(Grant::Devid { devid: devid(), ticket_id: [3; 16], lifetime_secs: 60 }, NOW);
                }
                LbsOutput::Commit(_) => lbs.committed(Committed::Swapped, NOW),
                LbsOutput::AskDas { .. } => {
                    lbs.das(&DasAnswer::Das(Box::new(das_info(group(&inputs["server_group"])))), NOW);
                }
                LbsOutput::Send(bytes) => {
                    device.receive(&bytes, NOW);
                    told.push(bytes);
                }
                LbsOutput::ManyTries { .. } | LbsOutput::Close(_) => {}
            }
        }
    }
    let record = |byte0: u8| {
        let bytes = told.iter().find(|bytes| bytes[0] == byte0).unwrap();
        Frame::read(bytes).unwrap().unwrap().body()[11..].to_vec()
    };
    // The listener knows even all that stands in 82; in type 1 that gave him what stood beside it.
    let granted = [&[0][..], devid().as_bytes(), &[3; 16], &60_u32.to_be_bytes()].concat();
    let stream: Vec<u8> = record(0x82).iter().zip(&granted).map(|(a, b)| a ^ b).collect();
    let beside: Vec<u8> = record(0xB2).iter().zip(&stream).map(|(a, b)| a ^ b).collect();
    let json = [&[0][..], &das_info(group(&inputs["server_group"])).encode().unwrap()].concat();
    let hits = beside.iter().zip(&json).filter(|(a, b)| a == b).count();
    assert!(hits < 8, "{hits} of {} bytes: no nonce is used twice", beside.len());
    for secret in ["das", "resume", "lbs d2s key", "lbs s2d key"] {
        let secret = hex(&run["keys"][secret]);
        for window in told.iter().flat_map(|bytes| bytes.windows(16)) {
            assert!(!secret.windows(16).any(|part| part == window), "no key is on the wire");
        }
    }
    assert!(!told.iter().any(|bytes| bytes.windows(32).any(|part| part == devid().as_bytes())));
}

// verifies: TS-H13, OSAP-5-63
#[test]
fn ts_h13_type_1_is_sent_only_where_somebody_set_it_on_the_device() {
    let good = || compat_setup(Generation::Third, Case::Upper, CompatStored::Nothing);
    let start = |setup| {
        let chance = CompatChance::draw(&Portable, &mut Dice::numbered(1)).unwrap();
        CompatDeviceRun::start(provider(), setup, chance, NOW).err()
    };
    assert_eq!(start(good()), None);
    assert_eq!(start(CompatDeviceSetup { min_type: ProtocolType::PLAIN, ..good() }), Some(SetupError::Type));
    assert_eq!(start(CompatDeviceSetup { has_seen_secure: true, ..good() }), Some(SetupError::Type));
    assert_eq!(start(CompatDeviceSetup { is_held: true, ..good() }), Some(SetupError::Type));
    let other = TypeGroup::new(&[2]).unwrap();
    assert_eq!(start(CompatDeviceSetup { group: other, ..good() }), Some(SetupError::Type));
}

// verifies: TS-H13
#[test]
fn ts_h13_a_device_that_can_do_more_throws_a_run_of_type_1_away_when_the_server_can_too() {
    let group = TypeGroup::new(&[1, 2]).unwrap();
    let setup =
        CompatDeviceSetup { group, ..compat_setup(Generation::Third, Case::Upper, CompatStored::Nothing) };
    let (ended, _) = Pair::new().run(setup.clone(), Some(&nothing_known()), &[1, 2, 4, 8]);
    assert_eq!(ended, Err(CompatDeviceEnd::Downgrade));
    let (ended, _) = Pair::new().run(setup, Some(&nothing_known()), &[1]);
    assert!(ended.is_ok(), "a server of type 1 alone says nothing of groups");
    let only_1 = compat_setup(Generation::Third, Case::Upper, CompatStored::Nothing);
    assert!(Pair::new().run(only_1, Some(&nothing_known()), &[1, 2, 4, 8]).0.is_ok());
}

// verifies: TS-L9, TS-H13
#[test]
fn ts_l9_serials_without_type_1_and_serials_that_do_not_exist_are_answered_alike() {
    let only_1 = || compat_setup(Generation::Third, Case::Upper, CompatStored::Nothing);
    let mut pair = Pair::new();
    let (ended, _) = pair.run(only_1(), None, &[1, 2, 4, 8]);
    assert_eq!(ended, Err(CompatDeviceEnd::OtherType(ProtocolType::MUTUAL)));
    // 21, no common type: 1 is not common where it is not run.
    assert_eq!(pair.wire.last().unwrap().1, unhex("2a0a08040102040801020015"));
    let second = CompatDeviceSetup { generation: Generation::Second, ..only_1() };
    assert_eq!(pair.run(second, None, &[1, 2, 4, 8]).0, Err(CompatDeviceEnd::Hint(ResultCode(5))));
    let stored = CompatStored::Both(devid(), Secret::new(vec![b'A'; 16]));
    let refresh = compat_setup(Generation::Third, Case::Upper, stored);
    assert_eq!(pair.run(refresh, None, &[1, 2, 4, 8]).0, Err(CompatDeviceEnd::Hint(ResultCode(5))));
    assert!(pair.wire.iter().all(|(is_device, bytes)| *is_device || bytes[2] != 0), "type 0 is never told");
}

#[test]
fn wrong_codes_keys_and_ids_are_refused_and_counted() {
    let mut pair = Pair::new();
    let serial = Serial::new(b"T12345678").unwrap();
    let other = CodeKeys::of_code(&Portable, &Secret::from(&b"QWERTZ"[..]), &serial);
    let guess = || CompatDeviceSetup {
        keys: other.clone(),
        ..compat_setup(Generation::Third, Case::Upper, CompatStored::Nothing)
    };
    let known = nothing_known();
    for _ in 0..3 {
        let (ended, kept) = pair.run(guess(), Some(&known), &[1]);
        assert_eq!((ended, kept), (Err(CompatDeviceEnd::Hint(ResultCode::NOT_PROVEN)), None));
    }
    // From the third on the pair waits, and is told what strangers are told.
    assert!(matches!(
        pair.run(guess(), Some(&known), &[1]).0,
        Err(CompatDeviceEnd::Hint(_) | CompatDeviceEnd::OtherType(_))
    ));
    assert!(
        pair.memory.tries.wait_secs(&serial, AddressPrefix::of(IpAddr::from([192, 0, 2, 1])), NOW).is_some()
    );
    let mut pair = Pair::new();
    let id = CompatStored::Devid(devid());
    let again = compat_setup(Generation::Third, Case::Upper, id);
    assert_eq!(pair.run(again, Some(&known), &[1]).0, Err(CompatDeviceEnd::Hint(ResultCode(4))));
    let record = CompatDevice {
        devid: Some(devid()),
        master_key: Some(Secret::new(vec![b'B'; 16])),
        ..nothing_known()
    };
    let stored = CompatStored::Both(devid(), Secret::new(vec![b'A'; 16]));
    let refresh = compat_setup(Generation::Third, Case::Upper, stored);
    assert_eq!(pair.run(refresh, Some(&record), &[1]).0, Err(CompatDeviceEnd::Hint(ResultCode(10))));
}

#[test]
fn the_first_bytes_tell_type_1_from_the_profile() {
    let offer = hex(&run("kind 2, factory key")["h1_i"]);
    let auth = recorded()[0].bytes_from("device")[0].clone();
    for (bytes, at_least) in [(&offer, 3), (&auth, 4)] {
        for size in 0..at_least {
            assert_eq!(beginning(&bytes[..size]), Beginning::More, "{size}");
        }
    }
    assert_eq!(beginning(&offer), Beginning::Other);
    assert_eq!(beginning(&auth), Beginning::Compat);
    for byte in [0x12, 0x70] {
        assert_eq!(beginning(&[byte]), Beginning::Compat);
    }
    for bytes in [&[0x16][..], &[0x72], &[0x1A, 0x80, 0x80, 0x80, 0x80]] {
        assert_eq!(beginning(bytes), Beginning::Other);
    }
}

// verifies: OSAP-5-61
#[test]
fn what_is_out_of_order_too_long_or_late_ends_a_run() {
    let mut memory = LbsMemory::new();
    let chance = || CompatChance::draw(&Portable, &mut Dice::numbered(9)).unwrap();
    let closed = |lbs: &mut CompatLbsRun| said(lbs).pop();
    for bytes in [&[0x72, 0][..], &[0x12, 0xFF, 0xFF, 0xFF, 0x7F], &[0x12, 0x81, 0x08], &[0; 4097]] {
        let mut lbs = lbs(&[1], chance());
        lbs.receive(bytes, &mut memory, NOW);
        assert_eq!(closed(&mut lbs), Some(CompatLbsOutput::Close(CompatLbsEnd::Malformed)), "{bytes:02x?}");
    }
    let mut late = lbs(&[1], chance());
    late.receive(&[0x12], &mut memory, NOW);
    late.expire(NOW + Duration::from_secs(10));
    assert_eq!(closed(&mut late), Some(CompatLbsOutput::Close(CompatLbsEnd::TimeOver)));
    // A0 without an exchange before it, and 90 in the place of 72.
    let recorded = &recorded()[0];
    let messages = recorded.bytes_from("device");
    let mut lbs = lbs(&[1], recorded.chance());
    lbs.receive(&messages[0], &mut memory, NOW);
    lbs.record(Some(&nothing_known()), &mut memory, NOW);
    lbs.receive(&messages[2], &mut memory, NOW);
    let end = CompatLbsOutput::Close(CompatLbsEnd::Refused(ResultCode::ORDER));
    assert_eq!(closed(&mut lbs), Some(end));
    lbs.receive(&messages[1], &mut memory, NOW);
    assert_eq!(closed(&mut lbs), None, "it is over");
}

/// The messages of the recorded first authentication, and a load balancer after its answer.
fn authenticated() -> (Vec<Vec<u8>>, CompatLbsRun, LbsMemory) {
    let recorded = &recorded()[0];
    let messages = recorded.bytes_from("device");
    let (mut lbs, mut memory) = (lbs(&[1], recorded.chance()), LbsMemory::new());
    lbs.receive(&messages[0], &mut memory, NOW);
    lbs.record(Some(&nothing_known()), &mut memory, NOW);
    said(&mut lbs);
    (messages, lbs, memory)
}

// verifies: OSAP-5-54, OSAP-5-56
#[test]
fn messages_3_and_5_mean_nothing_in_type_1() {
    for byte0 in [0x32, 0x52] {
        let (_, mut lbs, mut memory) = authenticated();
        lbs.receive(&[byte0, 4, 1, 1, 0, 0], &mut memory, NOW);
        let end = CompatLbsOutput::Close(CompatLbsEnd::Refused(ResultCode::MALFORMED));
        assert_eq!(said(&mut lbs).pop(), Some(end), "{byte0:02x}");
    }
}

// verifies: OSAP-5-60
#[test]
fn a_confirmed_device_id_is_taken_and_never_asked_for() {
    for is_confirmed in [false, true] {
        let (messages, mut lbs, mut memory) = authenticated();
        lbs.receive(&messages[1], &mut memory, NOW);
        said(&mut lbs);
        if is_confirmed {
            lbs.receive(&[0x92, 3, 1, 1, 0], &mut memory, NOW);
            assert_eq!(said(&mut lbs), []);
        }
        lbs.receive(&messages[2], &mut memory, NOW);
        assert!(matches!(said(&mut lbs)[..], [CompatLbsOutput::Ask { .. }]));
    }
}

// verifies: OSAP-5-37, OSAP-5-41
#[test]
fn no_recorded_answer_with_one_bit_changed_is_taken() {
    let recorded = &recorded()[0];
    let answers = recorded.bytes_from("server");
    for which in 0..2 {
        // Byte 0 has a nibble that devices do not look at, as they do not at the version.
        let skipped = [0, 3, 4, 5];
        for at in (1..answers[which].len()).filter(|at| !skipped.contains(at)) {
            let (setup, chance) = setup_of(recorded);
            let mut device = CompatDeviceRun::start(provider(), setup, chance, NOW).unwrap();
            answers[..which].iter().for_each(|answer| device.receive(answer, NOW));
            asked(&mut device);
            let mut changed = answers[which].clone();
            changed[at] ^= 1;
            device.receive(&changed, NOW);
            device.expire(NOW + Duration::from_secs(5));
            let outputs = asked(&mut device);
            assert!(matches!(outputs[..], [CompatDeviceOutput::Failed(_)]), "{which}, {at}: {outputs:?}");
        }
    }
}

// verifies: OSAP-5-31
#[test]
fn a_point_off_p_384_is_refused_under_a_right_code() {
    let recorded = &recorded()[0];
    let mut point = hex(&recorded.field("auth-i", "point").unwrap());
    point[96] ^= 1;
    let keys = recorded.keys().to_bytes();
    let aead = Portable.aead(crypto::Aead::Aes128Gcm, &keys.expose()[32..48]).unwrap();
    aead.seal(b"012345\0\0\0\0\0\0", &[], &mut point).unwrap();
    point.rotate_right(16);
    let mut message = recorded.bytes_from("device")[0].clone();
    let head = message.len() - point.len();
    message[head..].copy_from_slice(&point);
    let (mut lbs, mut memory) = (lbs(&[1], recorded.chance()), LbsMemory::new());
    lbs.receive(&message, &mut memory, NOW);
    lbs.record(Some(&nothing_known()), &mut memory, NOW);
    let end = CompatLbsOutput::Close(CompatLbsEnd::Refused(ResultCode::BAD_POINT));
    assert_eq!(said(&mut lbs).pop(), Some(end));
}

fn session_of(connect: &Value) -> CompatSession {
    let fields = &connect["fields"];
    let about: Value = serde_json::from_str(fields["will"].as_str().unwrap()).unwrap();
    CompatSession {
        serial: serial(&fields["user_name"]),
        devid: Devid::new(about["DeviceID"].as_str().unwrap().as_bytes()).unwrap(),
        session_key: secret(&fields["session_key"]),
        is_exposed: false,
    }
}

#[test]
fn recorded_connects_are_read_made_and_judged() {
    let mut count = 0;
    for vector in vectors("transcript.json").iter().filter(|one| one["message"] == "connect") {
        count += 1;
        let packet = hex(&vector["bytes"]);
        let connect = CompatConnect::decode(&packet).unwrap();
        assert_eq!(connect.encode(), packet, "{}", name(vector));
        let session = session_of(vector);
        let taken = admit_compat(&Portable, &connect, Some(&session)).unwrap();
        assert_eq!(taken.is_login, vector["fields"]["flags"] == 0xEE, "{}", name(vector));
        assert_eq!(u64::from(taken.keep_alive), vector["fields"]["keep_alive"].as_u64().unwrap());
        assert_eq!(taken.about.expose(), vector["fields"]["will"].as_str().unwrap().as_bytes());
        let refused =
            |session: Option<&CompatSession>| admit_compat(&Portable, &connect, session).unwrap_err();
        assert_eq!(refused(None), CompatRefusal::Session);
        let other_key = CompatSession { session_key: Secret::new(vec![b'k'; 16]), ..session.clone() };
        assert_eq!(refused(Some(&other_key)), CompatRefusal::NotProven);
        let other_id = CompatSession { devid: devid_of_nobody(), ..session.clone() };
        assert_eq!(refused(Some(&other_id)), CompatRefusal::NotProven);
        let other = CompatSession { serial: Serial::new(b"T12345679").unwrap(), ..session.clone() };
        assert_eq!(refused(Some(&other)), CompatRefusal::Session);
        for size in 0..packet.len() {
            assert!(CompatConnect::decode(&packet[..size]).is_err());
        }
        assert!(CompatConnect::decode(&[&packet[..], &[0]].concat()).is_err());
    }
    assert!(count >= 10, "{count}");
}

// verifies: OSAP-6-07
#[test]
fn recorded_messages_are_opened_and_made_again() {
    let mut count = 0;
    for vector in vectors("transcript.json").iter().filter(|one| one["message"] == "publish") {
        count += 1;
        let fields = &vector["fields"];
        let packet = hex(&vector["bytes"]);
        let key = secret(&fields["session_key"]);
        let length = 2 + usize::from(packet[1] & 0x80 != 0);
        let topic = usize::from(u16::from_be_bytes([packet[length], packet[length + 1]]));
        let id = if fields["qos"] == 0 { 0 } else { 2 };
        let payload = &packet[length + 2 + topic + id..];
        let opened = open_compat(&Portable, &key, payload).unwrap();
        assert_eq!(
            opened.application,
            fields["application"].as_str().unwrap().as_bytes(),
            "{}",
            name(vector)
        );
        let again = seal_compat(&Portable, &key, &opened.general, &opened.application).unwrap();
        assert_eq!(again, payload, "{}", name(vector));
        let short = &payload[..payload.len() - 1];
        assert_eq!(open_compat(&Portable, &key, short), None);
        assert_eq!(open_compat(&Portable, &Secret::new(vec![1; 16]), payload), None);
    }
    assert!(count >= 40, "{count}");
}
