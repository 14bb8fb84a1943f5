//! The client's side of a handshake.

mod finish;
mod hello;
mod key_exchange;

use alloc::boxed::Box;

use crate::Answer;
use crate::alert::Stop;
use crate::handshake::{Role, Step};
use crate::reassembly::Message;

pub(crate) use hello::AwaitServerHello;

/// How far a client is.
pub(crate) enum ClientState {
    /// The hello is out.
    Hello(Box<AwaitServerHello>),
    /// The server's hello has come.
    KeyExchange(Box<key_exchange::KeyExchange>),
    /// Only Finished is missing.
    Finish(Box<finish::AwaitFinished>),
}

impl ClientState {
    pub(crate) fn is_asking(&self) -> bool {
        matches!(self, Self::KeyExchange(state) if state.is_asking())
    }

    pub(crate) fn wants(&self, answer: &Answer) -> bool {
        matches!(self, Self::KeyExchange(state) if state.wants(answer))
    }

    pub(crate) fn receive(self, message: &Message, step: &mut Step<'_>) -> Result<Role, Stop> {
        match self {
            Self::Hello(state) => state.receive(message, step),
            Self::KeyExchange(state) => state.receive(message, step),
            Self::Finish(state) => state.receive(message, step),
        }
    }

    pub(crate) fn answer(self, answer: Answer, step: &mut Step<'_>) -> Result<Role, Stop> {
        match self {
            Self::KeyExchange(state) => state.answer(answer, step),
            Self::Hello(_) | Self::Finish(_) => Err(Stop::Fault),
        }
    }
}
