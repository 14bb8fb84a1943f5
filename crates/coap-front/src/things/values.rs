//! What the face of callers says to its owner and hears from it.

use std::net::SocketAddr;

use coap_proto::{ExchangeId, Incoming, ObserverId, Response};
use coaps::AssociationId;
use crypto::Secret;

/// A caller that has proven its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThingsCaller {
    /// Whose key it is.
    pub name: String,
    /// As [`ThingsCommand::Known`] said it of that key.
    pub for_owner: bool,
}

/// What the face tells and asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThingsEvent {
    /// Whose is this identity? [`ThingsCommand::Known`] or [`ThingsCommand::Unknown`].
    WhoIs {
        /// The handshake that waits.
        association: AssociationId,
        /// As the caller names itself.
        name: String,
    },
    /// A caller asks; [`ThingsCommand::Respond`] or [`ThingsCommand::RespondObserved`].
    Asks {
        /// The association it came by.
        association: AssociationId,
        /// Who.
        caller: ThingsCaller,
        /// From where.
        address: SocketAddr,
        /// What.
        incoming: Box<Incoming>,
    },
    /// The answer to [`ThingsCommand::RespondObserved`] is sent.
    Observing {
        /// The request.
        exchange: ExchangeId,
        /// Who is to be told from now on; `None`: it is not observed.
        observer: Option<ObserverId>,
    },
    /// An observer is there no more.
    ObserverGone {
        /// Which.
        observer: ObserverId,
    },
}

/// What the owner says.
#[derive(Clone, Debug)]
pub enum ThingsCommand {
    /// The key of a caller.
    Known {
        /// The handshake.
        association: AssociationId,
        /// What both sides hold.
        key: Secret,
        /// Whether who holds it acts for the owner of the things.
        for_owner: bool,
    },
    /// Nobody has that name. The handshake fails as with a wrong key.
    Unknown {
        /// The handshake.
        association: AssociationId,
    },
    /// Answers a request.
    Respond {
        /// Which.
        exchange: ExchangeId,
        /// With what.
        response: Response,
    },
    /// Answers a request with the first state of what is observed; [`ThingsEvent::Observing`] follows.
    RespondObserved {
        /// Which.
        exchange: ExchangeId,
        /// With what.
        response: Response,
    },
    /// Tells an observer. A response that is no success is the last.
    Notify {
        /// Whom.
        observer: ObserverId,
        /// What.
        response: Response,
    },
    /// Ends everything of a caller that was removed or has another key.
    Drop {
        /// Its name.
        name: String,
    },
}
