//! A management system's rules over a store in memory, with devices that judge what it makes.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod world;

mod images;
mod links;
mod network;
mod orders;
mod peers;
mod presence;
mod replacing;
mod secrecy;
mod steps;
mod topologies;
