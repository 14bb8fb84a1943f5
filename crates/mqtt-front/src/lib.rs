//! MQTT clients at the door: bytes of their connections to a broker and back. No I/O.
//!
//! ```text
//! bytes -> mqtt_proto::Server (one each) -> Broker -> Servers of the subscribers -> bytes
//! CONNECT   -> Event::SignIn   -> Command::Admit | Command::Refuse
//! batches   -> Event::Store    -> Command::Stored -> bytes that waited for it leave
//! things/.. -> Event::Things   -> Command::Things
//! ```
//! One input (`opened`, `receive`, `closed`, `waits`, `command`, `refused`, `expire`, `stop`), then drain
//! `next_output` until `None`, then wake up at `next_deadline`. Subscribers that a turn touched are written once.

mod face;
mod hearing;
mod line;
mod output;
mod things;
mod traffic;

pub use face::MqttFace;
pub use line::FaceLimits;
pub use output::{Admitted, Command, Event, FaceCounters, Newcomer, Output, SignIn};
pub use things::{Asked, ThingsClient, ThingsCommand, ThingsEvent, Want};

// What stands in this crate's values.
pub use broker::{Broker, KeptFilter, Place, SessionKey, StoreBatch};
pub use mqtt_proto::{
    Message, PacketId, Properties, Property, PropertyList, Publication, QoS, ReasonCode, ServerSettings,
    Version, is_topic_name,
};
