//! RSA with public keys: PKCS#1 v1.5 verification and OAEP encryption.

use alloc::vec::Vec;
use core::convert::Infallible;

use clock::Dice;
use crypto::{CryptoError, HashAlgorithm, PublicKey};
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::{Oaep, Pkcs1v15Sign, RsaPublicKey};
use sha2::{Sha256, Sha384, Sha512};

pub(crate) fn parse(key: &PublicKey) -> Result<RsaPublicKey, CryptoError> {
    let pkcs1 = key.rsa_pkcs1().ok_or(CryptoError::WrongKey)?;
    RsaPublicKey::from_pkcs1_der(pkcs1).map_err(|_| CryptoError::BadInput)
}

pub(crate) fn verify(
    key: &PublicKey,
    hash: HashAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> Result<(), CryptoError> {
    let key = parse(key)?;
    let scheme = match hash {
        HashAlgorithm::Sha256 => Pkcs1v15Sign::new::<Sha256>(),
        HashAlgorithm::Sha384 => Pkcs1v15Sign::new::<Sha384>(),
        HashAlgorithm::Sha512 => Pkcs1v15Sign::new::<Sha512>(),
    };
    let digest = crate::hash::digest(hash, &[message]);
    key.verify(scheme, digest.as_ref(), signature).map_err(|_| CryptoError::NotGenuine)
}

pub(crate) fn oaep_encrypt(
    key: &PublicKey,
    hash: HashAlgorithm,
    label: &[u8],
    plaintext: &[u8],
    dice: &mut Dice,
) -> Result<Vec<u8>, CryptoError> {
    let key = parse(key)?;
    let mut dice = DiceRng(dice);
    match hash {
        HashAlgorithm::Sha256 => key.encrypt(&mut dice, Oaep::<Sha256>::new_with_label(label), plaintext),
        HashAlgorithm::Sha384 => key.encrypt(&mut dice, Oaep::<Sha384>::new_with_label(label), plaintext),
        HashAlgorithm::Sha512 => key.encrypt(&mut dice, Oaep::<Sha512>::new_with_label(label), plaintext),
    }
    .map_err(|_| CryptoError::BadInput)
}

/// Dice as the generator that RustCrypto asks for.
struct DiceRng<'a>(&'a mut Dice);

impl TryRng for DiceRng<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_be_bytes(self.0.bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_be_bytes(self.0.bytes()))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(out);
        Ok(())
    }
}

impl TryCryptoRng for DiceRng<'_> {}
