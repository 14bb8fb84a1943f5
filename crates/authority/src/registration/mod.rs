//! The registration server: knows who owns what, and signs owner data.

mod certify;
mod change_owner;
mod device;
mod exchange;
mod grant;
mod keys;
mod management;
mod ownership;
mod parameter_sets;
mod pool;
mod queries;
mod recovery;
mod refill;
mod trust;

pub use certify::{Certificand, Certify};
pub use change_owner::{
    AdoptMirror, CannotDecide, ChangeOwner, CompleteChange, FAILURE_COUNT_MAX, FAILURE_WINDOW, OwnerAnswer,
    Target,
};
pub use device::{
    CreateDevice, Created, DeviceKind, ImportIssued, Imported, IssuedRegistration, IssuedSecret, PoolEntry,
    RemoveDevice, SecretChain,
};
pub use exchange::{SubmitRecord, issued_registration};
pub(crate) use keys::signed_at;
pub use keys::{OnlineKey, RegistrationKeys};
pub use management::{
    Announce, Certified, LinkRsaKey, Linked, NotCertified, RegisterManagement, RenewCertificate,
    TakeAnnouncedOnly,
};
pub use ownership::{
    CHANGE_COUNT_MAX, CHANGE_WINDOW, ChangeKind, OperationId, OwnerRequest, Ownership, PendingChange,
    Receiver, Ruling,
};
pub use parameter_sets::{ReadParameterSet, SetStored, StoreParameterSet};
pub use queries::{
    ConfigurationAnswer, OwnerPart, ReadConfiguration, ReadDeviceParameters, ReadOwner, ReadOwners,
    ReadPending, ReadPendingChange, SignBootstrapKeys,
};
pub use recovery::{
    AdvanceRecovery, BeginRecovery, Begun, RECOVERY_COUNT_MAX, RECOVERY_STEP, REGISTERED_PAGE, RaiseDevice,
    Raised, ReadRecovery, ReadRegistered, Recovery, Stock,
};
pub use refill::{AskRefill, Asked, Refilled, TakeRefill};
pub use trust::ReplaceTrust;
