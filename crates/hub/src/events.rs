//! Events: each stored once under a number of its thing, the last 1,000 kept, what was lost counted.

use clock::{Now, Timestamp};
use consent::{Act, Party};
use ledger::BadRecord;
use minicbor::{Decode, Encode};
use model::Uuid;
use serde_json::Value;
use store::{Batch, Decision, Operation, Range, ReadSet, Snapshot, decided};

use crate::access::{admit, admit_reads, affordance};
use crate::json;
use crate::model::AffordanceKind;
use crate::notice::{Effect, Notice};
use crate::refusal::{Fault, Refusal};
use crate::schema;
use crate::spaces::{
    EVENT, affordance_key, event_id_key, head_key, number_of, numbered, numbered_key, thing_key, unversioned,
    versioned,
};
use crate::spot::{Found, Spot};
use crate::thing::Thing;

/// Events kept of one thing; the oldest makes room. An event that comes again is known as long as it is kept.
pub const EVENT_COUNT_MAX: usize = 1000;

/// An event as a device tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The device's own id of this event: one that comes again is stored once. `None`: it gave none, and
    /// nothing tells it from others.
    pub id: Option<Uuid>,
    /// Which event of the model.
    pub of: Spot,
    /// What it says; `null` where it says nothing.
    pub data: Value,
    /// When it happened, as the device says.
    pub at: Option<Timestamp>,
    /// How many events the device itself had to drop before this one.
    pub lost_before: u64,
}

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Its number among the events of its thing: 1, 2, 3, in the order in which they came.
    pub number: u64,
    /// Its own id.
    pub id: Uuid,
    /// Which event of the model.
    pub name: String,
    /// What it says.
    pub data: Value,
    /// When it happened, as the device says; else when we heard.
    pub at: Timestamp,
    /// When we heard.
    pub received: Timestamp,
    /// How many events the device itself had to drop before this one.
    pub lost_before: u64,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Stored {
    #[cbor(n(0), with = "ledger::fields::id16")]
    id: Uuid,
    #[n(1)]
    name: String,
    #[n(2)]
    json: String,
    #[n(3)]
    at_unix_millis: u64,
    #[n(4)]
    received_unix_millis: u64,
    #[n(5)]
    lost_before: u64,
}

/// Numbers of a thing's events.
#[derive(Clone, Default, Encode, Decode)]
#[cbor(map)]
struct EventHead {
    #[n(0)]
    last: u64,
    #[n(1)]
    kept: u64,
}

impl StoredEvent {
    fn from_value(number: u64, stored: &[u8]) -> Result<Self, BadRecord> {
        let Stored { id, name, json, at_unix_millis, received_unix_millis, lost_before } =
            ledger::from_bytes(stored)?;
        Ok(Self {
            number,
            id,
            name,
            data: json::from_text(&json)?,
            at: Timestamp::from_unix_millis(at_unix_millis),
            received: Timestamp::from_unix_millis(received_unix_millis),
            lost_before,
        })
    }
}

/// A device tells of an event.
#[derive(Clone, Debug)]
pub struct Raise {
    /// The device's own thing.
    pub thing: Uuid,
    /// The event.
    pub event: Event,
    /// The id of an event that brings none.
    pub fresh: Uuid,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raised {
    /// The number under which it is stored.
    pub number: u64,
    /// Whether it came for the first time.
    pub is_new: bool,
}

impl Raise {
    fn id(&self) -> Uuid {
        self.event.id.unwrap_or(self.fresh)
    }

    fn head(&self, snapshot: &Snapshot) -> Result<EventHead, BadRecord> {
        Ok(ledger::record(snapshot, &head_key(EVENT, self.thing))?.unwrap_or_default())
    }

    fn oldest(&self) -> Range {
        numbered(EVENT, self.thing, None, 1)
    }

    /// The event's name, or what is to be read first.
    fn name(&self, snapshot: &Snapshot) -> Result<Result<Option<String>, ReadSet>, BadRecord> {
        let mut missing = ReadSet::default();
        let name = match self.event.of.find(snapshot, self.thing, AffordanceKind::Event)? {
            Found::Unread(key) => {
                missing.keys.push(key);
                None
            }
            Found::Nothing => None,
            Found::Name(name) => {
                let key = affordance_key(self.thing, AffordanceKind::Event, &name);
                if !snapshot.covers(&key) {
                    missing.keys.push(key);
                }
                Some(name)
            }
        };
        if self.head(snapshot)?.kept >= EVENT_COUNT_MAX as u64 && !snapshot.covers_range(&self.oldest()) {
            missing.ranges.push(self.oldest());
        }
        let is_complete = missing.keys.is_empty() && missing.ranges.is_empty();
        Ok(if is_complete { Ok(name) } else { Err(missing) })
    }

