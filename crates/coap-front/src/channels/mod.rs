//! The management side of channels: devices report to it, and it calls them, over one association.
//!
//! Source: aSSURE 8, 11.3, 11.4; ruling A-ASSURE-107.

mod face;
mod order;
mod routes;
mod values;

pub use face::{ChannelFace, ChannelSetup};
pub(crate) use routes::timestamp;

pub use order::{Order, OrderAnswer, OrderFailure, OrderId};
pub use values::{ChannelCommand, ChannelEvent, OfflineReason, Receipt};
