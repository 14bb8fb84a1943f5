//! What a face puts out.

/// One connection of a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId(pub u64);

/// One effect of an input, in the order they came about.
#[derive(Clone, Debug, PartialEq)]
pub enum Output<E> {
    /// Send these bytes.
    Transmit {
        /// On which connection.
        line: LineId,
        /// Any number of bytes.
        bytes: Vec<u8>,
    },
    /// Close the connection, behind what was sent.
    Close {
        /// Which.
        line: LineId,
    },
    /// Tell the owner.
    Event(E),
}
