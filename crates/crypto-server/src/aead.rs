//! Authenticated encryption: GCM by aws-lc, CCM by RustCrypto.

// CCM only ever encrypts blocks: half a key schedule is enough, and sessions keep two of them each.
use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use aws_lc_rs::aead::{self as lc, Aad, LessSafeKey, Nonce, UnboundKey};
use ccm::Ccm;
use ccm::aead::array::typenum::Unsigned;
use ccm::aead::{AeadInOut, KeyInit, Nonce as CcmNonce};
use ccm::consts::{U8, U12, U13, U16};
use crypto::{Aead, AeadKey, CryptoError};

pub(crate) fn prepare(aead: Aead, key: &[u8]) -> Result<Box<dyn AeadKey>, CryptoError> {
    match aead {
        Aead::Aes128Ccm8 => CcmKey::<Ccm<Aes128Enc, U8, U12>>::boxed(key),
        Aead::Aes128Ccm => CcmKey::<Ccm<Aes128Enc, U16, U13>>::boxed(key),
        Aead::Aes192Ccm => CcmKey::<Ccm<Aes192Enc, U16, U13>>::boxed(key),
        Aead::Aes256Ccm => CcmKey::<Ccm<Aes256Enc, U16, U13>>::boxed(key),
        Aead::Aes128Gcm => GcmKey::boxed(&lc::AES_128_GCM, key),
        Aead::Aes192Gcm => GcmKey::boxed(&lc::AES_192_GCM, key),
        Aead::Aes256Gcm => GcmKey::boxed(&lc::AES_256_GCM, key),
    }
}

struct GcmKey(LessSafeKey);

impl GcmKey {
    fn boxed(algorithm: &'static lc::Algorithm, key: &[u8]) -> Result<Box<dyn AeadKey>, CryptoError> {
        let key = UnboundKey::new(algorithm, key).map_err(|_| CryptoError::BadInput)?;
        Ok(Box::new(Self(LessSafeKey::new(key))))
    }
}

impl AeadKey for GcmKey {
    fn seal(&self, nonce: &[u8], aad: &[u8], buffer: &mut Vec<u8>) -> Result<(), CryptoError> {
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| CryptoError::BadInput)?;
        self.0.seal_in_place_append_tag(nonce, Aad::from(aad), buffer).map_err(|_| CryptoError::BadInput)
    }

    fn open(&self, nonce: &[u8], aad: &[u8], buffer: &mut Vec<u8>) -> Result<(), CryptoError> {
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| CryptoError::BadInput)?;
        let text =
            self.0.open_in_place(nonce, Aad::from(aad), buffer).map_err(|_| CryptoError::NotGenuine)?.len();
        buffer.truncate(text);
        Ok(())
    }
}

struct CcmKey<A>(A);

impl<A: AeadInOut + KeyInit + Send + Sync + 'static> CcmKey<A> {
    /// CCM counts the text in the bytes that the nonce leaves of 15: 2 or 3 (RFC 3610 section 2).
    const TEXT_LENGTH_MAX: usize = (1 << (8 * (15 - A::NonceSize::USIZE))) - 1;

    fn boxed(key: &[u8]) -> Result<Box<dyn AeadKey>, CryptoError> {
        let key = A::new_from_slice(key).map_err(|_| CryptoError::BadInput)?;
        Ok(Box::new(Self(key)))
    }
}

impl<A: AeadInOut + KeyInit + Send + Sync + 'static> AeadKey for CcmKey<A> {
    fn seal(&self, nonce: &[u8], aad: &[u8], buffer: &mut Vec<u8>) -> Result<(), CryptoError> {
        let nonce = <&CcmNonce<A>>::try_from(nonce).map_err(|_| CryptoError::BadInput)?;
        if buffer.len() > Self::TEXT_LENGTH_MAX {
            return Err(CryptoError::BadInput);
        }
        self.0.encrypt_in_place(nonce, aad, buffer).map_err(|_| CryptoError::BadInput)
    }

    fn open(&self, nonce: &[u8], aad: &[u8], buffer: &mut Vec<u8>) -> Result<(), CryptoError> {
        let nonce = <&CcmNonce<A>>::try_from(nonce).map_err(|_| CryptoError::BadInput)?;
        if buffer.len() > Self::TEXT_LENGTH_MAX + A::TagSize::USIZE {
            return Err(CryptoError::BadInput);
        }
        self.0.decrypt_in_place(nonce, aad, buffer).map_err(|_| CryptoError::NotGenuine)
    }
}
