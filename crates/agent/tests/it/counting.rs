//! A provider that counts what a peer can make a device do: PBKDF2 rounds and openings of envelopes.

use core::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use clock::Dice;
use crypto::{
    Aead, AeadKey, CryptoError, Digest, Group, HashAlgorithm, KeyExchange, KeyKind, PrivateKey, Provider,
    PublicKey, Secret, SignatureScheme,
};

/// Passes everything on and counts PBKDF2 rounds and decryptions.
pub(crate) struct Counting {
    inner: Arc<dyn Provider>,
    rounds: AtomicU32,
    decryptions: AtomicU32,
}

impl Counting {
    pub(crate) fn new(inner: Arc<dyn Provider>) -> Self {
        Self { inner, rounds: AtomicU32::new(0), decryptions: AtomicU32::new(0) }
    }

    /// PBKDF2 rounds so far.
    pub(crate) fn rounds(&self) -> u32 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// CBC decryptions and key unwraps so far.
    pub(crate) fn decryptions(&self) -> u32 {
        self.decryptions.load(Ordering::Relaxed)
    }
}

impl Provider for Counting {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn digest(&self, hash: HashAlgorithm, parts: &[&[u8]]) -> Digest {
        self.inner.digest(hash, parts)
    }

    fn hmac(&self, hash: HashAlgorithm, key: &[u8], parts: &[&[u8]]) -> Digest {
        self.inner.hmac(hash, key, parts)
    }

    fn tls12_prf(&self, hash: HashAlgorithm, secret: &[u8], label: &[u8], seed: &[&[u8]], out: &mut [u8]) {
        self.inner.tls12_prf(hash, secret, label, seed, out);
    }

    fn pbkdf2_sha256(&self, passphrase: &[u8], salt: &[u8], rounds: NonZeroU32, out: &mut [u8]) {
        self.rounds.fetch_add(rounds.get(), Ordering::Relaxed);
        self.inner.pbkdf2_sha256(passphrase, salt, rounds, out);
    }

    fn aead(&self, aead: Aead, key: &[u8]) -> Result<Box<dyn AeadKey>, CryptoError> {
        self.inner.aead(aead, key)
    }

    fn cbc_encrypt(&self, key: &[u8], iv: &[u8; 16], plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.inner.cbc_encrypt(key, iv, plaintext)
    }

    fn cbc_decrypt(&self, key: &[u8], iv: &[u8; 16], ciphertext: &[u8]) -> Result<Secret, CryptoError> {
        self.decryptions.fetch_add(1, Ordering::Relaxed);
        self.inner.cbc_decrypt(key, iv, ciphertext)
    }

    fn key_wrap(&self, kek: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.inner.key_wrap(kek, key)
    }

    fn key_unwrap(&self, kek: &[u8], wrapped: &[u8]) -> Result<Secret, CryptoError> {
        self.decryptions.fetch_add(1, Ordering::Relaxed);
        self.inner.key_unwrap(kek, wrapped)
    }

    fn generate_key(&self, kind: KeyKind, dice: &mut Dice) -> Result<Arc<dyn PrivateKey>, CryptoError> {
        self.inner.generate_key(kind, dice)
    }

    fn import_key(&self, pkcs8: &[u8]) -> Result<Arc<dyn PrivateKey>, CryptoError> {
        self.inner.import_key(pkcs8)
    }

    fn check_key(&self, key: &PublicKey) -> Result<(), CryptoError> {
        self.inner.check_key(key)
    }

    fn verify(
        &self,
        key: &PublicKey,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        self.inner.verify(key, scheme, message, signature)
    }

    fn oaep_encrypt(
        &self,
        key: &PublicKey,
        hash: HashAlgorithm,
        label: &[u8],
        plaintext: &[u8],
        dice: &mut Dice,
    ) -> Result<Vec<u8>, CryptoError> {
        self.inner.oaep_encrypt(key, hash, label, plaintext, dice)
    }

    fn start_exchange(&self, group: Group, dice: &mut Dice) -> Result<Box<dyn KeyExchange>, CryptoError> {
        self.inner.start_exchange(group, dice)
    }
}
