//! Load balancer and access service with devices at the other end, in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail at that line")]

mod compat;
mod compat_hostile;
mod compat_recorded;
mod das;
mod das_full;
mod das_hostile;
mod das_orders;
mod device;
mod lbs;
mod link;
mod old_device;
mod world;
