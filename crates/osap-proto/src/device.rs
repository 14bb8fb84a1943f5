//! A run on the side of the device.
//!
//! ```text
//! device                                  load balancer
//! H1-I            -------------------->
//!                 <--------------------   H1-II
//! H1-III, 72      -------------------->
//!                 <--------------------   82        (or H1-V)
//! 92, A2          -------------------->             once the device has stored what 82 brought
//!                 <--------------------   B2
//! ```
//! Source: OSAP secure profile sections 4 to 8 and 14.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use clock::{Dice, Moment};
use crypto::{
    Curve, KeyExchange, KeyKind, PakeSide, PrivateKey, Provider, PublicKey, Secret, SignatureScheme,
};
use subtle::ConstantTimeEq;
use wire::{Cursor, Reason};

use crate::key_schedule::{
    Hash, RunKeys, Schedule, fixed_signature, main_of_code, main_of_exchange, main_of_psk, sha256,
    signed_by_device, signed_by_lbs, transcript_1, transcript_2,
};
use crate::messages::{SHARE_SIZE, check_share, decode_fifth};
use crate::record::{RecordError, RecordLine};
use crate::run_clock::RunClock;
use crate::{
    Answer, Claim, DasInfo, DasRequest, Devid, Ephemeral, First, Frame, FrameError, Header, Inlet, Kdf,
    MessageKind, Mode, ProtocolType, Realm, ResultCode, Second, Serial, StretchedCode, Third, TypeGroup,
    floor_after, rematch,
};

/// Seconds that a ticket lives at most.
const TICKET_LIFETIME_MAX_SECS: u32 = 2_592_000;

/// What the device proves itself with.
#[derive(Clone, Debug)]
pub enum DeviceCredential {
    /// Kind 1: the stretched code of the label, and where it is good.
    Code {
        /// See [`StretchedCode::of_label`].
        code: StretchedCode,
        /// The name of the load balancer.
        realm: Realm,
    },
    /// Kind 2: 16 to 64 bytes with at least 128 bits of entropy.
    Psk(Secret),
    /// Kind 3: a key pair on P-256, and the keys of the load balancer that count: one or two.
    KeyPair {
        /// The device's own key.
        key: Arc<dyn PrivateKey>,
        /// The pinned keys.
        pins: Vec<PublicKey>,
    },
    /// Kind 4: a ticket and its resumption secret.
    Ticket(Ticket),
}

/// A resumption ticket as a device keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Names it.
    pub id: [u8; 16],
    /// Its resumption secret, 32 bytes.
    pub secret: Secret,
}

/// What a run begins with.
#[derive(Clone, Debug)]
pub struct DeviceSetup {
    /// The asked type and all that the device can, in the order of its preference.
    pub header: Header,
    /// The stored floor.
    pub min_type: ProtocolType,
    /// What the serial is.
    pub mode: Mode,
    /// Who the device is.
    pub serial: Serial,
    /// Whether it is a hub.
    pub is_hub: bool,
    /// What it proves itself with.
    pub credential: DeviceCredential,
    /// The exporter of the TLS connection (RFC 9266) for types 4 and 8; none for type 2.
    pub exporter: Option<[u8; 32]>,
}

/// A setup that makes no run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupError {
    /// The asked type is none of this profile, not in the group, or below the floor.
    Type,
    /// Types 4 and 8 need an exporter, type 2 has none.
    Exporter,
    /// A key, ticket or pin of a size or kind that does not fit.
    Credential,
    /// The exchange is not one on P-256.
    Exchange,
}

/// What record 82 brought: to be stored as pending, and made final with [`DeviceOutput::Done`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The device id.
    pub devid: Devid,
    /// The ticket; the earlier one stands beside it until the run is done.
    pub ticket: Ticket,
    /// How long it lives, in seconds.
    pub lifetime_secs: u32,
    /// The pre-shared key that takes the place of the code, after a run of kind 1.
    pub enrol_psk: Option<Secret>,
}

