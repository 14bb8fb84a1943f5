//! A device that runs: its agent, one UDP socket, one sealed state, lines of a person, signals.
//!
//! ```text
//! datagrams, lines, signals, addresses, deadlines --> Agent --> datagrams, lookups, writes, erasure, events
//! ```
//! Everything that the agent wants done is done in its order on one thread, so nothing that depends on a
//! write goes out before the write is safe.
//! Source: decision G 34; TS-M14; ADR 0087.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent::{Agent, Control, Settings};
use assure_proto::BootstrapServerId;
use crypto::Provider;
use model::CorrelationId;
use net::now::Clock;
use net::seed;
use net::shutdown::StopSignals;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::audit_log::AuditLog;
use super::control_lines::{self, KNOWN, Line};
use super::said;
use super::sealed_state::SealedState;
use super::servers::Servers;
use super::until;
use super::user_data::UserData;
use super::voice::{Said, Voice};
use crate::failure::{Failure, Outcome};

/// No UDP payload is longer.
const DATAGRAM_LENGTH_MAX: usize = 65_535;
/// So many datagrams are taken in a row before lines, signals and deadlines get their turn.
const BATCH_COUNT_MAX: usize = 64;
/// So long a full send buffer of the operating system is waited for; then the datagram is lost.
const SEND_TIME_MAX: Duration = Duration::from_millis(50);
/// Goodbye takes two seconds at most; whatever else keeps the agent is cut off.
const STOP_TIME_MAX: Duration = Duration::from_millis(2_500);

/// How a device is to run.
pub(crate) struct Setup {
    /// The folder of its state.
    pub(crate) state: PathBuf,
    /// Where user data is, unless in the folder of the state.
    pub(crate) data: Option<PathBuf>,
    /// Where it is reached.
    pub(crate) listen: SocketAddr,
    /// How bootstrap servers are found.
    pub(crate) servers: Servers,
    /// Its waits.
    pub(crate) settings: Settings,
}

/// What follows an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    GoOn,
    SwitchOff,
}

enum Input {
    Readable,
    Line(Option<Line>),
    Found(Option<SocketAddr>),
    Deadline,
    Signal,
    TimeIsUp,
}

/// Runs a device until it is switched off.
///
/// # Errors
/// Those of the state's folder and of the data folder; `cannot-listen`; `state-damaged` when the state is none
/// that this agent knows. A state that cannot be written ends the run: a device that forgets must not go on.
pub(crate) async fn run(setup: Setup, provider: Arc<dyn Provider>, voice: &Voice) -> Outcome {
    let (state, stored) = SealedState::open(&setup.state, &provider)?;
    let data = UserData::of(&setup.state, setup.data.as_deref())?;
    let unbound = |error| Failure::new("cannot-listen", setup.listen.to_string()).because(error);
    let socket = UdpSocket::bind(setup.listen).await.map_err(unbound)?;
    let local = socket.local_addr().map_err(unbound)?;
    let signals =
        StopSignals::listen().map_err(|error| Failure::new("internal", "signals").because(error))?;
    let clock = Clock::start();
    let agent = start(&state, stored.expose(), &setup.settings, &provider, clock)?;
    voice.say(
        &Said::new("listening", format!("device {} listens on {local}", agent.device()))
            .with("device", agent.device().to_string())
            .with("address", local.to_string())
            .with("write", state.number()),
    );
    let (found_out, found) = mpsc::channel(1);
    let mut dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
    let audit = AuditLog::open(&setup.state, agent.device(), CorrelationId(dice.bytes()));
    let Setup { servers, settings, .. } = setup;
    let running = Running {
        agent,
        audit,
        state,
        data,
        socket,
        local,
        clock,
        provider,
        voice,
        servers,
        settings,
        found_out,
        lookup: None,
        stop_at: None,
    };
    running.until_off(signals, control_lines::listen(), found).await
}

fn start(
    state: &SealedState,
    stored: &[u8],
    settings: &Settings,
    provider: &Arc<dyn Provider>,
    clock: Clock,
) -> Outcome<Agent> {
    let dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
    let agent = Agent::start(stored, settings, Arc::clone(provider), dice, clock.now());
    agent.map_err(|error| Failure::new("state-damaged", state.folder().display().to_string()).because(error))
}

struct Running<'a> {
    agent: Agent,
    audit: AuditLog,
    state: SealedState,
    data: UserData,
    socket: UdpSocket,
    local: SocketAddr,
    clock: Clock,
    provider: Arc<dyn Provider>,
    voice: &'a Voice,
    servers: Servers,
    settings: Settings,
    found_out: mpsc::Sender<Option<SocketAddr>>,
    lookup: Option<JoinHandle<()>>,
    /// When a stop that was asked for is cut short.
    stop_at: Option<tokio::time::Instant>,
}

