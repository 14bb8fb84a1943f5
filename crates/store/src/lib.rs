//! Records and journals behind two traits.
//!
//! [`Table`] is for records: every commit asserts the versions of what its decision was based on.
//! [`Journal`] is for messages. [`Decision`] and [`run`] carry a domain operation from its reads to its
//! commit. Back ends implement the traits and pass the suite of the feature `contract`. Devices decide over
//! the same types without an operating system; only the table in memory (feature `memory`) needs locks.
#![cfg_attr(not(feature = "memory"), no_std)]
extern crate alloc;

#[cfg(feature = "contract")]
pub mod contract;
mod decision;
mod journal;
#[cfg(feature = "memory")]
mod memory;
mod table;

pub use decision::{Committed, Decision, Operation, RunError, STALE_RETRIES_MAX, decided, run};
pub use journal::{Entry, Journal, JournalError, Position};
#[cfg(feature = "memory")]
pub use memory::Memory;
pub use table::{
    Batch, CommitError, Fault, Key, NAME_SIZE_MAX, Page, Range, ReadSet, Record, RequestId, Snapshot,
    SnapshotParts, Space, Table, VALUE_SIZE_MAX, Version, Write, check_name_size, check_value_size,
};
