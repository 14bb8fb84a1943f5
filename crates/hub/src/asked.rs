//! Who asks, as far as it is proven, and what every command carries besides its own words.

use consent::Party;
use ledger::Origin;

/// A caller with the input behind its command.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who it is to the rules.
    pub party: Party,
    /// Who it is to the audit log, and the chance given to the command.
    pub origin: Origin,
}
