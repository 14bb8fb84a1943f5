//! The embedded back end: tables and journals in one redb file.
//!
//! [`RedbStore`] is a [`store::Table`] and a [`store::Journal`]. A commit is answered when the change stands
//! synced at the head of the file, or, when there is no room for it, after a durable commit of the database,
//! so a power cut takes no acknowledged commit and leaves none half done; journals take the same way, which
//! is more than their class asks (docs/adr/0050, 0181). After a failure of the storage the file is opened again by itself, so a disk that was
//! full needs no restart once it has room.

mod backend;
mod change;
mod checksum;
mod error;
mod files;
mod journal;
mod layout;
mod recent;
mod redb_store;
mod table;

pub use error::OpenError;
pub use redb::{BackendError, StorageBackend};
pub use redb_store::{Options, RedbStore};
