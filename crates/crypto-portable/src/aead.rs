//! Authenticated encryption: GCM and CCM.

// Both modes only ever encrypt blocks: half a key schedule is enough.
use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use aes_gcm::AesGcm;
use alloc::boxed::Box;
use alloc::vec::Vec;
use ccm::Ccm;
use ccm::aead::array::typenum::Unsigned;
use ccm::aead::{AeadInOut, KeyInit, Nonce};
use ccm::consts::{U8, U12, U13, U16};
use crypto::{Aead, AeadKey, CryptoError};

/// CCM counts the text in the bytes that the nonce leaves of 15: 3 with 12 bytes, 2 with 13
/// (RFC 3610 section 2).
const CCM_12_LENGTH_MAX: u64 = (1 << 24) - 1;
const CCM_13_LENGTH_MAX: u64 = (1 << 16) - 1;
/// Source: NIST SP 800-38D section 5.2.1.1.
const GCM_LENGTH_MAX: u64 = (1 << 36) - 32;

pub(crate) fn prepare(aead: Aead, key: &[u8]) -> Result<Box<dyn AeadKey>, CryptoError> {
    match aead {
        Aead::Aes128Ccm8 => ready::<Ccm<Aes128Enc, U8, U12>>(key, CCM_12_LENGTH_MAX),
        Aead::Aes128Ccm => ready::<Ccm<Aes128Enc, U16, U13>>(key, CCM_13_LENGTH_MAX),
        Aead::Aes192Ccm => ready::<Ccm<Aes192Enc, U16, U13>>(key, CCM_13_LENGTH_MAX),
        Aead::Aes256Ccm => ready::<Ccm<Aes256Enc, U16, U13>>(key, CCM_13_LENGTH_MAX),
        Aead::Aes128Gcm => ready::<AesGcm<Aes128Enc, U12>>(key, GCM_LENGTH_MAX),
        Aead::Aes192Gcm => ready::<AesGcm<Aes192Enc, U12>>(key, GCM_LENGTH_MAX),
        Aead::Aes256Gcm => ready::<AesGcm<Aes256Enc, U12>>(key, GCM_LENGTH_MAX),
    }
}

fn ready<A>(key: &[u8], text_length_max: u64) -> Result<Box<dyn AeadKey>, CryptoError>
where
    A: AeadInOut + KeyInit + Send + Sync + 'static,
{
    let cipher = A::new_from_slice(key).map_err(|_| CryptoError::BadInput)?;
    Ok(Box::new(Key { cipher, text_length_max }))
}

struct Key<A> {
    cipher: A,
    text_length_max: u64,
}

impl<A: AeadInOut> Key<A> {
    fn check_length(&self, text_length: usize) -> Result<(), CryptoError> {
        if text_length as u64 > self.text_length_max { Err(CryptoError::BadInput) } else { Ok(()) }
    }
}

impl<A: AeadInOut + Send + Sync> AeadKey for Key<A> {
    fn seal(&self, nonce: &[u8], aad: &[u8], buffer: &mut Vec<u8>) -> Result<(), CryptoError> {
        let nonce = <&Nonce<A>>::try_from(nonce).map_err(|_| CryptoError::BadInput)?;
        self.check_length(buffer.len())?;
        self.cipher.encrypt_in_place(nonce, aad, buffer).map_err(|_| CryptoError::BadInput)
    }

    fn open(&self, nonce: &[u8], aad: &[u8], buffer: &mut Vec<u8>) -> Result<(), CryptoError> {
        let nonce = <&Nonce<A>>::try_from(nonce).map_err(|_| CryptoError::BadInput)?;
        self.check_length(buffer.len().saturating_sub(A::TagSize::USIZE))?;
        self.cipher.decrypt_in_place(nonce, aad, buffer).map_err(|_| CryptoError::NotGenuine)
    }
}
