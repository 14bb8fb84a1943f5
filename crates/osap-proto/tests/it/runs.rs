//! Whole runs with given chance, and published attacks on them.

use osap_proto::*;
use serde_json::Value;

use crate::world::*;

/// The bytes that a device sends first.
fn offer(device: &mut DeviceRun) -> Vec<u8> {
    match &device_outputs(device)[..] {
        [DeviceOutput::Send(bytes)] => bytes.clone(),
        other => panic!("{other:?}"),
    }
}

/// What a load balancer sends on an offer of the world.
pub(crate) fn answer(lbs: &mut LbsRun, world: &World, offer: &[u8], unix_secs: u64) -> Vec<u8> {
    lbs.receive(offer, &mut LbsMemory::new(), NOW);
    let outputs = lbs_outputs(lbs);
    let [LbsOutput::LookUp { serial, .. }] = &outputs[..] else { panic!("{outputs:?}") };
    lbs.record(world.record(serial), unix_secs, &mut LbsMemory::new(), NOW);
    let Some(LbsOutput::Send(answer)) = lbs.next_output() else { panic!("no answer") };
    answer
}

/// H1-III of the device's next bytes, and the record behind it.
fn parted(bytes: &[u8]) -> (&[u8], &[u8]) {
    bytes.split_at(Frame::read(bytes).unwrap().unwrap().bytes().len())
}

// verifies: OSAP-5-54, OSAP-5-60, OSAP-5-64, OSAP-5-65, OSAP-5-66, OSAP-5-68, OSAP-5-69, TS-M16, TS-M18
#[test]
fn runs_of_all_kinds_are_the_published_ones_byte_for_byte_on_both_sides() {
    let world = World::new();
    for run in runs() {
        let inputs = &run["inputs"];
        let mut device = device(setup(inputs), inputs);
        let h1_i = offer(&mut device);
        assert_eq!(h1_i, hex(&run["h1_i"]), "{}", name(&run));
        let mut lbs = world.lbs(inputs, Some(serial(&inputs["serial"])));
        let h1_ii = answer(&mut lbs, &world, &h1_i, 0);
        assert_eq!(h1_ii, hex(&run["h1_ii"]), "{}", name(&run));
        assert_eq!(lbs_outputs(&mut lbs), [], "nothing else before the device proved itself");
        device.receive(&h1_ii, NOW);
        let sent = offer(&mut device);
        let (h1_iii, ask) = parted(&sent);
        assert_eq!(h1_iii, hex(&run["h1_iii"]), "{}", name(&run));
        complete(&run, &mut device, &mut lbs, h1_iii, ask);
    }
}

