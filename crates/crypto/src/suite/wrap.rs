//! AES key wrap, by published vectors and by what must be refused.

use alloc::vec;

use super::{hex, with_one_bit_flipped};
use crate::{CryptoError, Provider};

const KEK: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const KEY: &str = "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f";

/// Keys of 128, 192 and 256 bits under keys of 128 and 256 bits.
///
/// Source: RFC 3394 sections 4.1, 4.3, 4.5 and 4.6.
pub fn vectors(provider: &dyn Provider) {
    let vectors = [
        (16, "00112233445566778899aabbccddeeff", "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"),
        (32, "00112233445566778899aabbccddeeff", "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"),
        (
            32,
            "00112233445566778899aabbccddeeff0001020304050607",
            "a8f9bc1612c68b3ff6e6f4fbe30e71e4769c8b80a32cb8958cd5d17d6b254da1",
        ),
        (
            32,
            KEY,
            "
            28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21",
        ),
    ];
    for (kek_length, key, wrapped) in vectors {
        let kek = &hex(KEK)[..kek_length];
        assert_eq!(provider.key_wrap(kek, &hex(key)), Ok(hex(wrapped)));
        let unwrapped = provider.key_unwrap(kek, &hex(wrapped)).expect("the published key");
        assert_eq!(unwrapped.expose(), hex(key));
    }
}

/// Every changed bit is noticed; other lengths are refused.
pub fn refusals(provider: &dyn Provider) {
    let (kek, key) = (hex(KEK), hex(KEY));
    let wrapped = provider.key_wrap(&kek, &key).expect("the lengths are right");
    for changed in with_one_bit_flipped(&wrapped) {
        assert_eq!(provider.key_unwrap(&kek, &changed).err(), Some(CryptoError::NotGenuine));
    }
    for other in with_one_bit_flipped(&kek) {
        assert_eq!(provider.key_unwrap(&other, &wrapped).err(), Some(CryptoError::NotGenuine));
    }
    for length in (0..wrapped.len()).filter(|length| *length < 24 || length % 8 != 0) {
        let refused = provider.key_unwrap(&kek, &wrapped[..length]).err();
        assert_eq!(refused, Some(CryptoError::BadInput), "{length} bytes");
    }
    for length in (0..key.len()).filter(|length| *length < 16 || length % 8 != 0) {
        let refused = provider.key_wrap(&kek, &key[..length]).err();
        assert_eq!(refused, Some(CryptoError::BadInput), "{length} bytes");
    }
    for length in (0..=40).filter(|length| ![16, 32].contains(length)) {
        let other = vec![7; length];
        assert_eq!(provider.key_wrap(&other, &key).err(), Some(CryptoError::BadInput));
        assert_eq!(provider.key_unwrap(&other, &wrapped).err(), Some(CryptoError::BadInput));
    }
}
