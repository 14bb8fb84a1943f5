//! Who asks.

use crate::{ManagementId, Uuid};

/// A server of the authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServerRole {
    /// Holds device secrets, behind the air gap.
    Identity,
    /// Knows who owns what.
    Registration,
    /// Hands out bootstrap images.
    Bootstrap,
}

/// The authenticated party behind a call; how it proved itself is the front's business.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Caller {
    /// Nobody proved anything.
    Stranger,
    /// A maker, by the id in its client certificate.
    Maker(Uuid),
    /// A management system, by the id of its client certificate.
    Management(ManagementId),
    /// A device, by the key that its session proved.
    Device(Uuid),
    /// Another server of the authority, by its system certificate.
    Server(ServerRole),
    /// The person who runs this server, by the operator certificate.
    Operator,
}