/// A completed run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// The access service and the session there.
    pub das: DasInfo,
    /// The das secret; in memory only.
    pub das_secret: Secret,
    /// The floor to store: what both sides can.
    pub min_type: ProtocolType,
}

/// How a run ended without success. Nothing that is stored changes, but for [`Self::Told`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceEnd {
    /// An acceptable other type: once in an attempt, on a new connection, at once.
    Rematch(ProtocolType),
    /// A hint, which may delay the next attempt.
    Hint {
        /// What the answer says.
        result: ResultCode,
        /// The kdf on record, behind result 23.
        kdf: Option<Kdf>,
        /// Seconds to wait, behind result 24.
        wait_secs: Option<u16>,
    },
    /// An authentic result, from inside a record.
    Told(ResultCode),
    /// The answer proves nothing: share, mac or signature.
    NotGenuine,
    /// The framing is against the rules.
    Framing(FrameError),
    /// A message that does not belong here or cannot be read.
    Malformed,
    /// A record that is not the next one.
    Record(RecordError),
    /// The time is over.
    TimeOver,
}

/// What the machine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceOutput {
    /// Send these bytes.
    Send(Vec<u8>),
    /// Store this as pending, then call [`DeviceRun::stored`].
    Store(Pending),
    /// The run is complete: what is pending becomes final. Close the connection.
    Done(Completed),
    /// The run ended. Close the connection.
    Failed(DeviceEnd),
}

#[derive(Debug)]
struct Lines {
    out: RecordLine,
    input: RecordLine,
    resume: Secret,
    das: Secret,
    enrol: Option<Secret>,
    served: TypeGroup,
}

#[derive(Debug)]
enum State {
    AwaitSecond { ephemeral: Ephemeral, share: [u8; SHARE_SIZE], t1: Hash },
    AwaitDevid(Lines),
    AwaitStored(Lines),
    AwaitDas(Lines),
    Over,
}

/// One run of a device: from H1-I to record B2.
#[derive(Debug)]
pub struct DeviceRun {
    provider: Arc<dyn Provider>,
    setup: DeviceSetup,
    dice: Dice,
    state: State,
    inlet: Inlet,
    clock: RunClock,
    outputs: VecDeque<DeviceOutput>,
}

