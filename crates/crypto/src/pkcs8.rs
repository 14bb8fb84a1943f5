//! Private keys as PKCS#8 v1 `PrivateKeyInfo`, in the few forms that are accepted.

use alloc::vec::Vec;

use crate::public_key::{RSA_ALGORITHM, algorithm, element};
use crate::{CryptoError, Curve, Secret};

const SEQUENCE: u8 = 0x30;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const BIT_STRING: u8 = 0x03;
/// `[0] EXPLICIT`: the parameters of an `ECPrivateKey`.
const PARAMETERS: u8 = 0xa0;
/// `[1] EXPLICIT`: the public key of an `ECPrivateKey`.
const PUBLIC_KEY: u8 = 0xa1;
/// `INTEGER 0`: v1 of `PrivateKeyInfo`.
const VERSION_1: [u8; 3] = [2, 1, 0];
/// `INTEGER 1`: the only version of `ECPrivateKey`.
const EC_VERSION: [u8; 3] = [2, 1, 1];

/// What a PKCS#8 v1 `PrivateKeyInfo` holds; it borrows from the encoding.
///
/// Strict DER, no attributes, version 0: a v2 `OneAsymmetricKey` is refused.
/// Source: decision G 5 of the aSSURE layouts; RFC 5208 section 5; RFC 5915 section 3.
pub enum PrivateKeyInfo<'a> {
    /// An EC key on a named curve.
    Ec {
        /// The curve.
        curve: Curve,
        /// The private scalar, big-endian, of the curve's field length; its range is the provider's to check.
        scalar: &'a [u8],
        /// The uncompressed public point, when the encoding has it; not checked against the scalar.
        point: Option<&'a [u8]>,
    },
    /// An RSA key; the `RSAPrivateKey` inside is the provider's to read.
    Rsa,
}

impl<'a> PrivateKeyInfo<'a> {
    /// Reads a `PrivateKeyInfo`.
    ///
    /// # Errors
    /// [`CryptoError::BadInput`] on every form that is not accepted, and on trailing bytes.
    pub fn from_pkcs8(pkcs8: &'a [u8]) -> Result<Self, CryptoError> {
        read(pkcs8).ok_or(CryptoError::BadInput)
    }
}

impl core::fmt::Debug for PrivateKeyInfo<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Ec { curve, .. } => write!(f, "PrivateKeyInfo({curve:?})"),
            Self::Rsa => f.write_str("PrivateKeyInfo(RSA)"),
        }
    }
}

fn read(pkcs8: &[u8]) -> Option<PrivateKeyInfo<'_>> {
    let (body, rest) = element(pkcs8, SEQUENCE)?;
    let body = body.strip_prefix(&VERSION_1)?;
    if !rest.is_empty() {
        return None;
    }
    if let Some(key) = body.strip_prefix(RSA_ALGORITHM) {
        let (_, after) = element(key, OCTET_STRING)?;
        return after.is_empty().then_some(PrivateKeyInfo::Rsa);
    }
    let (curve, key) = [Curve::P256, Curve::P384, Curve::P521]
        .into_iter()
        .find_map(|curve| Some((curve, body.strip_prefix(algorithm(curve))?)))?;
    let (key, after) = element(key, OCTET_STRING)?;
    let (scalar, point) = read_ec(curve, key)?;
    after.is_empty().then_some(PrivateKeyInfo::Ec { curve, scalar, point })
}

/// The scalar and the point of an `ECPrivateKey`.
fn read_ec(curve: Curve, key: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let (body, rest) = element(key, SEQUENCE)?;
    let (scalar, mut after) = element(body.strip_prefix(&EC_VERSION)?, OCTET_STRING)?;
    if !rest.is_empty() || scalar.len() != curve.field_length() {
        return None;
    }
    if after.first() == Some(&PARAMETERS) {
        let (parameters, behind) = element(after, PARAMETERS)?;
        if parameters != curve_oid(curve) {
            return None;
        }
        after = behind;
    }
    if after.is_empty() {
        return Some((scalar, None));
    }
    let (public, behind) = element(after, PUBLIC_KEY)?;
    let (bits, inside) = element(public, BIT_STRING)?;
    let point = bits.strip_prefix(&[0])?;
    (behind.is_empty() && inside.is_empty()).then_some((scalar, Some(point)))
}

