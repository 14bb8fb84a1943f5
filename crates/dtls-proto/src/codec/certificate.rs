//! Certificate, CertificateRequest and CertificateVerify.
//!
//! A Certificate is a chain `length(3) { length(3) DER }*`, or one `length(3) SubjectPublicKeyInfo`.
//! Source: RFC 5246 section 7.4.2, 7.4.4, 7.4.8; RFC 7250 section 3.

use alloc::vec::Vec;

use crypto::PublicKey;
use wire::{Builder, Cursor, DecodeError, Reason};

use crate::alert::{Alert, Stop};
use crate::codec::key_exchange::Signed;
use crate::codec::{MESSAGE_LIMIT, u16_bytes, u16_list};
use crate::{CertificateType, Credential, PeerKey};

const CHAIN_LENGTH_MAX: usize = 8;
const RSA_SIGN: u8 = 1;
const ECDSA_SIGN: u8 = 64;

/// The key in a Certificate and the form it came in; `None` when the peer has none to show.
///
/// # Errors
/// When it is malformed, or the key has a form that is not accepted.
pub(crate) fn decode(body: &[u8], form: CertificateType) -> Result<Option<(PublicKey, PeerKey)>, Stop> {
    let mut cursor = Cursor::new(body);
    let inside = cursor.vec24()?;
    cursor.finish()?;
    if inside.is_empty() {
        return Ok(None);
    }
    let unsupported = Stop::rule(Alert::UnsupportedCertificate, "RFC7250-4.2");
    match form {
        CertificateType::RawPublicKey => {
            let key = PublicKey::from_spki(inside).map_err(|_| unsupported)?;
            Ok(Some((key.clone(), PeerKey::Raw(key))))
        }
        CertificateType::X509 => {
            let chain = decode_chain(inside)?;
            let first = chain.first().expect("the chain is not empty");
            let spki = spki_of(first).map_err(|_| Stop::rule(Alert::BadCertificate, "RFC5280-4.1"))?;
            let key = PublicKey::from_spki(spki).map_err(|_| unsupported)?;
            Ok(Some((key, PeerKey::Chain(chain))))
        }
    }
}

fn decode_chain(list: &[u8]) -> Result<Vec<Vec<u8>>, DecodeError> {
    let mut cursor = Cursor::new(list);
    let mut chain = Vec::new();
    while !cursor.is_empty() {
        if chain.len() == CHAIN_LENGTH_MAX {
            return Err(cursor.error(Reason::OverLimit));
        }
        chain.push(cursor.vec24()?.to_vec());
    }
    Ok(chain)
}

/// A Certificate that shows `credential`, or nothing.
///
/// # Errors
/// When a certificate does not fit its field.
pub(crate) fn encode(credential: Option<&Credential>) -> Result<Vec<u8>, Stop> {
    let mut out = Builder::with_limit(MESSAGE_LIMIT);
    let Some(credential) = credential else {
        out.vec24(&[])?;
        return Ok(out.finish());
    };
    match credential.certificate_type() {
        CertificateType::RawPublicKey => {
            out.vec24(credential.key.public().spki())?;
        }
        CertificateType::X509 => {
            let hole = out.open(3)?;
            for certificate in &credential.chain {
                out.vec24(certificate)?;
            }
            out.close(hole)?;
        }
    }
    Ok(out.finish())
}

/// The signature schemes a CertificateRequest lists; its other fields do not bind us.
///
/// # Errors
/// When it is malformed.
pub(crate) fn decode_request(body: &[u8]) -> Result<Vec<u16>, DecodeError> {
    let mut cursor = Cursor::new(body);
    cursor.vec8()?;
    let schemes = u16_list(cursor.vec16()?)?;
    cursor.vec16()?;
    cursor.finish()?;
    Ok(schemes)
}

/// A CertificateRequest for any key we can verify; names no authorities, since the policy decides.
///
/// # Errors
/// When a list does not fit its field.
pub(crate) fn encode_request(schemes: impl IntoIterator<Item = u16>) -> Result<Vec<u8>, Stop> {
    let mut out = Builder::with_limit(MESSAGE_LIMIT);
    out.vec8(&[ECDSA_SIGN, RSA_SIGN])?.vec16(&u16_bytes(schemes))?.vec16(&[])?;
    Ok(out.finish())
}

/// # Errors
/// When it is malformed.
pub(crate) fn decode_verify(body: &[u8]) -> Result<Signed, DecodeError> {
    let mut cursor = Cursor::new(body);
    let signed = Signed::decode(&mut cursor)?;
    cursor.finish()?;
    Ok(signed)
}

