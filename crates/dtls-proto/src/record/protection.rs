//! Protection of one direction: nonce, associated data, AEAD.
//!
//! Nonce = implicit part (4) || explicit part (8, on the wire). We write epoch and sequence number as the
//! explicit part, so that a nonce never repeats under a key. Source: RFC 5288 section 3, RFC 6655 section 3.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crypto::{Aead, AeadKey, CryptoError, Provider, Secret};

use crate::CipherSuite;
use crate::record::header::{ContentType, VERSION_1_2};

pub(crate) const IMPLICIT_NONCE_LENGTH: usize = 4;
const EXPLICIT_NONCE_LENGTH: usize = 8;

/// Key and implicit nonce of one direction.
///
/// A prepared key weighs many times what the key does; it is there only while records come and go (ADR 0170).
pub(crate) struct DirectionKey {
    aead: Aead,
    key: Secret,
    /// `None` while the association is silent.
    prepared: Option<Box<dyn AeadKey>>,
    implicit_nonce: [u8; IMPLICIT_NONCE_LENGTH],
}

impl DirectionKey {
    /// # Errors
    /// What the provider says.
    pub(crate) fn new(
        provider: &dyn Provider,
        suite: CipherSuite,
        key: &[u8],
        implicit_nonce: [u8; IMPLICIT_NONCE_LENGTH],
    ) -> Result<Self, CryptoError> {
        let aead = suite.aead();
        let prepared = Some(provider.aead(aead, key)?);
        Ok(Self { aead, key: Secret::from(key), prepared, implicit_nonce })
    }

    /// Gives the prepared key up; the next record prepares it again.
    pub(crate) fn rest(&mut self) {
        self.prepared = None;
    }

    pub(crate) const fn is_prepared(&self) -> bool {
        self.prepared.is_some()
    }

    /// # Errors
    /// What the provider says.
    fn prepared(&mut self, provider: &dyn Provider) -> Result<&dyn AeadKey, CryptoError> {
        if self.prepared.is_none() {
            self.prepared = Some(provider.aead(self.aead, self.key.expose())?);
        }
        Ok(self.prepared.as_deref().expect("it was put there"))
    }

    /// Bytes a protected fragment is longer than its plaintext.
    pub(crate) const fn expansion(&self) -> usize {
        EXPLICIT_NONCE_LENGTH + self.aead.tag_length()
    }

    /// Bytes of the prepared key behind its pointer, if it is there.
    #[cfg(test)]
    pub(crate) fn prepared_size(&self) -> Option<usize> {
        self.prepared.as_deref().map(size_of_val)
    }

    fn nonce(&self, explicit: [u8; EXPLICIT_NONCE_LENGTH]) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[..IMPLICIT_NONCE_LENGTH].copy_from_slice(&self.implicit_nonce);
        nonce[IMPLICIT_NONCE_LENGTH..].copy_from_slice(&explicit);
        nonce
    }

    /// The sealed text, which stands behind the explicit nonce.
    ///
    /// # Errors
    /// What the provider says.
    pub(crate) fn seal(
        &mut self,
        provider: &dyn Provider,
        number: RecordNumber,
        id: &[u8],
        kind: ContentType,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let explicit = number.bytes();
        let mut text = Vec::with_capacity(plaintext.len() + 1 + self.aead.tag_length());
        text.extend_from_slice(plaintext);
        let aad = associated_data(number, id, kind, text.len());
        let nonce = self.nonce(explicit);
        self.prepared(provider)?.seal(&nonce, &aad, &mut text)?;
        Ok(text)
    }

    /// # Errors
    /// [`CryptoError::NotGenuine`] when the fragment is too short or not genuine.
    pub(crate) fn open(
        &mut self,
        provider: &dyn Provider,
        number: RecordNumber,
        id: &[u8],
        kind: ContentType,
        fragment: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let length = fragment.len().checked_sub(self.expansion()).ok_or(CryptoError::NotGenuine)?;
        let (explicit, sealed) = fragment
            .split_first_chunk::<EXPLICIT_NONCE_LENGTH>()
            .expect("the expansion is longer than the explicit nonce");
        let aad = associated_data(number, id, kind, length);
        let mut text = sealed.to_vec();
        let nonce = self.nonce(*explicit);
        self.prepared(provider)?.open(&nonce, &aad, &mut text)?;
        Ok(text)
    }
}

/// Epoch and sequence number of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordNumber {
    pub(crate) epoch: u16,
    pub(crate) sequence: u64,
}

impl RecordNumber {
    pub(crate) fn bytes(self) -> [u8; 8] {
        ((u64::from(self.epoch) << 48) | self.sequence).to_be_bytes()
    }
}

/// Source: RFC 5246 section 6.2.3.3; with a connection id RFC 9146 section 5.3.
fn associated_data(number: RecordNumber, id: &[u8], kind: ContentType, length: usize) -> Vec<u8> {
    let length = u16::try_from(length).expect("records are framed by a 16-bit length").to_be_bytes();
    let version = VERSION_1_2.to_be_bytes();
    if kind != ContentType::ConnectionId {
        return [&number.bytes()[..], &[kind.code()], &version, &length].concat();
    }
    let id_length = u8::try_from(id.len()).expect("connection ids have at most 255 bytes");
    let code = ContentType::ConnectionId.code();
    [&[0xff; 8][..], &[code, id_length, code], &version, &number.bytes(), id, &length].concat()
}
