//! A desk over a store in memory, with devices and callers on both sides of it.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod house;

mod callers;
mod devices;
mod doubt;
mod records;
mod watching;
