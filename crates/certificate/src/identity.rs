//! Whom a certificate names.

use std::fmt;

use clock::Timestamp;
use crypto::{HashAlgorithm, Provider, PublicKey};
use der::{Decode, Encode};
use model::{Caller, KeyId, ManagementId, ServerRole, Uuid};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, SubjectAltName};
use x509_cert::{Certificate, Version};

use crate::name::{ORGANIZATIONAL_UNIT, SERIAL_NUMBER, single};
use crate::profile::{CLIENT_AUTH, URN_UUID, unit};

/// A longer certificate is refused before it is read.
pub(crate) const CERTIFICATE_LENGTH_MAX: usize = 8192;

/// Who the holder of a client certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateIdentity {
    /// A maker (decision G 21).
    Maker(Uuid),
    /// A management system.
    Management {
        /// Its id: the subject's serialNumber when there is one, else the certificate's serial number.
        id: ManagementId,
        /// The id of its class 2 key (decision G 33), which need not be the key of this certificate.
        class_2_key: KeyId,
    },
    /// A server of the authority (decision G 31).
    Server(ServerRole),
    /// The person who runs a server (decision G 35).
    Operator,
}

impl CertificateIdentity {
    /// The same as the domain calls it.
    #[must_use]
    pub fn caller(&self) -> Caller {
        match self {
            Self::Maker(maker) => Caller::Maker(*maker),
            Self::Management { id, .. } => Caller::Management(id.clone()),
            Self::Server(role) => Caller::Server(*role),
            Self::Operator => Caller::Operator,
        }
    }
}

/// Why a certificate names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadCertificate {
    /// No X.509 version 3 certificate in DER, or too long.
    Malformed,
    /// It is not for clients, or is an authority's own.
    NotForClients,
    /// Its subject is of no kind that we issue.
    UnknownKind,
    /// Its kind is known, but the id that goes with it is missing, doubled or malformed.
    BadIdentity,
    /// Its key is of a kind that we do not take.
    BadKey,
}

impl fmt::Display for BadCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a certificate",
            Self::NotForClients => "the certificate is not for clients",
            Self::UnknownKind => "the certificate names no known kind of holder",
            Self::BadIdentity => "the certificate names no id of its holder",
            Self::BadKey => "the key of the certificate is of no accepted kind",
        })
    }
}

impl std::error::Error for BadCertificate {}

/// A certificate that was read, not verified: that is the business of whoever accepted it.
#[derive(Debug)]
pub struct Leaf(Certificate);

impl Leaf {
    /// Reads a certificate of at most 8192 bytes.
    ///
    /// # Errors
    /// [`BadCertificate::Malformed`].
    pub fn from_der(der: &[u8]) -> Result<Self, BadCertificate> {
        if der.len() > CERTIFICATE_LENGTH_MAX {
            return Err(BadCertificate::Malformed);
        }
        let read = Certificate::from_der(der).map_err(|_| BadCertificate::Malformed)?;
        if read.tbs_certificate().version() != Version::V3 {
            return Err(BadCertificate::Malformed);
        }
        Ok(Self(read))
    }

    /// The key of the holder.
    ///
    /// # Errors
    /// [`BadCertificate::BadKey`] when it is of no accepted form.
    pub fn public_key(&self) -> Result<PublicKey, BadCertificate> {
        let spki = self.0.tbs_certificate().subject_public_key_info().to_der();
        let spki = spki.map_err(|_| BadCertificate::BadKey)?;
        PublicKey::from_spki(&spki).map_err(|_| BadCertificate::BadKey)
    }

    /// The SHA-256 of the key as it stands (SubjectPublicKeyInfo), of whatever kind it is.
    ///
    /// # Errors
    /// [`BadCertificate::BadKey`] when it cannot be written again.
    pub fn key_digest(&self, provider: &dyn Provider) -> Result<[u8; 32], BadCertificate> {
        let spki = self.0.tbs_certificate().subject_public_key_info().to_der();
        let spki = spki.map_err(|_| BadCertificate::BadKey)?;
        let digest = provider.digest(HashAlgorithm::Sha256, &[&spki]);
        digest.as_ref().try_into().map_err(|_| BadCertificate::BadKey)
    }

