//! CoAP over DTLS as one machine: datagrams of addresses in, requests of proven peers out.
//!
//! ```text
//! receive(address, datagram) -> Listener / Session -> Endpoint -> Output::Coap
//!                                   |                    |
//!                       Output::Ask, Connected, Ended    +-> Session -> Output::Transmit
//! ```
//! One association is one DTLS session and one CoAP peer with the same number. Both ends of it may ask:
//! whoever opened the session is not thereby the only client (ruling A-ASSURE-107). Who a peer is, and
//! whether it may speak, is decided by the owner of the machine, who answers the sessions' questions.
//!
//! One input, then drain [`Coaps::next_output`] until `None`, then wake up at [`Coaps::next_deadline`].
#![no_std]
extern crate alloc;

mod association;
mod limits;
mod machine;
mod output;

pub use association::{Address, AssociationId};
pub use limits::{CoapsLimits, Counters};
pub use machine::{Coaps, ConnectError};
pub use output::{End, Output};
