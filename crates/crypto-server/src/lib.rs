//! The provider for servers: aws-lc-rs, with RustCrypto where it has gaps.
//!
//! The gaps are AES-CCM, which comes from `ccm` and `aes`, sums of points for SPAKE2+ from `p256`, and `scrypt`. Keys for key exchange and for EC key pairs
//! are drawn from the caller's dice; ECDSA nonces, RSA keys and OAEP seeds come from the generator of the
//! library, which offers no other way.
//! Source: section 6 of the dependency sheet; ADR 0010.

mod aead;
mod cbc;
mod ec;
mod exchange;
mod hash;
mod pake;
mod rsa;
mod wrap;

use std::num::NonZeroU32;
use std::sync::Arc;

use clock::Dice;
use crypto::{
    Aead, AeadKey, CryptoError, Digest, Group, HashAlgorithm, KeyExchange, KeyKind, PakeExchange,
    PakePassword, PrivateKey, PrivateKeyInfo, Provider, PublicKey, ScryptCost, Secret, SignatureScheme,
};

/// The provider for programs with an operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Server;

impl Server {
    /// The provider; it holds nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Provider for Server {
    fn name(&self) -> &'static str {
        "aws-lc"
    }

    fn digest(&self, hash: HashAlgorithm, parts: &[&[u8]]) -> Digest {
        hash::digest(hash, parts)
    }

    fn hmac(&self, hash: HashAlgorithm, key: &[u8], parts: &[&[u8]]) -> Digest {
        hash::hmac(hash, key, parts)
    }

    fn hmac_each(&self, hash: HashAlgorithm, key: &[u8], messages: &[&[&[u8]]]) -> Vec<Digest> {
        hash::hmac_each(hash, key, messages)
    }

    fn tls12_prf(&self, hash: HashAlgorithm, secret: &[u8], label: &[u8], seed: &[&[u8]], out: &mut [u8]) {
        hash::tls12_prf(hash, secret, label, seed, out);
    }

    fn pbkdf2_sha256(&self, passphrase: &[u8], salt: &[u8], rounds: NonZeroU32, out: &mut [u8]) {
        hash::pbkdf2_sha256(passphrase, salt, rounds, out);
    }

    fn aead(&self, aead: Aead, key: &[u8]) -> Result<Box<dyn AeadKey>, CryptoError> {
        aead::prepare(aead, key)
    }

    fn cbc_encrypt(&self, key: &[u8], iv: &[u8; 16], plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        cbc::encrypt(key, iv, plaintext)
    }

    fn cbc_decrypt(&self, key: &[u8], iv: &[u8; 16], ciphertext: &[u8]) -> Result<Secret, CryptoError> {
        cbc::decrypt(key, iv, ciphertext)
    }

    fn key_wrap(&self, kek: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        wrap::wrap(kek, key)
    }

    fn key_unwrap(&self, kek: &[u8], wrapped: &[u8]) -> Result<Secret, CryptoError> {
        wrap::unwrap(kek, wrapped)
    }

    fn generate_key(&self, kind: KeyKind, dice: &mut Dice) -> Result<Arc<dyn PrivateKey>, CryptoError> {
        match kind {
            KeyKind::Ec(curve) => Ok(Arc::new(ec::EcKey::generate(curve, dice)?)),
            KeyKind::Rsa { modulus_bits } => Ok(Arc::new(rsa::RsaKey::generate(modulus_bits)?)),
        }
    }

    fn import_key(&self, pkcs8: &[u8]) -> Result<Arc<dyn PrivateKey>, CryptoError> {
        match PrivateKeyInfo::from_pkcs8(pkcs8)? {
            PrivateKeyInfo::Ec { curve, scalar, point } => {
                Ok(Arc::new(ec::EcKey::import(curve, scalar, point)?))
            }
            PrivateKeyInfo::Rsa => Ok(Arc::new(rsa::RsaKey::import(pkcs8)?)),
        }
    }

    fn check_key(&self, key: &PublicKey) -> Result<(), CryptoError> {
        match key.kind() {
            KeyKind::Ec(curve) => ec::parse(curve, key).map(|_| ()),
            KeyKind::Rsa { .. } => rsa::parse(HashAlgorithm::Sha256, key).map(|_| ()),
        }
    }

    fn verify(
        &self,
        key: &PublicKey,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        let parsed = match (key.kind(), scheme) {
            (KeyKind::Ec(curve), SignatureScheme::Ecdsa(wanted)) if curve == wanted => ec::parse(curve, key)?,
            (KeyKind::Rsa { .. }, SignatureScheme::RsaPkcs1(hash)) => rsa::parse(hash, key)?,
            (KeyKind::Ec(_) | KeyKind::Rsa { .. }, _) => return Err(CryptoError::WrongKey),
        };
        parsed.verify_sig(message, signature).map_err(|_| CryptoError::NotGenuine)
    }

    fn oaep_encrypt(
        &self,
        key: &PublicKey,
        hash: HashAlgorithm,
        label: &[u8],
        plaintext: &[u8],
        _dice: &mut Dice,
    ) -> Result<Vec<u8>, CryptoError> {
        rsa::oaep_encrypt(key, hash, label, plaintext)
    }

    fn start_exchange(&self, group: Group, dice: &mut Dice) -> Result<Box<dyn KeyExchange>, CryptoError> {
        Ok(Box::new(exchange::Exchange::start(group, dice)?))
    }

    fn scrypt(
        &self,
        passphrase: &[u8],
        salt: &[u8],
        cost: ScryptCost,
        out: &mut [u8],
    ) -> Result<(), CryptoError> {
        pake::scrypt(passphrase, salt, cost, out)
    }

    fn pake_password(&self, stretched: &Secret) -> Result<PakePassword, CryptoError> {
        pake::password(stretched)
    }

    fn start_pake(&self, scalar: &[u8]) -> Result<Box<dyn PakeExchange>, CryptoError> {
        pake::Exchange::start(scalar)
    }
}
