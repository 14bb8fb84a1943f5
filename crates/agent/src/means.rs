//! What the parts of an agent act with: who we are, chance, the associations, and the way out.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::net::SocketAddr;

use clock::Dice;
use coaps::Coaps;
use crypto::Provider;

use crate::factory::Own;
use crate::{AgentEvent, Output};

pub(crate) struct Means {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) own: Own,
    pub(crate) dice: Dice,
    pub(crate) lines: Coaps<SocketAddr>,
    pub(crate) outputs: VecDeque<Output>,
}

impl Means {
    pub(crate) fn tell(&mut self, event: AgentEvent) {
        self.outputs.push_back(Output::Event(event));
    }
}
