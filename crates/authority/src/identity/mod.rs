//! The identity server: knows device secrets, opens no socket, speaks through files alone.
//!
//! ```text
//! station list, enrolment (by hand) -> identity
//! kind 0 submit -> open, verify -> kind 1 to registration + kind 2 to bootstrap, or kind 3 to both
//! kind 4 asks for owner secrets -> kind 4 with fresh ones to registration
//! kind 5 of an enrolled server, compared by hand -> kind 7, a new generation, to both
//! ```
//! It keeps each device secret, since a refill and a new generation need nothing else, and drops every
//! secret it derived once that is exported.
//! Source: aSSURE 5.1, 6.1, 14.1 with decisions D-09, H6, H7, M11, G 22, G 23.

mod generation;
mod issue;
mod keys;
mod partners;
mod refill;
mod submit;

pub use generation::{BeginGeneration, GenerationBegun, GenerationProgress, IssueGeneration, ReadGeneration};
pub use keys::{IdentityKeys, NoKeys, RootKeyPair};
pub use partners::{AddStation, EnrolServer, Enrolled, GapPartners, ReadPartners, ReadStations, Station};
pub use refill::{ImportRefill, RefillIssued};
pub use submit::{ImportSubmit, Submitted};
