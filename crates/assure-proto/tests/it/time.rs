//! Simple and precise timestamps.

use assure_proto::{PreciseTime, SimpleTime};
use clock::Timestamp;
use wire::{DecodeError, Reason};

use crate::reject;
use crate::vectors::{self, hex, load, name, number, reason};

const TWO_TO_32: u128 = 1 << 32;

// verifies: ASSURE-7.11.1-01, ASSURE-7.11.1-02, ASSURE-7.11.2-01, ASSURE-7.11.2-02
#[test]
fn timestamps_of_the_oracle_are_read_alike() {
    let file = load("time.json");
    for vector in vectors::vectors(&file) {
        match vector["kind"].as_str().unwrap() {
            "simple" => check_simple(vector),
            "precise" => check_precise(vector),
            "convert" => check_conversion(vector),
            other => panic!("{other}: no such kind of vector"),
        }
    }
}

fn check_simple(vector: &serde_json::Value) {
    let bytes = hex(vector, "bytes");
    let read = SimpleTime::decode(&bytes);
    if reason(vector).is_some() {
        assert!(read.is_err(), "{}: {read:?}", name(vector));
        return;
    }
    let time = read.unwrap();
    assert_eq!(time.secs, number(vector, "seconds"), "{}", name(vector));
    let unix = vector["unix"].as_u64().unwrap();
    assert_eq!(time.timestamp().as_unix_millis(), unix * 1000, "{}", name(vector));
    assert_eq!(SimpleTime::from_timestamp(time.timestamp()), Some(time), "{}", name(vector));
    assert_eq!(time.encode(), bytes, "{}", name(vector));
}

fn check_precise(vector: &serde_json::Value) {
    let bytes = hex(vector, "bytes");
    let read = PreciseTime::decode(&bytes);
    if reason(vector).is_some() {
        assert!(read.is_err(), "{}: {read:?}", name(vector));
        return;
    }
    let time = read.unwrap();
    assert_eq!((time.secs, time.frac), (number(vector, "seconds"), number(vector, "fraction")));
    let millis =
        vector["unix"].as_u64().unwrap() * 1000 + vector["nanoseconds"].as_u64().unwrap() / 1_000_000;
    assert_eq!(time.timestamp().as_unix_millis(), millis, "{}", name(vector));
    assert_eq!(time.encode(), bytes, "{}", name(vector));
}

/// Our clock counts milliseconds: the fraction is that of the millisecond in which the nanosecond lies.
fn check_conversion(vector: &serde_json::Value) {
    let nanos = vector["nanoseconds"].as_u64().unwrap();
    let millis = vector["unix"].as_u64().unwrap() * 1000 + nanos / 1_000_000;
    let time = PreciseTime::from_timestamp(Timestamp::from_unix_millis(millis));
    if reason(vector).is_some() {
        assert_eq!(time, None, "{}", name(vector));
        return;
    }
    let time = time.unwrap();
    assert_eq!(time.secs, number(vector, "seconds"), "{}", name(vector));
    let whole_millis = nanos.is_multiple_of(1_000_000);
    let expected = if whole_millis { number(vector, "fraction") } else { time.frac };
    assert_eq!(time.frac, expected, "{}", name(vector));
    let distance = i128::from(number(vector, "fraction")) - i128::from(time.frac);
    assert!((0..=TWO_TO_32 as i128 / 1000).contains(&distance), "{}", name(vector));
}

// verifies: ASSURE-7.11.2-02
#[test]
fn every_millisecond_survives_as_a_fraction() {
    for millis in 0..1000 {
        let point = Timestamp::from_unix_millis(1_262_304_007_000 + millis);
        let time = PreciseTime::from_timestamp(point).unwrap();
        assert_eq!(time.secs, 7);
        assert_eq!(time.timestamp(), point, "{millis}");
    }
    assert_eq!(PreciseTime { secs: 0, frac: 0x8000_0000 }.timestamp().as_unix_millis() % 1000, 500);
}

// verifies: ASSURE-7.11.1-02
#[test]
fn times_that_the_format_does_not_reach_are_none() {
    for millis in [0, 1_262_303_999_999, (1_262_304_000 + (1 << 32)) * 1000] {
        assert_eq!(SimpleTime::from_timestamp(Timestamp::from_unix_millis(millis)), None, "{millis}");
        assert_eq!(PreciseTime::from_timestamp(Timestamp::from_unix_millis(millis)), None, "{millis}");
    }
}

#[test]
fn malformed_timestamps_are_refused() {
    let precise = PreciseTime { secs: 70_000, frac: 5 };
    reject::cuts_and_additions(&precise.encode(), PreciseTime::decode);
    reject::flips(&precise.encode(), PreciseTime::decode);
    reject::cuts_and_additions(&SimpleTime { secs: 70_000 }.encode(), SimpleTime::decode);
    assert_eq!(SimpleTime::decode(&[0x20]), Err(DecodeError::new(0, Reason::WrongKind)));
    let above = [0x1b, 0, 0, 0, 1, 0, 0, 0, 0];
    assert_eq!(SimpleTime::decode(&above), Err(DecodeError::new(0, Reason::OutOfRange)));
}
