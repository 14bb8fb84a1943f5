//! Who may, by which rule, over a store in memory.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod leaving;

use std::cell::Cell;
use std::collections::BTreeSet;

use accounts::{AUDIT, AuditEntry};
use clock::{Moment, Now, Timestamp};
use consent::{
    Act, AddGrant, GRANTS_PER_THING_MAX, Grant, ListGrants, NAMES_PER_GRANT_MAX, Names, NotGranted, Origin,
    Party, RevokeGrant, Revoked, Rule, Verdict, decide, forget, forget_reads, reads, things_page,
};
use model::{CorrelationId, Uuid};
use store::{Batch, Memory, Operation, Range, ReadSet, Table as _, run};

const PUMP: Uuid = Uuid([1; 16]);
const DOOR: Uuid = Uuid([2; 16]);
const NOON: u64 = 1_800_000_000_000;

struct House {
    table: Memory,
    drawn: Cell<u8>,
    millis: Cell<Option<u64>>,
}

fn person(name: &str) -> Party {
    Party::Person(name.into())
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_unix_millis(millis)
}

impl House {
    fn new() -> Self {
        Self { table: Memory::default(), drawn: Cell::new(0), millis: Cell::new(Some(NOON)) }
    }

    fn now(&self) -> Now {
        self.millis.get().map_or(Now::without_utc(Moment::START), |now| Now::new(Moment::START, at(now)))
    }

    fn origin(&self) -> Origin {
        let number = self.drawn.get().wrapping_add(1);
        self.drawn.set(number);
        let correlation = CorrelationId([number; 16]);
        Origin { role: "management", actor: "root".into(), address: None, correlation, seed: [number; 32] }
    }

    fn run<O: Operation>(&self, operation: &O) -> O::Reply {
        run(&self.table, operation, self.now()).unwrap().reply
    }

    fn wanted(&self, party: Party, acts: &[Act], names: &[&str]) -> AddGrant {
        let names = match names {
            [] => Names::All,
            names => Names::Set(names.iter().map(|name| (*name).to_owned()).collect()),
        };
        let acts = acts.iter().copied().collect();
        AddGrant { party, thing: PUMP, acts, names, from: None, until: None, origin: self.origin() }
    }

    fn grant(&self, party: Party, acts: &[Act], names: &[&str]) -> Grant {
        self.run(&self.wanted(party, acts, names)).unwrap()
    }

    fn judge(&self, party: &Party, thing: Uuid, act: Act, name: &str) -> Verdict {
        let snapshot = self.table.snapshot(&reads(party, thing)).unwrap();
        decide(&snapshot, party, thing, act, name, self.now()).unwrap()
    }

    fn may(&self, party: &Party, act: Act, name: &str) -> bool {
        self.judge(party, PUMP, act, name).is_allowed
    }

    fn record_count(&self) -> usize {
        let all = (0x50..=0x5f).map(|space| {
            let range = Range { space: store::Space(space), prefix: vec![], after: None, limit: 10_000 };
            self.table.scan(&range).unwrap().records.len()
        });
        all.sum()
    }

    fn audit(&self) -> Vec<String> {
        let range = Range { space: AUDIT, prefix: vec![], after: None, limit: 1000 };
        let entries = self.table.scan(&range).unwrap().records;
        let entries = entries.iter().map(|(_, record)| AuditEntry::from_bytes(&record.value).unwrap());
        entries.map(|entry| format!("{} {} {}", entry.operation, entry.actor, entry.result)).collect()
    }
}

#[test]
fn nothing_is_allowed_to_anybody_but_the_owner_until_it_is_granted() {
    let house = House::new();
    let all = [person("birch"), Party::Client("birch".into()), Party::Thing(DOOR), Party::Stranger];
    for act in Act::ALL {
        let owner = house.judge(&Party::Owner, PUMP, act, "outlet");
        assert_eq!((owner.is_allowed, owner.rule), (true, Rule::Owner));
        for party in &all {
            let verdict = house.judge(party, PUMP, act, "outlet");
            assert_eq!((verdict.is_allowed, verdict.rule), (false, Rule::Default), "{party} {act}");
        }
    }
}

