//! What all peers of an endpoint share: configuration, chance, outputs and budgets.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use clock::Dice;

use crate::{Config, Counters, Output, PeerId};

/// Configuration, dice, outputs not yet taken, and what counts over all peers.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) dice: Dice,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) counters: Counters,
    /// Bytes of bodies kept.
    pub(crate) transfer_bytes: usize,
    /// Requests that wait for the application.
    pub(crate) exchange_count: usize,
    /// Observers of resources of ours.
    pub(crate) observer_count: usize,
    serial: u64,
}

impl Shared {
    pub(crate) fn new(config: Config, dice: Dice) -> Self {
        Self {
            config,
            dice,
            outputs: VecDeque::new(),
            counters: Counters::default(),
            transfer_bytes: 0,
            exchange_count: 0,
            observer_count: 0,
            serial: 0,
        }
    }

    /// A number that was not given out before in this run.
    pub(crate) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub(crate) fn transmit(&mut self, peer: PeerId, datagram: Vec<u8>) {
        self.counters.sent += 1;
        self.outputs.push_back(Output::Transmit { peer, datagram });
    }

    pub(crate) fn emit(&mut self, output: Output) {
        self.outputs.push_back(output);
    }
}
