//! What the endpoint hands to its caller.

use alloc::vec::Vec;

use crate::{Incoming, ObserverId, OptionNumber, PeerId, RequestId, Response};

/// One effect of an input. Drain with [`crate::Endpoint::next_output`] after every input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this datagram to the peer.
    Transmit {
        /// To whom.
        peer: PeerId,
        /// One datagram, at most `PathLimits::datagram_size_max` bytes.
        datagram: Vec<u8>,
    },
    /// A peer asks; answer with [`crate::Endpoint::respond`].
    Request(Incoming),
    /// The answer to a request of ours. The request is done.
    Answer {
        /// Which request.
        request: RequestId,
        /// The whole response.
        response: Response,
    },
    /// One state of an observed resource, newer than all before. The observation goes on.
    Notification {
        /// Which observation.
        request: RequestId,
        /// The whole response.
        response: Response,
    },
    /// A request of ours has no answer. The request is done.
    Failed {
        /// Which request.
        request: RequestId,
        /// Why.
        reason: Failure,
    },
    /// The peer answered a ping.
    Pong {
        /// Which ping.
        request: RequestId,
    },
    /// A peer is no longer interested; stop notifying.
    ObserverGone {
        /// Which observer.
        observer: ObserverId,
        /// Why.
        reason: ObserverEnd,
    },
    /// A day has passed since the observer last proved to be there: notify it now, changed or not. The
    /// endpoint sends that notification confirmable.
    ObserverDue {
        /// Which observer.
        observer: ObserverId,
    },
    /// Nothing is known about the peer any more but that it exists: it may be forgotten without loss.
    Idle {
        /// Which peer.
        peer: PeerId,
    },
}

/// Why a request of ours has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No acknowledgement after all retransmissions. Whether the peer acted is unknown.
    NotAcknowledged,
    /// Acknowledged or sent once, but no response in time. Whether the peer acted is unknown.
    NotAnswered,
    /// The peer could make nothing of the message (RST).
    Reset,
    /// The response has a critical option that is not known here.
    UnknownOption(OptionNumber),
    /// The response breaks the rules of block-wise transfer: wrong number, size, or no block at all.
    BrokenTransfer,
    /// The representation kept changing while it was fetched in blocks.
    Changing,
    /// The response body is over `Limits::body_size_max` or the budget for transfers.
    TooLarge,
    /// The request does not fit the path, not even in the smallest blocks.
    DoesNotFit,
    /// The message ids of this association are used up for now.
    OutOfMessageIds,
    /// The peer was forgotten.
    PeerForgotten,
}

/// Why an observation by a peer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObserverEnd {
    /// The peer said so with GET and Observe 1.
    Deregistered,
    /// The peer answered a notification with RST.
    Reset,
    /// A confirmable notification was never acknowledged, or could not be sent: it did not fit a datagram, or
    /// what an address gets that has shown nothing.
    NotAcknowledged,
    /// The peer was forgotten.
    PeerForgotten,
}

/// Why a request was not taken on. Nothing was sent and nothing is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// The peer was never connected, or is forgotten.
    UnknownPeer,
    /// `Limits::requests_per_peer_max` requests to the peer are under way.
    TooManyRequests,
    /// All message ids of the association were used within their lifetime.
    OutOfMessageIds,
    /// The peer has been silent since our last non-confirmable message; the next may leave when
    /// `PROBING_RATE` allows it. Source: RFC 7252 section 4.7.
    Probing,
}

/// The exchange or observer named is not (or no longer) there. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// `Limits::peer_count_max` peers are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyPeers;

/// What happened on the message layer since the endpoint was made. Saturating.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams taken in.
    pub received: u64,
    /// Datagrams given out.
    pub sent: u64,
    /// Datagrams that were no message, or no message for this place.
    pub malformed: u64,
    /// Datagrams of peers that are not connected.
    pub strangers: u64,
    /// Repeated messages that were answered from memory or dropped.
    pub repeated: u64,
    /// Messages dropped because every remembered message of the peer is still open.
    pub unremembered: u64,
    /// Retransmissions sent.
    pub retransmitted: u64,
    /// Responses that belong to no request.
    pub unmatched: u64,
    /// Requests answered 5.03 because too many wait for the application.
    pub overloaded: u64,
    /// Requests answered with an Echo challenge because the answer was much larger than the request.
    pub challenged: u64,
    /// Bodies not kept because the budget for transfers is spent.
    pub over_budget: u64,
    /// Confirmable responses and notifications given up.
    pub undelivered: u64,
}
