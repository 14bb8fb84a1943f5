//! A run of type 1 on the side of the load balancer.
//!
//! The owner decides with [`CompatLbsRun::record`] whether type 1 is run with this serial at all; serials that do not
//! exist and serials that are not allowed are answered alike. Wrong codes count as tries, as those of kind 1 do.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use clock::Moment;
use crypto::{Curve, Provider, PublicKey, Secret};
use subtle::ConstantTimeEq;

use super::keys::{KEY_SIZE, SIGN_SIZE, cbc, master_key, sign, uncbc};
use super::messages::{
    AuthFirst, CompatInlet, RefreshFirst, SessionAnswer, auth_second, behind_version, failure, open_point,
    read_session_request, seal_point, sealed_message,
};
use super::{
    Case, CodeKeys, CompatChance, Generation, OTHER_DEVID, OTHER_MASTER_KEY, UNKNOWN, UNSEALED, WRONG_SIGN,
};
use crate::das_info::compat_json;
use crate::negotiation::mismatch;
use crate::run_clock::RunClock;
use crate::{
    AddressPrefix, DasRequest, Devid, LbsMemory, Mode, ProtocolType, ResultCode, Serial, ServerId, TypeGroup,
};

/// What a run begins with.
#[derive(Clone, Debug)]
pub struct CompatLbsSetup {
    /// What the port serves, weakest first; type 1 is in it.
    pub served: TypeGroup,
    /// Where the connection comes from.
    pub from: AddressPrefix,
}

/// What is on record of a device that type 1 may be run with.
#[derive(Clone, Debug)]
pub struct CompatDevice {
    /// What its code comes to.
    pub keys: CodeKeys,
    /// The device id of its last run.
    pub devid: Option<Devid>,
    /// The master key of its last exchange, 16 bytes.
    pub master_key: Option<Secret>,
}

/// Which of the three a run was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialogue {
    /// 1A 2A 72 82: a new device id.
    First,
    /// 1A 2A 42 62: the device had an id, and gets another.
    Again,
    /// 70 80 90: the device had id and master key, and keeps both.
    Refresh,
}

/// What a run changes, to be stored before [`CompatLbsRun::das`] is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompatCommit {
    /// Whose record.
    pub serial: Serial,
    /// Which run it was. In the first two a listener may have the session key: see [`CompatSession::is_exposed`].
    ///
    /// [`CompatSession::is_exposed`]: super::CompatSession::is_exposed
    pub dialogue: Dialogue,
    /// The device id.
    pub devid: Devid,
    /// The master key.
    pub master_key: Secret,
    /// The session key at the access service.
    pub session_key: Secret,
}

/// An access service, as type 1 tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompatDas {
    /// Where it is, 1 to 63 bytes.
    pub address: String,
    /// Its TCP port.
    pub port: u16,
    /// Its UDP port; 0 for none.
    pub udp_port: u16,
    /// Its domain, at most 63 bytes.
    pub domain: String,
    /// Its name.
    pub server_id: ServerId,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompatLbsEnd {
    /// B was sent.
    Completed,
    /// An answer said this result.
    Refused(ResultCode),
    /// The framing is against the rules, or a message came that has no answer; nothing was answered.
    Malformed,
    /// The time is over.
    TimeOver,
    /// Our own exchange does not do its work.
    OwnFault,
}

/// What the machine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompatLbsOutput {
    /// Send these bytes.
    Send(Vec<u8>),
    /// Look up the record of a serial, then call [`CompatLbsRun::record`].
    LookUp {
        /// Who the device says it is.
        serial: Serial,
        /// What the serial is; not told in a refresh.
        mode: Option<Mode>,
    },
    /// The device showed its code to whoever listens: burn it. The run goes on.
    CodeShown {
        /// Whose.
        serial: Serial,
    },
    /// The serial was tried with codes a hundred times within a day: raise an alert. The run goes on.
    ManyTries {
        /// Which serial.
        serial: Serial,
    },
    /// The device asks for an access service: store what changes, then call [`CompatLbsRun::das`].
    Ask {
        /// What it asks for.
        request: DasRequest,
        /// What changes.
        commit: Box<CompatCommit>,
    },
    /// Close the connection.
    Close(CompatLbsEnd),
}

#[derive(Debug)]
struct Known {
    serial: Serial,
    generation: Generation,
    /// The group that the device offered.
    offered: Option<TypeGroup>,
}

