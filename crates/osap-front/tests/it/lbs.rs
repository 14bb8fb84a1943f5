//! Runs at the load balancer.

use std::time::Duration;

use clock::Moment;
use crypto::{Curve, KeyKind, Secret};
use osap_front::lbs::{Arrival, DeviceCertificate, LbsCommand, LbsEvent, Tls};
use osap_front::{LineId, Output};
use osap_proto::*;

use crate::world::{World, at, serial, setup, setup_psk};

fn arrival(now: Moment) -> Arrival {
    Arrival { from: [192, 0, 2, 7].into(), accepted: now, tls: None }
}

/// The first message of a device, for bytes that are changed or held back.
fn offer(world: &mut World, setup: DeviceSetup) -> Vec<u8> {
    let ephemeral = Ephemeral::draw(world.provider.as_ref(), &mut world.dice).unwrap();
    let dice = world.dice.split();
    let mut run = DeviceRun::start(world.provider.clone(), setup, ephemeral, dice, at(0).moment).unwrap();
    match run.next_output().unwrap() {
        DeviceOutput::Send(bytes) => bytes,
        other => panic!("{other:?}"),
    }
}

// verifies: OSAP-5-20, OSAP-6-06
#[test]
fn a_device_proves_itself_by_key_licence_and_ticket_over_every_connection_that_fits() {
    let mut world = World::new();
    let now = at(0);
    world.enrol_psk("T1");
    let (first, completed) = world.run(setup_psk("T1"), now).unwrap();
    assert_eq!(completed.das.server_id, world.server_id);
    assert_eq!(world.records[&serial("T1")].devid, Some(first.devid));

    let by_ticket = setup("T1", DeviceCredential::Ticket(first.ticket.clone()), ProtocolType::TLS);
    let (second, _) = world.run(by_ticket.clone(), now).unwrap();
    assert_eq!(second.devid, first.devid, "the id on record");
    let again = world.run(by_ticket, now);
    let hint = DeviceEnd::Hint { result: ResultCode::TICKET, kdf: None, wait_secs: None };
    assert_eq!(again.unwrap_err(), hint, "a ticket is spent by the run that used it");

    let key = world.provider.generate_key(KeyKind::Ec(Curve::P256), &mut world.dice).unwrap();
    let allowed = AllowedKinds { key_pair: true, ..AllowedKinds::default() };
    world.enrol("T3", allowed, None, Some(key.as_ref()));
    let credential =
        DeviceCredential::KeyPair { key: key.clone(), pins: vec![world.lbs_key.public().clone()] };
    let (third, _) = world.run(setup("T3", credential.clone(), ProtocolType::PLAIN), now).unwrap();
    assert_ne!(third.devid, first.devid);

    let mutual = setup("T3", credential, ProtocolType::MUTUAL);
    let certificate = |name: &str, key: &[u8], is_vouched| {
        Some(DeviceCertificate { serial: Serial::new(name.as_bytes()), key: key.to_vec(), is_vouched })
    };
    let own = key.public().spki().to_vec();
    assert!(world.run_over(mutual.clone(), certificate("T3", &own, false), now).is_ok());
    assert!(world.run_over(mutual.clone(), certificate("T3", b"of an issuer", true), now).is_ok());
    let not_proven = DeviceEnd::NotGenuine;
    for wrong in
        [certificate("T1", &own, true), certificate("T3", b"another key", false), certificate("", &own, true)]
    {
        let end = world.run_over(mutual.clone(), wrong, now).unwrap_err();
        assert!(
            matches!(end, DeviceEnd::Hint { result: ResultCode::NOT_PROVEN, .. }) || end == not_proven,
            "{end:?}"
        );
    }
    assert_eq!(world.lbs.counters().completed, 5);
}

// verifies: TS-L9
#[test]
fn unknown_wrong_and_not_allowed_end_alike() {
    let mut world = World::new();
    world.enrol_psk("T1");
    world.enrol(
        "T2",
        AllowedKinds { key_pair: true, ..AllowedKinds::default() },
        Some(b"0123456789abcdef"),
        None,
    );
    let wrong = setup("T1", DeviceCredential::Psk(Secret::from(&[1; 16][..])), ProtocolType::PLAIN);
    let mut ends = Vec::new();
    for setup in [wrong, setup_psk("T2"), setup_psk("unknown")] {
        ends.push(world.run(setup, at(0)).unwrap_err());
    }
    // a device that cannot check the other side first sees that nobody has its key
    assert!(ends.iter().all(|end| *end == DeviceEnd::NotGenuine), "{ends:?}");
    assert!(world.records.values().all(|entry| entry.devid.is_none()), "nothing was stored");
}

