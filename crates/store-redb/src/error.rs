//! What redb reports, sorted by what can be done about it.

use std::io::ErrorKind;

use store::{CommitError, Fault, JournalError};

/// Why a store was not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Another process, or another value in this one, has the file open.
    InUse,
    /// The file was written by a newer release; nothing was changed.
    NewerFormat {
        /// The format number in the file.
        found: u64,
        /// The newest this release reads.
        known: u64,
    },
    /// The file is no store, or its content is damaged.
    NotAStore(Fault),
    /// The disk is full.
    Full,
    /// The file cannot be read or written.
    Unavailable(Fault),
}

impl OpenError {
    /// The content is not what a store has.
    pub(crate) fn damaged(detail: &str) -> Self {
        Self::NotAStore(Fault { detail: detail.to_owned() })
    }
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InUse => f.write_str("the store is open elsewhere"),
            Self::NewerFormat { found, known } => {
                write!(f, "the store has format {found}; this release reads up to {known}")
            }
            Self::NotAStore(fault) => write!(f, "not a store, or damaged: {}", fault.detail),
            Self::Full => f.write_str("the disk is full"),
            Self::Unavailable(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<redb::Error> for OpenError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Self::InUse,
            redb::Error::Corrupted(_) | redb::Error::UpgradeRequired(_) => Self::NotAStore(fault(&error)),
            redb::Error::Io(ref cause) if is_full(cause) => Self::Full,
            redb::Error::Io(ref cause) if cause.kind() == ErrorKind::InvalidData => {
                Self::NotAStore(fault(&error))
            }
            other => Self::Unavailable(fault(&other)),
        }
    }
}

/// Why a change was not made, or may not have been.
#[derive(Debug)]
pub(crate) enum ChangeError {
    Full,
    OutcomeUnknown(Fault),
    Unavailable(Fault),
}

impl ChangeError {
    /// The cause of a change of which is known that it did not happen.
    pub(crate) fn did_not_happen(error: &redb::Error) -> Self {
        match error {
            redb::Error::Io(cause) if is_full(cause) => Self::Full,
            other => Self::Unavailable(fault(other)),
        }
    }
}

impl From<ChangeError> for CommitError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Full => Self::Full,
            ChangeError::OutcomeUnknown(fault) => Self::OutcomeUnknown(fault),
            ChangeError::Unavailable(fault) => Self::Unavailable(fault),
        }
    }
}

impl From<ChangeError> for JournalError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Full => Self::Full,
            ChangeError::OutcomeUnknown(fault) => Self::OutcomeUnknown(fault),
            ChangeError::Unavailable(fault) => Self::Unavailable(fault),
        }
    }
}

/// `error` in redb's words, for the log; they name offsets and kinds of failure, never a value.
pub(crate) fn fault(error: &redb::Error) -> Fault {
    Fault { detail: error.to_string() }
}

fn is_full(cause: &std::io::Error) -> bool {
    matches!(
        cause.kind(),
        // The last one: the file may not grow, though the disk has room.
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}
