//! The machines of one connection, and what outlives it.

mod absence;
mod aliases;
mod client;
mod expiry;
mod flow;
mod incoming;
mod limits;
mod message;
mod outbox;
mod outgoing;
mod saved;
mod server;
mod violation;

pub use absence::{Absence, AbsenceOutput};
pub use client::{
    Authentication, Client, ClientEnd, ClientOutput, ConnectOptions, Connected, NotConnectable, SignIn,
};
pub use expiry::{Countdown, Remaining};
pub use incoming::Incoming;
pub use limits::{Capabilities, Limits, ServerSettings};
pub use message::{LastWill, Message, Publication};
pub use outgoing::NotSent;
pub use saved::{SavedSession, Unacknowledged};
pub use server::{
    Accept, ConnectRequest, NotAccepted, OwnedPassword, Server, ServerEnd, ServerOutput, SubscribeRequest,
    UnsubscribeRequest,
};
pub use violation::{End, NotAsked, Violation};
