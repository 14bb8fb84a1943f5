//! How an access service says who and where it is.

use std::fmt;

use crypto::{HashAlgorithm, Provider, Secret};
use minicbor::{Decode, Encode};
use osap_proto::ServerId;
use subtle::ConstantTimeEq as _;

use super::frame::Unreadable;

/// What the proof of a pass begins with, so that it stands for nothing else.
const LABEL: &[u8] = b"thingstead access service 1";

/// Host names have at most 253 characters.
const HOST_SIZE_MAX: usize = 253;

/// The first words of an access service.
#[derive(Clone, PartialEq, Eq)]
pub struct Hello {
    /// Its name in tickets.
    pub id: ServerId,
    /// Where devices reach it.
    pub host: String,
    /// MQTT over TLS.
    pub port: u16,
    /// MQTT without TLS, where that is switched on.
    pub plain_port: Option<u16>,
    /// SHA-256 of its TLS key.
    pub tls_key: [u8; 32],
    /// See [`Self::proof_of`].
    pub proof: [u8; 32],
}

impl fmt::Debug for Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, host, port, plain_port, .. } = self;
        write!(f, "Hello({id:?} at {host}:{port}, without TLS {plain_port:?})")
    }
}

impl Hello {
    /// Shows that the service has the secret of its pass, for this TLS connection alone: whoever records it
    /// can show it nowhere else.
    #[must_use]
    pub fn proof_of(
        provider: &dyn Provider,
        secret: &Secret,
        exporter: &[u8; 32],
        id: &ServerId,
    ) -> [u8; 32] {
        let parts = [LABEL, &exporter[..], id.as_bytes()];
        provider.hmac(HashAlgorithm::Sha256, secret.expose(), &parts).first_32()
    }

    /// Whether the proof is that of this secret and connection, in constant time.
    #[must_use]
    pub fn is_proven(&self, provider: &dyn Provider, secret: &Secret, exporter: &[u8; 32]) -> bool {
        let wanted = Self::proof_of(provider, secret, exporter, &self.id);
        wanted.ct_eq(&self.proof).into()
    }
}

/// Why a centre does not take an access service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyNot {
    /// It has no pass of this name, or the proof is wrong; which of them is not told.
    NotProven,
    /// A service of this name is in the centre's own process.
    NameTaken,
}

impl WhyNot {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::NotProven => 1,
            Self::NameTaken => 2,
        }
    }

    pub(super) fn of(code: u8) -> Option<Self> {
        [Self::NotProven, Self::NameTaken].into_iter().find(|why| why.code() == code)
    }
}

#[derive(Encode, Decode)]
pub(super) struct HelloFrame {
    #[cbor(n(0), with = "minicbor::bytes")]
    id: Vec<u8>,
    #[n(1)]
    host: String,
    #[n(2)]
    port: u16,
    #[n(3)]
    plain_port: Option<u16>,
    #[cbor(n(4), with = "minicbor::bytes")]
    tls_key: [u8; 32],
    #[cbor(n(5), with = "minicbor::bytes")]
    proof: [u8; 32],
}

impl From<&Hello> for HelloFrame {
    fn from(hello: &Hello) -> Self {
        Self {
            id: hello.id.as_bytes().to_vec(),
            host: hello.host.clone(),
            port: hello.port,
            plain_port: hello.plain_port,
            tls_key: hello.tls_key,
            proof: hello.proof,
        }
    }
}

impl TryFrom<HelloFrame> for Hello {
    type Error = Unreadable;

    fn try_from(frame: HelloFrame) -> Result<Self, Unreadable> {
        if frame.host.len() > HOST_SIZE_MAX {
            return Err(Unreadable);
        }
        Ok(Self {
            id: ServerId::new(&frame.id).ok_or(Unreadable)?,
            host: frame.host,
            port: frame.port,
            plain_port: frame.plain_port,
            tls_key: frame.tls_key,
            proof: frame.proof,
        })
    }
}
