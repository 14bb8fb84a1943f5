//! The identity server: knows device secrets, opens no socket, speaks through files alone.
//!
//! ```text
//! station list, enrolment (by hand) -> identity
//! kind 0 submit -> open, verify -> kind 1 to registration + kind 2 to bootstrap, or kind 3 to both
//! ```
//! It keeps each device secret, since a refill and a new generation need nothing else, and drops every
//! secret it derived once that is exported.
//! Source: aSSURE 5.1, 6.1, 14.1 with decisions D-09, H6, H7, M11, G 22, G 23.

mod issue;
mod keys;
mod partners;
mod submit;

pub use keys::{IdentityKeys, NoKeys, RootKeyPair};
pub use partners::{AddStation, EnrolServer, Enrolled, GapPartners, ReadPartners, ReadStations, Station};
pub use submit::{ImportSubmit, Submitted};
