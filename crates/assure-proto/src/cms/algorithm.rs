//! Which algorithms enveloped data may name, and how it names them.

use alloc::vec::Vec;

use crypto::{Curve, HashAlgorithm};
use wire::{DecodeError, Reason};

use super::OpenError;
use super::der::{self, NULL, OCTET_STRING, OID, Reader, SEQUENCE};

/// id-envelopedData (RFC 5652).
pub(super) const ENVELOPED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 3];
/// id-data.
pub(super) const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
/// id-ecPublicKey.
pub(super) const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
/// id-RSAES-OAEP, and what stands in its parameters.
pub(super) const OAEP: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 7];
const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8];
const P_SPECIFIED: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 9];
/// The NIST arcs for AES and for hashes; one more byte names the algorithm.
const AES: [u8; 8] = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1];
const HASH: [u8; 8] = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2];
/// dhSinglePass-stdDH-*kdf of SEC 1; one more byte names the hash.
const STD_DH: [u8; 5] = [0x2b, 0x81, 4, 1, 11];

pub(super) const fn curve_oid(curve: Curve) -> &'static [u8] {
    match curve {
        Curve::P256 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7],
        Curve::P384 => &[0x2b, 0x81, 4, 0, 0x22],
        Curve::P521 => &[0x2b, 0x81, 4, 0, 0x23],
    }
}

/// AES with one of the two key sizes that are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aes {
    Bits128,
    Bits256,
}

impl Aes {
    pub(super) const fn key_length(self) -> usize {
        match self {
            Self::Bits128 => 16,
            Self::Bits256 => 32,
        }
    }

    /// The key-wrap algorithm identifier; without parameters (RFC 3565).
    pub(super) fn wrap_identifier(self) -> Vec<u8> {
        let last = match self {
            Self::Bits128 => 5,
            Self::Bits256 => 45,
        };
        der::element(SEQUENCE, &[&der::element(OID, &[&AES, &[last]])])
    }

    /// The AES-CBC algorithm identifier with its initialisation vector.
    pub(super) fn cbc_identifier(self, iv: &[u8; 16]) -> Vec<u8> {
        let last = match self {
            Self::Bits128 => 2,
            Self::Bits256 => 42,
        };
        let oid = der::element(OID, &[&AES, &[last]]);
        der::element(SEQUENCE, &[&oid, &der::element(OCTET_STRING, &[iv])])
    }

    /// Reads a key-wrap algorithm identifier.
    pub(super) fn read_wrap(reader: &mut Reader<'_>) -> Result<Self, OpenError> {
        let mut identifier = reader.inside(SEQUENCE)?;
        let aes = match identifier.bytes(OID)?.strip_prefix(&AES) {
            Some([5]) => Self::Bits128,
            Some([45]) => Self::Bits256,
            Some(_) | None => return Err(OpenError::RefusedAlgorithm),
        };
        identifier.finish()?;
        Ok(aes)
    }

    /// Reads an AES-CBC algorithm identifier.
    pub(super) fn read_cbc(reader: &mut Reader<'_>) -> Result<(Self, [u8; 16]), OpenError> {
        let mut identifier = reader.inside(SEQUENCE)?;
        let aes = match identifier.bytes(OID)?.strip_prefix(&AES) {
            Some([2]) => Self::Bits128,
            Some([42]) => Self::Bits256,
            Some(_) | None => return Err(OpenError::RefusedAlgorithm),
        };
        let at = identifier.error(Reason::OutOfRange);
        let iv = identifier.bytes(OCTET_STRING)?.try_into().map_err(|_| at)?;
        identifier.finish()?;
        Ok((aes, iv))
    }
}

/// The key agreement identifier: the KDF's hash and the wrap algorithm inside it.
pub(super) fn agreement_identifier(hash: HashAlgorithm, wrap: Aes) -> Vec<u8> {
    let oid = der::element(OID, &[&STD_DH, &[hash_number(hash)]]);
    der::element(SEQUENCE, &[&oid, &wrap.wrap_identifier()])
}

/// Reads a key agreement identifier; only the standard (not cofactor) variant with a SHA-2 KDF is accepted.
pub(super) fn read_agreement(reader: &mut Reader<'_>) -> Result<(HashAlgorithm, Aes), OpenError> {
    let mut identifier = reader.inside(SEQUENCE)?;
    let named = identifier.bytes(OID)?.strip_prefix(&STD_DH).and_then(numbered_hash);
    let hash = named.ok_or(OpenError::RefusedAlgorithm)?;
    let wrap = Aes::read_wrap(&mut identifier)?;
    identifier.finish()?;
    Ok((hash, wrap))
}

