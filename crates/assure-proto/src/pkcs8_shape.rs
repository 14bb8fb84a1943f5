//! The outer form of a PKCS#8 private key, as far as it can be told without a provider.

use crypto::PublicKey;

const SEQUENCE: u8 = 0x30;
const OCTET_STRING: u8 = 0x04;
const VERSION_1: &[u8] = &[0x02, 0x01, 0x00];

/// Whether `pkcs8` is a version 1 `PrivateKeyInfo` of the same algorithm as `public`, without attributes.
///
/// Source: ruling A-ASSURE-05 with decision G 5.
pub(crate) fn is_pkcs8_of(pkcs8: &[u8], public: &PublicKey) -> bool {
    let shape = || {
        let (spki, _) = content(public.spki(), SEQUENCE)?;
        let (_, after_algorithm) = content(spki, SEQUENCE)?;
        let algorithm = &spki[..spki.len() - after_algorithm.len()];
        let (body, rest) = content(pkcs8, SEQUENCE)?;
        let key = body.strip_prefix(VERSION_1)?.strip_prefix(algorithm)?;
        let (_, after_key) = content(key, OCTET_STRING)?;
        Some(rest.is_empty() && after_key.is_empty())
    };
    shape() == Some(true)
}

/// The content of a DER element with `tag`, and what follows the element.
fn content(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
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
