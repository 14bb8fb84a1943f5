//! What a machine takes and keeps.

use core::num::NonZeroU16;
use core::time::Duration;

use crate::QoS;

/// What a connection keeps of its peer, and what happens beyond. 3.1.1 has no reasons: there "0x.." is a close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one packet; 2 MiB. Announced in 5.0. Beyond: closed with 0x95 at its fixed header.
    pub packet_size_max: u32,
    /// Messages of QoS 1 and 2 from the peer that are not acknowledged or released; 64. Announced in 5.0.
    /// Beyond: closed with 0x93.
    pub receive_maximum: NonZeroU16,
    /// The same for a 3.1.1 peer, which cannot be told; 1,024. Beyond: closed.
    pub receive_maximum_untold: NonZeroU16,
    /// Topic aliases of the peer; 16. Announced. Beyond: closed with 0x94.
    pub topic_alias_maximum: u16,
    /// Bytes of topics behind the peer's aliases; 64 KiB. Beyond: closed with 0x97.
    pub alias_bytes_max: usize,
    /// Topic aliases of ours; 16, and never more than the peer allows. Beyond: topics are written out.
    pub own_alias_count_max: u16,
    /// Messages of QoS 1 and 2 to the peer that are not acknowledged; 64, and never more than the peer's
    /// Receive Maximum. Beyond: [`crate::NotSent::NoQuota`].
    pub inflight_max: u16,
    /// At a server, SUBSCRIBE and UNSUBSCRIBE without an answer of the application; 16. Beyond: closed with
    /// 0x97. At a client, its own without an answer of the server. Beyond: [`crate::NotSent::NoQuota`].
    pub request_count_max: usize,
    /// Bytes of CONNECT; 128 KiB. Beyond: closed with 0x95.
    pub connect_size_max: u32,
    /// Bytes that a client sends behind CONNECT before it is answered; 64 KiB. Beyond: closed.
    pub early_size_max: usize,
    /// AUTH packets of the peer in one authentication; 8. Beyond: closed with 0x97.
    pub authentication_round_max: u32,
    /// From the start of the transport to CONNACK, and a client's wait for it; 10 s. Beyond: closed.
    pub connect_timeout: Duration,
    /// A client's wait for PINGRESP; 10 s. Beyond: closed.
    pub ping_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            packet_size_max: 2 * 1024 * 1024,
            receive_maximum: NonZeroU16::new(64).expect("64 is not 0"),
            receive_maximum_untold: NonZeroU16::new(1024).expect("1024 is not 0"),
            topic_alias_maximum: 16,
            alias_bytes_max: 64 * 1024,
            own_alias_count_max: 16,
            inflight_max: 64,
            request_count_max: 256,
            connect_size_max: 128 * 1024,
            early_size_max: 64 * 1024,
            authentication_round_max: 8,
            connect_timeout: Duration::from_secs(10),
            ping_timeout: Duration::from_secs(10),
        }
    }
}

/// What a server offers. What it does not is announced in 5.0, and refused when a client wants it all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Highest QoS of messages from clients.
    pub maximum_qos: QoS,
    /// Retained messages.
    pub retain: bool,
    /// Wildcards in filters.
    pub wildcards: bool,
    /// Subscription identifiers.
    pub subscription_identifiers: bool,
    /// Shared subscriptions.
    pub shared_subscriptions: bool,
}

impl Default for Capabilities {
    /// Everything.
    fn default() -> Self {
        Self {
            maximum_qos: QoS::ExactlyOnce,
            retain: true,
            wildcards: true,
            subscription_identifiers: true,
            shared_subscriptions: true,
        }
    }
}

/// Everything a server-side machine is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// What it takes and keeps.
    pub limits: Limits,
    /// What it offers.
    pub capabilities: Capabilities,
    /// Longest keep alive in seconds; 5.0 clients that ask for more, or for none, are told this one.
    /// `None`: as clients wish.
    pub keep_alive_max_secs: Option<NonZeroU16>,
    /// Longest time in seconds that a session outlives its connection; a day. Those that ask for more get this.
    pub session_expiry_max_secs: u32,
    /// Whether payloads that say they are text are checked; they are refused with 0x99 if not.
    pub checks_payload_format: bool,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            capabilities: Capabilities::default(),
            keep_alive_max_secs: None,
            session_expiry_max_secs: 24 * 60 * 60,
            checks_payload_format: true,
        }
    }
}
