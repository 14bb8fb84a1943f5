//! Access services in processes of their own, and the centre that decides for them.
//!
//! ```text
//! process of [das] with a pass              process of [management]
//!   DasFace <-> service <== TLS 1.3 ==> centre <-> DasDesk, Fleet
//! ```
//! ADR 0290.

pub(super) mod centre;
mod link;
pub(super) mod pass;
pub(super) mod service;
mod strangers;
