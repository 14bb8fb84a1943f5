//! What goes in and out beside bytes.

use std::net::SocketAddr;

use broker::StoreBatch;
use mqtt_proto::{OwnedPassword, ReasonCode, Version};
use store::Position;

use crate::things::{ThingsCommand, ThingsEvent};

/// A connection that opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newcomer {
    /// Where it comes from.
    pub from: SocketAddr,
    /// Whether nothing protects it on the way.
    pub is_plain: bool,
    /// The certificate (DER) whose key its peer proved to have.
    pub client_certificate: Option<Vec<u8>>,
}

/// One effect of an input, in order.
#[derive(Debug)]
pub enum Output {
    /// Send these bytes.
    Transmit {
        /// On which connection.
        conn: u64,
        /// Any number of bytes.
        bytes: Vec<u8>,
    },
    /// Send what waits, then close.
    Close {
        /// Which connection.
        conn: u64,
    },
    /// Tell the owner.
    Event(Event),
}

/// What the owner is told, each with what answers it.
#[derive(Debug)]
pub enum Event {
    /// Who is this? Answer with [`Command::Admit`] or [`Command::Refuse`].
    SignIn(Box<SignIn>),
    /// Store this; answer with [`Command::Stored`], and try again until it is. There is one at a time.
    Store(Box<StoreBatch>),
    /// Something about things; each says how it is answered.
    Things(ThingsEvent),
}

/// What a client says of itself.
#[derive(Debug)]
pub struct SignIn {
    /// The connection; to be answered with.
    pub conn: u64,
    /// How it came.
    pub newcomer: Newcomer,
    /// Which text it follows.
    pub version: Version,
    /// As it names itself.
    pub user_name: Option<String>,
    /// What only it knows.
    pub password: Option<OwnedPassword>,
}

/// Who a client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The name of its account: sessions of other accounts are out of its reach.
    pub name: String,
    /// Whose topics it uses.
    pub namespace: String,
    /// Whether it acts for the owner of the things.
    pub for_owner: bool,
}

/// What the owner says.
#[derive(Debug)]
pub enum Command {
    /// This client is in.
    Admit {
        /// The connection.
        conn: u64,
        /// Who it is.
        who: Admitted,
    },
    /// It is not.
    Refuse {
        /// The connection.
        conn: u64,
        /// A failure.
        reason: ReasonCode,
    },
    /// The batch is stored.
    Stored {
        /// Which.
        number: u64,
        /// Where its values begin in the journal, if it has any.
        first: Option<Position>,
    },
    /// Ends the connections of an account that has another password.
    Expel {
        /// The account.
        name: String,
    },
    /// Ends the connections of an account that was removed, and forgets its sessions: whoever gets the name later has
    /// none of what waits there.
    Forget {
        /// The account.
        name: String,
    },
    /// About things.
    Things(ThingsCommand),
}

/// What happened beside what the broker counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaceCounters {
    /// Clients that were admitted.
    pub admitted: u64,
    /// Clients that were refused.
    pub refused: u64,
    /// Sessions that another connection took over.
    pub taken_over: u64,
    /// Messages of QoS 0 that were dropped because a client reads too slowly.
    pub dropped_slow: u64,
    /// Connections that ended because too much waited to be stored for them.
    pub ended_held: u64,
    /// Answers about things to which the asking session had not subscribed.
    pub unheard_answers: u64,
}