#[test]
fn a_grant_allows_what_it_names_to_whom_it_names_and_nothing_else() {
    let house = House::new();
    let birch = person("birch");
    let grant = house.grant(birch.clone(), &[Act::Read, Act::Observe], &["outlet"]);
    assert_eq!(house.judge(&birch, PUMP, Act::Read, "outlet").rule, Rule::Grant(grant.id));
    assert!(house.may(&birch, Act::Observe, "outlet"));
    assert!(
        !house.may(&birch, Act::Write, "outlet") && !house.may(&birch, Act::Call, "outlet"),
        "other acts"
    );
    assert!(!house.may(&birch, Act::Read, "inlet"), "another name");
    assert!(!house.judge(&birch, DOOR, Act::Read, "outlet").is_allowed, "another thing");
    // The same name in another role is another party; so is one that begins alike.
    for other in [Party::Client("birch".into()), person("birc"), person("birch2"), Party::Stranger] {
        assert!(!house.may(&other, Act::Read, "outlet"), "{other}");
    }
    assert_eq!(house.audit(), ["grant.add root person:birch"]);
}

#[test]
fn a_revoked_grant_holds_no_more_and_leaves_nothing_behind() {
    let house = House::new();
    let (birch, cedar) = (person("birch"), person("cedar"));
    let grant = house.grant(birch.clone(), &[Act::Read], &[]);
    let other = house.grant(cedar.clone(), &[Act::Read], &[]);
    let revoke = |id| house.run(&RevokeGrant { id, origin: house.origin() });
    assert_eq!(revoke(grant.id), Revoked::Done(grant.clone()));
    assert!(!house.may(&birch, Act::Read, "outlet"));
    assert!(house.may(&cedar, Act::Read, "outlet"), "others keep theirs");
    assert_eq!(revoke(grant.id), Revoked::Unknown, "once");
    assert_eq!(revoke(DOOR), Revoked::Unknown);
    assert_eq!(revoke(other.id), Revoked::Done(other));
    assert_eq!(house.record_count(), 0);
    assert_eq!(house.audit().iter().filter(|entry| entry.starts_with("grant.revoke")).count(), 2);
}

#[test]
fn a_grant_holds_in_its_time_alone_and_never_without_a_clock() {
    let house = House::new();
    let birch = person("birch");
    let timed = AddGrant {
        from: Some(at(NOON + 10)),
        until: Some(at(NOON + 20)),
        ..house.wanted(birch.clone(), &[Act::Read], &["outlet"])
    };
    house.run(&timed).unwrap();
    for (later, may) in [(0, false), (9, false), (10, true), (19, true), (20, false), (1000, false)] {
        house.millis.set(Some(NOON + later));
        assert_eq!(house.may(&birch, Act::Read, "outlet"), may, "{later}");
    }
    house.millis.set(None);
    assert!(!house.may(&birch, Act::Read, "outlet"), "who does not know the time cannot say that it holds");
    house.millis.set(Some(NOON));
    house.grant(birch.clone(), &[Act::Read], &["inlet"]);
    house.millis.set(None);
    assert!(house.may(&birch, Act::Read, "inlet"), "a grant without times needs no clock");
    let verdict = house.wanted(birch, &[Act::Read], &["x"]);
    assert_eq!(house.run(&verdict), Err(NotGranted::NoClock));
}

#[test]
fn the_rule_that_holds_longest_is_named() {
    let house = House::new();
    let birch = person("birch");
    let ending = |millis| AddGrant {
        until: Some(at(millis)),
        ..house.wanted(birch.clone(), &[Act::Read], &["outlet"])
    };
    house.run(&ending(NOON + 5)).unwrap();
    let longer = house.run(&ending(NOON + 50)).unwrap();
    let verdict = house.judge(&birch, PUMP, Act::Read, "outlet");
    assert_eq!((verdict.rule, verdict.until), (Rule::Grant(longer.id), Some(at(NOON + 50))));
    let forever = house.grant(birch.clone(), &[Act::Read], &["outlet"]);
    let verdict = house.judge(&birch, PUMP, Act::Read, "outlet");
    assert_eq!((verdict.rule, verdict.until), (Rule::Grant(forever.id), None));
}

