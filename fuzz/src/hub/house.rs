//! One thing, its device, its owner, two others and a stranger: nothing is told or done without right, and no
//! order leaves twice.

use std::collections::{BTreeMap, BTreeSet};

use ::hub::{
    Act, AddThing, AddThingGrant, Answer, Answered, Asked, Binding, Effect, Event, Interest, Invoke,
    ListEvents, Marks, Names, Notice, Order, OrderKind, Origin, OsapMode, Outcome, Party, Pick, Raise, Read,
    ReadAll, Refusal, RemoveThing, Report, Reported, Spot, Subscribe, TakePending, ThingModel, What,
    Withdraw, Write, order_number,
};
use clock::{Moment, Now, Timestamp};
use consent::{AddGrant, RevokeGrant, Revoked};
use model::{CorrelationId, Uuid};
use serde_json::json;
use store::{Committed, Memory, Operation, run};

use crate::memory;
use crate::rules::reached;
use crate::script::{Recorder, Script};
use crate::{Reached, Target};

pub(super) const HUB: Target = Target {
    name: "hub",
    about: "commands of owner, granted, revoked and strangers, and of a device; beside a model of rights",
    length_max: 512,
    run: |input| memory::within(8 * 1024 * 1024, || commands(input)),
    seeds,
};

const LOCK: Uuid = Uuid([7; 16]);
const NOON: u64 = 1_800_000_000_000;
const PROPERTIES: [&str; 3] = ["battery", "volume", "none"];
const ACTIONS: [&str; 2] = ["ring", "none"];
const EVENTS: [&str; 2] = ["opened", "none"];
const ACTS: [Act; 4] = [Act::Read, Act::Write, Act::Call, Act::Observe];

/// A grant as the model has it.
struct Granted {
    id: Uuid,
    party: usize,
    act: Act,
    name: &'static str,
    /// Before then, in milliseconds.
    until: Option<u64>,
}

struct House {
    table: Memory,
    drawn: u64,
    millis: u64,
    is_there: bool,
    grants: Vec<Granted>,
    values: BTreeMap<&'static str, i64>,
    /// Orders of calls that left for the device; none may leave again.
    left: BTreeSet<u64>,
    /// The newest version of a wanted value that left, by property.
    versions: BTreeMap<String, u64>,
    /// Calls by number, with who asked.
    calls: BTreeMap<u64, usize>,
    withdrawn: BTreeSet<u64>,
    /// Who wanted which version of a value.
    writers: BTreeMap<u64, usize>,
    events: BTreeSet<u8>,
    /// A success without being the owner.
    was_allowed: bool,
}

fn party(which: usize) -> Party {
    match which {
        0 => Party::Owner,
        1 => Party::Person("birch".into()),
        2 => Party::Client("meter".into()),
        _ => Party::Stranger,
    }
}

fn thing_model() -> ThingModel {
    let json = json!({
        "title": "Front door",
        "properties": {
            "battery": {"type": "integer", "minimum": 0, "maximum": 100, "readOnly": true},
            "volume": {"type": "integer", "minimum": 0, "maximum": 10},
        },
        "actions": {"ring": {"input": {"type": "integer", "maximum": 99}}},
        "events": {"opened": {"data": {"type": "integer"}}},
    });
    ThingModel::new(json).expect("a model that is taken")
}

fn commands(input: &[u8]) -> Reached {
    let mut house = House {
        table: Memory::new(),
        drawn: 0,
        millis: NOON,
        is_there: false,
        grants: Vec::new(),
        values: BTreeMap::new(),
        left: BTreeSet::new(),
        versions: BTreeMap::new(),
        calls: BTreeMap::new(),
        withdrawn: BTreeSet::new(),
        writers: BTreeMap::new(),
        events: BTreeSet::new(),
        was_allowed: false,
    };
    house.add();
    let mut script = Script::new(input);
    while !script.is_empty() {
        house.step(&mut script);
    }
    reached(house.was_allowed)
}

/// What a refusal says to whoever may not.
fn tells_nothing(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::NotHere | Refusal::NotPermitted)
}

