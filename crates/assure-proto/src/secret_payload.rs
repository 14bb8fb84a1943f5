//! The payload of an image for a shared-secret device: a content key hidden under the owner secret, and the
//! encrypted content.
//!
//! The content key is derived as in 7.2: PBKDF2-HMAC-SHA-256 of the owner secret, XOR `encrypted_secret`.
//! There is no additional data: the signature around the image covers everything.
//! Source: aSSURE 15.5.3, 7.8; rulings A-ASSURE-03, A-ASSURE-06, A-ASSURE-95; decisions M2, G 7, G 18.

use alloc::vec::Vec;
use core::num::NonZeroU32;

use clock::Dice;
use crypto::{Aead, CryptoError, Provider, Secret};
use wire::{DecodeError, Reason};
use zeroize::Zeroizing;

use crate::cbor::{Reader, Writer};

/// PBKDF2 rounds that are written (decision G 18).
pub const PAYLOAD_ROUNDS: NonZeroU32 = NonZeroU32::new(1000).expect("1000 is not zero");
/// PBKDF2 rounds above which a payload is refused, before any is computed.
pub const PAYLOAD_ROUNDS_MAX: u32 = 100_000;

const SALT_LENGTH: usize = 16;
const CBC_BLOCK: usize = 16;

/// A cipher suite: cipher, key size and mode.
///
/// Source: aSSURE 7.8 with the OIDs of ruling A-ASSURE-03; on the wire only the numbers 0 to 8 are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CipherSuite {
    /// 0: AES-128 CBC.
    Aes128Cbc,
    /// 1: AES-192 CBC.
    Aes192Cbc,
    /// 2: AES-256 CBC.
    Aes256Cbc,
    /// 3: AES-128 CCM, the default.
    Aes128Ccm,
    /// 4: AES-192 CCM.
    Aes192Ccm,
    /// 5: AES-256 CCM.
    Aes256Ccm,
    /// 6: AES-128 GCM.
    Aes128Gcm,
    /// 7: AES-192 GCM.
    Aes192Gcm,
    /// 8: AES-256 GCM.
    Aes256Gcm,
}

impl CipherSuite {
    /// Every suite, each at the index of its number.
    pub const ALL: [Self; 9] = [
        Self::Aes128Cbc,
        Self::Aes192Cbc,
        Self::Aes256Cbc,
        Self::Aes128Ccm,
        Self::Aes192Ccm,
        Self::Aes256Ccm,
        Self::Aes128Gcm,
        Self::Aes192Gcm,
        Self::Aes256Gcm,
    ];

    /// The suite with this number, 0 to 8.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        usize::try_from(number).ok().and_then(|index| Self::ALL.get(index).copied())
    }

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Aes128Cbc => 0,
            Self::Aes192Cbc => 1,
            Self::Aes256Cbc => 2,
            Self::Aes128Ccm => 3,
            Self::Aes192Ccm => 4,
            Self::Aes256Ccm => 5,
            Self::Aes128Gcm => 6,
            Self::Aes192Gcm => 7,
            Self::Aes256Gcm => 8,
        }
    }

    /// Length of the key in bytes.
    #[must_use]
    pub const fn key_length(self) -> usize {
        match self {
            Self::Aes128Cbc | Self::Aes128Ccm | Self::Aes128Gcm => 16,
            Self::Aes192Cbc | Self::Aes192Ccm | Self::Aes192Gcm => 24,
            Self::Aes256Cbc | Self::Aes256Ccm | Self::Aes256Gcm => 32,
        }
    }

    /// Length of the IV or nonce in bytes.
    #[must_use]
    pub const fn iv_length(self) -> usize {
        match self.aead() {
            None => CBC_BLOCK,
            Some(aead) => aead.nonce_length(),
        }
    }

    /// Length of the tag in bytes; zero for CBC.
    #[must_use]
    pub const fn tag_length(self) -> usize {
        match self.aead() {
            None => 0,
            Some(aead) => aead.tag_length(),
        }
    }

    const fn aead(self) -> Option<Aead> {
        match self {
            Self::Aes128Cbc | Self::Aes192Cbc | Self::Aes256Cbc => None,
            Self::Aes128Ccm => Some(Aead::Aes128Ccm),
            Self::Aes192Ccm => Some(Aead::Aes192Ccm),
            Self::Aes256Ccm => Some(Aead::Aes256Ccm),
            Self::Aes128Gcm => Some(Aead::Aes128Gcm),
            Self::Aes192Gcm => Some(Aead::Aes192Gcm),
            Self::Aes256Gcm => Some(Aead::Aes256Gcm),
        }
    }
}

