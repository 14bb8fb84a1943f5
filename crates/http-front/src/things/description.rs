//! W3C Thing Descriptions: what the model says, and how this API is called for it.
//!
//! A description shows the caller what it may use: properties, actions and events of which it was granted
//! nothing are left out, and each form names only the operations that it may do.
//! Source: W3C Thing Description 1.1; W3C WoT Profile (HTTP, server-sent events); W3C WoT Discovery 7.

use axum::http::{HeaderMap, header};
use hub::{Act, Affordance, AffordanceKind, ThingView};
use serde_json::{Map, Value, json};

use super::elsewhere::{self, Around};
use crate::console::Elsewhere;

/// The media type of a description.
pub(super) const TD: &str = "application/td+json";

const CONTEXT: &str = "https://www.w3.org/2022/wot/td/v1.1";

/// Members of an affordance that are ours alone: nobody outside needs to know where a device keeps it.
const OWN_PREFIX: &str = "osap:";

/// Members of a model that a description has as well.
const TAKEN: &[&str] = &["title", "titles", "description", "descriptions", "support"];

/// How callers say who they are. The console's pages have a cookie instead and the owner's program a client
/// certificate; programs that go by descriptions have neither.
fn security() -> [(&'static str, Value); 2] {
    let definitions = json!({
        "bearer": {
            "scheme": "bearer", "in": "header", "format": "opaque",
            "description": "The session's token: the value of the cookie that signing in sets.",
        },
    });
    [("securityDefinitions", definitions), ("security", json!("bearer"))]
}

/// The address under which the caller reached us, when it has the form of one.
fn base(headers: &HeaderMap, path: &str) -> Option<String> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let may = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    (!host.is_empty() && host.bytes().all(may)).then(|| format!("https://{host}{path}"))
}

fn form(href: &str, operations: &[&str]) -> Value {
    json!({"href": href, "op": operations, "contentType": "application/json"})
}

fn changing(href: &str, operations: &[&str], method: &str) -> Value {
    let mut form = form(href, operations);
    form["htv:methodName"] = json!(method);
    form
}

/// A call that ends with the next value or event. Before the stream of the same, since a program that knows both
/// may be unable to say who it is to a stream, as an event source of a browser is.
fn poll(href: &str, operations: &[&str]) -> Value {
    json!({
        "href": format!("{href}/next"), "op": operations, "contentType": "application/json",
        "subprotocol": "longpoll",
    })
}

fn stream(href: &str, operations: &[&str]) -> Value {
    json!({"href": href, "op": operations, "contentType": "text/event-stream", "subprotocol": "sse"})
}