impl House {
    fn origin(&mut self) -> Origin {
        self.drawn += 1;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.drawn.to_be_bytes());
        let correlation = CorrelationId(*seed.first_chunk().expect("32 bytes"));
        Origin { role: "management", actor: "somebody".into(), address: None, correlation, seed }
    }

    fn asked(&mut self, who: usize) -> Asked {
        Asked { party: party(who), origin: self.origin() }
    }

    fn commit<O: Operation>(&self, operation: &O) -> Committed<O::Reply, O::Effect> {
        let now = Now::new(Moment::START, Timestamp::from_unix_millis(self.millis));
        run(&self.table, operation, now).expect("memory does not fail")
    }

    fn reply<O: Operation>(&self, operation: &O) -> O::Reply {
        self.commit(operation).reply
    }

    fn may(&self, who: usize, act: Act, name: &str) -> bool {
        let holds = |grant: &Granted| grant.until.is_none_or(|until| self.millis < until);
        let allows = |grant: &Granted| grant.party == who && grant.act == act && grant.name == name;
        self.is_there && (who == 0 || self.grants.iter().any(|grant| allows(grant) && holds(grant)))
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let operation = script.u8();
        let choice = script.u8();
        let who = usize::from(choice & 3);
        let property = PROPERTIES[usize::from(choice >> 2) % 3];
        let action = ACTIONS[usize::from(choice >> 2) % 2];
        match operation % 16 {
            0 | 1 => self.grant(choice, script.u8()),
            2 => self.revoke(choice),
            3 => self.read(who, property),
            4 => self.read_all(who),
            5 => self.write(who, property, script.u8()),
            6 | 7 => self.invoke(who, action, script.u8()),
            8 => self.withdraw(who, u64::from(script.u8())),
            9 => self.report(property, i64::from(script.u8())),
            10 => self.raise(EVENTS[usize::from(choice >> 2) % 2], script.u8()),
            11 => self.take(usize::from(choice & 7), choice & 8 == 0),
            12 => self.answer(u64::from(script.u8()), choice),
            13 => self.list_events(who),
            14 => self.subscribe(who, property),
            _ if choice > 250 => self.remove(),
            _ => self.millis += u64::from(choice) * 500,
        }
    }

    fn add(&mut self) {
        let binding = Binding::Osap { serial: "D1".into(), mode: OsapMode::Serial };
        let origin = self.origin();
        let add = AddThing { id: LOCK, model: thing_model(), binding, marks: Marks::default(), origin };
        self.is_there = self.reply(&add).is_ok();
        assert!(self.is_there);
    }

    /// A thing that is removed takes everything with it, and one of the same name knows nothing of it.
    fn remove(&mut self) {
        let origin = self.origin();
        let removed = self.reply(&RemoveThing { thing: LOCK, origin });
        assert!(removed.is_ok());
        self.is_there = false;
        for who in 0..4 {
            assert!(self.reply(&Read { thing: LOCK, name: "battery".into(), party: party(who) }).is_err());
        }
        self.grants.clear();
        self.values.clear();
        self.left.clear();
        self.versions.clear();
        self.calls.clear();
        self.withdrawn.clear();
        self.writers.clear();
        self.events.clear();
        self.add();
    }

    fn grant(&mut self, choice: u8, what: u8) {
        let who = usize::from(choice & 3);
        let act = ACTS[usize::from(what & 3)];
        let names: &[&'static str] = match act {
            Act::Call => &["ring"],
            Act::Observe => &["battery", "volume", "opened"],
            Act::Read | Act::Write => &["battery", "volume"],
        };
        let name = names[usize::from(what >> 2) % names.len()];
        let until = (what & 0x80 != 0).then(|| self.millis + 1 + u64::from(choice) * 100);
        let origin = self.origin();
        let add = AddGrant {
            party: party(who),
            thing: LOCK,
            acts: std::iter::once(act).collect(),
            names: Names::Set(std::iter::once(name.to_owned()).collect()),
            from: None,
            until: until.map(Timestamp::from_unix_millis),
            origin,
        };
        match self.reply(&AddThingGrant(add)) {
            Ok(grant) => {
                assert!(who == 1 || who == 2, "the owner needs none, and strangers get none");
                self.grants.push(Granted { id: grant.id, party: who, act, name, until });
            }
            Err(refusal) => assert!(who == 0 || who == 3 || self.grants.len() > 100, "{refusal:?}"),
        }
    }

    fn revoke(&mut self, choice: u8) {
        if self.grants.is_empty() {
            return;
        }
        let revoked = self.grants.swap_remove(usize::from(choice) % self.grants.len());
        let origin = self.origin();
        let done = self.commit(&RevokeGrant { id: revoked.id, origin });
        // One that was over may have made room.
        let is_over = revoked.until.is_some_and(|until| self.millis >= until);
        assert!(matches!(done.reply, Revoked::Done(_)) || is_over, "a grant that holds is there");
    }

    fn read(&mut self, who: usize, name: &'static str) {
        match self.reply(&Read { thing: LOCK, name: name.into(), party: party(who) }) {
            Ok(observation) => {
                assert!(self.may(who, Act::Read, name), "read without right");
                let value = observation.reading.map(|reading| reading.value);
                assert_eq!(value, self.values.get(name).map(|value| json!(value)), "another value");
                self.was_allowed |= who > 0;
            }
            Err(refusal) if self.may(who, Act::Read, name) => assert!(!tells_nothing(&refusal)),
            Err(refusal) => assert!(tells_nothing(&refusal), "{refusal:?} tells something"),
        }
    }

    fn read_all(&self, who: usize) {
        if let Ok(all) = self.reply(&ReadAll { thing: LOCK, party: party(who) }) {
            for (name, observation) in all {
                assert!(self.may(who, Act::Read, &name), "{name} read without right");
                let value = observation.reading.map(|reading| reading.value);
                assert_eq!(value, self.values.get(name.as_str()).map(|value| json!(value)));
            }
        }
    }

    fn write(&mut self, who: usize, name: &'static str, value: u8) {
        let asked = self.asked(who);
        let write = Write { thing: LOCK, name: name.into(), value: json!(value), asked };
        let done = self.commit(&write);
        match done.reply {
            Ok(written) => {
                assert!(self.may(who, Act::Write, name), "written without right");
                assert!(name == "volume" && value <= 10, "{name} takes no {value}");
                self.writers.insert(written.version, who);
                self.was_allowed |= who > 0;
            }
            Err(refusal) => {
                assert!(self.may(who, Act::Write, name) || tells_nothing(&refusal), "{refusal:?}");
                assert!(done.effects.is_empty(), "a refusal moves nothing");
            }
        }
        self.effects(done.effects);
    }

    fn invoke(&mut self, who: usize, name: &'static str, input: u8) {
        let asked = self.asked(who);
        let (name_of, is_deliverable) = (name.to_owned(), input & 1 == 0);
        let invoke = Invoke {
            thing: LOCK,
            name: name_of,
            input: json!(input),
            deadline_millis: 1000 + u64::from(input) * 100,
            is_deliverable,
            asked,
        };
        let done = self.commit(&invoke);
        match done.reply {
            Ok(view) => {
                assert!(self.may(who, Act::Call, name), "called without right");
                assert!(name == "ring" && input <= 99, "{name} takes no {input}");
                assert!(self.calls.insert(view.number, who).is_none(), "a number is given once");
                self.was_allowed |= who > 0;
            }
            Err(refusal) => {
                assert!(self.may(who, Act::Call, name) || tells_nothing(&refusal), "{refusal:?}");
                assert!(done.effects.is_empty(), "a refusal moves nothing");
            }
        }
        self.effects(done.effects);
    }

    fn withdraw(&mut self, who: usize, number: u64) {
        let asked = self.asked(who);
        let done = self.reply(&Withdraw { thing: LOCK, name: "ring".into(), number, asked });
        if done.is_ok() {
            let caller = self.calls.get(&number).copied();
            assert!(who == 0 || caller == Some(who), "somebody else's call is withdrawn");
            assert!(!self.left.contains(&number), "a call that left is withdrawn");
            self.withdrawn.insert(number);
        }
    }

    fn report(&mut self, name: &'static str, value: i64) {
        let values = vec![Reported { of: Spot::Named(name.into()), value: json!(value), at: None }];
        let done = self.commit(&Report { thing: LOCK, values });
        let is_fit = (name == "battery" && value <= 100) || (name == "volume" && value <= 10);
        assert_eq!(done.reply.expect("the thing is there").taken, usize::from(is_fit));
        if is_fit {
            self.values.insert(name, value);
        }
        assert!(is_fit || done.effects.is_empty(), "what does not fit is told to nobody");
        self.effects(done.effects);
    }

    fn raise(&mut self, name: &str, id: u8) {
        let fresh = Uuid(self.origin().seed[..16].try_into().expect("16 bytes"));
        let event = Event {
            id: Some(Uuid([id; 16])),
            of: Spot::Named(name.into()),
            data: json!(id),
            at: None,
            lost_before: 0,
        };
        let done = self.commit(&Raise { thing: LOCK, event, fresh });
        match done.reply {
            Ok(raised) => {
                // One that is known comes again, whatever it is called now.
                assert_eq!(raised.is_new, self.events.insert(id), "each is new once");
                assert!(name == "opened" || !raised.is_new, "{name} is no event");
                assert_eq!(done.effects.is_empty(), !raised.is_new, "each is told once");
            }
            Err(_) => assert_ne!(name, "opened"),
        }
        self.effects(done.effects);
    }

    fn take(&mut self, room: usize, with_desired: bool) {
        let desired_behind = with_desired.then_some(0);
        let orders = self.reply(&TakePending { thing: LOCK, room, desired_behind }).expect("it is there");
        assert!(orders.len() <= room);
        for order in orders {
            self.order(order, with_desired);
        }
    }

    fn answer(&mut self, number: u64, choice: u8) {
        let id = number << 2 | u64::from(choice & 3);
        let result = if choice & 4 == 0 { Ok(None) } else { Err((1, "jammed".into())) };
        let done = self.commit(&Answer { thing: LOCK, outcome: Outcome { id, result } });
        if let (Ok(Answered::Stored), Some((OrderKind::Call, number))) = (done.reply, order_number(id)) {
            assert!(self.left.contains(&number), "an answer to what was never asked is taken");
        }
    }

    fn list_events(&mut self, who: usize) {
        let list = ListEvents { thing: LOCK, name: None, after: None, limit: 100, party: party(who) };
        if let Ok(page) = self.reply(&list) {
            assert!(page.events.is_empty() || self.may(who, Act::Observe, "opened"), "told without right");
            assert!(page.events.windows(2).all(|two| two[0].number < two[1].number));
        }
    }

    fn subscribe(&mut self, who: usize, name: &str) {
        let properties = Pick::Set(std::iter::once(name.to_owned()).collect());
        let interest = Interest { thing: LOCK, properties, events: Pick::All };
        if self.reply(&Subscribe { interest, party: party(who) }).is_ok() {
            assert!(self.may(who, Act::Observe, name), "observed without right");
            self.was_allowed |= who > 0;
        }
    }

    fn effects(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Order(order) => self.order(order, false),
                Effect::Notice(Notice::Value { reading, .. }) => {
                    let value = self.values.get(reading.name.as_str());
                    assert_eq!(Some(reading.value), value.map(|value| json!(value)));
                }
                Effect::Notice(Notice::Event { event, .. }) => assert_eq!(event.name, "opened"),
                Effect::Notice(Notice::Gap { .. }) | Effect::Settled(_) | Effect::Judge { .. } => {}
            }
        }
    }

    /// An order leaves for the device. Calls leave once, and never after they were taken back; of wanted values the
    /// newest alone counts, and goes again only to a device that is there anew.
    fn order(&mut self, order: Order, is_anew: bool) {
        let (kind, number) = order_number(order.id).expect("an id of ours");
        match (kind, order.what) {
            (OrderKind::Call, What::Call { name, .. }) => {
                assert_eq!(name, "ring");
                assert!(self.left.insert(number), "call {number} leaves twice");
                assert!(!self.withdrawn.contains(&number), "a call that was taken back leaves");
                let caller = self.calls[&number];
                assert!(self.may(caller, Act::Call, "ring"), "who asked may not any more");
                assert!(order.deadline.as_unix_millis() > self.millis, "nobody waits for it any more");
            }
            (OrderKind::Set, What::Set { name, value, version, .. }) => {
                assert_eq!(name, "volume");
                assert!(value.as_u64().is_some_and(|value| value <= 10));
                let writer = self.writers[&version];
                assert!(self.may(writer, Act::Write, "volume"), "who wanted it may not any more");
                let last = self.versions.entry(name).or_default();
                assert!(version > *last || (is_anew && version == *last), "an older value is wanted again");
                *last = version;
            }
            (kind, what) => panic!("{kind:?} of {what:?}"),
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut rights = Recorder::default();
    rights.u8(9).u8(0).u8(80).u8(3).u8(1).u8(0).u8(1).u8(0).u8(3).u8(1).u8(4).u8(1).u8(3).u8(2);
    rights.u8(2).u8(0).u8(3).u8(1).u8(0).u8(2).u8(0x83).u8(14).u8(2).u8(15).u8(250).u8(14).u8(2).u8(3).u8(0);
    let mut orders = Recorder::default();
    orders.u8(0).u8(1).u8(2).u8(0).u8(1).u8(5).u8(6).u8(1).u8(3).u8(6).u8(1).u8(4).u8(7).u8(0).u8(5);
    orders.u8(8).u8(1).u8(1).u8(11).u8(7).u8(12).u8(0).u8(2).u8(12).u8(4).u8(2).u8(5).u8(5).u8(9);
    orders.u8(11).u8(4).u8(5).u8(4).u8(3).u8(11).u8(15).u8(15).u8(200).u8(11).u8(4).u8(8).u8(0).u8(3);
    let mut events = Recorder::default();
    events.u8(0).u8(2).u8(0x0b).u8(10).u8(0).u8(1).u8(10).u8(0).u8(1).u8(10).u8(4).u8(2).u8(13).u8(2);
    events.u8(0).u8(1).u8(7).u8(14).u8(5).u8(15).u8(255).u8(13).u8(0).u8(3).u8(1).u8(10).u8(0).u8(1);
    vec![rights.0, orders.0, events.0]
}
