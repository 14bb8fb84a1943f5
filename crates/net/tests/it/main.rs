//! Real sockets on the loopback address: honest peers, foreign peers, hostile peers.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail at that line")]

mod certificates;
mod dialling;
mod foreign;
mod hostile;
mod paths;
mod stopping;
mod streams;
mod udp;
mod world;
