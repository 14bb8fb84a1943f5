//! CoAP messages, exchanges, block-wise transfer and observation as a machine without I/O.
//!
//! [`Message`] reads and writes datagrams. [`Endpoint`] is client and server at once for many peers: it
//! takes datagrams and commands with the present moment, and gives [`Output`]s. [`Router`] maps a method and
//! a path to a route, for live requests and for messages stored in a bootstrap image ([`StoredRequest`]).
//!
//! ```
//! use clock::{Dice, Moment};
//! use coap_proto::{Code, Config, ContentFormat, Endpoint, Output, PathLimits, PeerId, Request, Response};
//!
//! let now = Moment::START;
//! let mut device = Endpoint::new(Config::default(), Dice::numbered(1));
//! let mut system = Endpoint::new(Config::default(), Dice::numbered(2));
//! let (at_device, at_system) = (PeerId(1), PeerId(2));
//! device.connect(at_device, PathLimits::SECURED).expect("there is room");
//! system.connect(at_system, PathLimits::SECURED).expect("there is room");
//!
//! let asked = system.request(at_system, Request::new(Code::GET, "/v1/info"), now).expect("nothing else is asked");
//! let mut answer = None;
//! while answer.is_none() {
//!     while let Some(output) = system.next_output() {
//!         match output {
//!             Output::Transmit { datagram, .. } => device.receive(at_device, &datagram, now),
//!             Output::Answer { request, response } if request == asked => answer = Some(response),
//!             other => panic!("{other:?}"),
//!         }
//!     }
//!     while let Some(output) = device.next_output() {
//!         match output {
//!             Output::Transmit { datagram, .. } => system.receive(at_system, &datagram, now),
//!             Output::Request(incoming) => {
//!                 let info = Response::content(ContentFormat::CBOR, [0x80]);
//!                 device.respond(incoming.exchange, info, now).expect("it was just asked");
//!             }
//!             other => panic!("{other:?}"),
//!         }
//!     }
//! }
//! assert_eq!(answer.map(|response| response.payload), Some(vec![0x80]));
//! ```
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
mod reading;
mod router;
mod short_bytes;
mod stored;

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
