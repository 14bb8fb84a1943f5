//! Behaviour of the CoAP machine, each test named after its rule.
#![expect(clippy::unwrap_used, reason = "in helpers of tests too, the wrong value ends the test")]

mod blocks;
mod codec;
mod conditions;
mod exchanges;
mod foreign;
mod hostile;
mod limits;
mod links;
mod messages;
mod observation;
mod options;
mod pair;
mod routes;
mod stored;
mod timers;
mod unproven;
