//! What the device has to say and the access service has not acknowledged.
//!
//! In the order of their turns: sub-devices, what is wanted, attributes, answers, own calls, events. All of
//! QoS 1; what was under way when a connection ends is said again on the next, with the Seq and Ts it had.
//! Source: section 13.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use clock::Moment;
use mqtt_proto::PacketId;
use osap_proto::General;
use osap_things::{Child, Node, Place, Resource, UpMessage};
use serde_json::Value;

use super::events::{Events, KeptEvent};
use super::settings::{ANSWER_COUNT_MAX, ATTRIBUTE_COUNT_MAX, CALL_COUNT_MAX, CALL_TIME_MAX};

/// Something that can be said once more: whether it waits, and under which numbers it went out before.
#[derive(Clone, Debug)]
struct Turn<T> {
    what: T,
    waits: bool,
    general: Option<General>,
    /// Rises when `what` changes: an acknowledgement of the one before does not count.
    version: u64,
}

impl<T> Turn<T> {
    const fn new(what: T) -> Self {
        Self { what, waits: true, general: None, version: 0 }
    }

    fn replace(&mut self, what: T) {
        self.what = what;
        self.say_again();
    }

    const fn say_again(&mut self) {
        (self.waits, self.general, self.version) = (true, None, self.version + 1);
    }
}

#[derive(Debug)]
struct Answer {
    number: u64,
    message: UpMessage,
    general: General,
    waits: bool,
}

#[derive(Debug)]
struct Call {
    number: u64,
    message: UpMessage,
    general: Option<General>,
    waits: bool,
    until: Moment,
}

/// What a message was, so that its acknowledgement finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Children(u64),
    AskDesired,
    Attribute((Node, Place), u64),
    Answer(u64),
    Call(u64),
    Event(u64),
}

/// All that waits.
#[derive(Debug)]
pub(crate) struct Mail {
    seq: u64,
    children: Option<Turn<Vec<Child>>>,
    asks: BTreeSet<(Node, Resource)>,
    attributes: BTreeMap<(Node, Place), Turn<Value>>,
    /// Attributes with something to say, so that not all are looked through for each message.
    waiting: BTreeSet<(Node, Place)>,
    answers: VecDeque<Answer>,
    calls: VecDeque<Call>,
    last_number: u64,
    pub(crate) events: Events,
    under_way: BTreeMap<PacketId, Item>,
}

impl Mail {
    pub(crate) const fn new(events: Events) -> Self {
        Self {
            seq: 0,
            children: None,
            asks: BTreeSet::new(),
            attributes: BTreeMap::new(),
            waiting: BTreeSet::new(),
            answers: VecDeque::new(),
            calls: VecDeque::new(),
            last_number: 0,
            events,
            under_way: BTreeMap::new(),
        }
    }

    /// The value of an attribute from now on; `None` when there are too many attributes.
    pub(crate) fn set_attribute(&mut self, node: Node, place: Place, value: Value) -> Option<()> {
        let key = (node, place);
        let is_full = self.attributes.len() >= ATTRIBUTE_COUNT_MAX;
        match self.attributes.get_mut(&key) {
            Some(turn) if turn.what == value => return Some(()),
            Some(turn) => turn.replace(value),
            None if is_full => return None,
            None => {
                self.attributes.insert(key.clone(), Turn::new(value));
            }
        }
        self.waiting.insert(key);
        Some(())
    }

    pub(crate) fn set_children(&mut self, children: Vec<Child>) {
        match &mut self.children {
            Some(turn) => turn.replace(children),
            None => self.children = Some(Turn::new(children)),
        }
    }

    /// An answer to the message with this Seq.
    pub(crate) fn answer(&mut self, message: UpMessage, seq: u64, ts: u64) {
        if self.answers.len() >= ANSWER_COUNT_MAX {
            self.answers.pop_front();
        }
        self.last_number += 1;
        let general = General { seq, ts };
        self.answers.push_back(Answer { number: self.last_number, message, general, waits: true });
    }

    /// A call of an operation of the platform; its number, or `None` when too many wait.
    pub(crate) fn call(&mut self, message: UpMessage, now: Moment) -> Option<u64> {
        if self.calls.len() >= CALL_COUNT_MAX {
            return None;
        }
        self.last_number += 1;
        let number = self.last_number;
        self.calls.push_back(Call {
            number,
            message,
            general: None,
            waits: true,
            until: now + CALL_TIME_MAX,
        });
        Some(number)
    }

    /// The call that a message with this Seq answers.
    pub(crate) fn call_answered(&mut self, seq: u64) -> Option<u64> {
        let is_answered = |call: &Call| call.general.is_some_and(|general| general.seq == seq);
        let at = self.calls.iter().position(is_answered)?;
        self.calls.remove(at).map(|call| call.number)
    }

