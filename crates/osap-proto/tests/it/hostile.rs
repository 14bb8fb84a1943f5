//! Bytes in pieces, out of order, too late and too many.

use core::time::Duration;

use osap_proto::*;

use crate::runs::answer;
use crate::world::*;

const RUN: &str = "kind 3";

fn bytes_of(outputs: Vec<DeviceOutput>) -> Vec<u8> {
    outputs
        .into_iter()
        .flat_map(|one| if let DeviceOutput::Send(bytes) = one { bytes } else { Vec::new() })
        .collect()
}

#[test]
fn messages_may_come_byte_by_byte() {
    let (world, run) = (World::new(), run(RUN));
    let mut device = device(setup(&run["inputs"]), &run["inputs"]);
    bytes_of(device_outputs(&mut device));
    let mut lbs = world.lbs(&run["inputs"], None);
    let mut seen = LbsMemory::new();
    let offer = hex(&run["h1_i"]);
    for (at, byte) in offer.iter().enumerate() {
        assert_eq!(lbs_outputs(&mut lbs), [], "at {at}");
        lbs.receive(&[*byte], &mut seen, NOW);
    }
    let outputs = lbs_outputs(&mut lbs);
    let [LbsOutput::LookUp { serial, .. }] = &outputs[..] else { panic!("{outputs:?}") };
    lbs.record(world.record(serial), 0, &mut LbsMemory::new(), NOW);
    for byte in hex(&run["h1_ii"]) {
        assert_eq!(device_outputs(&mut device), []);
        device.receive(&[byte], NOW);
    }
    let sent = bytes_of(device_outputs(&mut device));
    assert_eq!(sent[..hex(&run["h1_iii"]).len()], hex(&run["h1_iii"]));
}

// verifies: OSAP-8-01, TS-M16, TS-M17
#[test]
fn no_answer_with_one_bit_changed_is_taken() {
    for named in ["kind 2, factory key", "kind 4 in type 4"] {
        let run = run(named);
        let good = hex(&run["h1_ii"]);
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let mut device = device(setup(&run["inputs"]), &run["inputs"]);
            bytes_of(device_outputs(&mut device));
            device.receive(&bytes, NOW);
            device.expire(NOW + Duration::from_secs(5));
            let outputs = device_outputs(&mut device);
            assert!(matches!(outputs[..], [DeviceOutput::Failed(_)]), "{named}, bit {bit}: {outputs:?}");
        }
    }
}

// verifies: OSAP-5-65, OSAP-8-01
#[test]
fn no_proof_with_one_bit_changed_is_taken() {
    let (world, run) = (World::new(), run("kind 2, factory key"));
    let good = hex(&run["h1_iii"]);
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let mut lbs = world.lbs(&run["inputs"], None);
        answer(&mut lbs, &world, &hex(&run["h1_i"]), 0);
        lbs.receive(&bytes, &mut LbsMemory::new(), NOW);
        lbs.expire(NOW + Duration::from_secs(5));
        for output in lbs_outputs(&mut lbs) {
            match output {
                LbsOutput::Send(said) => assert!(said[0] == 0x52 && said.last() != Some(&0), "bit {bit}"),
                LbsOutput::Close(LbsEnd::Refused(_) | LbsEnd::Framing(_) | LbsEnd::TimeOver) => {}
                other => panic!("bit {bit}: {other:?}"),
            }
        }
        assert_eq!(lbs.next_deadline(), None, "bit {bit}: over");
    }
}

/// A device and a load balancer behind the proofs: the record 72 is what the device sent last.
fn proven(world: &World) -> (DeviceRun, LbsRun, Vec<u8>) {
    let run = run("kind 2, factory key");
    let mut device = device(setup(&run["inputs"]), &run["inputs"]);
    bytes_of(device_outputs(&mut device));
    let mut lbs = world.lbs(&run["inputs"], None);
    let h1_ii = answer(&mut lbs, world, &hex(&run["h1_i"]), 0);
    device.receive(&h1_ii, NOW);
    let sent = bytes_of(device_outputs(&mut device));
    let (h1_iii, ask) = sent.split_at(hex(&run["h1_iii"]).len());
    lbs.receive(h1_iii, &mut LbsMemory::new(), NOW);
    (device, lbs, ask.to_vec())
}

