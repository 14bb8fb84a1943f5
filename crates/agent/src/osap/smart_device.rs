//! The machine itself: its inputs, and when it wakes up.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use clock::{Dice, Moment, Now, Timestamp};
use crypto::{CryptoError, PrivateKey, Provider, Secret};
use model::Uuid;
use osap_proto::{Serial, StretchedCode};
use osap_things::{Child, Failure, Node, Place, UpMessage};
use serde_json::Value;
use wire::DecodeError;

use super::events::{Events, KeptEvent};
use super::factory::{FactoryCredential, SmartFactory};
use super::mail::Mail;
use super::old::{OldRunning, OldWays};
use super::orders::Orders;
use super::output::{Offline, SmartEvent, SmartOutput, Target};
use super::running::{Course, Offer, Running};
use super::session::{DasSession, Link, is_sayable};
use super::settings::{FAILURE_COUNT_MAX, SmartSettings, wait_after};
use super::state::Stored;

/// Sub-devices behind a hub at most.
const CHILD_COUNT_MAX: usize = 64;

/// Why a stored state cannot be started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadStart {
    /// The bytes are no state or no event, or one of a later program.
    Malformed(DecodeError),
    /// The provider cannot use the device's key.
    Key(CryptoError),
}

impl core::fmt::Display for BadStart {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "malformed state or event: {error}"),
            Self::Key(error) => write!(f, "the device's key cannot be used: {error}"),
        }
    }
}

impl core::error::Error for BadStart {}

/// Why something that the application said was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// It is over 64 KiB or 32 levels.
    TooLarge,
    /// There are too many of its kind.
    TooMany,
    /// No such order waits.
    NoOrder,
    /// The device is no hub.
    NoHub,
    /// The device is switched off.
    Off,
}

/// What a stream is opened for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    Run(Offer),
    OldRun,
    Das,
}

/// Where the device stands.
#[derive(Debug)]
pub(crate) enum Phase {
    Waiting { until: Moment },
    Opening { stream: u64, until: Moment, goal: Goal },
    Running(Box<Running>),
    OldRunning(Box<OldRunning>),
    Linked(Box<Link>),
    Off,
}

/// A smart device.
pub struct SmartDevice {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) dice: Dice,
    pub(crate) settings: SmartSettings,
    pub(crate) factory: SmartFactory,
    pub(crate) key: Option<Arc<dyn PrivateKey>>,
    pub(crate) stored: Stored,
    /// The code of the label as runs need it, until the enrolment is final.
    pub(crate) stretched: Option<StretchedCode>,
    pub(crate) course: Course,
    /// Attempts and connections in a row that came to nothing.
    pub(crate) failures: u32,
    pub(crate) phase: Phase,
    pub(crate) das: Option<DasSession>,
    /// Of a device that speaks type 1 and nothing else.
    pub(crate) old: OldWays,
    pub(crate) mail: Mail,
    pub(crate) orders: Orders,
    /// What the load balancer said the time is, Unix milliseconds, and when.
    pub(crate) told_time: Option<(Moment, u64)>,
    pub(crate) outputs: VecDeque<SmartOutput>,
    last_write: u64,
    last_stream: u64,
}

impl core::fmt::Debug for SmartDevice {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SmartDevice").field("serial", &self.factory.serial).finish_non_exhaustive()
    }
}

impl SmartDevice {
    /// Switches a device on: `stored` is what was last persisted, or [`SmartFactory::first_state`], `events`
    /// are those that were kept and not forgotten, with their numbers, in any order.
    ///
    /// `dice` must be seeded afresh at every start.
    /// # Errors
    /// See [`BadStart`].
    pub fn start(
        stored: &[u8],
        events: Vec<(u64, Vec<u8>)>,
        settings: SmartSettings,
        provider: Arc<dyn Provider>,
        dice: Dice,
        now: Now,
    ) -> Result<Self, BadStart> {
        let (factory, stored) = Stored::read(stored).map_err(BadStart::Malformed)?;
        let key = match &factory.credential {
            FactoryCredential::KeyPair { pkcs8, .. } => {
                Some(provider.import_key(pkcs8.expose()).map_err(BadStart::Key)?)
            }
            FactoryCredential::Code { .. } | FactoryCredential::Psk(_) => None,
        };
        let events = Events::restored(events, stored.first_event, settings.event_count_max)
            .map_err(BadStart::Malformed)?;
        let mut device = Self {
            provider,
            dice,
            settings,
            factory,
            key,
            stored,
            stretched: None,
            course: Course::new(),
            failures: 0,
            phase: Phase::Waiting { until: now.moment },
            das: None,
            old: OldWays::new(),
            mail: Mail::new(events),
            orders: Orders::default(),
            told_time: None,
            outputs: VecDeque::new(),
            last_write: 0,
            last_stream: 0,
        };
        let (has_enrolled, waiting_events) = (device.stored.has_seen_h1, device.mail.events.len());
        device.tell(SmartEvent::Started { has_enrolled, waiting_events });
        device.attempt(now);
        Ok(device)
    }

