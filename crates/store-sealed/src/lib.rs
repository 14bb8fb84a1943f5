//! A table whose values are encrypted before any back end sees them.
//!
//! Keys of records stay readable, since they are ids and sort; values are not: private keys, owner secrets
//! and audit entries all rest sealed. One key seals one store; it lives in a file that only the role reads,
//! or later in hardware.

mod journal;
mod sealed;

pub use journal::SealedJournal;
pub use sealed::{SEALING_KEY_LENGTH, Sealed};
