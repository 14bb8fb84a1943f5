//! HTTPS routes to the domain: one router file per API, and the flows that span two servers.
//!
//! A route reads the request, runs one operation of the domain, and writes the answer; what is allowed is
//! decided in the domain alone. Case strings stand in queries (aSSURE 9.3.2), so no query is ever logged.

#![expect(clippy::result_large_err, reason = "a refusal is the whole answer, made once per request")]

pub mod bootstrap;
pub mod catalogue;
pub mod console;
pub mod management;
pub mod platform;
pub mod registration;
pub mod shelf;

mod answer;
mod caller;
mod request_log;
mod source_limit;
mod ta_client;
mod things;

pub use request_log::with_request_log;
pub use ta_client::{BootstrapClient, ImageReply, MirrorAnswer, RegistrationClient, TaError};
