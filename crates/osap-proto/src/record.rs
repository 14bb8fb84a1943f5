//! Records: what is sealed between device and load balancer behind the proofs.
//!
//! Source: OSAP secure profile section 7.

#[cfg(test)]
mod vectors;

use alloc::boxed::Box;
use alloc::vec::Vec;

use crypto::{Aead, AeadKey, Provider, Secret};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Frame;
use crate::frame::{MessageKind, RECORD_BODY_SIZE_MAX, VERSION, head_of};
use crate::key_schedule::array_of;

/// Bytes of a record around its plaintext: version, seq, tag.
const RECORD_OVERHEAD: usize = 3 + 8 + 16;
/// The longest plaintext, in bytes.
pub(crate) const RECORD_PLAIN_SIZE_MAX: usize = RECORD_BODY_SIZE_MAX - RECORD_OVERHEAD;
/// Records that a direction carries at most.
const RECORD_COUNT_MAX: u64 = 16;

/// Whose records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// 72, 92 and A2.
    FromDevice,
    /// 82 and B2.
    FromLbs,
}

impl Way {
    const fn carries(self, kind: MessageKind) -> bool {
        match self {
            Self::FromDevice => {
                matches!(kind, MessageKind::AskDevid | MessageKind::Stored | MessageKind::AskDas)
            }
            Self::FromLbs => matches!(kind, MessageKind::Devid | MessageKind::Das),
        }
    }
}

/// An iv, and the nonces that numbers make of it.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Iv([u8; 12]);

impl Iv {
    pub(crate) fn new(iv: &Secret) -> Self {
        Self(array_of(iv))
    }

    /// iv XOR (00000000 and the number).
    pub(crate) fn nonce(&self, number: u64) -> [u8; 12] {
        let mut nonce = self.0;
        for (byte, part) in nonce[4..].iter_mut().zip(number.to_be_bytes()) {
            *byte ^= part;
        }
        nonce
    }
}

/// Key and iv of one direction.
pub(crate) struct RecordKeys {
    way: Way,
    key: Box<dyn AeadKey>,
    iv: Iv,
}

impl core::fmt::Debug for RecordKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RecordKeys").field("way", &self.way).finish_non_exhaustive()
    }
}

/// Why a record closes the connection unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// Another message has to come here.
    Order,
    /// Too short, or another version.
    Malformed,
    /// Not the next number.
    Sequence,
    /// The tag does not match.
    NotGenuine,
    /// More records than a direction carries.
    TooMany,
}

impl RecordKeys {
    pub(crate) fn new(provider: &dyn Provider, way: Way, key: &Secret, iv: &Secret) -> Self {
        let key = provider.aead(Aead::Aes128Gcm, key.expose()).expect("the key has 16 bytes");
        Self { way, key, iv: Iv::new(iv) }
    }

    /// The record of `plain` under number `seq`.
    pub(crate) fn seal(&self, kind: MessageKind, seq: u64, plain: &[u8]) -> Vec<u8> {
        assert!(
            self.way.carries(kind) && plain.len() <= RECORD_PLAIN_SIZE_MAX,
            "callers know what they seal"
        );
        let mut record = head_of(kind, plain.len() + RECORD_OVERHEAD);
        record.extend_from_slice(&VERSION);
        record.extend_from_slice(&seq.to_be_bytes());
        let mut sealed = plain.to_vec();
        self.key.seal(&self.iv.nonce(seq), &record, &mut sealed).expect("a record is far from any limit");
        record.extend_from_slice(&sealed);
        record
    }

    /// The plaintext of the record that has to come now.
    pub(crate) fn open(&self, frame: &Frame<'_>, kind: MessageKind, seq: u64) -> Result<Secret, RecordError> {
        if frame.kind() != Some(kind) || !self.way.carries(kind) {
            return Err(RecordError::Order);
        }
        let body = frame.body();
        if body.len() < RECORD_OVERHEAD || body[..3] != VERSION {
            return Err(RecordError::Malformed);
        }
        if body[3..11] != seq.to_be_bytes() {
            return Err(RecordError::Sequence);
        }
        let extra = &frame.bytes()[..frame.head().len() + 11];
        let mut text = body[11..].to_vec();
        self.key.open(&self.iv.nonce(seq), extra, &mut text).map_err(|_| RecordError::NotGenuine)?;
        Ok(Secret::new(text))
    }
}

/// One direction with its counter.
#[derive(Debug)]
pub(crate) struct RecordLine {
    keys: RecordKeys,
    next: u64,
}

impl RecordLine {
    pub(crate) const fn new(keys: RecordKeys) -> Self {
        Self { keys, next: 0 }
    }

    /// Seals the next record.
    pub(crate) fn seal(&mut self, kind: MessageKind, plain: &[u8]) -> Vec<u8> {
        assert!(self.next < RECORD_COUNT_MAX, "a run has at most three records a direction");
        let record = self.keys.seal(kind, self.next, plain);
        self.next += 1;
        record
    }

    /// Opens the next record.
    pub(crate) fn open(&mut self, frame: &Frame<'_>, kind: MessageKind) -> Result<Secret, RecordError> {
        if self.next >= RECORD_COUNT_MAX {
            return Err(RecordError::TooMany);
        }
        let plain = self.keys.open(frame, kind, self.next)?;
        self.next += 1;
        Ok(plain)
    }
}
