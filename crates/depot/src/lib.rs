//! Files of things: the store and file channel, without the files.
//!
//! ```text
//! GrantUpload --token to the thing--> FindGrant --bytes arrive at the edge--> FileArrived (digest right) | FileSpoiled
//! GrantDownload --token--> FindGrant --bytes leave
//! ```
//! A grant is a token that names one file, one way and an end; the store holds its SHA-256 alone, so that who
//! reads the store cannot use it. The content rests with the edge, under the file's id; what the edge holds
//! and no record names is swept away.
//! Source: OSAP 3 (store and file channel over HTTPS); ADR 0280.

mod grant;
mod listing;
mod stored_file;
mod sweep;

pub use grant::{FindGrant, GRANT_DURATION_MAX, GrantDownload, GrantUpload, NoGrant, OpenGrant, Way};
pub use ledger::{BadRecord, Origin};
pub use listing::{FilePage, ListFiles, RemoveAllFiles, RemoveFile};
pub use stored_file::{
    FILE_COUNT_MAX, FILE_SIZE_MAX, FileArrived, FileId, FileSpoiled, FileView, LENT_COUNT_MAX,
    NAME_LENGTH_MAX, Settled, THING_SIZE_MAX,
};
pub use sweep::{IsKnown, SweepGrants, Swept};

/// Nothing is decided without knowing the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoClock;
