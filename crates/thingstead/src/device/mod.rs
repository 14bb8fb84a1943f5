//! A device on a machine with an operating system: its folder, its making, its run.

pub(crate) mod make;
pub(crate) mod reset;
pub(crate) mod run;
pub(crate) mod sealed_state;
pub(crate) mod servers;
pub(crate) mod smart;
pub(crate) mod status;
pub(crate) mod user_data;
pub(crate) mod voice;

pub(crate) mod audit_log;
mod control_lines;
mod said;
