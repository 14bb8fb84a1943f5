//! Grants and files over a store in memory.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod files;
mod world;
