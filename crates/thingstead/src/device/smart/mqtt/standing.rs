//! How a plain client stands, in words. Never a secret.

use mqtt_proto::{ClientEnd, End, NotSent, ReasonCode};
use serde_json::{Map, Value, json};

use super::Running;
use super::waiting::News;
use crate::device::voice::Said;

/// The lines that a plain client knows.
const KNOWN: [&str; 5] = ["set NAME JSON", "event NAME (JSON)", "refuse on|off", "status", "power off"];

pub(super) fn unknown_line() -> Said {
    let sentence = format!("no such line; there are: {}", KNOWN.join(", "));
    Said::new("unknown-line", sentence).with("known", KNOWN.to_vec())
}

pub(super) fn unknown_name(name: &str) -> Said {
    Said::new("unknown-name", format!("the model has nothing called {name}")).with("name", name)
}

pub(super) fn status(is_online: bool, waiting_events: usize, values: Map<String, Value>) -> Said {
    let word = if is_online { "online" } else { "offline" };
    Said::new("status", format!("{word}, {waiting_events} events wait, {}", json!(values)))
        .with("online", is_online)
        .with("waiting_events", waiting_events)
        .with("values", values)
}

/// Something could not be sent at all, and is dropped.
pub(super) fn not_sent(name: &str, error: NotSent) -> Said {
    Said::new("not-sent", format!("{name} cannot be sent: {error:?}")).with("name", name)
}

/// Why a connection ended: a word and a sentence.
pub(super) fn why(end: &ClientEnd) -> (&'static str, String) {
    match end.end {
        End::Refused(reason) => ("refused", format!("the server refuses it: {}", of_reason(reason))),
        End::Left(reason) => ("left", format!("the server left: {}", of_reason(reason))),
        End::Closed(reason) => ("closed", format!("closed: {}", of_reason(reason))),
        End::TransportLost => ("link-lost", "the connection broke".to_owned()),
        End::KeepAlive => ("link-lost", "the server is silent".to_owned()),
        End::NotConnectedInTime => ("link-lost", "the server did not answer in time".to_owned()),
        End::Malformed(_) | End::Violation(_) | End::Unsendable => {
            ("violation", format!("the server does not keep to MQTT: {:?}", end.end))
        }
    }
}

fn of_reason(reason: ReasonCode) -> String {
    let number = reason.0;
    match reason {
        ReasonCode::BAD_USER_NAME_OR_PASSWORD => format!("{number:#04x}, wrong name or password"),
        ReasonCode::NOT_AUTHORIZED => format!("{number:#04x}, not allowed"),
        ReasonCode::SESSION_TAKEN_OVER => {
            format!("{number:#04x}, another connection has taken its place")
        }
        _ => format!("{number:#04x}"),
    }
}

impl News {
    /// What it is about.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Value { name, .. } | Self::Event { name, .. } => name,
            Self::Answer { .. } => "answers",
        }
    }
}

impl Running<'_> {
    pub(super) fn say_refused(&self, name: &str, reason: ReasonCode) {
        let sentence = format!("the server does not take {name}: {}", of_reason(reason));
        self.voice.say(&Said::new("not-taken", sentence).with("name", name).with("reason", reason.0));
    }

    pub(super) fn say_not_sent(&self, name: &str, error: Option<NotSent>) {
        if let Some(error) = error {
            self.voice.say(&not_sent(name, error));
        }
    }
}
