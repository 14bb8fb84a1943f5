//! What every command carries besides its own words.

use accounts::AuditEntry;
use clock::{Now, Timestamp};
use model::{CorrelationId, Uuid};
use store::Batch;

use crate::spaces::audit_key;

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
    /// Adds an audit entry to `batch`.
    pub(crate) fn audit(
        &self,
        batch: &mut Batch,
        what: &str,
        device: Option<Uuid>,
        result: &str,
        at: Timestamp,
    ) {
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

/// Servers have clocks; one that does not know the time serves nobody.
pub(crate) fn utc(now: Now) -> Option<Timestamp> {
    now.utc
}