    /// The serial number, big-endian.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        self.0.tbs_certificate().serial_number().as_bytes()
    }

    /// The `serialNumber` of the subject; `None` when there is none, more than one, or no text.
    #[must_use]
    pub fn subject_serial_number(&self) -> Option<&str> {
        single(self.0.tbs_certificate().subject(), SERIAL_NUMBER).ok().flatten()
    }

    /// The last moment of its validity; `None` beyond what a timestamp holds.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        let until = self.0.tbs_certificate().validity().not_after.to_unix_duration();
        u64::try_from(until.as_millis()).ok().map(Timestamp::from_unix_millis)
    }

    /// Who the holder is.
    ///
    /// # Errors
    /// Every variant of [`BadCertificate`] but [`BadCertificate::BadKey`].
    pub fn identity(&self) -> Result<CertificateIdentity, BadCertificate> {
        self.check_it_is_for_clients()?;
        let subject = self.0.tbs_certificate().subject();
        let kind = single(subject, ORGANIZATIONAL_UNIT).map_err(|_| BadCertificate::UnknownKind)?;
        let number = single(subject, SERIAL_NUMBER).map_err(|_| BadCertificate::BadIdentity)?;
        match kind.ok_or(BadCertificate::UnknownKind)? {
            unit::MAKER => {
                let maker = number.ok_or(BadCertificate::BadIdentity)?.parse();
                maker.map(CertificateIdentity::Maker).map_err(|_| BadCertificate::BadIdentity)
            }
            unit::MANAGEMENT => self.management(number),
            unit::IDENTITY => Ok(CertificateIdentity::Server(ServerRole::Identity)),
            unit::REGISTRATION => Ok(CertificateIdentity::Server(ServerRole::Registration)),
            unit::BOOTSTRAP => Ok(CertificateIdentity::Server(ServerRole::Bootstrap)),
            unit::OPERATOR => Ok(CertificateIdentity::Operator),
            _ => Err(BadCertificate::UnknownKind),
        }
    }

    fn check_it_is_for_clients(&self) -> Result<(), BadCertificate> {
        let body = self.0.tbs_certificate();
        let purposes = body.get_extension::<ExtendedKeyUsage>().map_err(|_| BadCertificate::Malformed)?;
        let constraints = body.get_extension::<BasicConstraints>().map_err(|_| BadCertificate::Malformed)?;
        let for_clients = purposes.is_some_and(|(_, purposes)| purposes.0.contains(&CLIENT_AUTH));
        let authority = constraints.is_some_and(|(_, constraints)| constraints.ca);
        if for_clients && !authority { Ok(()) } else { Err(BadCertificate::NotForClients) }
    }

    fn management(&self, number: Option<&str>) -> Result<CertificateIdentity, BadCertificate> {
        let id = match number {
            Some(text) => text.parse(),
            None => ManagementId::from_serial(self.unsigned_serial()?),
        };
        let id = id.map_err(|_| BadCertificate::BadIdentity)?;
        Ok(CertificateIdentity::Management { id, class_2_key: self.class_2_key()? })
    }

    /// The serial number without the zero that keeps it positive.
    fn unsigned_serial(&self) -> Result<&[u8], BadCertificate> {
        match self.serial() {
            [0, digits @ ..] => Ok(digits),
            [first, ..] if first & 0x80 != 0 => Err(BadCertificate::BadIdentity),
            digits => Ok(digits),
        }
    }

    fn class_2_key(&self) -> Result<KeyId, BadCertificate> {
        let names = self.0.tbs_certificate().get_extension::<SubjectAltName>();
        let names = names.map_err(|_| BadCertificate::BadIdentity)?.ok_or(BadCertificate::BadIdentity)?.1;
        let [GeneralName::UniformResourceIdentifier(uri)] = names.0.as_slice() else {
            return Err(BadCertificate::BadIdentity);
        };
        let text = uri.as_str().strip_prefix(URN_UUID).ok_or(BadCertificate::BadIdentity)?;
        text.parse().map(|uuid: Uuid| KeyId::from(uuid)).map_err(|_| BadCertificate::BadIdentity)
    }
}

/// Who the holder of a client certificate is. The certificate's path has been checked by the caller, against
/// the roots that issue for this listener.
///
/// # Errors
/// [`BadCertificate`].
pub fn identity_of(der: &[u8]) -> Result<CertificateIdentity, BadCertificate> {
    Leaf::from_der(der)?.identity()
}
