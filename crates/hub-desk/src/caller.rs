//! Who calls, to the rules and to the audit log.

use std::net::IpAddr;

use consent::Party;

/// A caller as its front proved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who it is to the rules.
    pub party: Party,
    /// Who it is in the audit log.
    pub actor: String,
    /// The address from which it asks.
    pub address: Option<IpAddr>,
}

impl From<Party> for Caller {
    fn from(party: Party) -> Self {
        Self { actor: party.to_string(), party, address: None }
    }
}
