//! What a channel face says to its owner and hears from it.

use std::net::SocketAddr;

use assure_proto::{DeviceInfo, GoodbyeReason};
use coap_proto::ExchangeId;
use coaps::AssociationId;
use dtls_proto::Closing;
use model::Uuid;

use super::order::{Order, OrderAnswer, OrderFailure, OrderId};
use crate::{Admission, Claim, Proven};

/// What the face tells and asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelEvent {
    /// Who is this? [`ChannelCommand::Known`], [`ChannelCommand::Unknown`] or
    /// [`ChannelCommand::CouldNotLookUp`].
    WhoIs {
        /// The handshake that waits.
        association: AssociationId,
        /// What the peer says of itself.
        claim: Claim,
    },
    /// A device has proven itself. It may come again without having gone: the newer association counts.
    Online {
        /// The device.
        device: Uuid,
        /// Where it is.
        address: SocketAddr,
        /// What it proved.
        proven: Proven,
        /// Whether a ticket stood for a full handshake.
        resumed: bool,
    },
    /// A device is there no more.
    Offline {
        /// The device.
        device: Uuid,
        /// Why.
        reason: OfflineReason,
    },
    /// A device tells what it is (11.3.1); [`ChannelCommand::Received`].
    Presence {
        /// The request that waits.
        exchange: ExchangeId,
        /// The device.
        device: Uuid,
        /// What it tells; its UUID is the device's.
        info: Box<DeviceInfo>,
    },
    /// A device says that it goes (11.3.2); [`ChannelCommand::Received`].
    Goodbye {
        /// The request that waits.
        exchange: ExchangeId,
        /// The device.
        device: Uuid,
        /// Why it goes.
        reason: GoodbyeReason,
    },
    /// An order is done. Each order has exactly one such event.
    OrderDone {
        /// The order.
        id: OrderId,
        /// The device.
        device: Uuid,
        /// What the device answered, or why it did not.
        outcome: Result<OrderAnswer, OrderFailure>,
    },
}

/// Why a device is there no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfflineReason {
    /// It said goodbye, which was received.
    Goodbye(GoodbyeReason),
    /// Its association ended.
    Closed(Closing),
    /// It was silent for too long, or the session reached its age.
    Silent,
    /// [`ChannelCommand::Drop`].
    Dropped,
    /// Another device's association took its address.
    Displaced,
}

/// What the owner of the face says.
#[derive(Debug)]
pub enum ChannelCommand {
    /// A device of ours, and how it proves itself.
    Known {
        /// The handshake that waits.
        association: AssociationId,
        /// The device.
        admission: Box<Admission>,
    },
    /// Nobody of ours, or one that may not come in.
    Unknown {
        /// The handshake that waits.
        association: AssociationId,
    },
    /// It cannot be found out now.
    CouldNotLookUp {
        /// The handshake that waits.
        association: AssociationId,
    },
    /// The answer to [`ChannelEvent::Presence`] and [`ChannelEvent::Goodbye`].
    Received {
        /// The request that waits.
        exchange: ExchangeId,
        /// Whether it is stored.
        receipt: Receipt,
    },
    /// Calls a device.
    Order(Box<Order>),
    /// Ends all associations and handshakes of a device at once: it was transferred, released, replaced, or
    /// its key is gone. What was known of it before has no effect any more.
    Drop {
        /// The device.
        device: Uuid,
    },
}

/// Whether what a device told is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// 2.04
    Stored,
    /// 4.01: it is not, or no longer, ours to hear.
    NotOurs,
    /// 5.03 with Max-Age 30.
    Unable,
}
