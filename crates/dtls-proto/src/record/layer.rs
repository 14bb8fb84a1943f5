//! Both epochs of an association: writing records, opening records.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crypto::Provider;

use crate::Noise;
use crate::alert::Stop;
use crate::record::header::{
    ContentType, HEADER_LENGTH, RawRecord, SEQUENCE_MAX, VERSION_1_0, VERSION_1_2, push_header,
};
use crate::record::protection::{DirectionKey, RecordNumber};
use crate::record::window::Window;
use crate::record::{Epoch, PLAINTEXT_SIZE_MAX};

struct Writer {
    key: DirectionKey,
    next: u64,
}

struct Reader {
    key: DirectionKey,
    window: Window,
}

/// The records of one association.
pub(crate) struct RecordLayer {
    pub(crate) provider: Arc<dyn Provider>,
    next_clear: u64,
    writer: Option<Writer>,
    reader: Option<Reader>,
    /// On records for us, when the peer agreed to write one.
    own_connection_id: Option<Box<[u8]>>,
    /// On records for the peer.
    peer_connection_id: Option<Box<[u8]>>,
}

/// What a protected record held.
pub(crate) struct Opened {
    pub(crate) kind: ContentType,
    pub(crate) plaintext: Vec<u8>,
    /// Newer than every genuine record before it.
    pub(crate) newest: bool,
}

impl RecordLayer {
    /// Clear records start at `next_clear`: a server continues the client's numbering.
    /// Source: RFC 6347 section 4.2.1.
    pub(crate) fn starting_at(provider: Arc<dyn Provider>, next_clear: u64) -> Self {
        Self {
            provider,
            next_clear,
            writer: None,
            reader: None,
            own_connection_id: None,
            peer_connection_id: None,
        }
    }

    pub(crate) fn set_connection_ids(&mut self, own: &[u8], peer: &[u8]) {
        self.own_connection_id = Some(own.into());
        self.peer_connection_id = Some(peer.into());
    }

    pub(crate) fn own_connection_id(&self) -> Option<&[u8]> {
        self.own_connection_id.as_deref()
    }

    pub(crate) fn peer_connection_id(&self) -> Option<&[u8]> {
        self.peer_connection_id.as_deref()
    }

    /// Puts the keys of the protected epoch in place.
    pub(crate) fn install(&mut self, write: DirectionKey, read: DirectionKey) {
        self.writer = Some(Writer { key: write, next: 0 });
        self.reader = Some(Reader { key: read, window: Window::default() });
    }

    /// Keeps no more of the keys than the next record needs to prepare them again.
    pub(crate) fn rest(&mut self) {
        if let Some(writer) = &mut self.writer {
            writer.key.rest();
        }
        if let Some(reader) = &mut self.reader {
            reader.key.rest();
        }
    }

    /// Whether either key is prepared.
    pub(crate) fn is_prepared(&self) -> bool {
        self.writer.as_ref().is_some_and(|writer| writer.key.is_prepared())
            || self.reader.as_ref().is_some_and(|reader| reader.key.is_prepared())
    }

    /// Bytes of the prepared keys to write and to read with, behind the layer itself; `None` for one that is
    /// not there.
    #[cfg(test)]
    pub(crate) fn prepared_sizes(&self) -> [Option<usize>; 2] {
        let ours = self.writer.as_ref().and_then(|writer| writer.key.prepared_size());
        [ours, self.reader.as_ref().and_then(|reader| reader.key.prepared_size())]
    }

    #[cfg(test)]
    pub(crate) fn use_up_numbers(&mut self) {
        self.writer.as_mut().expect("the session is connected").next = SEQUENCE_MAX + 1;
    }

    pub(crate) const fn can_read_protected(&self) -> bool {
        self.reader.is_some()
    }

    /// Bytes a record of this epoch is longer than its plaintext.
    pub(crate) fn overhead(&self, epoch: Epoch) -> usize {
        match (epoch, &self.writer) {
            (Epoch::Protected, Some(writer)) => {
                let id = self.peer_connection_id.as_deref().unwrap_or_default();
                let inner_type = usize::from(!id.is_empty());
                HEADER_LENGTH + id.len() + inner_type + writer.key.expansion()
            }
            (Epoch::Clear, _) | (Epoch::Protected, None) => HEADER_LENGTH,
        }
    }

