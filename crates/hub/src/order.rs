//! What is asked of a device, and what it answers.

use clock::Timestamp;
use model::Uuid;
use serde_json::Value;

use crate::model::Place;

/// What a device is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Names it; unique for its thing, rising, never used again. See [`order_id`].
    pub id: u64,
    /// The thing.
    pub thing: Uuid,
    /// What.
    pub what: What,
    /// After this nobody waits for the answer; one that comes is taken all the same.
    pub deadline: Timestamp,
}

/// The kinds of orders.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Take a value for a property.
    Set {
        /// The property.
        name: String,
        /// Where the device keeps it.
        place: Place,
        /// The value.
        value: Value,
        /// How often a value was wanted for this property; the newest counts.
        version: u64,
    },
    /// Carry out an action.
    Call {
        /// The action.
        name: String,
        /// Where the device keeps it.
        place: Place,
        /// Its input; `null` where it has none.
        input: Value,
    },
    /// Say the value of a property.
    Query {
        /// The property.
        name: String,
        /// Where the device keeps it.
        place: Place,
    },
}

/// What an order's id tells about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderKind {
    /// [`What::Call`]: stored as an operation.
    Call,
    /// [`What::Set`]: stored as a desired value.
    Set,
    /// [`What::Query`]: not stored.
    Query,
}

/// The id of an order: the number of its thing's orders, and its kind in the lowest two bits.
#[must_use]
pub const fn order_id(kind: OrderKind, number: u64) -> u64 {
    let kind = match kind {
        OrderKind::Call => 0,
        OrderKind::Set => 1,
        OrderKind::Query => 2,
    };
    number << 2 | kind
}

/// Kind and number of an order's id; `None` for an id that none has.
#[must_use]
pub const fn order_number(id: u64) -> Option<(OrderKind, u64)> {
    let kind = match id & 3 {
        0 => OrderKind::Call,
        1 => OrderKind::Set,
        2 => OrderKind::Query,
        _ => return None,
    };
    Some((kind, id >> 2))
}

/// What a device answered to an order.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The order's id.
    pub id: u64,
    /// `Ok`: done, with the output of a call or the value of a query. `Err`: the device's own code and words.
    pub result: Result<Option<Value>, (i64, String)>,
}
