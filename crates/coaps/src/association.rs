//! One DTLS session and the CoAP peer behind it.

use alloc::boxed::Box;
use alloc::vec::Vec;

use clock::Moment;
use coap_proto::PeerId;
use dtls_proto::Session;

/// Names an association; never used twice by one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssociationId(pub(crate) u64);

impl AssociationId {
    /// The CoAP peer of this association.
    #[must_use]
    pub const fn peer(self) -> PeerId {
        PeerId(self.0)
    }
}

impl From<PeerId> for AssociationId {
    /// The association of a CoAP peer of the same machine.
    fn from(peer: PeerId) -> Self {
        Self(peer.0)
    }
}

/// Where datagrams go: opaque to the machine.
pub trait Address: Clone + Ord {
    /// Bytes that tell this address from all others; the cookie of a stranger is bound to them.
    fn to_bytes(&self) -> Vec<u8>;
}

/// How far an association has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// A stranger's handshake.
    Rising,
    /// Our own handshake.
    Calling,
    /// Connected.
    Live,
}

pub(crate) struct Association<A> {
    pub(crate) session: Box<Session>,
    pub(crate) address: A,
    pub(crate) stage: Stage,
    pub(crate) last_heard: Moment,
}

/// The associations with one address: at most one that lives and one that rises to replace it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    pub(crate) live: Option<AssociationId>,
    pub(crate) rising: Option<AssociationId>,
}

impl Place {
    pub(crate) fn without(self, id: AssociationId) -> Option<Self> {
        let left =
            Self { live: self.live.filter(|live| *live != id), rising: self.rising.filter(|r| *r != id) };
        (left.live.is_some() || left.rising.is_some()).then_some(left)
    }
}
