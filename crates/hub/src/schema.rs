//! Whether a value is of the form that a data schema gives.
//!
//! The part of JSON Schema that Thing Descriptions name: type, enum, const, oneOf, minimum and maximum (also
//! exclusive), multipleOf, lengths, item counts, items, properties, required. What else a schema may hold is
//! either said to be meaningless here (titles, units, formats) or refused when the model is taken, so that no
//! rule is silently left unchecked.
//! Source: W3C Thing Description 1.1 section 5.3.2.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

/// Where a value is not of its form, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The JSON pointer to the part that does not fit; empty for the whole value.
    pub at: String,
    /// What does not fit.
    pub why: Reason,
}

/// The rule that a value breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Another type.
    Type,
    /// Not one of the values listed.
    Enum,
    /// Not the one value.
    Const,
    /// None of the forms, or more than one.
    OneOf,
    /// Too small.
    Minimum,
    /// Too large.
    Maximum,
    /// No multiple.
    MultipleOf,
    /// Too few characters.
    MinLength,
    /// Too many characters.
    MaxLength,
    /// Too few items.
    MinItems,
    /// Too many items.
    MaxItems,
    /// A member is missing.
    Required,
}

impl Reason {
    /// The name of the rule in a schema.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Enum => "enum",
            Self::Const => "const",
            Self::OneOf => "oneOf",
            Self::Minimum => "minimum",
            Self::Maximum => "maximum",
            Self::MultipleOf => "multipleOf",
            Self::MinLength => "minLength",
            Self::MaxLength => "maxLength",
            Self::MinItems => "minItems",
            Self::MaxItems => "maxItems",
            Self::Required => "required",
        }
    }
}

fn broken(why: Reason) -> Mismatch {
    Mismatch { at: String::new(), why }
}

impl Mismatch {
    /// There is a value where none is taken.
    pub(crate) fn no_input() -> Self {
        broken(Reason::Const)
    }

    /// The same mismatch, one step further in.
    fn under(self, step: &str) -> Self {
        let step = step.replace('~', "~0").replace('/', "~1");
        Self { at: format!("/{step}{}", self.at), ..self }
    }
}

/// Checks `value` against a schema that [`bad_part`] found nothing wrong with.
pub(crate) fn check(schema: &Map<String, Value>, value: &Value) -> Result<(), Mismatch> {
    if let Some(Value::String(name)) = schema.get("type")
        && !is_of_type(value, name)
    {
        return Err(broken(Reason::Type));
    }
    if let Some(Value::Array(allowed)) = schema.get("enum")
        && !allowed.iter().any(|one| equal(one, value))
    {
        return Err(broken(Reason::Enum));
    }
    if schema.get("const").is_some_and(|only| !equal(only, value)) {
        return Err(broken(Reason::Const));
    }
    if let Some(Value::Array(forms)) = schema.get("oneOf") {
        let fitting = forms.iter().filter_map(Value::as_object).filter(|form| check(form, value).is_ok());
        if fitting.count() != 1 {
            return Err(broken(Reason::OneOf));
        }
    }
    match value {
        Value::Null | Value::Bool(_) => Ok(()),
        Value::Number(number) => check_number(schema, number),
        Value::String(text) => {
            check_count(schema, text.chars().count(), ["minLength", "maxLength"], TEXT_REASONS)
        }
        Value::Array(items) => check_items(schema, items),
        Value::Object(members) => check_members(schema, members),
    }
}

const TEXT_REASONS: [Reason; 2] = [Reason::MinLength, Reason::MaxLength];
const ITEM_REASONS: [Reason; 2] = [Reason::MinItems, Reason::MaxItems];

fn check_count(
    schema: &Map<String, Value>,
    count: usize,
    [least, most]: [&str; 2],
    [too_few, too_many]: [Reason; 2],
) -> Result<(), Mismatch> {
    let count = count as u64;
    let limit = |name| schema.get(name).and_then(Value::as_u64);
    if limit(least).is_some_and(|least| count < least) {
        return Err(broken(too_few));
    }
    if limit(most).is_some_and(|most| count > most) {
        return Err(broken(too_many));
    }
    Ok(())
}

fn check_number(schema: &Map<String, Value>, number: &Number) -> Result<(), Mismatch> {
    let against = |name| schema.get(name).and_then(Value::as_number).map(|limit| compare(number, limit));
    let below = |order: Option<Ordering>| order == Some(Ordering::Less);
    let above = |order: Option<Ordering>| order == Some(Ordering::Greater);
    if below(against("minimum")) || against("exclusiveMinimum").is_some_and(Ordering::is_le) {
        return Err(broken(Reason::Minimum));
    }
    if above(against("maximum")) || against("exclusiveMaximum").is_some_and(Ordering::is_ge) {
        return Err(broken(Reason::Maximum));
    }
    if let Some(step) = schema.get("multipleOf").and_then(Value::as_number)
        && !is_multiple(number, step)
    {
        return Err(broken(Reason::MultipleOf));
    }
    Ok(())
}