    /// Appends a record to a datagram.
    ///
    /// # Errors
    /// [`Stop::Exhausted`] when the epoch has no number left, [`Stop::Fault`] when the provider fails or
    /// the protected epoch has no keys.
    pub(crate) fn write(
        &mut self,
        epoch: Epoch,
        kind: ContentType,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        assert!(plaintext.len() <= PLAINTEXT_SIZE_MAX, "callers cut plaintext to size");
        match epoch {
            Epoch::Clear => {
                let sequence = take_number(&mut self.next_clear)?;
                push_header(out, kind, VERSION_1_2, (0, sequence), &[], plaintext.len());
                out.extend_from_slice(plaintext);
            }
            Epoch::Protected => {
                let writer = self.writer.as_mut().ok_or(Stop::Fault)?;
                let sequence = take_number(&mut writer.next)?;
                let number = RecordNumber { epoch: Epoch::Protected.code(), sequence };
                let id = self.peer_connection_id.as_deref().unwrap_or_default();
                let provider = &*self.provider;
                let (outer, sealed) = if id.is_empty() {
                    (kind, writer.key.seal(provider, number, id, kind, plaintext))
                } else {
                    let outer = ContentType::ConnectionId;
                    let inner = [plaintext, &[kind.code()]].concat();
                    (outer, writer.key.seal(provider, number, id, outer, &inner))
                };
                let sealed = sealed.map_err(|_| Stop::Fault)?;
                let explicit_nonce = number.bytes();
                let length = explicit_nonce.len() + sealed.len();
                push_header(out, outer, VERSION_1_2, (number.epoch, sequence), id, length);
                out.extend_from_slice(&explicit_nonce);
                out.extend_from_slice(&sealed);
            }
        }
        Ok(())
    }

    /// Opens a record of the protected epoch.
    ///
    /// # Errors
    /// The noise to count: the record is dropped without an answer (RFC 6347 section 4.1.2.7).
    pub(crate) fn open(&mut self, record: &RawRecord<'_>) -> Result<Opened, Noise> {
        let reader = self.reader.as_mut().ok_or(Noise::WrongEpoch)?;
        if record.version != VERSION_1_2 {
            return Err(Noise::WrongVersion);
        }
        let expected = self.own_connection_id.as_deref().unwrap_or_default();
        let carries_id = record.kind == ContentType::ConnectionId;
        if carries_id == expected.is_empty() || record.connection_id != expected {
            return Err(Noise::WrongConnectionId);
        }
        if !reader.window.admits(record.sequence) {
            return Err(Noise::Replayed);
        }
        let number = RecordNumber { epoch: record.epoch, sequence: record.sequence };
        let mut plaintext = reader
            .key
            .open(&*self.provider, number, record.connection_id, record.kind, record.fragment)
            .map_err(|_| Noise::NotGenuine)?;
        let newest = reader.window.note(record.sequence);
        let kind = if carries_id { strip_inner_type(&mut plaintext)? } else { record.kind };
        if plaintext.len() > PLAINTEXT_SIZE_MAX {
            return Err(Noise::OverLimit);
        }
        Ok(Opened { kind, plaintext, newest })
    }
}

/// The true type is the last byte that is not zero. Source: RFC 9146 section 4.
fn strip_inner_type(inner: &mut Vec<u8>) -> Result<ContentType, Noise> {
    let at = inner.iter().rposition(|byte| *byte != 0).ok_or(Noise::Malformed)?;
    let kind = ContentType::from_code(inner[at]).filter(|kind| *kind != ContentType::ConnectionId);
    inner.truncate(at);
    kind.ok_or(Noise::Malformed)
}

fn take_number(next: &mut u64) -> Result<u64, Stop> {
    if *next > SEQUENCE_MAX {
        return Err(Stop::Exhausted);
    }
    let number = *next;
    *next += 1;
    Ok(number)
}

/// A whole clear record for a stranger, numbered as the stranger's was.
pub(crate) fn stateless_record(kind: ContentType, sequence: u64, plaintext: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_LENGTH + plaintext.len());
    push_header(&mut out, kind, VERSION_1_0, (0, sequence), &[], plaintext.len());
    out.extend_from_slice(plaintext);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CipherSuite;

    fn key(byte: u8) -> DirectionKey {
        let provider = crypto_server::Server::new();
        DirectionKey::new(&provider, CipherSuite::PskAes128GcmSha256, &[byte; 16], [byte; 4]).unwrap()
    }

    // verifies: RFC6347-4.1
    #[test]
    fn the_last_number_is_used_and_none_after_it() {
        let mut ours = RecordLayer::starting_at(Arc::new(crypto_server::Server::new()), SEQUENCE_MAX);
        ours.install(key(1), key(2));
        ours.writer.as_mut().unwrap().next = SEQUENCE_MAX;
        for epoch in [Epoch::Clear, Epoch::Protected] {
            let mut out = Vec::new();
            assert_eq!(ours.write(epoch, ContentType::Handshake, b"last", &mut out), Ok(()));
            assert_eq!(out[5..11], [0xff; 6]);
            out.clear();
            assert_eq!(ours.write(epoch, ContentType::Handshake, b"over", &mut out), Err(Stop::Exhausted));
            assert!(out.is_empty(), "nothing is written under a number that wrapped");
        }
    }

    // verifies: RFC9146-4
    #[test]
    fn the_true_type_hides_behind_zeros_and_must_be_there() {
        let mut inner = [b"text".as_slice(), &[23, 0, 0, 0]].concat();
        assert_eq!(strip_inner_type(&mut inner), Ok(ContentType::ApplicationData));
        assert_eq!(inner, b"text");
        for bad in [&[0, 0][..], &[], &[25], &[1, 99]] {
            assert_eq!(strip_inner_type(&mut bad.to_vec()), Err(Noise::Malformed));
        }
    }
}
