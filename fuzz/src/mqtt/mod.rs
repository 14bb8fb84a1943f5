//! MQTT: packets, and both machines under lists of operations.

#[allow(dead_code, clippy::unwrap_used, reason = "made for tests; a target needs part of it")]
#[path = "../../../crates/mqtt-proto/tests/it/chance.rs"]
mod chance;
mod client;
mod codecs;
#[path = "../../../crates/mqtt-proto/tests/it/normal.rs"]
mod normal;
mod packet;
mod pair;
mod server;

use crate::Target;

pub(crate) const TARGETS: &[Target] =
    &[packet::PACKET, codecs::BESIDE, server::SERVER, client::CLIENT, pair::PAIR];
