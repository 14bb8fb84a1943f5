//! The provider for devices: RustCrypto alone, without an operating system.
//!
//! All randomness comes from the caller's dice; ECDSA needs none (RFC 6979). RSA is public-key work only:
//! no constant-time private operation exists in pure Rust (RUSTSEC-2023-0071), so private keys and
//! decryption are refused with [`CryptoError::Unsupported`].
//! Source: sections 2 and 4 of the dependency sheet; ADR 0010 and 0011.
#![no_std]
extern crate alloc;

mod aead;
mod cbc;
mod ec;
mod exchange;
mod hash;
mod pake;
mod rsa;
mod wrap;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use clock::Dice;
use crypto::{
    Aead, AeadKey, CryptoError, Curve, Digest, Group, HashAlgorithm, KeyExchange, KeyKind, PakeExchange,
    PakePassword, PrivateKey, PrivateKeyInfo, Provider, PublicKey, ScryptCost, Secret, SignatureScheme,
};
use p256::NistP256;
use p384::NistP384;
use p521::NistP521;

/// The provider for devices, simulations and whatever has no operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Portable;

impl Portable {
    /// The provider; it holds nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Provider for Portable {
    fn name(&self) -> &'static str {
        "RustCrypto"
    }

    fn digest(&self, hash: HashAlgorithm, parts: &[&[u8]]) -> Digest {
        hash::digest(hash, parts)
    }

    fn hmac(&self, hash: HashAlgorithm, key: &[u8], parts: &[&[u8]]) -> Digest {
        hash::hmac(hash, key, parts)
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
            KeyKind::Ec(Curve::P256) => ec::EcKey::<NistP256>::generate(dice),
            KeyKind::Ec(Curve::P384) => ec::EcKey::<NistP384>::generate(dice),
            KeyKind::Ec(Curve::P521) => ec::EcKey::<NistP521>::generate(dice),
            KeyKind::Rsa { .. } => Err(CryptoError::Unsupported),
        }
    }

    fn import_key(&self, pkcs8: &[u8]) -> Result<Arc<dyn PrivateKey>, CryptoError> {
        match PrivateKeyInfo::from_pkcs8(pkcs8)? {
            PrivateKeyInfo::Ec { curve, scalar, point } => match curve {
                Curve::P256 => ec::EcKey::<NistP256>::import(scalar, point),
                Curve::P384 => ec::EcKey::<NistP384>::import(scalar, point),
                Curve::P521 => ec::EcKey::<NistP521>::import(scalar, point),
            },
            PrivateKeyInfo::Rsa => Err(CryptoError::Unsupported),
        }
    }

    fn check_key(&self, key: &PublicKey) -> Result<(), CryptoError> {
        match key.kind() {
            KeyKind::Ec(Curve::P256) => ec::parse::<NistP256>(key).map(|_| ()),
            KeyKind::Ec(Curve::P384) => ec::parse::<NistP384>(key).map(|_| ()),
            KeyKind::Ec(Curve::P521) => ec::parse::<NistP521>(key).map(|_| ()),
            KeyKind::Rsa { .. } => rsa::parse(key).map(|_| ()),
        }
    }

    fn verify(
        &self,
        key: &PublicKey,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        match scheme {
            SignatureScheme::Ecdsa(Curve::P256) => ec::verify::<NistP256>(key, message, signature),
            SignatureScheme::Ecdsa(Curve::P384) => ec::verify::<NistP384>(key, message, signature),
            SignatureScheme::Ecdsa(Curve::P521) => ec::verify::<NistP521>(key, message, signature),
            SignatureScheme::RsaPkcs1(hash) => rsa::verify(key, hash, message, signature),
        }
    }

    fn oaep_encrypt(
        &self,
        key: &PublicKey,
        hash: HashAlgorithm,
        label: &[u8],
        plaintext: &[u8],
        dice: &mut Dice,
    ) -> Result<Vec<u8>, CryptoError> {
        rsa::oaep_encrypt(key, hash, label, plaintext, dice)
    }

    fn start_exchange(&self, group: Group, dice: &mut Dice) -> Result<Box<dyn KeyExchange>, CryptoError> {
        match group {
            Group::Nist(Curve::P256) => exchange::NistExchange::<NistP256>::start(dice),
            Group::Nist(Curve::P384) => exchange::NistExchange::<NistP384>::start(dice),
            Group::Nist(Curve::P521) => exchange::NistExchange::<NistP521>::start(dice),
            Group::X25519 => Ok(exchange::X25519Exchange::start(dice)),
        }
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