    fn raise(
        &self,
        snapshot: &Snapshot,
        name: Option<String>,
        now: Now,
    ) -> Result<(Batch, Raised, Vec<Effect>), Refusal> {
        let received = now.utc.ok_or(Refusal::Fault(Fault::NoClock))?;
        Thing::read(snapshot, self.thing)?.ok_or(Refusal::NotHere)?;
        if let Some(stored) = snapshot.value(&event_id_key(self.thing, self.id())) {
            let number = unversioned(stored)?.try_into().map(u64::from_be_bytes).map_err(|_| BadRecord)?;
            return Ok((Batch::default(), Raised { number, is_new: false }, Vec::new()));
        }
        let name = name.ok_or(Refusal::NoSuchName)?;
        let form = affordance(snapshot, self.thing, AffordanceKind::Event, &name)?;
        let form = form.ok_or(Refusal::NoSuchName)?;
        let json = json::to_text(&self.event.data)?;
        if let Some(form) = form.part("data") {
            schema::check(form, &self.event.data)?;
        }
        let mut batch = Batch::default();
        let mut head = self.head(snapshot)?;
        if head.kept >= EVENT_COUNT_MAX as u64 {
            if let Some((key, record)) = snapshot.page(&self.oldest()).records.first() {
                let oldest: Stored = ledger::from_bytes(&record.value)?;
                batch.delete(key.clone());
                batch.delete(event_id_key(self.thing, oldest.id));
            }
        } else {
            head.kept += 1;
        }
        head.last += 1;
        let event = StoredEvent {
            number: head.last,
            id: self.id(),
            name,
            data: self.event.data.clone(),
            at: self.event.at.unwrap_or(received),
            received,
            lost_before: self.event.lost_before,
        };
        let stored = Stored {
            id: event.id,
            name: event.name.clone(),
            json,
            at_unix_millis: event.at.as_unix_millis(),
            received_unix_millis: received.as_unix_millis(),
            lost_before: event.lost_before,
        };
        batch.put(head_key(EVENT, self.thing), ledger::to_bytes(&head));
        batch.put(numbered_key(EVENT, self.thing, event.number), ledger::to_bytes(&stored));
        batch.put(event_id_key(self.thing, event.id), versioned(&event.number.to_be_bytes()));
        let raised = Raised { number: event.number, is_new: true };
        Ok((batch, raised, vec![Effect::Notice(Notice::Event { thing: self.thing, event })]))
    }
}

impl Operation for Raise {
    type Reply = Result<Raised, Refusal>;
    type Effect = Effect;

    fn reads(&self) -> ReadSet {
        ReadSet::of([thing_key(self.thing), head_key(EVENT, self.thing), event_id_key(self.thing, self.id())])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, Effect> {
        let refused = |why| Decision::Done { batch: Batch::default(), reply: Err(why), effects: Vec::new() };
        let name = match self.name(snapshot) {
            Ok(Ok(name)) => name,
            Ok(Err(missing)) => return Decision::Need(missing),
            Err(bad) => return refused(bad.into()),
        };
        match self.raise(snapshot, name, now) {
            Ok((batch, raised, effects)) => Decision::Done { batch, reply: Ok(raised), effects },
            Err(why) => refused(why),
        }
    }
}

/// Lists the kept events of a thing that the caller may observe, oldest first.
#[derive(Clone, Debug)]
pub struct ListEvents {
    /// Of which thing.
    pub thing: Uuid,
    /// Only of this name.
    pub name: Option<String>,
    /// Behind this number.
    pub after: Option<u64>,
    /// Looks at so many at most: a page may be short and go on.
    pub limit: usize,
    /// For whom.
    pub party: Party,
}

/// One page of events.
#[derive(Clone, Debug, PartialEq)]
pub struct EventPage {
    /// Events, oldest first.
    pub events: Vec<StoredEvent>,
    /// Where to go on; `None`: that was all.
    pub next: Option<u64>,
    /// How many events behind `after` are no longer kept; 0 when the list began at the oldest.
    pub gap: u64,
}

impl ListEvents {
    fn range(&self) -> Range {
        numbered(EVENT, self.thing, self.after, self.limit.clamp(1, EVENT_COUNT_MAX))
    }
}

impl Operation for ListEvents {
    type Reply = Result<EventPage, Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        let mut reads = admit_reads(&self.party, self.thing).with_range(self.range());
        if let Some(name) = &self.name {
            reads.keys.push(affordance_key(self.thing, AffordanceKind::Event, name));
        }
        reads
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            let admitted = admit(snapshot, &self.party, self.thing, now)?;
            if let Some(name) = &self.name {
                admitted.permit(Act::Observe, name)?;
                affordance(snapshot, self.thing, AffordanceKind::Event, name)?.ok_or(Refusal::NoSuchName)?;
            }
            let page = snapshot.page(&self.range());
            let (mut events, mut last) = (Vec::new(), None);
            for (key, record) in &page.records {
                let number = number_of(key).ok_or(BadRecord)?;
                let event = StoredEvent::from_value(number, &record.value)?;
                last = Some(number);
                let is_wanted = self.name.as_ref().is_none_or(|name| *name == event.name);
                if is_wanted && admitted.standing.may(Act::Observe, &event.name) {
                    events.push(event);
                }
            }
            let first = page.records.first().and_then(|(key, _)| number_of(key));
            let gap = first.zip(self.after).map_or(0, |(first, after)| first.saturating_sub(after + 1));
            Ok(EventPage { events, next: if page.more { last } else { None }, gap })
        })
    }
}
