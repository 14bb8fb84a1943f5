//! What a session is given at its start.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use clock::Dice;
use crypto::{Curve, Group, KeyKind, PrivateKey, Provider};

use crate::{CipherSuite, Ticket};

/// A name as the peer_name extension carries it: a UUID or key id, 16 raw bytes.
/// Source: aSSURE 8.2.1; ruling A-ASSURE-50, decision M4.
pub type PeerName = [u8; 16];

/// The groups every session offers unless told otherwise, cheapest first.
pub const DEFAULT_GROUPS: [Group; 4] =
    [Group::Nist(Curve::P256), Group::X25519, Group::Nist(Curve::P384), Group::Nist(Curve::P521)];

/// Longest connection id, in bytes. Source: RFC 9146 section 3.
pub const CONNECTION_ID_LENGTH_MAX: usize = 255;

/// Longest identity hint that is sent or accepted, in bytes.
pub const HINT_LENGTH_MAX: usize = 4096;

/// Longest key identity that is sent or accepted, in bytes.
pub const IDENTITY_LENGTH_MAX: usize = 1024;

/// What bounds a session; the defaults suit a server on the open network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest datagram that is sent, in bytes; at least 256. Default 1232 (IPv6 minimum less headers).
    pub datagram_size_max: usize,
    /// Largest handshake message that is accepted, in bytes; a longer one ends the handshake. Default 8192.
    pub message_size_max: usize,
    /// Bytes of handshake messages that may wait for their turn; fragments beyond are dropped and come
    /// again with the peer's next transmission. Default 16,384.
    pub reassembly_size_max: usize,
    /// Bytes of all handshake messages together; more end the handshake. Default 32,768.
    pub transcript_size_max: usize,
    /// Records of the protected epoch that may wait for keys or for Finished; later ones are dropped.
    /// Default 4.
    pub early_record_count_max: usize,
    /// Wait before the first retransmission; doubles each time. Default 1 s.
    pub retransmit_after: Duration,
    /// The wait never grows beyond this. Default 60 s.
    pub retransmit_after_max: Duration,
    /// How often a flight is sent in all before the peer counts as gone. Default 7.
    pub transmission_count_max: u8,
    /// A handshake that takes longer, answers of the policy included, is given up. Default 120 s.
    pub handshake_duration_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            datagram_size_max: 1232,
            message_size_max: 8192,
            reassembly_size_max: 16_384,
            transcript_size_max: 32_768,
            early_record_count_max: 4,
            retransmit_after: Duration::from_secs(1),
            retransmit_after_max: Duration::from_secs(60),
            transmission_count_max: 7,
            handshake_duration_max: Duration::from_secs(120),
        }
    }
}

/// In which form a public key travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CertificateType {
    /// A bare SubjectPublicKeyInfo (2). Source: RFC 7250.
    RawPublicKey,
    /// A chain of X.509 certificates (0).
    X509,
}

impl CertificateType {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::X509 => 0,
            Self::RawPublicKey => 2,
        }
    }

    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::X509),
            2 => Some(Self::RawPublicKey),
            _ => None,
        }
    }
}

/// A private key and the form in which its public half is shown.
#[derive(Clone)]
pub struct Credential {
    /// Signs for us.
    pub key: Arc<dyn PrivateKey>,
    /// Empty: the key is shown as a raw public key. Else DER certificates, the one of `key` first.
    pub chain: Vec<Vec<u8>>,
}

impl Credential {
    /// A key shown as a raw public key.
    #[must_use]
    pub fn raw(key: Arc<dyn PrivateKey>) -> Self {
        Self { key, chain: Vec::new() }
    }

    /// The form in which the key travels.
    #[must_use]
    pub fn certificate_type(&self) -> CertificateType {
        if self.chain.is_empty() { CertificateType::RawPublicKey } else { CertificateType::X509 }
    }

    /// What kind of key it is.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.key.public().kind()
    }
}

impl core::fmt::Debug for Credential {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Credential({:?}, {:?})", self.kind(), self.certificate_type())
    }
}

