//! Forms of descriptions for other protocols than this interface.
//!
//! Source: W3C WoT Binding Templates, MQTT and CoAP; docs/mqtt.md, docs/coap.md.

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
    /// The protocols that a caller can find, which it cannot without a host.
    fn elsewhere(&self) -> &[Elsewhere] {
        if self.host.is_some() { self.elsewhere } else { &[] }
    }

    /// Prefixes of words that the forms use.
    pub(super) fn context(&self) -> Option<Value> {
        let prefixes = self.elsewhere().iter().map(|elsewhere| match elsewhere {
            Elsewhere::Mqtt(_) => ("mqv".to_owned(), json!("https://www.w3.org/2019/wot/mqtt#")),
            Elsewhere::Coaps(_) => ("cov".to_owned(), json!("https://www.w3.org/2019/wot/coap#")),
        });
        let prefixes: Map<String, Value> = prefixes.collect();
        (!prefixes.is_empty()).then_some(Value::Object(prefixes))
    }

    /// How callers say there who they are.
    pub(super) fn security(&self) -> Map<String, Value> {
        let definitions = self.elsewhere().iter().map(|elsewhere| match elsewhere {
            Elsewhere::Mqtt(_) => {
                let client = json!({
                    "scheme": "basic", "in": "auto",
                    "description": "Name and password of a client of the broker; what it may is granted to it as to anybody.",
                });
                (MQTT_CLIENT.to_owned(), client)
            }
            Elsewhere::Coaps(_) => {
                let client = json!({
                    "scheme": "psk",
                    "description": "DTLS: the name of a client as the identity, and its key; what it may is granted to it as to anybody.",
                });
                (COAP_CLIENT.to_owned(), client)
            }
        });
        definitions.collect()
    }
}

const MQTT_CLIENT: &str = "mqtt-client";
const COAP_CLIENT: &str = "coap-client";

/// The forms of one affordance on the other protocols; `path` is that below its thing.
pub(super) fn forms(path: &str, may: Operations, around: &Around<'_>) -> Vec<Value> {
    let Some(host) = &around.host else { return Vec::new() };
    let mut forms = Vec::new();
    for elsewhere in around.elsewhere {
        forms.extend(match elsewhere {
            Elsewhere::Mqtt(port) => mqtt(path, may, around.thing, &format!("mqtts://{host}:{port}")),
            Elsewhere::Coaps(port) => {
                coaps(may, &format!("coaps://{host}:{port}/things/{}/{path}", around.thing))
            }
        });
    }
    forms
}

fn coaps(may: Operations, href: &str) -> Vec<Value> {
    let form = |operations: &[&str], method: &str| {
        json!({
            "href": href, "op": operations, "contentType": "application/json", "security": COAP_CLIENT,
            "cov:method": method,
        })
    };
    let observe = |operations: [&str; 2]| {
        let mut form = form(&operations, "GET");
        form["subprotocol"] = json!("cov:observe");
        form
    };
    let all = [
        may.read.then(|| form(&["readproperty"], "GET")),
        may.write.then(|| form(&["writeproperty"], "PUT")),
        may.observe.then(|| observe(["observeproperty", "unobserveproperty"])),
        may.invoke.then(|| form(&["invokeaction"], "POST")),
        may.subscribe.then(|| observe(["subscribeevent", "unsubscribeevent"])),
    ];
    all.into_iter().flatten().collect()
}

fn mqtt(path: &str, may: Operations, thing: Uuid, href: &str) -> Vec<Value> {
    let topic = format!("things/{thing}/{path}");
    let subscribe = |operations: [&str; 2]| {
        json!({
            "href": href, "op": operations, "contentType": "application/json", "security": MQTT_CLIENT,
            "mqv:controlPacket": "subscribe", "mqv:filter": topic, "mqv:qos": "1",
        })
    };
    let publish = |operation: &str, verb: &str| {
        json!({
            "href": href, "op": [operation], "contentType": "application/json", "security": MQTT_CLIENT,
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
