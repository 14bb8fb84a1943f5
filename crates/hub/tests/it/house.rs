//! A store in memory with a clock that the test turns, and one thing: a door lock.

use std::cell::Cell;
use std::collections::BTreeSet;

use accounts::{AUDIT, AuditEntry};
use clock::{Moment, Now, Timestamp};
use consent::AddGrant;
use hub::{
    Act, AddThing, AddThingGrant, Asked, Binding, Effect, Marks, Names, Origin, OsapMode, Party, Place,
    Refusal, Report, Reported, Reporting, Spot, Thing, ThingModel,
};
use model::{CorrelationId, Uuid};
use serde_json::{Value, json};
use store::{Committed, Memory, Operation, Range, Space, Table as _, run};

pub(crate) const LOCK: Uuid = Uuid([7; 16]);
pub(crate) const NOON: u64 = 1_800_000_000_000;

pub(crate) struct House {
    pub(crate) table: Memory,
    drawn: Cell<u64>,
    pub(crate) millis: Cell<u64>,
}

pub(crate) fn birch() -> Party {
    Party::Person("birch".into())
}

pub(crate) fn lock_json() -> Value {
    json!({
        "title": "Front door",
        "properties": {
            "battery": {"type": "integer", "minimum": 0, "maximum": 100, "readOnly": true},
            "mode": {"type": "string", "enum": ["home", "away"],
                     "osap:place": {"resource": "1-Lock", "area": "Lock", "identifier": "lockMode"}},
            "volume": {"type": "integer", "minimum": 0, "maximum": 10},
            "code": {"type": "string", "writeOnly": true},
        },
        "actions": {
            "unlock": {
                "input": {"type": "object", "properties": {"seconds": {"type": "integer", "minimum": 1}},
                          "required": ["seconds"]},
                "output": {"type": "string"},
            },
            "ring": {},
        },
        "events": {"tamper": {"data": {"type": "string"}, "osap:place": {"area": "Lock"}}, "opened": {}},
    })
}

pub(crate) fn place(area: &str, identifier: &str) -> Spot {
    Spot::Placed(Place { resource: "0-global".into(), area: area.into(), identifier: identifier.into() })
}

impl House {
    pub(crate) fn empty() -> Self {
        Self { table: Memory::default(), drawn: Cell::new(0), millis: Cell::new(NOON) }
    }

    pub(crate) fn new() -> Self {
        let house = Self::empty();
        house.add(LOCK, "D1", lock_json()).unwrap();
        house
    }

    pub(crate) fn add(&self, id: Uuid, serial: &str, model: Value) -> Result<Thing, Refusal> {
        let binding = self.binding_of(serial);
        let model = ThingModel::new(model).unwrap();
        self.run(&AddThing { id, model, binding, marks: Marks::default(), origin: self.origin() })
    }

    pub(crate) fn binding_of(&self, serial: &str) -> Binding {
        Binding::Osap { serial: serial.into(), mode: OsapMode::Serial }
    }

    pub(crate) fn now(&self) -> Now {
        Now::new(Moment::START, Timestamp::from_unix_millis(self.millis.get()))
    }

    pub(crate) fn later(&self, millis: u64) {
        self.millis.set(self.millis.get() + millis);
    }

    pub(crate) fn origin(&self) -> Origin {
        let number = self.drawn.get() + 1;
        self.drawn.set(number);
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&number.to_be_bytes());
        let correlation = CorrelationId(*seed.first_chunk().unwrap());
        Origin { role: "management", actor: "root".into(), address: None, correlation, seed }
    }

    pub(crate) fn asked(&self, party: Party) -> Asked {
        let origin = Origin { actor: party.to_string(), ..self.origin() };
        Asked { party, origin }
    }

    pub(crate) fn commit<O: Operation>(&self, operation: &O) -> Committed<O::Reply, O::Effect> {
        run(&self.table, operation, self.now()).unwrap()
    }

    pub(crate) fn run<O: Operation>(&self, operation: &O) -> O::Reply {
        self.commit(operation).reply
    }

    pub(crate) fn grant(&self, party: Party, acts: &[Act], names: &[&str]) -> Uuid {
        let names = Names::Set(names.iter().map(|name| (*name).to_owned()).collect());
        let acts = acts.iter().copied().collect();
        let origin = self.origin();
        let add = AddGrant { party, thing: LOCK, acts, names, from: None, until: None, origin };
        self.run(&AddThingGrant(add)).unwrap().id
    }

    pub(crate) fn report(&self, values: Vec<(Spot, Value)>) -> (Reporting, Vec<Effect>) {
        let values = values.into_iter().map(|(of, value)| Reported { of, value, at: None }).collect();
        let done = self.commit(&Report { thing: LOCK, values });
        (done.reply.unwrap(), done.effects)
    }

    /// Records of things and grants, by space.
    pub(crate) fn record_counts(&self) -> Vec<usize> {
        let count = |space| {
            let range = Range { space: Space(space), prefix: vec![], after: None, limit: 10_000 };
            self.table.scan(&range).unwrap().records.len()
        };
        (0x50..=0x5f).map(count).collect()
    }

    pub(crate) fn audit(&self) -> BTreeSet<String> {
        let range = Range { space: AUDIT, prefix: vec![], after: None, limit: 1000 };
        let entries = self.table.scan(&range).unwrap().records;
        let entries = entries.iter().map(|(_, record)| AuditEntry::from_bytes(&record.value).unwrap());
        entries.map(|entry| format!("{} {} {}", entry.operation, entry.actor, entry.result)).collect()
    }
}

pub(crate) fn named(name: &str) -> Spot {
    Spot::Named(name.into())
}
