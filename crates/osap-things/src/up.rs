//! From the device.

use alloc::string::String;
use alloc::vec::Vec;

use model::Uuid;
use osap_proto::Serial;
use serde_json::{Map, Value, json};
use wire::{DecodeError, Reason};

use crate::body::{
    bytes, input_in, object, of_input, of_output, of_result, of_value, output_in, result_in, value_in, wrong,
};
use crate::topic::{of_basic, of_model, text};
use crate::{Child, Module, Node, Resource, ThingTopic, TooLarge, UpMessage, date_time};

/// Sub-devices behind a hub at most.
const CHILD_COUNT_MAX: usize = 64;
/// The member of an event that says when, and which.
const BASIC: &str = "basic";
/// The member of it that says how many events are missing.
const DROPPED: &str = "Dropped";
/// The member that carries an event's data when those are no object.
const DATA: &str = "data";

/// Topic and body of what the device `serial` says.
///
/// # Errors
/// [`TooLarge`].
pub fn encode_up(message: &UpMessage, serial: &Serial) -> Result<(String, Vec<u8>), TooLarge> {
    let (topic, body) = match message {
        UpMessage::Attribute { node, place, value } => {
            (of_model(serial, node, place, "attribute", "report"), of_value(value))
        }
        UpMessage::Event { node, place, id, at, data, dropped } => {
            let mut basic = json!({ "dateTime": date_time::print(*at), "UUID": alloc::format!("{id}") });
            if *dropped > 0 {
                basic[DROPPED] = json!(dropped);
            }
            (of_model(serial, node, place, "event", "report"), of_event(data, basic))
        }
        UpMessage::Operated { node, place, result } => {
            (of_model(serial, node, place, "service", "operate_reply"), of_output(result))
        }
        UpMessage::WasSet { node, place, result } => {
            let body = of_result(result.as_ref().map(|()| None));
            (of_model(serial, node, place, "attribute", "set_reply"), body)
        }
        UpMessage::Answered { node, place, result } => {
            let body = of_result(result.as_ref().map(|value| Some(json!({ "Value": value }))));
            (of_model(serial, node, place, "attribute", "query_reply"), body)
        }
        UpMessage::AskDesired { node, resource } => {
            (of_basic(serial, node, resource, "shadow", "query"), json!({ "method": "query" }))
        }
        UpMessage::Call { node, place, input } => {
            (of_model(serial, node, place, "service", "operate"), of_input(input))
        }
        UpMessage::Children(children) => {
            let topic = of_basic(serial, &Node::Device, &Resource::global(), "children", "report");
            (topic, of_children(children)?)
        }
    };
    Ok((topic, bytes(&body)?))
}

/// What a device says in this body to this topic. Whether the topic is below that of the device that sent it
/// is for the caller to judge; [`ThingTopic::serial`] says which device it names.
///
/// # Errors
/// [`DecodeError`]; [`Reason::WrongKind`] at 0 for a topic that no device speaks to.
pub fn decode_up(topic: &str, body: &[u8]) -> Result<UpMessage, DecodeError> {
    let topic = ThingTopic::parse(topic)?;
    let node = topic.node()?;
    match (topic.module, topic.method, topic.message) {
        (Module::Model, "attribute", "report") => {
            Ok(UpMessage::Attribute { node, place: topic.place()?, value: value_in(object(body)?)? })
        }
        (Module::Model, "event", "report") => event(node, &topic, object(body)?),
        (Module::Model, "service", "operate_reply") => {
            Ok(UpMessage::Operated { node, place: topic.place()?, result: output_in(object(body)?)? })
        }
        (Module::Model, "attribute", "set_reply") => {
            let result = result_in(object(body)?)?.map(|_| ());
            Ok(UpMessage::WasSet { node, place: topic.place()?, result })
        }
        (Module::Model, "attribute", "query_reply") => {
            let result = match result_in(object(body)?)? {
                Ok(members) => Ok(value_in(members)?),
                Err(failure) => Err(failure),
            };
            Ok(UpMessage::Answered { node, place: topic.place()?, result })
        }
        (Module::Basic, "shadow", "query") => {
            object(body)?;
            Ok(UpMessage::AskDesired { node, resource: topic.resource()? })
        }
        (Module::Model, "service", "operate") => {
            Ok(UpMessage::Call { node, place: topic.place()?, input: input_in(object(body)?) })
        }
        (Module::Basic, "children", "report") => children(object(body)?).map(UpMessage::Children),
        _ => Err(wrong()),
    }
}

/// An event's data with `basic` beside them. Data that are no object, or an object that would be read as
/// something else, stand in the member `data`.
fn of_event(data: &Value, basic: Value) -> Value {
    let mut body = match data {
        Value::Null => Map::new(),
        Value::Object(members) if stands_alone(members) => members.clone(),
        other => Map::from_iter([(DATA.into(), other.clone())]),
    };
    body.insert(BASIC.into(), basic);
    Value::Object(body)
}

fn stands_alone(members: &Map<String, Value>) -> bool {
    let is_wrapping = members.len() == 1 && members.contains_key(DATA);
    !members.is_empty() && !is_wrapping && !members.contains_key(BASIC)
}

fn event(
    node: Node,
    topic: &ThingTopic<'_>,
    mut members: Map<String, Value>,
) -> Result<UpMessage, DecodeError> {
    let basic = members.remove(BASIC).ok_or(wrong())?;
    let member = |name| basic.get(name).and_then(Value::as_str).ok_or(wrong());
    let bad = DecodeError::new(0, Reason::OutOfRange);
    let id = member("UUID")?.parse::<Uuid>().map_err(|_| bad)?;
    let at = date_time::parse(member("dateTime")?).ok_or(bad)?;
    let dropped = match basic.get(DROPPED) {
        None => 0,
        Some(count) => count.as_u64().ok_or(wrong())?,
    };
    let data = if members.is_empty() {
        Value::Null
    } else if members.len() == 1 && members.contains_key(DATA) {
        members.remove(DATA).unwrap_or_default()
    } else {
        Value::Object(members)
    };
    Ok(UpMessage::Event { node, place: topic.place()?, id, at, data, dropped })
}

fn of_children(children: &[Child]) -> Result<Value, TooLarge> {
    if children.len() > CHILD_COUNT_MAX {
        return Err(TooLarge);
    }
    let told = |child: &Child| json!({ "serial": text(&child.serial), "connected": child.is_connected });
    Ok(json!({ "children": children.iter().map(told).collect::<Vec<_>>() }))
}

fn children(mut members: Map<String, Value>) -> Result<Vec<Child>, DecodeError> {
    let Some(Value::Array(told)) = members.remove("children") else { return Err(wrong()) };
    if told.len() > CHILD_COUNT_MAX {
        return Err(DecodeError::new(0, Reason::OverLimit));
    }
    let mut children: Vec<Child> = Vec::with_capacity(told.len());
    for one in &told {
        let serial = one.get("serial").and_then(Value::as_str).ok_or(wrong())?;
        let is_connected = one.get("connected").and_then(Value::as_bool).ok_or(wrong())?;
        let node = Serial::new(serial.as_bytes()).and_then(Node::child);
        let Some(Node::Child(serial)) = node else { return Err(DecodeError::new(0, Reason::OutOfRange)) };
        if children.iter().any(|child| child.serial == serial) {
            return Err(DecodeError::new(0, Reason::Repeated));
        }
        children.push(Child { serial, is_connected });
    }
    Ok(children)
}