/// What a client brings to its handshake.
#[derive(Debug)]
pub struct ClientSetup {
    /// Does the cryptography.
    pub provider: Arc<dyn Provider>,
    /// Randomness of this session alone.
    pub dice: Dice,
    /// Suites to offer, best first; all with a shared secret or all with signatures.
    pub suites: Vec<CipherSuite>,
    /// Groups to offer, best first; must hold the curve of every EC key that may appear.
    pub groups: Vec<Group>,
    /// Our key for suites with signatures; `None` when the client proves nothing or has a shared secret.
    pub credential: Option<Credential>,
    /// Forms in which a server's key is accepted, best first.
    pub server_certificate_types: Vec<CertificateType>,
    /// Our name for the peer_name extension; `None` sends none.
    pub name: Option<PeerName>,
    /// The connection id under which we want to be addressed. `Some` of no bytes: we need none, but write
    /// the server's; `None`: the extension is not offered.
    pub connection_id: Option<Vec<u8>>,
    /// Whether a ticket for later is asked for, and one from earlier, if any.
    pub resumption: Resumption,
    /// Bounds.
    pub limits: Limits,
}

/// What a client wants of tickets (RFC 5077).
#[derive(Debug)]
pub enum Resumption {
    /// None: the extension is not sent.
    Never,
    /// A ticket for later; this handshake is a full one.
    Ask,
    /// Resume with this ticket, and get a new one if the server decides for a full handshake.
    With(Ticket),
}

impl ClientSetup {
    /// A client with a shared secret, offering PSK suites only; the policy is asked for the secret.
    #[must_use]
    pub fn psk(provider: Arc<dyn Provider>, dice: Dice) -> Self {
        Self {
            provider,
            dice,
            suites: CipherSuite::PSK.to_vec(),
            groups: DEFAULT_GROUPS.to_vec(),
            credential: None,
            server_certificate_types: Vec::new(),
            name: None,
            connection_id: Some(Vec::new()),
            resumption: Resumption::Never,
            limits: Limits::default(),
        }
    }

    /// A client with a key of its own (or none), offering the suites with signatures that fit `suites`.
    #[must_use]
    pub fn keyed(
        provider: Arc<dyn Provider>,
        dice: Dice,
        suites: &[CipherSuite],
        credential: Option<Credential>,
    ) -> Self {
        let form = credential.as_ref().map_or(CertificateType::RawPublicKey, Credential::certificate_type);
        Self {
            suites: suites.to_vec(),
            credential,
            server_certificate_types: alloc::vec![form],
            ..Self::psk(provider, dice)
        }
    }
}

/// What a listener serves with.
#[derive(Debug)]
pub struct ListenerSetup {
    /// Does the cryptography.
    pub provider: Arc<dyn Provider>,
    /// Randomness of the listener; each session gets its own split from it.
    pub dice: Dice,
    /// Bounds of accepted sessions.
    pub limits: Limits,
    /// How long a key of the cookie serves before the next takes over; a cookie lives one to two times as
    /// long. Default 30 s.
    pub cookie_key_duration: Duration,
    /// How long a key of tickets serves likewise; `None` issues and accepts no tickets (the default).
    pub ticket_key_duration: Option<Duration>,
}

impl ListenerSetup {
    /// A listener with the default bounds and without tickets.
    #[must_use]
    pub fn new(provider: Arc<dyn Provider>, dice: Dice) -> Self {
        Self {
            provider,
            dice,
            limits: Limits::default(),
            cookie_key_duration: Duration::from_secs(30),
            ticket_key_duration: None,
        }
    }
}

/// A setup that cannot work, whatever the peer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupError {
    /// No suite is offered.
    NoSuite,
    /// Suites with a shared secret stand beside suites with signatures: a channel has keys of one kind, and
    /// offering the other would let an attacker pick it (LOW).
    MixedSuites,
    /// A suite with signatures or an ephemeral exchange is offered, but no group.
    NoGroup,
    /// A suite with signatures is offered, but no form in which the server's key could come.
    NoCertificateType,
    /// The connection id is longer than [`CONNECTION_ID_LENGTH_MAX`].
    ConnectionIdTooLong,
    /// The datagram limit is under 256 bytes.
    DatagramsTooSmall,
}
