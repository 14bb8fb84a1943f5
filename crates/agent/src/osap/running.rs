//! Attempts at the load balancer: which type, which credential, and what follows their ends.
//!
//! Source: sections 3, 8, 11 and 14.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::time::Duration;

use clock::Now;
use osap_proto::{
    Completed, DeviceCredential, DeviceEnd, DeviceOutput, DeviceRun, DeviceSetup, Ephemeral, Header, Kdf,
    Pending, ProtocolType, ResultCode, StretchedCode, asked_next,
};

use super::credential::{Choice, choices};
use super::factory::FactoryCredential;
use super::output::{SmartEvent, SmartOutput, Target, Trouble};
use super::session::DasSession;
use super::settings::{BLOCKED_WAIT, HINTED_WAIT_MAX, OPEN_TIME_MAX};
use super::smart_device::{Goal, Phase, SmartDevice};

/// What the next attempt does differently because of those before.
#[derive(Debug)]
pub(crate) struct Course {
    /// Which credential's turn it is.
    pub(crate) turn: usize,
    /// The type of the attempt before, when that had no answer.
    pub(crate) unanswered: Option<ProtocolType>,
    /// The type of a rematch: once in an attempt.
    pub(crate) rematch: Option<ProtocolType>,
    /// How the code is stretched.
    pub(crate) kdf: Kdf,
    /// A person at the device asked for the code.
    pub(crate) enrols_again: bool,
}

impl Course {
    pub(crate) const fn new() -> Self {
        Self { turn: 0, unanswered: None, rematch: None, kdf: Kdf::Scrypt, enrols_again: false }
    }
}

/// What a run was begun with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    pub(crate) protocol: ProtocolType,
    pub(crate) choice: Choice,
}

/// A run on an open stream.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) stream: u64,
    offer: Offer,
    run: DeviceRun,
    has_answer: bool,
    /// The write that must be safe before the run goes on.
    storing: Option<u64>,
}

impl Running {
    pub(crate) fn next_deadline(&self) -> Option<clock::Moment> {
        self.run.next_deadline()
    }
}

impl SmartDevice {
    /// Begins an attempt: the stream first.
    pub(crate) fn attempt(&mut self, now: Now) {
        if self.is_old() {
            return self.old_attempt(now);
        }
        let course = &mut self.course;
        let types = &self.factory.types;
        let asked = course.rematch.or_else(|| asked_next(course.unanswered, types, self.stored.min_type));
        let Some(protocol) = asked else {
            return self.attempt_failed(Trouble::Setup(osap_proto::SetupError::Type), None, now);
        };
        let list = choices(&self.factory.credential, &self.stored, course.enrols_again);
        let choice = list[course.turn % list.len()];
        let offer = Offer { protocol, choice };
        if choice == Choice::Code
            && let Err(trouble) = self.stretch()
        {
            return self.attempt_failed(trouble, None, now);
        }
        self.tell(SmartEvent::Attempting { protocol, credential: choice.kind() });
        let is_tls = protocol != ProtocolType::PLAIN;
        let tls_key = self.factory.lbs_tls_key.filter(|_| is_tls);
        let stream = self.open(Target::Lbs { is_tls, tls_key });
        let until = now.moment + OPEN_TIME_MAX;
        self.phase = Phase::Opening { stream, until, goal: Goal::Run(offer) };
    }

    /// The stream stands: H1-I goes out.
    pub(crate) fn begin_run(&mut self, stream: u64, offer: Offer, exporter: Option<[u8; 32]>, now: Now) {
        let Some(credential) = self.credential(offer.choice) else {
            self.close(stream);
            return self.attempt_failed(Trouble::Setup(osap_proto::SetupError::Credential), None, now);
        };
        let provider = Arc::clone(&self.provider);
        let Ok(ephemeral) = Ephemeral::draw(provider.as_ref(), &mut self.dice) else {
            self.close(stream);
            return self.attempt_failed(Trouble::Provider, None, now);
        };
        let setup = DeviceSetup {
            header: Header { protocol: offer.protocol, group: self.factory.types.clone() },
            min_type: self.stored.min_type,
            mode: self.factory.mode,
            serial: self.factory.serial.clone(),
            is_hub: self.factory.is_hub,
            credential,
            exporter: exporter.filter(|_| offer.protocol != ProtocolType::PLAIN),
        };
        match DeviceRun::start(provider, setup, ephemeral, self.dice.split(), now.moment) {
            Ok(run) => {
                self.phase = Phase::Running(Box::new(Running {
                    stream,
                    offer,
                    run,
                    has_answer: false,
                    storing: None,
                }));
                self.drain_run(now);
            }
            Err(error) => {
                self.close(stream);
                self.attempt_failed(Trouble::Setup(error), None, now);
            }
        }
    }

