//! NewSessionTicket: `lifetime in seconds(4) ticket<0..2^16-1>`. Source: RFC 5077 section 3.3.

use alloc::vec::Vec;
use core::time::Duration;

use wire::{Builder, Cursor, DecodeError};

use crate::alert::Stop;
use crate::codec::MESSAGE_LIMIT;

/// Lifetime and ticket; an empty ticket means none.
///
/// # Errors
/// When it is malformed.
pub(crate) fn decode(body: &[u8]) -> Result<(Duration, Vec<u8>), DecodeError> {
    let mut cursor = Cursor::new(body);
    let lifetime = Duration::from_secs(u64::from(cursor.u32()?));
    let ticket = cursor.vec16()?.to_vec();
    cursor.finish()?;
    Ok((lifetime, ticket))
}

/// # Errors
/// When the ticket does not fit its field.
pub(crate) fn encode(lifetime: Duration, ticket: &[u8]) -> Result<Vec<u8>, Stop> {
    let mut out = Builder::with_limit(MESSAGE_LIMIT);
    out.u32(u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX))?.vec16(ticket)?;
    Ok(out.finish())
}
