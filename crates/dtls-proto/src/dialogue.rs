//! What a session says to its owner: questions, answers, outputs.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crypto::{Group, PublicKey, Secret};

use crate::{Alert, CertificateType, CipherSuite, Closing, Credential, PeerName, Ticket};

/// What a session puts out. Drain all outputs after each input.
#[derive(Debug)]
pub enum Output {
    /// Send this datagram to the peer.
    Transmit(Vec<u8>),
    /// The policy must decide; the handshake goes on after [`crate::Session::answer`]. Never more than one
    /// question is open.
    Ask(Question),
    /// The handshake is complete and the peer has proven what the summary says.
    Connected(Box<PeerSummary>),
    /// The server gave us a ticket for a later session; comes just before `Connected`.
    Ticket(Ticket),
    /// Plaintext of one record of the peer.
    Data(Vec<u8>),
    /// The session is over; nothing follows.
    Closed(Closing),
}

/// What a session asks its owner. Nothing a question reports is proven yet: only `Connected` proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Server: a ticket of ours came back. May it be used? Answer [`Answer::Resume`],
    /// [`Answer::FullHandshake`] or [`Answer::Refuse`].
    Ticket {
        /// What the owner stored in the ticket (key id, owner sequence and the like).
        state: Vec<u8>,
        /// How the peer proved itself when the ticket was issued.
        proof: PeerProof,
        /// The name the client sends now.
        peer_name: Option<PeerName>,
    },
    /// Server: a client says hello. Answer [`Answer::Hello`] or [`Answer::Refuse`].
    Hello(HelloOffer),
    /// Server: which secret belongs to this identity? Answer [`Answer::PskKey`] or [`Answer::Refuse`].
    PskIdentity {
        /// The identity as sent; at most [`crate::IDENTITY_LENGTH_MAX`] bytes.
        identity: Vec<u8>,
        /// The name of the client's hello.
        peer_name: Option<PeerName>,
    },
    /// Client: the server has named itself and a key. Answer [`Answer::PskCredential`] or
    /// [`Answer::Refuse`].
    ServerNamed {
        /// The name in the server's hello.
        peer_name: Option<PeerName>,
        /// The hint; `None` when the server sent none, which differs from an empty one.
        hint: Option<Vec<u8>>,
    },
    /// Both: is this key acceptable? Answer [`Answer::AcceptKey`] or [`Answer::Refuse`]. The peer has not
    /// yet shown that it holds the private half.
    PeerKey {
        /// The key.
        key: PeerKey,
        /// The name in the peer's hello.
        peer_name: Option<PeerName>,
    },
}

/// What a client offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelloOffer {
    /// Its name, when it sent one.
    pub peer_name: Option<PeerName>,
    /// Those of its suites that exist here, in its order.
    pub suites: Vec<CipherSuite>,
    /// Those of its groups that exist here, in its order.
    pub groups: Vec<Group>,
    /// Forms in which it takes our key.
    pub server_certificate_types: Vec<CertificateType>,
    /// Forms in which it can show its key.
    pub client_certificate_types: Vec<CertificateType>,
    /// Whether it understands connection ids.
    pub connection_ids: bool,
}

/// A peer's public key as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerKey {
    /// A raw public key of an accepted form.
    Raw(PublicKey),
    /// DER certificates, the peer's own first; nothing about them has been checked except that the first
    /// one holds a public key of an accepted form.
    Chain(Vec<Vec<u8>>),
}

/// What the owner decides.
#[derive(Debug)]
pub enum Answer {
    /// To [`Question::Hello`]: with what the server continues.
    Hello(HelloChoice),
    /// To [`Question::Ticket`]: resume.
    Resume {
        /// Our name; sent only when the client sent one.
        name: Option<PeerName>,
        /// Our connection id for this session, as in [`HelloChoice::connection_id`].
        connection_id: Option<Vec<u8>>,
    },
    /// To [`Question::Ticket`]: ignore it; [`Question::Hello`] follows.
    FullHandshake,
    /// To [`Question::PskIdentity`].
    PskKey {
        /// The secret.
        key: Secret,
        /// What to store in a ticket for this client; `None` issues none.
        ticket_state: Option<Vec<u8>>,
    },
    /// To [`Question::ServerNamed`].
    PskCredential {
        /// The identity to send.
        identity: Vec<u8>,
        /// The secret.
        key: Secret,
    },
    /// To [`Question::PeerKey`].
    AcceptKey {
        /// Server: what to store in a ticket for this client; `None` issues none. Ignored by clients.
        ticket_state: Option<Vec<u8>>,
    },
    /// To any question: end the handshake with this fatal alert.
    Refuse(Alert),
}

/// With what a server continues after a hello.
#[derive(Clone, Debug)]
pub struct HelloChoice {
    /// Our name; sent only when the client sent one.
    pub name: Option<PeerName>,
    /// The suites allowed for this client, best first.
    pub suites: Vec<CipherSuite>,
    /// The groups allowed, best first.
    pub groups: Vec<Group>,
    /// The hint for suites with a shared secret, at most [`crate::HINT_LENGTH_MAX`] bytes. `None` sends
    /// none; `Some` of no bytes sends an empty one. PSK suites are allowed by listing them.
    pub hint: Option<Vec<u8>>,
    /// Keys for suites with signatures; the first that fits the client is used.
    pub credentials: Vec<Credential>,
    /// Whether a client of a suite with signatures must show a key, and in which forms.
    pub client_authentication: ClientAuthentication,
    /// The connection id under which we want to be addressed, used only if the client offered the
    /// extension. `Some` of no bytes: we need none but write the client's.
    pub connection_id: Option<Vec<u8>>,
}

/// Whether a client with a public key must prove itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// It is not asked.
    None,
    /// It must, in one of these forms, best first.
    Required(Vec<CertificateType>),
}

/// How a peer proved itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerProof {
    /// Not at all (a client that was not asked).
    Nothing,
    /// It holds the secret of this identity.
    Psk {
        /// The identity the client sent.
        identity: Vec<u8>,
        /// The hint the server sent.
        hint: Option<Vec<u8>>,
    },
    /// It holds the private half of this key.
    RawKey(PublicKey),
    /// It holds the private half of the first of these DER certificates.
    Chain(Vec<Vec<u8>>),
}

/// What is known about the peer once the handshake is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSummary {
    /// The suite in use.
    pub suite: CipherSuite,
    /// How the peer proved itself, now or, if `resumed`, when the ticket was issued.
    pub proof: PeerProof,
    /// The name in the peer's hello; the caller compares it with `proof` (decision M4).
    pub peer_name: Option<PeerName>,
    /// The name in our hello.
    pub own_name: Option<PeerName>,
    /// Whether a ticket stood for a full handshake.
    pub resumed: bool,
    /// Whether the keys are bound to the whole handshake (RFC 7627).
    pub extended_master_secret: bool,
    /// The connection id peers must put on records for us; `None` when none was negotiated.
    pub own_connection_id: Option<Vec<u8>>,
    /// The connection id we put on records for the peer; `None` likewise.
    pub peer_connection_id: Option<Vec<u8>>,
}

/// An answer that does not fit the open question; nothing changed. A bug of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAsked;

/// Why plaintext was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The handshake is not complete.
    NotConnected,
    /// The session is over.
    Closed,
    /// One record in one datagram holds at most `limit` bytes.
    TooLong {
        /// Bytes that would fit.
        limit: usize,
    },
    /// Record numbers are used up; the session is over.
    Exhausted,
}
