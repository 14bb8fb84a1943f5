//! Smart devices at the door: the load balancer that devices prove themselves to, and the access service that
//! they speak sealed MQTT with.
//!
//! Both faces are machines without I/O over many connections: bytes, commands and the present moment in, outputs
//! out. What has to be stored or looked up leaves as an event and comes back as a command; chance comes in as
//! dice. Source: docs/osap-secure.md; names of sections mean that page.
#![forbid(unsafe_code)]

pub mod das;
pub mod lbs;
pub mod link;

mod output;

pub use output::{LineId, Output};
