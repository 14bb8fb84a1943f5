//! What runs on a connection of a load balancer.

use clock::Moment;
use osap_proto::LbsRun;
use osap_proto::compat::CompatLbsRun;

use super::Arrival;

/// One of the protocols, or not known yet.
pub(super) enum Machine {
    /// The profile.
    Secure(Box<LbsRun>),
    /// Type 1.
    Compat(Box<CompatLbsRun>),
    /// At the door of type 1, before the first bytes say which of both it is.
    Undecided(Box<Waiting>),
}

/// A connection that has said too little.
pub(super) struct Waiting {
    pub(super) arrival: Arrival,
    /// At most what one segment brought on top of the six bytes that decide.
    pub(super) bytes: Vec<u8>,
    pub(super) until: Moment,
}
