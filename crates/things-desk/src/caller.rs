//! Who a client is to the hub.

use std::net::IpAddr;

use consent::Party;
use hub_desk::Caller;

/// The client `name` as it was let in: one that acts for the owner is the owner to the rules, and itself in the audit
/// log. Source: ADR 0351.
pub(crate) fn client(name: &str, for_owner: bool, address: IpAddr) -> Caller {
    let own = Party::Client(name.to_owned());
    let actor = own.to_string();
    Caller { party: if for_owner { Party::Owner } else { own }, actor, address: Some(address) }
}
