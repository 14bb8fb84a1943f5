//! Values: what devices report, and what is read of it.

use std::collections::BTreeMap;

use clock::{Now, Timestamp};
use consent::{Act, Party};
use ledger::BadRecord;
use minicbor::{Decode, Encode};
use model::Uuid;
use serde_json::Value;
use store::{Batch, Decision, Key, Operation, ReadSet, Snapshot, decided};

use crate::access::{admit, admit_reads, affordance};
use crate::adding::PROPERTY_COUNT_MAX;
use crate::desired::{Desired, DesiredView};
use crate::history;
use crate::json;
use crate::model::AffordanceKind;
use crate::notice::{Effect, Notice};
use crate::refusal::{Fault, Refusal};
use crate::schema;
use crate::spaces::{DESIRED, VALUE, affordance_key, all_of, name_of, named_key, thing_key};
use crate::spot::{Found, Spot};
use crate::thing::Thing;

/// Values that one report may hold.
pub const VALUES_PER_REPORT_MAX: usize = 64;

/// What a thing said last of one property.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The property.
    pub name: String,
    /// The value.
    pub value: Value,
    /// When it was so, as the device says; else when we heard.
    pub at: Timestamp,
    /// When we heard.
    pub received: Timestamp,
    /// How often the property was reported; the newest counts.
    pub version: u64,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Stored {
    #[n(0)]
    json: String,
    #[n(1)]
    at_unix_millis: u64,
    #[n(2)]
    received_unix_millis: u64,
    #[n(3)]
    version: u64,
}

impl Reading {
    pub(crate) fn from_value(name: &str, stored: &[u8]) -> Result<Self, BadRecord> {
        let Stored { json, at_unix_millis, received_unix_millis, version } = ledger::from_bytes(stored)?;
        Ok(Self {
            name: name.to_owned(),
            value: json::from_text(&json)?,
            at: Timestamp::from_unix_millis(at_unix_millis),
            received: Timestamp::from_unix_millis(received_unix_millis),
            version,
        })
    }
}

/// What is known of a property: what was reported, and what is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The last value, once one was reported.
    pub reading: Option<Reading>,
    /// What is wanted, once something was.
    pub desired: Option<DesiredView>,
}

/// Reads one property.
#[derive(Clone, Debug)]
pub struct Read {
    /// Of which thing.
    pub thing: Uuid,
    /// Which.
    pub name: String,
    /// For whom.
    pub party: Party,
}

impl Operation for Read {
    type Reply = Result<Observation, Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        let mut reads = admit_reads(&self.party, self.thing);
        reads.keys.extend([
            affordance_key(self.thing, AffordanceKind::Property, &self.name),
            named_key(VALUE, self.thing, &self.name),
            named_key(DESIRED, self.thing, &self.name),
        ]);
        reads
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            let admitted = admit(snapshot, &self.party, self.thing, now)?;
            admitted.permit(Act::Read, &self.name)?;
            let property = affordance(snapshot, self.thing, AffordanceKind::Property, &self.name)?;
            let property = property.ok_or(Refusal::NoSuchName)?;
            if property.is_write_only() {
                return Err(Refusal::WriteOnly);
            }
            let reading = snapshot.value(&named_key(VALUE, self.thing, &self.name));
            let desired = snapshot.value(&named_key(DESIRED, self.thing, &self.name));
            Ok(Observation {
                reading: reading.map(|stored| Reading::from_value(&self.name, stored)).transpose()?,
                desired: desired.map(|stored| Desired::from_value(stored)?.view(&self.name)).transpose()?,
            })
        })
    }
}

/// Reads every property that the caller may read and that was ever reported or wanted.
#[derive(Clone, Debug)]
pub struct ReadAll {
    /// Of which thing.
    pub thing: Uuid,
    /// For whom.
    pub party: Party,
}

impl Operation for ReadAll {
    /// By name.
    type Reply = Result<BTreeMap<String, Observation>, Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        admit_reads(&self.party, self.thing)
            .with_range(all_of(VALUE, self.thing, PROPERTY_COUNT_MAX))
            .with_range(all_of(DESIRED, self.thing, PROPERTY_COUNT_MAX))
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            let admitted = admit(snapshot, &self.party, self.thing, now)?;
            let mut all = BTreeMap::<String, Observation>::new();
            for space in [VALUE, DESIRED] {
                for (key, record) in &snapshot.page(&all_of(space, self.thing, PROPERTY_COUNT_MAX)).records {
                    let name = name_of(key).ok_or(BadRecord)?;
                    if !admitted.standing.may(Act::Read, name) {
                        continue;
                    }
                    let entry = all.entry(name.to_owned());
                    let seen = entry.or_insert(Observation { reading: None, desired: None });
                    if space == VALUE {
                        seen.reading = Some(Reading::from_value(name, &record.value)?);
                    } else {
                        seen.desired = Some(Desired::from_value(&record.value)?.view(name)?);
                    }
                }
            }
            Ok(all)
        })
    }
}

/// One value that a device reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Reported {
    /// Of which property.
    pub of: Spot,
    /// The value.
    pub value: Value,
    /// Since when it is so, where the device says.
    pub at: Option<Timestamp>,
}

