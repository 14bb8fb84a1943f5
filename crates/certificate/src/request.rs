//! Certificate requests (PKCS#10): reading them with suspicion, and making our own.

use std::fmt;

use clock::Dice;
use crypto::{CryptoError, Curve, KeyKind, PrivateKey, Provider, PublicKey};
use der::asn1::{Any, SetOfVec};
use der::{Decode, Encode, Sequence};
use spki::SubjectPublicKeyInfoOwned;
use x509_cert::name::{Name, RdnSequence};

use crate::name::{self, BadName};
use crate::signed::{self, SignatureError, Signed};

/// A longer request is refused before it is read.
pub const REQUEST_LENGTH_MAX: usize = 8192;

/// Which key the caller takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyDemand {
    /// An EC key on P-256.
    P256,
    /// An RSA key of 2048 to 4096 bits with exponent 65537.
    Rsa,
}

impl KeyDemand {
    const fn is_met_by(self, kind: KeyKind) -> bool {
        match self {
            Self::P256 => matches!(kind, KeyKind::Ec(Curve::P256)),
            Self::Rsa => matches!(kind, KeyKind::Rsa { .. }),
        }
    }
}

/// Why a request is not accepted; nothing of it is to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// More than [`REQUEST_LENGTH_MAX`] bytes.
    TooLong,
    /// No PKCS#10 request in DER.
    Malformed {
        /// How far it could be read.
        offset: usize,
    },
    /// The key is of another kind, curve or size than demanded, or no point on its curve.
    WrongKey,
    /// The signature algorithm is not one of this key.
    WrongAlgorithm,
    /// The signature does not prove that the sender holds the key.
    NotSigned,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("the request is too long"),
            Self::Malformed { offset } => write!(f, "not a certificate request, from byte {offset}"),
            Self::WrongKey => f.write_str("the key is not of the demanded kind"),
            Self::WrongAlgorithm => f.write_str("the signature algorithm does not go with the key"),
            Self::NotSigned => f.write_str("the request is not signed by its key"),
        }
    }
}

impl std::error::Error for RequestError {}

/// `CertificationRequestInfo` of RFC 2986; attributes are kept unread.
#[derive(Sequence)]
struct Info {
    version: u8,
    subject: Name,
    key: SubjectPublicKeyInfoOwned,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    attributes: SetOfVec<Any>,
}

/// The same with a name that is yet to be written.
#[derive(Sequence)]
struct NewInfo {
    version: u8,
    subject: RdnSequence,
    key: Any,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    attributes: SetOfVec<Any>,
}

/// A certificate request whose sender has proven to hold the key.
///
/// Only the key is taken from it: what a certificate says about its holder is decided by the issuer, so
/// subject and attributes of the request count for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    key: PublicKey,
}

impl Request {
    /// Reads a request and checks its key and its signature by that key.
    ///
    /// # Errors
    /// See [`RequestError`]. Source: aSSURE 9.3.1 with attack M8; RFC 2986.
    pub fn from_der(der: &[u8], demand: KeyDemand, provider: &dyn Provider) -> Result<Self, RequestError> {
        if der.len() > REQUEST_LENGTH_MAX {
            return Err(RequestError::TooLong);
        }
        let signed = Signed::from_der(der).map_err(malformed)?;
        let info: Info = signed.body.decode_as().map_err(malformed)?;
        if info.version != 0 {
            return Err(RequestError::Malformed { offset: 0 });
        }
        let spki = info.key.to_der().map_err(malformed)?;
        let key = PublicKey::from_spki(&spki).map_err(|_| RequestError::WrongKey)?;
        if !demand.is_met_by(key.kind()) || provider.check_key(&key).is_err() {
            return Err(RequestError::WrongKey);
        }
        signed.verify(provider, &key).map_err(|error| match error {
            SignatureError::Algorithm => RequestError::WrongAlgorithm,
            SignatureError::NotGenuine => RequestError::NotSigned,
        })?;
        Ok(Self { key })
    }

    /// The key that the certificate is to carry.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.key
    }
}

fn malformed(error: der::Error) -> RequestError {
    let offset = error.position().map_or(0, |position| usize::try_from(position).unwrap_or(usize::MAX));
    RequestError::Malformed { offset }
}

/// Makes a request for `key`, signed by it, with `common_name` as its subject, in DER.
///
/// # Errors
/// [`MakeRequestError`]. Source: RFC 2986.
pub fn make_request(
    key: &dyn PrivateKey,
    common_name: &str,
    dice: &mut Dice,
) -> Result<Vec<u8>, MakeRequestError> {
    let subject = name::written(&[(name::COMMON_NAME, common_name)]).map_err(MakeRequestError::Name)?;
    let body = || -> der::Result<Vec<u8>> {
        let key = Any::from_der(key.public().spki())?;
        NewInfo { version: 0, subject, key, attributes: SetOfVec::new() }.to_der()
    };
    let body = body().map_err(|_| MakeRequestError::Crypto(CryptoError::BadInput))?;
    signed::sign(key, &body, dice).map_err(MakeRequestError::Crypto)
}

/// Why a request could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MakeRequestError {
    /// The common name is empty, longer than 64 characters, or has control characters.
    Name(BadName),
    /// The key does not sign.
    Crypto(CryptoError),
}

impl fmt::Display for MakeRequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::Crypto(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for MakeRequestError {}
