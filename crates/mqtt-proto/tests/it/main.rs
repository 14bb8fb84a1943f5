//! Behaviour of the MQTT codec and machines, each test named after its rule.
#![expect(clippy::unwrap_used, reason = "in helpers of tests too, the wrong value ends the test")]

mod absence;
mod authentication;
mod chance;
mod client;
mod connecting;
mod deliveries;
mod desk;
mod exactly_once;
mod foreign;
mod limits;
mod messages;
mod mosquitto;
mod normal;
mod packets;
mod properties;
mod requests;
mod round_trips;
mod topics;
