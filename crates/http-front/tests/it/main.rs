//! The HTTPS faces of the authority's servers, called by curl.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod authority;
mod curl;
mod gap;
mod gate;
mod log;
mod parties;
mod watch;
mod world;

mod callers;
mod configuration;
mod console;
mod faults;
mod garbage;
mod image;
mod images;
mod maker;
mod management;
mod owners;
mod parameter_sets;
mod peers;
mod recovery;
mod refusals;
mod registering;
mod restore;
mod sequences;
