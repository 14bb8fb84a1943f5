//! The faces of smart devices: many connections at once, and an owner that answers when it likes.

mod das;
mod lbs;
mod link;

use crate::Target;

pub(crate) const TARGETS: &[Target] = &[lbs::LBS, das::DAS, link::LINK];

/// Connections at once.
const LINE_COUNT: u64 = 4;
