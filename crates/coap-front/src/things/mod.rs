//! Callers of things, over CoAP and DTLS: who they are by a shared key, and their requests as they came.
//!
//! ```text
//! ClientHello -> PSK suites alone -> identity -> WhoIs -> Known: its key | Unknown: a key that nobody has
//! proven       -> Asks -> Respond | RespondObserved -> Observing -> Notify ...
//! ```
//! Nothing is decided here. Source: ADR 0321.

mod face;
mod values;

pub use face::{ThingsFace, ThingsSetup};
pub use values::{ThingsCaller, ThingsCommand, ThingsEvent};

// What stands in these values.
pub use coap_proto::{
    ContentFormat, Incoming, Interest, Link, ObserverId, OptionNumber, Options, Response, write_links,
};
