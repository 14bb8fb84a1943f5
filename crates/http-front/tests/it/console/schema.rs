//! Whether an answer is as the description of the API says: a reader of schemas that nobody else uses, and that
//! stops at a word of theirs it does not know.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::curl::Reply;

pub(crate) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::to_value(http_front::console::description()).unwrap());

/// Words that say nothing about which values there are.
const REMARKS: &[&str] = &["description", "format", "example", "propertyNames"];

/// The operation that `method path` is, and its part of the description.
pub(crate) fn operation(method: &str, path: &str) -> Option<(&'static str, &'static Value)> {
    let path = path.split(['?', '#']).next().unwrap();
    let is_it = |template: &str| {
        let (mut given, mut wanted) = (path.split('/'), template.split('/'));
        loop {
            match (given.next(), wanted.next()) {
                (None, None) => return true,
                (Some(given), Some(wanted)) if given == wanted || wanted.starts_with('{') => {}
                _ => return false,
            }
        }
    };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let (_, item) =
        paths.iter().find(|(template, item)| is_it(template) && item[method.to_lowercase()].is_object())?;
    let operation = &item[method.to_lowercase()];
    Some((operation["operationId"].as_str().unwrap(), operation))
}

/// Holds an answer against the description; says which operation it was when it was a success.
#[track_caller]
pub(crate) fn is_as_described(method: &str, path: &str, reply: &Reply) -> Option<&'static str> {
    let (id, operation) = operation(method, path)?;
    let is_success = (200..300).contains(&reply.status);
    let answers = &operation["responses"];
    let answer = match (&answers[reply.status.to_string()], is_success) {
        (Value::Null, false) => &answers["default"],
        (answer, _) => answer,
    };
    assert!(answer.is_object(), "{id}: {} is not described", reply.status);
    // As aSSURE 11 has it, for programs.
    if reply.body.is_empty() && !is_success {
        return None;
    }
    let content = answer["content"].as_object();
    let Some(content) = content else {
        assert!(reply.body.is_empty(), "{id}: a body is not described: {reply:?}");
        return Some(id);
    };
    let kind = reply.header("content-type").unwrap_or_default().split(';').next().unwrap();
    let described = content.get(kind).unwrap_or_else(|| panic!("{id}: {kind} is not described"));
    if kind.ends_with("json") {
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        if let Err(why) = fits(&described["schema"], &body, true) {
            panic!("{id} {}: {why} in {body}", reply.status);
        }
    }
    is_success.then_some(id)
}

fn named(schema: &Value) -> Option<&'static Value> {
    let name = schema["$ref"].as_str()?.strip_prefix("#/components/schemas/").unwrap();
    let named = &DOCUMENT["components"]["schemas"][name];
    assert!(named.is_object(), "there is no schema {name}");
    Some(named)
}

/// The properties of an object's schema with those of its parts.
fn properties(schema: &Value) -> Map<String, Value> {
    let schema = named(schema).unwrap_or(schema);
    let mut all = schema["properties"].as_object().cloned().unwrap_or_default();
    for word in ["allOf", "oneOf"] {
        for part in schema[word].as_array().into_iter().flatten() {
            all.extend(properties(part));
        }
    }
    all
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("there is no type {other}"),
    }
}

/// Why `value` is not as `schema` has it. `closed`: nothing may stand in an object that the schema does not name.
pub(crate) fn fits(schema: &Value, value: &Value, closed: bool) -> Result<(), String> {
    if let Some(named) = named(schema) {
        return fits(named, value, closed);
    }
    let is_object = schema["properties"].is_object() || schema["allOf"].is_array();
    if let (true, true, Some(fields)) = (closed, is_object, value.as_object()) {
        let known = properties(schema);
        if let Some(stranger) = fields.keys().find(|name| !known.contains_key(*name)) {
            return Err(format!("`{stranger}` is not described"));
        }
    }
    for (word, rule) in schema.as_object().unwrap() {
        let parts = || rule.as_array().unwrap().iter();
        match &word[..] {
            "type" => {
                let kinds: BTreeSet<&str> = match rule {
                    Value::Array(kinds) => kinds.iter().map(|kind| kind.as_str().unwrap()).collect(),
                    kind => [kind.as_str().unwrap()].into(),
                };
                if !kinds.iter().any(|kind| is_of(kind, value)) {
                    return Err(format!("{value} is none of {kinds:?}"));
                }
            }
            "enum" if !parts().any(|one| one == value) => return Err(format!("{value} is none of {rule}")),
            "const" if rule != value => return Err(format!("{value} is not {rule}")),
            "minimum" if value.as_f64().is_some_and(|given| given < rule.as_f64().unwrap()) => {
                return Err(format!("{value} is below {rule}"));
            }
            "required" if value.is_object() => {
                if let Some(missing) = parts().find(|name| value.get(name.as_str().unwrap()).is_none()) {
                    return Err(format!("{missing} is missing"));
                }
            }
            "properties" => {
                for (name, schema) in rule.as_object().unwrap() {
                    let Some(field) = value.get(name) else { continue };
                    fits(schema, field, closed).map_err(|why| format!("{name}: {why}"))?;
                }
            }
            "items" => {
                for (at, one) in value.as_array().into_iter().flatten().enumerate() {
                    fits(rule, one, closed).map_err(|why| format!("[{at}]: {why}"))?;
                }
            }
            "oneOf" => {
                let fitting = parts().filter(|schema| fits(schema, value, closed).is_ok()).count();
                if fitting != 1 {
                    return Err(format!("{value} fits {fitting} of {rule}"));
                }
            }
            "allOf" => {
                for part in parts() {
                    fits(part, value, false)?;
                }
            }
            "additionalProperties" if *rule == Value::Bool(false) => {
                let known = properties(schema);
                if let Some(stranger) =
                    value.as_object().into_iter().flat_map(Map::keys).find(|name| !known.contains_key(*name))
                {
                    return Err(format!("`{stranger}` may not stand there"));
                }
            }
            "enum" | "const" | "minimum" | "required" => {}
            remark if REMARKS.contains(&remark) => {}
            other => panic!("{other} is no word of a schema that is known here: {schema}"),
        }
    }
    Ok(())
}
