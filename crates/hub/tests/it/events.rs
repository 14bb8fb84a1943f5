//! Events are kept once, in order, and what is lost is counted.

use hub::{Act, EVENT_COUNT_MAX, Effect, Event, ListEvents, Notice, Party, Raise, Raised, Refusal};
use model::Uuid;
use serde_json::{Value, json};

use crate::house::{House, LOCK, birch, named, place};

fn id(number: u64) -> Uuid {
    let mut id = [0xee; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    Uuid(id)
}

fn raise(house: &House, own: Option<u64>, of: hub::Spot, data: Value) -> Result<Raised, Refusal> {
    let event = Event { id: own.map(id), of, data, at: None, lost_before: 0 };
    let fresh = Uuid(house.origin().seed[..16].try_into().unwrap());
    house.run(&Raise { thing: LOCK, event, fresh })
}

fn list(party: Party, name: Option<&str>, after: Option<u64>, limit: usize) -> ListEvents {
    ListEvents { thing: LOCK, name: name.map(str::to_owned), after, limit, party }
}

#[test]
fn an_event_that_comes_again_is_kept_once_and_told_once() {
    let house = House::new();
    let event =
        Event { id: Some(id(1)), of: place("Lock", "tamper"), data: json!("a"), at: None, lost_before: 3 };
    let raise_it = Raise { thing: LOCK, event, fresh: Uuid([1; 16]) };
    let first = house.commit(&raise_it);
    assert_eq!(first.reply, Ok(Raised { number: 1, is_new: true }));
    assert!(
        matches!(&first.effects[..], [Effect::Notice(Notice::Event { event, .. })] if event.name == "tamper")
    );
    let again = house.commit(&raise_it);
    assert_eq!((again.reply, again.effects.len()), (Ok(Raised { number: 1, is_new: false }), 0));
    let page = house.run(&list(Party::Owner, None, None, 10)).unwrap();
    let kept: Vec<_> = page.events.iter().map(|event| (event.number, event.id, event.lost_before)).collect();
    assert_eq!(kept, [(1, id(1), 3)]);
}

#[test]
fn events_without_an_id_are_each_their_own() {
    let house = House::new();
    for number in 1..=3 {
        let raised = raise(&house, None, named("opened"), Value::Null);
        assert_eq!(raised, Ok(Raised { number, is_new: true }));
    }
}

#[test]
fn an_event_that_does_not_fit_is_refused_for_good() {
    let house = House::new();
    assert!(matches!(raise(&house, Some(1), named("tamper"), json!(5)), Err(Refusal::BadValue(_))));
    assert_eq!(raise(&house, Some(1), named("other"), json!("x")), Err(Refusal::NoSuchName));
    assert_eq!(raise(&house, Some(1), place("Thing", "tamper"), json!("x")), Err(Refusal::NoSuchName));
    let long = json!("x".repeat(70_000));
    assert_eq!(raise(&house, Some(1), named("tamper"), long), Err(Refusal::TooLarge));
    assert_eq!(raise(&house, Some(1), named("tamper"), json!("x")), Ok(Raised { number: 1, is_new: true }));
}

#[test]
fn the_last_thousand_are_kept_and_a_reader_who_comes_too_late_hears_how_many_are_gone() {
    let house = House::new();
    let count = EVENT_COUNT_MAX as u64 + 5;
    for number in 1..=count {
        raise(&house, Some(number), named("tamper"), json!("x")).unwrap();
    }
    let (mut after, mut seen) = (Some(2), Vec::new());
    let mut gaps = Vec::new();
    loop {
        let page = house.run(&list(Party::Owner, None, after, 300)).unwrap();
        seen.extend(page.events.iter().map(|event| event.number));
        gaps.push(page.gap);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(seen.iter().copied().eq(6..=count), "in order, without a hole");
    assert_eq!(gaps, [3, 0, 0, 0], "3, 4 and 5 are gone");
    let counts = house.record_counts();
    assert_eq!(
        (counts[6], counts[7]),
        (EVENT_COUNT_MAX + 1, EVENT_COUNT_MAX),
        "and nothing else is left of them"
    );
    assert_eq!(
        raise(&house, Some(count), named("tamper"), json!("x")).map(|raised| raised.is_new),
        Ok(false)
    );
}

#[test]
fn a_party_lists_the_events_that_it_may_observe() {
    let house = House::new();
    raise(&house, None, named("tamper"), json!("x")).unwrap();
    raise(&house, None, named("opened"), Value::Null).unwrap();
    assert_eq!(house.run(&list(birch(), None, None, 10)).unwrap_err(), Refusal::NotHere);
    house.grant(birch(), &[Act::Observe], &["opened"]);
    let names = |name: Option<&str>| -> Result<Vec<String>, Refusal> {
        Ok(house.run(&list(birch(), name, None, 10))?.events.into_iter().map(|event| event.name).collect())
    };
    assert_eq!(names(None), Ok(vec!["opened".to_owned()]));
    assert_eq!(names(Some("opened")), Ok(vec!["opened".to_owned()]));
    assert_eq!(names(Some("tamper")), Err(Refusal::NotPermitted));
}
