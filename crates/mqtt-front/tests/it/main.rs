//! Behaviour of the face of MQTT clients, each test named after its rule.
#![expect(clippy::unwrap_used, reason = "in helpers of tests too, the wrong value ends the test")]

mod crashes;
mod foreign;
mod hall;
mod killed;
mod limits;
mod sessions;
mod signing_in;
mod traffic;
