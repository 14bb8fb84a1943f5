//! base64url without padding (RFC 4648 section 5), one text for each sequence of bytes.

use alloc::vec::Vec;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The text of `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut three = [0; 3];
        three[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        let digit = |place: usize| DIGITS[(bits >> (18 - 6 * place)) as usize & 63];
        text.extend((0..=chunk.len()).map(digit));
    }
    text
}

/// The bytes of `text`; `None` for other characters, a length that fits no bytes, and spare bits that are set.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.chunks(4) {
        let mut bits = 0_u32;
        for place in 0..4 {
            bits = bits << 6 | chunk.get(place).map_or(Some(0), |&digit| value_of(digit))?;
        }
        let count = chunk.len().checked_sub(1).filter(|count| *count > 0)?;
        let three = bits.to_be_bytes();
        if three[1 + count..].iter().any(|&spare| spare != 0) {
            return None;
        }
        bytes.extend_from_slice(&three[1..=count]);
    }
    Some(bytes)
}

fn value_of(digit: u8) -> Option<u32> {
    Some(u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    // verifies: RFC4648-5
    #[test]
    fn every_text_has_one_meaning_and_every_meaning_one_text() {
        let known: [(&[u8], &[u8]); 5] =
            [(b"", b""), (b"f", b"Zg"), (b"fo", b"Zm8"), (b"foo", b"Zm9v"), (&[0xFB, 0xFF], b"-_8")];
        for (bytes, text) in known {
            assert_eq!(encode(bytes), text);
            assert_eq!(decode(text).as_deref(), Some(bytes));
        }
        for text in [&b"Z"[..], b"Zh", b"Zm9", b"Zg==", b"+/8", b"Zm9vZ", b"Z g", b"Zg\n"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}
