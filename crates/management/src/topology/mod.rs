//! Channels between devices: which device talks to which, by what kind of key, and the orders that make it
//! so.

mod link;
mod pair;
mod plan;
mod shape;

pub use link::LinkKind;
pub use plan::{LinkView, MEMBER_COUNT_MAX, Member, NotPlanned, PlanTopology, PlannedLink};
pub use shape::{BadShape, Shape};

pub(crate) use link::{LinkSpec, StoredLink, links_of, make, read_links, unlink};
pub(crate) use pair::kind_of;