/// The OBJECT IDENTIFIER of the curve, with tag and length, as the algorithm identifier ends with it.
fn curve_oid(curve: Curve) -> &'static [u8] {
    let (_, parameters) = element(&algorithm(curve)[2..], OBJECT_IDENTIFIER)
        .expect("every algorithm identifier starts with id-ecPublicKey");
    parameters
}

/// Writes an EC key as PKCS#8 v1, the public point embedded and the curve named once, outside.
///
/// # Errors
/// [`CryptoError::BadInput`] when the scalar or the point (`04 || X || Y`) does not have the curve's length.
pub fn ec_to_pkcs8(curve: Curve, scalar: &[u8], point: &[u8]) -> Result<Secret, CryptoError> {
    let n = curve.field_length();
    if scalar.len() != n || point.len() != 1 + 2 * n {
        return Err(CryptoError::BadInput);
    }
    let bits = 1 + point.len();
    let public = encoded_length(bits);
    let key = EC_VERSION.len() + encoded_length(n) + encoded_length(public);
    let octets = encoded_length(key);
    let info = VERSION_1.len() + algorithm(curve).len() + encoded_length(octets);

    // One allocation of the final size, so that growing leaves no copy of the scalar behind.
    let mut out = Vec::with_capacity(encoded_length(info));
    push_head(&mut out, SEQUENCE, info);
    out.extend_from_slice(&VERSION_1);
    out.extend_from_slice(algorithm(curve));
    push_head(&mut out, OCTET_STRING, octets);
    push_head(&mut out, SEQUENCE, key);
    out.extend_from_slice(&EC_VERSION);
    push_head(&mut out, OCTET_STRING, n);
    out.extend_from_slice(scalar);
    push_head(&mut out, PUBLIC_KEY, public);
    push_head(&mut out, BIT_STRING, bits);
    out.push(0);
    out.extend_from_slice(point);
    assert_eq!(out.len(), encoded_length(info), "the lengths were computed from the same parts");
    Ok(Secret::new(out))
}

/// Bytes of an element with so many bytes inside.
const fn encoded_length(inside: usize) -> usize {
    inside + if inside < 0x80 { 2 } else { 3 }
}

fn push_head(out: &mut Vec<u8>, tag: u8, inside: usize) {
    let length = u8::try_from(inside).expect("a P-521 private key is shorter than 256 bytes");
    out.push(tag);
    if length >= 0x80 {
        out.push(0x81);
    }
    out.push(length);
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn written(curve: Curve) -> (Vec<u8>, Vec<u8>, Secret) {
        let scalar = vec![7; curve.field_length()];
        let mut point = vec![9; 1 + 2 * curve.field_length()];
        point[0] = 4;
        let pkcs8 = ec_to_pkcs8(curve, &scalar, &point).unwrap();
        (scalar, point, pkcs8)
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (curve, length) in [(Curve::P256, 138), (Curve::P384, 185), (Curve::P521, 241)] {
            let (scalar, point, pkcs8) = written(curve);
            assert_eq!(pkcs8.len(), length);
            let PrivateKeyInfo::Ec { curve: c, scalar: s, point: p } =
                PrivateKeyInfo::from_pkcs8(pkcs8.expose()).unwrap()
            else {
                panic!("an EC key was written");
            };
            assert_eq!((c, s, p), (curve, &scalar[..], Some(&point[..])));
        }
    }

    #[test]
    fn every_shorter_or_longer_encoding_is_refused() {
        let (_, _, pkcs8) = written(Curve::P521);
        for end in 0..pkcs8.len() {
            assert!(PrivateKeyInfo::from_pkcs8(&pkcs8.expose()[..end]).is_err(), "{end}");
        }
        let longer = [pkcs8.expose(), &[0]].concat();
        assert!(PrivateKeyInfo::from_pkcs8(&longer).is_err());
        assert!(ec_to_pkcs8(Curve::P256, &[1; 31], &[4; 65]).is_err());
        assert!(ec_to_pkcs8(Curve::P256, &[1; 32], &[4; 64]).is_err());
    }
}
