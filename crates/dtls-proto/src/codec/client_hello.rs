//! ClientHello, and the walk to its cookie that needs no memory. Source: RFC 6347 section 4.2.1.

use alloc::vec::Vec;

use wire::{Builder, Cursor, DecodeError, Reason};

use crate::alert::Stop;
use crate::codec::extensions::{Extensions, Side};
use crate::codec::{MESSAGE_LIMIT, u16_bytes, u16_list};

const SESSION_ID_LENGTH_MAX: usize = 32;

/// TLS_EMPTY_RENEGOTIATION_INFO_SCSV. Source: RFC 5746 section 3.3.
const RENEGOTIATION_SCSV: u16 = 0x00FF;
const COMPRESSION_NULL: u8 = 0;

/// What a client says first.
#[derive(Clone, Debug)]
pub(crate) struct ClientHello {
    pub(crate) version: u16,
    pub(crate) random: [u8; 32],
    pub(crate) session_id: Vec<u8>,
    pub(crate) cookie: Vec<u8>,
    pub(crate) suites: Vec<u16>,
    pub(crate) extensions: Extensions,
}

impl ClientHello {
    /// # Errors
    /// When it is malformed.
    pub(crate) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::new(body);
        let version = cursor.u16()?;
        let random = cursor.array()?;
        let session_id = session_id(&mut cursor)?.to_vec();
        let cookie = cursor.vec8()?.to_vec();
        let suites = u16_list(cursor.vec16()?)?;
        let compressions = cursor.vec8()?;
        if suites.is_empty() || !compressions.contains(&COMPRESSION_NULL) {
            return Err(cursor.error(Reason::OutOfRange));
        }
        let extensions = Extensions::decode(&mut cursor, Side::Client)?;
        cursor.finish()?;
        Ok(Self { version, random, session_id, cookie, suites, extensions })
    }

    /// # Errors
    /// When a list does not fit its field.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Stop> {
        let mut out = Builder::with_limit(MESSAGE_LIMIT);
        out.u16(self.version)?.put(&self.random)?.vec8(&self.session_id)?.vec8(&self.cookie)?;
        out.vec16(&u16_bytes(self.suites.iter().copied()))?.vec8(&[COMPRESSION_NULL])?;
        self.extensions.encode(&mut out, Side::Client)?;
        Ok(out.finish())
    }

    /// Whether the client knows about secure renegotiation, said in either way.
    pub(crate) fn signals_secure_renegotiation(&self) -> bool {
        self.extensions.renegotiation_info.is_some() || self.suites.contains(&RENEGOTIATION_SCSV)
    }
}

/// A hello cut at its cookie: everything else is what the cookie vouches for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CookieView<'a> {
    pub(crate) before: &'a [u8],
    pub(crate) cookie: &'a [u8],
    pub(crate) after: &'a [u8],
}

impl<'a> CookieView<'a> {
    /// # Errors
    /// When the hello is malformed up to the suites.
    pub(crate) fn of(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::new(body);
        cursor.take(2 + 32)?;
        session_id(&mut cursor)?;
        let before = &body[..cursor.offset()];
        let cookie = cursor.vec8()?;
        let after = cursor.rest();
        cursor.vec16()?;
        cursor.vec8()?;
        Ok(Self { before, cookie, after })
    }
}

/// The random of a hello, without reading the rest.
pub(crate) fn random_of(body: &[u8]) -> Option<[u8; 32]> {
    let mut cursor = Cursor::new(body);
    cursor.take(2).ok()?;
    cursor.array().ok()
}

pub(crate) fn session_id<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], DecodeError> {
    let id = cursor.vec8()?;
    if id.len() > SESSION_ID_LENGTH_MAX { Err(cursor.error(Reason::OverLimit)) } else { Ok(id) }
}
