//! What every store of a role keeps alike: records behind a version byte, and who did what.
//!
//! Domain crates that may not use each other meet here; there is no rule of any domain in it.

pub mod fields;
mod origin;
mod record;

pub use accounts::{AUDIT, audit_key};
pub use fields::Id16;
pub use origin::Origin;
pub use record::{BadRecord, from_bytes, record, to_bytes};
