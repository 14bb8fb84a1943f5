//! Lower-case hexadecimal text.

use alloc::string::String;
use alloc::vec::Vec;

/// Text that is not of the form asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadText;

impl core::fmt::Display for BadText {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("text is not of the expected form")
    }
}

impl core::error::Error for BadText {}

/// Two lower-case digits per byte.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from_digit(u32::from(nibble), 16).expect("a nibble is below 16"))
        .collect()
}

/// The bytes of an even number of hexadecimal digits, in either case.
///
/// # Errors
/// [`BadText`] on an odd count or another character.
pub fn bytes_from_hex(text: &str) -> Result<Vec<u8>, BadText> {
    if !text.len().is_multiple_of(2) {
        return Err(BadText);
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok()).ok_or(BadText);
    text.as_bytes().chunks_exact(2).map(|pair| Ok(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_goes_both_ways() {
        assert_eq!(hex(&[0, 0x1f, 0xa0]), "001fa0");
        assert_eq!(bytes_from_hex("001FA0"), Ok([0, 0x1f, 0xa0].to_vec()));
        for bad in ["0", "0g", "é0"] {
            assert_eq!(bytes_from_hex(bad), Err(BadText), "{bad}");
        }
    }
}
