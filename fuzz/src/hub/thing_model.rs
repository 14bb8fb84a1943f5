//! Models of things, and values against their forms.

use ::hub::{
    AddThing, AffordanceKind, Binding, MODEL_SIZE_MAX, Marks, Origin, OsapMode, Party, Read, Refusal, Report,
    Reported, Spot, ThingModel, check_value,
};
use clock::{Moment, Now, Timestamp};
use model::{CorrelationId, Uuid};
use serde_json::{Value, json};
use store::{Memory, run};

use crate::memory;
use crate::rules::reached;
use crate::script::{Recorder, Script};
use crate::{Reached, Target};

pub(super) const THING_MODEL: Target = Target {
    name: "thing_model",
    about: "ThingModel and its forms: any JSON, kept as it came; values of any JSON, taken as the forms say",
    length_max: 4096,
    run: |input| memory::within(8 * 1024 * 1024 + 512 * input.len(), || read(input)),
    seeds,
};

const THING: Uuid = Uuid([7; 16]);

/// A model, behind its length, and a value for each of its properties.
fn read(input: &[u8]) -> Reached {
    let mut script = Script::new(input);
    let Ok(json) = serde_json::from_slice::<Value>(script.bytes()) else { return Reached::Refused };
    let model = match ThingModel::new(json.clone()) {
        Ok(model) => model,
        Err(bad) => {
            assert!(bad.at.is_empty() || bad.at.starts_with('/'), "{:?} points to nothing", bad.at);
            return Reached::Refused;
        }
    };
    assert_eq!(Value::Object(model.members().clone()), json, "it is kept as it came");
    assert!(json.to_string().len() <= MODEL_SIZE_MAX);
    assert!(!model.title().is_empty());
    assert_eq!(ThingModel::new(json.clone()).as_ref(), Ok(&model));
    let mut places = Vec::new();
    for kind in AffordanceKind::ALL {
        for affordance in model.affordances(kind) {
            let place = affordance.place().expect("places were checked");
            places.push((kind, place));
        }
    }
    let count = places.len();
    places.sort();
    places.dedup();
    assert_eq!(places.len(), count, "two of a kind at one place");
    let store = kept(&model);
    let names: Vec<String> =
        model.affordances(AffordanceKind::Property).map(|property| property.name.clone()).collect();
    let mut was_taken = names.is_empty();
    for name in names {
        let Ok(value) = serde_json::from_slice::<Value>(script.bytes()) else { continue };
        was_taken |= report(&store, &json, &name, &value);
    }
    reached(was_taken)
}

fn now() -> Now {
    Now::new(Moment::START, Timestamp::from_unix_millis(1_800_000_000_000))
}

fn kept(model: &ThingModel) -> Memory {
    let store = Memory::new();
    let origin = Origin {
        role: "management",
        actor: "root".into(),
        address: None,
        correlation: CorrelationId(*[1; 32].first_chunk().expect("32 bytes")),
        seed: [1; 32],
    };
    let binding = Binding::Osap { serial: "D1".into(), mode: OsapMode::Serial };
    let add = AddThing { id: THING, model: model.clone(), binding, marks: Marks::default(), origin };
    let added = run(&store, &add, now()).expect("memory does not fail");
    added.reply.expect("a model that was taken makes a thing");
    store
}

/// Whether the value was taken; then it fits what its form says of the simplest kinds.
fn report(store: &Memory, model: &Value, name: &str, value: &Value) -> bool {
    let values = vec![Reported { of: Spot::Named(name.to_owned()), value: value.clone(), at: None }];
    let reporting = run(store, &Report { thing: THING, values }, now()).expect("memory does not fail");
    let is_taken = reporting.reply.expect("the thing is there").taken == 1;
    if !is_taken {
        return false;
    }
    assert_eq!(check_value(value), Ok(()));
    let form = &model["properties"][name];
    let is_type = match form.get("type").and_then(Value::as_str) {
        Some("boolean") => value.is_boolean(),
        Some("string") => value.is_string(),
        Some("null") => value.is_null(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some("number" | "integer") => value.is_number(),
        _ => true,
    };
    assert!(is_type, "{value} is of another type than {form}");
    let number = |name: &str| form.get(name).and_then(Value::as_i64);
    if let Some(value) = value.as_i64() {
        assert!(number("minimum").is_none_or(|least| value >= least), "{value} of {form}");
        assert!(number("maximum").is_none_or(|most| value <= most), "{value} of {form}");
        assert!(number("exclusiveMinimum").is_none_or(|least| value > least), "{value} of {form}");
        assert!(number("exclusiveMaximum").is_none_or(|most| value < most), "{value} of {form}");
    }
    if let Some(text) = value.as_str() {
        let count = i64::try_from(text.chars().count()).expect("inputs are short");
        assert!(number("minLength").is_none_or(|least| count >= least), "{value} of {form}");
        assert!(number("maxLength").is_none_or(|most| count <= most), "{value} of {form}");
    }
    if let (Some(members), Some(Value::Array(required))) = (value.as_object(), form.get("required")) {
        let is_there = |name: &Value| name.as_str().is_some_and(|name| members.contains_key(name));
        assert!(required.iter().all(is_there), "{value} of {form}");
    }
    match run(store, &Read { thing: THING, name: name.to_owned(), party: Party::Owner }, now()) {
        Ok(done) => match done.reply {
            Ok(seen) => assert_eq!(seen.reading.map(|reading| reading.value).as_ref(), Some(value)),
            Err(refusal) => assert_eq!(refusal, Refusal::WriteOnly),
        },
        Err(error) => panic!("memory does not fail: {error:?}"),
    }
    true
}

fn seeds() -> Vec<Vec<u8>> {
    let lock = json!({
        "@context": "https://www.w3.org/2022/wot/td/v1.1",
        "@type": "tm:ThingModel",
        "title": "Front door",
        "properties": {
            "battery": {"type": "integer", "minimum": 0, "maximum": 100, "readOnly": true},
            "mode": {"type": "string", "enum": ["home", "away"],
                     "osap:place": {"resource": "1-Lock", "area": "Lock", "identifier": "lockMode"}},
            "ratio": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1.5, "multipleOf": 0.25},
        },
        "actions": {"unlock": {
            "input": {"type": "object", "properties": {"seconds": {"type": "integer", "minimum": 1}},
                      "required": ["seconds"]},
            "output": {"type": "string"}}},
        "events": {"tamper": {"data": {"type": "string", "minLength": 1, "maxLength": 9}}},
    });
    let forms = json!({
        "title": "t",
        "properties": {
            "a": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"oneOf": [{"const": 1}, {"type": "null"}]}},
            "o": {"type": "object", "properties": {"x": {"type": "boolean"}}, "required": ["x"], "writeOnly": true},
        },
    });
    let bad = json!({"title": "t", "properties": {"x": {"allOf": []}}});
    let mut seeds = Vec::new();
    for (model, values) in [
        (&lock, &[json!(80), json!("away"), json!(0.75)][..]),
        (&lock, &[json!(101), json!("gone"), json!(1.5)]),
        (&forms, &[json!([1, null]), json!({"x": true, "y": 1})]),
        (&forms, &[json!([]), json!({})]),
        (&bad, &[]),
    ] {
        let mut script = Recorder::default();
        script.bytes(model.to_string().as_bytes());
        for value in values {
            script.bytes(value.to_string().as_bytes());
        }
        seeds.push(script.0);
    }
    seeds
}
