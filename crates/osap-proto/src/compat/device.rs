//! A run of type 1 on the side of the device.
//!
//! It can be set up only where [`may_send_compat`] says so: somebody set the floor to 1 on the device itself. A result
//! of 1 in the first try means that the code may be written in the other case: the owner runs it once more.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use clock::Moment;
use crypto::{Curve, Provider, PublicKey, Secret};
use subtle::ConstantTimeEq;

use super::keys::{KEY_SIZE, SIGN_SIZE, cbc, master_key, sign, uncbc};
use super::messages::{
    AuthFirst, CompatInlet, RefreshFirst, SessionAnswer, behind_result, open_point, seal_point,
    sealed_message, session_request,
};
use super::{Case, CodeKeys, CompatChance, CompatDas, Generation};
use crate::das_info::read_compat_json;
use crate::run_clock::RunClock;
use crate::{
    DasRequest, Devid, Header, Mode, ProtocolType, ResultCode, Serial, SetupError, TypeGroup,
    may_send_compat, shows_downgrade,
};

/// What a device has from runs before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompatStored {
    /// Nothing.
    Nothing,
    /// Its id.
    Devid(Devid),
    /// Its id and the master key.
    Both(Devid, Secret),
}

/// What a run begins with.
#[derive(Clone, Debug)]
pub struct CompatDeviceSetup {
    /// All types that the device can; 1 is among them.
    pub group: TypeGroup,
    /// The stored floor: 1, set on the device itself.
    pub min_type: ProtocolType,
    /// Whether the device ever completed a run of the secure profile.
    pub has_seen_secure: bool,
    /// Whether a hold runs.
    pub is_held: bool,
    /// What the serial is.
    pub mode: Mode,
    /// Who the device is.
    pub serial: Serial,
    /// Whether it is a hub.
    pub is_hub: bool,
    /// What its code comes to.
    pub keys: CodeKeys,
    /// In which case the code is tried.
    pub case: Case,
    /// Which messages it speaks.
    pub generation: Generation,
    /// What it has.
    pub stored: CompatStored,
}

/// A completed run: id and master key are stored now, the session key stays in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompatCompleted {
    /// The device id.
    pub devid: Devid,
    /// The master key, 16 bytes.
    pub master_key: Secret,
    /// The session key, 16 bytes.
    pub session_key: Secret,
    /// The access service.
    pub das: CompatDas,
}

/// How a run ended without success; nothing stored changes by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompatDeviceEnd {
    /// A result, which nothing proves.
    Hint(ResultCode),
    /// The load balancer names another type; it is not followed from here.
    OtherType(ProtocolType),
    /// More than type 1 was possible: hold it for 24 hours, in memory, and say so.
    Downgrade,
    /// What came does not open, or proves nothing.
    NotGenuine,
    /// A message that does not belong here or cannot be read.
    Malformed,
    /// The time is over.
    TimeOver,
}

/// What the machine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompatDeviceOutput {
    /// Send these bytes.
    Send(Vec<u8>),
    /// The run is complete. Close the connection.
    Done(Box<CompatCompleted>),
    /// The run ended. Close the connection.
    Failed(CompatDeviceEnd),
}

#[derive(Debug)]
struct Ready {
    devid: Devid,
    master: Secret,
    session_key: Secret,
}

#[derive(Debug)]
enum State {
    AwaitSecond(Box<CompatChance>),
    AwaitSession { master: Secret, sign: [u8; SIGN_SIZE], byte_high: u8 },
    AwaitRefresh { devid: Devid, master: Secret, challenge: u8 },
    AwaitDas(Ready),
    Over,
}

/// One run of type 1 of a device.
#[derive(Debug)]
pub struct CompatDeviceRun {
    provider: Arc<dyn Provider>,
    setup: CompatDeviceSetup,
    state: State,
    inlet: CompatInlet,
    clock: RunClock,
    outputs: VecDeque<CompatDeviceOutput>,
}

