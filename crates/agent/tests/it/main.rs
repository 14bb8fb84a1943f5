//! A device among servers in memory: boot, ownership, channels, API, and the attacks on them.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail at that line")]

mod api_channels;
mod api_keys;
mod api_system;
mod attacks;
mod bench;
mod boot;
mod channels;
mod counting;
mod hints;
mod oracle;
#[cfg(feature = "osap")]
mod osap;
mod party;
mod power;
mod server;
mod state;
mod trust;
mod world;
