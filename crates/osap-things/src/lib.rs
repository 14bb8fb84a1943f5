//! What devices and platform say to each other about attributes, operations and events: topics and JSON
//! bodies of the thing model.
//!
//! [`UpMessage`] goes from the device, [`DownMessage`] to it; [`encode_up`], [`decode_up`], [`encode_down`]
//! and [`decode_down`] are both sides of both. The envelope around a body (Seq, Ts and seal) is
//! `osap_proto`'s; an answer carries the Seq of its request there.
//!
//! ```
//! use osap_proto::Serial;
//! use osap_things::{Node, Place, Resource, UpMessage, decode_up, encode_up};
//! use serde_json::json;
//!
//! let serial = Serial::new(b"T12345678").expect("a serial");
//! let place = Place::new(Resource::global(), "Lock", "isLocked").expect("names");
//! let said = UpMessage::Attribute { node: Node::Device, place, value: json!(true) };
//! let (topic, body) = encode_up(&said, &serial).expect("within the limits");
//! assert_eq!(topic, "/iot/T12345678/global/0-global/model/attribute/report/Lock/isLocked");
//! assert_eq!(body, br#"{"data":{"Value":true}}"#);
//! assert_eq!(decode_up(&topic, &body), Ok(said));
//! ```
//!
//! Source: OSAP draft section 2.1 (attributes, operations, events, resources); the forms on the wire are those
//! of the module `model` of devices in the field, and of ADR 0270 where those have none.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod body;
mod compat;
mod date_time;
mod down;
mod json;
mod label;
mod message;
mod topic;
mod up;

pub use compat::{decode_up_compat, encode_up_compat, is_compat_topic};
pub use down::{decode_down, encode_down};
pub use json::{BODY_SIZE_MAX, DEPTH_MAX, read_json};
pub use label::{LabelCode, SmartLabel};
pub use message::{Child, DesiredValue, DownMessage, Failure, TooLarge, UpMessage};
pub use topic::{BadName, Module, Node, Place, Resource, TOPIC_SIZE_MAX, ThingTopic};
pub use up::{decode_up, encode_up};
