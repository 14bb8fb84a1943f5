//! AES-CBC with PKCS#7 padding.

use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
    PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use crypto::{CryptoError, Secret};
use zeroize::Zeroizing;

const BLOCK: usize = 16;

fn cipher_key(key: &[u8]) -> Result<UnboundCipherKey, CryptoError> {
    let algorithm = match key.len() {
        16 => &AES_128,
        24 => &AES_192,
        32 => &AES_256,
        _ => return Err(CryptoError::BadInput),
    };
    UnboundCipherKey::new(algorithm, key).map_err(|_| CryptoError::BadInput)
}

pub(crate) fn encrypt(key: &[u8], iv: &[u8; BLOCK], plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(cipher_key(key)?).map_err(|_| CryptoError::BadInput)?;
    // Room for the padding, so that growing leaves no copy of the plaintext behind.
    let mut buffer = Vec::with_capacity(plaintext.len() + BLOCK);
    buffer.extend_from_slice(plaintext);
    key.less_safe_encrypt(&mut buffer, EncryptionContext::Iv128(FixedLength::from(iv)))
        .map_err(|_| CryptoError::BadInput)?;
    Ok(buffer)
}

pub(crate) fn decrypt(key: &[u8], iv: &[u8; BLOCK], ciphertext: &[u8]) -> Result<Secret, CryptoError> {
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(cipher_key(key)?).map_err(|_| CryptoError::BadInput)?;
    if ciphertext.is_empty() || !ciphertext.len().is_multiple_of(BLOCK) {
        return Err(CryptoError::NotGenuine);
    }
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    let text = key
        .decrypt(&mut buffer, DecryptionContext::Iv128(FixedLength::from(iv)))
        .map_err(|_| CryptoError::NotGenuine)?;
    Ok(Secret::from(&*text))
}
