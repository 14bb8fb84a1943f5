//! Distinguished names: the few attributes that are written and read.

use std::fmt;

use der::asn1::{Any, PrintableStringRef, Utf8StringRef};
use der::{Tag, Tagged};
use spki::ObjectIdentifier;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};

pub(crate) const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
pub(crate) const SERIAL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.5");
pub(crate) const ORGANIZATIONAL_UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");

/// Upper bound of these attributes in characters (RFC 5280 A.1).
pub(crate) const ATTRIBUTE_LENGTH_MAX: usize = 64;

/// A name that cannot stand in a certificate: empty, too long, or with characters it may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadName;

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name cannot stand in a certificate")
    }
}

impl std::error::Error for BadName {}

/// Writes a name, one attribute per part, in the given order.
pub(crate) fn written(attributes: &[(ObjectIdentifier, &str)]) -> Result<RdnSequence, BadName> {
    let mut sequence = RdnSequence::default();
    for (oid, text) in attributes {
        let length = text.chars().count();
        if !(1..=ATTRIBUTE_LENGTH_MAX).contains(&length) || text.chars().any(char::is_control) {
            return Err(BadName);
        }
        let mut part = RelativeDistinguishedName::default();
        let value = value_of(*oid, text).map_err(|_| BadName)?;
        part.insert(AttributeTypeAndValue { oid: *oid, value }).map_err(|_| BadName)?;
        sequence.push(part);
    }
    Ok(sequence)
}

/// The serial number of a subject is a PrintableString by its definition; the others are UTF-8.
fn value_of(oid: ObjectIdentifier, text: &str) -> der::Result<Any> {
    if oid == SERIAL_NUMBER {
        Any::encode_from(&PrintableStringRef::new(text)?)
    } else {
        Any::encode_from(&Utf8StringRef::new(text)?)
    }
}

/// The one attribute of a kind; `Err` when it stands there more than once or is no text.
pub(crate) fn single(name: &Name, oid: ObjectIdentifier) -> Result<Option<&str>, BadName> {
    let mut found = name.iter().filter(|attribute| attribute.oid == oid);
    let Some(first) = found.next() else { return Ok(None) };
    if found.next().is_some() || !matches!(first.value.tag(), Tag::Utf8String | Tag::PrintableString) {
        return Err(BadName);
    }
    std::str::from_utf8(first.value.value()).map(Some).map_err(|_| BadName)
}
