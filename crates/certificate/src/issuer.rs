//! A certificate authority with one key.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use clock::{Dice, Timestamp};
use crypto::{CryptoError, HashAlgorithm, PrivateKey, Provider, PublicKey};
use der::asn1::{Any, OctetString};
use der::{DateTime, Decode, Encode, Sequence};
use spki::AlgorithmIdentifierOwned;
use x509_cert::Certificate;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, KeyUsage, KeyUsages, SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, Extensions};
use x509_cert::name::RdnSequence;
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::{Time, Validity};

use crate::identity::CERTIFICATE_LENGTH_MAX;
use crate::name::{self, BadName};
use crate::profile::{Profile, extension};
use crate::{Serial, signed};

/// Certificates are valid a little before they were made: the clocks of others may lag behind ours.
const BACKDATED_BY: Duration = Duration::from_secs(3600);

/// Bytes of a key identifier: the leftmost 160 bits of the SHA-256 hash of the key (RFC 7093 section 2).
const KEY_IDENTIFIER_LENGTH: usize = 20;

/// `TBSCertificate` of RFC 5280, version 3.
#[derive(Sequence)]
struct Body {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: u8,
    serial: SerialNumber,
    algorithm: AlgorithmIdentifierOwned,
    issuer: RdnSequence,
    validity: Validity,
    subject: RdnSequence,
    key: Any,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Extensions,
}

/// Version 3 as the standard counts.
const VERSION_3: u8 = 2;

/// From when to when a certificate authority is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// The moment it is made.
    pub from: Timestamp,
    /// Its last moment; `None` means that it never ends.
    pub until: Option<Timestamp>,
}

/// Why a certificate could not be issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssueError {
    /// A name cannot stand in a certificate.
    Name(BadName),
    /// The end lies before the start, or beyond the year 9999.
    Lifetime,
    /// The issuer's own certificate is malformed, no certificate authority, or of another key.
    Issuer,
    /// The issuer's key does not sign.
    Crypto(CryptoError),
}

impl fmt::Display for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::Lifetime => f.write_str("the certificate would end before it starts"),
            Self::Issuer => f.write_str("the issuer's certificate is not one of its key"),
            Self::Crypto(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for IssueError {}

/// A certificate authority: its name, its key, its certificate.
pub struct Issuer {
    name: RdnSequence,
    key_identifier: OctetString,
    key: Arc<dyn PrivateKey>,
    certificate: Vec<u8>,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Issuer({})", self.name)
    }
}

