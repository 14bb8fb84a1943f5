//! Answers of the hub as responses.

use coap_front::Code;
use coap_front::things::{ContentFormat, Response};
use hub::Refusal;
use serde_json::Value;

use crate::words::Outcome;

/// The code for a refusal. Whoever was granted nothing learns nothing.
pub(super) const fn code_for(refusal: &Refusal) -> Code {
    match refusal {
        Refusal::NotHere | Refusal::NoSuchName | Refusal::NoSuchGrant | Refusal::NoValue => Code::NOT_FOUND,
        Refusal::NotPermitted => Code::FORBIDDEN,
        Refusal::ReadOnly | Refusal::WriteOnly | Refusal::NotObservable => Code::METHOD_NOT_ALLOWED,
        Refusal::BadValue(_) | Refusal::TooLarge => Code::UNPROCESSABLE_ENTITY,
        Refusal::BadDeadline | Refusal::BadModel(_) | Refusal::BadBinding | Refusal::NotGranted(_) => {
            Code::BAD_REQUEST
        }
        Refusal::Exists | Refusal::NotOpen | Refusal::Full => Code::CONFLICT,
        Refusal::Offline | Refusal::Busy => Code::SERVICE_UNAVAILABLE,
        Refusal::NoAnswer => Code::new(5, 4),
        Refusal::DeviceRefused { .. } => Code::new(5, 2),
        Refusal::Fault(_) => Code::INTERNAL_SERVER_ERROR,
    }
}

/// JSON with a code.
pub(super) fn json(code: Code, value: &Value) -> Response {
    Response { code, ..Response::content(ContentFormat::JSON, value.to_string()) }
}

/// A refusal, in a code for programs and a word for people.
pub(super) fn refused(refusal: Refusal) -> Response {
    json(code_for(&refusal), &Outcome::Refused(refusal).to_json())
}

/// What cannot be read, whatever it is about.
pub(super) fn unreadable() -> Response {
    json(Code::BAD_REQUEST, &Outcome::Unreadable.to_json())
}
