//! Where a peer stands on its way in.

use crypto::PublicKey;
use dtls_proto::PeerProof;
use model::{KeyId, Uuid};

use crate::ticket_state::TicketState;
use crate::{Admission, Claim};

/// What an answer of the owner will decide.
pub(crate) enum Asked {
    Hello(Uuid),
    Ticket(TicketState, PeerProof),
    Identity(KeyId),
    Key(PublicKey),
}

impl Asked {
    pub(crate) fn claim(&self) -> Claim {
        match self {
            Self::Hello(device) => Claim::Device(*device),
            Self::Ticket(state, _) => Claim::Device(state.device),
            Self::Identity(id) => Claim::Secret(*id),
            Self::Key(key) => Claim::PublicKey(key.clone()),
        }
    }
}

/// A peer that has an association.
pub(crate) enum Guest {
    /// The owner is being asked. What was asked is large and soon over; a guest that stays is small.
    LookingUp(Box<Asked>),
    /// It gave no name, or is being refused.
    Nameless,
    /// It may come in once it has proven what stands here.
    Admitted(Box<Admission>),
    /// It has proven itself.
    Live(Uuid),
}

/// How far a guest has to do with a device that is dropped.
pub(crate) enum Concern {
    None,
    Live,
    Admitted,
    LookingUp,
}

impl Guest {
    pub(crate) fn concern(&self, device: Uuid) -> Concern {
        match self {
            Self::Live(live) if *live == device => Concern::Live,
            Self::Admitted(admission) if admission.device == device => Concern::Admitted,
            Self::LookingUp(asked) => match asked.claim() {
                Claim::Device(named) if named != device => Concern::None,
                Claim::Device(_) | Claim::Secret(_) | Claim::PublicKey(_) => Concern::LookingUp,
            },
            Self::Live(_) | Self::Admitted(_) | Self::Nameless => Concern::None,
        }
    }
}
