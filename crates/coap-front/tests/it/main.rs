//! Devices at the door, in memory and over real sockets.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod again;
mod bootstrap;
mod channels;
mod client;
mod domain;
mod foreign;
mod system;
mod time;
mod world;
