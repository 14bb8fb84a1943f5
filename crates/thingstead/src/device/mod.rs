//! A device on a machine with an operating system: its folder, its making, its run.

pub(crate) mod make;
pub(crate) mod sealed_state;