/// The records of a run, and its secrets.
fn complete(run: &Value, device: &mut DeviceRun, lbs: &mut LbsRun, h1_iii: &[u8], ask: &[u8]) {
    let inputs = &run["inputs"];
    let mut seen = LbsMemory::new();
    lbs.receive(h1_iii, &mut seen, NOW);
    assert_eq!(lbs_outputs(lbs), [], "the device has to ask first");
    lbs.receive(ask, &mut seen, NOW);
    assert_eq!(lbs_outputs(lbs), [LbsOutput::Grant { serial: serial(&inputs["serial"]) }]);
    lbs.grant(Grant::Devid { devid: devid(), ticket_id: [3; 16], lifetime_secs: 2_592_000 }, NOW);
    let Some(LbsOutput::Send(granted)) = lbs.next_output() else { panic!("no record 82") };
    assert!(!granted.windows(32).any(|part| part == devid().as_bytes()), "the id is sealed");
    device.receive(&granted, NOW);
    let ticket = Ticket { id: [3; 16], secret: secret(&run["keys"]["resume"]) };
    let enrol_psk = Some(&run["keys"]["enrol"]).filter(|key| !key.is_null()).map(secret);
    assert_eq!(enrol_psk.is_some(), inputs["kind"] == 1);
    let pending = Pending {
        devid: devid(),
        ticket: ticket.clone(),
        lifetime_secs: 2_592_000,
        enrol_psk: enrol_psk.clone(),
    };
    assert_eq!(device_outputs(device), [DeviceOutput::Store(pending)], "nothing is sent before it is stored");
    device.stored(NOW);
    lbs.receive(&offer(device), &mut seen, NOW);
    let outputs = lbs_outputs(lbs);
    let [LbsOutput::Commit(commit)] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!((commit.devid, &commit.ticket, commit.lifetime_secs), (devid(), &ticket, 2_592_000));
    assert_eq!(commit.enrol_psk, enrol_psk, "both sides have the same key of the enrolment");
    assert_eq!(u64::from(commit.claim.kind()), inputs["kind"].as_u64().unwrap());
    lbs.committed(Committed::Swapped, NOW);
    let das_secret = secret(&run["keys"]["das"]);
    assert_eq!(
        lbs_outputs(lbs),
        [LbsOutput::AskDas {
            request: DasRequest { serial: serial(&inputs["serial"]), is_hub: false },
            protocol: protocol(&inputs["protocol"]),
            das_secret: das_secret.clone(),
        }]
    );
    let das = das_info(group(&inputs["server_group"]));
    lbs.das(&DasAnswer::Das(Box::new(das.clone())), NOW);
    let Some(LbsOutput::Send(told)) = lbs.next_output() else { panic!("no record B2") };
    assert_eq!(lbs_outputs(lbs), [LbsOutput::Close(LbsEnd::Completed)]);
    device.receive(&told, NOW);
    let (ran, own) = (protocol(&inputs["protocol"]), group(&inputs["group"]));
    let min_type = floor_after(ran, &own, &das.served, ProtocolType::PLAIN);
    assert_eq!(device_outputs(device), [DeviceOutput::Done(Completed { das, das_secret, min_type })]);
    assert_eq!((device.next_deadline(), lbs.next_deadline()), (None, None));
}

fn attacks(side: &str) -> Vec<Value> {
    let found: Vec<Value> = vectors("attacks.json")
        .into_iter()
        .filter(|vector| vector["side"] == side && !is_of_group_of_two(vector))
        .collect();
    assert!(found.len() > 20, "{side}: {}", found.len());
    found
}

/// The rows on a group that is cut on the way do not say what the sides drew; `hostile` runs that attack.
fn is_of_group_of_two(vector: &Value) -> bool {
    vector["run"] == "kind 2, group of two" || name(vector) == "honest twin of the next vector"
}

fn inputs_of(vector: &Value) -> Value {
    if !vector["inputs"].is_null() {
        return vector["inputs"].clone();
    }
    let is_run = |one: &&Value| one["name"] == vector["run"];
    let published = vectors("handshake.json").iter().find(is_run).map(|run| run["inputs"].clone());
    // What failed as a run stands with the attack that it is.
    let is_attack = |one: &&Value| one["run"] == vector["run"] && !one["inputs"].is_null();
    published
        .or_else(|| vectors("attacks.json").iter().find(is_attack).map(|one| one["inputs"].clone()))
        .unwrap()
}

// verifies: TS-M16, TS-M17, TS-M19, OSAP-5-31, OSAP-5-65, OSAP-5-68, OSAP-8-01
#[test]
fn ts_m16_a_device_sends_nothing_after_an_answer_that_proves_nothing() {
    for vector in attacks("device") {
        let change = vector["change"].as_str().unwrap();
        let inputs = inputs_of(&vector);
        let mut setup = setup(&inputs);
        if let Some(exporter) = change.strip_prefix("the device's exporter is ") {
            setup.exporter = Some(unhex(exporter).try_into().unwrap());
        }
        let mut device = device(setup, &inputs);
        offer(&mut device);
        device.receive(&hex(&vector["h1_ii"]), NOW);
        let outputs = device_outputs(&mut device);
        let [DeviceOutput::Failed(end)] = &outputs[..] else { panic!("{}: {outputs:?}", name(&vector)) };
        let hint = vector["reason"].as_str().unwrap().strip_prefix("result-");
        match (hint, end) {
            (Some(number), DeviceEnd::Hint { result, .. }) => assert_eq!(result.0.to_string(), number),
            (None, DeviceEnd::NotGenuine | DeviceEnd::Malformed | DeviceEnd::Framing(_)) => {}
            other => panic!("{}: {other:?}", name(&vector)),
        }
        device.receive(&hex(&run("kind 2, factory key")["h1_ii"]), NOW);
        assert_eq!(device_outputs(&mut device), [], "{}: it is over", name(&vector));
    }
}

