//! Which smart devices a load balancer lets in, and what they have to prove.
//!
//! ```text
//! maker's label, key or licence --Enrol--> record of the device
//! a run:  LookUp -> judged by osap-proto;  GrantRun -> record 82;  CommitRun -> compare and swap at record 92
//! owner:  AddWithThing, OpenWindow, Block, ReplaceCode, SetFloor, RemoveWithThing
//! ```
//! Every step is a pure decision over a snapshot. What people change goes into the audit log in the same commit.
//! Nothing here computes a proof: records of codes come ready made, and the runs of `osap-proto` judge.
//! Source: docs/osap-secure.md sections 7 to 12; decisions H12, H13, M19.

mod committing;
mod enrolling;
mod listing;
mod looking_up;
mod owner;
mod record;
mod session_notes;
mod spaces;
mod type_1;
mod with_thing;

pub use committing::{CommitRun, RunCommitted};
pub use enrolling::{Credentials, Enrol, Enrolled, NoCredential, Remove, ReplaceCode, ReplacePsk};
pub use listing::{AdmittedDevice, ListDevices, PAGE, ReadDevice};
pub use looking_up::{Found, GrantRun, LookUp};
pub use owner::{Block, CloseWindow, LinkThing, OpenWindow, SetFloor, WINDOW};
pub use record::{CannotDecide, Generation};
pub use session_notes::{DasSession, NoteDasTicket, NotedTicket};
pub use type_1::{
    AllowCompat, BurnCode, CommitCompat, CompatAllowed, ForbidCompat, LookUpCompat, ReadCompatSession,
    StandingSession, SwitchCompat,
};
pub use with_thing::{AddWithThing, NotAdded, RemoveWithThing};

pub use ledger::{AUDIT, BadRecord, Origin};
