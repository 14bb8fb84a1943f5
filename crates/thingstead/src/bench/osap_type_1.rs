//! Proofs of type 1 at a load balancer, as deployed devices speak it; only what the load balancer does counts.

use std::sync::Arc;
use std::time::Duration;

use clock::{Dice, Moment};
use crypto::{Curve, Group, HashAlgorithm, Provider, Secret};
use crypto_server::Server;
use osap_proto::compat::{
    Case, CodeKeys, CompatChance, CompatDas, CompatDevice, CompatDeviceOutput, CompatDeviceRun,
    CompatDeviceSetup, CompatLbsOutput, CompatLbsRun, CompatLbsSetup, CompatStored, Generation,
};
use osap_proto::{AddressPrefix, LbsMemory, Mode, ProtocolType, Serial, ServerId, TypeGroup};

use super::Effort;
use super::child::{internal, thread_time};
use super::osap::{ABREAST, per_second};
use crate::failure::{Failure, Outcome};

type Pairs = Vec<(f64, f64)>;

fn failed(error: impl std::fmt::Debug) -> Failure {
    internal("type 1", format!("{error:?}"))
}

/// Pairs beside the operations with keys, and beside all of them.
pub(super) fn measure(effort: Effort) -> Outcome<(Pairs, Pairs)> {
    let mut runs = Runs::new();
    let (mut keys, mut all) = (Vec::new(), Vec::new());
    for _ in 0..effort.pairs {
        let ours = per_second(effort.span(), || runs.many())?;
        keys.push((ours, runs.operations_per_second(false, effort.span())?));
        all.push((ours, runs.operations_per_second(true, effort.span())?));
    }
    Ok((keys, all))
}

struct Runs {
    provider: Arc<dyn Provider>,
    dice: Dice,
    memory: LbsMemory,
    keys: CodeKeys,
    now: Moment,
    last: u32,
}

struct Pair {
    device: CompatDeviceRun,
    lbs: CompatLbsRun,
    to_lbs: Vec<u8>,
    to_device: Vec<u8>,
    is_done: bool,
}

fn serial() -> Serial {
    Serial::new(b"T12345678").expect("a serial")
}

impl Runs {
    fn new() -> Self {
        let provider: Arc<dyn Provider> = Arc::new(Server::new());
        let keys = CodeKeys::of_code(&*provider, &Secret::from(&b"QWERTY"[..]), &serial());
        let (dice, memory) = (Dice::numbered(3), LbsMemory::new());
        Self { provider, dice, memory, keys, now: Moment::START, last: 0 }
    }

    fn device(&mut self) -> Outcome<CompatDeviceRun> {
        let setup = CompatDeviceSetup {
            group: served(),
            min_type: ProtocolType::COMPAT,
            has_seen_secure: false,
            is_held: false,
            mode: Mode::Serial,
            serial: serial(),
            is_hub: false,
            keys: self.keys.clone(),
            case: Case::Upper,
            generation: Generation::Second,
            stored: CompatStored::Nothing,
        };
        let chance = CompatChance::draw(&*self.provider, &mut self.dice).map_err(failed)?;
        CompatDeviceRun::start(Arc::clone(&self.provider), setup, chance, self.now).map_err(failed)
    }