/// A device whose point opened.
#[derive(Debug)]
struct Authenticated {
    known: Known,
    master: Secret,
    on_record: Option<Devid>,
    /// What it gets when it proves the master key.
    fresh: (Devid, Secret),
}

#[derive(Debug)]
enum State {
    AwaitFirst,
    AwaitRecord(Box<First>),
    AwaitApply(Box<Authenticated>),
    AwaitConfirm { known: Known, commit: CompatCommit, challenge: u8 },
    AwaitAsk { known: Known, commit: CompatCommit },
    AwaitDas { known: Known, session_key: Secret },
    Over,
}

#[derive(Debug)]
enum First {
    Auth(AuthFirst),
    Refresh(RefreshFirst),
}

impl First {
    const fn serial(&self) -> &Serial {
        match self {
            Self::Auth(auth) => &auth.serial,
            Self::Refresh(refresh) => &refresh.serial,
        }
    }
}

/// One run of type 1 of a load balancer.
#[derive(Debug)]
pub struct CompatLbsRun {
    provider: Arc<dyn Provider>,
    setup: CompatLbsSetup,
    chance: Option<CompatChance>,
    state: State,
    inlet: CompatInlet,
    clock: RunClock,
    outputs: VecDeque<CompatLbsOutput>,
}

impl CompatLbsRun {
    /// A run on a connection that was accepted at `accepted` and begins as type 1.
    #[must_use]
    pub fn new(
        provider: Arc<dyn Provider>,
        setup: CompatLbsSetup,
        chance: CompatChance,
        accepted: Moment,
    ) -> Self {
        Self {
            provider,
            setup,
            chance: Some(chance),
            state: State::AwaitFirst,
            inlet: CompatInlet::default(),
            clock: RunClock::accepted(accepted),
            outputs: VecDeque::new(),
        }
    }

    /// Takes bytes of the connection, in segments of any size; `memory` is of the whole load balancer.
    pub fn receive(&mut self, bytes: &[u8], memory: &mut LbsMemory, now: Moment) {
        self.expire(now);
        if matches!(self.state, State::Over) {
            return;
        }
        if self.inlet.push(bytes).is_err() {
            return self.close(CompatLbsEnd::Malformed);
        }
        self.pump(memory, now);
    }

    /// Answers [`CompatLbsOutput::LookUp`]: the record when type 1 may be run with the device, else `None`.
    ///
    /// Without effect in another state, as all commands.
    pub fn record(&mut self, found: Option<&CompatDevice>, memory: &mut LbsMemory, now: Moment) {
        self.expire(now);
        match core::mem::replace(&mut self.state, State::Over) {
            State::AwaitRecord(first) => {
                // Offers that came together all saw that nobody waits: only here they pass one by one.
                let waits = memory.tries.wait_secs(first.serial(), self.setup.from, now).is_some();
                match (*first, found.filter(|_| !waits)) {
                    (First::Auth(auth), Some(device)) => self.authenticate(auth, device, memory, now),
                    (First::Refresh(refresh), Some(device)) => self.refresh(refresh, device, memory, now),
                    (First::Auth(auth), None) => self.not_run(&auth),
                    (First::Refresh(_), None) => self.refuse(0x80, Generation::Second, UNKNOWN),
                }
                self.pump(memory, now);
            }
            other => self.state = other,
        }
    }

    /// Answers [`CompatLbsOutput::Ask`] once what changes is stored; `None` when there is no access service.
    pub fn das(&mut self, das: Option<&CompatDas>, now: Moment) {
        self.expire(now);
        match core::mem::replace(&mut self.state, State::Over) {
            State::AwaitDas { known, session_key } => {
                let marks = known.offered.as_ref().filter(|_| self.setup.served.as_bytes() != [1]);
                let marks = marks.map(|offered| (&self.setup.served, offered));
                match das.map(|das| compat_json(das, marks)) {
                    Some(Some(json)) => {
                        let sealed = cbc(self.provider.as_ref(), &session_key, &json);
                        self.outputs.push_back(CompatLbsOutput::Send(sealed_message(0xB0, &sealed)));
                        self.close(CompatLbsEnd::Completed);
                    }
                    Some(None) => self.close(CompatLbsEnd::OwnFault),
                    None => self.refuse(0xB0, known.generation, ResultCode::NO_DAS),
                }
            }
            other => self.state = other,
        }
    }

