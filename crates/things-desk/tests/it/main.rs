//! Tests of the desks of things.
#![expect(clippy::unwrap_used, reason = "in helpers of tests too, the wrong value ends the test")]

mod house;
mod mqtt;
