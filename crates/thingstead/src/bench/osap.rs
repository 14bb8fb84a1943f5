//! Proofs of smart devices at a load balancer, in memory: only what the load balancer does counts.

use std::sync::Arc;
use std::time::Duration;

use clock::{Dice, Moment, Now, Timestamp};
use crypto::{Curve, Group, KeyKind, PrivateKey, Provider, Secret, SignatureScheme};
use crypto_server::Server;
use osap_front::lbs::{Arrival, LbsCommand, LbsEvent, LbsFace, LbsSettings};
use osap_front::{LineId, Output};
use osap_proto::{
    AllowedKinds, Committed, DasAnswer, DeviceCredential, DeviceOutput, DeviceRecord, DeviceRun, DeviceSetup,
    Devid, Ephemeral, FakeRecords, Grant, Header, Mode, ProtocolType, Realm, Serial, TypeGroup,
};

use super::Effort;
use super::child::{internal, thread_time};
use super::rows::{Line, Row};
use crate::failure::Outcome;

/// Proofs that go in step, so that the clock is read once for a step of all of them.
const ABREAST: u64 = 64;
/// What is signed in a run is as long as this.
const SIGNED_LENGTH: usize = 51;
const UNIT: &str = "first proofs per CPU second of the load balancer";

/// How the devices prove themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Psk,
    KeyPair,
}

/// Rows of this benchmark.
pub(super) fn measure(effort: Effort) -> Outcome<Vec<Line>> {
    let mut lines = Vec::new();
    for (kind, what) in [(Kind::Psk, "OSAP proof, key or licence"), (Kind::KeyPair, "OSAP proof, key pair")] {
        let mut runs = Runs::new(kind)?;
        let mut pairs = Vec::new();
        for _ in 0..effort.pairs {
            pairs.push((runs.per_second(effort.span())?, runs.primitives_per_second(effort.span())?));
        }
        lines.extend(Row::of(what, "key operations", UNIT, &pairs).map(Line::from));
    }
    Ok(lines)
}

/// A load balancer, and all that its devices have in common.
struct Runs {
    provider: Arc<dyn Provider>,
    dice: Dice,
    lbs: LbsFace,
    record: DeviceRecord,
    credential: DeviceCredential,
    kind: Kind,
    /// The load balancer's own key, and that of the devices.
    keys: (Arc<dyn PrivateKey>, Arc<dyn PrivateKey>),
    now: Now,
    last_line: u64,
}

/// One device under way.
struct Device {
    line: LineId,
    run: DeviceRun,
    to_lbs: Vec<u8>,
    to_device: Vec<u8>,
    is_told: bool,
}

impl Runs {
    fn new(kind: Kind) -> Outcome<Self> {
        let provider: Arc<dyn Provider> = Arc::new(Server::new());
        let mut dice = Dice::numbered(1);
        let failed = |error| internal("a key", format!("{error:?}"));
        let key = provider.generate_key(KeyKind::Ec(Curve::P256), &mut dice).map_err(failed)?;
        let own = provider.generate_key(KeyKind::Ec(Curve::P256), &mut dice).map_err(failed)?;
        let fakes = FakeRecords::new(&*provider, Secret::from(&[1; 32][..])).map_err(failed)?;
        let settings = LbsSettings {
            served: served(),
            realm: Realm::new(b"bench").expect("a realm"),
            key: Arc::clone(&own),
            fakes: Arc::new(fakes),
            run_count_max: 1024,
        };
        let psk = Secret::from(&b"0123456789abcdefghij22"[..]);
        let is_psk = kind == Kind::Psk;
        let record = DeviceRecord {
            allowed: AllowedKinds { code: false, psk: is_psk, key_pair: !is_psk },
            min_type: ProtocolType::PLAIN,
            code: None,
            psk: is_psk.then(|| psk.clone()),
            device_key: (!is_psk).then(|| key.public().clone()),
            ticket: None,
        };
        let credential = match kind {
            Kind::Psk => DeviceCredential::Psk(psk),
            Kind::KeyPair => {
                DeviceCredential::KeyPair { key: Arc::clone(&key), pins: vec![own.public().clone()] }
            }
        };
        let lbs = LbsFace::new(Arc::clone(&provider), settings, dice.split());
        let utc = Some(Timestamp::from_unix_millis(1_790_000_000_000));
        let now = Now { moment: Moment::START + Duration::from_secs(1), utc };
        Ok(Self { provider, dice, lbs, record, credential, kind, keys: (own, key), now, last_line: 0 })
    }

    fn per_second(&mut self, span: Duration) -> Outcome<f64> {
        let (mut count, mut spent) = (0_u32, Duration::ZERO);
        let begin = thread_time()?;
        while thread_time()?.saturating_sub(begin) < span {
            spent += self.many()?;
            count += u32::try_from(ABREAST).expect("a few runs go in step");
        }
        Ok(f64::from(count) / spent.as_secs_f64())
    }

