//! Who may read, write, call and observe which thing, and which rule says so.
//!
//! ```text
//! AddGrant -> decide(party, thing, act, name) says yes by that grant -> RevokeGrant -> no, by default
//! ```
//! The owner may everything; everybody else only what a grant to exactly that party allows at that time.
//! There is no grant to everybody: strangers, who proved nothing, are never granted anything.
//! Whatever acts on things asks [`decide`] and nobody else.
//! Source: architecture section 1 (consumer); ADR 0230.

mod act;
mod decision;
mod grant;
mod granting;
mod leaving;
mod listing;
mod party;
mod spaces;

pub use act::{Act, Acts};
pub use decision::{Rule, Verdict, decide, parties_on, permitted, reads, standing};
pub use grant::{Grant, NAMES_PER_GRANT_MAX, Names};
pub use granting::{
    AddGrant, GRANTS_PER_THING_MAX, NotGranted, RevokeGrant, Revoked, RevokedGrant, forget, forget_reads,
};
pub use leaving::{GRANTS_PER_COMMIT_MAX, Leave, Left};
pub use ledger::{BadRecord, Origin};
pub use listing::{GrantPage, ListGrants, ThingsOf, things_page};
pub use party::{BadParty, PARTY_NAME_SIZE_MAX, Party};
