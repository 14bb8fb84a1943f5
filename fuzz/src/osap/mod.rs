//! OSAP: messages, tickets and envelopes, both machines of the secure profile, and those of type 1.

mod compat;
mod device;
mod lbs;
mod messages;
mod pair;
pub(crate) mod parties;
mod session;

use crate::Target;

pub(crate) const TARGETS: &[Target] = &[
    messages::MESSAGES,
    session::TICKET,
    session::SESSION,
    lbs::LBS,
    device::DEVICE,
    pair::PAIR,
    compat::MESSAGES,
    compat::LBS,
    compat::DEVICE,
];
