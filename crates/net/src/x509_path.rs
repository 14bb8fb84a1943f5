//! X.509 paths of peers whose handshake is not ours to leave to the TLS library (DTLS).

use std::fmt;
use std::time::Duration;

use clock::Timestamp;
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// A longer chain is refused. Source: ruling A-ASSURE-25.
pub const CHAIN_LENGTH_MAX: usize = 8;

/// What the peer has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerRole<'a> {
    /// A client; whom its leaf names is judged elsewhere.
    Client,
    /// The server of this host name or address.
    Server(&'a str),
}

/// Why a chain is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// The chain is empty or longer than [`CHAIN_LENGTH_MAX`].
    Length,
    /// A certificate, or the expected name, is malformed or uses what is not supported.
    Malformed,
    /// A root that we were given is malformed.
    BadRoot,
    /// No path leads to a root.
    UnknownIssuer,
    /// A certificate of the path is not valid yet.
    NotYetValid,
    /// A certificate of the path has ended.
    Expired,
    /// A signature in the path does not match.
    BadSignature,
    /// A certificate is used for what it is not for.
    WrongPurpose,
    /// The leaf is not one of the expected name.
    WrongName,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "the certificate chain is empty or too long",
            Self::Malformed => "a certificate is malformed or unsupported",
            Self::BadRoot => "a root certificate is malformed",
            Self::UnknownIssuer => "no path leads to an accepted root",
            Self::NotYetValid => "a certificate is not valid yet",
            Self::Expired => "a certificate has expired",
            Self::BadSignature => "a signature in the path does not match",
            Self::WrongPurpose => "a certificate is not for this purpose",
            Self::WrongName => "the certificate is not the expected peer's",
        })
    }
}

impl std::error::Error for PathError {}

/// Checks that a path leads from the first certificate of `chain` over the others to one of `roots`, all in
/// DER, that it is valid at `now`, and that the leaf is for what `role` says.
///
/// # Errors
/// [`PathError`]. Source: RFC 5280 section 6.
pub fn check(
    chain: &[Vec<u8>],
    roots: &[Vec<u8>],
    now: Timestamp,
    role: PeerRole<'_>,
) -> Result<(), PathError> {
    if !(1..=CHAIN_LENGTH_MAX).contains(&chain.len()) {
        return Err(PathError::Length);
    }
    let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let roots: Vec<_> = roots.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let anchors: Result<Vec<TrustAnchor<'_>>, _> = roots.iter().map(anchor_from_trusted_cert).collect();
    let anchors = anchors.map_err(|_| PathError::BadRoot)?;
    let leaf = EndEntityCert::try_from(&chain[0]).map_err(|error| blame(&error))?;
    let usage = match role {
        PeerRole::Client => KeyUsage::client_auth(),
        PeerRole::Server(_) => KeyUsage::server_auth(),
    };
    let time = UnixTime::since_unix_epoch(Duration::from_millis(now.as_unix_millis()));
    leaf.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &anchors, &chain[1..], time, usage, None, None)
        .map_err(|error| blame(&error))?;
    if let PeerRole::Server(name) = role {
        let name = ServerName::try_from(name).map_err(|_| PathError::Malformed)?;
        leaf.verify_is_valid_for_subject_name(&name).map_err(|error| blame(&error))?;
    }
    Ok(())
}

/// The library's errors are open-ended; what is not told apart here is malformed or unsupported.
fn blame(error: &webpki::Error) -> PathError {
    use webpki::Error;
    match error {
        Error::UnknownIssuer => PathError::UnknownIssuer,
        Error::CertExpired { .. } => PathError::Expired,
        Error::CertNotValidYet { .. } => PathError::NotYetValid,
        Error::InvalidSignatureForPublicKey => PathError::BadSignature,
        Error::CertNotValidForName(_) => PathError::WrongName,
        Error::CaUsedAsEndEntity
        | Error::EndEntityUsedAsCa
        | Error::PathLenConstraintViolated
        | Error::RequiredEkuNotFoundContext(_) => PathError::WrongPurpose,
        _ => PathError::Malformed,
    }
}
