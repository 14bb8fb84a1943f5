//! The machine itself: its inputs, and when it wakes up.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use assure_proto::{ChannelId, ChannelState, GoodbyeReason};
use clock::{Dice, Moment, Now, Timestamp};
use coap_proto::{Config, Endpoint, ExchangeId, Limits, Response};
use coaps::{Coaps, CoapsLimits};
use crypto::{CryptoError, Provider, Secret};
use dtls_proto::{Listener, ListenerSetup};
use model::Uuid;
use wire::DecodeError;

use crate::api::{Api, Effect};
use crate::bootstrap::Bootstrap;
use crate::channels::Channels;
use crate::errands::Errands;
use crate::factory::Own;
use crate::goodbye::{Act, Goodbye};
use crate::limits::{ASSOCIATION_COUNT_MAX, CONNECTION_ID_LENGTH, RISING_COUNT_MAX};
use crate::means::Means;
use crate::ownership::Phase;
use crate::state::DeviceState;
use crate::time::DeviceClock;
use crate::{AgentEvent, Control, Output, Settings};

/// A button held at least so long asks for a new owner's image. Source: TS-H8.
const BOOTSTRAP_PRESS: Duration = Duration::from_secs(5);
/// Held so long it would contest a claim. Source: TS-H9, which is not built yet.
const CONTEST_PRESS: Duration = Duration::from_secs(10);

/// Why a stored state cannot be started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// The bytes are no state, or one of a later program.
    Malformed(DecodeError),
    /// The provider cannot use the device's own key.
    Key(CryptoError),
}

impl core::fmt::Display for StartError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "malformed device state: {error}"),
            Self::Key(error) => write!(f, "the device's key cannot be used: {error}"),
        }
    }
}

impl core::error::Error for StartError {}

/// An answer that waits for a state to be written.
pub(crate) struct Awaiting {
    pub(crate) number: u64,
    pub(crate) exchange: ExchangeId,
    pub(crate) response: Response,
    pub(crate) effects: Vec<Effect>,
}

/// A device.
pub struct Agent {
    pub(crate) means: Means,
    pub(crate) state: DeviceState,
    pub(crate) phase: Phase,
    pub(crate) written: u64,
    pub(crate) awaiting: VecDeque<Awaiting>,
    pub(crate) api: Api,
    pub(crate) bootstrap: Bootstrap,
    pub(crate) channels: Channels,
    pub(crate) errands: Errands,
    pub(crate) goodbye: Goodbye,
    pub(crate) clock: DeviceClock,
    /// Whether goodbye was said for a bootstrap that has not changed anything yet.
    pub(crate) must_return: bool,
}

impl Agent {
    /// Switches a device on: `stored` is what was last persisted, or [`crate::Factory::first_state`].
    ///
    /// `dice` must be seeded afresh at every start.
    /// # Errors
    /// See [`StartError`].
    pub fn start(
        stored: &[u8],
        settings: &Settings,
        provider: Arc<dyn Provider>,
        mut dice: Dice,
        now: Now,
    ) -> Result<Self, StartError> {
        let (factory, state) = DeviceState::read(stored).map_err(StartError::Malformed)?;
        let own = Own::load(&*provider, factory).map_err(StartError::Key)?;
        let listener = Listener::new(ListenerSetup::new(Arc::clone(&provider), dice.split()), now.moment);
        let endpoint = Endpoint::new(coap_config(), dice.split());
        let limits = CoapsLimits {
            association_count_max: ASSOCIATION_COUNT_MAX,
            rising_count_max: RISING_COUNT_MAX,
            ..CoapsLimits::default()
        };
        let lines = Coaps::new(Some(listener), endpoint, limits).with_connection_ids(CONNECTION_ID_LENGTH);
        let mut agent = Self {
            means: Means { provider, own, dice, lines, outputs: VecDeque::new() },
            state,
            phase: Phase::Settled,
            written: 0,
            awaiting: VecDeque::new(),
            api: Api::new(),
            bootstrap: Bootstrap::new(settings),
            channels: Channels::new(settings),
            errands: Errands::new(settings.presence_every),
            goodbye: Goodbye::default(),
            clock: DeviceClock::new(settings.platform_time),
            must_return: false,
        };
        agent.boot(now);
        Ok(agent)
    }

