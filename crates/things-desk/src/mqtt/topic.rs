//! The topics of things.
//!
//! ```text
//! things/{id}/properties/{name}              its values; the thing's own client reports them here
//! things/{id}/properties/{name}/set[/{word}] a value that a caller wants
//! things/{id}/properties/{name}/get[/{word}] a question for a value
//! things/{id}/actions/{name}/call[/{word}]   an operation
//! things/{id}/events/{name}                  its events; the thing's own client raises them here
//! things/{id}/orders/{order}/{set|get|call}/{name}  to the thing's own client
//! things/{id}/answers/{order}                and what it answers
//! ```

use std::collections::BTreeSet;

use hub::{Interest, Order, Pick, What};
use model::Uuid;

/// The longest word by which a caller knows an answer again, in bytes.
const WORD_SIZE_MAX: usize = 64;

/// What is said on a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A value of a property, by the thing itself.
    Value(String),
    /// An event, by the thing itself.
    Event(String),
    /// An answer to an order, by the thing itself.
    Answer(u64),
    /// A request of a caller.
    Request(Request),
}

/// What a caller asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) kind: RequestKind,
    pub(super) name: String,
    /// By which the caller knows the answer again.
    pub(super) word: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestKind {
    Set,
    Get,
    Call,
}

/// What a filter asks to hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Values and events.
    Interest(Interest),
    /// What the thing is asked to do.
    Orders(Uuid),
}

/// The id of a thing as topics have it: in lower case alone, so that there is one topic for one thing.
fn thing_of(text: &str) -> Option<Uuid> {
    let thing: Uuid = text.parse().ok()?;
    (thing.to_string() == text).then_some(thing)
}

fn is_word(text: &str) -> bool {
    let may = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (1..=WORD_SIZE_MAX).contains(&text.len()) && text.bytes().all(may)
}

/// Reads a topic name.
pub(super) fn said_on(topic: &str) -> Option<(Uuid, Said)> {
    let levels: Vec<&str> = topic.split('/').collect();
    let ["things", id, rest @ ..] = levels.as_slice() else { return None };
    let thing = thing_of(id)?;
    let (kind, name, word) = match rest {
        ["properties", name] if !name.is_empty() => return Some((thing, Said::Value((*name).to_owned()))),
        ["events", name] if !name.is_empty() => return Some((thing, Said::Event((*name).to_owned()))),
        ["answers", order] => return Some((thing, Said::Answer(order.parse().ok()?))),
        ["properties", name, "set", word @ ..] => (RequestKind::Set, name, word),
        ["properties", name, "get", word @ ..] => (RequestKind::Get, name, word),
        ["actions", name, "call", word @ ..] => (RequestKind::Call, name, word),
        _ => return None,
    };
    let word = match word {
        [] => None,
        [word] if is_word(word) => Some((*word).to_owned()),
        _ => return None,
    };
    (!name.is_empty()).then(|| (thing, Said::Request(Request { kind, name: (*name).to_owned(), word })))
}

/// Reads a filter.
pub(super) fn wanted_by(filter: &str) -> Option<Wanted> {
    let levels: Vec<&str> = filter.split('/').collect();
    let ["things", id, rest @ ..] = levels.as_slice() else { return None };
    let thing = thing_of(id)?;
    let pick = |name: &str| match name {
        "+" => Pick::All,
        name => Pick::Set(BTreeSet::from([name.to_owned()])),
    };
    let (properties, events) = match rest {
        ["properties", name] if !name.is_empty() && *name != "#" => (pick(name), Pick::Nothing),
        ["events", name] if !name.is_empty() && *name != "#" => (Pick::Nothing, pick(name)),
        ["#"] => (Pick::All, Pick::All),
        ["orders", "#"] => return Some(Wanted::Orders(thing)),
        _ => return None,
    };
    Some(Wanted::Interest(Interest { thing, properties, events }))
}

/// Where a value stands.
pub(super) fn value_topic(thing: Uuid, name: &str) -> String {
    format!("things/{thing}/properties/{name}")
}

/// Where an event stands.
pub(super) fn event_topic(thing: Uuid, name: &str) -> String {
    format!("things/{thing}/events/{name}")
}

/// Where an order stands, and where its answer goes.
pub(super) fn order_topics(order: &Order) -> (String, String) {
    let (thing, id) = (order.thing, order.id);
    let (verb, name) = match &order.what {
        What::Set { name, .. } => ("set", name),
        What::Query { name, .. } => ("get", name),
        What::Call { name, .. } => ("call", name),
    };
    (format!("things/{thing}/orders/{id}/{verb}/{name}"), format!("things/{thing}/answers/{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "8f2c41d0-0000-4000-8000-0000000077aa";

    #[test]
    fn topics_say_what_they_are_about() {
        let said = |rest: &str| said_on(&format!("things/{ID}/{rest}")).map(|(_, said)| said);
        let request = |kind, name: &str, word: Option<&str>| {
            Some(Said::Request(Request { kind, name: name.into(), word: word.map(Into::into) }))
        };
        assert_eq!(said("properties/a"), Some(Said::Value("a".into())));
        assert_eq!(said("events/a"), Some(Said::Event("a".into())));
        assert_eq!(said("answers/12"), Some(Said::Answer(12)));
        assert_eq!(said("properties/a/set"), request(RequestKind::Set, "a", None));
        assert_eq!(said("properties/a/get/x1"), request(RequestKind::Get, "a", Some("x1")));
        assert_eq!(said("actions/set/call"), request(RequestKind::Call, "set", None));
        for bad in [
            "",
            "properties",
            "properties/",
            "properties/a/put",
            "properties/a/set/",
            "properties/a/set/x/y",
            "actions/a",
            "actions//call",
            "answers/x",
            "orders/1/set/a",
            "properties/a/set/x y",
            "events/a/b",
        ] {
            assert_eq!(said(bad), None, "{bad}");
        }
        assert_eq!(said_on(&format!("things/{}/events/a", ID.to_uppercase())), None);
        assert_eq!(said_on("things/1/events/a"), None);
        assert_eq!(said_on("things"), None);
    }

    #[test]
    fn filters_reach_one_thing_alone() {
        let wanted = |rest: &str| wanted_by(&format!("things/{ID}/{rest}"));
        let thing: Uuid = ID.parse().unwrap();
        let interest = |properties, events| Some(Wanted::Interest(Interest { thing, properties, events }));
        let set = |name: &str| Pick::Set(BTreeSet::from([name.to_owned()]));
        assert_eq!(wanted("properties/a"), interest(set("a"), Pick::Nothing));
        assert_eq!(wanted("properties/+"), interest(Pick::All, Pick::Nothing));
        assert_eq!(wanted("events/+"), interest(Pick::Nothing, Pick::All));
        assert_eq!(wanted("#"), interest(Pick::All, Pick::All));
        assert_eq!(wanted("orders/#"), Some(Wanted::Orders(thing)));
        for bad in ["", "+", "+/a", "properties/#", "properties/a/#", "orders/+", "answers/#", "properties/"]
        {
            assert_eq!(wanted(bad), None, "{bad}");
        }
        for bad in ["things/#", "things/+/properties/a", "things", "+/x/#", "things/+/#"] {
            assert_eq!(wanted_by(bad), None, "{bad}");
        }
    }
}
