//! The few shapes that bodies have.

use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value, json};
use wire::{DecodeError, Reason};

use crate::json::{BODY_SIZE_MAX, check_depth, read_json};
use crate::{Failure, TooLarge};

/// The member that holds a value where the form wants an object.
const VALUE: &str = "Value";
/// The code of success.
const DONE: i64 = 0;

/// The bytes of a body.
pub(crate) fn bytes(body: &Value) -> Result<Vec<u8>, TooLarge> {
    let bytes = serde_json::to_vec(body).map_err(|_| TooLarge)?;
    // The other side reads no more and no deeper; a value of ours has no member twice.
    if bytes.len() <= BODY_SIZE_MAX && check_depth(&bytes).is_ok() { Ok(bytes) } else { Err(TooLarge) }
}

/// Reads a body that is an object.
pub(crate) fn object(body: &[u8]) -> Result<Map<String, Value>, DecodeError> {
    match read_json(body)? {
        Value::Object(members) => Ok(members),
        _ => Err(wrong()),
    }
}

/// A member of the wrong kind, or none where one is needed. JSON has no offsets once it is read.
pub(crate) const fn wrong() -> DecodeError {
    DecodeError::new(0, Reason::WrongKind)
}

/// `{"data":{"Value":v}}`
pub(crate) fn of_value(value: &Value) -> Value {
    inside("data", inside(VALUE, value.clone()))
}

/// Reads `{"data":{"Value":v}}`.
pub(crate) fn value_in(mut members: Map<String, Value>) -> Result<Value, DecodeError> {
    match members.remove("data") {
        Some(Value::Object(mut data)) => data.remove(VALUE).ok_or(wrong()),
        _ => Err(wrong()),
    }
}

/// `{"data":input}`; an input that has a member `Value` of its own stands inside another, since that member
/// is what a device takes. No input is `{}`.
pub(crate) fn of_input(input: &Value) -> Value {
    match input {
        Value::Null => json!({}),
        Value::Object(members) if members.contains_key(VALUE) => of_value(input),
        other => inside("data", other.clone()),
    }
}

/// `{"name":value}`
fn inside(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.into(), value)]))
}

/// Reads `{"data":input}`.
pub(crate) fn input_in(mut members: Map<String, Value>) -> Value {
    match members.remove("data") {
        None => Value::Null,
        Some(Value::Object(mut data)) if data.contains_key(VALUE) => data.remove(VALUE).unwrap_or_default(),
        Some(other) => other,
    }
}

/// `{"code":0}` with `"data"` when there is an output, or `{"code":n,"errorMsg":".."}`.
pub(crate) fn of_result(result: Result<Option<Value>, &Failure>) -> Value {
    match result {
        Ok(None) => json!({ "code": DONE }),
        Ok(Some(data)) => json!({ "code": DONE, "data": data }),
        Err(failure) => {
            let code = if failure.code == DONE { -1 } else { failure.code };
            if failure.message.is_empty() {
                json!({ "code": code })
            } else {
                json!({ "code": code, "errorMsg": failure.message })
            }
        }
    }
}

/// Reads an answer: what it says, and the other members.
pub(crate) fn result_in(
    mut members: Map<String, Value>,
) -> Result<Result<Map<String, Value>, Failure>, DecodeError> {
    let code = members.remove("code").as_ref().and_then(Value::as_i64).ok_or(wrong())?;
    if code == DONE {
        return Ok(Ok(members));
    }
    let message = match members.remove("errorMsg") {
        None => String::new(),
        Some(Value::String(message)) => message,
        Some(_) => return Err(wrong()),
    };
    Ok(Err(Failure { code, message }))
}

/// Reads the answer to a call: its output, null when there is none.
pub(crate) fn output_in(members: Map<String, Value>) -> Result<Result<Value, Failure>, DecodeError> {
    Ok(result_in(members)?.map(|mut members| members.remove("data").unwrap_or_default()))
}

/// What the output of a call stands as.
pub(crate) fn of_output(result: &Result<Value, Failure>) -> Value {
    of_result(match result {
        Ok(Value::Null) => Ok(None),
        Ok(output) => Ok(Some(output.clone())),
        Err(failure) => Err(failure),
    })
}
