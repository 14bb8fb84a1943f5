//! AES-CBC with PKCS#7 padding, by published vectors and by what must be refused.

use alloc::vec;

use super::hex;
use crate::{CryptoError, Provider};

const PLAINTEXT: &str = "
            6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52ef
            f69f2445df4f9b17ad2b417be66c3710";
const VECTORS: [(&str, &str); 3] = [
    (
        "2b7e151628aed2a6abf7158809cf4f3c",
        "
            7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b273bed6b8e3c1743b7116e69e22229516
            3ff1caa1681fac09120eca307586e1a7",
    ),
    (
        "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
        "
            4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a571b242012fb7ae07fa9baac3df102e0
            08b0e27988598881d920a9e64f5615cd",
    ),
    (
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        "
            f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d39f23369a9d9bacfa530e26304231461
            b2eb05e2c39be9fcda6c19078c6a9d1b",
    ),
];
const COUNTING_IV: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// The four published blocks come out both ways; a block of padding follows them.
///
/// Source: NIST SP 800-38A F.2.1 to F.2.6.
pub fn vectors(provider: &dyn Provider, key_length: usize) {
    let (key, ciphertext) = VECTORS
        .map(|(key, ciphertext)| (hex(key), hex(ciphertext)))
        .into_iter()
        .find(|(key, _)| key.len() == key_length)
        .expect("there is one vector for each key length");
    let sealed = provider.cbc_encrypt(&key, &COUNTING_IV, &hex(PLAINTEXT)).expect("the key length is right");
    assert_eq!(sealed[..64], ciphertext);
    assert_eq!(sealed.len(), 80, "a whole block of padding");
    let opened = provider.cbc_decrypt(&key, &COUNTING_IV, &sealed).expect("what was encrypted");
    assert_eq!(opened.expose(), hex(PLAINTEXT));
}

/// Texts of every length around the block come back.
pub fn padding(provider: &dyn Provider) {
    for key_length in [16, 24, 32] {
        let key = vec![7; key_length];
        for length in 0..=49 {
            let text = vec![16; length];
            let sealed = provider.cbc_encrypt(&key, &COUNTING_IV, &text).expect("the key length is right");
            assert_eq!(sealed.len(), length / 16 * 16 + 16);
            let opened = provider.cbc_decrypt(&key, &COUNTING_IV, &sealed).expect("what was encrypted");
            assert_eq!(opened.expose(), text);
        }
    }
}

/// Broken blocks, wrong padding and other key lengths are refused.
pub fn refusals(provider: &dyn Provider) {
    let key = [7; 16];
    let sealed = provider.cbc_encrypt(&key, &COUNTING_IV, &[9; 40]).expect("the key length is right");
    for length in (0..sealed.len()).filter(|length| *length == 0 || length % 16 != 0) {
        let refused = provider.cbc_decrypt(&key, &COUNTING_IV, &sealed[..length]).err();
        assert_eq!(refused, Some(CryptoError::NotGenuine), "{length} bytes");
    }
    // One block that decrypts to 14 bytes of text and the padding 02 02; changing the IV changes the padding.
    let block = provider.cbc_encrypt(&key, &COUNTING_IV, &[9; 14]).expect("the key length is right");
    for (last_but_one, last) in [(2, 0), (2, 17), (2, 0xff), (2, 3), (1, 2), (0, 2)] {
        let mut iv = COUNTING_IV;
        iv[14] ^= 2 ^ last_but_one;
        iv[15] ^= 2 ^ last;
        let refused = provider.cbc_decrypt(&key, &iv, &block).err();
        assert_eq!(refused, Some(CryptoError::NotGenuine), "padding {last_but_one} {last}");
    }
    for length in (0..=64).filter(|length| ![16, 24, 32].contains(length)) {
        let other = vec![7; length];
        assert_eq!(provider.cbc_encrypt(&other, &COUNTING_IV, b"text").err(), Some(CryptoError::BadInput));
        assert_eq!(provider.cbc_decrypt(&other, &COUNTING_IV, &sealed).err(), Some(CryptoError::BadInput));
    }
}
