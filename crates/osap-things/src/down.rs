//! To the device.

use alloc::string::String;
use alloc::vec::Vec;

use osap_proto::Serial;
use serde_json::{Map, Value, json};
use wire::{DecodeError, Reason};

use crate::body::{
    bytes, input_in, object, of_input, of_output, of_value, output_in, result_in, value_in, wrong,
};
use crate::topic::{of_basic, of_model};
use crate::{DesiredValue, DownMessage, Module, Place, Resource, ThingTopic, TooLarge};

/// Topic and body of what the platform says to the device `serial`.
///
/// # Errors
/// [`TooLarge`].
pub fn encode_down(message: &DownMessage, serial: &Serial) -> Result<(String, Vec<u8>), TooLarge> {
    let (topic, body) = match message {
        DownMessage::Set { node, place, value } => {
            (of_model(serial, node, place, "attribute", "set"), of_value(value))
        }
        DownMessage::Operate { node, place, input } => {
            (of_model(serial, node, place, "service", "operate"), of_input(input))
        }
        DownMessage::Query { node, place } => {
            (of_model(serial, node, place, "attribute", "query"), json!({}))
        }
        DownMessage::Desired { node, resource, values } => {
            let one = |wanted: &DesiredValue| json!({ "domain": wanted.area, "identifier": wanted.identifier, "value": wanted.value });
            let wanted: Vec<Value> = values.iter().map(one).collect();
            let body = json!({ "code": 0, "state": { "desired": wanted } });
            (of_basic(serial, node, resource, "shadow", "query_reply"), body)
        }
        DownMessage::CallAnswered { node, place, result } => {
            (of_model(serial, node, place, "service", "operate_reply"), of_output(result))
        }
    };
    Ok((topic, bytes(&body)?))
}

/// What the platform says in this body to this topic.
///
/// # Errors
/// [`DecodeError`]; [`Reason::WrongKind`] at 0 for a topic that the platform does not speak to.
pub fn decode_down(topic: &str, body: &[u8]) -> Result<DownMessage, DecodeError> {
    let topic = ThingTopic::parse(topic)?;
    let node = topic.node()?;
    match (topic.module, topic.method, topic.message) {
        (Module::Model, "attribute", "set") => {
            Ok(DownMessage::Set { node, place: topic.place()?, value: value_in(object(body)?)? })
        }
        (Module::Model, "service", "operate") => {
            Ok(DownMessage::Operate { node, place: topic.place()?, input: input_in(object(body)?) })
        }
        (Module::Model, "attribute", "query") => {
            object(body)?;
            Ok(DownMessage::Query { node, place: topic.place()? })
        }
        (Module::Basic, "shadow", "query_reply") => {
            let resource = topic.resource()?;
            let values = match result_in(object(body)?)? {
                Ok(members) => desired(members, &resource)?,
                Err(_) => Vec::new(),
            };
            Ok(DownMessage::Desired { node, resource, values })
        }
        (Module::Model, "service", "operate_reply") => {
            Ok(DownMessage::CallAnswered { node, place: topic.place()?, result: output_in(object(body)?)? })
        }
        _ => Err(wrong()),
    }
}

fn desired(mut members: Map<String, Value>, resource: &Resource) -> Result<Vec<DesiredValue>, DecodeError> {
    let Some(Value::Object(mut state)) = members.remove("state") else { return Err(wrong()) };
    let Some(Value::Array(values)) = state.remove("desired") else { return Err(wrong()) };
    let one = |value: Value| {
        let Value::Object(mut value) = value else { return Err(wrong()) };
        let mut name = |member| match value.remove(member) {
            Some(Value::String(name)) => Ok(name),
            _ => Err(wrong()),
        };
        let (area, identifier) = (name("domain")?, name("identifier")?);
        Place::new(resource.clone(), &area, &identifier)
            .map_err(|_| DecodeError::new(0, Reason::OutOfRange))?;
        Ok(DesiredValue { area, identifier, value: value.remove("value").ok_or(wrong())? })
    };
    values.into_iter().map(one).collect()
}
