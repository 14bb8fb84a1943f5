//! The frame of a record, with and without connection id.
//!
//! `type(1) version(2) epoch(2) sequence(6) [connection id] length(2) fragment`
//! Source: RFC 6347 section 4.1, RFC 9146 section 4.

use alloc::vec::Vec;

use wire::Cursor;

use crate::Noise;

pub(crate) const VERSION_1_2: u16 = 0xFEFD;
pub(crate) const VERSION_1_0: u16 = 0xFEFF;
pub(crate) const SEQUENCE_MAX: u64 = (1 << 48) - 1;
pub(crate) const HEADER_LENGTH: usize = 13;

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentType {
    ChangeCipherSpec,
    Alert,
    Handshake,
    ApplicationData,
    /// The true type is inside the protection.
    ConnectionId,
}

impl ContentType {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::ChangeCipherSpec => 20,
            Self::Alert => 21,
            Self::Handshake => 22,
            Self::ApplicationData => 23,
            Self::ConnectionId => 25,
        }
    }

    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        match code {
            20 => Some(Self::ChangeCipherSpec),
            21 => Some(Self::Alert),
            22 => Some(Self::Handshake),
            23 => Some(Self::ApplicationData),
            25 => Some(Self::ConnectionId),
            _ => None,
        }
    }
}

/// One record as it stands in a datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawRecord<'a> {
    pub(crate) kind: ContentType,
    pub(crate) version: u16,
    pub(crate) epoch: u16,
    pub(crate) sequence: u64,
    pub(crate) connection_id: &'a [u8],
    pub(crate) fragment: &'a [u8],
    /// The whole record, so that it can be kept for later.
    pub(crate) whole: &'a [u8],
}

/// The records of a datagram, in order; ends at the first that cannot be framed.
pub(crate) struct Records<'a> {
    rest: &'a [u8],
    connection_id_length: usize,
}

impl<'a> Records<'a> {
    /// `connection_id_length` is the length of the id that peers put on records for us.
    pub(crate) const fn new(datagram: &'a [u8], connection_id_length: usize) -> Self {
        Self { rest: datagram, connection_id_length }
    }

    fn read(&mut self) -> Result<RawRecord<'a>, Noise> {
        let start = self.rest;
        self.rest = &[];
        let mut cursor = Cursor::new(start);
        let kind = cursor.u8().ok().and_then(ContentType::from_code).ok_or(Noise::Malformed)?;
        let version = cursor.u16().map_err(|_| Noise::Malformed)?;
        if version != VERSION_1_2 && version != VERSION_1_0 {
            return Err(Noise::WrongVersion);
        }
        let epoch = cursor.u16().map_err(|_| Noise::Malformed)?;
        let sequence = cursor.u48().map_err(|_| Noise::Malformed)?;
        let id_length = if kind == ContentType::ConnectionId { self.connection_id_length } else { 0 };
        let connection_id = cursor.take(id_length).map_err(|_| Noise::Malformed)?;
        let fragment = cursor.vec16().map_err(|_| Noise::Malformed)?;
        self.rest = cursor.rest();
        let whole = &start[..cursor.offset()];
        Ok(RawRecord { kind, version, epoch, sequence, connection_id, fragment, whole })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RawRecord<'a>, Noise>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.rest.is_empty()).then(|| self.read())
    }
}

/// Appends a header whose fragment, of `length` bytes, follows.
pub(crate) fn push_header(
    out: &mut Vec<u8>,
    kind: ContentType,
    version: u16,
    (epoch, sequence): (u16, u64),
    connection_id: &[u8],
    length: usize,
) {
    let length = u16::try_from(length).expect("records are limited to 2^14 bytes and a tag");
    out.push(kind.code());
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&epoch.to_be_bytes());
    out.extend_from_slice(&sequence.to_be_bytes()[2..]);
    out.extend_from_slice(connection_id);
    out.extend_from_slice(&length.to_be_bytes());
}

/// The connection id, of `length` bytes, on the first record of a datagram.
pub(crate) fn first_connection_id(datagram: &[u8], length: usize) -> Option<&[u8]> {
    let first = Records::new(datagram, length).next()?.ok()?;
    (first.kind == ContentType::ConnectionId).then_some(first.connection_id)
}
