//! What is said in either direction.

use alloc::string::String;
use alloc::vec::Vec;

use clock::Timestamp;
use model::Uuid;
use osap_proto::Serial;
use serde_json::Value;

use crate::{Node, Place, Resource};

/// A body that would be over [`crate::BODY_SIZE_MAX`] or [`crate::DEPTH_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl core::fmt::Display for TooLarge {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("more than 64 KiB or 32 levels")
    }
}

impl core::error::Error for TooLarge {}

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A number that is not 0; -1 where nothing more is known.
    pub code: i64,
    /// For people; may be empty.
    pub message: String,
}

/// A sub-device as its hub tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// Its serial.
    pub serial: Serial,
    /// Whether the hub reaches it.
    pub is_connected: bool,
}

/// A value that the platform wants an attribute to have.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredValue {
    /// The area of the attribute.
    pub area: String,
    /// Its name within the area.
    pub identifier: String,
    /// The wanted value.
    pub value: Value,
}

/// What a device says. Answers carry the Seq of their request in the envelope.
#[derive(Clone, Debug, PartialEq)]
pub enum UpMessage {
    /// The value of an attribute: `model/attribute/report`.
    Attribute {
        /// Whose.
        node: Node,
        /// Which.
        place: Place,
        /// The value.
        value: Value,
    },
    /// Something happened: `model/event/report`.
    Event {
        /// To whom.
        node: Node,
        /// What.
        place: Place,
        /// The device's own name for this one event: by it a repetition is known.
        id: Uuid,
        /// When, by the clock of the device.
        at: Timestamp,
        /// What the event carries; null when nothing.
        data: Value,
        /// Events that the device had to drop so far for want of room, in all its life: a rise says that
        /// some are missing before this one.
        dropped: u64,
    },
    /// The answer to [`DownMessage::Operate`]: `model/service/operate_reply`.
    Operated {
        /// Whose.
        node: Node,
        /// Which.
        place: Place,
        /// The output, null when there is none.
        result: Result<Value, Failure>,
    },
    /// The answer to [`DownMessage::Set`]: `model/attribute/set_reply`.
    WasSet {
        /// Whose.
        node: Node,
        /// Which.
        place: Place,
        /// Whether it was set.
        result: Result<(), Failure>,
    },
    /// The answer to [`DownMessage::Query`]: `model/attribute/query_reply`.
    Answered {
        /// Whose.
        node: Node,
        /// Which.
        place: Place,
        /// The value.
        result: Result<Value, Failure>,
    },
    /// The device asks what the platform wants of one resource: `basic/shadow/query`.
    AskDesired {
        /// Whose.
        node: Node,
        /// Which resource.
        resource: Resource,
    },
    /// The device calls an operation of the platform: `model/service/operate`.
    Call {
        /// Whose.
        node: Node,
        /// Which.
        place: Place,
        /// The input, null when there is none.
        input: Value,
    },
    /// All sub-devices behind a hub, at most 64: `basic/children/report`.
    Children(Vec<Child>),
}

/// What the platform says to a device. Answers carry the Seq of their request in the envelope.
#[derive(Clone, Debug, PartialEq)]
pub enum DownMessage {
    /// Set an attribute: `model/attribute/set`.
    Set {
        /// Whose.
        node: Node,
        /// Which.
        place: Place,
        /// The wanted value.
        value: Value,
    },
    /// Run an operation: `model/service/operate`.
    Operate {
        /// Whose.
        node: Node,
        /// Which.
        place: Place,
        /// The input, null when there is none.
        input: Value,
    },
    /// Say the value of an attribute: `model/attribute/query`.
    Query {
        /// Whose.
        node: Node,
        /// Which.
        place: Place,
    },
    /// The answer to [`UpMessage::AskDesired`], all that is wanted: `basic/shadow/query_reply`.
    Desired {
        /// Whose.
        node: Node,
        /// Which resource.
        resource: Resource,
        /// All that is wanted of it.
        values: Vec<DesiredValue>,
    },
    /// The answer to [`UpMessage::Call`]: `model/service/operate_reply`.
    CallAnswered {
        /// Whose.
        node: Node,
        /// Which.
        place: Place,
        /// The output, null when there is none.
        result: Result<Value, Failure>,
    },
}