impl DeviceRun {
    /// Begins a run on a connection that stands; the first output is H1-I.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub fn start(
        provider: Arc<dyn Provider>,
        setup: DeviceSetup,
        ephemeral: Ephemeral,
        dice: Dice,
        now: Moment,
    ) -> Result<Self, SetupError> {
        let claim = check(provider.as_ref(), &setup)?;
        let share = match &setup.credential {
            DeviceCredential::Code { code, .. } => {
                ephemeral.pake.share(PakeSide::Prover, &code.w0).map_err(|_| SetupError::Credential)?
            }
            DeviceCredential::Psk(_) | DeviceCredential::KeyPair { .. } | DeviceCredential::Ticket(_) => {
                ephemeral.share().ok_or(SetupError::Exchange)?
            }
        };
        let offer = First {
            header: setup.header.clone(),
            mode: setup.mode,
            serial: setup.serial.clone(),
            claim,
            random: ephemeral.random,
            share,
        }
        .encode();
        let exporter: &[u8] = setup.exporter.as_ref().map_or(&[], |exporter| &exporter[..]);
        let t1 = transcript_1(provider.as_ref(), exporter, &offer);
        Ok(Self {
            provider,
            setup,
            dice,
            state: State::AwaitSecond { ephemeral, share, t1 },
            inlet: Inlet::new(),
            clock: RunClock::offered(now),
            outputs: VecDeque::from([DeviceOutput::Send(offer)]),
        })
    }

    /// Takes bytes of the connection, in segments of any size.
    pub fn receive(&mut self, bytes: &[u8], now: Moment) {
        self.expire(now);
        if matches!(self.state, State::Over) {
            return;
        }
        if let Err(error) = self.inlet.push(bytes) {
            return self.fail(DeviceEnd::Framing(error));
        }
        self.pump(now);
    }

    /// The device has stored what [`DeviceOutput::Store`] brought: 92 and A2 go out.
    ///
    /// Without effect in another state.
    pub fn stored(&mut self, now: Moment) {
        self.expire(now);
        match core::mem::replace(&mut self.state, State::Over) {
            State::AwaitStored(mut lines) => {
                let request = DasRequest { serial: self.setup.serial.clone(), is_hub: self.setup.is_hub };
                let mut bytes = lines.out.seal(MessageKind::Stored, &[]);
                bytes.extend_from_slice(&lines.out.seal(MessageKind::AskDas, &request.encode()));
                self.outputs.push_back(DeviceOutput::Send(bytes));
                self.clock.await_message(now);
                self.state = State::AwaitDas(lines);
                self.pump(now);
            }
            other => self.state = other,
        }
    }

    /// Ends the run when its time is over.
    pub fn expire(&mut self, now: Moment) {
        if !matches!(self.state, State::Over) && self.clock.is_over(now) {
            self.fail(DeviceEnd::TimeOver);
        }
    }

    /// When [`Self::expire`] is due; `None` once the run is over.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        (!matches!(self.state, State::Over)).then(|| self.clock.deadline())
    }

    /// What is to be done next.
    pub fn next_output(&mut self) -> Option<DeviceOutput> {
        self.outputs.pop_front()
    }

    fn fail(&mut self, end: DeviceEnd) {
        self.state = State::Over;
        self.outputs.push_back(DeviceOutput::Failed(end));
    }

    fn pump(&mut self, now: Moment) {
        while !matches!(self.state, State::AwaitStored(_) | State::Over) {
            match self.inlet.take() {
                Ok(Some(message)) => self.message(&message, now),
                Ok(None) => return,
                Err(error) => self.fail(DeviceEnd::Framing(error)),
            }
        }
    }

    fn message(&mut self, message: &[u8], now: Moment) {
        let frame = Frame::read(message).ok().flatten().expect("the inlet gives whole messages");
        let taken = match core::mem::replace(&mut self.state, State::Over) {
            State::AwaitSecond { ephemeral, share, t1 } => self.second(&frame, ephemeral, &share, &t1, now),
            State::AwaitDevid(lines) => self.devid(&frame, lines),
            State::AwaitDas(lines) => self.das(&frame, lines),
            State::AwaitStored(_) | State::Over => Ok(()),
        };
        if let Err(end) = taken {
            self.fail(end);
        }
    }

    fn second(
        &mut self,
        frame: &Frame<'_>,
        ephemeral: Ephemeral,
        own_share: &[u8; SHARE_SIZE],
        t1: &Hash,
        now: Moment,
    ) -> Result<(), DeviceEnd> {
        let is_signed = matches!(self.setup.credential, DeviceCredential::KeyPair { .. });
        let answer = match Second::decode(frame, is_signed).map_err(|_| DeviceEnd::Malformed)? {
            Second::Answer(answer) => answer,
            Second::Mismatch { result, .. } => return Err(self.mismatch(frame, result)),
            Second::Refused { result, kdf, wait_secs } => {
                return Err(DeviceEnd::Hint { result, kdf, wait_secs });
            }
        };
        let provider = Arc::clone(&self.provider);
        let is_point = check_share(provider.as_ref(), &answer.share).is_ok();
        if answer.header.protocol != self.setup.header.protocol || answer.share == *own_share || !is_point {
            return Err(DeviceEnd::NotGenuine);
        }
        let (proof, keys) = self.prove(&answer, t1, ephemeral, own_share)?;
        let mut lines = Lines {
            out: RecordLine::new(keys.from_device),
            input: RecordLine::new(keys.from_lbs),
            resume: keys.resume,
            das: keys.das,
            enrol: keys.enrol,
            served: answer.header.group,
        };
        let mut bytes = proof.encode();
        bytes.extend_from_slice(&lines.out.seal(MessageKind::AskDevid, &[]));
        self.outputs.push_back(DeviceOutput::Send(bytes));
        self.clock.await_message(now);
        self.state = State::AwaitDevid(lines);
        Ok(())
    }

    fn mismatch(&self, frame: &Frame<'_>, result: ResultCode) -> DeviceEnd {
        let header = &self.setup.header;
        match rematch(header.protocol, &header.group, self.setup.min_type, frame.bytes()) {
            Some(next) => DeviceEnd::Rematch(next),
            None => DeviceEnd::Hint { result, kdf: None, wait_secs: None },
        }
    }

    /// Checks what the load balancer proves, and makes the device's own proof and the keys.
    fn prove(
        &mut self,
        answer: &Answer<'_>,
        t1: &Hash,
        ephemeral: Ephemeral,
        own_share: &[u8; SHARE_SIZE],
    ) -> Result<(Third, RunKeys), DeviceEnd> {
        let provider = Arc::clone(&self.provider);
        let provider = provider.as_ref();
        let z = |exchange: Box<dyn KeyExchange>| {
            exchange.finish(&answer.share).map_err(|_| DeviceEnd::NotGenuine)
        };
        let t2 = transcript_2(provider, t1, answer.before_mac, None);
        let (main, is_code) = match &self.setup.credential {
            DeviceCredential::Code { code, realm } => {
                let found = ephemeral.pake.finish_prover(&code.w0, &code.w1, &answer.share);
                let secrets = found.map_err(|_| DeviceEnd::NotGenuine)?;
                let (names, shares) = ((&self.setup.serial, realm), [own_share, &answer.share]);
                (main_of_code(provider, &t2, names, shares, &secrets, &code.w0), true)
            }
            DeviceCredential::Psk(psk) => (main_of_psk(provider, &t2, psk, &z(ephemeral.exchange)?), false),
            DeviceCredential::Ticket(ticket) => {
                (main_of_psk(provider, &t2, &ticket.secret, &z(ephemeral.exchange)?), false)
            }
            DeviceCredential::KeyPair { key, pins } => {
                let (key, pins) = (Arc::clone(key), pins.clone());
                return self.prove_by_key(answer, t1, &z(ephemeral.exchange)?, key.as_ref(), &pins);
            }
        };
        let schedule = Schedule::new(provider, main, t2);
        if !bool::from(schedule.mac_of_lbs.ct_eq(&answer.mac)) {
            return Err(DeviceEnd::NotGenuine);
        }
        let proof = Third { mac: schedule.mac_of_device, signature: None };
        Ok((proof, schedule.finish(provider, None, is_code)))
    }

    fn prove_by_key(
        &mut self,
        answer: &Answer<'_>,
        t1: &Hash,
        z: &Secret,
        key: &dyn PrivateKey,
        pins: &[PublicKey],
    ) -> Result<(Third, RunKeys), DeviceEnd> {
        let provider = Arc::clone(&self.provider);
        let provider = provider.as_ref();
        let scheme = SignatureScheme::Ecdsa(Curve::P256);
        let sig_s = answer.signature.ok_or(DeviceEnd::Malformed)?;
        let proven = pins.iter().find_map(|pin| {
            let t2 = transcript_2(provider, t1, answer.before_mac, Some(pin));
            let schedule = Schedule::new(provider, main_of_exchange(provider, &t2, z), t2);
            let is_right = bool::from(schedule.mac_of_lbs.ct_eq(&answer.mac));
            let is_signed = provider.verify(pin, scheme, &signed_by_lbs(&t2), &sig_s).is_ok();
            (is_right && is_signed).then_some(schedule)
        });
        let schedule = proven.ok_or(DeviceEnd::NotGenuine)?;
        let sig_d = key
            .sign(scheme, &signed_by_device(schedule.transcript()), &mut self.dice)
            .ok()
            .and_then(|signature| fixed_signature(&signature))
            .ok_or(DeviceEnd::NotGenuine)?;
        let proof = Third { mac: schedule.mac_of_device, signature: Some(sig_d) };
        Ok((proof, schedule.finish(provider, Some((&sig_s, &sig_d)), false)))
    }

    fn devid(&mut self, frame: &Frame<'_>, mut lines: Lines) -> Result<(), DeviceEnd> {
        if frame.kind() == Some(MessageKind::Fifth) {
            let result = decode_fifth(frame.body()).map_err(|_| DeviceEnd::Malformed)?;
            return Err(DeviceEnd::Hint { result, kdf: None, wait_secs: None });
        }
        let plain = lines.input.open(frame, MessageKind::Devid).map_err(DeviceEnd::Record)?;
        let granted = told(plain.expose())?;
        let mut cursor = Cursor::new(granted);
        let mut read = || {
            let devid = Devid::new(cursor.take(32)?).ok_or_else(|| cursor.error(Reason::OutOfRange))?;
            let id = cursor.array()?;
            let lifetime_secs = cursor.u32()?;
            cursor.clone().finish()?;
            let ticket = Ticket { id, secret: lines.resume.clone() };
            Ok::<_, wire::DecodeError>(Pending {
                devid,
                ticket,
                lifetime_secs,
                enrol_psk: lines.enrol.clone(),
            })
        };
        let pending = read().map_err(|_| DeviceEnd::Malformed)?;
        if pending.lifetime_secs > TICKET_LIFETIME_MAX_SECS {
            return Err(DeviceEnd::Malformed);
        }
        self.outputs.push_back(DeviceOutput::Store(pending));
        self.clock.await_ourselves();
        self.state = State::AwaitStored(lines);
        Ok(())
    }

    fn das(&mut self, frame: &Frame<'_>, mut lines: Lines) -> Result<(), DeviceEnd> {
        let plain = lines.input.open(frame, MessageKind::Das).map_err(DeviceEnd::Record)?;
        let das = DasInfo::decode(told(plain.expose())?).ok_or(DeviceEnd::Malformed)?;
        // Both are authentic; that they differ would be a load balancer at odds with itself.
        if das.served != lines.served {
            return Err(DeviceEnd::Malformed);
        }
        let header = &self.setup.header;
        let min_type = floor_after(header.protocol, &header.group, &das.served, self.setup.min_type);
        self.outputs.push_back(DeviceOutput::Done(Completed { das, das_secret: lines.das, min_type }));
        Ok(())
    }
}