/// What an attack on a code changes in the record of the camera.
fn altered(camera: &mut DeviceRecord, with: &Value) {
    if with.is_null() {
        return;
    }
    let is_set = |member: &str| with[member].as_bool().unwrap_or(false);
    if let Some(kinds) = with["allowed"].as_array() {
        let has = |kind: u64| kinds.iter().any(|one| *one == kind);
        camera.allowed = AllowedKinds { code: has(1), psk: has(2), key_pair: has(3) };
    }
    camera.allowed.code = (camera.allowed.code || is_set("window")) && !is_set("code_burned");
    if !with["min_type"].is_null() {
        camera.min_type = protocol(&with["min_type"]);
    }
}

/// What the vectors call a result.
fn name_of(result: ResultCode) -> &'static str {
    match result {
        ResultCode::NOT_PROVEN => "not-proven",
        ResultCode::ORDER => "order",
        ResultCode::MALFORMED => "malformed",
        ResultCode::BAD_POINT => "bad-point",
        ResultCode::TICKET => "ticket",
        ResultCode::KDF => "kdf",
        ResultCode::LATER => "later",
        other => panic!("{other:?}"),
    }
}

/// A run that ends when H1-II has gone out.
fn try_once(world: &World, inputs: &Value, h1_i: &[u8], memory: &mut LbsMemory) {
    let mut lbs = world.lbs(inputs, None);
    lbs.receive(h1_i, memory, NOW);
    lbs.record(world.record(&serial(&inputs["serial"])), 0, memory, NOW);
    let outputs = lbs_outputs(&mut lbs);
    assert!(matches!(&outputs[..], [LbsOutput::LookUp { .. }, LbsOutput::Send(_)]), "{outputs:?}");
}

// verifies: TS-M16, TS-M17, TS-M18, TS-M19, TS-L9, TS-L10, TS-H12, TS-H13, OSAP-5-61, OSAP-5-65, OSAP-5-67, OSAP-5-69, OSAP-8-01
#[test]
fn ts_m19_a_load_balancer_says_the_same_of_every_wrong_proof_and_keeps_the_ticket() {
    let mut count = 0;
    for vector in attacks("lbs") {
        let mut world = World::new();
        let camera = world.records.get_mut("T12345678").unwrap();
        if !vector["ticket"].is_null() {
            camera.ticket = Some(ticket(&vector["ticket"]));
        }
        altered(camera, &vector["record"]);
        let honest = &vector["run"];
        let inputs = inputs_of(&vector);
        let h1_i = if vector["h1_i"].is_null() {
            run(honest.as_str().unwrap())["h1_i"].clone()
        } else {
            vector["h1_i"].clone()
        };
        let certificate = match vector["certificate_serial"].as_str() {
            Some(other) => Serial::new(other.as_bytes()),
            None => Some(serial(&inputs["serial"])),
        };
        count += 1;
        let mut lbs = world.lbs(&inputs, certificate);
        let mut seen = LbsMemory::new();
        if vector["reason"] == "later" {
            // As if shares were not remembered, so that the tries are.
            for _ in 0..3 {
                seen.seen = SeenShares::new();
                try_once(&world, &inputs, &hex(&h1_i), &mut seen);
            }
            seen.seen = SeenShares::new();
        }
        if vector["reason"] == "bad-point" {
            // The same offer again, on a connection of its own.
            world.lbs(&inputs, None).receive(&hex(&h1_i), &mut seen, NOW);
        }
        lbs.receive(&hex(&h1_i), &mut seen, NOW);
        let mut outputs = lbs_outputs(&mut lbs);
        if let [LbsOutput::LookUp { serial, .. }] = &outputs[..] {
            lbs.record(world.record(serial), vector["now"].as_u64().unwrap_or(0), &mut seen, NOW);
            outputs = lbs_outputs(&mut lbs);
        }
        if !vector["h1_ii_prefix"].is_null() {
            let [LbsOutput::Send(h1_ii)] = &outputs[..] else { panic!("{}: {outputs:?}", name(&vector)) };
            let prefix = hex(&vector["h1_ii_prefix"]);
            assert_eq!((h1_ii.starts_with(&prefix), h1_ii.len()), (true, prefix.len() + 32));
            continue;
        }
        if !vector["h1_iii"].is_null() {
            let [LbsOutput::Send(h1_ii)] = &outputs[..] else { panic!("{}: {outputs:?}", name(&vector)) };
            if !vector["h1_ii"].is_null() {
                assert_eq!(*h1_ii, hex(&vector["h1_ii"]), "{}", name(&vector));
            }
            lbs.receive(&hex(&vector["h1_iii"]), &mut seen, NOW);
            outputs = lbs_outputs(&mut lbs);
        }
        if is_good(&vector) {
            assert_eq!(outputs, [], "{}: goes on", name(&vector));
            continue;
        }
        let [LbsOutput::Send(answer), LbsOutput::Close(LbsEnd::Refused(result))] = &outputs[..] else {
            panic!("{}: {outputs:?}", name(&vector))
        };
        assert_eq!(*answer, hex(&vector["answer"]), "{}", name(&vector));
        let named = name_of(*result);
        assert_eq!(vector["reason"], named, "{}", name(&vector));
    }
    assert!(count > 20, "{count}");
}

