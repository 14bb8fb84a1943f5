//! Events on their way: each is safe before it counts, and is kept until the platform has it.
//!
//! `ARRAY [1, id, Unix ms, child's serial or NULL, resource, area, identifier, data as JSON]`
//! Source: OSAP draft 2.1.4; ADR 0272.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use assure_proto::cbor::{Kind, Reader, Writer};
use clock::Timestamp;
use model::Uuid;
use osap_proto::{General, Serial};
use osap_things::{Node, Place, Resource, UpMessage, read_json};
use serde_json::Value;
use wire::{DecodeError, Reason};

const VERSION: u8 = 1;

/// An event that the platform does not have yet.
#[derive(Clone, Debug)]
pub(crate) struct KeptEvent {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) at: Timestamp,
    pub(crate) node: Node,
    pub(crate) place: Place,
    pub(crate) data: Value,
    /// The write that makes it safe, until it is.
    pub(crate) unsafe_until: Option<u64>,
    pub(crate) general: Option<General>,
    pub(crate) is_sent: bool,
}

impl KeptEvent {
    pub(crate) fn message(&self, dropped: u64) -> UpMessage {
        let Self { id, at, node, place, data, .. } = self;
        UpMessage::Event {
            node: node.clone(),
            place: place.clone(),
            id: *id,
            at: *at,
            data: data.clone(),
            dropped,
        }
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.array(8).uint(VERSION).bytes(&self.id.0).uint(self.at.as_unix_millis());
        match &self.node {
            Node::Device => out.null(),
            Node::Child(serial) => out.bytes(serial.as_bytes()),
        };
        out.text(self.place.resource().as_str()).text(self.place.area()).text(self.place.identifier());
        out.bytes(&serde_json::to_vec(&self.data).expect("a JSON value is JSON"));
        out.finish()
    }

    pub(crate) fn read(number: u64, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::whole(bytes)?;
        reader.array_of(8)?;
        let version = reader.error(Reason::UnknownVersion);
        if reader.u8()? != VERSION {
            return Err(version);
        }
        let bad = reader.error(Reason::OutOfRange);
        let (id, at) = (Uuid(reader.bytes_of()?), Timestamp::from_unix_millis(reader.u64()?));
        let node = if reader.peek() == Some(Kind::Simple) {
            reader.null()?;
            Node::Device
        } else {
            Serial::new(reader.bytes()?).and_then(Node::child).ok_or(bad)?
        };
        let resource = Resource::new(reader.text()?).map_err(|_| bad)?;
        let (area, identifier) = (reader.text()?, reader.text()?);
        let place = Place::new(resource, area, identifier).map_err(|_| bad)?;
        let data = read_json(reader.bytes()?)?;
        reader.finish()?;
        Ok(Self { number, id, at, node, place, data, unsafe_until: None, general: None, is_sent: false })
    }
}

/// The events of a device, oldest first.
#[derive(Debug)]
pub(crate) struct Events {
    kept: VecDeque<KeptEvent>,
    next: u64,
    count_max: usize,
}

impl Events {
    /// Those that were found again, from number `first` on.
    pub(crate) fn restored(
        mut found: Vec<(u64, Vec<u8>)>,
        first: u64,
        count_max: usize,
    ) -> Result<Self, DecodeError> {
        found.sort_by_key(|(number, _)| *number);
        found.retain(|(number, _)| *number >= first);
        let next = found.last().map_or(first, |(number, _)| number + 1);
        let kept = found.iter().map(|(number, bytes)| KeptEvent::read(*number, bytes));
        Ok(Self { kept: kept.collect::<Result<_, _>>()?, next, count_max: count_max.max(1) })
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// The number the next event gets.
    pub(crate) const fn next_number(&self) -> u64 {
        self.next
    }

    /// Takes the oldest out when there is no room for one more.
    pub(crate) fn make_room(&mut self) -> Option<KeptEvent> {
        if self.kept.len() >= self.count_max { self.kept.pop_front() } else { None }
    }

    pub(crate) fn push(&mut self, event: KeptEvent) {
        self.next = event.number + 1;
        self.kept.push_back(event);
    }

    /// All writes up to `write` are safe; the names of events that are so now.
    pub(crate) fn persisted(&mut self, write: u64) -> Vec<Uuid> {
        let mut safe = Vec::new();
        for event in &mut self.kept {
            if event.unsafe_until.is_some_and(|needed| needed <= write) {
                event.unsafe_until = None;
                safe.push(event.id);
            }
        }
        safe
    }

    /// The oldest event that is not on its way: none overtakes one that is not safe yet.
    pub(crate) fn next_unsent(&mut self) -> Option<&mut KeptEvent> {
        self.kept.iter_mut().find(|event| !event.is_sent).filter(|event| event.unsafe_until.is_none())
    }

    /// Takes out an event that the platform has, or does not want.
    pub(crate) fn remove(&mut self, number: u64) -> Option<KeptEvent> {
        let at = self.kept.iter().position(|event| event.number == number)?;
        self.kept.remove(at)
    }

    /// Nothing is on its way any more.
    pub(crate) fn link_lost(&mut self) {
        for event in &mut self.kept {
            event.is_sent = false;
        }
    }
}
