//! JSON of a peer: bounded in size and depth, and with each member once.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use wire::{DecodeError, Reason};

/// Bytes of a body at most.
pub const BODY_SIZE_MAX: usize = 64 * 1024;
/// Lists and objects inside each other at most.
pub const DEPTH_MAX: u8 = 32;

/// Reads one value that fills `bytes`, at most [`BODY_SIZE_MAX`] of them, at most [`DEPTH_MAX`] deep, no
/// member of an object twice.
///
/// # Errors
/// [`DecodeError`]: [`Reason::OverLimit`] for size and depth, [`Reason::Truncated`] when the text ends inside
/// a value, [`Reason::Repeated`] for a member that stands twice, [`Reason::WrongKind`] for what is no JSON.
pub fn read_json(bytes: &[u8]) -> Result<Value, DecodeError> {
    if bytes.len() > BODY_SIZE_MAX {
        return Err(DecodeError::new(BODY_SIZE_MAX, Reason::OverLimit));
    }
    // The reader below recurses for each level; it never sees a text that is too deep.
    check_depth(bytes)?;
    let is_repeated = core::cell::Cell::new(false);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Once { is_repeated: &is_repeated }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| {
        let reason = match error.classify() {
            _ if is_repeated.get() => Reason::Repeated,
            serde_json::error::Category::Eof => Reason::Truncated,
            _ => Reason::WrongKind,
        };
        DecodeError::new(offset_of(bytes, error.line(), error.column()), reason)
    })
}

/// The offset of a line and column, both counted from 1.
fn offset_of(bytes: &[u8], line: usize, column: usize) -> usize {
    let before = bytes.split_inclusive(|byte| *byte == b'\n').take(line.saturating_sub(1));
    (before.map(<[u8]>::len).sum::<usize>() + column.saturating_sub(1)).min(bytes.len())
}

/// Refuses JSON that is more than [`DEPTH_MAX`] deep.
pub(crate) fn check_depth(bytes: &[u8]) -> Result<(), DecodeError> {
    let (mut depth, mut is_text, mut is_escaped) = (0_u8, false, false);
    for (offset, byte) in bytes.iter().enumerate() {
        if is_text {
            is_text = is_escaped || *byte != b'"';
            is_escaped = !is_escaped && *byte == b'\\';
            continue;
        }
        match byte {
            b'"' => is_text = true,
            b'[' | b'{' if depth == DEPTH_MAX => return Err(DecodeError::new(offset, Reason::OverLimit)),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Reads a value in which no member of an object stands twice.
#[derive(Clone, Copy)]
struct Once<'a> {
    is_repeated: &'a core::cell::Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for Once<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                self.is_repeated.set(true);
                return Err(A::Error::custom("a member stands twice"));
            }
            let value = members.next_value_seed(self)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}
