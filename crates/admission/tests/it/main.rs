//! A load balancer's records over a store in memory.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod owner;
mod runs;
mod type_1;
mod whole;
mod with_thing;
mod world;