/// How an offer over this type is answered, as far as it tells something, to somebody with a certificate of his own.
fn told_stranger(world: &mut World, protocol: ProtocolType, name: &str, claim: Claim) -> Vec<u8> {
    let certificate =
        DeviceCertificate { serial: Some(serial(name)), key: b"of a stranger".to_vec(), is_vouched: false };
    let tls = match protocol {
        ProtocolType::PLAIN => None,
        ProtocolType::TLS => Some(Tls { exporter: [5; 32], certificate: None }),
        _ => Some(Tls { exporter: [5; 32], certificate: Some(certificate) }),
    };
    let line = world.line();
    world.lbs.opened(line, Arrival { tls, ..arrival(at(0).moment) }, at(0));
    let drawn = Ephemeral::draw(world.provider.as_ref(), &mut world.dice).unwrap();
    let header = Header { protocol, group: TypeGroup::new(&[8, 4, 2]).unwrap() };
    let share = drawn.exchange.public().try_into().unwrap();
    let offer = First { header, mode: Mode::Serial, serial: serial(name), claim, random: [1; 32], share };
    world.lbs.receive(line, &offer.encode(), at(0));
    world.drain_lbs(at(0));
    let heard = world.heard(line);
    if !world.is_closed(line) {
        world.lbs.closed(line, at(0));
        return format!("{} bytes, and it goes on", heard.len()).into();
    }
    // Refused: all but the type, which is the third byte, says why.
    [&heard[..2], &heard[3..]].concat()
}

// verifies: TS-L9
#[test]
fn ts_l9_a_strange_certificate_tells_no_more_than_none() {
    let mut world = World::new();
    let fakes = FakeRecords::new(world.provider.as_ref(), Secret::from(&[9; 32][..])).unwrap();
    let fake = fakes.of(world.provider.as_ref(), &serial("T1")).kdf;
    let (right, wrong) = match fake {
        Kdf::Scrypt => (Kdf::Pbkdf2, Kdf::Scrypt),
        Kdf::Pbkdf2 => (Kdf::Scrypt, Kdf::Pbkdf2),
    };
    world.enrol_psk("T1");
    let record = &mut world.records.get_mut(&serial("T1")).unwrap().record;
    let point_l = world.lbs_key.public().clone();
    record.code = Some(CodeRecord { w0: Secret::from(&[1; 32][..]), point_l, kdf: right });
    record.allowed.code = true;
    let ticket = [3; 16];
    let secret = Secret::from(&[4; 32][..]);
    record.ticket = Some(TicketOnRecord { id: ticket, secret, end_secs: u64::MAX });
    for name in ["T1", "unknown"] {
        for claim in [
            Claim::Code(right),
            Claim::Code(wrong),
            Claim::Psk,
            Claim::Ticket(ticket),
            Claim::Ticket([0; 16]),
        ] {
            let [plain, tls, mutual] = [ProtocolType::PLAIN, ProtocolType::TLS, ProtocolType::MUTUAL]
                .map(|protocol| told_stranger(&mut world, protocol, name, claim));
            assert_eq!((&tls, &mutual), (&plain, &plain), "{name} {claim:?}");
        }
    }
    let ticket = Ticket { id: ticket, secret: Secret::from(&[4; 32][..]) };
    let by_ticket = setup("T1", DeviceCredential::Ticket(ticket), ProtocolType::MUTUAL);
    let strange =
        DeviceCertificate { serial: Some(serial("T1")), key: b"of a stranger".to_vec(), is_vouched: false };
    let ended = world.run_over(by_ticket, Some(strange), at(0));
    assert_eq!(ended.unwrap_err(), DeviceEnd::NotGenuine, "and even a ticket does not count with it");
}

#[test]
fn a_connection_is_closed_in_time_whatever_it_holds_back() {
    let mut world = World::new();
    world.enrol_psk("T1");
    let bytes = offer(&mut world, setup_psk("T1"));
    let (silent, half, whole) = (world.line(), world.line(), world.line());
    for line in [silent, half, whole] {
        world.lbs.opened(line, arrival(at(0).moment), at(0));
    }
    world.lbs.receive(half, &bytes[..50], at(1));
    world.lbs.receive(whole, &bytes, at(1));
    world.drain_lbs(at(1));
    assert!(!world.heard(whole).is_empty());
    world.lbs.expire(at(5));
    world.drain_lbs(at(5));
    assert_eq!([silent, half, whole].map(|line| world.is_closed(line)), [false; 3]);
    assert_eq!(world.lbs.next_deadline(), Some(at(1).moment + Duration::from_secs(5)));
    world.lbs.expire(at(6));
    world.drain_lbs(at(6));
    assert!(world.is_closed(whole));
    world.lbs.expire(at(10));
    world.drain_lbs(at(10));
    assert_eq!([silent, half].map(|line| world.is_closed(line)), [true; 2]);
    assert_eq!(world.lbs.counters().late, 3);
    assert_eq!(world.lbs.next_deadline(), None, "nothing is left");
}