const GRANT: fn() -> Grant = || Grant::Devid { devid: devid(), ticket_id: [3; 16], lifetime_secs: 60 };

// verifies: OSAP-5-66
#[test]
fn a_repeated_record_closes_the_connection_unanswered() {
    let world = World::new();
    let (_, mut lbs, ask) = proven(&world);
    lbs.receive(&[&ask[..], &ask[..]].concat(), &mut LbsMemory::new(), NOW);
    assert!(matches!(lbs_outputs(&mut lbs)[..], [LbsOutput::Grant { .. }]));
    lbs.grant(GRANT(), NOW);
    let outputs = lbs_outputs(&mut lbs);
    assert!(matches!(
        outputs[..],
        [LbsOutput::Send(_), LbsOutput::Close(LbsEnd::Record(RecordError::Order))]
    ));
}

// verifies: OSAP-5-66, TS-M19
#[test]
fn ts_m19_the_loser_of_a_race_for_a_ticket_is_told_inside_a_record_and_gets_no_service() {
    let world = World::new();
    let (mut device, mut lbs, ask) = proven(&world);
    let mut seen = LbsMemory::new();
    lbs.receive(&ask, &mut seen, NOW);
    lbs_outputs(&mut lbs);
    lbs.grant(GRANT(), NOW);
    let Some(LbsOutput::Send(granted)) = lbs.next_output() else { panic!() };
    device.receive(&granted, NOW);
    device_outputs(&mut device);
    device.stored(NOW);
    lbs.receive(&bytes_of(device_outputs(&mut device)), &mut seen, NOW);
    assert!(matches!(lbs_outputs(&mut lbs)[..], [LbsOutput::Commit(_)]));
    lbs.committed(Committed::LostRace, NOW);
    let outputs = lbs_outputs(&mut lbs);
    let [LbsOutput::Send(told), LbsOutput::Close(LbsEnd::Told(ResultCode::TICKET))] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    device.receive(told, NOW);
    assert_eq!(device_outputs(&mut device), [DeviceOutput::Failed(DeviceEnd::Told(ResultCode::TICKET))]);
}

#[test]
fn a_blocked_device_that_proved_itself_is_told_inside_a_record() {
    let world = World::new();
    let (mut device, mut lbs, ask) = proven(&world);
    lbs.receive(&ask, &mut LbsMemory::new(), NOW);
    lbs_outputs(&mut lbs);
    lbs.grant(Grant::Blocked, NOW);
    let outputs = lbs_outputs(&mut lbs);
    let [LbsOutput::Send(told), LbsOutput::Close(LbsEnd::Told(ResultCode::BLOCKED))] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    device.receive(told, NOW);
    assert_eq!(device_outputs(&mut device), [DeviceOutput::Failed(DeviceEnd::Told(ResultCode::BLOCKED))]);
}

#[test]
fn an_own_record_reflected_is_not_taken() {
    let world = World::new();
    let (mut device, _, ask) = proven(&world);
    device.receive(&ask, NOW);
    let outputs = device_outputs(&mut device);
    assert_eq!(outputs, [DeviceOutput::Failed(DeviceEnd::Record(RecordError::Order))]);
}

#[test]
fn commands_out_of_place_do_nothing() {
    let world = World::new();
    let (mut device, mut lbs, _) = proven(&world);
    lbs.grant(GRANT(), NOW);
    lbs.committed(Committed::Swapped, NOW);
    lbs.das(&DasAnswer::None, NOW);
    lbs.record(None, 0, &mut LbsMemory::new(), NOW);
    device.stored(NOW);
    assert_eq!(lbs_outputs(&mut lbs), []);
    assert_eq!(device_outputs(&mut device), []);
}