    fn credential(&self, choice: Choice) -> Option<DeviceCredential> {
        let stored = &self.stored;
        let of_factory = |credential: &FactoryCredential| match credential {
            FactoryCredential::Psk(psk) => Some(psk.clone()),
            FactoryCredential::Code { .. } | FactoryCredential::KeyPair { .. } => None,
        };
        match choice {
            Choice::PendingTicket => {
                stored.pending.as_ref().map(|pending| DeviceCredential::Ticket(pending.ticket.clone()))
            }
            Choice::Ticket => stored.ticket.clone().map(DeviceCredential::Ticket),
            Choice::Psk => {
                stored.psk.clone().or_else(|| of_factory(&self.factory.credential)).map(DeviceCredential::Psk)
            }
            Choice::PendingPsk(at) => {
                let psk = stored.pending.as_ref()?.psks.get(at)?;
                Some(DeviceCredential::Psk(psk.clone()))
            }
            Choice::KeyPair => {
                let FactoryCredential::KeyPair { pins, .. } = &self.factory.credential else { return None };
                Some(DeviceCredential::KeyPair { key: Arc::clone(self.key.as_ref()?), pins: pins.clone() })
            }
            Choice::Code => {
                let FactoryCredential::Code { realm, .. } = &self.factory.credential else { return None };
                Some(DeviceCredential::Code { code: self.stretched.clone()?, realm: realm.clone() })
            }
        }
    }

    /// Stretches the code, which takes a good while, before a stream is opened that would wait for it.
    fn stretch(&mut self) -> Result<(), Trouble> {
        let FactoryCredential::Code { code, realm } = &self.factory.credential else { return Ok(()) };
        let kdf = self.course.kdf;
        if self.stretched.as_ref().is_none_or(|stretched| stretched.kdf != kdf) {
            let made =
                StretchedCode::of_label(self.provider.as_ref(), code, &self.factory.serial, realm, kdf);
            let (stretched, _) = made.map_err(|_| Trouble::Provider)?;
            self.stretched = Some(stretched);
        }
        Ok(())
    }

    pub(crate) fn receive_run(&mut self, bytes: &[u8], now: Now) {
        if let Phase::Running(running) = &mut self.phase {
            running.has_answer |= !bytes.is_empty();
            running.run.receive(bytes, now.moment);
            self.drain_run(now);
        }
    }

    pub(crate) fn expire_run(&mut self, now: Now) {
        if let Phase::Running(running) = &mut self.phase {
            running.run.expire(now.moment);
            self.drain_run(now);
        }
    }

    /// The stream of a run broke.
    pub(crate) fn run_lost(&mut self, now: Now) {
        if let Phase::Running(running) = &self.phase {
            let (offer, has_answer) = (running.offer, running.has_answer);
            self.run_ended(offer, has_answer, None, now);
        }
    }

    /// What is pending is safe: 92 may go out.
    pub(crate) fn run_persisted(&mut self, write: u64, now: Now) {
        if let Phase::Running(running) = &mut self.phase
            && running.storing.is_some_and(|needed| needed <= write)
        {
            running.storing = None;
            running.run.stored(now.moment);
            self.drain_run(now);
        }
    }

