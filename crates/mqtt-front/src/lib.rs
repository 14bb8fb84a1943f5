//! MQTT clients at the door: bytes of their connections to a broker and back. No I/O.
//!
//! ```text
//! bytes -> mqtt_proto::Server (one each) -> Broker -> Servers of the subscribers -> bytes
//! CONNECT   -> Event::SignIn   -> Command::Admit | Command::Refuse
//! batches   -> Event::Store    -> Command::Stored -> bytes that waited for it leave
//! ```
//! One input (`opened`, `receive`, `closed`, `waits`, `command`, `refused`, `expire`, `stop`), then drain
//! `next_output` until `None`, then wake up at `next_deadline`. Subscribers that a turn touched are written once.

mod face;
mod line;
mod output;
mod traffic;

pub use face::MqttFace;
pub use line::FaceLimits;
pub use output::{Admitted, Command, Event, FaceCounters, Newcomer, Output, SignIn};

// What stands in this crate's values.
pub use broker::{Broker, StoreBatch};
pub use mqtt_proto::{ReasonCode, ServerSettings};
