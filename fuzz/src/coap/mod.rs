//! CoAP: messages, stored requests, and the endpoint under a list of operations.

mod applications;
mod endpoint;
mod message;
mod pair;

use crate::Target;

pub(crate) const TARGETS: &[Target] = &[message::MESSAGE, message::STORED, endpoint::ENDPOINT, pair::PAIR];
