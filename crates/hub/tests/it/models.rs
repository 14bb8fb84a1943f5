//! Which models are taken, and which values fit them.

use hub::{BadModelReason, MODEL_SIZE_MAX, ThingModel, VALUE_DEPTH_MAX, VALUE_SIZE_MAX, check_value};
use serde_json::{Value, json};

use crate::house::{House, lock_json, named};

#[test]
fn a_model_that_cannot_be_kept_to_is_refused_where_it_cannot() {
    use BadModelReason::{Count, Form, Forms, Name, Place, Reference, Schema, Title, TooLarge};
    let with = |member: &str, name: &str, affordance: Value| {
        let mut model = json!({"title": "t"});
        model[member] = json!({});
        model[member][name] = affordance;
        model
    };
    let property = |schema: Value| with("properties", "x", schema);
    let many: serde_json::Map<_, _> = (0..129).map(|number| (format!("p{number}"), json!({}))).collect();
    let deep = (0..50).fold(json!({}), |inner, _| json!({"properties": {"x": inner}}));
    let cases = [
        (json!([]), "", Form),
        (json!({}), "/title", Title),
        (json!({"title": ""}), "/title", Title),
        (json!({"title": "x".repeat(129)}), "/title", Title),
        (json!({"title": "x", "description": "y".repeat(MODEL_SIZE_MAX)}), "", TooLarge),
        (property(deep), "", TooLarge),
        (json!({"title": "x", "tm:required": []}), "/tm:required", Reference),
        (json!({"title": "x", "properties": []}), "/properties", Form),
        (json!({"title": "x", "actions": many}), "/actions", Count),
        (property(json!(1)), "/properties/x", Form),
        (property(json!({"forms": []})), "/properties/x/forms", Forms),
        (property(json!({"tm:ref": "x"})), "/properties/x/tm:ref", Reference),
        (property(json!({"readOnly": "yes"})), "/properties/x/readOnly", Form),
        (property(json!({"type": "float"})), "/properties/x/type", Schema),
        (property(json!({"pattern": "a+"})), "/properties/x/pattern", Schema),
        (property(json!({"enum": []})), "/properties/x/enum", Schema),
        (property(json!({"minimum": "0"})), "/properties/x/minimum", Schema),
        (property(json!({"multipleOf": 0})), "/properties/x/multipleOf", Schema),
        (property(json!({"items": {"$ref": "#"}})), "/properties/x/items/$ref", Schema),
        (property(json!({"oneOf": [{}, {"not": {}}]})), "/properties/x/oneOf/1/not", Schema),
        (property(json!({"osap:place": {"area": "a/b"}})), "/properties/x/osap:place", Form),
        (with("actions", "x", json!({"input": {"allOf": []}})), "/actions/x/input/allOf", Schema),
        (with("events", "x", json!({"data": 1})), "/events/x/data", Schema),
        (with("properties", "a/b", json!({})), "/properties/a/b", Name),
        (with("properties", "", json!({})), "/properties/", Name),
        (with("properties", ".x", json!({})), "/properties/.x", Name),
        (with("properties", &"x".repeat(65), json!({})), &format!("/properties/{}", "x".repeat(65)), Name),
        (
            json!({"title": "x", "properties": {"a": {}, "b": {"osap:place": {"identifier": "a"}}}}),
            "/properties/b/osap:place",
            Place,
        ),
    ];
    for (model, at, why) in cases {
        let bad = ThingModel::new(model.clone()).expect_err(&model.to_string());
        assert_eq!((bad.at.as_str(), bad.why), (at, why));
    }
    assert!(ThingModel::new(lock_json()).is_ok());
}

