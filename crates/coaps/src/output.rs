//! What the machine hands to its owner.

use alloc::boxed::Box;
use alloc::vec::Vec;

use dtls_proto::{Closing, PeerSummary, Question, Ticket};

use crate::AssociationId;

/// One effect of an input.
#[derive(Debug)]
pub enum Output<A> {
    /// Send this datagram.
    Transmit {
        /// To whom.
        to: A,
        /// One datagram.
        datagram: Vec<u8>,
    },
    /// A handshake waits for [`crate::Coaps::answer`].
    Ask {
        /// Which association.
        association: AssociationId,
        /// Where it comes from.
        from: A,
        /// What is asked.
        question: Question,
    },
    /// A peer has proven itself; requests go both ways from here on.
    Connected {
        /// Which association.
        association: AssociationId,
        /// Its address.
        address: A,
        /// What was proven.
        summary: Box<PeerSummary>,
    },
    /// A ticket for a later session with this peer.
    Ticket {
        /// Which association.
        association: AssociationId,
        /// The ticket.
        ticket: Ticket,
    },
    /// The association is over; its requests have failed with `PeerForgotten`.
    Ended {
        /// Which association.
        association: AssociationId,
        /// Why.
        end: End,
    },
    /// Something of the CoAP layer; never `Transmit`.
    Coap(coap_proto::Output),
}

/// Why an association is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The DTLS session ended.
    Closed(Closing),
    /// A newer association with the same address took its place.
    Replaced,
    /// The owner discarded it.
    Discarded,
}
