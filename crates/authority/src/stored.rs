//! How ids, secrets and records are written into the store.
//!
//! Every record is a CBOR map behind a version byte (`ledger`); fields are numbered, so later versions add
//! and old readers ignore.

pub use ledger::BadRecord;
pub(crate) use ledger::fields::{byte_list, id16, management_id, owner, public_key, secret, times};
pub(crate) use ledger::{from_bytes, record, to_bytes};

impl ledger::Id16 for crate::registration::OperationId {
    fn from_id_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    fn id_bytes(&self) -> [u8; 16] {
        self.0
    }
}
