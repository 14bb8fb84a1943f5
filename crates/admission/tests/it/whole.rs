//! Whole runs between a device and a load balancer with its store; the two sides compute with different providers.

use std::net::IpAddr;
use std::sync::Arc;

use admission::*;
use clock::{Dice, Moment};
use crypto::{Curve, KeyKind, PrivateKey, Provider, Secret};
use crypto_portable::Portable;
use crypto_server::Server;
use osap_proto::*;

use crate::world::*;

const NOW: Moment = Moment::from_micros(1_000_000);

fn realm() -> Realm {
    Realm::new(b"lbs.example").unwrap()
}

/// What a label comes to; how a code is stretched has vectors of its own.
fn stretched(number: u8) -> (StretchedCode, CodeRecord) {
    let password = Portable.pake_password(&Secret::new(vec![number; 80])).unwrap();
    let kdf = Kdf::Scrypt;
    let record = CodeRecord { w0: password.w0.clone(), point_l: password.point_l, kdf };
    (StretchedCode { w0: password.w0, w1: password.w1, kdf }, record)
}

/// A load balancer: its store, its memory and its own key.
struct Lbs {
    world: World,
    memory: LbsMemory,
    fakes: Arc<FakeRecords>,
    key: Arc<dyn PrivateKey>,
    draws: u64,
    /// B2 does not arrive.
    loses_das: bool,
    /// What happens between record 82 and record 92.
    meanwhile: Option<fn(&Self)>,
}

/// What a device has after a run that went as far as storing.
#[derive(Debug)]
struct Kept {
    pending: Pending,
    das_secret: Option<Secret>,
}

impl Lbs {
    fn with(credentials: Credentials) -> Self {
        let key = Server.generate_key(KeyKind::Ec(Curve::P256), &mut Dice::numbered(77)).unwrap();
        let fakes = FakeRecords::new(&Server, Secret::new(vec![3; 32])).unwrap();
        let world = World::with(credentials);
        let memory = LbsMemory::new();
        Self { world, memory, fakes: Arc::new(fakes), key, draws: 0, loses_das: false, meanwhile: None }
    }

    fn dice(&mut self) -> Dice {
        self.draws += 1;
        Dice::numbered(1000 + self.draws)
    }

    fn begin(&mut self, credential: DeviceCredential) -> (DeviceRun, LbsRun) {
        let mut dice = self.dice();
        let ephemeral = Ephemeral::draw(&Portable, &mut dice).unwrap();
        let setup = DeviceSetup {
            header: Header { protocol: ProtocolType::PLAIN, group: TypeGroup::new(&[2]).unwrap() },
            min_type: ProtocolType::PLAIN,
            mode: Mode::Serial,
            serial: camera(),
            is_hub: false,
            credential,
            exporter: None,
        };
        let device = DeviceRun::start(Arc::new(Portable), setup, ephemeral, dice, NOW).unwrap();
        let dice = self.dice();
        let setup = LbsSetup {
            served: TypeGroup::new(&[2, 4, 8]).unwrap(),
            connection: Connection::Plain,
            exporter: None,
            from: AddressPrefix::of(IpAddr::from([192, 0, 2, 1])),
            realm: realm(),
            certificate_serial: None,
            key: Arc::clone(&self.key),
            fakes: Arc::clone(&self.fakes),
        };
        (device, LbsRun::new(Arc::new(Server), setup, dice, NOW))
    }

