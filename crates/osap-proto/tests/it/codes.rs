//! Who has to wait with a code, and who must not: strangers may not keep a device out.

use core::time::Duration;
use std::net::IpAddr;

use clock::Moment;
use osap_proto::*;

use crate::world::*;

const CODE: &str = "kind 1, scrypt";

fn address(text: &str) -> AddressPrefix {
    AddressPrefix::of(text.parse::<IpAddr>().unwrap())
}

const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// One load balancer with a clock.
struct Lbs {
    world: World,
    memory: LbsMemory,
    now: Moment,
    draws: u64,
}

/// How an offer of kind 1 was answered.
#[derive(Debug, PartialEq)]
enum Answered {
    Tried,
    TriedTooOften,
    Later(u16),
}

impl Lbs {
    fn new() -> Self {
        Self { world: World::new(), memory: LbsMemory::new(), now: NOW, draws: 0 }
    }

    fn run(&mut self, from: &str) -> LbsRun {
        self.draws += 1;
        let dice = clock::Dice::numbered(self.draws);
        let setup = LbsSetup {
            served: TypeGroup::new(&[2, 4, 8]).unwrap(),
            connection: Connection::Plain,
            exporter: None,
            from: address(from),
            realm: Realm::new(b"lbs.example").unwrap(),
            certificate_serial: None,
            key: self.world.key.clone(),
            fakes: self.world.fakes.clone(),
        };
        LbsRun::new(provider(), setup, dice, self.now)
    }

    /// An offer of kind 1 of anybody who knows the serial: a fresh point is all that it takes.
    fn try_as(&mut self, claimed: &[u8], from: &str) -> Answered {
        let mut lbs = self.offer_as(claimed, from);
        self.answer_to(&mut lbs, claimed)
    }

    /// As far as the record is asked for, if it is.
    fn offer_as(&mut self, claimed: &[u8], from: &str) -> LbsRun {
        let mut lbs = self.run(from);
        let mut dice = clock::Dice::numbered(1_000_000 + self.draws);
        let share =
            Ephemeral::draw(provider().as_ref(), &mut dice).unwrap().exchange.public().try_into().unwrap();
        let claimed = Serial::new(claimed).unwrap();
        let kdf = match self.world.record(&claimed).and_then(|record| record.code.as_ref()) {
            Some(code) => code.kdf,
            None => self.world.fakes.of(provider().as_ref(), &claimed).kdf,
        };
        let group = TypeGroup::new(&[2]).unwrap();
        let offer = First {
            header: Header { protocol: ProtocolType::PLAIN, group },
            mode: Mode::Serial,
            serial: claimed,
            claim: Claim::Code(kdf),
            random: [1; 32],
            share,
        };
        lbs.receive(&offer.encode(), &mut self.memory, self.now);
        lbs
    }

    /// The record is there, or it is there that none is.
    fn answer_to(&mut self, lbs: &mut LbsRun, claimed: &[u8]) -> Answered {
        let claimed = Serial::new(claimed).unwrap();
        lbs.record(self.world.record(&claimed), 0, &mut self.memory, self.now);
        let mut outputs = lbs_outputs(lbs);
        let is_alert = outputs.contains(&LbsOutput::ManyTries { serial: claimed });
        outputs.retain(|output| !matches!(output, LbsOutput::LookUp { .. } | LbsOutput::ManyTries { .. }));
        match &outputs[..] {
            [LbsOutput::Send(bytes)] if bytes.len() > 100 => {
                if is_alert {
                    Answered::TriedTooOften
                } else {
                    Answered::Tried
                }
            }
            [LbsOutput::Send(bytes), LbsOutput::Close(LbsEnd::Refused(ResultCode::LATER))] => {
                let [.., 24, high, low] = bytes[..] else { panic!("{bytes:02x?}") };
                Answered::Later(u16::from_be_bytes([high, low]))
            }
            other => panic!("{other:?}"),
        }
    }

    /// A run of the published device, with its right code, or what it is told.
    fn honest(&mut self, from: &str) -> Result<(), Option<u16>> {
        let inputs = run(CODE)["inputs"].clone();
        let mut lbs = self.run(from);
        self.draws += 1;
        let mut dice = clock::Dice::numbered(self.draws);
        let ephemeral = Ephemeral::draw(provider().as_ref(), &mut dice).unwrap();
        let mut device = DeviceRun::start(provider(), setup(&inputs), ephemeral, dice, self.now).unwrap();
        let pass = |device: &mut DeviceRun, lbs: &mut LbsRun, world: &World, memory: &mut LbsMemory, now| {
            for output in device_outputs(device) {
                match output {
                    DeviceOutput::Send(bytes) => lbs.receive(&bytes, memory, now),
                    DeviceOutput::Failed(DeviceEnd::Hint { wait_secs, .. }) => return Err(wait_secs),
                    other => panic!("{other:?}"),
                }
            }
            for output in lbs_outputs(lbs) {
                match output {
                    LbsOutput::LookUp { serial, .. } => lbs.record(world.record(&serial), 0, memory, now),
                    LbsOutput::Send(bytes) => device.receive(&bytes, now),
                    LbsOutput::Grant { .. } => return Ok(true),
                    LbsOutput::Close(LbsEnd::Refused(_)) => {}
                    other => panic!("{other:?}"),
                }
            }
            Ok(false)
        };
        for _ in 0..6 {
            if pass(&mut device, &mut lbs, &self.world, &mut self.memory, self.now)? {
                return Ok(());
            }
        }
        panic!("the run does not go on");
    }
}

