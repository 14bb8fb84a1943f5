//! AES key wrap.

use aes::{Aes128, Aes256};
use aes_kw::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, BlockSizeUser, consts::U16};
use aes_kw::{AesKw, InnerInit, KeyInit};
use alloc::vec;
use alloc::vec::Vec;
use crypto::{CryptoError, Secret};
use zeroize::Zeroizing;

const SEMIBLOCK: usize = 8;

pub(crate) fn wrap(kek: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
    if key.len() < 2 * SEMIBLOCK || !key.len().is_multiple_of(SEMIBLOCK) {
        return Err(CryptoError::BadInput);
    }
    match kek.len() {
        16 => wrap_with::<Aes128>(kek, key),
        32 => wrap_with::<Aes256>(kek, key),
        _ => Err(CryptoError::BadInput),
    }
}

fn wrap_with<C>(kek: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError>
where
    C: KeyInit + BlockSizeUser<BlockSize = U16> + BlockCipherEncrypt,
{
    let cipher = C::new_from_slice(kek).map_err(|_| CryptoError::BadInput)?;
    let mut out = vec![0; key.len() + SEMIBLOCK];
    AesKw::inner_init(cipher).wrap_key(key, &mut out).map_err(|_| CryptoError::BadInput)?;
    Ok(out)
}

pub(crate) fn unwrap(kek: &[u8], wrapped: &[u8]) -> Result<Secret, CryptoError> {
    if wrapped.len() < 3 * SEMIBLOCK || !wrapped.len().is_multiple_of(SEMIBLOCK) {
        return Err(CryptoError::BadInput);
    }
    match kek.len() {
        16 => unwrap_with::<Aes128>(kek, wrapped),
        32 => unwrap_with::<Aes256>(kek, wrapped),
        _ => Err(CryptoError::BadInput),
    }
}

fn unwrap_with<C>(kek: &[u8], wrapped: &[u8]) -> Result<Secret, CryptoError>
where
    C: KeyInit + BlockSizeUser<BlockSize = U16> + BlockCipherDecrypt,
{
    let cipher = C::new_from_slice(kek).map_err(|_| CryptoError::BadInput)?;
    let mut out = Zeroizing::new(vec![0; wrapped.len() - SEMIBLOCK]);
    let key = AesKw::inner_init(cipher).unwrap_key(wrapped, &mut out).map_err(|_| CryptoError::NotGenuine)?;
    Ok(Secret::from(key))
}
