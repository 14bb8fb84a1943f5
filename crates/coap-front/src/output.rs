//! What a face puts out.

use std::net::SocketAddr;

/// One effect of an input, in the order they came about.
#[derive(Debug)]
pub enum Output<E> {
    /// Send this datagram.
    Transmit {
        /// To whom.
        to: SocketAddr,
        /// One datagram.
        datagram: Vec<u8>,
    },
    /// Tell the owner.
    Event(E),
}
