//! X.509 at the edges: certificate requests, the certificates that the authority issues, and who a
//! certificate says its holder is.
//!
//! Everything is a function of its arguments: time comes as a [`clock::Timestamp`], chance as
//! [`clock::Dice`], and signatures are made and checked behind the boundary of `crypto`. Paths are not
//! built here; the TLS and DTLS edges check them before they hand a leaf to [`identity_of`].

mod identity;
mod issuer;
mod name;
mod peer;
mod pem;
mod profile;
mod request;
mod serial;
mod signed;

pub use identity::{BadCertificate, CertificateIdentity, Leaf, identity_of};
pub use issuer::{IssueError, Issuer, Lifetime};
pub use name::BadName;
pub use peer::TlsPeer;
pub use pem::{BadPem, CERTIFICATE, CERTIFICATE_REQUEST, PRIVATE_KEY, PemBlock, pem_blocks, pem_from_der};
pub use profile::{Profile, ServerNames};
pub use request::{KeyDemand, MakeRequestError, REQUEST_LENGTH_MAX, Request, RequestError, make_request};
pub use serial::Serial;