    /// Answers [`SmartOutput::Open`]: the stream stands. `exporter` is that of its TLS session (RFC 9266).
    pub fn opened(&mut self, stream: u64, exporter: Option<[u8; 32]>, now: Now) {
        self.expire(now);
        match self.phase {
            Phase::Opening { stream: awaited, goal, .. } if awaited == stream => match goal {
                Goal::Run(offer) => self.begin_run(stream, offer, exporter, now),
                Goal::OldRun => self.begin_old_run(stream, now),
                Goal::Das if self.is_old() => self.begin_old_link(stream, now),
                Goal::Das => self.begin_link(stream, now),
            },
            // given up in the meantime, and closed then
            _ => {}
        }
    }

    /// Takes in bytes of a stream, in pieces of any size.
    pub fn receive(&mut self, stream: u64, bytes: &[u8], now: Now) {
        self.expire(now);
        match &self.phase {
            Phase::Running(running) if running.stream == stream => self.receive_run(bytes, now),
            Phase::OldRunning(running) if running.stream == stream => self.receive_old_run(bytes, now),
            Phase::Linked(link) if link.stream == stream => self.receive_link(bytes, now),
            _ => {}
        }
    }

    /// A stream could not be opened, or ended.
    pub fn closed(&mut self, stream: u64, now: Now) {
        self.expire(now);
        match &self.phase {
            Phase::Opening { stream: awaited, goal, .. } if *awaited == stream => {
                let goal = *goal;
                self.not_opened(goal, now);
            }
            Phase::Running(running) if running.stream == stream => self.run_lost(now),
            Phase::OldRunning(running) if running.stream == stream => self.old_run_ended(None, now),
            Phase::Linked(link) if link.stream == stream => self.link_lost(now),
            _ => {}
        }
    }

    fn not_opened(&mut self, goal: Goal, now: Now) {
        match goal {
            Goal::Run(offer) => self.not_reached(offer, now),
            Goal::OldRun => self.old_run_ended(None, now),
            Goal::Das => self.link_ended(Offline::LinkLost, now),
        }
    }

    /// Answers [`SmartOutput::Persist`] and [`SmartOutput::KeepEvent`]: this write, and all before it, survive
    /// a power cut from now on.
    pub fn persisted(&mut self, write: u64, now: Now) {
        for id in self.mail.events.persisted(write) {
            self.tell(SmartEvent::Raised { id });
        }
        self.run_persisted(write, now);
        self.drive_link(now);
    }

    /// Does what is due.
    pub fn expire(&mut self, now: Now) {
        for call in self.mail.expire(now.moment) {
            self.tell(SmartEvent::CallEnded { call, result: None });
        }
        match &self.phase {
            Phase::Waiting { until } if *until <= now.moment => self.connect_das(now),
            Phase::Opening { stream, until, goal } if *until <= now.moment => {
                let (stream, goal) = (*stream, *goal);
                self.close(stream);
                self.not_opened(goal, now);
            }
            Phase::Running(_) => self.expire_run(now),
            Phase::OldRunning(_) => self.expire_old_run(now),
            Phase::Linked(_) => self.expire_link(now),
            Phase::Waiting { .. } | Phase::Opening { .. } | Phase::Off => {}
        }
    }

