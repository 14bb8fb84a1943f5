//! Type 1 between a device and a load balancer that draw for themselves, and what a listener learns.

use std::net::IpAddr;

use clock::Dice;
use crypto::{Provider, Secret};
use crypto_portable::Portable;
use osap_proto::compat::*;
use osap_proto::*;

use crate::compat::*;
use crate::world::*;

/// A device and a load balancer that draw for themselves.
struct Pair {
    memory: LbsMemory,
    draws: u64,
    /// Everything that went over the wire, in order; `true` from the device.
    wire: Vec<(bool, Vec<u8>)>,
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
fn guesses_that_come_together_wait_as_those_that_follow_each_other() {
    let serial = Serial::new(b"T12345678").unwrap();
    let other = CodeKeys::of_code(&Portable, &Secret::from(&b"QWERTZ"[..]), &serial);
    let mut pair = Pair::new();
    let mut runs = Vec::new();
    for _ in 0..10 {
        let fresh = compat_setup(Generation::Third, Case::Upper, CompatStored::Nothing);
        let guess = CompatDeviceSetup { keys: other.clone(), ..fresh };
        let mut device = CompatDeviceRun::start(provider(), guess, pair.chance(), NOW).unwrap();
        let Some(CompatDeviceOutput::Send(offer)) = device.next_output() else { panic!("no offer") };
        let mut lbs = lbs(&[1], pair.chance());
        lbs.receive(&offer, &mut pair.memory, NOW);
        assert!(matches!(said(&mut lbs)[..], [CompatLbsOutput::LookUp { .. }]));
        runs.push(lbs);
    }
    let mut judged = 0;
    for lbs in &mut runs {
        lbs.record(Some(&nothing_known()), &mut pair.memory, NOW);
        let told = CompatLbsOutput::Close(CompatLbsEnd::Refused(ResultCode::NOT_PROVEN));
        judged += usize::from(said(lbs).contains(&told));
    }
    assert_eq!(judged, 3, "the others are told what strangers are told");
}