const STRANGER: &str = "198.51.100.7";
const HOME: &str = "192.0.2.20";

// verifies: TS-H12
#[test]
fn ts_h12_guesses_wait_twice_as_long_each_time_up_to_an_hour() {
    let mut lbs = Lbs::new();
    for _ in 0..3 {
        assert_eq!(lbs.try_as(b"T12345678", STRANGER), Answered::Tried);
    }
    let mut wait = 1;
    for _ in 0..14 {
        let told = u16::try_from(wait).unwrap();
        assert_eq!(lbs.try_as(b"T12345678", STRANGER), Answered::Later(told));
        lbs.now = lbs.now + (secs(wait) - Duration::from_micros(1));
        assert_eq!(lbs.try_as(b"T12345678", "198.51.100.99"), Answered::Later(1), "the whole /24 waits");
        lbs.now = lbs.now + Duration::from_micros(1);
        assert_eq!(lbs.try_as(b"T12345678", STRANGER), Answered::Tried);
        wait = (wait * 2).min(3600);
    }
    assert_eq!(wait, 3600);
    lbs.now = lbs.now + secs(86_400);
    for _ in 0..3 {
        assert_eq!(lbs.try_as(b"T12345678", STRANGER), Answered::Tried, "forgotten after a day");
    }
    assert_eq!(lbs.try_as(b"T12345678", STRANGER), Answered::Later(1));
}

// verifies: TS-L9, TS-H12
#[test]
fn ts_h12_guesses_that_come_together_wait_as_those_that_follow_each_other() {
    for claimed in [&b"T12345678"[..], b"T99999999"] {
        let mut lbs = Lbs::new();
        let mut runs: Vec<_> = (0..10).map(|_| lbs.offer_as(claimed, STRANGER)).collect();
        let answers: Vec<_> = runs.iter_mut().map(|run| lbs.answer_to(run, claimed)).collect();
        let (tried, refused) = answers.split_at(3);
        assert!(tried.iter().all(|answer| *answer == Answered::Tried), "{answers:?}");
        assert!(refused.iter().all(|answer| *answer == Answered::Later(1)), "{answers:?}");
        lbs.now = lbs.now + secs(1);
        assert_eq!(lbs.try_as(claimed, STRANGER), Answered::Tried, "who was refused tried nothing");
        let mut early = lbs.offer_as(claimed, STRANGER);
        let outputs = lbs_outputs(&mut early);
        assert!(matches!(outputs[..], [LbsOutput::Send(_), LbsOutput::Close(_)]), "nothing is looked up");
    }
}

// verifies: TS-H12
#[test]
fn ts_h12_strangers_who_guess_do_not_keep_the_device_out() {
    let mut lbs = Lbs::new();
    for _ in 0..3 {
        lbs.try_as(b"T12345678", STRANGER);
    }
    assert!(matches!(lbs.try_as(b"T12345678", STRANGER), Answered::Later(_)));
    assert_eq!(lbs.try_as(b"T23456789", STRANGER), Answered::Tried, "another serial does not wait");
    assert_eq!(lbs.honest(HOME), Ok(()), "nor does the device, from elsewhere");
    // Kinds 2 to 4 do not wait, wherever they come from.
    let by_key = run("kind 2, licence");
    let mut other = lbs.run(STRANGER);
    other.receive(&hex(&by_key["h1_i"]), &mut lbs.memory, lbs.now);
    assert!(matches!(lbs_outputs(&mut other)[..], [LbsOutput::LookUp { .. }]));
}

// verifies: TS-H12
#[test]
fn ts_h12_a_proof_clears_the_tries_of_its_own_prefix() {
    let mut lbs = Lbs::new();
    for _ in 0..3 {
        lbs.try_as(b"T12345678", HOME);
    }
    assert_eq!(lbs.honest(HOME), Err(Some(1)), "someone at home tries, too");
    lbs.now = lbs.now + secs(1);
    assert_eq!(lbs.honest(HOME), Ok(()));
    for _ in 0..3 {
        assert_eq!(lbs.try_as(b"T12345678", HOME), Answered::Tried, "counted from nothing");
    }
}