    /// One run of a device with this credential; what it keeps, or how it ended.
    fn run(&mut self, credential: DeviceCredential) -> Result<Kept, (DeviceEnd, Option<Pending>)> {
        let (mut device, mut lbs) = self.begin(credential);
        let (mut claimed, mut generation, mut pending) = (None, None, None);
        for _ in 0..12 {
            while let Some(output) = device.next_output() {
                match output {
                    DeviceOutput::Send(bytes) => lbs.receive(&bytes, &mut self.memory, NOW),
                    DeviceOutput::Store(stored) => {
                        pending = Some(stored);
                        if let Some(meanwhile) = self.meanwhile {
                            meanwhile(self);
                        }
                        device.stored(NOW);
                    }
                    DeviceOutput::Done(done) => {
                        let pending = pending.expect("it was stored before");
                        return Ok(Kept { pending, das_secret: Some(done.das_secret) });
                    }
                    DeviceOutput::Failed(end) => return Err((end, pending)),
                }
            }
            while let Some(output) = lbs.next_output() {
                match output {
                    LbsOutput::Send(bytes) if self.loses_das && bytes[0] == MessageKind::Das.byte0() => {
                        return Ok(Kept { pending: pending.expect("stored"), das_secret: None });
                    }
                    LbsOutput::Send(bytes) => device.receive(&bytes, NOW),
                    LbsOutput::LookUp { serial, mode, claim } => {
                        claimed = Some(claim);
                        let found = self.world.run(&LookUp { serial, mode }).unwrap();
                        generation = found.as_ref().map(|found| found.generation);
                        let record = found.map(|found| found.record);
                        let secs = self.world.millis / 1000;
                        lbs.record(record.as_ref(), secs, &mut self.memory, NOW);
                    }
                    LbsOutput::Grant { serial } => {
                        let (devid_random, ticket_id) = (self.dice().bytes(), self.dice().bytes());
                        let claim = claimed.unwrap();
                        let grant = GrantRun { serial, claim, devid_random, ticket_id, lifetime_secs: 3600 };
                        lbs.grant(self.world.run(&grant).unwrap(), NOW);
                    }
                    LbsOutput::Commit(commit) => {
                        let origin = self.world.origin();
                        let commit = CommitRun { commit, generation: generation.unwrap(), origin };
                        lbs.committed(self.world.run(&commit).unwrap().outcome, NOW);
                    }
                    LbsOutput::AskDas { .. } => lbs.das(&DasAnswer::Das(Box::new(das())), NOW),
                    LbsOutput::ManyTries { .. } | LbsOutput::Close(_) => {}
                }
            }
        }
        panic!("the run does not end");
    }
}

fn das() -> DasInfo {
    DasInfo {
        address: "127.0.0.1".to_owned(),
        port: 8883,
        udp_port: 0,
        domain: "das.example".to_owned(),
        server_id: ServerId::new(b"das-0001").unwrap(),
        served: TypeGroup::new(&[2, 4, 8]).unwrap(),
        epoch: 7,
        time_ms: START_MILLIS,
        tls_key: None,
        das_ticket: "AW_4".to_owned(),
        das_expiry: START_MILLIS / 1000 + 80_000,
    }
}

fn code(number: u8) -> DeviceCredential {
    DeviceCredential::Code { code: stretched(number).0, realm: realm() }
}

fn labelled() -> Lbs {
    Lbs::with(Credentials { code: Some(stretched(7).1), ..Credentials::default() })
}

fn not_proven<T: core::fmt::Debug>(ended: Result<T, (DeviceEnd, Option<Pending>)>) {
    // The device finds the wrong mac by itself, before it proves anything.
    assert!(matches!(ended, Err((DeviceEnd::NotGenuine, None))), "{ended:?}");
}

// verifies: TS-H12, OSAP-5-64, OSAP-5-69
#[test]
fn ts_h12_a_device_goes_from_its_label_to_a_key_of_its_own_and_on_by_tickets() {
    let mut lbs = labelled();
    not_proven(lbs.run(code(8)));
    let first = lbs.run(code(7)).unwrap();
    let key = first.pending.enrol_psk.clone().unwrap();
    not_proven(lbs.run(code(7)));
    let second = lbs.run(DeviceCredential::Psk(key.clone())).unwrap();
    assert_eq!((second.pending.devid, second.pending.enrol_psk), (first.pending.devid, None));
    let third = lbs.run(DeviceCredential::Ticket(second.pending.ticket.clone())).unwrap();
    assert_eq!(third.pending.devid, first.pending.devid);
    let hint = DeviceEnd::Hint { result: ResultCode::TICKET, kdf: None, wait_secs: None };
    for spent in [first.pending.ticket, second.pending.ticket] {
        assert_eq!(lbs.run(DeviceCredential::Ticket(spent)).unwrap_err(), (hint, None), "spent or replaced");
    }
    let fourth = lbs.run(DeviceCredential::Ticket(third.pending.ticket)).unwrap();
    let secrets = [first.das_secret, second.das_secret, third.das_secret, fourth.das_secret];
    assert!((1..4).all(|at| secrets[at] != secrets[at - 1]), "each run has a secret of its own");
    assert!(lbs.run(DeviceCredential::Psk(key)).is_ok(), "the key stays when a ticket is lost");
}

// verifies: TS-H12
#[test]
fn ts_h12_a_device_whose_last_answer_was_lost_comes_in_with_the_pending_key() {
    let mut lbs = labelled();
    lbs.loses_das = true;
    let pending = lbs.run(code(7)).unwrap().pending;
    lbs.loses_das = false;
    not_proven(lbs.run(code(7)));
    let key = pending.enrol_psk.unwrap();
    assert_eq!(lbs.run(DeviceCredential::Psk(key)).unwrap().pending.devid, pending.devid);
}

