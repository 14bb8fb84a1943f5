//! What a provider of cryptography does.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use clock::Dice;

use crate::{
    Aead, Group, HashAlgorithm, KeyKind, PakeExchange, PakePassword, PublicKey, ScryptCost, Secret,
    SignatureScheme,
};

/// Why an operation did not come off. Which check failed inside is deliberately not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CryptoError {
    /// A ciphertext, wrapped key, tag or signature is not genuine.
    NotGenuine,
    /// A key, point or parameter is malformed or outside what is accepted.
    BadInput,
    /// The key is of a kind that cannot do this.
    WrongKey,
    /// This provider does not implement the operation.
    Unsupported,
}

impl core::fmt::Display for CryptoError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotGenuine => "not genuine",
            Self::BadInput => "malformed cryptographic input",
            Self::WrongKey => "the key cannot do this",
            Self::Unsupported => "the provider does not implement this",
        })
    }
}

impl core::error::Error for CryptoError {}

/// A digest of up to 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    bytes: [u8; 64],
    length: usize,
}

impl Digest {
    /// A digest from its bytes.
    ///
    /// # Panics
    /// When there are more than 64: no hash here is longer.
    #[must_use]
    pub fn new(digest: &[u8]) -> Self {
        let mut bytes = [0; 64];
        bytes[..digest.len()].copy_from_slice(digest);
        Self { bytes, length: digest.len() }
    }

    /// The first 32 bytes, all of a SHA-256 digest.
    #[must_use]
    pub fn first_32(&self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(&self.bytes[..32]);
        out
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl core::fmt::Debug for Digest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Digest({} bytes)", self.length)
    }
}

/// A key ready for authenticated encryption.
pub trait AeadKey: Send + Sync {
    /// Encrypts `buffer` in place and appends the tag.
    ///
    /// # Errors
    /// [`CryptoError::BadInput`] when the nonce has the wrong length or the text is too long.
    fn seal(&self, nonce: &[u8], aad: &[u8], buffer: &mut Vec<u8>) -> Result<(), CryptoError>;

    /// Checks and removes the tag and decrypts `buffer` in place; on failure its contents are undefined.
    ///
    /// # Errors
    /// [`CryptoError::NotGenuine`] when the tag does not match, [`CryptoError::BadInput`] as above.
    fn open(&self, nonce: &[u8], aad: &[u8], buffer: &mut Vec<u8>) -> Result<(), CryptoError>;
}

/// One side of an ephemeral key exchange.
pub trait KeyExchange: Send {
    /// Our public value, as the group writes it.
    fn public(&self) -> &[u8];

    /// The shared secret (X coordinate, or the 32 bytes of X25519); each exchange is used once.
    ///
    /// # Errors
    /// [`CryptoError::BadInput`] when `peer` is no valid public value, or the secret is all zero.
    fn finish(self: Box<Self>, peer: &[u8]) -> Result<Secret, CryptoError>;
}

/// A private key, seen only through what it does.
pub trait PrivateKey: Send + Sync {
    /// The public half.
    fn public(&self) -> &PublicKey;

    /// The key as PKCS#8 v1 `PrivateKeyInfo`, when it may leave the provider.
    ///
    /// # Errors
    /// [`CryptoError::Unsupported`] when it may not.
    fn pkcs8(&self) -> Result<Secret, CryptoError>;

    /// Signs `message`. `dice` is used where the scheme needs randomness and the platform has no better.
    ///
    /// # Errors
    /// [`CryptoError::WrongKey`] when the scheme is not of this key's kind or curve.
    fn sign(&self, scheme: SignatureScheme, message: &[u8], dice: &mut Dice) -> Result<Vec<u8>, CryptoError>;

    /// Static Diffie-Hellman with another key of the same curve: the X coordinate.
    ///
    /// # Errors
    /// [`CryptoError::WrongKey`] when either key is not on the same curve.
    fn agree(&self, peer: &PublicKey) -> Result<Secret, CryptoError>;

    /// Decrypts RSAES-OAEP with `hash` for both the label and MGF1.
    ///
    /// # Errors
    /// [`CryptoError::NotGenuine`] when the ciphertext or label is wrong, [`CryptoError::WrongKey`] for EC keys.
    fn oaep_decrypt(
        &self,
        hash: HashAlgorithm,
        label: &[u8],
        ciphertext: &[u8],
    ) -> Result<Secret, CryptoError>;
}

impl core::fmt::Debug for dyn PrivateKey + '_ {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "PrivateKey({:?})", self.public().kind())
    }
}

/// A provider of cryptography.
pub trait Provider: Send + Sync {
    /// A short name for logs.
    fn name(&self) -> &'static str;

    /// The hash of the concatenation of `parts`.
    fn digest(&self, hash: HashAlgorithm, parts: &[&[u8]]) -> Digest;

    /// HMAC over the concatenation of `parts`, untruncated.
    fn hmac(&self, hash: HashAlgorithm, key: &[u8], parts: &[&[u8]]) -> Digest;

    /// HMAC of each of `messages`, each the concatenation of its parts, under one key: what is prepared of the key is
    /// prepared once.
    fn hmac_each(&self, hash: HashAlgorithm, key: &[u8], messages: &[&[&[u8]]]) -> Vec<Digest> {
        messages.iter().map(|parts| self.hmac(hash, key, parts)).collect()
    }

