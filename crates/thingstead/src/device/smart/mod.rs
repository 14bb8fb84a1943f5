//! A smart device of OSAP on a machine with an operating system: its folder, its streams, what it plays.

pub(crate) mod models;
pub(crate) mod run;
pub(crate) mod storage;

mod carriage;
mod lines;
mod play;
mod said;
mod streams;