/// # Errors
/// When the signature does not fit its field.
pub(crate) fn encode_verify(signed: &Signed) -> Result<Vec<u8>, Stop> {
    let mut out = Builder::with_limit(MESSAGE_LIMIT);
    signed.encode(&mut out)?;
    Ok(out.finish())
}

const SEQUENCE: u8 = 0x30;
const EXPLICIT_0: u8 = 0xA0;

/// The SubjectPublicKeyInfo of a certificate, found by position; nothing else is looked at.
fn spki_of(certificate: &[u8]) -> Result<&[u8], DecodeError> {
    let mut outer = Cursor::new(certificate);
    let whole = element(&mut outer)?.inside;
    let mut signed = Cursor::new(whole);
    let mut fields = Cursor::new(element(&mut signed)?.inside);
    if fields.rest().first() == Some(&EXPLICIT_0) {
        element(&mut fields)?; // version
    }
    for _serial_algorithm_issuer_validity_subject in 0..5 {
        element(&mut fields)?;
    }
    let found = element(&mut fields)?;
    if found.tag == SEQUENCE { Ok(found.whole) } else { Err(fields.error(Reason::WrongKind)) }
}

struct Element<'a> {
    tag: u8,
    whole: &'a [u8],
    inside: &'a [u8],
}

fn element<'a>(cursor: &mut Cursor<'a>) -> Result<Element<'a>, DecodeError> {
    let start = cursor.rest();
    let before = cursor.offset();
    let tag = cursor.u8()?;
    let length = match cursor.u8()? {
        short @ 0..=0x7f => usize::from(short),
        0x81 => usize::from(cursor.u8()?),
        0x82 => usize::from(cursor.u16()?),
        0x83 => cursor.u24()? as usize,
        _ => return Err(cursor.error(Reason::OverLimit)),
    };
    let inside = cursor.take(length)?;
    Ok(Element { tag, whole: &start[..cursor.offset() - before], inside })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: u8, inside: &[u8]) -> Vec<u8> {
        let length = u16::try_from(inside.len()).unwrap().to_be_bytes();
        [&[tag, 0x82, length[0], length[1]], inside].concat()
    }

    fn certificate(versioned: bool, spki: &[u8]) -> Vec<u8> {
        let version = if versioned { tlv(EXPLICIT_0, &[2, 1, 2]) } else { Vec::new() };
        let fields = [&version[..], &[2, 1, 9], &tlv(SEQUENCE, &[1; 300]).repeat(4), spki].concat();
        tlv(SEQUENCE, &[tlv(SEQUENCE, &fields), tlv(SEQUENCE, &[]), tlv(3, &[0])].concat())
    }

    #[test]
    fn the_key_of_a_certificate_is_found_by_its_place() {
        let spki = tlv(SEQUENCE, b"a key");
        for versioned in [true, false] {
            let whole = certificate(versioned, &spki);
            assert_eq!(spki_of(&whole), Ok(&spki[..]));
            for cut in 0..whole.len() {
                assert!(spki_of(&whole[..cut]).is_err(), "{cut} bytes");
            }
        }
        assert!(spki_of(&certificate(true, &tlv(4, b"no sequence"))).is_err());
    }

    #[test]
    fn a_certificate_without_a_usable_key_is_refused_with_its_alert() {
        let alert = |body: &[u8], form| match decode(body, form) {
            Err(Stop::Violated(violation)) => Some(violation.alert),
            Err(_) => None,
            Ok(found) => {
                assert_eq!(found, None);
                None
            }
        };
        let framed = |inside: &[u8]| {
            let mut out = Builder::with_limit(4096);
            out.vec24(inside).unwrap();
            out.finish()
        };
        let (raw, x509) = (CertificateType::RawPublicKey, CertificateType::X509);
        let no_key = framed(&certificate(true, &tlv(SEQUENCE, b"no key of ours")));
        assert_eq!(alert(&framed(b"rubbish"), raw), Some(Alert::UnsupportedCertificate));
        assert_eq!(alert(&framed(&no_key), x509), Some(Alert::UnsupportedCertificate));
        assert_eq!(alert(&framed(&framed(b"rubbish")), x509), Some(Alert::BadCertificate));
        assert_eq!(alert(&framed(b"rubbish"), x509), Some(Alert::DecodeError));
        assert_eq!(alert(&framed(&framed(&[]).repeat(9)), x509), Some(Alert::DecodeError), "over eight");
        assert_eq!((alert(&framed(&[]), raw), alert(&framed(&[]), x509)), (None, None), "nothing to show");
    }
}
