//! The server's side of a handshake, from a hello whose cookie was genuine.

mod finish;
mod hello;
mod key_exchange;
mod selection;
mod ticket_keys;

use alloc::boxed::Box;

use crate::Answer;
use crate::alert::Stop;
use crate::handshake::{Role, Step};
use crate::reassembly::Message;

pub(crate) use hello::greet;
pub(crate) use ticket_keys::{TicketKeys, TicketReader};

/// How far a server is.
pub(crate) enum ServerState {
    /// The client's hello is being decided on.
    Hello(Box<hello::Greeting>),
    /// Our hello is out.
    KeyExchange(Box<key_exchange::KeyExchange>),
    /// Only Finished is missing.
    Finish(Box<finish::AwaitFinished>),
}

impl ServerState {
    pub(crate) fn is_asking(&self) -> bool {
        match self {
            Self::Hello(_) => true,
            Self::KeyExchange(state) => state.is_asking(),
            Self::Finish(_) => false,
        }
    }

    pub(crate) fn wants(&self, answer: &Answer) -> bool {
        match self {
            Self::Hello(state) => state.wants(answer),
            Self::KeyExchange(state) => state.wants(answer),
            Self::Finish(_) => false,
        }
    }

    pub(crate) fn receive(self, message: &Message, step: &mut Step<'_>) -> Result<Role, Stop> {
        match self {
            Self::Hello(_) => Err(Stop::Fault),
            Self::KeyExchange(state) => state.receive(message, step),
            Self::Finish(state) => state.receive(message, step),
        }
    }

    pub(crate) fn answer(self, answer: Answer, step: &mut Step<'_>) -> Result<Role, Stop> {
        match self {
            Self::Hello(state) => state.answer(answer, step),
            Self::KeyExchange(state) => state.answer(answer, step),
            Self::Finish(_) => Err(Stop::Fault),
        }
    }
}
