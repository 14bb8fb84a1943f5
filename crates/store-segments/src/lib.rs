//! Journals as segment files (durability `Process`): the operating system has the bytes before the answer, and a
//! thread syncs them within a second.
//!
//! ```text
//! FOLDER/70-64656c69.../00000000000000000000.seg    the journal's space and name in hex; the first position
//! segment = groups; group = kind (1) | count or position (8) | length (4) | CRC-64 (8) | body
//! ```
//! An append is one group and one write: a group that was cut short by a crash is cut off when the journal is
//! opened, so that an append is there as a whole or not at all. Only the last segment may end so. Source: ADR 0242.

mod checksum;
mod group;
mod journal;
mod segment;

pub use journal::Segments;
