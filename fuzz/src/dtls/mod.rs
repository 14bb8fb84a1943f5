//! DTLS: the listener and a server, a client, and both against each other over a hostile network.

mod client;
mod end;
mod pair;
mod server;

use crate::Target;

pub(crate) const TARGETS: &[Target] = &[server::SERVER, client::CLIENT, pair::PAIR];