    fn device(&mut self) -> Outcome<Device> {
        self.last_line += 1;
        let setup = DeviceSetup {
            header: Header { protocol: ProtocolType::PLAIN, group: served() },
            min_type: ProtocolType::PLAIN,
            mode: Mode::Serial,
            serial: Serial::new(b"T12345678").expect("a serial"),
            is_hub: false,
            credential: self.credential.clone(),
            exporter: None,
        };
        let ephemeral = Ephemeral::draw(&*self.provider, &mut self.dice);
        let ephemeral = ephemeral.map_err(|error| internal("a share", format!("{error:?}")))?;
        let (provider, dice) = (Arc::clone(&self.provider), self.dice.split());
        let run = DeviceRun::start(provider, setup, ephemeral, dice, self.now.moment);
        let run = run.map_err(|error| internal("a device", format!("{error:?}")))?;
        let line = LineId(self.last_line);
        Ok(Device { line, run, to_lbs: Vec::new(), to_device: Vec::new(), is_told: false })
    }

    /// [`ABREAST`] proofs; gives what the load balancer's part took.
    fn many(&mut self) -> Outcome<Duration> {
        self.now.moment = self.now.moment + Duration::from_millis(1);
        let mut devices = (0..ABREAST).map(|_| self.device()).collect::<Outcome<Vec<_>>>()?;
        let begin = thread_time()?;
        for device in &devices {
            let arrival = Arrival { from: [127, 0, 0, 1].into(), accepted: self.now.moment, tls: None };
            self.lbs.opened(device.line, arrival, self.now);
        }
        let mut spent = thread_time()?.saturating_sub(begin);
        loop {
            for device in &mut devices {
                device.step(self.now.moment);
            }
            if devices.iter().all(|device| device.to_lbs.is_empty()) {
                break;
            }
            let begin = thread_time()?;
            for device in &mut devices {
                let bytes = std::mem::take(&mut device.to_lbs);
                self.lbs.receive(device.line, &bytes, self.now);
                self.answer(device);
            }
            spent += thread_time()?.saturating_sub(begin);
        }
        if devices.iter().all(|device| device.is_told) {
            Ok(spent)
        } else {
            Err(internal("the benchmark", "a proof did not come to its end"))
        }
    }

    /// Answers what the load balancer asks, out of memory.
    fn answer(&mut self, device: &mut Device) {
        while let Some(output) = self.lbs.next_output() {
            let event = match output {
                Output::Transmit { bytes, .. } => {
                    device.to_device.extend(bytes);
                    continue;
                }
                Output::Close { .. } => continue,
                Output::Event(event) => event,
            };
            let command = match event {
                LbsEvent::LookUp { line, .. } => {
                    LbsCommand::Found { line, record: Some(Box::new(self.record.clone())), generation: 0 }
                }
                LbsEvent::Grant { line, .. } => {
                    let devid = Devid::from_random(self.dice.bytes());
                    let grant = Grant::Devid { devid, ticket_id: self.dice.bytes(), lifetime_secs: 60 };
                    LbsCommand::Granted { line, grant }
                }
                LbsEvent::Commit { line, .. } => LbsCommand::Committed { line, outcome: Committed::Swapped },
                LbsEvent::ChooseDas { line, .. } => {
                    LbsCommand::Das { line, answer: Box::new(DasAnswer::None) }
                }
                LbsEvent::ManyTries { .. }
                | LbsEvent::Ended { .. }
                | LbsEvent::LookUpCompat { .. }
                | LbsEvent::CodeShown { .. }
                | LbsEvent::CommitCompat { .. }
                | LbsEvent::EndedCompat { .. } => continue,
            };
            self.lbs.command(command, self.now);
        }
    }

    /// The operations with keys that one proof needs, and nothing else.
    fn primitives_per_second(&mut self, span: Duration) -> Outcome<f64> {
        let failed = |error| internal("a key operation", format!("{error:?}"));
        let scheme = SignatureScheme::Ecdsa(Curve::P256);
        let message = [7; SIGNED_LENGTH];
        let (own, device) = &self.keys;
        let peer = device.public().point().ok_or_else(|| internal("a point", "none"))?;
        let peer = peer.1.to_vec();
        let signature = device.sign(scheme, &message, &mut self.dice).map_err(failed)?;
        let begin = thread_time()?;
        let mut count = 0_u32;
        while thread_time()?.saturating_sub(begin) < span {
            for _ in 0..ABREAST {
                let exchange = self.provider.start_exchange(Group::Nist(Curve::P256), &mut self.dice);
                exchange.and_then(|exchange| exchange.finish(&peer)).map_err(failed)?;
                if self.kind == Kind::KeyPair {
                    own.sign(scheme, &message, &mut self.dice).map_err(failed)?;
                    self.provider.verify(device.public(), scheme, &message, &signature).map_err(failed)?;
                }
                count += 1;
            }
        }
        Ok(f64::from(count) / thread_time()?.saturating_sub(begin).as_secs_f64())
    }
}

impl Device {
    fn step(&mut self, now: Moment) {
        let bytes = std::mem::take(&mut self.to_device);
        if !bytes.is_empty() {
            self.run.receive(&bytes, now);
        }
        while let Some(output) = self.run.next_output() {
            match output {
                DeviceOutput::Send(bytes) => self.to_lbs.extend(bytes),
                DeviceOutput::Store(_) => self.run.stored(now),
                // Told within a record that no access service is there: the proof is complete.
                DeviceOutput::Done(_) => self.is_told = true,
                DeviceOutput::Failed(end) => {
                    self.is_told = end == osap_proto::DeviceEnd::Told(osap_proto::ResultCode::NO_DAS);
                }
            }
        }
    }
}

fn served() -> TypeGroup {
    TypeGroup::new(&[2, 4, 8]).expect("three different types")
}
