//! What every command carries besides its own words, and the entry it leaves.

use std::net::IpAddr;

use accounts::{AuditEntry, audit_key};
use clock::Timestamp;
use model::{CorrelationId, Uuid};
use store::Batch;

/// Where a command came from and what chance it was given.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The server that decides, as it stands in the audit log.
    pub role: &'static str,
    /// Who asks, as it stands in the audit log.
    pub actor: String,
    /// The address from which that was asked, where people ask.
    pub address: Option<IpAddr>,
    /// The input behind the command.
    pub correlation: CorrelationId,
    /// Randomness for whatever the decision makes; deciding again draws the same.
    pub seed: [u8; 32],
}

impl Origin {
    /// Adds an audit entry to `batch`: `what` as `group.verb`, at most once per batch and verb.
    pub fn audit(&self, batch: &mut Batch, what: &str, device: Option<Uuid>, result: &str, at: Timestamp) {
        let entry = AuditEntry {
            at,
            role: self.role.into(),
            actor: self.actor.clone(),
            operation: what.into(),
            device,
            result: result.into(),
            correlation: self.correlation,
            address: self.address,
        };
        batch.put(audit_key(at, self.correlation, what), entry.to_bytes());
    }
}
