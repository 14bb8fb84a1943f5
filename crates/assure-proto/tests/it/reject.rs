//! What every decoder refuses, tried on a good message.

use core::fmt::Debug;

use wire::{DecodeError, Reason};

/// Every cut is refused, and so is a byte more.
pub(crate) fn cuts_and_additions<T: Debug>(good: &[u8], decode: impl Fn(&[u8]) -> Result<T, DecodeError>) {
    assert!(decode(good).is_ok(), "{good:02x?}");
    for length in 0..good.len() {
        let outcome = decode(&good[..length]);
        let error = outcome.expect_err("a cut message is refused");
        assert!(error.offset <= length, "cut at {length}: {error:?}");
    }
    for extra in [0x00, 0x40, 0xf6, 0xff] {
        let longer = [good, &[extra]].concat();
        let error = decode(&longer).expect_err("trailing bytes are refused");
        assert_eq!(error, DecodeError::new(good.len(), Reason::Trailing), "with {extra:02x} behind");
    }
}

/// No changed bit gives the same value again, and none makes the decoder panic.
pub(crate) fn flips<T: Debug + PartialEq>(good: &[u8], decode: impl Fn(&[u8]) -> Result<T, DecodeError>) {
    let value = decode(good).expect("the good message");
    for (at, bit) in every_bit(good) {
        let mut changed = good.to_vec();
        changed[at] ^= bit;
        if let Ok(other) = decode(&changed) {
            assert_ne!(other, value, "bit {bit:02x} of byte {at} means nothing");
        }
    }
}

/// Each bit of a message: its byte, and the mask that changes it.
pub(crate) fn every_bit(message: &[u8]) -> impl Iterator<Item = (usize, u8)> + use<> {
    (0..message.len()).flat_map(|at| (0..8).map(move |bit| (at, 1 << bit)))
}
