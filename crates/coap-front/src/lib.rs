//! Devices at the door: bytes of their CoAP over DTLS to values of the domain, and back. No I/O.
//!
//! ```text
//! datagrams -> Coaps -> Entrance (who is it, and is it proven?) -> routes -> Event
//!                                                                           Command -> response
//! ```
//! [`bootstrap::BootstrapFace`] serves the bootstrap API, [`channels::ChannelFace`] the channels of a
//! management system, [`things::ThingsFace`] callers of things, [`time::TimeFace`] the time over plain CoAP. A face never waits: it puts out events,
//! each with what answers it, and takes the answers as commands, late and in any order.
//!
//! One input (`receive`, `command`, `refused`, `expire`, `stop`), then drain `next_output` until `None`, then
//! wake up at `next_deadline`.

pub mod bootstrap;
pub mod channels;
pub mod things;
pub mod time;

mod admission;
mod entrance;
mod guest;
mod limits;
mod output;
mod ticket_state;

pub use admission::{Admission, AdmissionKey, Claim, Proven};
pub use limits::{Counters, EntranceLimits};
pub use output::Output;

// What stands in this crate's values.
pub use coap_proto::{Code, ExchangeId};
pub use coaps::AssociationId;
pub use dtls_proto::{Credential, PeerName};
