//! `thingstead device`: made, run, killed, shown and reset as a real process on real sockets.

mod authority;
mod crash;
mod life;
mod making;
pub(super) mod program;
mod running;
pub(super) mod wire;

#[path = "../../../agent/tests/it/server.rs"]
#[expect(dead_code, reason = "its other users need more of it")]
pub(super) mod server;
