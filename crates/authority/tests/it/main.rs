//! The authority's rules over a store in memory.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod bootstrap;
mod gap;
mod generation;
mod identity;
mod owners;
mod recovery;
mod refill;
mod rejected;
mod world;
