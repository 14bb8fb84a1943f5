//! The device's own logic, without I/O: boot, ownership, keys, channels, the device management API.
//!
//! ```text
//! inputs: receive, expire, control, resolved, persisted, erased       (each with `now`)
//!                              Agent
//!    Bootstrap --image--> commit 1 --erase--> commit 2 --> Channels <--> Api
//!                              |                              |
//! outputs: Resolve, Persist, Erase, Transmit, Event, Reboot, PowerOff
//! ```
//! One input, then drain [`Agent::next_output`] until `None`, then wake up at [`Agent::next_deadline`].
//! The platform gives one UDP socket, one place to store a state of a few kilobytes in one piece, name
//! resolution, and a way to erase what its application keeps.
//!
//! Source: aSSURE 8, 10, 11.3, 15; the decisions of the ownership sheet, by name at each place.
#![no_std]
extern crate alloc;

mod agent;
mod api;
mod bootstrap;
mod channels;
mod dispatch;
mod errands;
mod factory;
mod goodbye;
mod keyring;
mod limits;
mod means;
#[cfg(feature = "osap")]
pub mod osap;
mod output;
mod ownership;
mod replay;
mod schedule;
mod settings;
mod state;
mod summary;
mod time;

pub use agent::{Agent, StartError};
pub use bootstrap::BootstrapFailure;
pub use factory::{DeviceKey, Factory, FactoryRoot};
pub use limits::{
    CHANNEL_COUNT_MAX, KEY_COUNT_MAX, PARAMETER_COUNT_MAX, PARAMETER_LENGTH_MAX, PARAMETER_NAME_LENGTH_MAX,
    PING_LENGTH_MAX,
};
pub use output::{AgentEvent, Control, Output};
pub use replay::ReplayFailure;
pub use settings::Settings;
pub use summary::Summary;