impl Issuer {
    /// Makes a root: a certificate authority that signs its own certificate and issues leaves only.
    ///
    /// `common_name` should differ between roots, since peers choose their certificate by it.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn self_signed_ca(
        provider: &dyn Provider,
        key: Arc<dyn PrivateKey>,
        common_name: &str,
        lifetime: Lifetime,
        dice: &mut Dice,
    ) -> Result<Self, IssueError> {
        let name = name::written(&[(name::COMMON_NAME, common_name)]).map_err(IssueError::Name)?;
        let key_identifier = key_identifier(provider, key.public())?;
        let extensions = || -> der::Result<Vec<Extension>> {
            Ok(vec![
                extension(true, &BasicConstraints { ca: true, path_len_constraint: Some(0) })?,
                extension(true, &KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign))?,
                extension(false, &SubjectKeyIdentifier(key_identifier.clone()))?,
            ])
        };
        let body = Body {
            version: VERSION_3,
            serial: serial_number(Serial::random(dice))?,
            algorithm: signed::algorithm_of(key.public().kind()),
            issuer: name.clone(),
            validity: validity(lifetime)?,
            subject: name.clone(),
            key: spki_of(key.public())?,
            extensions: extensions().map_err(unencodable)?,
        };
        let certificate = sign(&*key, &body, dice)?;
        Ok(Self { name, key_identifier, key, certificate })
    }

    /// An issuer from its stored certificate and its key.
    ///
    /// # Errors
    /// [`IssueError::Issuer`] when the certificate is malformed, of another key, or no authority's.
    pub fn new(
        provider: &dyn Provider,
        key: Arc<dyn PrivateKey>,
        certificate: Vec<u8>,
    ) -> Result<Self, IssueError> {
        if certificate.len() > CERTIFICATE_LENGTH_MAX {
            return Err(IssueError::Issuer);
        }
        let read = Certificate::from_der(&certificate).map_err(|_| IssueError::Issuer)?;
        let body = read.tbs_certificate();
        let constraints = body.get_extension::<BasicConstraints>().map_err(|_| IssueError::Issuer)?;
        let identifier = body.get_extension::<SubjectKeyIdentifier>().map_err(|_| IssueError::Issuer)?;
        let spki = body.subject_public_key_info().to_der().map_err(|_| IssueError::Issuer)?;
        if !constraints.is_some_and(|(_, constraints)| constraints.ca) || spki != key.public().spki() {
            return Err(IssueError::Issuer);
        }
        let key_identifier = match identifier {
            Some((_, identifier)) => identifier.0,
            None => key_identifier(provider, key.public())?,
        };
        Ok(Self { name: body.subject().clone().into(), key_identifier, key, certificate })
    }

    /// The issuer's own certificate in DER, to be trusted by those who check what it issues.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The issuer's key.
    #[must_use]
    pub const fn key(&self) -> &Arc<dyn PrivateKey> {
        &self.key
    }

    /// Issues a certificate for `key`, in DER, valid from an hour before `now`.
    ///
    /// The caller knows that the applicant holds the key (see [`crate::Request`]) and may be what `profile`
    /// says, and that `serial` was not used before.
    ///
    /// # Errors
    /// [`IssueError`]. Source: aSSURE 9.3.1 with decisions G 21, G 31, G 33, G 35 and attack M7.
    pub fn issue(
        &self,
        provider: &dyn Provider,
        key: &PublicKey,
        serial: Serial,
        profile: &Profile,
        now: Timestamp,
        dice: &mut Dice,
    ) -> Result<Vec<u8>, IssueError> {
        let mut extensions = profile.extensions().map_err(IssueError::Name)?;
        let identifiers = || -> der::Result<[Extension; 2]> {
            let authority = AuthorityKeyIdentifier {
                key_identifier: Some(self.key_identifier.clone()),
                authority_cert_issuer: None,
                authority_cert_serial_number: None,
            };
            let subject = key_identifier(provider, key).map_err(|_| der::ErrorKind::Failed)?;
            Ok([extension(false, &SubjectKeyIdentifier(subject))?, extension(false, &authority)?])
        };
        extensions.extend(identifiers().map_err(unencodable)?);
        let body = Body {
            version: VERSION_3,
            serial: serial_number(serial)?,
            algorithm: signed::algorithm_of(self.key.public().kind()),
            issuer: self.name.clone(),
            validity: validity(Lifetime { from: now, until: profile.until() })?,
            subject: profile.subject().map_err(IssueError::Name)?,
            key: spki_of(key)?,
            extensions,
        };
        sign(&*self.key, &body, dice)
    }
}

fn sign(key: &dyn PrivateKey, body: &Body, dice: &mut Dice) -> Result<Vec<u8>, IssueError> {
    let der = body.to_der().map_err(unencodable)?;
    signed::sign(key, &der, dice).map_err(IssueError::Crypto)
}

const fn unencodable(_: der::Error) -> IssueError {
    IssueError::Crypto(CryptoError::BadInput)
}

fn spki_of(key: &PublicKey) -> Result<Any, IssueError> {
    Any::from_der(key.spki()).map_err(unencodable)
}

fn serial_number(serial: Serial) -> Result<SerialNumber, IssueError> {
    SerialNumber::new(serial.as_bytes()).map_err(unencodable)
}

fn key_identifier(provider: &dyn Provider, key: &PublicKey) -> Result<OctetString, IssueError> {
    let digest = provider.digest(HashAlgorithm::Sha256, &[key.spki()]).first_32();
    OctetString::new(&digest[..KEY_IDENTIFIER_LENGTH]).map_err(unencodable)
}

fn validity(lifetime: Lifetime) -> Result<Validity, IssueError> {
    let time = |at: Duration| -> Result<Time, IssueError> {
        let whole = Duration::from_secs(at.as_secs());
        DateTime::from_unix_duration(whole).map(Time::from).map_err(|_| IssueError::Lifetime)
    };
    let from = Duration::from_millis(lifetime.from.as_unix_millis());
    let until = match lifetime.until {
        None => Time::INFINITY,
        Some(until) if until < lifetime.from => return Err(IssueError::Lifetime),
        Some(until) => time(Duration::from_millis(until.as_unix_millis()))?,
    };
    Ok(Validity::new(time(from.saturating_sub(BACKDATED_BY))?, until))
}
