//! Things are added, listed, described, replaced and removed.

use hub::{
    Act, Binding, Effect, FindThing, Invoke, ListThings, MarkThing, Marks, OsapMode, Party, Raise, Refusal,
    RemoveThing, ReplaceModel, ThingFilter, ThingModel,
};
use model::Uuid;
use serde_json::{Value, json};

use crate::house::{House, LOCK, birch, lock_json, named};

fn list(house: &House, party: &Party, words: &str) -> Vec<Uuid> {
    let filter =
        ThingFilter { words: words.split_whitespace().map(str::to_owned).collect(), ..Default::default() };
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = ListThings { party: party.clone(), filter: filter.clone(), after };
        let page = house.run(&page).unwrap();
        seen.extend(page.things.iter().map(|view| view.thing.id));
        after = page.next;
        if after.is_none() {
            return seen;
        }
    }
}

#[test]
fn a_device_has_one_thing_and_a_thing_one_device() {
    let house = House::new();
    assert_eq!(house.add(Uuid([9; 16]), "D1", lock_json()).unwrap_err(), Refusal::Exists);
    assert_eq!(house.add(LOCK, "D2", lock_json()).unwrap_err(), Refusal::Exists);
    for serial in ["", "a/b", "a b", "a#", "ä", &"x".repeat(72)] {
        assert_eq!(house.add(Uuid([9; 16]), serial, lock_json()).unwrap_err(), Refusal::BadBinding);
    }
    let find = |serial: &str, mode| {
        house.run(&FindThing { binding: Binding::Osap { serial: serial.into(), mode } }).unwrap()
    };
    assert_eq!(find("D1", OsapMode::ProductKey), Some(LOCK));
    assert_eq!(find("D2", OsapMode::Serial), None);
    // A client of the broker may have the name that is a device's serial.
    let mqtt = hub::AddThing {
        id: Uuid([9; 16]),
        model: ThingModel::new(lock_json()).unwrap(),
        binding: Binding::Mqtt { client: "D1".into() },
        marks: Marks { compat: true },
        origin: house.origin(),
    };
    house.run(&mqtt).unwrap();
    assert_eq!(find("D1", OsapMode::Serial), Some(LOCK));
    let only = ThingFilter { compat: Some(true), ..Default::default() };
    let page = house.run(&ListThings { party: Party::Owner, filter: only, after: None }).unwrap();
    assert_eq!(page.things.iter().map(|view| view.thing.id).collect::<Vec<_>>(), [Uuid([9; 16])]);
}

#[test]
fn everybody_lists_what_it_sees_page_by_page() {
    let house = House::new();
    for number in 0..120_u8 {
        let mut model = lock_json();
        model["title"] = json!(format!("Window {number}"));
        house.add(Uuid([number + 100; 16]), &format!("W{number}"), model).unwrap();
    }
    let all = list(&house, &Party::Owner, "");
    assert_eq!(all.len(), 121);
    assert!(all.is_sorted());
    assert_eq!(list(&house, &Party::Owner, "window 119"), [Uuid([219; 16])]);
    assert_eq!(list(&house, &Party::Owner, "DOOR front 0707"), [LOCK]);
    assert!(list(&house, &Party::Owner, "door window").is_empty());
    assert!(list(&house, &birch(), "").is_empty());
    house.grant(birch(), &[Act::Read], &["battery"]);
    house.grant(birch(), &[Act::Call], &["ring"]);
    assert_eq!(list(&house, &birch(), ""), [LOCK], "once");
    assert!(list(&house, &Party::Stranger, "").is_empty());
}

#[test]
fn a_removed_thing_leaves_nothing_but_its_audit_entry() {
    let house = House::new();
    let other = Uuid([6; 16]);
    house.add(other, "D6", lock_json()).unwrap();
    let before = house.record_counts();
    house.run(&RemoveThing { thing: other, origin: house.origin() }).unwrap();
    house.report(vec![(named("battery"), json!(1))]);
    let event = hub::Event { id: None, of: named("opened"), data: Value::Null, at: None, lost_before: 0 };
    house.run(&Raise { thing: LOCK, event, fresh: Uuid([3; 16]) }).unwrap();
    let invoke = Invoke {
        thing: LOCK,
        name: "ring".into(),
        input: Value::Null,
        deadline_millis: 1000,
        is_deliverable: false,
        asked: house.asked(Party::Owner),
    };
    house.run(&invoke).unwrap();
    house.grant(birch(), &[Act::Read], &["battery"]);
    let remove = RemoveThing { thing: LOCK, origin: house.origin() };
    let done = house.commit(&remove);
    let binding = Binding::Osap { serial: "D1".into(), mode: OsapMode::Serial };
    assert_eq!(done.reply, Ok(binding));
    assert_eq!(done.effects, [Effect::Judge { thing: LOCK, party: None }]);
    assert!(
        house.record_counts().iter().all(|count| *count == 0),
        "{:?} of {before:?}",
        house.record_counts()
    );
    assert_eq!(house.run(&remove), Err(Refusal::NotHere));
    house.add(LOCK, "D1", lock_json()).unwrap();
    assert!(house.audit().contains("things.remove root done"));
}

#[test]
fn another_model_keeps_the_values_that_it_still_knows() {
    let house = House::new();
    house.report(vec![(named("battery"), json!(5)), (named("volume"), json!(6))]);
    let mut model = lock_json();
    model["title"] = json!("Back door");
    model["properties"].as_object_mut().unwrap().remove("volume");
    let model = ThingModel::new(model).unwrap();
    let thing = house.run(&ReplaceModel { thing: LOCK, model, origin: house.origin() }).unwrap();
    assert_eq!(thing.title, "Back door");
    let all = house.run(&hub::ReadAll { thing: LOCK, party: Party::Owner }).unwrap();
    assert_eq!(all.keys().collect::<Vec<_>>(), ["battery"]);
    let (reporting, _) = house.report(vec![(named("volume"), json!(1)), (named("battery"), json!(4))]);
    assert_eq!((reporting.taken, reporting.refused.len()), (1, 1));
}

#[test]
fn a_mark_is_set_and_taken_away_and_both_stand_in_the_audit_log() {
    let house = House::new();
    let mark = |compat| {
        let (marks, origin) = (Marks { compat }, house.origin());
        house.run(&MarkThing { thing: LOCK, marks, origin }).unwrap()
    };
    let only = || ThingFilter { compat: Some(true), ..Default::default() };
    let listed = || house.run(&ListThings { filter: only(), after: None, party: Party::Owner });
    let marked = || listed().unwrap().things.len();
    assert!(!mark(false) && marked() == 0);
    assert!(mark(true) && !mark(true));
    assert_eq!(marked(), 1);
    assert!(house.audit().contains("things.mark root done"));
    assert!(mark(false) && marked() == 0);
    assert!(house.audit().contains("things.unmark root done"));
    let origin = house.origin();
    let nobody = MarkThing { thing: Uuid([0; 16]), marks: Marks::default(), origin };
    assert_eq!(house.run(&nobody), Err(Refusal::NotHere));
}
