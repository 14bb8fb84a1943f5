//! A device among servers in memory: boot, ownership, channels, API, and the attacks on them.

mod api_channels;
mod api_keys;
mod api_system;
mod attacks;
mod bench;
mod boot;
mod channels;
mod party;
mod power;
mod server;
mod state;
mod world;
