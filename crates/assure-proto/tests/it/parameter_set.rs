//! Parameter sets.

use assure_proto::{
    CHOICES_MAX, PARAMETER_SET_LENGTH_MAX, ParameterChoice, ParameterMessage, ParameterMethod, ParameterSet,
    PayloadForm,
};
use serde_json::{Value, json};
use wire::{DecodeError, Reason};

use crate::reject;
use crate::vectors::{self, hex, load, name, reason};

fn shown(set: &ParameterSet) -> Value {
    let message = |message: &ParameterMessage| {
        let method = match message.method {
            ParameterMethod::Get => "GET",
            ParameterMethod::Post => "POST",
            ParameterMethod::Put => "PUT",
            ParameterMethod::Delete => "DELETE",
        };
        let mut value = json!({
            "method": method,
            "path": message.path,
            "payload": message.payload.name(),
            "required": message.required,
            "min": message.min,
            "max": message.max,
        });
        if let Some(description) = &message.description {
            value["description"] = json!(description);
        }
        value
    };
    let choice = |choice: &ParameterChoice| {
        let messages: Vec<_> = choice.messages.iter().map(message).collect();
        json!({ "name": choice.name, "messages": messages })
    };
    json!({ "name": set.name, "choices": set.choices.iter().map(choice).collect::<Vec<_>>() })
}

// verifies: ASSURE-9.2.2-01, ASSURE-7.5-02
#[test]
fn parameter_sets_of_the_oracle_are_read_alike() {
    let file = load("parameterset.json");
    for vector in vectors::vectors(&file) {
        let bytes = hex(vector, "bytes");
        let read = ParameterSet::decode(&bytes);
        if reason(vector).is_some() {
            assert!(read.is_err(), "{}", name(vector));
            continue;
        }
        let set = read.unwrap();
        // the one at the limit is too long to be shown
        if let Some(read) = vector.get("read") {
            assert_eq!(shown(&set), *read, "{}", name(vector));
        }
        let again = ParameterSet::decode(&set.encode()).unwrap();
        assert_eq!(again, set, "{}: what is kept is written", name(vector));
        assert!(set.encode().len() <= bytes.len(), "{}: defaults are left out", name(vector));
    }
}

fn full() -> ParameterSet {
    let message = ParameterMessage {
        method: ParameterMethod::Put,
        path: "/v1/app/{day}".into(),
        payload: PayloadForm::CborAny,
        required: true,
        min: 2,
        max: 7,
        description: Some("a day".into()),
        further: vec![(vec![7], vec![0x81, 1]), (vec![0x20], vec![0xf6])],
    };
    let plain = ParameterMessage {
        required: false,
        min: 0,
        max: 1,
        description: None,
        further: Vec::new(),
        ..message.clone()
    };
    let choices = vec![ParameterChoice { name: "default".into(), messages: vec![message, plain] }];
    ParameterSet { name: "thermostat".into(), choices }
}

#[test]
fn malformed_parameter_sets_are_refused() {
    let good = full();
    assert_eq!(ParameterSet::decode(&good.encode()), Ok(good.clone()));
    reject::cuts_and_additions(&good.encode(), ParameterSet::decode);
    reject::flips(&good.encode(), ParameterSet::decode);
    let mut newer = good.encode();
    newer[2] = 2;
    assert_eq!(ParameterSet::decode(&newer), Err(DecodeError::new(2, Reason::UnknownVersion)));
}

#[test]
fn parameter_sets_over_their_limits_are_refused() {
    let long = vec![0x84; PARAMETER_SET_LENGTH_MAX + 1];
    let over = DecodeError::new(PARAMETER_SET_LENGTH_MAX, Reason::OverLimit);
    assert_eq!(ParameterSet::decode(&long), Err(over));
    let choice = ParameterChoice { name: String::new(), messages: Vec::new() };
    let with = |count| ParameterSet { name: String::new(), choices: vec![choice.clone(); count] };
    assert_eq!(ParameterSet::decode(&with(CHOICES_MAX).encode()), Ok(with(CHOICES_MAX)));
    let too_many = ParameterSet::decode(&with(CHOICES_MAX + 1).encode());
    assert_eq!(too_many, Err(DecodeError::new(4, Reason::OverLimit)));
}
