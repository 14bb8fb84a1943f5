//! Values: JSON of bounded size and depth.

use serde_json::Value;

use crate::refusal::Refusal;

/// The largest value, in bytes of JSON without spaces.
pub const VALUE_SIZE_MAX: usize = 64 * 1024;

/// How deep arrays and objects may be nested in a value: a number has depth 1, an array of numbers 2.
pub const VALUE_DEPTH_MAX: usize = 32;

/// Checks a value against [`VALUE_SIZE_MAX`] and [`VALUE_DEPTH_MAX`].
///
/// # Errors
/// [`Refusal::TooLarge`].
pub fn check_value(value: &Value) -> Result<(), Refusal> {
    to_text(value).map(drop)
}

/// The JSON of a value within the limits.
pub(crate) fn to_text(value: &Value) -> Result<String, Refusal> {
    if !is_within(value, VALUE_DEPTH_MAX) {
        return Err(Refusal::TooLarge);
    }
    let text = value.to_string();
    if text.len() <= VALUE_SIZE_MAX { Ok(text) } else { Err(Refusal::TooLarge) }
}

pub(crate) fn is_within(value: &Value, depth: usize) -> bool {
    let Some(below) = depth.checked_sub(1) else { return false };
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        Value::Array(items) => items.iter().all(|item| is_within(item, below)),
        Value::Object(members) => members.values().all(|member| is_within(member, below)),
    }
}

/// Reads JSON that we stored.
pub(crate) fn from_text(text: &str) -> Result<Value, ledger::BadRecord> {
    serde_json::from_str(text).map_err(|_| ledger::BadRecord)
}