/// Date and time as descriptions write them.
fn date_time(at: clock::Timestamp) -> String {
    let (days, millis) = (at.as_unix_millis() / 86_400_000, at.as_unix_millis() % 86_400_000);
    // Civil date of a day number, by eras of 400 years that begin in March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (secs, millis) = (millis / 1000, millis % 1000);
    let (hour, minute, second) = (secs / 3600, secs / 60 % 60, secs % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// What the caller may do with one affordance, as a description names it.
fn operations(view: &ThingView, affordance: &Affordance) -> Operations {
    let may = |act| view.standing.may(act, &affordance.name);
    let is = |kind| affordance.kind == kind;
    Operations {
        read: is(AffordanceKind::Property) && may(Act::Read) && !affordance.is_write_only(),
        write: is(AffordanceKind::Property) && may(Act::Write) && !affordance.is_read_only(),
        observe: is(AffordanceKind::Property) && may(Act::Observe) && affordance.is_observable(),
        invoke: is(AffordanceKind::Action) && may(Act::Call),
        subscribe: is(AffordanceKind::Event) && may(Act::Observe),
    }
}

/// See [`operations`].
#[derive(Clone, Copy)]
pub(super) struct Operations {
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) observe: bool,
    pub(super) invoke: bool,
    pub(super) subscribe: bool,
}

const OBSERVE: &[&str] = &["observeproperty", "unobserveproperty"];
const SUBSCRIBE: &[&str] = &["subscribeevent", "unsubscribeevent"];

/// The forms of one affordance; none when the caller may not use it.
fn forms(view: &ThingView, affordance: &Affordance, around: &Around<'_>) -> Vec<Value> {
    let name = &affordance.name;
    let may = operations(view, affordance);
    let mut forms = Vec::new();
    let href = format!("{}/{name}", affordance.kind.member());
    if may.read {
        forms.push(form(&href, &["readproperty"]));
    }
    if may.write {
        forms.push(changing(&href, &["writeproperty"], "PUT"));
    }
    if may.observe {
        forms.push(poll(&href, OBSERVE));
        forms.push(stream(&href, OBSERVE));
    }
    if may.invoke {
        forms.push(changing(&href, &["invokeaction"], "POST"));
    }
    if may.subscribe {
        forms.push(poll(&href, SUBSCRIBE));
        forms.push(stream(&href, SUBSCRIBE));
    }
    forms.extend(elsewhere::forms(&href, may, around));
    forms
}

fn described(view: &ThingView, kind: AffordanceKind, around: &Around<'_>) -> Map<String, Value> {
    let usable = view.model.affordances(kind).filter_map(|affordance| {
        let forms = forms(view, &affordance, around);
        if forms.is_empty() {
            return None;
        }
        let has = |op: &str| {
            forms.iter().any(|form| form["op"].as_array().is_some_and(|all| all.contains(&json!(op))))
        };
        let mut json = affordance.json.clone();
        json.retain(|name, _| !name.starts_with(OWN_PREFIX));
        if kind == AffordanceKind::Property {
            json.insert("observable".into(), json!(has("observeproperty")));
            // What the caller may not do it need not try.
            json.insert("readOnly".into(), json!(!has("writeproperty") && has("readproperty")));
            json.insert("writeOnly".into(), json!(has("writeproperty") && !has("readproperty")));
        }
        if kind == AffordanceKind::Action {
            json.entry("synchronous").or_insert(json!(true));
        }
        json.insert("forms".into(), Value::Array(forms));
        Some((affordance.name, Value::Object(json)))
    });
    usable.collect()
}

/// The forms of the thing as a whole.
fn whole(properties: &Map<String, Value>, events: &Map<String, Value>) -> Vec<Value> {
    let any = |of: &Map<String, Value>, op: &str| {
        let forms = of.values().filter_map(|one| one["forms"].as_array()).flatten();
        forms.filter_map(|form| form["op"].as_array()).any(|all| all.contains(&json!(op)))
    };
    let mut forms = Vec::new();
    if any(properties, "readproperty") {
        forms.push(form("properties", &["readallproperties"]));
    }
    if any(properties, "observeproperty") {
        forms.push(stream("properties", &["observeallproperties", "unobserveallproperties"]));
    }
    if any(events, "subscribeevent") {
        forms.push(stream("events", &["subscribeallevents", "unsubscribeallevents"]));
    }
    forms
}

/// The description of a thing for the caller whose view it is.
pub(super) fn of(view: &ThingView, headers: &HeaderMap, elsewhere: &[Elsewhere]) -> Value {
    let around = Around { thing: view.thing.id, host: elsewhere::host(headers), elsewhere };
    let model = view.model.members();
    let mut td = Map::new();
    let mut context = vec![json!(CONTEXT)];
    // Prefixes of the model's own words.
    let given = model.get("@context").and_then(Value::as_array).into_iter().flatten();
    context.extend(given.filter(|one| one.is_object()).cloned());
    context.extend(around.context());
    td.insert("@context".into(), Value::Array(context));
    td.insert("id".into(), json!(format!("urn:uuid:{}", view.thing.id)));
    for name in TAKEN {
        if let Some(member) = model.get(*name) {
            td.insert((*name).to_owned(), member.clone());
        }
    }
    let kinds = match model.get("@type") {
        Some(Value::String(kind)) => vec![kind.clone()],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let kinds: Vec<_> = kinds.into_iter().filter(|kind| !kind.starts_with("tm:")).collect();
    if !kinds.is_empty() {
        td.insert("@type".into(), json!(kinds));
    }
    td.insert("created".into(), json!(date_time(view.thing.created)));
    td.insert("modified".into(), json!(date_time(view.thing.modified)));
    if let Some(base) = base(headers, &format!("/things/{}/", view.thing.id)) {
        td.insert("base".into(), json!(base));
    }
    td.extend(security().map(|(name, value)| (name.to_owned(), value)));
    if let Some(Value::Object(definitions)) = td.get_mut("securityDefinitions") {
        definitions.extend(around.security());
    }
    let properties = described(view, AffordanceKind::Property, &around);
    let events = described(view, AffordanceKind::Event, &around);
    let forms = whole(&properties, &events);
    if !forms.is_empty() {
        td.insert("forms".into(), Value::Array(forms));
    }
    td.insert("properties".into(), Value::Object(properties));
    td.insert("actions".into(), Value::Object(described(view, AffordanceKind::Action, &around)));
    td.insert("events".into(), Value::Object(events));
    Value::Object(td)
}

/// The description of the directory itself, from which everything else is found.
pub(super) fn of_the_directory(headers: &HeaderMap) -> Value {
    let mut things = form("things", &["readproperty"]);
    things["contentType"] = json!("application/ld+json");
    let mut td = json!({
        "@context": [CONTEXT, "https://www.w3.org/2022/wot/discovery"],
        "@type": "ThingDirectory",
        "title": "Things",
        "properties": {"things": {
            "description": "The descriptions of the things that you may use; Link headers lead to further pages.",
            "type": "array",
            "items": {"type": "object"},
            "readOnly": true,
            "forms": [things],
        }},
    });
    if let Some(members) = td.as_object_mut() {
        members.extend(security().map(|(name, value)| (name.to_owned(), value)));
        if let Some(base) = base(headers, "/") {
            members.insert("base".into(), json!(base));
        }
    }
    td
}

#[cfg(test)]
mod tests {
    use clock::Timestamp;

    use super::*;

    #[test]
    fn dates_are_civil() {
        for (millis, written) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_767_225_599_999, "2025-12-31T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(date_time(Timestamp::from_unix_millis(millis)), written);
        }
    }

    #[test]
    fn only_an_address_is_taken_for_one() {
        let of = |host: &str| base(&HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]), "/");
        assert_eq!(of("[::1]:8443").as_deref(), Some("https://[::1]:8443/"));
        assert_eq!(of("a.example:1").as_deref(), Some("https://a.example:1/"));
        for bad in ["a/b", "a@b", "a b", ""] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
