//! Private scalars drawn from dice.

use clock::Dice;
use zeroize::Zeroizing;

use crate::{CryptoError, Curve};

/// The longest scalar, of P-521, in bytes.
const SCALAR_LENGTH_MAX: usize = 66;
/// How many scalars are drawn before giving up. On P-256 one of 2^32 is out of range, elsewhere far fewer.
const DRAWS_MAX: usize = 8;

/// Draws private scalars of `curve` until `import` takes one, and returns what it made of it.
///
/// `import` sees big-endian bytes of the curve's field length and refuses what is out of range; such draws
/// are thrown away and not reduced, so that every scalar stays equally likely. For a given state of the dice
/// all providers draw the same key.
/// Source: FIPS 186-5 A.2.2.
///
/// # Errors
/// The last error of `import` when it takes none of eight draws: then it is not the range that it minds.
pub fn draw_scalar<T>(
    curve: Curve,
    dice: &mut Dice,
    import: impl Fn(&[u8]) -> Result<T, CryptoError>,
) -> Result<T, CryptoError> {
    let mut drawn = Zeroizing::new([0; SCALAR_LENGTH_MAX]);
    let scalar = &mut drawn[..curve.field_length()];
    let mut last = CryptoError::BadInput;
    for _ in 0..DRAWS_MAX {
        dice.fill(scalar);
        if curve == Curve::P521 {
            // 521 bits: of the first byte only the lowest bit counts.
            scalar[0] &= 1;
        }
        match import(scalar) {
            Ok(key) => return Ok(key),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;

    #[test]
    fn refused_draws_are_thrown_away_and_bounded() {
        let seen = Cell::new(0);
        let third = draw_scalar(Curve::P384, &mut Dice::numbered(1), |scalar| {
            seen.set(seen.get() + 1);
            if seen.get() == 3 { Ok(scalar.to_vec()) } else { Err(CryptoError::BadInput) }
        });
        assert_eq!(third.map(|scalar| scalar.len()), Ok(48));
        seen.set(0);
        let none = draw_scalar(Curve::P256, &mut Dice::numbered(1), |_| -> Result<(), _> {
            seen.set(seen.get() + 1);
            Err(CryptoError::Unsupported)
        });
        assert_eq!((none, seen.get()), (Err(CryptoError::Unsupported), 8));
    }

    #[test]
    fn scalars_of_p521_have_521_bits() {
        let mut high_bits = [0_u8; 2];
        for run in 0..16 {
            let first = draw_scalar(Curve::P521, &mut Dice::numbered(run), |scalar| Ok(scalar[0])).unwrap();
            assert!(first <= 1);
            high_bits[usize::from(first)] += 1;
        }
        assert!(high_bits.iter().all(|count| *count > 0), "the top bit is drawn, not cleared");
    }
}
