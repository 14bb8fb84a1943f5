//! The platform of a fuzzed agent: does what the agent asks, and checks what it puts out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use agent::{Agent, AgentEvent, Control, Output};
use assure_proto::ChannelState;
use clock::{Dice, Moment, Now};
use crypto::Secret;
use crypto_server::Server;

use crate::world::BOOTSTRAP;

/// Outputs that one input may bring about: a flight to every channel and what is told of it.
const OUTPUTS_MAX: usize = 1000;
/// A state holds 64 keys of 4 KiB and 32 parameters at the most.
const STATE_LENGTH_MAX: usize = 512 * 1024;
const DATAGRAM_SIZE_MAX: usize = 1232;

pub(super) struct Platform {
    pub(super) agent: Agent,
    pub(super) now: Moment,
    /// Datagrams to be sent.
    pub(super) way: Vec<(SocketAddr, Vec<u8>)>,
    /// Whether the wishes of the agent are fulfilled at once.
    pub(super) is_prompt: bool,
    pub(super) has_opened: bool,
    last: bool,
    newest: u64,
    sequence_number: u32,
    disk: Option<Secret>,
}

impl Platform {
    pub(super) fn new(agent: Agent, now: Moment) -> Self {
        let sequence_number = agent.sequence_number();
        Self {
            agent,
            now,
            way: Vec::new(),
            is_prompt: true,
            has_opened: false,
            last: false,
            newest: 0,
            sequence_number,
            disk: None,
        }
    }

    pub(super) fn now(&self) -> Now {
        Now::without_utc(self.now)
    }

    /// Takes all outputs, checks them, and does what is wished.
    pub(super) fn settle(&mut self) {
        let now = self.now();
        let mut count = 0;
        while let Some(output) = self.agent.next_output() {
            count += 1;
            assert!(count <= OUTPUTS_MAX, "one input brings about more and more");
            assert!(!self.last, "nothing follows the last output: {output:?}");
            match output {
                Output::Transmit { to, datagram } => {
                    assert!(datagram.len() <= DATAGRAM_SIZE_MAX, "{} bytes", datagram.len());
                    self.way.push((to, datagram));
                }
                Output::Resolve { .. } if self.is_prompt => self.agent.resolved(Some(BOOTSTRAP), now),
                Output::Persist { number, bytes } => {
                    assert!(number > self.newest, "numbers of states rise");
                    assert!(bytes.len() <= STATE_LENGTH_MAX, "a state of {} bytes", bytes.len());
                    self.newest = number;
                    self.disk = Some(bytes);
                    if self.is_prompt {
                        self.agent.persisted(number, now);
                    }
                }
                Output::Erase if self.is_prompt => self.agent.erased(now),
                Output::Resolve { .. } | Output::Erase => {}
                Output::Event(event) => self.hear(&event),
                Output::Reboot | Output::PowerOff => self.last = true,
            }
        }
        let before = std::mem::replace(&mut self.sequence_number, self.agent.sequence_number());
        assert!(self.sequence_number >= before, "owners are never taken back");
        if self.last {
            assert_eq!(self.agent.next_deadline(), None, "the stopped do not wake");
        }
    }

    fn hear(&mut self, event: &AgentEvent) {
        if let AgentEvent::ChannelChanged { state: ChannelState::Open, .. } = event {
            assert!(self.agent.is_configured(), "a channel opens before the configuration stands");
            self.has_opened = true;
        }
    }

    pub(super) fn receive(&mut self, from: SocketAddr, datagram: &[u8]) {
        self.agent.receive(from, datagram, self.now());
        self.settle();
    }

    /// Lets time pass and does what is due; time must not stand still.
    pub(super) fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
        for _ in 0..1000 {
            if self.agent.next_deadline().is_none_or(|next| next > self.now) {
                return;
            }
            self.agent.expire(self.now());
            self.settle();
        }
        panic!("something stays due");
    }

    pub(super) fn pass_to_deadline(&mut self) {
        let next = self.agent.next_deadline().unwrap_or(self.now);
        self.pass(next - self.now);
    }

    pub(super) fn control(&mut self, choice: u8) {
        let control = match choice % 8 {
            0..=2 => Control::Held(Duration::from_secs(u64::from(choice >> 4))),
            3 => Control::Reboot,
            4 => Control::PowerOff,
            5 => Control::FactoryReset,
            _ => Control::AllowWalledGarden,
        };
        self.agent.control(control, self.now());
        self.settle();
    }

    /// An answer of the platform that may fit nothing.
    pub(super) fn answer(&mut self, choice: u8) {
        let now = self.now();
        match choice % 4 {
            0 => self.agent.persisted(self.newest, now),
            1 => self.agent.erased(now),
            2 => self.agent.resolved(None, now),
            _ => self.agent.resolved(Some(BOOTSTRAP), now),
        }
        self.settle();
    }

    /// What was stored last starts a device of the same owner.
    pub(super) fn finish(self) {
        let Some(disk) = self.disk else { return };
        let settings = agent::Settings::default();
        let now = Now::without_utc(self.now);
        let again = Agent::start(disk.expose(), &settings, Arc::new(Server), Dice::numbered(8), now);
        let again = again.expect("what was stored starts again");
        assert!(again.sequence_number() <= self.sequence_number && again.device() == self.agent.device());
    }
}
