//! Forms of descriptions for other protocols than this interface.
//!
//! Source: W3C WoT Binding Templates, MQTT; docs/mqtt.md.

use axum::http::{HeaderMap, header};
use model::Uuid;
use serde_json::{Map, Value, json};

use super::description::Operations;
use crate::console::Elsewhere;

/// What forms are made of, beside their affordance.
pub(super) struct Around<'a> {
    pub(super) thing: Uuid,
    /// The host under which the caller reached us, without a port.
    pub(super) host: Option<String>,
    pub(super) elsewhere: &'a [Elsewhere],
}

/// The host of a request, without its port, when it has the form of one.
pub(super) fn host(headers: &HeaderMap) -> Option<String> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let may = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    (!host.is_empty() && host.bytes().all(may)).then(|| host.to_owned())
}

impl Around<'_> {
    fn has_mqtt(&self) -> bool {
        self.host.is_some() && !self.elsewhere.is_empty()
    }

    /// Prefixes of words that the forms use.
    pub(super) fn context(&self) -> Option<Value> {
        self.has_mqtt().then(|| json!({"mqv": "https://www.w3.org/2019/wot/mqtt#"}))
    }

    /// How callers say there who they are.
    pub(super) fn security(&self) -> Map<String, Value> {
        let mut definitions = Map::new();
        if self.has_mqtt() {
            let client = json!({
                "scheme": "basic", "in": "auto",
                "description": "Name and password of a client of the broker; what it may is granted to it as to anybody.",
            });
            definitions.insert("mqtt-client".into(), client);
        }
        definitions
    }
}

/// The forms of one affordance on the other protocols; `path` is that below its thing.
pub(super) fn forms(path: &str, may: Operations, around: &Around<'_>) -> Vec<Value> {
    let Some(host) = &around.host else { return Vec::new() };
    let mut forms = Vec::new();
    for Elsewhere::Mqtt(port) in around.elsewhere {
        forms.extend(mqtt(path, may, around.thing, &format!("mqtts://{host}:{port}")));
    }
    forms
}

fn mqtt(path: &str, may: Operations, thing: Uuid, href: &str) -> Vec<Value> {
    let topic = format!("things/{thing}/{path}");
    let subscribe = |operations: [&str; 2]| {
        json!({
            "href": href, "op": operations, "contentType": "application/json", "security": "mqtt-client",
            "mqv:controlPacket": "subscribe", "mqv:filter": topic, "mqv:qos": "1",
        })
    };
    let publish = |operation: &str, verb: &str| {
        json!({
            "href": href, "op": [operation], "contentType": "application/json", "security": "mqtt-client",
            "mqv:controlPacket": "publish", "mqv:topic": format!("{topic}/{verb}"), "mqv:qos": "1",
            "mqv:retain": false,
        })
    };
    let all = [
        may.write.then(|| publish("writeproperty", "set")),
        may.observe.then(|| subscribe(["observeproperty", "unobserveproperty"])),
        may.invoke.then(|| publish("invokeaction", "call")),
        may.subscribe.then(|| subscribe(["subscribeevent", "unsubscribeevent"])),
    ];
    all.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_without_its_port() {
        let of = |text: &str| host(&HeaderMap::from_iter([(header::HOST, text.parse().unwrap())]));
        for (text, expected) in [
            ("[::1]:8443", Some("[::1]")),
            ("a.example:1", Some("a.example")),
            ("a.example", Some("a.example")),
            ("a/b:1", None),
            ("", None),
        ] {
            assert_eq!(of(text).as_deref(), expected, "{text}");
        }
    }
}