    /// The TLS 1.2 PRF over `label` and the concatenation of `seed` (RFC 5246 section 5).
    fn tls12_prf(&self, hash: HashAlgorithm, secret: &[u8], label: &[u8], seed: &[&[u8]], out: &mut [u8]);

    /// PBKDF2 with HMAC-SHA-256.
    fn pbkdf2_sha256(&self, passphrase: &[u8], salt: &[u8], rounds: NonZeroU32, out: &mut [u8]);

    /// Prepares a key for `aead`.
    ///
    /// # Errors
    /// [`CryptoError::BadInput`] when its length is wrong.
    fn aead(&self, aead: Aead, key: &[u8]) -> Result<Box<dyn AeadKey>, CryptoError>;

    /// AES-CBC with PKCS#7 padding; the key length (16, 24, 32) picks the cipher.
    ///
    /// # Errors
    /// [`CryptoError::BadInput`] when the key length is another.
    fn cbc_encrypt(&self, key: &[u8], iv: &[u8; 16], plaintext: &[u8]) -> Result<Vec<u8>, CryptoError>;

    /// The reverse. Callers check an outer signature or MAC first, so that padding is no oracle.
    ///
    /// # Errors
    /// [`CryptoError::NotGenuine`] when length or padding is wrong, [`CryptoError::BadInput`] as above.
    fn cbc_decrypt(&self, key: &[u8], iv: &[u8; 16], ciphertext: &[u8]) -> Result<Secret, CryptoError>;

    /// AES key wrap (RFC 3394); the KEK has 16 or 32 bytes.
    ///
    /// # Errors
    /// [`CryptoError::BadInput`] when a length is wrong.
    fn key_wrap(&self, kek: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError>;

    /// The reverse.
    ///
    /// # Errors
    /// [`CryptoError::NotGenuine`] when the integrity check fails, [`CryptoError::BadInput`] as above.
    fn key_unwrap(&self, kek: &[u8], wrapped: &[u8]) -> Result<Secret, CryptoError>;

    /// Makes a key pair.
    ///
    /// # Errors
    /// [`CryptoError::Unsupported`] when this provider makes none of this kind.
    fn generate_key(&self, kind: KeyKind, dice: &mut Dice) -> Result<Arc<dyn PrivateKey>, CryptoError>;

    /// Reads a private key from PKCS#8 v1 and derives its public half.
    ///
    /// # Errors
    /// [`CryptoError::BadInput`] when it is malformed, [`CryptoError::Unsupported`] as above.
    fn import_key(&self, pkcs8: &[u8]) -> Result<Arc<dyn PrivateKey>, CryptoError>;

    /// Checks that a public key that has the right form is a usable one (a point on its curve).
    ///
    /// # Errors
    /// [`CryptoError::BadInput`] when it is not.
    fn check_key(&self, key: &PublicKey) -> Result<(), CryptoError>;

    /// Verifies a signature in the form that [`PrivateKey::sign`] writes.
    ///
    /// # Errors
    /// [`CryptoError::NotGenuine`] when it does not match, [`CryptoError::WrongKey`] when key and scheme
    /// do not belong together.
    fn verify(
        &self,
        key: &PublicKey,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError>;

    /// Encrypts with RSAES-OAEP, `hash` for both the label and MGF1.
    ///
    /// # Errors
    /// [`CryptoError::WrongKey`] for EC keys, [`CryptoError::BadInput`] when the text is too long.
    fn oaep_encrypt(
        &self,
        key: &PublicKey,
        hash: HashAlgorithm,
        label: &[u8],
        plaintext: &[u8],
        dice: &mut Dice,
    ) -> Result<Vec<u8>, CryptoError>;

    /// Starts an ephemeral key exchange.
    ///
    /// # Errors
    /// [`CryptoError::Unsupported`] when this provider does not have the group.
    fn start_exchange(&self, group: Group, dice: &mut Dice) -> Result<Box<dyn KeyExchange>, CryptoError>;

    /// scrypt (RFC 7914): fills `out`.
    ///
    /// # Errors
    /// [`CryptoError::BadInput`] when the cost is none, [`CryptoError::Unsupported`] as above.
    fn scrypt(
        &self,
        passphrase: &[u8],
        salt: &[u8],
        cost: ScryptCost,
        out: &mut [u8],
    ) -> Result<(), CryptoError> {
        let _ = (passphrase, salt, cost, out);
        Err(CryptoError::Unsupported)
    }

    /// The secrets and the record of a password for SPAKE2+ over P-256, from two halves of equal size that a
    /// password was stretched to.
    ///
    /// # Errors
    /// [`CryptoError::BadInput`] when the size is odd, a half is shorter than 40 bytes or no multiple of 8, or
    /// L would be infinity, [`CryptoError::Unsupported`] as above.
    fn pake_password(&self, stretched: &Secret) -> Result<PakePassword, CryptoError> {
        let _ = stretched;
        Err(CryptoError::Unsupported)
    }

    /// Begins SPAKE2+ over P-256 with a secret scalar: 32 random bytes, big-endian; see [`crate::draw_scalar`].
    ///
    /// # Errors
    /// [`CryptoError::BadInput`] when the scalar is zero or not below the order,
    /// [`CryptoError::Unsupported`] as above.
    fn start_pake(&self, scalar: &[u8]) -> Result<Box<dyn PakeExchange>, CryptoError> {
        let _ = scalar;
        Err(CryptoError::Unsupported)
    }
}

impl core::fmt::Debug for dyn Provider {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Provider({})", self.name())
    }
}
