//! What deployed devices of type 1 say where they do not speak the forms of the profile.
//!
//! Attributes come as reports of the module `shadow`, one for a message, with the area as `domain`. Messages of other
//! modules (updates, the base commands `/<domain>/<command>`) are theirs to say and nothing to the thing model.
//! Source: the wire facts of type 1 (`conformance/vectors/osap/transcript.json`), ADR 0300.

use alloc::string::String;
use alloc::vec::Vec;

use osap_proto::Serial;
use serde_json::{Map, Value, json};
use wire::{DecodeError, Reason};

use crate::body::{bytes, object, wrong};
use crate::topic::of_basic;
use crate::up::{decode_up, encode_up};
use crate::{Module, Place, ThingTopic, TooLarge, UpMessage};

/// The form of shadow reports that devices speak.
const SHADOW_VERSION: u64 = 3;

/// Topic and body of what a device of type 1 says. `version` counts the changes of an attribute.
///
/// # Errors
/// [`TooLarge`].
pub fn encode_up_compat(
    message: &UpMessage,
    serial: &Serial,
    version: u64,
) -> Result<(String, Vec<u8>), TooLarge> {
    let UpMessage::Attribute { node, place, value } = message else { return encode_up(message, serial) };
    let reported = json!({ "domain": place.area(), "identifier": place.identifier(), "value": value });
    let body = json!({
        "method": "report",
        "spv": SHADOW_VERSION,
        "state": { "reported": reported, "version": version },
    });
    Ok((of_basic(serial, node, place.resource(), "shadow", "report"), bytes(&body)?))
}

/// What a device of type 1 says in this body to this topic; `None` for what concerns no attribute, operation or
/// event. Whose topic it is, the caller judges with [`is_compat_topic`].
///
/// # Errors
/// [`DecodeError`].
pub fn decode_up_compat(topic: &str, body: &[u8]) -> Result<Option<UpMessage>, DecodeError> {
    if is_command(topic) {
        return Ok(None);
    }
    let parsed = ThingTopic::parse(topic)?;
    match (parsed.module, parsed.method, parsed.message) {
        (Module::Other(_), ..) | (Module::Basic, "shadow", "set_reply") => Ok(None),
        (Module::Basic, "shadow", "report") => reported(&parsed, object(body)?).map(Some),
        (Module::Model, ..) => tidied(topic, body).map(Some),
        (Module::Basic, ..) => decode_up(topic, body).map(Some),
    }
}

/// Whether a device of type 1 with this serial may speak to this topic: below its own name, or a command of its own
/// connection, `/<domain>/<command>` in digits.
#[must_use]
pub fn is_compat_topic(serial: &Serial, topic: &str) -> bool {
    is_command(topic) || osap_proto::is_below(serial, topic.as_bytes())
}

fn is_command(topic: &str) -> bool {
    let is_number =
        |level: &str| (1..=10).contains(&level.len()) && level.bytes().all(|byte| byte.is_ascii_digit());
    let levels = topic.strip_prefix('/').and_then(|rest| rest.split_once('/'));
    levels.is_some_and(|(domain, command)| is_number(domain) && is_number(command))
}

fn reported(topic: &ThingTopic<'_>, mut members: Map<String, Value>) -> Result<UpMessage, DecodeError> {
    let Some(Value::Object(mut state)) = members.remove("state") else { return Err(wrong()) };
    let Some(Value::Object(mut told)) = state.remove("reported") else { return Err(wrong()) };
    let mut name = |member| match told.remove(member) {
        Some(Value::String(name)) => Ok(name),
        _ => Err(wrong()),
    };
    let (area, identifier) = (name("domain")?, name("identifier")?);
    let place = Place::new(topic.resource()?, &area, &identifier)
        .map_err(|_| DecodeError::new(0, Reason::OutOfRange))?;
    let value = told.remove("value").ok_or(wrong())?;
    Ok(UpMessage::Attribute { node: topic.node()?, place, value })
}

/// Events of devices that write a UUID without hyphens, and answers of those that write their code as text.
fn tidied(topic: &str, body: &[u8]) -> Result<UpMessage, DecodeError> {
    let mut members = object(body)?;
    if let Some(Value::String(id)) = members.get_mut("basic").and_then(|basic| basic.get_mut("UUID"))
        && id.len() == 32
        && id.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        for at in [20, 16, 12, 8] {
            id.insert(at, '-');
        }
    }
    if let Some(code) = members.get_mut("code")
        && let Some(number) = code.as_str().and_then(number)
    {
        *code = json!(number);
    }
    decode_up(topic, &serde_json::to_vec(&members).map_err(|_| wrong())?)
}

fn number(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
