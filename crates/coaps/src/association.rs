//! One DTLS session and the CoAP peer behind it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

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

    /// Bytes that stand for all addresses that one party may be expected to have: they share one bound on
    /// handshakes under way.
    fn net(&self) -> Vec<u8>;
}

impl Address for SocketAddr {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = match self.ip() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        bytes.extend_from_slice(&self.port().to_be_bytes());
        if let Self::V6(v6) = self {
            bytes.extend_from_slice(&v6.scope_id().to_be_bytes());
        }
        bytes
    }

    /// The whole IPv4 address, whatever the port; the first 64 bits of an IPv6 address, which one link has.
    fn net(&self) -> Vec<u8> {
        match self.ip().to_canonical() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets()[..8].to_vec(),
        }
    }
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

/// The associations with one address: one that lives, one that rises to replace it, and our own call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    pub(crate) live: Option<AssociationId>,
    pub(crate) rising: Option<AssociationId>,
    pub(crate) calling: Option<AssociationId>,
}

impl Place {
    pub(crate) fn all(self) -> impl Iterator<Item = AssociationId> {
        [self.rising, self.calling, self.live].into_iter().flatten()
    }

    pub(crate) fn is_empty(self) -> bool {
        self.all().next().is_none()
    }

    pub(crate) fn without(self, id: AssociationId) -> Self {
        let keep = |slot: Option<AssociationId>| slot.filter(|other| *other != id);
        Self { live: keep(self.live), rising: keep(self.rising), calling: keep(self.calling) }
    }
}
