//! Behaviour of the broker, each test named after its rule.
#![expect(clippy::unwrap_used, reason = "in helpers of tests too, the wrong value ends the test")]

mod crashes;
mod desk;
mod limits;
mod retained;
mod routing;
mod sessions;
mod shares;
