//! A desk, a door lock behind it, and words for what people do.

use std::collections::BTreeSet;
use std::sync::Arc;

use accounts::{AUDIT, AuditEntry};
use clock::{Dice, Timestamp};
use hub::{
    Act, Acts, Binding, Command, Event, Interest, Marks, Names, Order, OsapMode, Outcome, Party, Pick,
    Refusal, Reply, Reported, Spot, ThingModel,
};
use hub_desk::{Attachment, HubDesk, Watch};
use model::Uuid;
use net::executor::Executor;
use net::now::Clock;
use serde_json::{Value, json};
use store::{Memory, Range, Table as _};

pub(crate) const LOCK: Uuid = Uuid([7; 16]);
pub(crate) const OTHER: Uuid = Uuid([8; 16]);

pub(crate) struct House {
    pub(crate) table: Arc<Memory>,
    pub(crate) desk: HubDesk,
    pub(crate) clock: Clock,
}

pub(crate) fn birch() -> Party {
    Party::Person("birch".into())
}

pub(crate) fn lock_model() -> ThingModel {
    let model = json!({
        "title": "Front door",
        "properties": {
            "battery": {"type": "integer", "minimum": 0, "maximum": 100, "readOnly": true},
            "mode": {"type": "string", "enum": ["home", "away"], "osap:place": {"area": "Lock"}},
            "volume": {"type": "integer", "minimum": 0, "maximum": 10},
        },
        "actions": {"unlock": {
            "input": {"type": "object", "properties": {"seconds": {"type": "integer", "minimum": 1}}},
            "output": {"type": "string"},
        }},
        "events": {"tamper": {"data": {"type": "string"}}},
    });
    ThingModel::new(model).unwrap()
}

impl House {
    /// A desk with one thing, the lock.
    pub(crate) async fn new() -> Self {
        let house = Self::over(Arc::new(Memory::default()));
        let add = Command::Add {
            id: Some(LOCK),
            model: lock_model(),
            binding: Binding::Osap { serial: "D00000001".into(), mode: OsapMode::Serial },
            marks: Marks::default(),
        };
        assert!(matches!(house.call(Party::Owner, add).await, Ok(Reply::Thing(_))));
        house
    }

    /// The desk of a process that starts over what is stored.
    pub(crate) fn over(table: Arc<Memory>) -> Self {
        let clock = Clock::start();
        let executor = Executor::new(table.clone(), clock, Dice::numbered(1));
        Self { table, desk: HubDesk::open(executor, "management"), clock }
    }

    pub(crate) async fn call(&self, party: Party, command: Command) -> Result<Reply, Refusal> {
        self.desk.call(party, command).await
    }

    pub(crate) fn in_millis(&self, millis: u64) -> Timestamp {
        Timestamp::from_unix_millis(self.clock.now().utc.unwrap().as_unix_millis() + millis)
    }

    pub(crate) async fn grant(
        &self,
        party: Party,
        acts: &[Act],
        names: &[&str],
        until: Option<Timestamp>,
    ) -> Uuid {
        let names = match names {
            [] => Names::All,
            names => Names::Set(names.iter().map(|name| (*name).to_owned()).collect()),
        };
        let acts: Acts = acts.iter().copied().collect();
        let grant = Command::Grant { party, thing: LOCK, acts, names, from: None, until };
        match self.call(Party::Owner, grant).await {
            Ok(Reply::Granted(grant)) => grant.id,
            other => panic!("not granted: {other:?}"),
        }
    }

    pub(crate) async fn revoke(&self, grant: Uuid) {
        assert_eq!(self.call(Party::Owner, Command::Revoke { grant }).await, Ok(Reply::Done));
    }

    pub(crate) async fn report(&self, name: &str, value: Value) {
        let reported = Reported { of: Spot::Named(name.into()), value, at: None };
        let reporting = self.desk.report(LOCK, vec![reported]).await.unwrap();
        assert_eq!((reporting.taken, reporting.refused), (1, vec![]));
    }

    pub(crate) async fn raise(&self, data: &str) -> u64 {
        let event =
            Event { id: None, of: Spot::Named("tamper".into()), data: data.into(), at: None, lost_before: 0 };
        self.desk.raise(LOCK, event).await.unwrap().number
    }

    pub(crate) async fn watch(&self, party: Party, properties: Pick, events: Pick) -> Watch {
        self.desk.watch(party, Interest { thing: LOCK, properties, events }).await.unwrap()
    }

    pub(crate) fn read(name: &str) -> Command {
        Command::Read { thing: LOCK, name: name.into(), fresh: false }
    }

    pub(crate) fn write(name: &str, value: Value, wait_millis: u64) -> Command {
        Command::Write { thing: LOCK, name: name.into(), value, wait_millis }
    }

    pub(crate) fn unlock(wait_millis: u64) -> Command {
        let input = json!({"seconds": 5});
        Command::Invoke { thing: LOCK, name: "unlock".into(), input, deadline_millis: 60_000, wait_millis }
    }

    /// What stands in the audit log, as `operation actor result`.
    pub(crate) fn audit(&self) -> BTreeSet<String> {
        let range = Range { space: AUDIT, prefix: Vec::new(), after: None, limit: 1000 };
        let page = self.table.scan(&range).unwrap();
        let entries = page.records.iter().map(|(_, record)| AuditEntry::from_bytes(&record.value).unwrap());
        entries.map(|entry| format!("{} {} {}", entry.operation, entry.actor, entry.result)).collect()
    }
}

pub(crate) fn names(names: &[&str]) -> Pick {
    Pick::Set(names.iter().map(|name| (*name).to_owned()).collect())
}

/// A device that answers every order with `answer` until its line ends.
pub(crate) fn obedient(
    desk: &HubDesk,
    mut device: Attachment,
    answer: impl Fn(&Order) -> Result<Option<Value>, (i64, String)> + Send + 'static,
) -> tokio::task::JoinHandle<Vec<Order>> {
    let desk = desk.clone();
    tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some(order) = device.orders.recv().await {
            let outcome = Outcome { id: order.id, result: answer(&order) };
            desk.answer(order.thing, outcome).await.unwrap();
            seen.push(order);
        }
        seen
    })
}