/// Why a payload was not opened. The first five are told before any key is derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadRefusal {
    /// The salt has not exactly 16 bytes: other lengths belong to other derivations of the same secret.
    SaltLength,
    /// The encrypted secret is not as long as the suite's key: shorter ones would be tried byte by byte.
    EncryptedSecretLength,
    /// Zero rounds, or more than [`PAYLOAD_ROUNDS_MAX`].
    Rounds,
    /// The IV does not have the suite's length.
    IvLength,
    /// The tag does not have the suite's length.
    TagLength,
    /// Wrong secret, or content that was changed.
    NotGenuine,
    /// The provider of cryptography does not have the suite.
    Unsupported,
}

impl core::fmt::Display for PayloadRefusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::SaltLength => "the salt has not 16 bytes",
            Self::EncryptedSecretLength => "the encrypted secret is not as long as the key",
            Self::Rounds => "the number of rounds is zero or too high",
            Self::IvLength => "the IV has the wrong length",
            Self::TagLength => "the tag has the wrong length",
            Self::NotGenuine => "the payload is not genuine",
            Self::Unsupported => "the provider does not have the cipher suite",
        })
    }
}

impl core::error::Error for PayloadRefusal {}

impl From<CryptoError> for PayloadRefusal {
    fn from(error: CryptoError) -> Self {
        match error {
            CryptoError::NotGenuine | CryptoError::BadInput | CryptoError::WrongKey => Self::NotGenuine,
            CryptoError::Unsupported => Self::Unsupported,
        }
    }
}

/// The ARRAY of 7 items as it was received; nothing about its lengths is checked until [`Self::open`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretPayload<'a> {
    /// Salt of the derivation; 16 bytes to be usable.
    pub salt: &'a [u8],
    /// PBKDF2 rounds.
    pub rounds: u32,
    /// The content key XOR what PBKDF2 gives.
    pub encrypted_secret: &'a [u8],
    /// The cipher suite of the content.
    pub suite: CipherSuite,
    /// IV or nonce.
    pub iv: &'a [u8],
    /// Tag; empty for CBC.
    pub tag: &'a [u8],
    /// The encrypted content, without the tag.
    pub data: &'a [u8],
}