impl CompatDeviceRun {
    /// Begins a run on a connection that stands; the first output is its first message.
    ///
    /// # Errors
    /// [`SetupError::Type`] when type 1 may not be sent or is not in the group, [`SetupError::Credential`] when the
    /// master key has not 16 bytes, [`SetupError::Exchange`] when the exchange is not on P-384.
    pub fn start(
        provider: Arc<dyn Provider>,
        setup: CompatDeviceSetup,
        chance: CompatChance,
        now: Moment,
    ) -> Result<Self, SetupError> {
        let may = may_send_compat(setup.min_type, setup.has_seen_secure, setup.is_held);
        if !may || !setup.group.has(ProtocolType::COMPAT) {
            return Err(SetupError::Type);
        }
        if PublicKey::from_point(Curve::P384, chance.exchange.public()).is_err() {
            return Err(SetupError::Exchange);
        }
        let (bytes, state) = match &setup.stored {
            CompatStored::Both(_, master) if master.len() != KEY_SIZE => return Err(SetupError::Credential),
            CompatStored::Both(devid, master) => {
                let sealed = cbc(provider.as_ref(), master, &[chance.challenge]);
                let (devid, master, challenge) = (*devid, master.clone(), chance.challenge);
                let first = RefreshFirst { serial: setup.serial.clone(), devid: *devid.as_bytes(), sealed };
                (first.encode(), State::AwaitRefresh { devid, master, challenge })
            }
            CompatStored::Nothing | CompatStored::Devid(_) => {
                let how = (setup.generation, setup.case);
                let sealed = seal_point(provider.as_ref(), &setup.keys, how, chance.exchange.public());
                let header = Header { protocol: ProtocolType::COMPAT, group: setup.group.clone() };
                let first = AuthFirst {
                    generation: setup.generation,
                    header: (setup.generation == Generation::Third).then_some(header),
                    mode: setup.mode,
                    serial: setup.serial.clone(),
                    sealed,
                };
                (first.encode(), State::AwaitSecond(Box::new(chance)))
            }
        };
        let outputs = VecDeque::from([CompatDeviceOutput::Send(bytes)]);
        let (inlet, clock) = (CompatInlet::default(), RunClock::offered(now));
        Ok(Self { provider, setup, state, inlet, clock, outputs })
    }

    /// Takes bytes of the connection, in segments of any size.
    pub fn receive(&mut self, bytes: &[u8], now: Moment) {
        self.expire(now);
        if matches!(self.state, State::Over) {
            return;
        }
        if self.inlet.push(bytes).is_err() {
            return self.fail(CompatDeviceEnd::Malformed);
        }
        while !matches!(self.state, State::Over) {
            match self.inlet.take() {
                Ok(Some((byte0, body))) => {
                    if let Err(end) = self.message(byte0, &body, now) {
                        self.fail(end);
                    }
                }
                Ok(None) => return,
                Err(_) => self.fail(CompatDeviceEnd::Malformed),
            }
        }
    }

    /// Ends the run when its time is over.
    pub fn expire(&mut self, now: Moment) {
        if !matches!(self.state, State::Over) && self.clock.is_over(now) {
            self.fail(CompatDeviceEnd::TimeOver);
        }
    }

