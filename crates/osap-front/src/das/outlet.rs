//! What goes out, with the events that the owner has no room for.

use std::collections::VecDeque;

use super::words::DasEvent;
use crate::{LineId, Output};

/// What is to be done, in order.
///
/// The first event that is refused holds all that are behind it until they are offered again: else one of them could
/// find the place that the first did not, and a device would be gone before it came.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    outputs: VecDeque<Output<DasEvent>>,
    /// Behind every event in `outputs`.
    backlog: VecDeque<DasEvent>,
    is_held: bool,
}

impl Outlet {
    pub(super) fn transmit(&mut self, line: LineId, bytes: Vec<u8>) {
        self.outputs.push_back(Output::Transmit { line, bytes });
    }

    pub(super) fn close(&mut self, line: LineId) {
        self.outputs.push_back(Output::Close { line });
    }

    /// Tells the owner, behind what waits already.
    pub(super) fn tell(&mut self, event: DasEvent) {
        if self.is_held || !self.backlog.is_empty() {
            self.backlog.push_back(event);
        } else {
            self.outputs.push_back(Output::Event(event));
        }
    }

    /// The owner has no room for `first`: nothing is offered until [`Self::offer`]. The newest of what waits, over
    /// `count_max`, is given back.
    pub(super) fn hold(&mut self, first: DasEvent, count_max: usize) -> VecDeque<DasEvent> {
        self.is_held = true;
        let mut waiting = VecDeque::from([first]);
        for output in std::mem::take(&mut self.outputs) {
            match output {
                Output::Event(event) => waiting.push_back(event),
                other => self.outputs.push_back(other),
            }
        }
        while let Some(event) = waiting.pop_back() {
            self.backlog.push_front(event);
        }
        self.backlog.split_off(count_max.min(self.backlog.len()))
    }

    /// What waits may be offered again.
    pub(super) fn offer(&mut self) {
        self.is_held = false;
    }

    /// Events that wait are handed out one by one: what the first refusal holds was not moved before.
    pub(super) fn next(&mut self) -> Option<Output<DasEvent>> {
        match self.outputs.pop_front() {
            None if !self.is_held => self.backlog.pop_front().map(Output::Event),
            next => next,
        }
    }
}
