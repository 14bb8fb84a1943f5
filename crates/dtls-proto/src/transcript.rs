//! All handshake messages so far, as if never fragmented. Source: RFC 6347 section 4.2.6.

use alloc::vec::Vec;

use crypto::{Digest, Provider};

use crate::CipherSuite;
use crate::alert::{Alert, Stop};
use crate::codec::push_fragment;

/// The messages themselves and not a running hash: the suite, and with it the hash, is known only after the
/// first ones, and signatures are over the messages.
pub(crate) struct Transcript {
    bytes: Vec<u8>,
    limit: usize,
}

impl Transcript {
    pub(crate) const fn with_limit(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit }
    }

    /// # Errors
    /// When the handshake grows over its limit.
    pub(crate) fn append(&mut self, code: u8, message_seq: u16, body: &[u8]) -> Result<(), Stop> {
        if self.bytes.len() + body.len() > self.limit {
            return Err(Stop::rule(Alert::IllegalParameter, "limit transcript_size_max"));
        }
        push_fragment(&mut self.bytes, code, message_seq, body, 0..body.len());
        Ok(())
    }

    /// Starts over: hellos before the cookie do not count (RFC 6347 section 4.2.6).
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    pub(crate) fn messages(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn digest(&self, provider: &dyn Provider, suite: CipherSuite) -> Digest {
        provider.digest(suite.hash(), &[&self.bytes])
    }
}
