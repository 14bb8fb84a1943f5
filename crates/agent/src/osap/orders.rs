//! What the platform wants, until the application has answered.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};

use osap_proto::General;
use osap_things::{DownMessage, Failure, Node, Place, UpMessage};
use serde_json::Value;

use super::settings::{ORDER_COUNT_MAX, PAIR_COUNT_MAX};

/// What kind of order it is.
#[derive(Clone, Debug, PartialEq)]
pub enum OrderKind {
    /// Set an attribute to this value.
    Set(Value),
    /// Run an operation with this input, null when there is none.
    Operate(Value),
    /// Say the value of an attribute.
    Query,
}

/// Something the platform wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Names it in `answer`.
    pub number: u64,
    /// Whose.
    pub node: Node,
    /// Which attribute or operation.
    pub place: Place,
    /// What.
    pub kind: OrderKind,
}

/// Orders that wait for their answer, and the pairs by which repeated ones are known.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    last: u64,
    open: BTreeMap<u64, (Order, u64)>,
    pairs: BTreeSet<(u64, u64)>,
    newest: VecDeque<(u64, u64)>,
}

/// What becomes of a message from the platform.
#[derive(Debug, PartialEq)]
pub(crate) enum Ordered {
    /// For the application.
    New(Order),
    /// Too many wait: an answer at once.
    Busy(UpMessage),
    /// No order.
    Other(DownMessage),
}

impl Orders {
    /// Whether a message with these numbers was here before; remembers them.
    pub(crate) fn is_repeated(&mut self, general: General) -> bool {
        let pair = (general.seq, general.ts);
        if !self.pairs.insert(pair) {
            return true;
        }
        self.newest.push_back(pair);
        if self.newest.len() > PAIR_COUNT_MAX
            && let Some(oldest) = self.newest.pop_front()
        {
            self.pairs.remove(&oldest);
        }
        false
    }

    /// Takes in a message with the Seq `seq`.
    pub(crate) fn take(&mut self, message: DownMessage, seq: u64) -> Ordered {
        let (node, place, kind) = match message {
            DownMessage::Set { node, place, value } => (node, place, OrderKind::Set(value)),
            DownMessage::Operate { node, place, input } => (node, place, OrderKind::Operate(input)),
            DownMessage::Query { node, place } => (node, place, OrderKind::Query),
            other @ (DownMessage::Desired { .. } | DownMessage::CallAnswered { .. }) => {
                return Ordered::Other(other);
            }
        };
        self.last += 1;
        let order = Order { number: self.last, node, place, kind };
        if self.open.len() >= ORDER_COUNT_MAX {
            let busy = Failure { code: -1, message: "too many orders at once".into() };
            return Ordered::Busy(reply(order, Err(busy)));
        }
        self.open.insert(order.number, (order.clone(), seq));
        Ordered::New(order)
    }

    /// The answer to an order, with the Seq it carries; `None` when no such order waits.
    pub(crate) fn answer(&mut self, number: u64, result: Result<Value, Failure>) -> Option<(UpMessage, u64)> {
        let (order, seq) = self.open.remove(&number)?;
        Some((reply(order, result), seq))
    }
}

fn reply(order: Order, result: Result<Value, Failure>) -> UpMessage {
    let Order { node, place, kind, .. } = order;
    match kind {
        OrderKind::Set(_) => UpMessage::WasSet { node, place, result: result.map(|_| ()) },
        OrderKind::Operate(_) => UpMessage::Operated { node, place, result },
        OrderKind::Query => UpMessage::Answered { node, place, result },
    }
}
