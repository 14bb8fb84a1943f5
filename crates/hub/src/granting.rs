//! Grants on things that exist, and who may do what.

use std::collections::BTreeMap;

use clock::{Now, Timestamp};
use consent::{Act, AddGrant, Grant, Party, Rule};
use model::Uuid;
use store::{Decision, Operation, ReadSet, Snapshot, decided};

use crate::refusal::Refusal;
use crate::spaces::thing_key;
use crate::thing::Thing;

/// Makes a grant on a thing that exists.
#[derive(Clone, Debug)]
pub struct AddThingGrant(pub AddGrant);

impl Operation for AddThingGrant {
    type Reply = Result<Grant, Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        let mut reads = self.0.reads();
        reads.keys.push(thing_key(self.0.thing));
        reads
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            Thing::read(snapshot, self.0.thing)?.ok_or(Refusal::NotHere)?;
            Ok(self.0.decide_into(snapshot, now, batch)?)
        })
    }
}

/// One party and the rule for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Who.
    pub party: Party,
    /// Whether it may.
    pub is_allowed: bool,
    /// By which rule.
    pub rule: Rule,
    /// When the rule ends by itself.
    pub until: Option<Timestamp>,
}

/// Says whether one party may do something, and why.
#[derive(Clone, Debug)]
pub struct Judge {
    /// Who.
    pub party: Party,
    /// With which thing.
    pub thing: Uuid,
    /// What.
    pub act: Act,
    /// With which property, action or event.
    pub name: String,
}

impl Operation for Judge {
    type Reply = Result<Judgement, Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        let mut reads = consent::reads(&self.party, self.thing);
        reads.keys.push(thing_key(self.thing));
        reads
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            Thing::read(snapshot, self.thing)?.ok_or(Refusal::NotHere)?;
            let verdict = consent::decide(snapshot, &self.party, self.thing, self.act, &self.name, now)?;
            Ok(Judgement {
                party: self.party.clone(),
                is_allowed: verdict.is_allowed,
                rule: verdict.rule,
                until: verdict.until,
            })
        })
    }
}

/// Says who may do something, and why: the owner, and every party with a grant that holds now.
#[derive(Clone, Debug)]
pub struct WhoMay {
    /// With which thing.
    pub thing: Uuid,
    /// What.
    pub act: Act,
    /// With which property, action or event.
    pub name: String,
}

impl Operation for WhoMay {
    /// By party; whoever is not in the list may not, by default.
    type Reply = Result<Vec<Judgement>, Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        let mut reads = consent::forget_reads(self.thing);
        reads.keys.push(thing_key(self.thing));
        reads
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            Thing::read(snapshot, self.thing)?.ok_or(Refusal::NotHere)?;
            let parties = consent::parties_on(snapshot, self.thing)?;
            let mut may = BTreeMap::new();
            for party in [Party::Owner].into_iter().chain(parties) {
                let verdict = consent::decide(snapshot, &party, self.thing, self.act, &self.name, now)?;
                if verdict.is_allowed {
                    let judgement = Judgement {
                        party: party.clone(),
                        is_allowed: true,
                        rule: verdict.rule,
                        until: verdict.until,
                    };
                    may.insert(party, judgement);
                }
            }
            Ok(may.into_values().collect())
        })
    }
}
