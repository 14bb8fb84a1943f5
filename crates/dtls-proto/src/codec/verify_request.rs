//! HelloVerifyRequest: `version(2) cookie<0..255>`. Source: RFC 6347 section 4.2.1.

use alloc::vec::Vec;

use wire::{Cursor, DecodeError};

/// The version a server names here says nothing; 1.0 is what old clients expect.
const VERSION: [u8; 2] = [0xFE, 0xFF];

/// The cookie.
///
/// # Errors
/// When it is malformed.
pub(crate) fn decode(body: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut cursor = Cursor::new(body);
    cursor.u16()?;
    let cookie = cursor.vec8()?.to_vec();
    cursor.finish()?;
    Ok(cookie)
}

/// A message that carries `cookie`.
pub(crate) fn encode(cookie: &[u8; 32]) -> Vec<u8> {
    [&VERSION[..], &[32], cookie].concat()
}
