//! Proofs of smart devices at a load balancer, in memory: only what the load balancer does counts.
//!
//! Beside each stand its operations with keys alone, and all operations of cryptography that the profile writes down
//! for it: key schedule and records as well, with the same provider.

use std::sync::Arc;
use std::time::Duration;

use clock::{Dice, Moment, Now, Timestamp};
use crypto::{Curve, KeyKind, Provider, Secret};
use crypto_server::Server;
use osap_front::lbs::{Arrival, LbsCommand, LbsEvent, LbsFace, LbsSettings};
use osap_front::{LineId, Output};
use osap_proto::{
    AllowedKinds, CodeRecord, Committed, DasAnswer, DeviceCredential, DeviceOutput, DeviceRecord, DeviceRun,
    DeviceSetup, Devid, Ephemeral, FakeRecords, Grant, Header, Kdf, Mode, ProtocolType, Realm, Serial,
    StretchedCode, TypeGroup,
};

use super::Effort;
use super::child::{internal, thread_time};
use super::osap_operations::Operations;
use super::osap_type_1;
use super::rows::{Line, Row};
use crate::failure::Outcome;

/// Proofs that go in step, so that the clock is read once for a step of all of them.
pub(super) const ABREAST: u64 = 64;
/// Of all operations that a proof is made of.
const RATIO_MIN: f64 = 0.8;
const UNIT: &str = "first proofs per CPU second of the load balancer";

/// How the devices prove themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Code,
    Psk,
    KeyPair,
}

/// Rows of this benchmark.
pub(super) fn measure(effort: Effort) -> Outcome<Vec<Line>> {
    let mut lines = Vec::new();
    for (kind, what) in [
        (Kind::Code, "OSAP proof, type 2, code"),
        (Kind::Psk, "OSAP proof, type 2, key or licence"),
        (Kind::KeyPair, "OSAP proof, type 2, key pair"),
    ] {
        let mut runs = Runs::new(kind)?;
        let (mut keys, mut all) = (Vec::new(), Vec::new());
        for _ in 0..effort.pairs {
            let ours = per_second(effort.span(), || runs.many())?;
            keys.push((ours, runs.operations.per_second(false, effort.span(), &mut runs.dice)?));
            all.push((ours, runs.operations.per_second(true, effort.span(), &mut runs.dice)?));
        }
        lines.extend(rows(what, &keys, &all));
    }
    let (keys, all) = osap_type_1::measure(effort)?;
    lines.extend(rows("OSAP proof, type 1", &keys, &all));
    Ok(lines)
}

fn rows(what: &str, keys: &[(f64, f64)], all: &[(f64, f64)]) -> impl Iterator<Item = Line> {
    let keys = Row::of(what, "key operations", UNIT, keys);
    let all = Row::of(what, "all operations", UNIT, all).map(|row| row.wanting(RATIO_MIN));
    keys.into_iter().chain(all).map(Line::from)
}

/// A load balancer, and all that its devices have in common.
struct Runs {
    provider: Arc<dyn Provider>,
    dice: Dice,
    lbs: LbsFace,
    record: DeviceRecord,
    credential: DeviceCredential,
    operations: Operations,
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

/// Proofs per second of what `many` says that [`ABREAST`] of them took, over `span` of this thread's processor time.
pub(super) fn per_second(span: Duration, mut many: impl FnMut() -> Outcome<Duration>) -> Outcome<f64> {
    let (mut count, mut spent) = (0_u32, Duration::ZERO);
    let begin = thread_time()?;
    while thread_time()?.saturating_sub(begin) < span {
        spent += many()?;
        count += u32::try_from(ABREAST).expect("a few runs go in step");
    }
    Ok(f64::from(count) / spent.as_secs_f64())
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
        // As if it were stretched: the device does that, before it connects.
        let code = provider.pake_password(&Secret::new(dice.bytes::<80>().to_vec())).map_err(failed)?;
        let kdf = Kdf::Scrypt;
        let record = DeviceRecord {
            allowed: AllowedKinds {
                code: kind == Kind::Code,
                psk: kind == Kind::Psk,
                key_pair: kind == Kind::KeyPair,
            },
            min_type: ProtocolType::PLAIN,
            code: Some(CodeRecord { w0: code.w0.clone(), point_l: code.point_l.clone(), kdf }),
            psk: Some(psk.clone()),
            device_key: Some(key.public().clone()),
            ticket: None,
        };
        let operations = Operations::new(&provider, kind, own.clone(), key.clone(), &code, &mut dice)?;
        let credential = match kind {
            Kind::Code => {
                let code = StretchedCode { w0: code.w0, w1: code.w1, kdf };
                DeviceCredential::Code { code, realm: Realm::new(b"bench").expect("a realm") }
            }
            Kind::Psk => DeviceCredential::Psk(psk),
            Kind::KeyPair => DeviceCredential::KeyPair { key, pins: vec![own.public().clone()] },
        };
        let lbs = LbsFace::new(Arc::clone(&provider), settings, dice.split());
        let utc = Some(Timestamp::from_unix_millis(1_790_000_000_000));
        let now = Now { moment: Moment::START + Duration::from_secs(1), utc };
        Ok(Self { provider, dice, lbs, record, credential, operations, now, last_line: 0 })
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
            // From everywhere: who tries codes from one place again and again has to wait.
            let [.., high, low] = device.line.0.to_be_bytes();
            let arrival = Arrival { from: [10, high, low, 1].into(), accepted: self.now.moment, tls: None };
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
