//! Refusals of the hub as answers.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use hub::{BadModel, BadModelReason, Fault, Mismatch, NotGranted, Refusal};

use crate::answer::{fault, later};
use crate::console::problem::{problem, problem_because};

/// The answer to a refusal.
pub(super) fn answer(why: Refusal) -> Response {
    match why {
        Refusal::NotHere => problem("not-here"),
        Refusal::NotPermitted => problem("not-granted"),
        Refusal::NoSuchName => problem("no-such-name"),
        Refusal::NoSuchGrant => problem("grant-unknown"),
        Refusal::ReadOnly => problem_because("not-so-described", "the property is read only"),
        Refusal::WriteOnly => problem_because("not-so-described", "the property is write only"),
        Refusal::NotObservable => problem_because("not-so-described", "the property cannot be observed"),
        Refusal::NoValue => problem("never-reported"),
        Refusal::BadValue(mismatch) => problem_because("value-refused", &words_of(&mismatch)),
        Refusal::TooLarge => problem_because("value-refused", "a value has at most 64 KiB and 32 levels"),
        Refusal::BadModel(bad) => problem_because("model-refused", &words_of_model(&bad)),
        Refusal::BadBinding => problem_because("model-refused", "no device can have such a serial or name"),
        Refusal::Exists => problem("thing-exists"),
        Refusal::Full => problem("thing-full"),
        Refusal::BadDeadline => {
            problem_because("request-unreadable", "an operation has between a second and a day")
        }
        Refusal::NotOpen => problem("not-in-queue"),
        Refusal::Offline => problem("device-offline"),
        Refusal::NoAnswer => problem("device-silent"),
        Refusal::DeviceRefused { code, .. } => {
            problem_because("device-refused", &format!("it answered with the code {code}"))
        }
        Refusal::NotGranted(why) => problem_because("grant-refused", words_of_grant(why)),
        Refusal::Busy => later(Duration::from_secs(1)),
        Refusal::Fault(why @ Fault::OutcomeUnknown) => {
            let mut response = fault("things", &why);
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response
        }
        Refusal::Fault(why) => fault("things", &why),
    }
}

fn at(pointer: &str) -> String {
    // The caller's own words, or the model's: a pointer is cut, and shown as text alone.
    if pointer.is_empty() { "the value".to_owned() } else { pointer.chars().take(128).collect() }
}

fn words_of(mismatch: &Mismatch) -> String {
    format!("{} does not fit `{}` of the model", at(&mismatch.at), mismatch.why.word())
}

fn words_of_model(bad: &BadModel) -> String {
    let why = match bad.why {
        BadModelReason::TooLarge => "more than 64 KiB, or nested too deep",
        BadModelReason::Form => "of another form",
        BadModelReason::Title => "a title of 1 to 128 bytes is needed",
        BadModelReason::Name => "a name is 1 to 64 of A-Z, a-z, 0-9, underscore, hyphen and dot",
        BadModelReason::Count => "more than 128",
        BadModelReason::Schema => "a rule that cannot be checked here",
        BadModelReason::Place => "two of a kind at one place",
        BadModelReason::Reference => "references to other models are not followed",
        BadModelReason::Forms => "forms are made here",
    };
    let pointer: String = bad.at.chars().take(128).collect();
    format!("{}: {why}", if pointer.is_empty() { "the model".to_owned() } else { pointer })
}

const fn words_of_grant(why: NotGranted) -> &'static str {
    match why {
        NotGranted::Party => "the owner needs no grant, and strangers get none",
        NotGranted::Nothing => "it names no act, or no property, action or event",
        NotGranted::Names => "a grant lists at most 64 names of at most 64 bytes",
        NotGranted::Times => "it would never hold",
        NotGranted::Full => "a thing has at most 256 grants",
        NotGranted::NoClock | NotGranted::BadRecord => "it cannot be kept",
    }
}
