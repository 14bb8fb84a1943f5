//! The id of a management system.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use crate::hex::{BadText, hex};

/// The serial number of a management system's first certificate: lower-case hex without leading zeros.
///
/// 1 to 40 digits; never the literal `NULL`, which releases a device.
/// Source: aSSURE 9.3.1 with ruling A-ASSURE-29.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ManagementId(String);

/// A certificate serial number has at most 20 bytes (RFC 5280 4.1.2.2).
const DIGIT_COUNT_MAX: usize = 40;

impl ManagementId {
    /// The id that belongs to a certificate serial number, given big-endian.
    ///
    /// # Errors
    /// [`BadText`] when the number is zero or longer than 20 bytes.
    pub fn from_serial(serial: &[u8]) -> Result<Self, BadText> {
        hex(serial).trim_start_matches('0').parse()
    }

    /// The id as it stands in queries and records.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ManagementId {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let length = (1..=DIGIT_COUNT_MAX).contains(&text.len());
        if digits && length && !text.starts_with('0') { Ok(Self(text.into())) } else { Err(BadText) }
    }
}

impl fmt::Display for ManagementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ManagementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_serials_in_plain_lower_hex() {
        assert_eq!(ManagementId::from_serial(&[0, 0x0a, 0xbc]).unwrap().as_str(), "abc");
        for bad in ["", "NULL", "0ab", "AB", "xyz", "a a", "12345678901234567890123456789012345678901"] {
            assert_eq!(bad.parse::<ManagementId>(), Err(BadText), "{bad}");
        }
        assert_eq!(ManagementId::from_serial(&[0, 0]), Err(BadText));
    }
}