    /// Ends the run when its time is over.
    pub fn expire(&mut self, now: Moment) {
        if !matches!(self.state, State::Over) && self.clock.is_over(now) {
            self.close(CompatLbsEnd::TimeOver);
        }
    }

    /// When [`Self::expire`] is due; `None` once the run is over.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        (!matches!(self.state, State::Over)).then(|| self.clock.deadline())
    }

    /// What is to be done next.
    pub fn next_output(&mut self) -> Option<CompatLbsOutput> {
        self.outputs.pop_front()
    }

    fn close(&mut self, end: CompatLbsEnd) {
        self.state = State::Over;
        self.outputs.push_back(CompatLbsOutput::Close(end));
    }

    fn refuse(&mut self, byte0: u8, generation: Generation, result: ResultCode) {
        self.outputs.push_back(CompatLbsOutput::Send(failure(byte0, generation, result)));
        self.close(CompatLbsEnd::Refused(result));
    }

    /// A wrong proof: counted as those of kind 1 are.
    fn wrong(&mut self, serial: &Serial, memory: &mut LbsMemory, now: Moment) {
        if memory.tries.count(serial, self.setup.from, now) {
            self.outputs.push_back(CompatLbsOutput::ManyTries { serial: serial.clone() });
        }
    }

    /// Type 1 is not run with this serial: nothing tells whether it exists. 1 is not common then.
    fn not_run(&mut self, auth: &AuthFirst) {
        let Some(header) = &auth.header else { return self.refuse(0x22, auth.generation, UNKNOWN) };
        let (answer, result) = mismatch(&header.group, &self.setup.served, ProtocolType::PLAIN);
        self.outputs.push_back(CompatLbsOutput::Send(answer));
        self.close(CompatLbsEnd::Refused(result));
    }

    fn pump(&mut self, memory: &mut LbsMemory, now: Moment) {
        while matches!(
            self.state,
            State::AwaitFirst | State::AwaitApply(_) | State::AwaitConfirm { .. } | State::AwaitAsk { .. }
        ) {
            match self.inlet.take() {
                Ok(Some((byte0, body))) => self.message(byte0, &body, memory, now),
                Ok(None) => return,
                Err(_) => self.close(CompatLbsEnd::Malformed),
            }
        }
    }

    fn message(&mut self, byte0: u8, body: &[u8], memory: &mut LbsMemory, now: Moment) {
        match core::mem::replace(&mut self.state, State::Over) {
            State::AwaitFirst => self.first(byte0, body, memory, now),
            State::AwaitApply(device) => self.apply(byte0, body, *device, memory, now),
            State::AwaitConfirm { known, commit, challenge } => {
                self.confirm((byte0, body), known, commit, challenge, memory, now);
            }
            State::AwaitAsk { known, commit } => self.ask(byte0, body, known, commit),
            state @ (State::AwaitRecord(_) | State::AwaitDas { .. } | State::Over) => self.state = state,
        }
    }

    fn first(&mut self, byte0: u8, body: &[u8], memory: &LbsMemory, now: Moment) {
        let generation = if byte0 == 0x1A { Generation::Third } else { Generation::Second };
        let first = match byte0 {
            0x1A | 0x12 => AuthFirst::decode(generation, body).map(First::Auth),
            0x70 => RefreshFirst::decode(body).map(First::Refresh),
            _ => return self.close(CompatLbsEnd::Malformed),
        };
        let Ok(first) = first else {
            let answer = if byte0 == 0x70 { 0x80 } else { 0x20 | byte0 & 0x0F };
            return self.refuse(answer, generation, ResultCode::MALFORMED);
        };
        let mode = match &first {
            First::Auth(auth) => {
                if let Some(header) = auth.header.as_ref().filter(|one| one.protocol != ProtocolType::COMPAT)
                {
                    let (answer, result) = mismatch(&header.group, &self.setup.served, ProtocolType::COMPAT);
                    self.outputs.push_back(CompatLbsOutput::Send(answer));
                    return self.close(CompatLbsEnd::Refused(result));
                }
                Some(auth.mode)
            }
            First::Refresh(_) => None,
        };
        let serial = first.serial().clone();
        if memory.tries.wait_secs(&serial, self.setup.from, now).is_some() {
            return match &first {
                First::Auth(auth) => self.not_run(auth),
                First::Refresh(_) => self.refuse(0x80, generation, UNKNOWN),
            };
        }
        self.outputs.push_back(CompatLbsOutput::LookUp { serial, mode });
        self.clock.await_ourselves();
        self.state = State::AwaitRecord(Box::new(first));
    }

    /// AUTH_I: which case of the code, if any, and then the exchange.
    fn authenticate(&mut self, auth: AuthFirst, device: &CompatDevice, memory: &mut LbsMemory, now: Moment) {
        let provider = Arc::clone(&self.provider);
        let provider = provider.as_ref();
        let (generation, byte0) = match auth.generation {
            Generation::Second => (Generation::Second, 0x22),
            Generation::Third => (Generation::Third, 0x2A),
        };
        let opened = [Case::Upper, Case::Lower].into_iter().find_map(|case| {
            let point = open_point(provider, &device.keys, (generation, case), &auth.sealed)?;
            Some((case, point))
        });
        let Some((case, point)) = opened else {
            self.wrong(&auth.serial, memory, now);
            return self.refuse(byte0, generation, ResultCode::NOT_PROVEN);
        };
        let is_point = PublicKey::from_point(Curve::P384, point.expose())
            .is_ok_and(|key| provider.check_key(&key).is_ok());
        if !is_point {
            // Of the second generation this is what a wrong code looks like, now and then.
            self.wrong(&auth.serial, memory, now);
            return self.refuse(byte0, generation, ResultCode::BAD_POINT);
        }
        self.outputs.push_back(CompatLbsOutput::CodeShown { serial: auth.serial.clone() });
        let Some(chance) = self.chance.take() else { return self.close(CompatLbsEnd::OwnFault) };
        let own = chance.exchange.public().to_vec();
        let Ok(z) = chance.exchange.finish(point.expose()) else { return self.close(CompatLbsEnd::OwnFault) };
        let sealed = seal_point(provider, &device.keys, (generation, case), &own);
        self.outputs.push_back(CompatLbsOutput::Send(auth_second(generation, &sealed)));
        let offered = auth.header.map(|header| header.group);
        let known = Known { serial: auth.serial, generation, offered };
        self.clock.await_message(now);
        let session_key = session_key_for(generation, chance.session_key);
        self.state = State::AwaitApply(Box::new(Authenticated {
            known,
            master: master_key(&z),
            on_record: device.devid,
            fresh: (chance.devid, session_key),
        }));
    }

    /// 72 or 42: the proof of the master key.
    fn apply(&mut self, byte0: u8, body: &[u8], device: Authenticated, memory: &mut LbsMemory, now: Moment) {
        let Authenticated { known, master, on_record, fresh: (devid, session_key) } = device;
        let (answer, dialogue) = match byte0 {
            0x72 => (0x82, Dialogue::First),
            0x42 => (0x62, Dialogue::Again),
            _ => return self.refuse(0x82, known.generation, out_of_place(byte0)),
        };
        let provider = Arc::clone(&self.provider);
        let provider = provider.as_ref();
        let generation = known.generation;
        let Ok((claimed, given)) = read_session_request(dialogue == Dialogue::Again, body) else {
            return self.refuse(answer, generation, ResultCode::MALFORMED);
        };
        let sign: [u8; SIGN_SIZE] = sign(provider, &master, &known.serial);
        if !bool::from(sign.ct_eq(&given)) {
            self.wrong(&known.serial, memory, now);
            return self.refuse(answer, generation, WRONG_SIGN);
        }
        let is_other = claimed.is_some_and(|claimed| {
            on_record.is_none_or(|devid| !bool::from(devid.as_bytes().ct_eq(&claimed)))
        });
        if is_other {
            return self.refuse(answer, generation, OTHER_DEVID);
        }
        memory.tries.clear(&known.serial, self.setup.from);
        let told = SessionAnswer { devid, session_key, sign };
        let bytes = told.encode(provider, answer, generation, &master);
        self.outputs.push_back(CompatLbsOutput::Send(bytes));
        let commit = CompatCommit {
            serial: known.serial.clone(),
            dialogue,
            devid: told.devid,
            master_key: master,
            session_key: told.session_key,
        };
        self.clock.await_message(now);
        self.state = State::AwaitAsk { known, commit };
    }

    /// 70: a device with id and master key.
    fn refresh(&mut self, refresh: RefreshFirst, device: &CompatDevice, memory: &mut LbsMemory, now: Moment) {
        let provider = Arc::clone(&self.provider);
        let provider = provider.as_ref();
        let (byte0, generation) = (0x80, Generation::Second);
        let devid = device.devid.filter(|devid| bool::from(devid.as_bytes().ct_eq(&refresh.devid)));
        let Some(devid) = devid else { return self.refuse(byte0, generation, OTHER_DEVID) };
        let opened = device.master_key.as_ref().and_then(|master| {
            let challenge = uncbc(provider, master, &refresh.sealed).filter(|plain| plain.len() == 1)?;
            Some((master.clone(), challenge))
        });
        let Some((master, challenge)) = opened else {
            self.wrong(&refresh.serial, memory, now);
            return self.refuse(byte0, generation, OTHER_MASTER_KEY);
        };
        let Some(chance) = self.chance.take() else { return self.close(CompatLbsEnd::OwnFault) };
        // A refresh does not tell the generation: a key that both take.
        let session_key = session_key_for(generation, chance.session_key);
        let plain = Secret::new([challenge.expose(), &[chance.challenge], session_key.expose()].concat());
        let sealed = cbc(provider, &master, plain.expose());
        self.outputs.push_back(CompatLbsOutput::Send(sealed_message(byte0, &sealed)));
        let commit = CompatCommit {
            serial: refresh.serial.clone(),
            dialogue: Dialogue::Refresh,
            devid,
            master_key: master,
            session_key,
        };
        let known = Known { serial: refresh.serial, generation, offered: None };
        self.clock.await_message(now);
        self.state = State::AwaitConfirm { known, commit, challenge: chance.challenge };
    }

    /// 90: our challenge, back. There is no answer to it.
    fn confirm(
        &mut self,
        (byte0, body): (u8, &[u8]),
        known: Known,
        commit: CompatCommit,
        challenge: u8,
        memory: &mut LbsMemory,
        now: Moment,
    ) {
        let back = behind_version(body)
            .filter(|_| byte0 == 0x90)
            .and_then(|sealed| uncbc(self.provider.as_ref(), &commit.master_key, sealed));
        let is_right =
            back.is_some_and(|back| back.len() == 1 && bool::from(back.expose()[0].ct_eq(&challenge)));
        if !is_right {
            self.wrong(&known.serial, memory, now);
            return self.close(CompatLbsEnd::Malformed);
        }
        memory.tries.clear(&known.serial, self.setup.from);
        self.clock.await_message(now);
        self.state = State::AwaitAsk { known, commit };
    }

    fn ask(&mut self, byte0: u8, body: &[u8], known: Known, commit: CompatCommit) {
        let answer = 0xB0;
        if byte0 == 0x92 && commit.dialogue != Dialogue::Refresh {
            // The drafts have devices confirm their id; those that are deployed do not.
            self.state = State::AwaitAsk { known, commit };
            return;
        }
        if byte0 != 0xA0 {
            return self.refuse(answer, known.generation, out_of_place(byte0));
        }
        let json = behind_version(body)
            .and_then(|sealed| uncbc(self.provider.as_ref(), &commit.session_key, sealed));
        let Some(json) = json else { return self.refuse(answer, known.generation, UNSEALED) };
        let request = DasRequest::decode(json.expose()).filter(|request| request.serial == known.serial);
        let Some(request) = request else {
            // Requests for other servers (STUN) end here as well: there is none.
            return self.refuse(answer, known.generation, ResultCode::NO_DAS);
        };
        let session_key = commit.session_key.clone();
        self.outputs.push_back(CompatLbsOutput::Ask { request, commit: Box::new(commit) });
        self.clock.await_ourselves();
        self.state = State::AwaitDas { known, session_key };
    }
}

/// 3 and 5 mean nothing in type 1; other messages are out of order.
const fn out_of_place(byte0: u8) -> ResultCode {
    match byte0 >> 4 {
        3 | 5 => ResultCode::MALFORMED,
        _ => ResultCode::ORDER,
    }
}

/// Devices of the second generation take printable keys only; every value of six bits stays equally likely.
fn session_key_for(generation: Generation, drawn: Secret) -> Secret {
    const PRINTABLE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    match generation {
        Generation::Third => drawn,
        Generation::Second if drawn.expose().iter().all(u8::is_ascii_graphic) => drawn,
        Generation::Second => {
            let mut key = Vec::with_capacity(KEY_SIZE);
            key.extend(drawn.expose().iter().map(|byte| PRINTABLE[usize::from(byte & 0x3F)]));
            Secret::new(key)
        }
    }
}
