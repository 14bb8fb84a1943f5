//! Things over MQTT and CoAP: what their fronts ask in values is put to the hub desk, where it is decided.
//!
//! ```text
//! mqtt-front  -- ThingsEvent -->  mqtt::ThingsDesk  --+
//!             <- ThingsCommand --                     +-->  hub_desk::HubDesk  -->  hub, consent
//! coap-front  -- ThingsEvent -->  coap::ThingsDesk  --+
//!             <- ThingsCommand --
//! ```
//! A front translates and decides nothing, and nothing is decided here but in which order questions are put and
//! how an answer is written. The words of refusals are those of the HTTP interface. Source: ADRs 0320, 0321.

mod caller;
pub mod coap;
pub mod mqtt;
mod words;

pub use words::{Outcome, code_of};
