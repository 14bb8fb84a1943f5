//! Two machines and the network between them.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail at that line")]

mod addresses;
mod associations;
mod flood;
mod wire;
