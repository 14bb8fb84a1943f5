//! What kinds of certificates are issued, and what each says about its holder.

use std::net::IpAddr;

use clock::Timestamp;
use der::Encode;
use der::asn1::{Ia5String, OctetString};
use der::oid::AssociatedOid;
use model::{KeyId, ManagementId, ServerRole, Uuid};
use spki::ObjectIdentifier;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName};
use x509_cert::name::RdnSequence;

use crate::name::{self, BadName, COMMON_NAME, ORGANIZATIONAL_UNIT, SERIAL_NUMBER};

pub(crate) const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
pub(crate) const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// The organizational unit says what the holder is; nothing else in a subject does.
pub(crate) mod unit {
    pub(crate) const TLS_SERVER: &str = "TLS Server";
    pub(crate) const MANAGEMENT: &str = "Management System";
    pub(crate) const MAKER: &str = "Maker";
    pub(crate) const IDENTITY: &str = "Identity Server";
    pub(crate) const REGISTRATION: &str = "Registration Server";
    pub(crate) const BOOTSTRAP: &str = "Bootstrap Server";
    pub(crate) const OPERATOR: &str = "Operator";
}

pub(crate) const URN_UUID: &str = "urn:uuid:";

const SERVER_NAME_COUNT_MAX: usize = 64;

/// Under which names a server is reached; at least one, at most 64 in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerNames {
    /// Host names: letters, digits, hyphens and dots, no wildcards.
    pub dns: Vec<String>,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
}

impl ServerNames {
    fn general_names(&self) -> Result<Vec<GeneralName>, BadName> {
        if !(1..=SERVER_NAME_COUNT_MAX).contains(&(self.dns.len() + self.addresses.len())) {
            return Err(BadName);
        }
        let mut names = Vec::new();
        for host in &self.dns {
            if !is_host_name(host) {
                return Err(BadName);
            }
            names.push(GeneralName::DnsName(Ia5String::new(host).map_err(|_| BadName)?));
        }
        for address in &self.addresses {
            let octets = match address {
                IpAddr::V4(v4) => v4.octets().to_vec(),
                IpAddr::V6(v6) => v6.octets().to_vec(),
            };
            names.push(GeneralName::IpAddress(OctetString::new(octets).map_err(|_| BadName)?));
        }
        Ok(names)
    }

    /// The first name for people to read; longer ones than a common name may be are left out.
    fn label(&self) -> Option<String> {
        let first = self.dns.first().cloned().or_else(|| self.addresses.first().map(IpAddr::to_string));
        first.filter(|text| text.len() <= name::ATTRIBUTE_LENGTH_MAX)
    }
}

fn is_host_name(text: &str) -> bool {
    let label_stands = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= 253 && text.split('.').all(label_stands)
}

/// What a certificate is for, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Profile {
    /// A TLS server for everybody. It names a server and no caller.
    TlsServer {
        /// Under which names it is reached.
        names: ServerNames,
        /// Last moment of validity.
        until: Timestamp,
    },
    /// A management system; never ends (attack M7).
    Management {
        /// The id of its class 2 key, the key of its first request for ever (decision G 33).
        class_2_key: KeyId,
        /// `None` on the first certificate, whose serial number becomes the id; the id on all later ones.
        renewal_of: Option<ManagementId>,
    },
    /// A maker's station (decision G 21).
    Maker {
        /// The maker id; renewals keep it.
        maker: Uuid,
        /// Last moment of validity.
        until: Timestamp,
    },
    /// A server of the authority, towards the others: client and server at once (decision G 31).
    AuthorityServer {
        /// What it does.
        role: ServerRole,
        /// Under which names the others reach it.
        names: ServerNames,
        /// Last moment of validity.
        until: Timestamp,
    },
    /// A smart device of OSAP, for protocol type 8; it names no caller.
    /// Source: OSAP secure profile section 3.
    SmartDevice {
        /// The device's serial, as far as it can stand in a certificate: 64 letters, digits and a few signs.
        serial: String,
        /// Last moment of validity.
        until: Timestamp,
    },
    /// The person who runs a server (decision G 35).
    Operator {
        /// Last moment of validity.
        until: Timestamp,
    },
}

