//! Public keys as SubjectPublicKeyInfo, in the few forms that are accepted.

use alloc::vec::Vec;

use crate::{Curve, KeyKind};

/// No accepted SubjectPublicKeyInfo is longer: RSA-4096 with exponent 65537 has 550 bytes.
pub const SPKI_LENGTH_MAX: usize = 550;

/// A public key whose SubjectPublicKeyInfo has an accepted form.
///
/// EC keys: named curve, uncompressed point. RSA keys: rsaEncryption with NULL parameters, exponent 65537,
/// modulus of 2048 to 4096 bits. That a point lies on its curve is checked by
/// [`crate::Provider::check_key`] and at every use.
/// Source: aSSURE 7.2 with ruling A-ASSURE-05 and decision G 5.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey {
    kind: KeyKind,
    spki: Vec<u8>,
}

/// Bytes that are no SubjectPublicKeyInfo of an accepted form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPublicKey;

const P256_HEAD: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const P384_HEAD: &[u8] = &[
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81,
    0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
];
const P521_HEAD: &[u8] = &[
    0x30, 0x81, 0x9b, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
    0x81, 0x04, 0x00, 0x23, 0x03, 0x81, 0x86, 0x00,
];
/// rsaEncryption with NULL parameters.
pub(crate) const RSA_ALGORITHM: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
const RSA_EXPONENT: &[u8] = &[0x02, 0x03, 0x01, 0x00, 0x01];
const UNCOMPRESSED: u8 = 4;

const fn head(curve: Curve) -> &'static [u8] {
    match curve {
        Curve::P256 => P256_HEAD,
        Curve::P384 => P384_HEAD,
        Curve::P521 => P521_HEAD,
    }
}

/// The AlgorithmIdentifier inside [`head`]: what stands between the outer tag and the BIT STRING.
pub(crate) fn algorithm(curve: Curve) -> &'static [u8] {
    match curve {
        Curve::P256 => &P256_HEAD[2..P256_HEAD.len() - 3],
        Curve::P384 => &P384_HEAD[2..P384_HEAD.len() - 3],
        Curve::P521 => &P521_HEAD[3..P521_HEAD.len() - 4],
    }
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`BadPublicKey`] on every form that is not accepted, and on trailing bytes.
    pub fn from_spki(spki: &[u8]) -> Result<Self, BadPublicKey> {
        for curve in [Curve::P256, Curve::P384, Curve::P521] {
            if let Some(point) = spki.strip_prefix(head(curve)) {
                let whole = point.len() == 1 + 2 * curve.field_length() && point[0] == UNCOMPRESSED;
                let kind = KeyKind::Ec(curve);
                return if whole { Ok(Self { kind, spki: spki.to_vec() }) } else { Err(BadPublicKey) };
            }
        }
        let modulus = rsa_modulus(spki).ok_or(BadPublicKey)?;
        let bits = modulus.len() * 8 - modulus[0].leading_zeros() as usize;
        if !(2048..=4096).contains(&bits) || modulus[modulus.len() - 1] & 1 == 0 {
            return Err(BadPublicKey);
        }
        let modulus_bits = u16::try_from(bits).map_err(|_| BadPublicKey)?;
        Ok(Self { kind: KeyKind::Rsa { modulus_bits }, spki: spki.to_vec() })
    }

    /// The key of an uncompressed point (`04 || X || Y`).
    ///
    /// # Errors
    /// [`BadPublicKey`] when length or first byte do not fit the curve.
    pub fn from_point(curve: Curve, point: &[u8]) -> Result<Self, BadPublicKey> {
        Self::from_spki(&[head(curve), point].concat())
    }

    /// What kind of key it is.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The SubjectPublicKeyInfo, byte for byte as received.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The curve and uncompressed point of an EC key.
    #[must_use]
    pub fn point(&self) -> Option<(Curve, &[u8])> {
        match self.kind {
            KeyKind::Ec(curve) => Some((curve, &self.spki[head(curve).len()..])),
            KeyKind::Rsa { .. } => None,
        }
    }

    /// The `RSAPublicKey` (PKCS#1) inside an RSA key.
    #[must_use]
    pub fn rsa_pkcs1(&self) -> Option<&[u8]> {
        match self.kind {
            KeyKind::Ec(_) => None,
            KeyKind::Rsa { .. } => pkcs1_of(&self.spki),
        }
    }
}

