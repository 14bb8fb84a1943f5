//! Who asks for a change, and what it leaves in the audit log.

use alloc::string::String;
use core::net::IpAddr;

use clock::Timestamp;
use model::CorrelationId;
use store::Batch;

use crate::audit::AuditEntry;
use crate::spaces::audit_key;

/// Where a request came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The server or device that decides, as it stands in the audit log.
    pub role: &'static str,
    /// The account that asks, or a word for what is no account.
    pub by: String,
    /// The address from which it asks.
    pub address: Option<IpAddr>,
    /// The input behind it.
    pub correlation: CorrelationId,
}

/// Why nothing can be decided; callers hear that it is our fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CannotDecide {
    /// A stored record cannot be read.
    BadRecord,
    /// We do not know the time.
    NoClock,
}

impl Asked {
    /// Adds an audit entry: `what` as an operation id, at most once per batch and operation.
    pub(crate) fn audit(&self, batch: &mut Batch, what: &str, result: &str, at: Timestamp) {
        self.audit_as(&self.by, batch, what, result, at);
    }

    /// The same, by `actor`: where it turns out only now who that is.
    pub(crate) fn audit_as(&self, actor: &str, batch: &mut Batch, what: &str, result: &str, at: Timestamp) {
        let entry = AuditEntry {
            at,
            role: self.role.into(),
            actor: actor.into(),
            operation: what.into(),
            device: None,
            result: result.into(),
            correlation: self.correlation,
            address: self.address,
        };
        batch.put(audit_key(at, self.correlation, what), entry.to_bytes());
    }
}
