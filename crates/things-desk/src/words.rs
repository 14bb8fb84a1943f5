//! Answers as programs read them, the same on every protocol.

use clock::Timestamp;
use hub::{DesiredState, OperationState, Refusal, Reply};
use serde_json::{Map, Value, json};

/// The word for a refusal: the code of the HTTP interface's problem of the same meaning.
#[must_use]
pub const fn code_of(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NotHere => "not-here",
        Refusal::NotPermitted => "not-granted",
        Refusal::NoSuchName => "no-such-name",
        Refusal::NoSuchGrant => "grant-unknown",
        Refusal::ReadOnly | Refusal::WriteOnly | Refusal::NotObservable => "not-so-described",
        Refusal::NoValue => "never-reported",
        Refusal::BadValue(_) | Refusal::TooLarge => "value-refused",
        Refusal::BadModel(_) | Refusal::BadBinding => "model-refused",
        Refusal::Exists => "thing-exists",
        Refusal::Full => "thing-full",
        Refusal::BadDeadline => "request-unreadable",
        Refusal::NotOpen => "not-in-queue",
        Refusal::Offline => "device-offline",
        Refusal::NoAnswer => "device-silent",
        Refusal::DeviceRefused { .. } => "device-refused",
        Refusal::NotGranted(_) => "grant-refused",
        Refusal::Busy => "try-later",
        Refusal::Fault(_) => "internal",
    }
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is done; with the value that was asked for or given back.
    Done(Option<Value>),
    /// A value is wanted, and the device has not answered yet.
    Wanted {
        /// How often a value was wanted for the property.
        version: u64,
    },
    /// An operation goes on.
    GoingOn {
        /// Its number.
        number: u64,
    },
    /// It is refused.
    Refused(Refusal),
    /// It cannot be read, whatever it was about.
    Unreadable,
}

impl Outcome {
    /// What an answer of the hub desk says to whoever asked for a value, a write or an action.
    #[must_use]
    pub fn of(answer: Result<Reply, Refusal>) -> Self {
        match answer {
            Ok(Reply::Property(seen)) => match seen.reading {
                Some(reading) => Self::Done(Some(reading.value)),
                None => Self::Refused(Refusal::NoValue),
            },
            Ok(Reply::Properties(all)) => {
                let values = all.into_iter().filter_map(|(name, seen)| Some((name, seen.reading?.value)));
                Self::Done(Some(Value::Object(values.collect())))
            }
            Ok(Reply::Desired(desired)) => match desired.state {
                DesiredState::Taken => Self::Done(None),
                DesiredState::Withdrawn => Self::Refused(Refusal::NotPermitted),
                DesiredState::Wanted => Self::Wanted { version: desired.version },
                DesiredState::Refused { code, message } => {
                    Self::Refused(Refusal::DeviceRefused { code, message })
                }
            },
            Ok(Reply::Operation(view)) => match view.state {
                OperationState::Done { output } => Self::Done(output),
                OperationState::Refused { code, message } => {
                    Self::Refused(Refusal::DeviceRefused { code, message })
                }
                OperationState::NoAnswer { was_sent: true } => Self::Refused(Refusal::NoAnswer),
                OperationState::NoAnswer { was_sent: false } => Self::Refused(Refusal::Offline),
                OperationState::Queued | OperationState::Sent | OperationState::Withdrawn => {
                    Self::GoingOn { number: view.number }
                }
            },
            // No question here has another answer.
            Ok(_) => Self::Done(None),
            Err(refusal) => Self::Refused(refusal),
        }
    }

    /// As JSON: `{"outcome": "done", "value": 21}`, `{"outcome": "refused", "code": "not-granted"}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json = Map::new();
        let mut put = |name: &str, value: Value| json.insert(name.to_owned(), value);
        match self {
            Self::Done(value) => {
                put("outcome", json!("done"));
                value.iter().for_each(|value| drop(put("value", value.clone())));
            }
            Self::Wanted { version } => {
                put("outcome", json!("wanted"));
                put("version", json!(version));
            }
            Self::GoingOn { number } => {
                put("outcome", json!("going-on"));
                put("number", json!(number));
            }
            Self::Unreadable => {
                put("outcome", json!("refused"));
                put("code", json!("request-unreadable"));
            }
            Self::Refused(refusal) => {
                put("outcome", json!("refused"));
                put("code", json!(code_of(refusal)));
                match refusal {
                    Refusal::BadValue(mismatch) => {
                        put("at", json!(mismatch.at.chars().take(128).collect::<String>()));
                        put("rule", json!(mismatch.why.word()));
                    }
                    Refusal::DeviceRefused { code, .. } => {
                        put("device_code", json!(code));
                    }
                    _ => {}
                }
            }
        }
        Value::Object(json)
    }
}

/// Milliseconds since 1970, in decimal.
pub(crate) fn millis(at: Timestamp) -> String {
    at.as_unix_millis().to_string()
}
