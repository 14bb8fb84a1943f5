//! Tests of the desks of things.
#![expect(clippy::unwrap_used, reason = "in helpers of tests too, the wrong value ends the test")]

mod callers;
mod coap;
mod foreign;
mod house;
mod mqtt;
mod owners_client;
mod same_answer;