#[test]
fn malformed_repeated_and_out_of_order_messages_end_the_run_and_no_other() {
    let mut world = World::new();
    world.enrol_psk("T1");
    let honest = offer(&mut world, setup_psk("T1"));
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("http", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("a record before anything", vec![0x72, 0x00]),
        ("over the limit", [&[0x1A, 0x81, 0x02][..], &[0; 300]].concat()),
        ("a varint of five octets", vec![0x1A, 0x80, 0x80, 0x80, 0x80, 0x01]),
        ("cut short with its length mended", {
            let mut cut = honest[..honest.len() - 1].to_vec();
            cut[1] -= 1;
            cut
        }),
    ];
    let bystander = world.line();
    world.lbs.opened(bystander, arrival(at(0).moment), at(0));
    for (name, bytes) in cases {
        let line = world.line();
        world.lbs.opened(line, arrival(at(0).moment), at(0));
        world.lbs.receive(line, &bytes, at(0));
        world.drain_lbs(at(0));
        assert!(world.is_closed(line), "{name}");
    }
    let line = world.line();
    world.lbs.opened(line, arrival(at(0).moment), at(0));
    world.lbs.receive(line, &honest, at(0));
    world.drain_lbs(at(0));
    world.lbs.receive(line, &honest, at(0));
    world.drain_lbs(at(0));
    assert!(world.is_closed(line), "the same again is out of order");
    let line = world.line();
    world.lbs.opened(line, arrival(at(0).moment), at(0));
    world.lbs.receive(line, &honest, at(0));
    world.drain_lbs(at(0));
    let refused = world.heard(line);
    assert!(world.is_closed(line) && refused.last() == Some(&16), "a share that was seen is refused");
    assert!(!world.is_closed(bystander));
}

#[test]
fn a_question_that_is_not_taken_or_answered_ends_its_run_without_a_word() {
    let mut world = World::new();
    world.enrol_psk("T1");
    for is_refused in [true, false] {
        let bytes = offer(&mut world, setup_psk("T1"));
        let line = world.line();
        world.lbs.opened(line, arrival(at(0).moment), at(0));
        world.lbs.receive(line, &bytes, at(0));
        let Some(Output::Event(question @ LbsEvent::LookUp { .. })) = world.lbs.next_output() else {
            panic!("it asks")
        };
        if is_refused {
            world.lbs.refused(question, at(0));
        } else {
            world.lbs.command(LbsCommand::Unable { line }, at(0));
        }
        world.drain_lbs(at(0));
        assert!(world.is_closed(line) && world.heard(line).is_empty());
    }
    assert_eq!(world.lbs.counters().unanswered, 2);
    let gone = LbsCommand::Unable { line: LineId(999) };
    world.lbs.command(gone, at(0));
    assert!(world.drain_lbs(at(0)).is_empty(), "what concerns nobody has no effect");
}

#[test]
fn runs_over_the_limit_are_closed_and_places_come_back() {
    let mut world = World::new();
    let lines: Vec<LineId> = (0..9).map(|_| world.line()).collect();
    for line in &lines {
        world.lbs.opened(*line, arrival(at(0).moment), at(0));
    }
    world.drain_lbs(at(0));
    let closed: Vec<bool> = lines.iter().map(|line| world.is_closed(*line)).collect();
    assert_eq!(closed, [[false; 8].as_slice(), &[true]].concat());
    world.lbs.closed(lines[0], at(0));
    let next = world.line();
    world.lbs.opened(next, arrival(at(0).moment), at(0));
    world.drain_lbs(at(0));
    assert!(!world.is_closed(next));
    assert_eq!((world.lbs.counters().over_limit, world.lbs.counters().lost), (1, 1));
}

#[test]
fn a_blocked_device_is_told_so_when_it_has_proven_itself() {
    let mut world = World::new();
    world.enrol_psk("T1");
    world.records.get_mut(&serial("T1")).unwrap().is_blocked = true;
    assert_eq!(world.run(setup_psk("T1"), at(0)).unwrap_err(), DeviceEnd::Told(ResultCode::BLOCKED));
    let wrong = setup("T1", DeviceCredential::Psk(Secret::from(&[1; 16][..])), ProtocolType::PLAIN);
    assert_eq!(world.run(wrong, at(0)).unwrap_err(), DeviceEnd::NotGenuine, "others are not told");
}
