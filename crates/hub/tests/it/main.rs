//! Things over a store in memory.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod house;

mod children;
mod directory;
mod events;
mod history;
mod models;
mod operations;
mod values;
