//! AES key wrap.

use aws_lc_rs::key_wrap::{AES_128, AES_256, AesKek, KeyWrap};
use crypto::{CryptoError, Secret};
use zeroize::Zeroizing;

const SEMIBLOCK: usize = 8;

fn kek(key: &[u8]) -> Result<AesKek, CryptoError> {
    let cipher = match key.len() {
        16 => &AES_128,
        32 => &AES_256,
        _ => return Err(CryptoError::BadInput),
    };
    AesKek::new(cipher, key).map_err(|_| CryptoError::BadInput)
}

pub(crate) fn wrap(key_encryption_key: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let kek = kek(key_encryption_key)?;
    let mut out = vec![0; key.len() + SEMIBLOCK];
    // The library refuses lengths below two semiblocks and broken semiblocks.
    kek.wrap(key, &mut out).map_err(|_| CryptoError::BadInput)?;
    Ok(out)
}

pub(crate) fn unwrap(key_encryption_key: &[u8], wrapped: &[u8]) -> Result<Secret, CryptoError> {
    let kek = kek(key_encryption_key)?;
    if wrapped.len() < 3 * SEMIBLOCK || !wrapped.len().is_multiple_of(SEMIBLOCK) {
        return Err(CryptoError::BadInput);
    }
    let mut out = Zeroizing::new(vec![0; wrapped.len() - SEMIBLOCK]);
    let key = kek.unwrap(wrapped, &mut out).map_err(|_| CryptoError::NotGenuine)?;
    Ok(Secret::from(&*key))
}