/// A device reports values. Those that cannot be taken are told; they hold up none of the others.
#[derive(Clone, Debug)]
pub struct Report {
    /// The device's own thing.
    pub thing: Uuid,
    /// Up to [`VALUES_PER_REPORT_MAX`] values; of two of one property the later counts.
    pub values: Vec<Reported>,
}

/// What became of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reporting {
    /// How many values were taken.
    pub taken: usize,
    /// The others, by their place in the report.
    pub refused: Vec<(usize, Refusal)>,
}

impl Report {
    fn keys_of(&self, name: &str) -> [Key; 3] {
        [
            affordance_key(self.thing, AffordanceKind::Property, name),
            named_key(VALUE, self.thing, name),
            named_key(DESIRED, self.thing, name),
        ]
    }

    /// The name of each value, or what is to be read first.
    fn names(&self, snapshot: &Snapshot) -> Result<Result<Vec<Option<String>>, ReadSet>, Refusal> {
        let (mut names, mut missing) = (Vec::new(), ReadSet::default());
        for reported in &self.values {
            match reported.of.find(snapshot, self.thing, AffordanceKind::Property)? {
                Found::Unread(key) => missing.keys.push(key),
                Found::Nothing => names.push(None),
                Found::Name(name) => {
                    let unread = self.keys_of(&name).into_iter().filter(|key| !snapshot.covers(key));
                    missing.keys.extend(unread);
                    names.push(Some(name));
                }
            }
        }
        Ok(if missing.keys.is_empty() { Ok(names) } else { Err(missing) })
    }

    fn take(
        &self,
        snapshot: &Snapshot,
        names: Vec<Option<String>>,
        now: Now,
    ) -> Result<(Batch, Reporting, Vec<Effect>), Refusal> {
        let received = now.utc.ok_or(Refusal::Fault(Fault::NoClock))?;
        Thing::read(snapshot, self.thing)?.ok_or(Refusal::NotHere)?;
        let mut latest = BTreeMap::new();
        let mut refused = Vec::new();
        let mut taken = 0;
        for (index, (reported, name)) in self.values.iter().zip(names).enumerate() {
            match self.check(snapshot, reported, name) {
                Ok((name, text)) => {
                    taken += 1;
                    latest.insert(name, (reported, text));
                }
                Err(why @ Refusal::Fault(_)) => return Err(why),
                Err(why) => refused.push((index, why)),
            }
        }
        let (mut batch, mut effects) = (Batch::default(), Vec::new());
        for (name, (reported, json)) in latest {
            let key = named_key(VALUE, self.thing, &name);
            let before = snapshot.value(&key).map(|stored| Reading::from_value(&name, stored)).transpose()?;
            let reading = Reading {
                value: reported.value.clone(),
                at: reported.at.unwrap_or(received),
                received,
                version: before.map_or(0, |before| before.version) + 1,
                name,
            };
            let stored = Stored {
                json,
                at_unix_millis: reading.at.as_unix_millis(),
                received_unix_millis: received.as_unix_millis(),
                version: reading.version,
            };
            let bytes = ledger::to_bytes(&stored);
            history::keep(&mut batch, self.thing, &reading, &stored.json, bytes.clone());
            batch.put(key, bytes);
            let wanted = snapshot.value(&named_key(DESIRED, self.thing, &reading.name));
            if let Some(mut wanted) = wanted.map(Desired::from_value).transpose()?
                && wanted.meets(&reading.value)?
            {
                wanted.settle(&Ok(None), received);
                batch.put(named_key(DESIRED, self.thing, &reading.name), wanted.to_value());
                effects.push(wanted.settled(self.thing, &Ok(None)));
            }
            effects.push(Effect::Notice(Notice::Value { thing: self.thing, reading }));
        }
        Ok((batch, Reporting { taken, refused }, effects))
    }

    /// The property's name and the JSON of the value, when it can be taken.
    fn check(
        &self,
        snapshot: &Snapshot,
        reported: &Reported,
        name: Option<String>,
    ) -> Result<(String, String), Refusal> {
        let name = name.ok_or(Refusal::NoSuchName)?;
        let property = affordance(snapshot, self.thing, AffordanceKind::Property, &name)?;
        let property = property.ok_or(Refusal::NoSuchName)?;
        let text = json::to_text(&reported.value)?;
        schema::check(&property.json, &reported.value)?;
        Ok((name, text))
    }
}

impl Operation for Report {
    type Reply = Result<Reporting, Refusal>;
    type Effect = Effect;

    fn reads(&self) -> ReadSet {
        ReadSet::of([thing_key(self.thing)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, Effect> {
        let refused = |why| Decision::Done { batch: Batch::default(), reply: Err(why), effects: Vec::new() };
        if self.values.len() > VALUES_PER_REPORT_MAX {
            return refused(Refusal::TooLarge);
        }
        let names = match self.names(snapshot) {
            Ok(Ok(names)) => names,
            Ok(Err(missing)) => return Decision::Need(missing),
            Err(why) => return refused(why),
        };
        match self.take(snapshot, names, now) {
            Ok((batch, reporting, effects)) => Decision::Done { batch, reply: Ok(reporting), effects },
            Err(why) => refused(why),
        }
    }
}
