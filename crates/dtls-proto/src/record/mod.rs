//! Records: framing, protection, replay window.
//!
//! There are two epochs and no more, since renegotiation does not exist: 0 in clear, 1 protected.

mod header;
mod layer;
mod protection;
mod window;

pub(crate) use header::{ContentType, RawRecord, Records as RawRecords, first_connection_id};
pub(crate) use layer::{Opened, RecordLayer, stateless_record};
pub(crate) use protection::DirectionKey;

/// Largest plaintext of one record. Source: RFC 5246 section 6.2.1.
pub(crate) const PLAINTEXT_SIZE_MAX: usize = 1 << 14;

/// The epoch a record belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Epoch {
    Clear,
    Protected,
}

impl Epoch {
    pub(crate) const fn code(self) -> u16 {
        match self {
            Self::Clear => 0,
            Self::Protected => 1,
        }
    }
}
