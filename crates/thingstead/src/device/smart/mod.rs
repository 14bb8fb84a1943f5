//! A smart device on a machine with an operating system: its folder, its streams, what it plays; by OSAP, or as a
//! plain MQTT client.

pub(crate) mod models;
pub(crate) mod mqtt;
pub(crate) mod run;
pub(crate) mod storage;

mod carriage;
mod lines;
mod play;
mod said;
mod streams;