pub(crate) const fn unit_of(role: ServerRole) -> &'static str {
    match role {
        ServerRole::Identity => unit::IDENTITY,
        ServerRole::Registration => unit::REGISTRATION,
        ServerRole::Bootstrap => unit::BOOTSTRAP,
    }
}

impl Profile {
    pub(crate) const fn until(&self) -> Option<Timestamp> {
        match self {
            Self::TlsServer { until, .. }
            | Self::Maker { until, .. }
            | Self::AuthorityServer { until, .. }
            | Self::SmartDevice { until, .. }
            | Self::Operator { until } => Some(*until),
            Self::Management { .. } => None,
        }
    }

    pub(crate) fn subject(&self) -> Result<RdnSequence, BadName> {
        match self {
            Self::TlsServer { names, .. } => subject_with_label(unit::TLS_SERVER, names),
            Self::AuthorityServer { role, names, .. } => subject_with_label(unit_of(*role), names),
            Self::Management { renewal_of: None, .. } => {
                name::written(&[(ORGANIZATIONAL_UNIT, unit::MANAGEMENT)])
            }
            Self::Management { renewal_of: Some(id), .. } => {
                name::written(&[(ORGANIZATIONAL_UNIT, unit::MANAGEMENT), (SERIAL_NUMBER, id.as_str())])
            }
            Self::Maker { maker, .. } => {
                name::written(&[(ORGANIZATIONAL_UNIT, unit::MAKER), (SERIAL_NUMBER, &maker.to_string())])
            }
            Self::SmartDevice { serial, .. } => name::written(&[(SERIAL_NUMBER, serial)]),
            Self::Operator { .. } => name::written(&[(ORGANIZATIONAL_UNIT, unit::OPERATOR)]),
        }
    }

    fn alternative_names(&self) -> Result<Vec<GeneralName>, BadName> {
        match self {
            Self::TlsServer { names, .. } | Self::AuthorityServer { names, .. } => names.general_names(),
            Self::Management { class_2_key, .. } => {
                let uri = Ia5String::new(&format!("{URN_UUID}{class_2_key}")).map_err(|_| BadName)?;
                Ok(vec![GeneralName::UniformResourceIdentifier(uri)])
            }
            Self::Maker { .. } | Self::SmartDevice { .. } | Self::Operator { .. } => Ok(Vec::new()),
        }
    }

    fn purposes(&self) -> Vec<ObjectIdentifier> {
        match self {
            Self::TlsServer { .. } => vec![SERVER_AUTH],
            Self::AuthorityServer { .. } => vec![CLIENT_AUTH, SERVER_AUTH],
            Self::Management { .. }
            | Self::Maker { .. }
            | Self::SmartDevice { .. }
            | Self::Operator { .. } => vec![CLIENT_AUTH],
        }
    }

    /// The extensions that say what the holder is and may do; key identifiers are the issuer's business.
    pub(crate) fn extensions(&self) -> Result<Vec<Extension>, BadName> {
        let names = self.alternative_names()?;
        let built = || -> der::Result<Vec<Extension>> {
            let mut extensions = vec![
                extension(true, &BasicConstraints { ca: false, path_len_constraint: None })?,
                extension(true, &KeyUsage(KeyUsages::DigitalSignature.into()))?,
                extension(false, &ExtendedKeyUsage(self.purposes()))?,
            ];
            if !names.is_empty() {
                extensions.push(extension(false, &SubjectAltName(names))?);
            }
            Ok(extensions)
        };
        built().map_err(|_| BadName)
    }
}

fn subject_with_label(unit: &str, names: &ServerNames) -> Result<RdnSequence, BadName> {
    match names.label() {
        Some(label) => name::written(&[(ORGANIZATIONAL_UNIT, unit), (COMMON_NAME, &label)]),
        None => name::written(&[(ORGANIZATIONAL_UNIT, unit)]),
    }
}

pub(crate) fn extension<T: AssociatedOid + Encode>(critical: bool, value: &T) -> der::Result<Extension> {
    Ok(Extension { extn_id: T::OID, critical, extn_value: OctetString::new(value.to_der()?)? })
}