// verifies: TS-L10
#[test]
fn ts_l10_codes_are_stretched_as_published_and_for_one_realm_only() {
    let mut count = 0;
    for vector in vectors("spake2plus.json").iter().filter(|one| one["kind"] == "record") {
        count += 1;
        let (stretched, record) = of_label(vector);
        let kdf = record.kdf;
        assert_eq!(stretched.w0.expose(), hex(&vector["w0"]), "{}", name(vector));
        assert_eq!(stretched.w1.expose(), hex(&vector["w1"]), "{}", name(vector));
        assert_eq!((&record.w0, record.kdf), (&stretched.w0, kdf));
        assert_eq!(record.point_l.point().unwrap().1, hex(&vector["L"]), "{}", name(vector));
        if kdf == Kdf::Scrypt {
            let mut elsewhere = vector.clone();
            elsewhere["realm"] = Value::from("other.example");
            assert_ne!(of_label(&elsewhere).1.w0, record.w0);
        }
    }
    assert_eq!(count, 2);
    for bad in [&b""[..], b"LBS.example", b"lbs example", &[b'a'; 256]] {
        assert_eq!(Realm::new(bad), None);
    }
}

// verifies: TS-L9
#[test]
fn ts_l9_fake_records_are_the_published_ones() {
    let mut count = 0;
    for vector in vectors("spake2plus.json").iter().filter(|one| one["kind"] == "fake") {
        count += 1;
        let fakes = FakeRecords::new(provider().as_ref(), secret(&vector["server_secret"])).unwrap();
        let fake = fakes.of(provider().as_ref(), &serial(&vector["serial"]));
        assert_eq!(fake.w0.expose(), hex(&vector["w0"]), "{}", name(vector));
        assert_eq!(fake.psk.expose(), hex(&vector["psk"]), "{}", name(vector));
        assert_eq!(u64::from(fake.kdf.number()), vector["kdf"].as_u64().unwrap(), "{}", name(vector));
        assert_eq!(fakes.point_l().point().unwrap().1, hex(&vector["L"]), "{}", name(vector));
        assert_eq!(fakes.device_key().point().unwrap().1, hex(&vector["device_point"]), "{}", name(vector));
    }
    assert!(count >= 4);
}

/// The JSON of records A2 and B2 in the vectors.
fn published_json(named: &str) -> Vec<u8> {
    let vector = vectors("records.json").into_iter().find(|one| one["name"] == named).unwrap();
    hex(&vector["plain"])
}