    /// When to call [`SmartDevice::expire`].
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        let due = match &self.phase {
            Phase::Waiting { until } | Phase::Opening { until, .. } => Some(*until),
            Phase::Running(running) => running.next_deadline(),
            Phase::OldRunning(running) => running.next_deadline(),
            Phase::Linked(link) => link.next_deadline().into_iter().chain(self.session_end()).min(),
            Phase::Off => return None,
        };
        due.into_iter().chain(self.mail.next_deadline()).min()
    }

    /// The next effect, in the order they came about.
    pub fn next_output(&mut self) -> Option<SmartOutput> {
        self.outputs.pop_front()
    }

    /// The value of an attribute from now on. It is told at once or after the next login; of several before
    /// that, the last.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub fn set_attribute(
        &mut self,
        node: Node,
        place: Place,
        value: Value,
        now: Now,
    ) -> Result<(), NotTaken> {
        let (message_node, message_place) = (node.clone(), place.clone());
        self.check(&UpMessage::Attribute { node: message_node, place: message_place, value: value.clone() })?;
        self.mail.set_attribute(node, place, value).ok_or(NotTaken::TooMany)?;
        self.drive_link(now);
        Ok(())
    }

    /// Something happened: [`SmartEvent::Raised`] says when the event is safe, [`SmartEvent::Delivered`] when
    /// the platform has it. The event's own name, by which a repetition is known.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub fn raise(&mut self, node: Node, place: Place, data: Value, now: Now) -> Result<Uuid, NotTaken> {
        let id = Uuid::v4(self.dice.bytes());
        let at = Timestamp::from_unix_millis(self.unix_millis(now));
        let number = self.mail.events.next_number();
        let mut event = KeptEvent {
            number,
            id,
            at,
            node,
            place,
            data,
            unsafe_until: None,
            general: None,
            is_sent: false,
        };
        self.check(&event.message(u64::MAX))?;
        let dropped = self.mail.events.make_room();
        if let Some(dropped) = &dropped {
            self.stored.dropped += 1;
            self.stored.first_event = dropped.number + 1;
            self.persist();
        }
        let write = self.draw_write();
        event.unsafe_until = Some(write);
        self.outputs.push_back(SmartOutput::KeepEvent { write, number, bytes: event.write() });
        self.mail.events.push(event);
        if let Some(dropped) = dropped {
            self.outputs.push_back(SmartOutput::ForgetEvent { number: dropped.number });
            self.tell(SmartEvent::EventDropped { total: self.stored.dropped });
        }
        Ok(id)
    }

    /// Answers [`SmartOutput::Order`]: the output of an operation or the value of an attribute; nothing that
    /// is read for an attribute that was set.
    ///
    /// # Errors
    /// [`NotTaken`]; an answer that is too large is sent as a failure.
    pub fn answer(&mut self, order: u64, result: Result<Value, Failure>, now: Now) -> Result<(), NotTaken> {
        let ts = self.unix_millis(now);
        let (message, seq) = self.orders.answer(order, result).ok_or(NotTaken::NoOrder)?;
        let taken = self.check(&message);
        let message = if taken.is_ok() { message } else { failed(message) };
        self.mail.answer(message, seq, ts);
        self.drive_link(now);
        taken
    }

    /// Calls an operation of the platform; [`SmartEvent::CallEnded`] carries the call's number.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub fn call(&mut self, node: Node, place: Place, input: Value, now: Now) -> Result<u64, NotTaken> {
        let message = UpMessage::Call { node, place, input };
        self.check(&message)?;
        let call = self.mail.call(message, now.moment).ok_or(NotTaken::TooMany)?;
        self.drive_link(now);
        Ok(call)
    }

    /// The sub-devices behind this hub from now on, at most 64.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub fn set_children(&mut self, children: Vec<Child>, now: Now) -> Result<(), NotTaken> {
        if !self.factory.is_hub {
            return Err(NotTaken::NoHub);
        }
        if children.len() > CHILD_COUNT_MAX {
            return Err(NotTaken::TooMany);
        }
        self.check(&UpMessage::Children(children.clone()))?;
        self.mail.set_children(children);
        self.drive_link(now);
        Ok(())
    }

    /// A person at the device asks to enrol with the code once more; what it has stands until that succeeds.
    /// The owner has to open the window at the load balancer. `false` for a device that has no code.
    pub fn enrol_again(&mut self, now: Now) -> bool {
        let has_code = matches!(self.factory.credential, FactoryCredential::Code { .. });
        if has_code && !matches!(self.phase, Phase::Off) {
            self.course = Course { enrols_again: true, ..Course::new() };
            self.das = None;
            self.end_stream(now);
            self.attempt(now);
        }
        has_code
    }

    /// Says goodbye and stops.
    pub fn power_off(&mut self, now: Now) {
        if !matches!(self.phase, Phase::Off) {
            self.end_stream(now);
            self.phase = Phase::Off;
            self.outputs.push_back(SmartOutput::Off);
        }
    }

    fn end_stream(&mut self, now: Now) {
        match &self.phase {
            Phase::Opening { stream, .. } => self.close(*stream),
            Phase::Running(running) => self.close(running.stream),
            Phase::OldRunning(running) => self.close(running.stream),
            Phase::Linked(_) => self.leave(Offline::Local, now),
            Phase::Waiting { .. } | Phase::Off => {}
        }
    }

    /// Who it is.
    #[must_use]
    pub const fn serial(&self) -> &Serial {
        &self.factory.serial
    }

    /// The private key (PKCS#8) of a device with a key pair: whoever opens its streams needs it for its certificate,
    /// which is shown where TLS asks for one (protocol type 8).
    #[must_use]
    pub const fn key_pair(&self) -> Option<&Secret> {
        match &self.factory.credential {
            FactoryCredential::KeyPair { pkcs8, .. } => Some(pkcs8),
            FactoryCredential::Code { .. } | FactoryCredential::Psk(_) => None,
        }
    }

    /// Whether the access service has proven itself and the connection stands.
    #[must_use]
    pub fn is_online(&self) -> bool {
        matches!(&self.phase, Phase::Linked(link) if link.is_live())
    }

    /// Events that the platform does not have yet.
    #[must_use]
    pub fn waiting_events(&self) -> usize {
        self.mail.events.len()
    }

    /// The state as it would be persisted now.
    #[must_use]
    pub fn snapshot(&self) -> Secret {
        self.stored.write(&self.factory)
    }

    fn check(&self, message: &UpMessage) -> Result<(), NotTaken> {
        if matches!(self.phase, Phase::Off) {
            Err(NotTaken::Off)
        } else if is_sayable(message, &self.factory.serial) {
            Ok(())
        } else {
            Err(NotTaken::TooLarge)
        }
    }

    pub(crate) fn tell(&mut self, event: SmartEvent) {
        self.outputs.push_back(SmartOutput::Event(event));
    }

    pub(crate) fn event_settled(&mut self, number: u64, id: Uuid, reason: u8, is_refused: bool) {
        self.outputs.push_back(SmartOutput::ForgetEvent { number });
        let event =
            if is_refused { SmartEvent::EventRefused { id, reason } } else { SmartEvent::Delivered { id } };
        self.tell(event);
    }

    pub(crate) fn open(&mut self, target: Target) -> u64 {
        self.last_stream += 1;
        self.outputs.push_back(SmartOutput::Open { stream: self.last_stream, target });
        self.last_stream
    }

    pub(crate) fn close(&mut self, stream: u64) {
        self.outputs.push_back(SmartOutput::Close { stream });
    }

    const fn draw_write(&mut self) -> u64 {
        self.last_write += 1;
        self.last_write
    }

    pub(crate) fn persist(&mut self) -> u64 {
        let write = self.draw_write();
        let bytes = self.snapshot();
        self.outputs.push_back(SmartOutput::Persist { write, bytes });
        write
    }

    /// UTC as the platform knows it, else as the load balancer said, else nothing better than 0.
    pub(crate) fn unix_millis(&self, now: Now) -> u64 {
        let told = || {
            let (at, millis) = self.told_time?;
            let since = u64::try_from(now.moment.since(at).as_millis()).ok()?;
            millis.checked_add(since)
        };
        now.utc.map(Timestamp::as_unix_millis).or_else(told).unwrap_or(0)
    }

    /// One more failure: how long to wait.
    pub(crate) fn back_off(&mut self) -> Duration {
        self.failures = (self.failures + 1).min(FAILURE_COUNT_MAX);
        wait_after(self.settings.wait_unit, self.failures, &mut self.dice)
    }
}

/// The same answer as a failure.
fn failed(message: UpMessage) -> UpMessage {
    let failure = Failure { code: -1, message: "the answer is too large".into() };
    match message {
        UpMessage::Operated { node, place, .. } => UpMessage::Operated { node, place, result: Err(failure) },
        UpMessage::Answered { node, place, .. } => UpMessage::Answered { node, place, result: Err(failure) },
        other => other,
    }
}