// verifies: TS-H12
#[test]
fn ts_h12_who_photographed_the_label_displaces_nobody_and_the_owners_window_takes_a_device_back() {
    let mut lbs = labelled();
    // The worst case: the photographer was first.
    let thief = lbs.run(code(7)).unwrap();
    not_proven(lbs.run(code(7)));
    let origin = lbs.world.origin();
    lbs.world.run(&OpenWindow { serial: camera(), origin }).unwrap();
    let device = lbs.run(code(7)).unwrap();
    assert_ne!(device.pending.devid, thief.pending.devid);
    not_proven(lbs.run(DeviceCredential::Psk(thief.pending.enrol_psk.unwrap())));
    let ended = lbs.run(DeviceCredential::Ticket(thief.pending.ticket)).unwrap_err().0;
    assert!(matches!(ended, DeviceEnd::Hint { result: ResultCode::TICKET, .. }));
    assert!(lbs.run(DeviceCredential::Ticket(device.pending.ticket)).is_ok());
    not_proven(lbs.run(code(7)));
}

// verifies: TS-M19
#[test]
fn ts_m19_the_loser_of_a_race_for_a_ticket_hears_25_in_a_record() {
    let mut lbs = Lbs::with(factory_key());
    let ticket = lbs.run(DeviceCredential::Psk(factory_key().psk.unwrap())).unwrap().pending.ticket;
    lbs.meanwhile = Some(|lbs| {
        // Another run with the same ticket completes.
        let claim = Claim::Ticket(lbs.world.look_up().record.ticket.unwrap().id);
        let generation = lbs.world.look_up().generation;
        assert_eq!(lbs.world.complete(claim, 9, generation).outcome, Committed::Swapped);
    });
    let (end, _) = lbs.run(DeviceCredential::Ticket(ticket)).unwrap_err();
    assert_eq!(end, DeviceEnd::Told(ResultCode::TICKET));
    assert_eq!(lbs.world.look_up().record.ticket.unwrap().id, [9; 16], "the winner's stands");
}

#[test]
fn a_blocked_device_hears_so_in_a_record_and_only_when_it_is_proven() {
    let mut lbs = Lbs::with(factory_key());
    let origin = lbs.world.origin();
    lbs.world.run(&Block { serial: camera(), is_blocked: true, origin }).unwrap();
    let psk = factory_key().psk.unwrap();
    assert_eq!(
        lbs.run(DeviceCredential::Psk(psk)).unwrap_err(),
        (DeviceEnd::Told(ResultCode::BLOCKED), None)
    );
    not_proven(lbs.run(DeviceCredential::Psk(Secret::new(vec![1; 32]))));
}

// verifies: OSAP-5-64
#[test]
fn a_device_with_a_key_pair_needs_no_secret_at_the_load_balancer() {
    let own = Portable.generate_key(KeyKind::Ec(Curve::P256), &mut Dice::numbered(5)).unwrap();
    let device_key = Some(own.public().clone());
    let mut lbs = Lbs::with(Credentials { device_key, ..Credentials::default() });
    let by_key = |lbs: &Lbs, key: &Arc<dyn PrivateKey>| DeviceCredential::KeyPair {
        key: Arc::clone(key),
        pins: vec![lbs.key.public().clone()],
    };
    let credential = by_key(&lbs, &own);
    let kept = lbs.run(credential).unwrap();
    assert_eq!(kept.pending.enrol_psk, None);
    let other = Portable.generate_key(KeyKind::Ec(Curve::P256), &mut Dice::numbered(6)).unwrap();
    let credential = by_key(&lbs, &other);
    let (end, _) = lbs.run(credential).unwrap_err();
    assert_eq!(end, DeviceEnd::Hint { result: ResultCode::NOT_PROVEN, kdf: None, wait_secs: None });
    assert!(lbs.run(DeviceCredential::Ticket(kept.pending.ticket)).is_ok());
}

// verifies: TS-H12, TS-L9
#[test]
fn ts_h12_guesses_of_a_stranger_do_not_end_the_owners_runs() {
    let mut lbs = labelled();
    let key = lbs.run(code(7)).unwrap().pending.enrol_psk.unwrap();
    for guess in 20..23 {
        not_proven(lbs.run(code(guess)));
    }
    let (end, _) = lbs.run(code(23)).unwrap_err();
    assert!(matches!(end, DeviceEnd::Hint { result: ResultCode::LATER, wait_secs: Some(1), .. }));
    assert!(lbs.run(DeviceCredential::Psk(key)).is_ok(), "from the same place");
}