// verifies: OSAP-6-05, OSAP-6-06
#[test]
fn the_json_of_a2_and_b2_is_the_published_one() {
    let request = published_json("A2: which Das");
    let read = DasRequest::decode(&request).unwrap();
    assert_eq!((read.serial.as_bytes(), read.is_hub), (&b"E00000042"[..], false));
    assert_eq!(read.encode(), request);
    let hub = DasRequest { is_hub: true, ..read };
    assert_eq!(DasRequest::decode(&hub.encode()), Some(hub));
    let told = published_json("B2: this one");
    let das = DasInfo::decode(&told[1..]).unwrap();
    assert_eq!(
        (das.address.as_str(), das.port, das.server_id.as_bytes()),
        ("127.0.0.1", 8883, &b"das-0001"[..])
    );
    assert_eq!((das.served.as_bytes(), das.tls_key.is_some()), (&[2, 4, 8][..], true));
    assert_eq!(das.encode().unwrap(), told[1..]);
}

// verifies: OSAP-6-06
#[test]
fn b2_without_a_member_or_with_one_of_another_kind_is_not_read() {
    let whole: Value = serde_json::from_slice(&published_json("B2: this one")[1..]).unwrap();
    let is_read = |value: &Value| DasInfo::decode(value.to_string().as_bytes()).is_some();
    assert!(is_read(&whole));
    let mut more = whole.clone();
    more["More"] = serde_json::json!({"a": [1, null, "\u{e9}"]});
    assert!(is_read(&more), "unknown members are skipped");
    for member in whole.as_object().unwrap().keys() {
        let mut less = whole.clone();
        less.as_object_mut().unwrap().remove(member);
        assert!(!is_read(&less), "without {member}");
        less[member] = serde_json::json!(-1);
        assert!(!is_read(&less), "{member} of another kind");
    }
    for member in whole["DasInfo"].as_object().unwrap().keys() {
        let mut less = whole.clone();
        less["DasInfo"].as_object_mut().unwrap().remove(member);
        assert!(!is_read(&less), "without {member}");
        less["DasInfo"][member] = serde_json::json!("a".repeat(64));
        assert!(!is_read(&less), "{member} too long");
    }
}

// verifies: OSAP-5-23, TS-M17
#[test]
fn ts_m17_a_device_says_which_acceptable_type_comes_next() {
    let inputs = run("kind 2, value unknown in the group")["inputs"].clone();
    let wide = TypeGroup::new(&[2, 4]).unwrap();
    for (answer, end) in [
        ("2a09040302040801020014", DeviceEnd::Rematch(ProtocolType::TLS)),
        ("2a09080302040801020014", hint(ResultCode::REMATCH)),
        ("2a09080302040801020015", hint(ResultCode::NO_COMMON_TYPE)),
    ] {
        let header = Header { protocol: ProtocolType::PLAIN, group: wide.clone() };
        let mut device = device(DeviceSetup { header, ..setup(&inputs) }, &inputs);
        offer(&mut device);
        device.receive(&unhex(answer), NOW);
        assert_eq!(device_outputs(&mut device), [DeviceOutput::Failed(end)], "{answer}");
    }
}

const fn hint(result: ResultCode) -> DeviceEnd {
    DeviceEnd::Hint { result, kdf: None, wait_secs: None }
}

// verifies: TS-L9
#[test]
fn ts_l9_a_device_refuses_its_own_share_also_under_a_right_mac() {
    let world = World::new();
    let mut inputs = run("kind 2, factory key")["inputs"].clone();
    inputs["y"] = inputs["x"].clone();
    let mut device = device(setup(&inputs), &inputs);
    let h1_i = offer(&mut device);
    let h1_ii = answer(&mut world.lbs(&inputs, None), &world, &h1_i, 0);
    device.receive(&h1_ii, NOW);
    assert_eq!(device_outputs(&mut device), [DeviceOutput::Failed(DeviceEnd::NotGenuine)]);
}
