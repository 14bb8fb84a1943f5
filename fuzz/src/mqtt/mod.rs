//! MQTT: packets, and both machines under lists of operations.

mod client;
mod packet;
mod pair;
mod server;

use crate::Target;

pub(crate) const TARGETS: &[Target] = &[packet::PACKET, server::SERVER, client::CLIENT, pair::PAIR];