#[test]
fn what_would_allow_nothing_or_nobody_is_refused() {
    let house = House::new();
    let wanted = || house.wanted(person("birch"), &[Act::Read], &["outlet"]);
    let many: BTreeSet<String> = (0..=NAMES_PER_GRANT_MAX).map(|number| number.to_string()).collect();
    let cases = [
        (AddGrant { party: Party::Owner, ..wanted() }, NotGranted::Party),
        (AddGrant { party: Party::Stranger, ..wanted() }, NotGranted::Party),
        (AddGrant { party: person(""), ..wanted() }, NotGranted::Party),
        (AddGrant { party: person(&"x".repeat(65)), ..wanted() }, NotGranted::Party),
        (AddGrant { acts: [].into_iter().collect(), ..wanted() }, NotGranted::Nothing),
        (AddGrant { names: Names::Set(BTreeSet::new()), ..wanted() }, NotGranted::Nothing),
        (AddGrant { names: Names::Set(many), ..wanted() }, NotGranted::Names),
        (AddGrant { names: Names::Set(["x".repeat(65)].into()), ..wanted() }, NotGranted::Names),
        (AddGrant { until: Some(at(NOON)), ..wanted() }, NotGranted::Times),
        (AddGrant { from: Some(at(NOON + 9)), until: Some(at(NOON + 9)), ..wanted() }, NotGranted::Times),
    ];
    for (add, why) in cases {
        assert_eq!(house.run(&add), Err(why), "{add:?}");
    }
    assert_eq!((house.record_count(), house.audit().len()), (0, 0));
}

#[test]
fn a_full_thing_takes_another_grant_only_in_the_place_of_one_that_is_over() {
    let house = House::new();
    let short = AddGrant { until: Some(at(NOON + 1)), ..house.wanted(person("birch"), &[Act::Read], &["x"]) };
    let short = house.run(&short).unwrap();
    for number in 1..GRANTS_PER_THING_MAX {
        let mut add = house.wanted(person("cedar"), &[Act::Read], &["x"]);
        add.origin.seed[..8].copy_from_slice(&(number as u64 + 1000).to_be_bytes());
        house.run(&add).unwrap();
    }
    let mut one_more = house.wanted(person("dogwood"), &[Act::Read], &["x"]);
    one_more.origin.seed = [0xee; 32];
    assert_eq!(house.run(&one_more), Err(NotGranted::Full));
    house.millis.set(Some(NOON + 1));
    house.run(&one_more).unwrap();
    assert!(house.may(&person("dogwood"), Act::Read, "x"));
    let list = ListGrants { thing: Some(PUMP), after: None, limit: 1000 };
    let grants = house.run(&list).unwrap().grants;
    assert_eq!(grants.len(), GRANTS_PER_THING_MAX);
    assert!(grants.iter().all(|grant| grant.id != short.id));
}

#[test]
fn grants_are_listed_by_pages_found_by_party_and_erased_with_their_thing() {
    let house = House::new();
    let birch = person("birch");
    for thing in [PUMP, DOOR] {
        for act in [Act::Read, Act::Call] {
            let add = AddGrant { thing, ..house.wanted(birch.clone(), &[act], &[]) };
            house.run(&add).unwrap();
        }
    }
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = house.run(&ListGrants { thing: None, after, limit: 3 }).unwrap();
        seen.extend(page.grants.iter().map(|grant| (grant.thing, grant.id)));
        if !page.more {
            break;
        }
        after = seen.last().copied();
    }
    assert_eq!(seen.len(), 4);
    assert!(seen.is_sorted());
    let things = |after| {
        let page = things_page(&birch, after, 10);
        let snapshot = house.table.snapshot(&ReadSet::default().with_range(page.range.clone())).unwrap();
        page.things(&snapshot).unwrap()
    };
    assert_eq!(things(None), (vec![PUMP, DOOR], false));
    assert_eq!(things(Some(PUMP)), (vec![DOOR], false));
    let snapshot = house.table.snapshot(&forget_reads(PUMP)).unwrap();
    let mut batch = Batch::default();
    forget(&snapshot, PUMP, &mut batch).unwrap();
    house.table.commit(&snapshot, &batch).unwrap();
    assert_eq!(things(None), (vec![DOOR], false));
    assert_eq!(house.record_count(), 6, "of the other thing: two grants, each under three names");
}

#[test]
fn parties_are_read_as_they_are_written() {
    let thing = Party::Thing(DOOR);
    for party in
        [Party::Owner, person("birch@b.example"), Party::Client("s:1".into()), thing, Party::Stranger]
    {
        assert_eq!(party.to_string().parse(), Ok(party.clone()));
        assert_eq!(Party::from_bytes(&party.to_bytes()), Ok(party.clone()));
        let mut newer = party.to_bytes();
        newer[0] = 2;
        assert!(Party::from_bytes(&newer).is_err(), "another version's record");
    }
    for bad in ["", "birch", "person:", "thing:x", "robot:x", "Owner"] {
        assert!(bad.parse::<Party>().is_err(), "{bad}");
    }
    for bad in [&[][..], &[1], &[1, 0, 1], &[1, 1], &[1, 3, 1], &[1, 4, 0], &[1, 9], &[1, 1, 0xff]] {
        assert!(Party::from_bytes(bad).is_err(), "{bad:?}");
    }
}