impl core::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "PublicKey({:?})", self.kind)
    }
}

fn pkcs1_of(spki: &[u8]) -> Option<&[u8]> {
    let (body, rest) = element(spki, 0x30)?;
    let bits = body.strip_prefix(RSA_ALGORITHM)?;
    let (bit_string, after) = element(bits, 0x03)?;
    let pkcs1 = bit_string.strip_prefix(&[0])?;
    (rest.is_empty() && after.is_empty()).then_some(pkcs1)
}

/// The modulus without leading zeros, when the key has an accepted form.
fn rsa_modulus(spki: &[u8]) -> Option<&[u8]> {
    let (numbers, rest) = element(pkcs1_of(spki)?, 0x30)?;
    let (modulus, exponent) = element(numbers, 0x02)?;
    if !rest.is_empty() || exponent != RSA_EXPONENT {
        return None;
    }
    match modulus {
        [0, digits @ ..] if digits.first()? & 0x80 != 0 => Some(digits),
        [first, ..] if *first != 0 && first & 0x80 == 0 => Some(modulus),
        _ => None,
    }
}

/// One DER element with `tag` and a length of at most two bytes, and what follows it.
pub(crate) fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (length, start) = match der {
        [t, 0x82, high, low, ..] if *t == tag && *high != 0 => {
            (usize::from(*high) << 8 | usize::from(*low), 4)
        }
        [t, 0x81, length, ..] if *t == tag && *length >= 0x80 => (usize::from(*length), 3),
        [t, length, ..] if *t == tag && *length < 0x80 => (usize::from(*length), 2),
        _ => return None,
    };
    Some((der.get(start..start + length)?, &der[start + length..]))
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    // verifies: ASSURE-7.2-09
    #[test]
    fn ec_keys_are_named_curve_and_uncompressed() {
        for (curve, spki_length) in [(Curve::P256, 91), (Curve::P384, 120), (Curve::P521, 158)] {
            let mut point = vec![7; 1 + 2 * curve.field_length()];
            assert_eq!(PublicKey::from_point(curve, &point), Err(BadPublicKey), "no such point form");
            point[0] = 4;
            let key = PublicKey::from_point(curve, &point).unwrap();
            assert_eq!((key.kind(), key.spki().len()), (KeyKind::Ec(curve), spki_length));
            assert_eq!(key.point(), Some((curve, &point[..])));
            let mut longer = key.spki().to_vec();
            longer.push(0);
            assert_eq!(PublicKey::from_spki(&longer), Err(BadPublicKey));
            assert_eq!(PublicKey::from_spki(&key.spki()[..spki_length - 1]), Err(BadPublicKey));
        }
    }

    fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
        fn tlv(tag: u8, body: &[u8]) -> Vec<u8> {
            let length = u16::try_from(body.len()).unwrap().to_be_bytes();
            match body.len() {
                0..128 => [&[tag, length[1]], body].concat(),
                128..256 => [&[tag, 0x81, length[1]], body].concat(),
                _ => [&[tag, 0x82, length[0], length[1]], body].concat(),
            }
        }
        let numbers = tlv(0x30, &[tlv(2, modulus), exponent.to_vec()].concat());
        tlv(0x30, &[RSA_ALGORITHM, &tlv(3, &[&[0], &numbers[..]].concat())].concat())
    }

    #[test]
    fn rsa_keys_have_2048_to_4096_bits_and_exponent_65537() {
        let modulus = |bytes: usize| [&[0, 0x80][..], &vec![1; bytes - 1]].concat();
        let key = PublicKey::from_spki(&rsa_spki(&modulus(256), RSA_EXPONENT)).unwrap();
        assert_eq!((key.kind(), key.spki().len()), (KeyKind::Rsa { modulus_bits: 2048 }, 294));
        assert!(PublicKey::from_spki(&rsa_spki(&modulus(512), RSA_EXPONENT)).is_ok());
        let bad = [
            rsa_spki(&modulus(255), RSA_EXPONENT),
            rsa_spki(&modulus(513), RSA_EXPONENT),
            rsa_spki(&modulus(256), &[2, 1, 3]),
            rsa_spki(&modulus(256)[1..], RSA_EXPONENT),
        ];
        for spki in bad {
            assert_eq!(PublicKey::from_spki(&spki), Err(BadPublicKey));
        }
    }
}