/// The RSAES-OAEP identifier; the label stands in `pSpecified`, which is left out when there is none.
pub(super) fn oaep_identifier(hash: HashAlgorithm, label: Option<&[u8]>) -> Vec<u8> {
    let hash_oid = der::element(OID, &[&HASH, &[hash_number(hash)]]);
    let hash_identifier = der::element(SEQUENCE, &[&hash_oid, &der::element(NULL, &[])]);
    let mask = der::element(SEQUENCE, &[&der::element(OID, &[MGF1]), &hash_identifier]);
    let source = label.map_or_else(Vec::new, |label| {
        let source = [der::element(OID, &[P_SPECIFIED]), der::element(OCTET_STRING, &[label])].concat();
        der::element(der::constructed(2), &[&der::element(SEQUENCE, &[&source])])
    });
    let parameters = [
        der::element(der::constructed(0), &[&hash_identifier]),
        der::element(der::constructed(1), &[&mask]),
        source,
    ]
    .concat();
    der::element(SEQUENCE, &[&der::element(OID, &[OAEP]), &der::element(SEQUENCE, &[&parameters])])
}

/// Reads a key transport identifier: RSAES-OAEP with one SHA-2 hash for label and mask.
pub(super) fn read_oaep<'a>(reader: &mut Reader<'a>) -> Result<(HashAlgorithm, Option<&'a [u8]>), OpenError> {
    let mut identifier = reader.inside(SEQUENCE)?;
    if identifier.bytes(OID)? != OAEP {
        return Err(OpenError::RefusedAlgorithm);
    }
    let mut parameters = identifier.inside(SEQUENCE)?;
    identifier.finish()?;
    // Absent fields mean SHA-1, which is refused (RFC 4055 section 4.1).
    if !parameters.next_is(der::constructed(0)) {
        return Err(OpenError::RefusedAlgorithm);
    }
    let mut digest = parameters.inside(der::constructed(0))?;
    let hash = read_hash(&mut digest)?;
    digest.finish()?;
    if !parameters.next_is(der::constructed(1)) {
        return Err(OpenError::RefusedAlgorithm);
    }
    let mut mask = parameters.inside(der::constructed(1))?;
    let mut generator = mask.inside(SEQUENCE)?;
    mask.finish()?;
    if generator.bytes(OID)? != MGF1 || read_hash(&mut generator)? != hash {
        return Err(OpenError::RefusedAlgorithm);
    }
    generator.finish()?;
    let label = if parameters.is_empty() { None } else { Some(read_label(&mut parameters)?) };
    parameters.finish()?;
    Ok((hash, label))
}

fn read_label<'a>(parameters: &mut Reader<'a>) -> Result<&'a [u8], OpenError> {
    let mut source = parameters.inside(der::constructed(2))?;
    let mut choice = source.inside(SEQUENCE)?;
    source.finish()?;
    if choice.bytes(OID)? != P_SPECIFIED {
        return Err(OpenError::RefusedAlgorithm);
    }
    // An empty label is the default, which DER leaves out.
    let at: DecodeError = choice.error(Reason::OutOfRange);
    let label = choice.bytes(OCTET_STRING)?;
    choice.finish()?;
    if label.is_empty() { Err(at.into()) } else { Ok(label) }
}

/// Parameters of a hash are NULL or absent; both occur (RFC 5754 section 2).
fn read_hash(reader: &mut Reader<'_>) -> Result<HashAlgorithm, OpenError> {
    let mut identifier = reader.inside(SEQUENCE)?;
    let named = identifier.bytes(OID)?.strip_prefix(&HASH).and_then(numbered_hash);
    let hash = named.ok_or(OpenError::RefusedAlgorithm)?;
    if identifier.next_is(NULL) {
        identifier.inside(NULL)?.finish()?;
    }
    identifier.finish()?;
    Ok(hash)
}

const fn hash_number(hash: HashAlgorithm) -> u8 {
    match hash {
        HashAlgorithm::Sha256 => 1,
        HashAlgorithm::Sha384 => 2,
        HashAlgorithm::Sha512 => 3,
    }
}

const fn numbered_hash(number: &[u8]) -> Option<HashAlgorithm> {
    match number {
        [1] => Some(HashAlgorithm::Sha256),
        [2] => Some(HashAlgorithm::Sha384),
        [3] => Some(HashAlgorithm::Sha512),
        _ => None,
    }
}
