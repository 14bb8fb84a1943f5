//! A smart device of OSAP, without I/O: how it proves itself to the load balancer, and its session at an
//! access service.
//!
//! ```text
//! inputs: opened, receive, closed, persisted, expire        from the platform, each with `now`
//!         set_attribute, raise, call, answer, set_children  from the application
//!                           SmartDevice
//!    attempt --> run (H1-I .. B2) --> session (CONNECT, greeting) --> orders, reports, events
//!        ^---- waiting <-----'  <---------------'
//! outputs: Open, Transmit, Close, Persist, KeepEvent, ForgetEvent, Order, Desired, Event, Off
//! ```
//! One input, then drain [`SmartDevice::next_output`] until `None`, then wake up at
//! [`SmartDevice::next_deadline`]. The platform gives one stream at a time (TCP, or TLS 1.3 with the key it is
//! told to expect), one place for a state of about a kilobyte, and a place for events by their number.
//!
//! Source: docs/osap-secure.md, sections 3, 5, 7 to 9 and 11 to 14; names of sections mean that page. ADR 0271.

mod credential;
mod events;
mod factory;
mod mail;
mod old;
mod orders;
mod output;
mod running;
mod session;
mod settings;
mod smart_device;
mod state;

pub use credential::CredentialKind;
pub use factory::{FactoryCredential, SmartFactory};
pub use orders::{Order, OrderKind};
pub use output::{Offline, SmartEvent, SmartOutput, Target, Trouble};
pub use settings::{SmartSettings, wait_after};
pub use smart_device::{BadStart, NotTaken, SmartDevice};
