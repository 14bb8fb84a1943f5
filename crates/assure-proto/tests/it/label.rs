//! Labels and case strings.

use assure_proto::{CASE_INPUT_LENGTH_MAX, CaseId, Label};
use clock::Dice;
use model::Uuid;
use wire::{DecodeError, Reason};

use crate::reject;
use crate::vectors::{self, hex, id, load, name, providers, reason};

// verifies: ASSURE-6.2.5-02, ASSURE-6.2.5-03, ASSURE-6.2.5-04, ASSURE-6.2.5-05, ASSURE-6.2.5-06, TS-L2
#[test]
fn labels_of_the_oracle_are_read_alike() {
    let file = load("label.json");
    for vector in vectors::vectors(&file).iter().filter(|v| v["kind"] == "label") {
        let bytes = hex(vector, "bytes");
        let read = Label::decode(&bytes);
        if reason(vector).is_some() {
            assert!(read.is_err(), "{}", name(vector));
            continue;
        }
        let label = read.unwrap();
        assert_eq!(label.device.0, id(vector, "uuid").0, "{}", name(vector));
        assert_eq!(label.case_id.expose(), hex(vector, "case_id"), "{}", name(vector));
        assert_eq!(*label.case_id.case_string(), vector["case_string"].as_str().unwrap());
        assert_eq!(label.encode()[..], bytes, "{}", name(vector));
        for provider in providers() {
            assert_eq!(label.case_id.hash(provider, &label.device).0[..], hex(vector, "case_hash"));
        }
    }
}

// verifies: ASSURE-6.2.4-01
#[test]
fn case_strings_are_read_as_people_type_them() {
    let file = load("label.json");
    let mut seen = 0;
    for vector in vectors::vectors(&file).iter().filter(|v| v["kind"] != "label") {
        assert_eq!(vector["kind"], "case_string");
        let read = CaseId::from_typed(vector["text"].as_str().unwrap());
        let canonical = read.ok().map(|id| id.case_string().to_string());
        assert_eq!(
            canonical.as_deref(),
            vector.get("canonical").and_then(|v| v.as_str()),
            "{}",
            name(vector)
        );
        assert_eq!(canonical.is_none(), reason(vector).is_some(), "{}", name(vector));
        seen += 1;
    }
    assert!(seen > 10);
    let padded = |spaces: usize| format!("{}{}", " ".repeat(spaces), "0123456789abcdef".repeat(2));
    assert!(CaseId::from_typed(&padded(CASE_INPUT_LENGTH_MAX - 32)).is_ok());
    assert!(CaseId::from_typed(&padded(CASE_INPUT_LENGTH_MAX - 31)).is_err(), "over the limit");
}

// verifies: ASSURE-6.2.4-04
#[test]
fn case_ids_are_128_random_bits_and_stay_hidden() {
    let mut dice = Dice::numbered(1);
    let (first, second) = (CaseId::draw(&mut dice), CaseId::draw(&mut dice));
    assert_ne!(first, second);
    assert_eq!((first.expose().len(), first.case_string().len()), (16, 32));
    assert_eq!(first.expose(), Dice::numbered(1).bytes::<16>(), "nothing but the dice goes in");
    assert_eq!(format!("{first:?}"), "CaseId(..)");
    let label = Label { device: Uuid([7; 16]), case_id: first.clone() };
    assert!(!format!("{label:?}").contains(first.case_string().as_str()));
}

// verifies: ASSURE-6.2.5-03
#[test]
fn malformed_labels_are_refused() {
    let label = Label { device: Uuid([1; 16]), case_id: CaseId::from_bytes(&[2; 16]) };
    let good = label.encode();
    assert_eq!((good.len(), good[0], good[1], good[2], good[19]), (36, 0x83, 1, 0x50, 0x50));
    reject::cuts_and_additions(&good[..], Label::decode);
    reject::flips(&good[..], Label::decode);
    let mut newer = *good;
    newer[1] = 2;
    assert_eq!(Label::decode(&newer), Err(DecodeError::new(1, Reason::UnknownVersion)));
}
