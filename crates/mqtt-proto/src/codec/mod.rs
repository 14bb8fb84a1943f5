//! Packets and bytes.

mod ack;
mod connack;
mod connect;
mod field;
mod filters;
mod flaw;
mod frame;
mod goodbye;
mod packet;
mod properties;
mod property;
mod publish;
mod reason;
mod subscribe;
mod topic;

pub use ack::Ack;
pub use connack::ConnAck;
pub use connect::{Connect, Password, Will};
pub use filters::{
    FilterIter, FilterList, Filters, RetainHandling, SubscriptionIter, SubscriptionList, SubscriptionOptions,
    Subscriptions,
};
pub use flaw::{DecodeError, EncodeError, Flaw};
pub use frame::{Frame, Framer, PACKET_SIZE_MAX};
pub use goodbye::{Auth, Disconnect};
pub use packet::{Kind, Packet, PacketId, QoS, Version};
pub use properties::{Place, Properties, PropertyIter, PropertyList};
pub use property::{PayloadFormat, Property};
pub use publish::{Delivery, Publish};
pub use reason::ReasonCode;
pub use subscribe::{SubAck, Subscribe, UnsubAck, Unsubscribe};
pub use topic::{TopicFilter, is_topic_name};