    fn drain_run(&mut self, now: Now) {
        loop {
            let Phase::Running(running) = &mut self.phase else { return };
            let Some(output) = running.run.next_output() else { return };
            let (stream, offer, has_answer) = (running.stream, running.offer, running.has_answer);
            match output {
                DeviceOutput::Send(bytes) => self.outputs.push_back(SmartOutput::Transmit { stream, bytes }),
                DeviceOutput::Store(pending) => self.store_pending(offer, pending),
                DeviceOutput::Done(completed) => {
                    self.close(stream);
                    return self.run_done(offer, completed, now);
                }
                DeviceOutput::Failed(end) => {
                    self.close(stream);
                    return self.run_ended(offer, has_answer, Some(end), now);
                }
            }
        }
    }

    fn store_pending(&mut self, offer: Offer, pending: Pending) {
        let proven = match offer.choice {
            Choice::PendingPsk(at) => {
                self.stored.pending.as_ref().and_then(|pending| pending.psks.get(at)).cloned()
            }
            Choice::PendingTicket | Choice::Ticket | Choice::KeyPair | Choice::Psk | Choice::Code => None,
        };
        if offer.choice == Choice::PendingTicket {
            self.stored.promote_ticket();
        }
        self.stored.begin(pending.devid, pending.ticket, pending.enrol_psk, proven.as_ref());
        let write = self.persist();
        if let Phase::Running(running) = &mut self.phase {
            running.storing = Some(write);
        }
    }

    fn run_done(&mut self, offer: Offer, completed: Completed, now: Now) {
        let Completed { das, das_secret, min_type } = completed;
        let is_enrolment = matches!(offer.choice, Choice::Code | Choice::PendingPsk(_));
        let floor_before = self.stored.min_type;
        self.stored.complete(min_type, is_enrolment);
        self.stretched = None;
        self.persist();
        self.course = Course { kdf: self.course.kdf, ..Course::new() };
        self.told_time = Some((now.moment, das.time_ms));
        if min_type != floor_before {
            self.tell(SmartEvent::FloorRaised(min_type));
        }
        if let Some(devid) = self.stored.devid {
            let server_id = String::from_utf8_lossy(das.server_id.as_bytes()).into_owned();
            let (protocol, credential) = (offer.protocol, offer.choice.kind());
            self.tell(SmartEvent::Admitted { devid, protocol, credential, server_id });
            self.das = Some(DasSession::new(devid, das, das_secret, now.moment));
        }
        self.connect_das(now);
    }

    fn run_ended(&mut self, offer: Offer, has_answer: bool, end: Option<DeviceEnd>, now: Now) {
        let was_rematch = self.course.rematch.take().is_some();
        self.course.unanswered = (!has_answer).then_some(offer.protocol);
        let mut wait = None;
        match end {
            Some(DeviceEnd::Rematch(next)) if !was_rematch => {
                self.course.rematch = Some(next);
                return self.attempt(now);
            }
            Some(DeviceEnd::Hint { result: ResultCode::LATER, wait_secs, .. }) => {
                let secs = Duration::from_secs(wait_secs.unwrap_or(0).into());
                wait = Some(secs.min(HINTED_WAIT_MAX));
            }
            Some(DeviceEnd::Hint { result: ResultCode::KDF, kdf: Some(kdf), .. }) => self.course.kdf = kdf,
            Some(DeviceEnd::Told(ResultCode::BLOCKED)) => wait = Some(BLOCKED_WAIT),
            Some(DeviceEnd::Told(ResultCode::NO_DAS)) => {}
            None | Some(DeviceEnd::TimeOver) if !has_answer => {}
            Some(_) | None => self.course.turn += 1,
        }
        self.attempt_failed(end.map_or(Trouble::NotReached, Trouble::Run), wait, now);
    }

    /// No stream came about.
    pub(crate) fn not_reached(&mut self, offer: Offer, now: Now) {
        self.run_ended(offer, false, None, now);
    }

    /// Waits at least `wait` before the next attempt.
    pub(crate) fn attempt_failed(&mut self, trouble: Trouble, wait: Option<Duration>, now: Now) {
        let wait = self.back_off().max(wait.unwrap_or_default());
        let wait_millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.tell(SmartEvent::Failed { trouble, wait_millis });
        self.phase = Phase::Waiting { until: now.moment + wait };
    }
}