// verifies: TS-L9, TS-H12
#[test]
fn ts_l9_serials_that_do_not_exist_wait_as_those_that_do() {
    let mut lbs = Lbs::new();
    for serial in [&b"T12345678"[..], b"T99999999", b"E00000042"] {
        for _ in 0..3 {
            assert_eq!(lbs.try_as(serial, STRANGER), Answered::Tried);
        }
        assert_eq!(lbs.try_as(serial, STRANGER), Answered::Later(1));
    }
}

// verifies: TS-H12
#[test]
fn ts_h12_a_hundred_tries_within_a_day_raise_an_alert() {
    let mut lbs = Lbs::new();
    for try_number in 1..=100_u8 {
        let answered = lbs.try_as(b"T12345678", &format!("203.0.{try_number}.1"));
        let expected = if try_number == 100 { Answered::TriedTooOften } else { Answered::Tried };
        assert_eq!(answered, expected, "{try_number}");
    }
}

#[test]
fn prefixes_are_24_bits_of_ipv4_and_56_of_ipv6() {
    assert_eq!(address("192.0.2.1"), address("192.0.2.254"));
    assert_ne!(address("192.0.2.1"), address("192.0.3.1"));
    assert_eq!(address("192.0.2.1"), address("::ffff:192.0.2.9"));
    assert_eq!(address("2001:db8:1:200::1"), address("2001:db8:1:2ff:1:2:3:4"));
    assert_ne!(address("2001:db8:1:200::1"), address("2001:db8:1:300::1"));
}

// verifies: TS-H12
#[test]
fn ts_h12_a_stolen_record_does_not_prove_the_device() {
    let lbs = Lbs::new();
    let record = lbs.world.records["T12345678"].code.clone().unwrap();
    let inputs = run(CODE)["inputs"].clone();
    // The thief has w0 and L; w1 is what he lacks.
    let code = StretchedCode { w0: record.w0.clone(), w1: record.w0, kdf: record.kdf };
    let credential = DeviceCredential::Code { code, realm: realm(&inputs) };
    let mut thief = device(DeviceSetup { credential, ..setup(&inputs) }, &inputs);
    let mut outputs = device_outputs(&mut thief);
    let Some(DeviceOutput::Send(offer)) = outputs.pop() else { panic!("no offer") };
    let h1_ii = crate::runs::answer(&mut lbs.world.lbs(&inputs, None), &lbs.world, &offer, 0);
    thief.receive(&h1_ii, NOW);
    assert_eq!(device_outputs(&mut thief), [DeviceOutput::Failed(DeviceEnd::NotGenuine)]);
}

// verifies: TS-H12
#[test]
fn ts_h12_a_device_ends_when_its_code_leads_to_infinity() {
    let inputs = run(CODE)["inputs"].clone();
    let one = crypto::Secret::new([vec![0; 31], vec![1]].concat());
    let code = StretchedCode { w0: one, ..stretched(&inputs) };
    let credential = DeviceCredential::Code { code, realm: realm(&inputs) };
    let mut device = device(DeviceSetup { credential, ..setup(&inputs) }, &inputs);
    device_outputs(&mut device);
    let mut h1_ii = hex(&run(CODE)["h1_ii"]);
    let share = h1_ii.len() - 32 - 65;
    // share_s = N, so that nothing is left without the blinding of w0 = 1.
    h1_ii[share..share + 65].copy_from_slice(&crypto::SPAKE2PLUS_N);
    device.receive(&h1_ii, NOW);
    assert_eq!(device_outputs(&mut device), [DeviceOutput::Failed(DeviceEnd::NotGenuine)]);
}

#[test]
fn the_kdf_behind_a_refusal_is_the_one_on_record() {
    let inputs = run(CODE)["inputs"].clone();
    let code = StretchedCode { kdf: Kdf::Pbkdf2, ..stretched(&inputs) };
    let credential = DeviceCredential::Code { code, realm: realm(&inputs) };
    let mut device = device(DeviceSetup { credential, ..setup(&inputs) }, &inputs);
    let Some(DeviceOutput::Send(offer)) = device.next_output() else { panic!("no offer") };
    let world = World::new();
    let mut lbs = world.lbs(&inputs, None);
    let mut memory = LbsMemory::new();
    lbs.receive(&offer, &mut memory, NOW);
    lbs.record(world.record(&serial(&inputs["serial"])), 0, &mut memory, NOW);
    let outputs = lbs_outputs(&mut lbs);
    let [LbsOutput::LookUp { .. }, LbsOutput::Send(told), LbsOutput::Close(_)] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    device.receive(told, NOW);
    let end = DeviceEnd::Hint { result: ResultCode::KDF, kdf: Some(Kdf::Scrypt), wait_secs: None };
    assert_eq!(device_outputs(&mut device), [DeviceOutput::Failed(end)]);
    let from = AddressPrefix::of(IpAddr::from([192, 0, 2, 1]));
    assert_eq!(memory.tries.wait_secs(&serial(&inputs["serial"]), from, NOW), None, "it was no try");
}