    /// Calls that were not answered in time.
    pub(crate) fn expire(&mut self, now: Moment) -> Vec<u64> {
        let mut over = Vec::new();
        self.calls.retain(|call| {
            let is_over = call.until <= now;
            if is_over {
                over.push(call.number);
            }
            !is_over
        });
        over
    }

    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        self.calls.iter().map(|call| call.until).min()
    }

    /// A session began: all attributes and sub-devices are told again, and what is wanted is asked.
    pub(crate) fn logged_in(&mut self) {
        if let Some(children) = &mut self.children {
            children.say_again();
        }
        for (key, turn) in &mut self.attributes {
            turn.say_again();
            self.waiting.insert(key.clone());
            self.asks.insert((key.0.clone(), key.1.resource().clone()));
        }
    }

    /// The connection ended: nothing is under way any more.
    pub(crate) fn link_lost(&mut self) {
        self.events.link_lost();
        for item in core::mem::take(&mut self.under_way).into_values() {
            self.wait_again(item);
        }
    }

    fn wait_again(&mut self, item: Item) {
        match item {
            Item::Children(version) => {
                if let Some(turn) = self.children.as_mut().filter(|turn| turn.version == version) {
                    turn.waits = true;
                }
            }
            // asked again at the next login
            Item::AskDesired | Item::Event(_) => {}
            Item::Attribute(key, version) => {
                if let Some(turn) = self.attributes.get_mut(&key).filter(|turn| turn.version == version) {
                    turn.waits = true;
                    self.waiting.insert(key);
                }
            }
            Item::Answer(number) => {
                if let Some(answer) = self.answers.iter_mut().find(|answer| answer.number == number) {
                    answer.waits = true;
                }
            }
            Item::Call(number) => {
                if let Some(call) = self.calls.iter_mut().find(|call| call.number == number) {
                    call.waits = true;
                }
            }
        }
    }

    /// The next thing to say, marked as said.
    pub(crate) fn next(&mut self, ts: u64, dropped: u64) -> Option<(Item, General, UpMessage)> {
        let seq = &mut self.seq;
        let mut numbers = |general: &mut Option<General>| {
            *general.get_or_insert_with(|| {
                *seq += 1;
                General { seq: *seq, ts }
            })
        };
        if let Some(turn) = self.children.as_mut().filter(|turn| turn.waits) {
            turn.waits = false;
            let message = UpMessage::Children(turn.what.clone());
            return Some((Item::Children(turn.version), numbers(&mut turn.general), message));
        }
        if let Some((node, resource)) = self.asks.pop_first() {
            let message = UpMessage::AskDesired { node, resource };
            return Some((Item::AskDesired, numbers(&mut None), message));
        }
        while let Some(key) = self.waiting.pop_first() {
            let Some(turn) = self.attributes.get_mut(&key).filter(|turn| turn.waits) else { continue };
            turn.waits = false;
            let (node, place) = key.clone();
            let message = UpMessage::Attribute { node, place, value: turn.what.clone() };
            return Some((Item::Attribute(key, turn.version), numbers(&mut turn.general), message));
        }
        if let Some(answer) = self.answers.iter_mut().find(|answer| answer.waits) {
            answer.waits = false;
            return Some((Item::Answer(answer.number), answer.general, answer.message.clone()));
        }
        if let Some(call) = self.calls.iter_mut().find(|call| call.waits) {
            call.waits = false;
            return Some((Item::Call(call.number), numbers(&mut call.general), call.message.clone()));
        }
        let event = self.events.next_unsent()?;
        event.is_sent = true;
        let message = event.message(dropped);
        Some((Item::Event(event.number), numbers(&mut event.general), message))
    }

    /// A message went out under this identifier.
    pub(crate) fn sent(&mut self, id: PacketId, item: Item) {
        self.under_way.insert(id, item);
    }

    /// A message is acknowledged, or refused; the event that it was.
    pub(crate) fn acknowledged(&mut self, id: PacketId) -> Option<KeptEvent> {
        let item = self.under_way.remove(&id)?;
        self.settle(&item)
    }

    /// Forgets what need not be said again.
    pub(crate) fn settle(&mut self, item: &Item) -> Option<KeptEvent> {
        match item {
            Item::Answer(number) => self.answers.retain(|answer| answer.number != *number),
            Item::Event(number) => return self.events.remove(*number),
            Item::Children(_) | Item::AskDesired | Item::Attribute(..) | Item::Call(_) => {}
        }
        None
    }
}
