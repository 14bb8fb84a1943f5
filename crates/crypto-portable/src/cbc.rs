//! AES-CBC with PKCS#7 padding.

use aes::{Aes128, Aes192, Aes256};
use alloc::vec::Vec;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use cbc::{Decryptor, Encryptor};
use crypto::{CryptoError, Secret};
use zeroize::Zeroizing;

const BLOCK: usize = 16;

pub(crate) fn encrypt(key: &[u8], iv: &[u8; BLOCK], plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
    match key.len() {
        16 => seal::<Encryptor<Aes128>>(key, iv, plaintext),
        24 => seal::<Encryptor<Aes192>>(key, iv, plaintext),
        32 => seal::<Encryptor<Aes256>>(key, iv, plaintext),
        _ => Err(CryptoError::BadInput),
    }
}

fn seal<M: KeyIvInit + BlockModeEncrypt>(
    key: &[u8],
    iv: &[u8; BLOCK],
    plaintext: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    let mode = M::new_from_slices(key, iv).map_err(|_| CryptoError::BadInput)?;
    Ok(mode.encrypt_padded_vec::<Pkcs7>(plaintext))
}

pub(crate) fn decrypt(key: &[u8], iv: &[u8; BLOCK], ciphertext: &[u8]) -> Result<Secret, CryptoError> {
    match key.len() {
        16 => open::<Decryptor<Aes128>>(key, iv, ciphertext),
        24 => open::<Decryptor<Aes192>>(key, iv, ciphertext),
        32 => open::<Decryptor<Aes256>>(key, iv, ciphertext),
        _ => Err(CryptoError::BadInput),
    }
}

fn open<M: KeyIvInit + BlockModeDecrypt>(
    key: &[u8],
    iv: &[u8; BLOCK],
    ciphertext: &[u8],
) -> Result<Secret, CryptoError> {
    let mode = M::new_from_slices(key, iv).map_err(|_| CryptoError::BadInput)?;
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    let text = mode.decrypt_padded::<Pkcs7>(&mut buffer).map_err(|_| CryptoError::NotGenuine)?;
    Ok(Secret::from(text))
}
