//! Public keys in PEM.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto::PublicKey;

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";
const LINE_LENGTH: usize = 64;

/// Text that is no PEM of an accepted public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPem;

impl std::fmt::Display for BadPem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no public key of an accepted kind in PEM")
    }
}

impl std::error::Error for BadPem {}

/// The key as `PUBLIC KEY` block with lines of 64 characters.
/// Source: RFC 7468 section 13.
#[must_use]
pub fn public_key_to_pem(key: &PublicKey) -> String {
    let body = STANDARD.encode(key.spki());
    let mut out = format!("{BEGIN}\n");
    for line in body.as_bytes().chunks(LINE_LENGTH) {
        out.extend(line.iter().map(|byte| char::from(*byte)));
        out.push('\n');
    }
    out.push_str(END);
    out.push('\n');
    out
}

/// Reads one `PUBLIC KEY` block with nothing but white space around it.
///
/// # Errors
/// [`BadPem`] on other text, and on keys that [`PublicKey::from_spki`] does not accept.
pub fn public_key_from_pem(text: &str) -> Result<PublicKey, BadPem> {
    let body = text.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END)).ok_or(BadPem)?;
    let compact: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let spki = STANDARD.decode(compact).map_err(|_| BadPem)?;
    PublicKey::from_spki(&spki).map_err(|_| BadPem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto::Curve;

    #[test]
    fn pem_goes_both_ways() {
        let point = [&[4][..], &[7; 64]].concat();
        let key = PublicKey::from_point(Curve::P256, &point).unwrap();
        let pem = public_key_to_pem(&key);
        assert!(pem.lines().all(|line| line.len() <= 64));
        assert_eq!(public_key_from_pem(&pem), Ok(key));
        for bad in [
            "",
            BEGIN,
            "-----BEGIN PUBLIC KEY-----AAAA-----END PUBLIC KEY-----",
            &pem.replace("PUBLIC", "PRIVATE"),
        ] {
            assert_eq!(public_key_from_pem(bad), Err(BadPem), "{bad}");
        }
    }
}