fn check_items(schema: &Map<String, Value>, items: &[Value]) -> Result<(), Mismatch> {
    check_count(schema, items.len(), ["minItems", "maxItems"], ITEM_REASONS)?;
    for (index, item) in items.iter().enumerate() {
        let form = match schema.get("items") {
            Some(Value::Object(every)) => Some(every),
            Some(Value::Array(each)) => each.get(index).and_then(Value::as_object),
            _ => None,
        };
        if let Some(form) = form {
            check(form, item).map_err(|mismatch| mismatch.under(&index.to_string()))?;
        }
    }
    Ok(())
}

fn check_members(schema: &Map<String, Value>, members: &Map<String, Value>) -> Result<(), Mismatch> {
    if let Some(Value::Array(required)) = schema.get("required") {
        let missing = required.iter().filter_map(Value::as_str).find(|name| !members.contains_key(*name));
        if let Some(missing) = missing {
            return Err(broken(Reason::Required).under(missing));
        }
    }
    if let Some(Value::Object(forms)) = schema.get("properties") {
        for (name, form) in forms {
            if let (Some(member), Some(form)) = (members.get(name), form.as_object()) {
                check(form, member).map_err(|mismatch| mismatch.under(name))?;
            }
        }
    }
    Ok(())
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match (name, value) {
        ("null", Value::Null)
        | ("boolean", Value::Bool(_))
        | ("number", Value::Number(_))
        | ("string", Value::String(_))
        | ("array", Value::Array(_))
        | ("object", Value::Object(_)) => true,
        ("integer", Value::Number(number)) => {
            number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|float| float.fract() == 0.0)
        }
        _ => false,
    }
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

/// Whole numbers are compared exactly, others as the machine's floating-point numbers.
fn compare(one: &Number, other: &Number) -> Ordering {
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        _ => {
            let float = |number: &Number| number.as_f64().unwrap_or(f64::NAN);
            float(one).partial_cmp(&float(other)).unwrap_or(Ordering::Less)
        }
    }
}

fn is_multiple(number: &Number, step: &Number) -> bool {
    match (whole(number), whole(step)) {
        (Some(number), Some(step)) => step != 0 && number % step == 0,
        _ => {
            let quotient = number.as_f64().unwrap_or(f64::NAN) / step.as_f64().unwrap_or(f64::NAN);
            // 0.3 is a multiple of 0.1 to people, if not to the machine.
            (quotient - quotient.round()).abs() <= 1e-9 * quotient.abs().max(1.0)
        }
    }
}

/// Equal as JSON values: 1 and 1.0 are one number.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => compare(one, other) == Ordering::Equal,
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, member)| other.get(name).is_some_and(|same| equal(member, same)))
        }
        _ => one == other,
    }
}

/// Members of a schema that mean nothing to the check, by the specification.
const ANNOTATIONS: &[&str] = &[
    "@type",
    "title",
    "titles",
    "description",
    "descriptions",
    "unit",
    "format",
    "default",
    "readOnly",
    "writeOnly",
    "contentEncoding",
    "contentMediaType",
    "observable",
    "uriVariables",
    "safe",
    "idempotent",
    "synchronous",
    "input",
    "output",
    "data",
    "subscription",
    "cancellation",
    "dataResponse",
];

/// The pointer to the first part of `schema` that cannot be checked; `None` when all of it can.
pub(crate) fn bad_part(schema: &Map<String, Value>) -> Option<String> {
    schema.iter().find_map(|(name, value)| {
        let below = |value: &Value| match value {
            Value::Object(form) => bad_part(form),
            _ => Some(String::new()),
        };
        let each = |forms: &[Value]| {
            forms.iter().enumerate().find_map(|(index, form)| below(form).map(|at| format!("/{index}{at}")))
        };
        let at = match (name.as_str(), value) {
            ("type", Value::String(word)) => {
                let known = ["null", "boolean", "integer", "number", "string", "array", "object"];
                (!known.contains(&word.as_str())).then(String::new)
            }
            ("enum", Value::Array(values)) => values.is_empty().then(String::new),
            ("const", _) => None,
            ("oneOf", Value::Array(forms)) if !forms.is_empty() => each(forms),
            ("minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum", Value::Number(_)) => None,
            ("multipleOf", Value::Number(step)) => {
                (!step.as_f64().is_some_and(|step| step > 0.0)).then(String::new)
            }
            ("minLength" | "maxLength" | "minItems" | "maxItems", value) if value.is_u64() => None,
            ("items", Value::Array(forms)) => each(forms),
            ("items", Value::Object(form)) => bad_part(form),
            ("properties", Value::Object(forms)) => {
                forms.iter().find_map(|(name, form)| below(form).map(|at| format!("/{name}{at}")))
            }
            ("required", Value::Array(names)) => (!names.iter().all(Value::is_string)).then(String::new),
            // A prefix makes it somebody else's word, which says nothing about the form.
            (word, _) if ANNOTATIONS.contains(&word) || word.contains(':') => None,
            _ => Some(String::new()),
        };
        at.map(|at| format!("/{name}{at}"))
    })
}