    /// Some proofs in step; gives what the load balancer's part took.
    fn many(&mut self) -> Outcome<Duration> {
        self.now = self.now + Duration::from_millis(1);
        let devices = (0..ABREAST).map(|_| self.device()).collect::<Outcome<Vec<_>>>()?;
        let begin = thread_time()?;
        let mut pairs = Vec::new();
        for device in devices {
            self.last += 1;
            let [_, _, high, low] = self.last.to_be_bytes();
            let from = AddressPrefix::of([10, high, low, 1].into());
            let chance = CompatChance::draw(&*self.provider, &mut self.dice).map_err(failed)?;
            let setup = CompatLbsSetup { served: served(), from };
            let lbs = CompatLbsRun::new(Arc::clone(&self.provider), setup, chance, self.now);
            pairs.push(Pair { device, lbs, to_lbs: Vec::new(), to_device: Vec::new(), is_done: false });
        }
        let mut spent = thread_time()?.saturating_sub(begin);
        loop {
            pairs.iter_mut().for_each(|pair| pair.step(self.now));
            if pairs.iter().all(|pair| pair.to_lbs.is_empty()) {
                break;
            }
            let begin = thread_time()?;
            for pair in &mut pairs {
                pair.answer(&self.keys, &mut self.memory, self.now);
            }
            spent += thread_time()?.saturating_sub(begin);
        }
        if pairs.iter().all(|pair| pair.is_done) {
            Ok(spent)
        } else {
            Err(internal("the benchmark", "a proof of type 1 did not come to its end"))
        }
    }

    /// The exchange; and, for all, hashes and blocks as its messages take them.
    fn operations_per_second(&mut self, is_all: bool, span: Duration) -> Outcome<f64> {
        let peer = self.provider.start_exchange(Group::Nist(Curve::P384), &mut self.dice).map_err(failed)?;
        let peer = peer.public().to_vec();
        let (key, iv) = ([9; 16], [1; 16]);
        let sealed = self.provider.cbc_encrypt(&key, &iv, &[7; 120]).map_err(failed)?;
        let begin = thread_time()?;
        let mut count = 0_u32;
        while thread_time()?.saturating_sub(begin) < span {
            for _ in 0..ABREAST {
                let exchange = self.provider.start_exchange(Group::Nist(Curve::P384), &mut self.dice);
                exchange.and_then(|exchange| exchange.finish(&peer)).map_err(failed)?;
                if is_all {
                    self.provider.digest(HashAlgorithm::Sha256, &[&key, &peer]);
                    for _ in 0..3 {
                        self.provider.cbc_decrypt(&key, &iv, &sealed).map_err(failed)?;
                        self.provider.cbc_encrypt(&key, &iv, &[7; 120]).map_err(failed)?;
                    }
                }
                count += 1;
            }
        }
        Ok(f64::from(count) / thread_time()?.saturating_sub(begin).as_secs_f64())
    }
}

impl Pair {
    fn step(&mut self, now: Moment) {
        let bytes = std::mem::take(&mut self.to_device);
        if !bytes.is_empty() {
            self.device.receive(&bytes, now);
        }
        while let Some(output) = self.device.next_output() {
            match output {
                CompatDeviceOutput::Send(bytes) => self.to_lbs.extend(bytes),
                CompatDeviceOutput::Done(_) => self.is_done = true,
                CompatDeviceOutput::Failed(_) => {}
            }
        }
    }

    /// Answers what the load balancer asks, out of memory.
    fn answer(&mut self, keys: &CodeKeys, memory: &mut LbsMemory, now: Moment) {
        let bytes = std::mem::take(&mut self.to_lbs);
        self.lbs.receive(&bytes, memory, now);
        while let Some(output) = self.lbs.next_output() {
            match output {
                CompatLbsOutput::Send(bytes) => self.to_device.extend(bytes),
                CompatLbsOutput::LookUp { .. } => {
                    let device = CompatDevice { keys: keys.clone(), devid: None, master_key: None };
                    self.lbs.record(Some(&device), memory, now);
                }
                CompatLbsOutput::Ask { .. } => self.lbs.das(Some(&das()), now),
                CompatLbsOutput::CodeShown { .. }
                | CompatLbsOutput::ManyTries { .. }
                | CompatLbsOutput::Close(_) => {}
            }
        }
    }
}

fn served() -> TypeGroup {
    TypeGroup::new(&[1]).expect("a type")
}

fn das() -> CompatDas {
    CompatDas {
        address: "127.0.0.1".into(),
        port: 8667,
        udp_port: 0,
        domain: "bench".into(),
        server_id: ServerId::new(b"das-1").expect("a name"),
    }
}
