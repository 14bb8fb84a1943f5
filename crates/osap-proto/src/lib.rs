//! The secure profile of OSAP, protocol types 2, 4 and 8: how a device proves itself to the load balancer,
//! and how it speaks sealed MQTT to an access service. Type 1 of deployed devices is [`compat`].
//!
//! Nothing here reads a clock, a socket or a random source. Machines take bytes and the time and give back
//! outputs; chance comes in as a value. Secrets live in [`crypto::Secret`] and are wiped when dropped.
//! Source: docs/osap-secure.md; names of sections mean that page.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod base64url;
mod code;
mod code_tries;
pub mod compat;
mod connect;
mod das_info;
mod das_ticket;
mod device;
mod envelope;
mod ephemeral;
mod fake;
mod frame;
mod json;
mod key_schedule;
mod lbs;
mod messages;
mod negotiation;
mod record;
mod result_code;
mod run_clock;
mod seen_shares;
mod serial;

pub use code::{CodeRecord, Realm, StretchedCode};
pub use code_tries::{AddressPrefix, CodeTries};
pub use connect::{
    Admitted, Connect, ConnectHeader, ConnectRefusal, ConnectTable, ConnectionNumbers, connect_password,
    is_below,
};
pub use das_info::{DasInfo, DasRequest, shows_downgrade};
pub use das_ticket::{DasTicket, TicketError, TicketKey, TicketKeyRing};
pub use device::{
    Completed, DeviceCredential, DeviceEnd, DeviceOutput, DeviceRun, DeviceSetup, Pending, SetupError, Ticket,
};
pub use envelope::greeting::{greet, greeting_topic, open_greeting};
pub use envelope::{Direction, Exhausted, General, Opened, Opener, Sealer, Session, Unopened, seal_will};
pub use ephemeral::Ephemeral;
pub use fake::{FakeRecord, FakeRecords};
pub use frame::{Frame, FrameError, Inlet, MessageKind, VERSION};
pub use lbs::{
    AllowedKinds, Commit, Committed, DasAnswer, DeviceRecord, Grant, LbsEnd, LbsMemory, LbsOutput, LbsRun,
    LbsSetup, TicketOnRecord,
};
pub use messages::{Answer, Claim, First, Kdf, Mode, OfferError, Second, Third};
pub use negotiation::{
    Connection, FirstByte, Header, ProtocolType, TypeGroup, asked_next, floor_after, may_send_compat, rematch,
};
pub use record::RecordError;
pub use result_code::ResultCode;
pub use seen_shares::SeenShares;
pub use serial::{Devid, Serial, ServerId};