impl Running<'_> {
    async fn until_off(
        mut self,
        mut signals: StopSignals,
        mut lines: mpsc::Receiver<Line>,
        mut found: mpsc::Receiver<Option<SocketAddr>>,
    ) -> Outcome {
        let mut buffer = vec![0; DATAGRAM_LENGTH_MAX];
        let mut lines_open = true;
        while self.drain().await? == Then::GoOn {
            let input = tokio::select! {
                _ = signals.next() => Input::Signal,
                () = until(self.stop_at) => Input::TimeIsUp,
                // a failed wait is seen by the read that follows
                _ = self.socket.readable() => Input::Readable,
                line = lines.recv(), if lines_open => Input::Line(line),
                Some(address) = found.recv() => Input::Found(address),
                () = until(self.agent.next_deadline().map(|at| self.clock.instant_of(at))) => Input::Deadline,
            };
            match input {
                Input::Readable => {
                    if self.receive(&mut buffer).await? == Then::SwitchOff {
                        break;
                    }
                }
                Input::Line(Some(line)) => self.take(line),
                Input::Line(None) => lines_open = false,
                Input::Found(address) => self.agent.resolved(address, self.clock.now()),
                Input::Deadline => self.agent.expire(self.clock.now()),
                // asked a second time, nobody is told any more
                Input::Signal if self.stop_at.is_some() => break,
                Input::Signal => {
                    self.stop_at = Some(tokio::time::Instant::now() + STOP_TIME_MAX);
                    self.agent.control(Control::PowerOff, self.clock.now());
                }
                Input::TimeIsUp => break,
            }
        }
        self.voice.say(&Said::new("off", "switched off"));
        Ok(())
    }

    async fn receive(&mut self, buffer: &mut [u8]) -> Outcome<Then> {
        for _ in 0..BATCH_COUNT_MAX {
            match self.socket.try_recv_from(buffer) {
                Ok((length, from)) => self.agent.receive(from, &buffer[..length], self.clock.now()),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                // as by an ICMP message for something sent before
                Err(_) => tokio::task::yield_now().await,
            }
            if self.drain().await? == Then::SwitchOff {
                return Ok(Then::SwitchOff);
            }
        }
        Ok(Then::GoOn)
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Control(control) => self.agent.control(control, self.clock.now()),
            Line::Status => self.voice.say(&self.standing()),
            Line::Unknown => {
                let sentence = format!("no such line; there are: {}", KNOWN.join(", "));
                self.voice.say(&Said::new("unknown-line", sentence).with("known", KNOWN.to_vec()));
            }
        }
    }

    /// Does all that the agent wants done, in order.
    async fn drain(&mut self) -> Outcome<Then> {
        while let Some(output) = self.agent.next_output() {
            match output {
                agent::Output::Transmit { to, datagram } => self.send(to, &datagram).await,
                agent::Output::Resolve { server } => self.look_up(server),
                agent::Output::Persist { number, bytes } => {
                    let write = self.state.write(&bytes)?;
                    self.voice
                        .say(&Said::new("persisted", format!("state {write} is safe")).with("write", write));
                    self.agent.persisted(number, self.clock.now());
                }
                agent::Output::Erase => {
                    self.data.erase()?;
                    self.state.forget_earlier()?;
                    self.agent.erased(self.clock.now());
                }
                agent::Output::Event(event) => {
                    let said = said::of(&event);
                    self.audit.remember(&said, self.clock.now());
                    self.voice.say(&said);
                }
                agent::Output::Reboot => self.reboot()?,
                agent::Output::PowerOff => return Ok(Then::SwitchOff),
            }
        }
        Ok(Then::GoOn)
    }

    /// A datagram that cannot be sent is lost, as any may be: the protocols above repeat it.
    async fn send(&self, to: SocketAddr, datagram: &[u8]) {
        let sending = self.socket.send_to(datagram, to);
        let _lost_or_sent = tokio::time::timeout(SEND_TIME_MAX, sending).await;
    }

    fn look_up(&mut self, server: BootstrapServerId) {
        self.forget_lookup();
        let (servers, local, found_out) = (self.servers.clone(), self.local, self.found_out.clone());
        self.lookup = Some(tokio::spawn(async move {
            let address = servers.find(server, local).await;
            // nobody waits for it when the device is off
            let _taken = found_out.send(address).await;
        }));
    }

    fn forget_lookup(&mut self) {
        if let Some(lookup) = self.lookup.take() {
            lookup.abort();
        }
    }

    /// As after a power-on: nothing is left but what was stored.
    fn reboot(&mut self) -> Outcome {
        self.voice.say(&Said::new("rebooting", "starting again"));
        self.forget_lookup();
        let stored = self.state.read()?;
        self.agent = start(&self.state, stored.expose(), &self.settings, &self.provider, self.clock)?;
        Ok(())
    }

    fn standing(&self) -> Said {
        let agent = &self.agent;
        let channels: Vec<_> = agent
            .channel_states()
            .map(|(id, state)| serde_json::json!({ "id": id.number(), "state": state.number(), "name": said::kebab(&state) }))
            .collect();
        let open = channels.len();
        let sentence = format!(
            "device {}, owner {}, {}, channels: {open}",
            agent.device(),
            agent.sequence_number(),
            if agent.is_configured() { "configured" } else { "not configured" },
        );
        Said::new("status", sentence)
            .with("device", agent.device().to_string())
            .with("sequence_number", agent.sequence_number())
            .with("configured", agent.is_configured())
            .with("write", self.state.number())
            .with("channels", channels)
    }
}
