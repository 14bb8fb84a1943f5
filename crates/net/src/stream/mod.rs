//! TCP and TLS connections under a sans-I/O machine.
//!
//! ```text
//! accept -> place (limits) -> first byte (time) -> TLS handshake (time) -> machine
//! ready connections: read what is there -> machine -> outputs -> each touched connection is written once
//! ```
//! One task drives one machine and all its connections, so that the machine needs no locks; accepting and
//! handshakes run beside it. What a peer can make grow is bounded: connections in all and per source, bytes
//! that wait for it, and the time of each step.

mod connection;
mod door;
mod driver;
mod ready;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use clock::{Moment, Now};

pub use door::{Door, DoorMode};
pub use driver::{StreamDriver, run};

/// One connection of a driver's life; numbers are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What lies between the machine and its peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// Nothing.
    Plain,
    /// TLS.
    Tls {
        /// Of this connection, label `EXPORTER-Channel-Binding`, without context.
        /// Source: RFC 9266 section 2.
        exporter: [u8; 32],
        /// The certificate (DER) that the peer showed, and whose key it proved to have.
        client_certificate: Option<Vec<u8>>,
    },
}

/// How a connection came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// From where.
    pub from: SocketAddr,
    /// What it runs in.
    pub security: Security,
    /// When the operating system gave it to us, before first byte and handshake.
    pub accepted: Moment,
    /// Through which of the driver's doors, counted from 0.
    pub door: usize,
}

/// What a machine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamOutput<E> {
    /// Send these bytes; without effect when the connection is gone.
    Transmit {
        /// On which connection.
        conn: ConnId,
        /// Any number of bytes.
        bytes: Vec<u8>,
    },
    /// Send what waits, then close. [`StreamMachine::closed`] does not follow.
    Close {
        /// Which connection.
        conn: ConnId,
    },
    /// Tell the other side of the machine this.
    Event(E),
}

/// A machine that speaks over connections: one input, then outputs are drained until there are none.
pub trait StreamMachine {
    /// What its owner asks of it.
    type Command;
    /// What it tells its owner.
    type Event;

    /// A connection is there, and its first bytes follow.
    fn opened(&mut self, conn: ConnId, arrival: Arrival, now: Now);

    /// Bytes arrived, in order, in segments of any size.
    fn receive(&mut self, conn: ConnId, bytes: &[u8], now: Now);

    /// The peer closed the connection, or it broke, or a limit of the driver broke it.
    fn closed(&mut self, conn: ConnId, now: Now);

    /// So many bytes wait because the peer does not take them; 0: none any more. A machine that can leave something
    /// unsaid does so while there are many.
    fn waits(&mut self, conn: ConnId, bytes: usize) {
        let _unused = (conn, bytes);
    }

    /// Its owner asks for something.
    fn command(&mut self, command: Self::Command, now: Now);

    /// Its owner has more events to work through than it takes; this one comes back to be answered with "busy".
    /// The answer must not be another event.
    fn refused(&mut self, event: Self::Event, now: Now);

    /// A deadline may have passed.
    fn expire(&mut self, now: Now);

    /// The process stops: say goodbye. Outputs are drained once more, then all connections close.
    fn stop(&mut self, now: Now);

    /// The next thing to be done, in order; `None` when all is done.
    fn next_output(&mut self) -> Option<StreamOutput<Self::Event>>;

    /// When [`StreamMachine::expire`] is to be called at the latest.
    fn next_deadline(&self) -> Option<Moment>;
}

/// What a driver grants its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Open connections in all, those in handshake included; the newest over it is closed.
    pub connection_count_max: usize,
    /// Open connections from one IPv4 address or one IPv6 network of 64 bits; likewise.
    pub connection_count_per_source_max: usize,
    /// Bytes that wait for one peer to take them; over it the connection is cut. A TLS connection can hold
    /// the same again, sealed.
    pub outgoing_size_max: usize,
    /// From accept to the first byte.
    pub first_byte_time_max: Duration,
    /// From accept to the end of the TLS handshake.
    pub handshake_time_max: Duration,
    /// For the peer to take something of what waits for it.
    pub stall_time_max: Duration,
    /// For everything that waits to leave after shutdown was requested.
    pub drain_time_max: Duration,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            connection_count_max: 1024,
            connection_count_per_source_max: 64,
            outgoing_size_max: 1 << 20,
            first_byte_time_max: Duration::from_secs(10),
            handshake_time_max: Duration::from_secs(10),
            stall_time_max: Duration::from_secs(15),
            drain_time_max: Duration::from_secs(2),
        }
    }
}

/// What a driver saw until it stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamTally {
    /// Connections that reached the machine.
    pub opened: u64,
    /// Connections turned away because too many were open in all.
    pub refused_in_all: u64,
    /// Connections turned away because too many were open from their source.
    pub refused_for_source: u64,
    /// Connections without a first byte in time, or closed before one.
    pub silent: u64,
    /// TLS handshakes that failed or took too long.
    pub handshakes_failed: u64,
    /// Connections cut because too much waited for their peer.
    pub overflowed: u64,
    /// Connections cut because their peer took nothing for too long.
    pub stalled: u64,
    /// Connections that broke: reset, or against the rules of TLS.
    pub broken: u64,
    /// Failures of the operating system to accept.
    pub accept_failed: u64,
    /// Events that came back because their queue was full.
    pub events_refused: u64,
    /// Bytes handed to the machine.
    pub received_bytes: u64,
    /// Bytes that the machine sent.
    pub sent_bytes: u64,
}
