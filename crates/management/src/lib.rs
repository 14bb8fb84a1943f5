//! A management system: the owner's devices, their keys and channels, presence, orders and topologies.
//!
//! ```text
//! RegisterDevice --claim at the authority--> ClaimSettled --configuration--> ConfigurationArrived
//!   --image to the authority--> ImageUploaded --device bootstraps--> Presence (in service)
//! ```
//! Every step is a pure decision over a snapshot and is stored before the next one is taken, so that a
//! restart goes on where it stopped ([`ReadWork`]). Nothing here speaks to anybody: the edge does, and brings
//! the answers. The authority is met only through its owner gateway, never as a crate.
//! Source: aSSURE 10, 11, 13, 15.

mod configuring;
mod details;
mod device;
mod facts;
mod leaving;
mod orders;
mod owner_keys;
mod payload;
mod peers;
mod presence;
mod queries;
mod registering;
mod replacing;
mod spaces;
mod stored_configuration;
mod topology;

pub use configuring::{
    ConfigurationArrived, FetchAgain, ImageToUpload, ImageUploaded, NotBuilt, ReadImageToUpload, Rebuild,
    UploadEnd, key_digest,
};
pub use details::{
    DeviceChannels, DeviceKeys, DeviceLink, KeyOwner, KeyView, ReadDeviceChannels, ReadDeviceKeys, device_of,
};
pub use device::{ApplicationMessage, KeyKind, Registrant, Work};
pub use facts::BadConfiguration;
pub use leaving::{Leave, Leaving, Left, Standing, StandingKnown};
pub use orders::{
    Answer, Command, DueOrder, GeneratedKind, NotPlaced, ORDER_COUNT_MAX, OrderRequest, OrderState,
    OrderView, Outcome, PlaceOrder, ReadOrder, SettleOrder, TAKEN_COUNT_MAX, TakeOrders,
};
pub use owner_keys::{Certified, KeepOwner, OwnerKeys, OwnerStep, ReadOwner, StoredOwner};
pub use payload::{MANAGEMENT_CHANNEL, NoPayload};
pub use peers::{ChannelAccess, ChannelProof, FindPeer, OwnProof, PeerSign, ProvenKey};
pub use presence::{ChannelLost, Goodbye, Heard, Presence, Proven, Trouble};
pub use queries::{DeviceView, DueStep, ListDevices, ListLinks, ReadDevice};
pub use registering::{
    AcceptDevice, Acceptance, Announced, AwaitNoMore, CannotDecide, ClaimEnd, ClaimSettled, ReadWork,
    RegisterDevice, Registration, TakesSet,
};
pub use replacing::{Replace, Replacement};
pub use topology::{
    BadShape, LinkKind, LinkView, MEMBER_COUNT_MAX, Member, NotPlanned, PlanTopology, PlannedLink, Shape,
};

pub use ledger::{AUDIT, BadRecord, Origin};
