//! A smart device with a load balancer and an access service in memory.

mod bench;
mod cloud;
mod events;
mod power;
mod runs;
mod sessions;