/// What follows result 0 in a record, or the result.
fn told(plain: &[u8]) -> Result<&[u8], DeviceEnd> {
    match plain {
        [0, rest @ ..] => Ok(rest),
        [result] => Err(DeviceEnd::Told(ResultCode(*result))),
        _ => Err(DeviceEnd::Malformed),
    }
}

fn check(provider: &dyn Provider, setup: &DeviceSetup) -> Result<Claim, SetupError> {
    let Header { protocol, group } = &setup.header;
    if !protocol.is_secure() || !group.has(*protocol) || *protocol < setup.min_type {
        return Err(SetupError::Type);
    }
    if setup.exporter.is_some() == (*protocol == ProtocolType::PLAIN) {
        return Err(SetupError::Exporter);
    }
    let is_p256 = |key: &PublicKey| key.kind() == KeyKind::Ec(Curve::P256);
    match &setup.credential {
        DeviceCredential::Code { code, .. } if code.w0.len() == 32 && code.w1.len() == 32 => {
            Ok(Claim::Code(code.kdf))
        }
        DeviceCredential::Psk(psk) if (16..=64).contains(&psk.len()) => Ok(Claim::Psk),
        DeviceCredential::Ticket(ticket) if ticket.secret.len() == 32 => Ok(Claim::Ticket(ticket.id)),
        DeviceCredential::KeyPair { key, pins }
            if is_p256(key.public()) && (1..=2).contains(&pins.len()) && pins.iter().all(is_p256) =>
        {
            Ok(Claim::KeyPair(sha256(provider, &[key.public().spki()])))
        }
        DeviceCredential::Code { .. }
        | DeviceCredential::Psk(_)
        | DeviceCredential::Ticket(_)
        | DeviceCredential::KeyPair { .. } => Err(SetupError::Credential),
    }
}