    /// When [`Self::expire`] is due; `None` once the run is over.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        (!matches!(self.state, State::Over)).then(|| self.clock.deadline())
    }

    /// What is to be done next.
    pub fn next_output(&mut self) -> Option<CompatDeviceOutput> {
        self.outputs.pop_front()
    }

    fn fail(&mut self, end: CompatDeviceEnd) {
        self.state = State::Over;
        self.outputs.push_back(CompatDeviceOutput::Failed(end));
    }

    fn send(&mut self, bytes: Vec<u8>, now: Moment) {
        self.outputs.push_back(CompatDeviceOutput::Send(bytes));
        self.clock.await_message(now);
    }

    fn message(&mut self, byte0: u8, body: &[u8], now: Moment) -> Result<(), CompatDeviceEnd> {
        match core::mem::replace(&mut self.state, State::Over) {
            State::AwaitSecond(chance) => self.second(byte0, body, *chance, now),
            State::AwaitSession { master, sign, byte_high } => {
                let answer = answer_of(byte0, byte_high, body)?;
                self.session(answer, master, &sign, now)
            }
            State::AwaitRefresh { devid, master, challenge } => {
                let answer = answer_of(byte0, 8, body)?;
                self.refreshed(answer, devid, master, challenge, now)
            }
            State::AwaitDas(ready) => self.das(answer_of(byte0, 11, body)?, ready),
            State::Over => Ok(()),
        }
    }

    fn second(
        &mut self,
        byte0: u8,
        body: &[u8],
        chance: CompatChance,
        now: Moment,
    ) -> Result<(), CompatDeviceEnd> {
        let provider = Arc::clone(&self.provider);
        let provider = provider.as_ref();
        let generation = self.setup.generation;
        let body = match (generation, byte0 & 0x08 != 0) {
            (Generation::Second, false) => body,
            (Generation::Third, true) => {
                let (told, rest) = body.split_first().ok_or(CompatDeviceEnd::Malformed)?;
                if *told != ProtocolType::COMPAT.0 && byte0 >> 4 == 2 {
                    return Err(CompatDeviceEnd::OtherType(ProtocolType(*told)));
                }
                rest
            }
            (Generation::Second, true) | (Generation::Third, false) => {
                return Err(CompatDeviceEnd::Malformed);
            }
        };
        let sealed = answer_of(byte0, 2, body)?;
        let point = open_point(provider, &self.setup.keys, (generation, self.setup.case), sealed)
            .ok_or(CompatDeviceEnd::NotGenuine)?;
        let z = chance.exchange.finish(point.expose()).map_err(|_| CompatDeviceEnd::NotGenuine)?;
        let master = master_key(&z);
        let sign = sign(provider, &master, &self.setup.serial);
        let devid = match &self.setup.stored {
            CompatStored::Nothing => None,
            CompatStored::Devid(devid) | CompatStored::Both(devid, _) => Some(*devid),
        };
        self.send(session_request(devid.as_ref(), &sign), now);
        self.state = State::AwaitSession { master, sign, byte_high: if devid.is_some() { 6 } else { 8 } };
        Ok(())
    }

    fn session(
        &mut self,
        answer: &[u8],
        master: Secret,
        sign: &[u8; SIGN_SIZE],
        now: Moment,
    ) -> Result<(), CompatDeviceEnd> {
        let told = SessionAnswer::decode(self.provider.as_ref(), self.setup.generation, &master, answer)
            .filter(|told| bool::from(told.sign.ct_eq(sign)))
            .ok_or(CompatDeviceEnd::NotGenuine)?;
        self.ask(Ready { devid: told.devid, master, session_key: told.session_key }, now);
        Ok(())
    }

    fn refreshed(
        &mut self,
        answer: &[u8],
        devid: Devid,
        master: Secret,
        challenge: u8,
        now: Moment,
    ) -> Result<(), CompatDeviceEnd> {
        let provider = Arc::clone(&self.provider);
        let plain = uncbc(provider.as_ref(), &master, answer)
            .filter(|plain| plain.len() == 2 + KEY_SIZE && bool::from(plain.expose()[0].ct_eq(&challenge)))
            .ok_or(CompatDeviceEnd::NotGenuine)?;
        let confirmed = cbc(provider.as_ref(), &master, &plain.expose()[1..2]);
        self.send(sealed_message(0x90, &confirmed), now);
        let session_key = Secret::from(&plain.expose()[2..]);
        self.ask(Ready { devid, master, session_key }, now);
        Ok(())
    }

    fn ask(&mut self, ready: Ready, now: Moment) {
        let request = DasRequest { serial: self.setup.serial.clone(), is_hub: self.setup.is_hub };
        let sealed = cbc(self.provider.as_ref(), &ready.session_key, &request.encode());
        self.send(sealed_message(0xA0, &sealed), now);
        self.state = State::AwaitDas(ready);
    }

    fn das(&mut self, answer: &[u8], ready: Ready) -> Result<(), CompatDeviceEnd> {
        let json = uncbc(self.provider.as_ref(), &ready.session_key, answer);
        let json = json.ok_or(CompatDeviceEnd::NotGenuine)?;
        if shows_downgrade(&self.setup.group, json.expose()) {
            return Err(CompatDeviceEnd::Downgrade);
        }
        let das = read_compat_json(json.expose()).ok_or(CompatDeviceEnd::Malformed)?;
        let Ready { devid, master: master_key, session_key } = ready;
        let completed = CompatCompleted { devid, master_key, session_key, das };
        self.outputs.push_back(CompatDeviceOutput::Done(Box::new(completed)));
        Ok(())
    }
}

/// What follows result 0 in an answer of this type.
fn answer_of(byte0: u8, high: u8, body: &[u8]) -> Result<&[u8], CompatDeviceEnd> {
    let (result, rest) = behind_result(body).ok_or(CompatDeviceEnd::Malformed)?;
    match (byte0 >> 4 == high, result) {
        (false, _) => Err(CompatDeviceEnd::Malformed),
        (true, ResultCode::OK) => Ok(rest),
        (true, result) => Err(CompatDeviceEnd::Hint(result)),
    }
}
