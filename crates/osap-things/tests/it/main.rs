//! Topics and bodies, against recorded ones and at their limits.
#![expect(clippy::unwrap_used, reason = "in helpers of tests too, the wrong value ends the test")]

mod bodies;
mod compat;
mod limits;
mod recorded;
