//! The secure profile against its published vectors, and against whoever means it no good.
#![expect(clippy::unwrap_used, reason = "a vector or a step that fails is the test failing")]

mod codes;
mod compat;
mod compat_runs;
mod das;
mod envelopes;
mod hostile;
mod negotiation;
mod runs;
mod world;
