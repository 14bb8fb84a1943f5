//! The nouns of the domain that more than one crate speaks of; each id says how it prints, parses and sorts.
#![no_std]
extern crate alloc;

mod caller;
mod hex;
mod management_id;
mod uuid;

pub use caller::{Caller, ServerRole};
pub use hex::{BadText, bytes_from_hex, hex};
pub use management_id::ManagementId;
pub use uuid::{KeyId, Uuid};

/// Follows one input from the datagram to the audit entry; random, printed as 32 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CorrelationId(pub [u8; 16]);

impl core::fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&hex(&self.0))
    }
}
