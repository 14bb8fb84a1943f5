//! ECDSA signatures between the fixed form `r || s` and the ASN.1 form of TLS and X.509.

use alloc::vec::Vec;

use crate::{CryptoError, Curve};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;

/// Writes `r || s` as `SEQUENCE { INTEGER r, INTEGER s }`.
///
/// # Errors
/// [`CryptoError::BadInput`] when the length is not twice the field length.
pub fn ecdsa_to_der(curve: Curve, fixed: &[u8]) -> Result<Vec<u8>, CryptoError> {
    if fixed.len() != 2 * curve.field_length() {
        return Err(CryptoError::BadInput);
    }
    let (r, s) = fixed.split_at(curve.field_length());
    let body = [der_integer(r), der_integer(s)].concat();
    let mut out = Vec::with_capacity(body.len() + 3);
    out.push(SEQUENCE);
    push_length(&mut out, body.len());
    out.extend_from_slice(&body);
    Ok(out)
}

/// Reads the ASN.1 form back into `r || s` of fixed width; strict DER only.
///
/// # Errors
/// [`CryptoError::BadInput`] on anything but two positive integers of at most the field length.
pub fn ecdsa_from_der(curve: Curve, der: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let (body, rest) = element(der, SEQUENCE)?;
    let (r, after_r) = element(body, INTEGER)?;
    let (s, after_s) = element(after_r, INTEGER)?;
    if !rest.is_empty() || !after_s.is_empty() {
        return Err(CryptoError::BadInput);
    }
    let mut out = Vec::with_capacity(2 * curve.field_length());
    for number in [r, s] {
        let digits = positive(number)?;
        let padding = curve.field_length().checked_sub(digits.len()).ok_or(CryptoError::BadInput)?;
        out.extend(core::iter::repeat_n(0, padding));
        out.extend_from_slice(digits);
    }
    Ok(out)
}

fn der_integer(fixed: &[u8]) -> Vec<u8> {
    let zeros = fixed.iter().take_while(|byte| **byte == 0).count();
    let digits = &fixed[zeros.min(fixed.len() - 1)..];
    let sign = usize::from(digits[0] & 0x80 != 0);
    let mut out = Vec::with_capacity(digits.len() + 3);
    out.push(INTEGER);
    push_length(&mut out, digits.len() + sign);
    out.extend(core::iter::repeat_n(0, sign));
    out.extend_from_slice(digits);
    out
}

/// Both numbers of P-521 together need a length above 127, so one extra length byte is possible.
fn push_length(out: &mut Vec<u8>, length: usize) {
    let short = u8::try_from(length).expect("two P-521 integers are shorter than 256 bytes");
    if short >= 0x80 {
        out.push(0x81);
    }
    out.push(short);
}

fn element(der: &[u8], tag: u8) -> Result<(&[u8], &[u8]), CryptoError> {
    let (length, start) = match der {
        [t, 0x81, length, ..] if *t == tag && *length >= 0x80 => (usize::from(*length), 3),
        [t, length, ..] if *t == tag && *length < 0x80 => (usize::from(*length), 2),
        _ => return Err(CryptoError::BadInput),
    };
    let body = der.get(start..start + length).ok_or(CryptoError::BadInput)?;
    Ok((body, &der[start + length..]))
}

fn positive(number: &[u8]) -> Result<&[u8], CryptoError> {
    match number {
        [0, digits @ ..] if digits.first().is_some_and(|first| first & 0x80 != 0) => Ok(digits),
        [first, ..] if *first != 0 && first & 0x80 == 0 => Ok(number),
        _ => Err(CryptoError::BadInput),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_carry_the_same_numbers() {
        for curve in [Curve::P256, Curve::P384, Curve::P521] {
            let n = curve.field_length();
            for (first, last) in [(0x80, 1), (0x7f, 0xff), (0, 1)] {
                let mut fixed = alloc::vec![0; 2 * n];
                fixed[0] = if curve == Curve::P521 { first & 1 } else { first };
                fixed[n - 1] = last;
                fixed[2 * n - 1] = 3;
                let der = ecdsa_to_der(curve, &fixed).unwrap();
                assert_eq!(ecdsa_from_der(curve, &der), Ok(fixed));
            }
        }
    }

    #[test]
    fn loose_encodings_are_refused() {
        let good = [0x30, 6, 2, 1, 1, 2, 1, 2];
        assert!(ecdsa_from_der(Curve::P256, &good).is_ok());
        let bad: [&[u8]; 7] = [
            &[0x30, 6, 2, 1, 1, 2, 1, 2, 0],    // trailing
            &[0x30, 7, 2, 2, 0, 1, 2, 1, 2],    // padded
            &[0x30, 6, 2, 1, 0x81, 2, 1, 2],    // negative
            &[0x30, 6, 2, 1, 0, 2, 1, 2],       // zero
            &[0x30, 0x81, 6, 2, 1, 1, 2, 1, 2], // long form of a short length
            &[0x30, 5, 2, 1, 1, 2, 0],          // empty integer
            &[0x31, 6, 2, 1, 1, 2, 1, 2],       // not a SEQUENCE
        ];
        for der in bad {
            assert_eq!(ecdsa_from_der(Curve::P256, der), Err(CryptoError::BadInput), "{der:02x?}");
        }
    }
}
