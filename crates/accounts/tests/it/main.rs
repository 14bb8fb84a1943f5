//! People sign in and out, are locked out, made and removed, over a store in memory.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod client_pins;
mod clients;
mod house;

mod activation;
mod people;
mod sessions;
mod sign_in;