impl<'a> SecretPayload<'a> {
    /// Reads the ARRAY.
    ///
    /// # Errors
    /// [`DecodeError`] on another form or a cipher suite above 8.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::whole(bytes)?;
        reader.array_of(7)?;
        let salt = reader.bytes()?;
        let rounds = reader.u32()?;
        let encrypted_secret = reader.bytes()?;
        let unknown = reader.error(Reason::OutOfRange);
        let suite = CipherSuite::from_number(reader.u64()?).ok_or(unknown)?;
        let (iv, tag, data) = (reader.bytes()?, reader.bytes()?, reader.bytes()?);
        reader.finish()?;
        Ok(Self { salt, rounds, encrypted_secret, suite, iv, tag, data })
    }

    /// Writes the ARRAY.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.array(7).bytes(self.salt).uint(self.rounds).bytes(self.encrypted_secret);
        out.uint(self.suite.number()).bytes(self.iv).bytes(self.tag).bytes(self.data);
        out.finish()
    }

    /// Decrypts the content with the secret that `decryption_key_id` names.
    ///
    /// Callers check the signature around the image first, so that the padding of CBC is no oracle.
    ///
    /// # Errors
    /// [`PayloadRefusal`]; lengths and rounds are checked before any key is derived (decision M2).
    pub fn open(&self, provider: &dyn Provider, secret: &Secret) -> Result<Secret, PayloadRefusal> {
        let rounds = self.usable_rounds()?;
        let key = content_key(provider, secret, self.salt, rounds, self.encrypted_secret);
        let Some(aead) = self.suite.aead() else {
            let iv = self.iv.try_into().map_err(|_| PayloadRefusal::IvLength)?;
            return Ok(provider.cbc_decrypt(&key, iv, self.data)?);
        };
        let mut buffer = Zeroizing::new(Vec::with_capacity(self.data.len() + self.tag.len()));
        buffer.extend_from_slice(self.data);
        buffer.extend_from_slice(self.tag);
        provider.aead(aead, &key)?.open(self.iv, &[], &mut buffer)?;
        Ok(Secret::new(core::mem::take(&mut *buffer)))
    }

    fn usable_rounds(&self) -> Result<NonZeroU32, PayloadRefusal> {
        if self.salt.len() != SALT_LENGTH {
            return Err(PayloadRefusal::SaltLength);
        }
        if self.encrypted_secret.len() != self.suite.key_length() {
            return Err(PayloadRefusal::EncryptedSecretLength);
        }
        if self.iv.len() != self.suite.iv_length() {
            return Err(PayloadRefusal::IvLength);
        }
        if self.tag.len() != self.suite.tag_length() {
            return Err(PayloadRefusal::TagLength);
        }
        let rounds = NonZeroU32::new(self.rounds).filter(|rounds| rounds.get() <= PAYLOAD_ROUNDS_MAX);
        rounds.ok_or(PayloadRefusal::Rounds)
    }
}

/// Encrypts `plaintext` under a fresh content key and writes the ARRAY.
///
/// # Errors
/// [`CryptoError::Unsupported`] when the provider does not have the suite.
pub fn seal_secret_payload(
    provider: &dyn Provider,
    secret: &Secret,
    suite: CipherSuite,
    plaintext: &[u8],
    dice: &mut Dice,
) -> Result<Vec<u8>, CryptoError> {
    let salt: [u8; SALT_LENGTH] = dice.bytes();
    // What PBKDF2 gives, XOR a random secret of the same length, is the key; so is the reverse.
    let mut encrypted_secret = alloc::vec![0; suite.key_length()];
    dice.fill(&mut encrypted_secret);
    let key = content_key(provider, secret, &salt, PAYLOAD_ROUNDS, &encrypted_secret);
    let mut iv = [0; CBC_BLOCK];
    let iv_used = &mut iv[..suite.iv_length()];
    dice.fill(iv_used);
    let (data, tag) = match suite.aead() {
        None => (provider.cbc_encrypt(&key, &iv, plaintext)?, Vec::new()),
        Some(aead) => {
            let mut data = plaintext.to_vec();
            provider.aead(aead, &key)?.seal(&iv[..suite.iv_length()], &[], &mut data)?;
            let tag = data.split_off(plaintext.len());
            (data, tag)
        }
    };
    let payload = SecretPayload {
        salt: &salt,
        rounds: PAYLOAD_ROUNDS.get(),
        encrypted_secret: &encrypted_secret,
        suite,
        iv: &iv[..suite.iv_length()],
        tag: &tag,
        data: &data,
    };
    Ok(payload.encode())
}

fn content_key(
    provider: &dyn Provider,
    secret: &Secret,
    salt: &[u8],
    rounds: NonZeroU32,
    encrypted_secret: &[u8],
) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(alloc::vec![0; encrypted_secret.len()]);
    provider.pbkdf2_sha256(secret.expose(), salt, rounds, &mut key);
    for (byte, mask) in key.iter_mut().zip(encrypted_secret) {
        *byte ^= mask;
    }
    key
}
