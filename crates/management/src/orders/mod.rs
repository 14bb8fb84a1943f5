//! What a management system asks of its devices: typed commands in a queue per device, and what became of
//! them.
//!
//! ```text
//! PlaceOrder -> Waiting -TakeOrders-> Sent -SettleOrder-> Done(outcome)
//!                  |                    |
//!              deadline: Late       deadline: NoAnswer
//! ```
//! A command that may not be repeated is given out once; if its answer is lost, its outcome is unknown.

mod command;
mod queue;

pub use command::{Answer, Command, GeneratedKind, OrderRequest};
pub use queue::{
    DueOrder, NotPlaced, ORDER_COUNT_MAX, OrderState, OrderView, Outcome, PlaceOrder, ReadOrder, SettleOrder,
    TAKEN_COUNT_MAX, TakeOrders,
};
pub(crate) use queue::{NewOrder, Placed, place};