#[test]
fn a_side_that_waits_in_vain_closes() {
    let (world, run) = (World::new(), run(RUN));
    let mut device = device(setup(&run["inputs"]), &run["inputs"]);
    bytes_of(device_outputs(&mut device));
    assert_eq!(device.next_deadline(), Some(NOW + Duration::from_secs(5)));
    device.receive(&hex(&run["h1_ii"]), NOW + Duration::from_secs(5));
    assert_eq!(device_outputs(&mut device), [DeviceOutput::Failed(DeviceEnd::TimeOver)], "late is not taken");
    let mut lbs = world.lbs(&run["inputs"], None);
    assert_eq!(lbs.next_deadline(), Some(NOW + Duration::from_secs(10)));
    answer(&mut lbs, &world, &hex(&run["h1_i"]), 0);
    assert_eq!(lbs.next_deadline(), Some(NOW + Duration::from_secs(5)));
    lbs.expire(NOW + Duration::from_secs(5));
    assert_eq!(lbs_outputs(&mut lbs), [LbsOutput::Close(LbsEnd::TimeOver)]);
}

#[test]
fn a_peer_that_sends_far_ahead_is_closed() {
    let (world, run) = (World::new(), run(RUN));
    let mut lbs = world.lbs(&run["inputs"], None);
    lbs.receive(&hex(&run["h1_i"]), &mut LbsMemory::new(), NOW);
    lbs_outputs(&mut lbs);
    lbs.receive(&[0x32; 4096], &mut LbsMemory::new(), NOW);
    assert_eq!(lbs_outputs(&mut lbs), [], "a full inlet waits");
    lbs.receive(&[0x32], &mut LbsMemory::new(), NOW);
    assert_eq!(lbs_outputs(&mut lbs), [LbsOutput::Close(LbsEnd::Framing(FrameError::TooFarAhead))]);
}

// verifies: TS-M17
#[test]
fn ts_m17_a_setup_below_the_floor_or_without_its_tls_session_makes_no_run() {
    let run = run("kind 2 in type 4");
    let inputs = &run["inputs"];
    let start = |setup| {
        DeviceRun::start(
            provider(),
            setup,
            ephemeral(&inputs["x"], &inputs["random_d"]),
            clock::Dice::numbered(1),
            NOW,
        )
        .err()
    };
    assert_eq!(start(setup(inputs)), None);
    assert_eq!(start(DeviceSetup { exporter: None, ..setup(inputs) }), Some(SetupError::Exporter));
    assert_eq!(
        start(DeviceSetup { min_type: ProtocolType::MUTUAL, ..setup(inputs) }),
        Some(SetupError::Type)
    );
    let compat = Header { protocol: ProtocolType::COMPAT, group: TypeGroup::new(&[1, 4]).unwrap() };
    let low = DeviceSetup { header: compat, min_type: ProtocolType::COMPAT, ..setup(inputs) };
    assert_eq!(start(low), Some(SetupError::Type), "type 1 is not spoken here, whatever the floor");
    let short = DeviceCredential::Psk(crypto::Secret::new(vec![1; 15]));
    assert_eq!(start(DeviceSetup { credential: short, ..setup(inputs) }), Some(SetupError::Credential));
}

