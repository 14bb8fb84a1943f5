//! Keys of type 1, and how it seals.
//!
//! MD5 and a nonce that never changes are what deployed devices compute with; they stay in this module.

use alloc::vec::Vec;
use core::num::NonZeroU32;

use crypto::{Aead, HashAlgorithm, Provider, Secret};
use md5::{Digest, Md5};
use zeroize::Zeroizing;

use crate::Serial;

const SALT: &[u8; 16] = b"www.88075998.com";
const ROUNDS: NonZeroU32 = NonZeroU32::new(3).expect("it is not zero");
const NONCE: [u8; 12] = *b"012345\0\0\0\0\0\0";
const IV: [u8; 16] = *b"01234567\0\0\0\0\0\0\0\0";
/// Keys of type 1 have 16 bytes.
pub(crate) const KEY_SIZE: usize = 16;
/// A tag of GCM.
pub(crate) const TAG_SIZE: usize = 16;
/// The proof of a master key.
pub(crate) const SIGN_SIZE: usize = 48;

/// In which case a device writes the first hash of its code; it tries the other one when the first is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// The first try.
    Upper,
    /// The second.
    Lower,
}

/// Which of the deployed kinds a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// CBC, and no header before the first message.
    Second,
    /// GCM, and a header that says the type.
    Third,
}

/// What a code comes to in type 1: a key for each case and generation. Whoever has them has the code, more or less.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeKeys {
    /// By generation and case: second upper, second lower, third upper, third lower.
    keys: [Secret; 4],
}

impl CodeKeys {
    /// The keys of a code.
    #[must_use]
    pub fn of_code(provider: &dyn Provider, code: &Secret, serial: &Serial) -> Self {
        let of = |case| {
            let first = hex_of(&md5(&[code.expose(), serial.as_bytes()])[..], case);
            let second = hex_of(&md5(&[&first, SALT])[..], Case::Upper);
            let third = hex_of(&md5(&[&second])[..], Case::Upper);
            let mut stretched = Zeroizing::new([0; 32]);
            provider.pbkdf2_sha256(&third, SALT, ROUNDS, &mut *stretched);
            let text = hex_of(&*stretched, Case::Upper);
            (Secret::from(&third[..KEY_SIZE]), Secret::from(&text[10..10 + KEY_SIZE]))
        };
        let ((second_upper, third_upper), (second_lower, third_lower)) = (of(Case::Upper), of(Case::Lower));
        Self { keys: [second_upper, second_lower, third_upper, third_lower] }
    }

    /// The keys from their 64 bytes; `None` for another size.
    #[must_use]
    pub fn from_bytes(bytes: &Secret) -> Option<Self> {
        let (keys, rest) = bytes.expose().as_chunks::<KEY_SIZE>();
        let keys: [[u8; KEY_SIZE]; 4] = keys.try_into().ok().filter(|_| rest.is_empty())?;
        Some(Self { keys: keys.map(|key| Secret::from(&key[..])) })
    }

    /// The keys as 64 bytes, for a store.
    #[must_use]
    pub fn to_bytes(&self) -> Secret {
        let mut bytes = Vec::with_capacity(4 * KEY_SIZE);
        self.keys.iter().for_each(|key| bytes.extend_from_slice(key.expose()));
        Secret::new(bytes)
    }

    pub(crate) const fn of(&self, generation: Generation, case: Case) -> &Secret {
        &self.keys[match (generation, case) {
            (Generation::Second, Case::Upper) => 0,
            (Generation::Second, Case::Lower) => 1,
            (Generation::Third, Case::Upper) => 2,
            (Generation::Third, Case::Lower) => 3,
        }]
    }
}

fn md5(parts: &[&[u8]]) -> Zeroizing<[u8; 16]> {
    let mut state = Md5::new();
    parts.iter().for_each(|part| state.update(part));
    Zeroizing::new(state.finalize().into())
}

fn hex_of(bytes: &[u8], case: Case) -> Zeroizing<Vec<u8>> {
    let digits = match case {
        Case::Upper => b"0123456789ABCDEF",
        Case::Lower => b"0123456789abcdef",
    };
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]);
    let mut text = Zeroizing::new(Vec::with_capacity(2 * bytes.len()));
    text.extend(nibbles.map(|nibble| digits[usize::from(nibble)]));
    text
}

/// The master key of an exchange, from its x coordinate.
pub(crate) fn master_key(z: &Secret) -> Secret {
    let text = hex_of(&md5(&[z.expose()])[..8], Case::Upper);
    Secret::from(&text[..])
}

/// The proof of a master key: the same in both directions and for all runs.
pub(crate) fn sign(provider: &dyn Provider, master: &Secret, serial: &Serial) -> [u8; SIGN_SIZE] {
    let digest = provider.digest(HashAlgorithm::Sha384, &[serial.as_bytes()]);
    let sign = provider.hmac(HashAlgorithm::Sha384, master.expose(), &[digest.as_ref()]);
    sign.as_ref().try_into().expect("SHA-384 has 48 bytes")
}

/// The tag, and behind it the ciphertext: under the one nonce.
pub(crate) fn seal(provider: &dyn Provider, key: &Secret, plain: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(plain.len() + TAG_SIZE);
    sealed.extend_from_slice(plain);
    provider
        .aead(Aead::Aes128Gcm, key.expose())
        .and_then(|aead| aead.seal(&NONCE, &[], &mut sealed))
        .expect("keys of type 1 have 16 bytes and its texts are short");
    sealed.rotate_right(TAG_SIZE);
    sealed
}

pub(crate) fn open(provider: &dyn Provider, key: &Secret, sealed: &[u8]) -> Option<Secret> {
    if sealed.len() < TAG_SIZE {
        return None;
    }
    let mut text = Zeroizing::new(sealed.to_vec());
    text.rotate_left(TAG_SIZE);
    let aead = provider.aead(Aead::Aes128Gcm, key.expose()).ok()?;
    aead.open(&NONCE, &[], &mut text).ok()?;
    Some(Secret::from(&text[..]))
}

pub(crate) fn cbc(provider: &dyn Provider, key: &Secret, plain: &[u8]) -> Vec<u8> {
    provider.cbc_encrypt(key.expose(), &IV, plain).expect("keys of type 1 have 16 bytes")
}

/// Nothing outside protects the padding, and nothing could: that is type 1.
pub(crate) fn uncbc(provider: &dyn Provider, key: &Secret, sealed: &[u8]) -> Option<Secret> {
    provider.cbc_decrypt(key.expose(), &IV, sealed).ok()
}
