//! Ids of 16 bytes.

use core::fmt;
use core::str::FromStr;

use crate::hex::{BadText, bytes_from_hex, hex};

/// A UUID: 16 bytes big-endian on the wire, lower-case hyphenated in text, sorted by its bytes.
///
/// Source: RFC 4122; aSSURE 6.2.1 with ruling A-ASSURE-17.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// A version 4 UUID from 16 random bytes.
    #[must_use]
    pub const fn v4(mut random: [u8; 16]) -> Self {
        random[6] = random[6] & 0x0f | 0x40;
        random[8] = random[8] & 0x3f | 0x80;
        Self(random)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = hex(&self.0);
        let (a, b, c, d, e) = (&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]);
        write!(f, "{a}-{b}-{c}-{d}-{e}")
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Uuid {
    type Err = BadText;

    /// Reads the hyphenated form of 36 characters, in either case.
    fn from_str(text: &str) -> Result<Self, BadText> {
        let bytes = text.as_bytes();
        let hyphens_stand_right = bytes.len() == 36
            && bytes.iter().enumerate().all(|(i, b)| (*b == b'-') == matches!(i, 8 | 13 | 18 | 23));
        if !hyphens_stand_right {
            return Err(BadText);
        }
        let digits: alloc::string::String = text.chars().filter(|c| *c != '-').collect();
        bytes_from_hex(&digits)?.try_into().map(Self).map_err(|_| BadText)
    }
}

/// The id of a key: 16 opaque bytes, without any check of a version.
///
/// A device's own key has the device's UUID as its id; all other ids are random.
/// Source: aSSURE 7.2 with decision D-11.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 16]);

impl From<Uuid> for KeyId {
    fn from(device: Uuid) -> Self {
        Self(device.0)
    }
}

impl From<KeyId> for Uuid {
    /// The same 16 bytes in the text form of a UUID, as URIs carry key ids.
    fn from(id: KeyId) -> Self {
        Self(id.0)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Uuid(self.0), f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn uuids_print_and_parse() {
        let uuid = Uuid::v4([0xff; 16]);
        assert_eq!(uuid.to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!("FFFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFF".parse(), Ok(uuid), "upper case is accepted");
        for bad in [
            "",
            "ffffffffffff4fffbfffffffffffffff",
            "ffffffff-ffff-4fff-bfff-fffffffffff",
            "fffffff-fffff-4fff-bfff-ffffffffffff",
            "gfffffff-ffff-4fff-bfff-ffffffffffff",
        ] {
            assert_eq!(bad.parse::<Uuid>(), Err(BadText), "{bad}");
        }
    }
}
