//! Where fronts and devices meet the hub.
//!
//! ```text
//! front  --call, watch-->  HubDesk  <--report, raise, answer--  device's front
//!                             |  ^
//!                     orders  v  |  attach
//!                          device's front
//! ```
//! The desk runs the hub's operations and carries what leaves after their commits: orders to devices that are
//! there, notices to subscribers, answers to whoever waits. It decides nothing; what it holds is volatile, and
//! after a restart everything that counts is in the store.
//!
//! Limits: 64 orders wait in a device's line, the others in the store; a subscriber keeps the newest value of
//! each property and 256 events, then counts what it leaves out.

mod caller;
mod calls;
mod children;
mod desk;
mod device;
mod leaving;
mod lines;
mod pump;
mod records;
mod watch;

pub use caller::Caller;
pub use desk::{HubDesk, QUERY_WAIT, Shut};
pub use device::{Attachment, ORDER_LINE_LENGTH};
pub use records::{NewSmartDevice, RecordChange, RecordRefusal};
pub use watch::{EVENT_QUEUE_LENGTH, WATCHES_PER_THING_MAX, Watch};
