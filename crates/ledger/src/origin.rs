//! What every command carries besides its own words, and the entry it leaves.

use accounts::AuditEntry;
use clock::Timestamp;
use model::{CorrelationId, Uuid};
use store::{Batch, Key, Space};

/// Audit entries of any role, by time.
pub const AUDIT: Space = Space(0x01);

/// Audit entries sort by time; the correlation and the operation keep entries of one millisecond apart.
#[must_use]
pub fn audit_key(at: Timestamp, correlation: CorrelationId, operation: &str) -> Key {
    let mut name = at.as_unix_millis().to_be_bytes().to_vec();
    name.extend_from_slice(&correlation.0);
    name.extend_from_slice(operation.as_bytes());
    Key::new(AUDIT, name)
}

/// Where a command came from and what chance it was given.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The server that decides, as it stands in the audit log.
    pub role: &'static str,
    /// Who asks, as it stands in the audit log.
    pub actor: String,
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
        };
        batch.put(audit_key(at, self.correlation, what), entry.to_bytes());
    }
}