#[test]
fn a_value_fits_its_schema_or_is_refused() {
    let model = json!({"title": "t", "properties": {
        "integer": {"type": "integer", "minimum": -1, "exclusiveMaximum": 9_007_199_254_740_993_u64},
        "number": {"type": "number", "exclusiveMinimum": 0, "maximum": 1.5, "multipleOf": 0.1},
        "string": {"type": "string", "minLength": 2, "maxLength": 3},
        "const": {"const": 1},
        "enum": {"enum": ["a", 2, null]},
        "null": {"type": "null"},
        "boolean": {"type": "boolean"},
        "array": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "integer"}},
        "tuple": {"type": "array", "items": [{"type": "integer"}, {"type": "string"}]},
        "object": {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}},
        "either": {"oneOf": [{"type": "integer", "minimum": 5}, {"type": "integer", "maximum": 7}]},
        "any": {"title": "anything", "unit": "m", "ex:own": {"not": 1}},
    }});
    let house = House::empty();
    house.add(crate::house::LOCK, "D1", model).unwrap();
    let fits = |name: &str, value: &Value| {
        let (reporting, _) = house.report(vec![(named(name), value.clone())]);
        reporting.taken == 1
    };
    let big = json!({"a": 1, "more": true});
    let cases: [(&str, &[Value], &[Value]); 12] = [
        (
            "integer",
            &[json!(-1), json!(5.0), json!(9_007_199_254_740_992_u64)],
            &[json!(-2), json!(1.5), json!("1"), json!(9_007_199_254_740_993_u64), json!(null)],
        ),
        ("number", &[json!(0.3), json!(1.5), json!(1)], &[json!(0), json!(-1), json!(1.6), json!(0.25)]),
        ("string", &[json!("ab"), json!("äöü")], &[json!("a"), json!("abcd"), json!(1)]),
        ("const", &[json!(1), json!(1.0)], &[json!(2), json!("1")]),
        ("enum", &[json!("a"), json!(2.0), json!(null)], &[json!("b"), json!(3)]),
        ("null", &[json!(null)], &[json!(0), json!(false)]),
        ("boolean", &[json!(true)], &[json!(0), json!("true")]),
        ("array", &[json!([1]), json!([1, 2])], &[json!([]), json!([1, 2, 3]), json!([1, "2"]), json!({})]),
        ("tuple", &[json!([1, "a"]), json!([1])], &[json!(["a"]), json!([1, 2])]),
        ("object", &[json!({"a": 1}), big], &[json!({}), json!({"a": "1"}), json!([])]),
        ("either", &[json!(4), json!(8)], &[json!(6), json!("x")]),
        ("any", &[json!(null), json!({"x": [1]})], &[]),
    ];
    for (name, good, bad) in cases {
        for value in good {
            assert!(fits(name, value), "{name}: {value}");
        }
        for value in bad {
            assert!(!fits(name, value), "{name}: {value}");
        }
    }
}

#[test]
fn values_are_bounded_in_size_and_depth() {
    let nested = |depth: usize| (1..depth).fold(json!(1), |inner, _| json!([inner]));
    assert!(check_value(&nested(VALUE_DEPTH_MAX)).is_ok());
    assert!(check_value(&nested(VALUE_DEPTH_MAX + 1)).is_err());
    assert!(check_value(&json!("x".repeat(VALUE_SIZE_MAX - 2))).is_ok());
    assert!(check_value(&json!("x".repeat(VALUE_SIZE_MAX - 1))).is_err());
}

// verifies: OSAP-2.1.1-01
#[test]
fn an_area_is_the_same_in_the_models_of_unrelated_things() {
    let of = |title: &str, extra: Value| {
        let mut model = json!({"title": title, "properties": {
            "isLocked": {"type": "boolean", "osap:place": {"area": "Lock"}},
        }});
        model.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        ThingModel::new(model).unwrap()
    };
    let (door, till) =
        (of("Front door", json!({})), of("Till", json!({"tenant": "t", "price": 3, "application": "a"})));
    let places = [&door, &till].map(|model| {
        let property = model.affordances(hub::AffordanceKind::Property).next().unwrap();
        property.place().unwrap()
    });
    assert_eq!(
        places[0], places[1],
        "what a business says of its thing is no part of where a function stands"
    );
    assert_eq!((&*places[0].area, &*places[0].identifier), ("Lock", "isLocked"));
    for word in ["tenant", "price", "application"] {
        let mut place = json!({"area": "Lock"});
        place[word] = json!("x");
        let model = json!({"title": "t", "properties": {"isLocked": {"osap:place": place}}});
        assert!(ThingModel::new(model).is_err(), "{word} is no member of a place");
    }
}
