//! DTLS 1.2, both roles, as a machine without I/O.
//!
//! ```text
//! stranger --datagram--> Listener --Reply (HelloVerifyRequest)--> stranger
//!                          | Accept (cookie came back)
//!                          v
//!          inputs: receive, expire, answer, send, close      (each with `now`)
//!                       Session
//!          outputs: Transmit, Ask, Ticket, Connected, Data, Closed
//! ```
//!
//! One input, then drain [`Session::next_output`] until `None`, then wake up at
//! [`Session::next_deadline`]. The owner of a session decides about keys and names by answering its
//! questions, at once or later; nothing blocks and nothing is called back. A peer's identity is proven at
//! [`Output::Connected`], never before.
//!
//! A datagram that [`starts_handshake`] goes first to the session being set up that
//! [`Session::accepted_from`] it, else to the [`Listener`], even when a session with that address is up:
//! the new session replaces the old one when it is connected, not before (RFC 6347 section 4.2.8). A
//! datagram whose first record carries a connection id is routed by [`connection_id_of`].
#![no_std]
extern crate alloc;

mod alert;
mod arrival;
mod client;
mod codec;
mod cookie;
mod dialogue;
mod flight;
mod handshake;
mod key_schedule;
mod line;
mod listener;
mod noise;
mod reassembly;
mod record;
mod server;
mod session;
mod setup;
mod suite;
mod ticket;
mod transcript;

#[cfg(test)]
mod after_handshake;

pub use alert::{Alert, Closing, Violation};
pub use dialogue::{
    Answer, ClientAuthentication, HelloChoice, HelloOffer, NotAsked, Output, PeerKey, PeerProof, PeerSummary,
    Question, SendError,
};
pub use listener::{Listener, Verdict, starts_handshake};
pub use noise::{Noise, NoiseCounts};
pub use session::{Arrival, Session, connection_id_of};
pub use setup::{
    CONNECTION_ID_LENGTH_MAX, CertificateType, ClientSetup, Credential, DEFAULT_GROUPS, HINT_LENGTH_MAX,
    IDENTITY_LENGTH_MAX, Limits, ListenerSetup, PeerName, Resumption, SetupError,
};
pub use suite::{CipherSuite, KeyAgreement};
pub use ticket::Ticket;
