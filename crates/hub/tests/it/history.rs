//! What a property was.

use hub::{Act, Party, ReadSeries, Refusal, ReplaceModel, SAMPLE_SIZE_MAX, SAMPLES_MAX, Series, ThingModel};
use serde_json::{Value, json};

use crate::house::{House, LOCK, NOON, birch, lock_json, named};

fn series(house: &House, party: Party, name: &str, after: u64) -> Result<Series, Refusal> {
    house.run(&ReadSeries { thing: LOCK, name: name.into(), after, party })
}

fn values(series: &Series) -> Vec<(u64, i64)> {
    series.readings.iter().map(|one| (one.version, one.value.as_i64().unwrap())).collect()
}

/// The lock with one property more.
fn lock_with_note() -> Value {
    let mut model = lock_json();
    model["properties"]["note"] = json!({"type": "string"});
    model
}

fn replace(house: &House, model: Value) {
    let model = ThingModel::new(model).unwrap();
    house.run(&ReplaceModel { thing: LOCK, model, origin: house.origin() }).unwrap();
}

// verifies: OSAP-2.1.6-02
#[test]
fn every_report_is_kept_until_256_newer_ones_came() {
    let house = House::new();
    assert_eq!(series(&house, Party::Owner, "battery", 0), Ok(Series { readings: vec![], gap: 0 }));
    let count = SAMPLES_MAX as u64 + 10;
    for number in 1..=count {
        house.later(1);
        house.report(vec![(named("battery"), json!(number % 100))]);
    }
    let kept = series(&house, Party::Owner, "battery", 0).unwrap();
    assert_eq!((kept.readings.len(), kept.gap), (SAMPLES_MAX, 10));
    let first = &kept.readings[0];
    assert_eq!((first.version, first.received.as_unix_millis()), (11, NOON + 11));
    assert!(kept.readings.windows(2).all(|two| two[0].version + 1 == two[1].version), "oldest first");
    let newest = series(&house, Party::Owner, "battery", count - 2).unwrap();
    assert_eq!((values(&newest), newest.gap), (vec![(265, 65), (266, 66)], 0));
    assert_eq!(series(&house, Party::Owner, "volume", 0).unwrap().readings, []);
}

#[test]
fn who_was_granted_reading_sees_what_came_since_and_nothing_before() {
    let house = House::new();
    house.report(vec![(named("battery"), json!(80))]);
    assert_eq!(series(&house, birch(), "battery", 0), Err(Refusal::NotHere));
    house.later(10);
    house.grant(birch(), &[Act::Observe], &["battery"]);
    assert_eq!(series(&house, birch(), "battery", 0), Err(Refusal::NotPermitted), "following is not reading");
    house.later(10);
    house.grant(birch(), &[Act::Read], &["battery"]);
    house.later(10);
    house.report(vec![(named("battery"), json!(79))]);
    let seen = series(&house, birch(), "battery", 0).unwrap();
    assert_eq!((values(&seen), seen.gap), (vec![(2, 79)], 1));
    assert_eq!(values(&series(&house, Party::Owner, "battery", 0).unwrap()), [(1, 80), (2, 79)]);
    assert_eq!(series(&house, birch(), "mode", 0), Err(Refusal::NotPermitted));
    assert_eq!(series(&house, Party::Owner, "nothing", 0), Err(Refusal::NoSuchName));
}

#[test]
fn a_value_that_is_too_large_takes_the_place_of_an_older_one() {
    let house = House::new();
    replace(&house, lock_with_note());
    let report = |text: String| house.report(vec![(named("note"), json!(text))]);
    (0..SAMPLES_MAX).for_each(|_| drop(report("short".into())));
    report("x".repeat(SAMPLE_SIZE_MAX));
    let seen = series(&house, Party::Owner, "note", 0).unwrap();
    assert_eq!((seen.readings.len(), seen.readings[0].version, seen.gap), (SAMPLES_MAX - 1, 2, 2));
    let behind = series(&house, Party::Owner, "note", SAMPLES_MAX as u64).unwrap();
    assert_eq!((behind.readings.len(), behind.gap), (0, 1), "the last one is known to be missing");
}

#[test]
fn a_value_that_is_too_large_is_missing_and_a_property_that_is_no_more_is_erased() {
    let house = House::new();
    replace(&house, lock_with_note());
    for text in ["a".to_owned(), "b".repeat(SAMPLE_SIZE_MAX - 1), "c".repeat(SAMPLE_SIZE_MAX - 2)] {
        house.report(vec![(named("note"), json!(text))]);
    }
    let seen = series(&house, Party::Owner, "note", 0).unwrap();
    let versions: Vec<u64> = seen.readings.iter().map(|one| one.version).collect();
    assert_eq!((versions, seen.gap), (vec![1, 3], 1), "with its quotes the second has 257 bytes");
    house.report(vec![(named("battery"), json!(5))]);
    replace(&house, lock_json());
    assert_eq!(series(&house, Party::Owner, "note", 0), Err(Refusal::NoSuchName));
    assert_eq!(values(&series(&house, Party::Owner, "battery", 0).unwrap()), [(1, 5)]);
    replace(&house, lock_with_note());
    assert_eq!(series(&house, Party::Owner, "note", 0).unwrap().readings, [], "it was erased");
}
