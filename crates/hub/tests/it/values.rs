//! What devices report, and what is read and wanted.

use hub::{
    Act, Answer, Answered, DesiredOf, DesiredState, Effect, Notice, Outcome, Party, Place, Read, ReadAll,
    Refusal, Report, Reported, VALUES_PER_REPORT_MAX, What, Write,
};
use model::Uuid;
use serde_json::{Value, json};

use crate::house::{House, LOCK, NOON, birch, named, place};

fn read(house: &House, party: Party, name: &str) -> Result<hub::Observation, Refusal> {
    house.run(&Read { thing: LOCK, name: name.into(), party })
}

fn write(house: &House, name: &str, value: Value) -> Result<hub::Written, Refusal> {
    house.run(&Write { thing: LOCK, name: name.into(), value, asked: house.asked(Party::Owner) })
}

#[test]
fn a_report_is_taken_value_by_value_and_told() {
    let house = House::new();
    let spot = hub::Spot::Placed(Place {
        resource: "1-Lock".into(),
        area: "Lock".into(),
        identifier: "lockMode".into(),
    });
    let (reporting, effects) = house.report(vec![
        (named("battery"), json!(80)),
        (named("battery"), json!(101)),
        (spot, json!("away")),
        (place("Thing", "volume"), json!(3)),
        (place("Lock", "volume"), json!(4)),
        (named("never"), json!(1)),
        (named("battery"), json!(79)),
        (named(&"x".repeat(4000)), json!(1)),
    ]);
    assert_eq!(reporting.taken, 4);
    let refused: Vec<_> = reporting.refused.iter().map(|(at, _)| *at).collect();
    assert_eq!(refused, [1, 4, 5, 7]);
    assert!(matches!(reporting.refused[0].1, Refusal::BadValue(_)));
    assert_eq!(reporting.refused[1].1, Refusal::NoSuchName, "nothing is at that place");
    let told: Vec<_> = effects
        .iter()
        .map(|effect| match effect {
            Effect::Notice(Notice::Value { reading, .. }) => (reading.name.as_str(), reading.value.clone()),
            other => panic!("no value: {other:?}"),
        })
        .collect();
    assert_eq!(told, [("battery", json!(79)), ("mode", json!("away")), ("volume", json!(3))]);
    let seen = read(&house, Party::Owner, "battery").unwrap().reading.unwrap();
    assert_eq!((seen.value, seen.version, seen.at.as_unix_millis()), (json!(79), 1, NOON));
    house.later(5);
    house.report(vec![(named("battery"), json!(78))]);
    let seen = read(&house, Party::Owner, "battery").unwrap().reading.unwrap();
    assert_eq!((seen.value, seen.version, seen.received.as_unix_millis()), (json!(78), 2, NOON + 5));
}

#[test]
fn a_report_over_the_limit_or_of_nobody_changes_nothing() {
    let house = House::new();
    let reported = || Reported { of: named("battery"), value: json!(1), at: None };
    let values = (0..=VALUES_PER_REPORT_MAX).map(|_| reported()).collect();
    assert_eq!(house.run(&Report { thing: LOCK, values }), Err(Refusal::TooLarge));
    let stranger = Report { thing: Uuid([9; 16]), values: vec![reported()] };
    assert_eq!(house.run(&stranger), Err(Refusal::NotHere));
    assert_eq!(read(&house, Party::Owner, "battery").unwrap().reading, None);
}

#[test]
fn what_is_wanted_stays_until_the_device_takes_it_refuses_or_reports_it() {
    let house = House::new();
    let first = write(&house, "volume", json!(3)).unwrap();
    let second = write(&house, "volume", json!(4)).unwrap();
    assert_eq!((first.version, second.version), (1, 2));
    let wanted = || house.run(&DesiredOf { thing: LOCK }).unwrap();
    let orders = wanted();
    assert_eq!(orders.len(), 1, "the newest of each property");
    assert!(matches!(&orders[0].what, What::Set { value, version: 2, .. } if *value == json!(4)));
    let answer = |id, result| house.run(&Answer { thing: LOCK, outcome: Outcome { id, result } });
    assert_eq!(answer(first.order, Ok(None)), Ok(Answered::NotAwaited), "it was replaced");
    assert_eq!(wanted().len(), 1);
    assert_eq!(answer(second.order, Err((5, "x".repeat(1000)))), Ok(Answered::Stored));
    let state = read(&house, Party::Owner, "volume").unwrap().desired.unwrap().state;
    assert_eq!(state, DesiredState::Refused { code: 5, message: "x".repeat(256) });
    assert!(wanted().is_empty());
    write(&house, "volume", json!(6)).unwrap();
    house.report(vec![(named("volume"), json!(5))]);
    assert_eq!(wanted().len(), 1, "another value is not the one that is wanted");
    let (_, effects) = house.report(vec![(named("volume"), json!(6))]);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Settled(_))), "who waits hears of it");
    assert!(wanted().is_empty());
    assert_eq!(read(&house, Party::Owner, "volume").unwrap().desired.unwrap().state, DesiredState::Taken);
    assert!(house.audit().contains("things.write owner volume"));
}

#[test]
fn properties_are_written_and_read_as_their_model_and_grants_say() {
    let house = House::new();
    assert_eq!(write(&house, "battery", json!(1)), Err(Refusal::ReadOnly));
    assert!(matches!(write(&house, "volume", json!(11)), Err(Refusal::BadValue(_))));
    assert_eq!(write(&house, "nothing", json!(1)), Err(Refusal::NoSuchName));
    assert_eq!(read(&house, Party::Owner, "code").unwrap_err(), Refusal::WriteOnly);
    assert_eq!(read(&house, birch(), "battery").unwrap_err(), Refusal::NotHere);
    house.report(vec![(named("battery"), json!(1)), (named("volume"), json!(2))]);
    house.grant(birch(), &[Act::Read], &["battery"]);
    assert_eq!(read(&house, birch(), "volume").unwrap_err(), Refusal::NotPermitted);
    assert_eq!(read(&house, birch(), "nothing").unwrap_err(), Refusal::NotPermitted, "nor is it told");
    let all = house.run(&ReadAll { thing: LOCK, party: birch() }).unwrap();
    assert_eq!(all.keys().collect::<Vec<_>>(), ["battery"]);
}
