//! The Trusted Authority: maker, owner and bootstrap rules, and the ownership state machine.
//!
//! Three servers: [`registration`] knows who owns what, [`bootstrap`] hands out images, [`identity`] knows
//! the device secrets and speaks through files alone. Every operation is a pure decision over a snapshot
//! (`store::Operation`); nothing here waits, listens or draws a number by itself.

pub mod bootstrap;
mod gap;
pub mod identity;
mod origin;
pub mod registration;
mod renewal;
mod server_keys;
mod spaces;
mod stored;

pub use gap::{
    FileTaken, ForgetWritten, GapPartner, GapSelf, NotSent, OutboxFile, ReadOutbox, ReadTaken, TakeFile,
    TakeIfDone,
};
pub use origin::Origin;
pub use renewal::{AskGeneration, FollowGeneration, GenerationRequest, NextKeys, RenewOnline, Renewed};
pub use server_keys::{
    ENROLMENT_NUMBER, Enrolment, NoServerKeys, ReadEnrolment, ReadOwn, ServerKey, ServerKeys, StoreEnrolment,
    WriteOwn,
};
pub use spaces::{AUDIT, own_record};
pub use stored::BadRecord;
