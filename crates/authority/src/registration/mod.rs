//! The registration server: knows who owns what, and signs owner data.

mod device;
mod ownership;
mod parameter_sets;

pub use device::{
    CreateDevice, Created, DeviceKind, ImportIssued, Imported, IssuedRegistration, IssuedSecret, PoolEntry,
    RemoveDevice, SecretChain,
};
pub use ownership::{
    CHANGE_COUNT_MAX, CHANGE_WINDOW, OperationId, OwnerRequest, Ownership, PendingChange, Receiver, Ruling,
};
pub use parameter_sets::{ReadParameterSet, SetStored, StoreParameterSet};
