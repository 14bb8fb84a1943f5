//! Times and limits of an endpoint.

use alloc::vec::Vec;
use core::time::Duration;

use crate::{BlockSize, OptionNumber};

/// Waiting times of the message layer. The default is that of the standard with a margin on the empty
/// acknowledgement. Source: RFC 7252 section 4.8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmission {
    /// Wait before the first retransmission, at least; 2 s.
    pub ack_timeout: Duration,
    /// The wait is drawn from `ack_timeout` to this many percent of it; 150.
    pub ack_random_percent: u32,
    /// Retransmissions before giving up, each after twice the wait before; 4.
    pub retransmit_max: u32,
    /// Confirmable messages under way to one peer (NSTART); 1. Others wait in line.
    pub outstanding_max: usize,
    /// Bytes per second to a peer that does not answer (PROBING_RATE); 1.
    pub probing_bytes_per_sec: u32,
    /// How long the application may think before an empty acknowledgement goes out; 500 ms.
    pub ack_delay: Duration,
    /// How long a confirmable exchange may live (EXCHANGE_LIFETIME); 247 s.
    pub exchange_lifetime: Duration,
    /// How long a non-confirmable message may live (NON_LIFETIME); 145 s.
    pub non_lifetime: Duration,
    /// How long an unfinished block-wise transfer is kept after its last block; 247 s.
    pub transfer_lifetime: Duration,
    /// How long a body that was fetched to its end is kept for a repeated last block; 5 s.
    pub fetched_lifetime: Duration,
    /// The longest an observer is notified without having to acknowledge; 24 h.
    /// Source: RFC 7641 section 4.5.
    pub observer_check: Duration,
}

impl Default for Transmission {
    fn default() -> Self {
        Self {
            ack_timeout: Duration::from_secs(2),
            ack_random_percent: 150,
            retransmit_max: 4,
            outstanding_max: 1,
            probing_bytes_per_sec: 1,
            ack_delay: Duration::from_millis(500),
            exchange_lifetime: Duration::from_secs(247),
            non_lifetime: Duration::from_secs(145),
            transfer_lifetime: Duration::from_secs(247),
            fetched_lifetime: Duration::from_secs(5),
            observer_check: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// How much the endpoint keeps, and what happens beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Peers. Beyond: `connect` refuses.
    pub peer_count_max: usize,
    /// Requests of ours per peer, those in line and observations included. Beyond: `Busy`.
    pub requests_per_peer_max: usize,
    /// Confirmable responses and notifications in line per peer. Beyond: sent non-confirmable.
    pub queued_per_peer_max: usize,
    /// Requests of one peer that wait for the application. Beyond: 5.03 with Max-Age.
    pub exchanges_per_peer_max: usize,
    /// Requests of all peers that wait for the application. Beyond: 5.03 with Max-Age.
    pub exchange_count_max: usize,
    /// Messages of one peer remembered against repetition. Beyond: the oldest answered one is forgotten;
    /// when none is answered the new message is dropped and the peer repeats it.
    pub remembered_per_peer_max: usize,
    /// Bytes of replies kept per peer for repeated messages. Beyond: the oldest replies go, a repetition of
    /// their message is then dropped, and still never reaches the application.
    pub reply_bytes_per_peer_max: usize,
    /// Observers per peer. Beyond: the request is answered without observation.
    pub observers_per_peer_max: usize,
    /// Observers in all. Beyond: the request is answered without observation.
    pub observer_count_max: usize,
    /// Bytes of one body received in blocks. Beyond: 4.13 with Size1, or `Failure::TooLarge`.
    pub body_size_max: usize,
    /// Unfinished uploads and response bodies kept per peer. Beyond: the least recently used goes.
    pub transfers_per_peer_max: usize,
    /// Bytes of bodies kept for one peer, downloads from it included. Beyond: as above; an upload that alone
    /// is larger gets 4.13, a download fails.
    pub transfer_bytes_per_peer_max: usize,
    /// Bytes of bodies kept for all peers. Beyond: an upload gets 5.03 with Max-Age, a response body is not
    /// kept (the application is asked again for each block of it), a download fails.
    pub transfer_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            peer_count_max: 200_000,
            requests_per_peer_max: 16,
            queued_per_peer_max: 32,
            exchanges_per_peer_max: 8,
            exchange_count_max: 16_384,
            remembered_per_peer_max: 64,
            reply_bytes_per_peer_max: 8 * 1024,
            observers_per_peer_max: 16,
            observer_count_max: 100_000,
            body_size_max: 128 * 1024,
            transfers_per_peer_max: 8,
            transfer_bytes_per_peer_max: 256 * 1024,
            transfer_bytes_max: 64 * 1024 * 1024,
        }
    }
}

/// Bound on what is sent to an address that has not shown that it is there.
///
/// An answer of more than `bytes_free` bytes and more than `factor` times its request is replaced by 4.01
/// with an Echo value; a peer that returns it is believed from then on. Secured peers are believed at once.
/// Source: RFC 9175 section 2.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amplification {
    /// Times the size of the request; 3.
    pub factor: usize,
    /// Bytes that are always allowed; 128.
    pub bytes_free: usize,
}

/// Everything an endpoint is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Waiting times.
    pub transmission: Transmission,
    /// Limits.
    pub limits: Limits,
    /// Bound on answers to unproven addresses; `None` lifts it. Factor 3 by default.
    pub amplification: Option<Amplification>,
    /// Largest block we use in either direction; 1024 bytes by default.
    pub block_size_max: BlockSize,
    /// Critical options the application understands besides those of this crate. None by default.
    pub critical_options: Vec<OptionNumber>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            transmission: Transmission::default(),
            limits: Limits::default(),
            amplification: Some(Amplification { factor: 3, bytes_free: 128 }),
            block_size_max: BlockSize::LARGEST,
            critical_options: Vec::new(),
        }
    }
}

/// What the path to a peer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathLimits {
    /// Largest datagram in bytes, after everything the secured association adds. Taken as 64 when smaller.
    pub datagram_size_max: usize,
    /// Whether the association is secured, so that its address is proven.
    pub secure: bool,
}

impl PathLimits {
    /// UDP without security, 1152 bytes. Source: RFC 7252 section 4.6.
    pub const UDP: Self = Self { datagram_size_max: 1152, secure: false };
    /// A secured association over UDP, 1152 bytes.
    pub const SECURED: Self = Self { datagram_size_max: 1152, secure: true };
}
