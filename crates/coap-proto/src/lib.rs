//! CoAP messages, exchanges, block-wise transfer and observation as a machine without I/O.
//!
//! [`Message`] reads and writes datagrams. [`Endpoint`] is client and server at once for many peers: it
//! takes datagrams and commands with the present moment, and gives [`Output`]s. [`Router`] maps a method and
//! a path to a route, for live requests and for messages stored in a bootstrap image ([`StoredRequest`]).
//!
//! Not here: multicast, TCP and WebSocket, Q-Block, proxies (a request for one is answered 5.05).
//!
//! Source: RFC 7252, 7641 (observe), 7959 (blocks), 7967 (No-Response), 8132 (FETCH, PATCH), 8516 (4.29),
//! 8768 (Hop-Limit), 9175 (Echo, Request-Tag), 6690 (link format).
#![no_std]
extern crate alloc;

mod block;
mod code;
mod condition;
mod config;
mod endpoint;
mod exchange;
mod link;
mod message;
mod number;
mod options;
mod output;
mod router;
mod stored;
mod vetting;

pub use block::{BadBlock, Block, BlockSize, BlockValue};
pub use code::{Code, Kind, MessageId, Token};
pub use condition::{Precondition, accepted_format, precondition, require_format};
pub use config::{Amplification, Config, Limits, PathLimits, Transmission};
pub use endpoint::Endpoint;
pub use exchange::{
    Delivery, ExchangeId, Incoming, Interest, ObserverId, PeerId, Request, RequestId, Response,
};
pub use link::{Link, write_links};
pub use message::{Malformed, Message, MessageWriter};
pub use number::{ContentFormat, OptionNumber};
pub use options::{OptionIter, OptionSet, Options};
pub use output::{Busy, Counters, Failure, Gone, ObserverEnd, Output, TooManyPeers};
pub use router::{Found, Route, Router};
pub use stored::{NotReplayable, StoredRequest, store_request};
