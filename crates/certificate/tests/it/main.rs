//! What the crate promises, against foreign peers and hostile bytes.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail at that line")]

mod foreign;
mod identities;
mod issuing;
mod requests;
mod world;
