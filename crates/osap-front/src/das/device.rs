//! What an access service keeps of a device, over its connections.

use std::collections::VecDeque;

use clock::Moment;
use osap_proto::General;
use osap_things::{DownMessage, Failure, Node, Place, UpMessage};
use serde_json::Value;

use super::known::Known;
use super::words::{DasOrder, OrderResult};
use crate::LineId;

/// Orders of a device that have not been answered.
const ORDER_COUNT_MAX: usize = 64;

/// Orders whose time is over, so that a late answer still finds them; the oldest goes first.
const LATE_COUNT_MAX: usize = 64;

/// How far an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Not sent on this connection.
    Waiting,
    /// Sent, not acknowledged.
    Sent,
    /// The device has it.
    Acknowledged,
}

/// An order with what tells it from all others.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) id: u64,
    pub(super) message: DownMessage,
    /// The same on every connection: by it the device knows a repetition.
    pub(super) general: General,
    pub(super) deadline: Moment,
    pub(super) progress: Progress,
}

/// An order of which only the answer is still of interest.
#[derive(Debug)]
struct Late {
    id: u64,
    seq: u64,
    about: About,
}

/// What an order and its answer have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
struct About {
    kind: AboutKind,
    node: Node,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AboutKind {
    Set,
    Operate,
    Query,
}

fn about(message: &DownMessage) -> Option<About> {
    let (kind, node, place) = match message {
        DownMessage::Set { node, place, .. } => (AboutKind::Set, node, place),
        DownMessage::Operate { node, place, .. } => (AboutKind::Operate, node, place),
        DownMessage::Query { node, place } => (AboutKind::Query, node, place),
        DownMessage::Desired { .. } | DownMessage::CallAnswered { .. } => return None,
    };
    Some(About { kind, node: node.clone(), place: place.clone() })
}

pub(super) const fn node_of(message: &DownMessage) -> &Node {
    match message {
        DownMessage::Set { node, .. }
        | DownMessage::Operate { node, .. }
        | DownMessage::Query { node, .. }
        | DownMessage::Desired { node, .. }
        | DownMessage::CallAnswered { node, .. } => node,
    }
}

/// What an answer is about, and what it says.
type Answered = (About, Result<Option<Value>, Failure>);

/// Reads an answer; the message itself when it is none.
fn answer(message: UpMessage) -> Result<Answered, Box<UpMessage>> {
    let (kind, node, place, result) = match message {
        UpMessage::WasSet { node, place, result } => (AboutKind::Set, node, place, result.map(|()| None)),
        UpMessage::Operated { node, place, result } => {
            let output = |value: Value| (!value.is_null()).then_some(value);
            (AboutKind::Operate, node, place, result.map(output))
        }
        UpMessage::Answered { node, place, result } => (AboutKind::Query, node, place, result.map(Some)),
        other => return Err(Box::new(other)),
    };
    Ok((About { kind, node, place }, result))
}

/// What a message of a device is.
#[derive(Debug)]
pub(super) enum Said {
    /// Something of its own.
    News(Box<UpMessage>),
    /// The answer to an order.
    Answer { seq: u64, result: OrderResult },
    /// An answer to nothing that is known here.
    Stray,
}

/// A device that was here.
#[derive(Debug, Default)]
pub(super) struct Device {
    /// Its connection.
    pub(super) line: Option<LineId>,
    /// Whether it speaks type 1.
    pub(super) is_compat: bool,
    pub(super) orders: VecDeque<Kept>,
    late: VecDeque<Late>,
    known: Known,
}

impl Device {
    /// Whether this message was stored before.
    pub(super) fn knows(&self, general: General) -> bool {
        self.known.has(general)
    }

    /// Notes a message that was stored.
    pub(super) fn note(&mut self, general: General) {
        self.known.note(general);
    }

    /// Takes an order in; `false` when too many wait. One that is here already is sent again at most; another one of
    /// the same number takes the place of it: numbers begin anew when a thing is added again.
    pub(super) fn keep(&mut self, order: DasOrder, general: General) -> bool {
        let node = node_of(&order.message);
        let has_number = |kept: &Kept| kept.id == order.id && node_of(&kept.message) == node;
        self.orders.retain(|kept| !has_number(kept) || kept.message == order.message);
        if let Some(kept) = self.orders.iter_mut().find(|kept| has_number(kept)) {
            if kept.progress == Progress::Acknowledged {
                kept.progress = Progress::Waiting;
            }
            kept.deadline = order.deadline;
            return true;
        }
        if self.orders.len() >= ORDER_COUNT_MAX {
            return false;
        }
        let DasOrder { id, message, deadline, .. } = order;
        self.orders.push_back(Kept { id, message, general, deadline, progress: Progress::Waiting });
        true
    }

    /// The next order that is to be sent.
    pub(super) fn next_waiting(&mut self) -> Option<&mut Kept> {
        self.orders.iter_mut().find(|kept| kept.progress == Progress::Waiting)
    }

    pub(super) fn acknowledged(&mut self, seq: u64) {
        if let Some(kept) = self.orders.iter_mut().find(|kept| kept.general.seq == seq) {
            kept.progress = Progress::Acknowledged;
        }
    }

    /// The connection is gone: what was not acknowledged is to be sent on the next one.
    pub(super) fn unsent(&mut self) {
        for kept in &mut self.orders {
            if kept.progress == Progress::Sent {
                kept.progress = Progress::Waiting;
            }
        }
    }

    pub(super) fn withdraw(&mut self, id: u64) {
        self.orders.retain(|kept| kept.id != id || *node_of(&kept.message) != Node::Device);
    }

    /// Drops every order of the device and of what is behind it, or those of one sub-device, and answers to them.
    pub(super) fn forget(&mut self, node: &Node) {
        let is_kept = |of: &Node| *node != Node::Device && of != node;
        self.orders.retain(|kept| is_kept(node_of(&kept.message)));
        self.late.retain(|late| is_kept(&late.about.node));
    }

    /// Drops orders whose time is over.
    pub(super) fn expire(&mut self, now: Moment) {
        let over: Vec<Kept> = {
            let (over, left) =
                std::mem::take(&mut self.orders).into_iter().partition(|kept| kept.deadline <= now);
            self.orders = left;
            let over: VecDeque<Kept> = over;
            over.into()
        };
        for kept in over {
            let Some(about) = about(&kept.message) else { continue };
            if self.late.len() >= LATE_COUNT_MAX {
                self.late.pop_front();
            }
            self.late.push_back(Late { id: kept.id, seq: kept.general.seq, about });
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.orders.iter().map(|kept| kept.deadline).min()
    }

    /// Says what a message is. An answer counts for the order of its number, if it is about the same.
    pub(super) fn sort(&self, message: UpMessage, general: General) -> Said {
        let (said, result) = match answer(message) {
            Ok(answer) => answer,
            Err(news) => return Said::News(news),
        };
        let seq = general.seq;
        let kept = self.orders.iter().find(|kept| kept.general.seq == seq);
        let kept = kept.and_then(|kept| Some((kept.id, about(&kept.message)?)));
        let late = || self.late.iter().find(|late| late.seq == seq).map(|late| (late.id, late.about.clone()));
        match kept.or_else(late) {
            Some((id, asked)) if asked == said => {
                Said::Answer { seq, result: OrderResult { id, node: said.node, result } }
            }
            Some(_) | None => Said::Stray,
        }
    }

    /// The answer to an order was stored.
    pub(super) fn answered(&mut self, seq: u64) {
        self.orders.retain(|kept| kept.general.seq != seq);
        self.late.retain(|late| late.seq != seq);
    }
}
