//! Random histories of ownership, held against a model that knows nothing of how they are made.
//!
//! One device, three owners, both servers of the authority. Calls overlap at every look and every commit;
//! servers die between any two of them and are restored from backups; the device loses its power before and
//! after it stores. The same seed gives the same history, but for the nonces of EC signatures.
//!
//! What must hold is in `judge`: a number has one owner, an owner change that was acknowledged
//! stays, one that was refused never happens, and the device obeys the present owner alone.
//! Source: ruling A-ASSURE-99, decisions H1, H5, H6, TS-L5, M13.

mod attempt;
mod calls;
mod device;
mod history;
mod image;
mod judge;
mod setting;
mod settling;
mod visits;
mod world;

pub use history::{Played, play};
pub use judge::Broken;
pub use setting::Setting;
