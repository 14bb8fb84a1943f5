//! ServerHello. Source: RFC 5246 section 7.4.1.3.

use alloc::vec::Vec;

use wire::{Builder, Cursor};

use crate::alert::{Alert, Stop};
use crate::codec::MESSAGE_LIMIT;
use crate::codec::client_hello::session_id;
use crate::codec::extensions::{Extensions, Side};

/// What a server picked.
#[derive(Clone, Debug)]
pub(crate) struct ServerHello {
    pub(crate) version: u16,
    pub(crate) random: [u8; 32],
    pub(crate) session_id: Vec<u8>,
    pub(crate) suite: u16,
    pub(crate) extensions: Extensions,
}

impl ServerHello {
    /// # Errors
    /// When it is malformed, or picks a compression.
    pub(crate) fn decode(body: &[u8]) -> Result<Self, Stop> {
        let mut cursor = Cursor::new(body);
        let version = cursor.u16()?;
        let random = cursor.array()?;
        let session_id = session_id(&mut cursor)?.to_vec();
        let suite = cursor.u16()?;
        if cursor.u8()? != 0 {
            return Err(Stop::rule(Alert::IllegalParameter, "RFC5246-7.4.1.3"));
        }
        let extensions = Extensions::decode(&mut cursor, Side::Server)?;
        cursor.finish()?;
        Ok(Self { version, random, session_id, suite, extensions })
    }

    /// # Errors
    /// When a list does not fit its field.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Stop> {
        let mut out = Builder::with_limit(MESSAGE_LIMIT);
        out.u16(self.version)?.put(&self.random)?.vec8(&self.session_id)?.u16(self.suite)?.u8(0)?;
        if self.extensions != Extensions::default() {
            self.extensions.encode(&mut out, Side::Server)?;
        }
        Ok(out.finish())
    }
}
