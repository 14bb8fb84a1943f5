//! What leaves after a commit.

use consent::Party;
use model::Uuid;
use serde_json::Value;

use crate::events::StoredEvent;
use crate::order::Order;
use crate::values::Reading;

/// Something that subscribers hear of.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A property was reported.
    Value {
        /// The thing.
        thing: Uuid,
        /// The value; the newest takes the place of older ones that wait.
        reading: Reading,
    },
    /// An event happened.
    Event {
        /// The thing.
        thing: Uuid,
        /// The event.
        event: StoredEvent,
    },
    /// So many events were left out here, since the subscriber was too slow.
    Gap {
        /// The thing.
        thing: Uuid,
        /// How many.
        count: u64,
    },
}

/// How an order ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// The thing.
    pub thing: Uuid,
    /// The order's id.
    pub order: u64,
    /// As the device answered.
    pub result: Result<Option<Value>, (i64, String)>,
}

/// What leaves after a commit.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// To the device, when it is there.
    Order(Order),
    /// To subscribers.
    Notice(Notice),
    /// To whoever waits for the answer.
    Settled(Settled),
    /// What `party` does with `thing` is to be judged again; `None`: what everybody does, since it is no more.
    Judge {
        /// The thing.
        thing: Uuid,
        /// Whose.
        party: Option<Party>,
    },
}