    /// Takes in one datagram.
    pub fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Now) {
        if !self.is_stopped() {
            self.means.lines.receive(from, datagram, now);
            self.drain_lines(now);
        }
    }

    /// Does what is due.
    pub fn expire(&mut self, now: Now) {
        if self.is_stopped() {
            return;
        }
        self.means.lines.expire(now);
        self.drain_lines(now);
        self.drive(now);
    }

    /// Somebody at the device does something.
    pub fn control(&mut self, control: Control, now: Now) {
        if self.is_stopped() {
            return;
        }
        match control {
            Control::Held(duration) if duration < BOOTSTRAP_PRESS => {
                self.means.tell(AgentEvent::ButtonIgnored)
            }
            Control::Held(duration) => {
                if duration >= CONTEST_PRESS {
                    self.means.tell(AgentEvent::ContestNotAvailable);
                }
                self.say_goodbye(GoodbyeReason::BootstrapByLocalControl, Act::Bootstrap, now);
            }
            Control::Reboot => self.say_goodbye(GoodbyeReason::RebootByLocalControl, Act::Reboot, now),
            Control::PowerOff => self.say_goodbye(GoodbyeReason::ShuttingDown, Act::PowerOff, now),
            Control::FactoryReset => self.reset(now),
            Control::AllowWalledGarden => {
                self.bootstrap.allow_garden();
                self.means.tell(AgentEvent::WalledGardenAllowed);
            }
        }
        self.drive(now);
    }

    /// Answers [`Output::Resolve`]: the server's address, or none.
    pub fn resolved(&mut self, address: Option<SocketAddr>, now: Now) {
        if self.is_stopped() {
            return;
        }
        if let Some(failure) = self.bootstrap.resolved(address, &mut self.means, now) {
            self.bootstrap_failed(failure, now);
        }
        self.drain_lines(now);
    }

    /// Answers [`Output::Persist`]: state `number`, and all before it, survive a power cut from now on.
    pub fn persisted(&mut self, number: u64, now: Now) {
        if self.is_stopped() {
            return;
        }
        while self.awaiting.front().is_some_and(|awaiting| awaiting.number <= number) {
            let Some(done) = self.awaiting.pop_front() else { break };
            self.respond(done.exchange, done.response, &done.effects, now);
        }
        self.written_through(number, now);
        self.drive(now);
    }

    /// Answers [`Output::Erase`].
    pub fn erased(&mut self, now: Now) {
        if !self.is_stopped() {
            self.erasure_done(now);
            self.drive(now);
        }
    }

    /// The next effect, in the order they came about.
    pub fn next_output(&mut self) -> Option<Output> {
        self.means.outputs.pop_front()
    }

    /// When to call [`Agent::expire`].
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        if self.is_stopped() {
            return None;
        }
        let asking = if self.phase.is_settled() { self.bootstrap.next_deadline() } else { None };
        let others =
            [self.channels.next_deadline(), self.errands.next_deadline(), self.goodbye.next_deadline()];
        others.into_iter().chain([asking, self.means.lines.next_deadline()]).flatten().min()
    }

    /// The device's UUID.
    #[must_use]
    pub const fn device(&self) -> Uuid {
        self.means.own.uuid()
    }

    /// The state as it would be persisted now.
    #[must_use]
    pub fn snapshot(&self) -> Secret {
        self.state.write(&self.means.own.factory)
    }

    /// A parameter that the owner set, for the device's application.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&[u8]> {
        self.state.parameters.get(name).map(Vec::as_slice)
    }

    /// Whether an image was applied in full.
    #[must_use]
    pub const fn is_configured(&self) -> bool {
        self.state.is_configured
    }

    /// Owners so far.
    #[must_use]
    pub const fn sequence_number(&self) -> u32 {
        self.state.record.sequence_number
    }

    /// Where the channels stand, in the order of their numbers.
    pub fn channel_states(&self) -> impl Iterator<Item = (ChannelId, ChannelState)> {
        self.channels.statuses(&self.state).into_iter().map(|status| (status.id, status.state))
    }

    /// UTC for the application: as the owner's management system told it, else the platform's.
    #[must_use]
    pub fn utc(&self, now: Now) -> Option<Timestamp> {
        self.clock.utc(now)
    }

    fn is_stopped(&self) -> bool {
        matches!(self.phase, Phase::Stopped)
    }
}

impl core::fmt::Debug for Agent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Agent").field("device", &self.device()).finish_non_exhaustive()
    }
}

fn coap_config() -> Config {
    let limits = Limits {
        peer_count_max: ASSOCIATION_COUNT_MAX,
        exchange_count_max: 32,
        observer_count_max: 64,
        body_size_max: assure_proto::IMAGE_LENGTH_MAX,
        transfers_per_peer_max: 4,
        transfer_bytes_per_peer_max: 2 * assure_proto::IMAGE_LENGTH_MAX,
        transfer_bytes_max: 8 * assure_proto::IMAGE_LENGTH_MAX,
        ..Limits::default()
    };
    Config { limits, ..Config::default() }
}
