//! Who is at the other end of a TLS connection.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::{BadCertificate, CertificateIdentity, identity_of};

/// The other end of the TLS connection on which a request came; it rides in the request's extensions.
///
/// The leaf is there only when the TLS edge has built its path to an accepted root and the peer has proven
/// that it holds the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsPeer {
    /// Where the connection came from.
    pub address: SocketAddr,
    /// The verified client certificate in DER.
    pub leaf: Option<Arc<[u8]>>,
}

impl TlsPeer {
    /// Whom the leaf names; `None` when the peer showed no certificate.
    ///
    /// # Errors
    /// [`BadCertificate`] when it showed one that names nobody we know.
    pub fn identity(&self) -> Result<Option<CertificateIdentity>, BadCertificate> {
        self.leaf.as_deref().map(identity_of).transpose()
    }
}