// verifies: TS-M17
#[test]
fn ts_m17_a_group_that_is_cut_on_the_way_is_noticed_on_both_sides() {
    let (world, run) = (World::new(), run("kind 2, factory key"));
    let inputs = &run["inputs"];
    let wide = Header { protocol: ProtocolType::PLAIN, group: TypeGroup::new(&[2, 8]).unwrap() };
    let mut device = device(DeviceSetup { header: wide, ..setup(inputs) }, inputs);
    let sent = bytes_of(device_outputs(&mut device));
    let cut = hex(&run["h1_i"]);
    assert_eq!(sent[5..], [&[8], &cut[5..]].concat(), "the same offer but for the group");
    let mut honest = world.lbs(inputs, None);
    let mut deceived = world.lbs(inputs, None);
    let to_whole = answer(&mut honest, &world, &sent, 0);
    let to_cut = answer(&mut deceived, &world, &cut, 0);
    device.receive(&to_whole, NOW);
    let proof = bytes_of(device_outputs(&mut device));
    honest.receive(&proof, &mut LbsMemory::new(), NOW);
    assert!(matches!(lbs_outputs(&mut honest)[..], [LbsOutput::Grant { .. }]));
    deceived.receive(&proof, &mut LbsMemory::new(), NOW);
    let outputs = lbs_outputs(&mut deceived);
    assert!(matches!(
        outputs[..],
        [LbsOutput::Send(_), LbsOutput::Close(LbsEnd::Refused(ResultCode::NOT_PROVEN))]
    ));
    let wide = Header { protocol: ProtocolType::PLAIN, group: TypeGroup::new(&[2, 8]).unwrap() };
    let mut device = crate::world::device(DeviceSetup { header: wide, ..setup(inputs) }, inputs);
    device_outputs(&mut device);
    device.receive(&to_cut, NOW);
    assert_eq!(device_outputs(&mut device), [DeviceOutput::Failed(DeviceEnd::NotGenuine)]);
}

/// A message of the same kind with only the first `size` bytes of its body.
fn cut(message: &[u8], size: usize) -> Vec<u8> {
    let frame = Frame::read(message).unwrap().unwrap();
    let mut bytes = vec![message[0]];
    if size >= 0x80 {
        bytes.push((size & 0x7F) as u8 | 0x80);
        bytes.push((size >> 7) as u8);
    } else {
        bytes.push(size as u8);
    }
    bytes.extend_from_slice(&frame.body()[..size]);
    bytes
}

// verifies: OSAP-8-01
#[test]
fn messages_cut_at_any_byte_are_refused_on_both_sides() {
    let world = World::new();
    for named in ["kind 2, factory key", "kind 3", "kind 4"] {
        let run = run(named);
        let messages = ["h1_i", "h1_ii", "h1_iii"].map(|member| hex(&run[member]));
        let sizes = messages.each_ref().map(|one| Frame::read(one).unwrap().unwrap().body().len());
        for size in 0..sizes[0] {
            let mut lbs = world.lbs(&run["inputs"], None);
            lbs.receive(&cut(&messages[0], size), &mut LbsMemory::new(), NOW);
            let outputs = lbs_outputs(&mut lbs);
            let refused = LbsEnd::Refused(ResultCode::MALFORMED);
            assert!(
                matches!(&outputs[..], [LbsOutput::Send(_), LbsOutput::Close(end)] if *end == refused),
                "{named}, H1-I of {size}: {outputs:?}"
            );
        }
        for size in 0..sizes[1] {
            let mut device = device(setup(&run["inputs"]), &run["inputs"]);
            device_outputs(&mut device);
            device.receive(&cut(&messages[1], size), NOW);
            let outputs = device_outputs(&mut device);
            assert!(
                matches!(outputs[..], [DeviceOutput::Failed(DeviceEnd::Malformed)]),
                "{named}, H1-II of {size}: {outputs:?}"
            );
        }
        for size in 0..sizes[2] {
            let mut lbs = world.lbs(&run["inputs"], None);
            answer(&mut lbs, &world, &messages[0], 0);
            lbs.receive(&cut(&messages[2], size), &mut LbsMemory::new(), NOW);
            let outputs = lbs_outputs(&mut lbs);
            let refused = LbsEnd::Refused(ResultCode::MALFORMED);
            assert!(
                matches!(&outputs[..], [LbsOutput::Send(_), LbsOutput::Close(end)] if *end == refused),
                "{named}, H1-III of {size}: {outputs:?}"
            );
        }
    }
}
