//! One request.

use coap_front::Code;
use coap_front::things::{ContentFormat, Incoming, Interest, Response, ThingsCommand};
use hub::{Command, OperationState, Refusal, Reply};
use hub_desk::Caller;
use serde_json::{Value, json};

use super::path::{Resource, resource_of};
use super::{Ground, hearing, links, words};
use crate::words::Outcome;

/// How long a write or an operation waits for its device, in milliseconds: what goes on then is said to.
const WAIT_MILLIS: u64 = 10_000;
/// How long an operation has when the caller does not say, in milliseconds.
const CALL_WITHIN_MILLIS: u64 = 30_000;
/// The longest that a caller may say, in seconds.
const CALL_WITHIN_SECS_MAX: u64 = 86_400;

/// Answers a request, and begins an observation where it asks for one.
pub(super) async fn answer(ground: Ground, caller: Caller, incoming: Box<Incoming>) {
    let exchange = incoming.exchange;
    let Some(resource) = resource_of(incoming.options()) else {
        let response = words::refused(Refusal::NotHere);
        return ground.say(ThingsCommand::Respond { exchange, response }).await;
    };
    let observes = incoming.method == Code::GET && incoming.interest == Some(Interest::Register);
    match &resource {
        Resource::Property(thing, name) if observes => {
            return hearing::property(ground, caller, exchange, (*thing, name.clone())).await;
        }
        Resource::Event(thing, name) if observes => {
            return hearing::event(ground, caller, exchange, (*thing, name.clone())).await;
        }
        _ => {}
    }
    let response = respond(&ground, caller, resource, &incoming).await.unwrap_or_else(words::refused);
    ground.say(ThingsCommand::Respond { exchange, response }).await;
}

async fn respond(
    ground: &Ground,
    caller: Caller,
    resource: Resource,
    incoming: &Incoming,
) -> Result<Response, Refusal> {
    let desk = &ground.desk;
    match (incoming.method, resource) {
        (Code::GET, Resource::Core) => {
            let links = links::of(ground, caller, incoming.options()).await?;
            Ok(Response::content(ContentFormat::LINK_FORMAT, links))
        }
        (Code::GET, Resource::Thing(thing)) => match desk.call(caller, Command::Show { thing }).await? {
            Reply::View(view) => Ok(Response::content(ContentFormat::TD_JSON, (ground.describe)(&view))),
            _ => Ok(Response::new(Code::INTERNAL_SERVER_ERROR)),
        },
        (Code::GET, Resource::Properties(thing)) => {
            done(Outcome::of(desk.call(caller, Command::ReadAll { thing }).await))
        }
        (Code::GET, Resource::Property(thing, name)) => {
            let fresh = incoming.options().query("fresh") == Some(b"true");
            done(Outcome::of(desk.call(caller, Command::Read { thing, name, fresh }).await))
        }
        (Code::PUT, Resource::Property(thing, name)) => {
            let Ok(value) = serde_json::from_slice(&incoming.payload) else { return Ok(words::unreadable()) };
            let write = Command::Write { thing, name, value, wait_millis: WAIT_MILLIS };
            done(Outcome::of(desk.call(caller, write).await))
        }
        (Code::POST, Resource::Action(thing, name)) => {
            let input = match incoming.payload.as_slice() {
                [] => Ok(Value::Null),
                payload => serde_json::from_slice(payload),
            };
            let (Ok(input), Some(deadline_millis)) = (input, within(incoming)) else {
                return Ok(words::unreadable());
            };
            let wait_millis = WAIT_MILLIS.min(deadline_millis);
            let invoke = Command::Invoke { thing, name: name.clone(), input, deadline_millis, wait_millis };
            let outcome = Outcome::of(desk.call(caller, invoke).await);
            if let Outcome::GoingOn { number } = outcome {
                let path = format!("/things/{thing}/actions/{name}/{number}");
                return Ok(words::json(Code::CREATED, &outcome.to_json()).with_location(&path));
            }
            done(outcome)
        }
        (Code::GET, Resource::Operation(thing, name, number)) => {
            let look = Command::Operation { thing, name, number };
            match desk.call(caller, look).await? {
                Reply::Operation(view) if !view.is_over() => {
                    Ok(words::json(Code::CONTENT, &json!({"outcome": "going-on", "number": number})))
                }
                Reply::Operation(view) if view.state == OperationState::Withdrawn => {
                    Ok(words::json(Code::CONTENT, &json!({"outcome": "withdrawn"})))
                }
                other => Ok(words::json(Code::CONTENT, &Outcome::of(Ok(other)).to_json())),
            }
        }
        (Code::GET, Resource::Event(thing, name)) => {
            let newest = hearing::newest(ground, &caller, thing, &name).await?;
            newest.map_or_else(|| Err(Refusal::NoValue), |event| Ok(hearing::event_response(&event)))
        }
        _ => Ok(Response::new(Code::METHOD_NOT_ALLOWED)),
    }
}

fn within(incoming: &Incoming) -> Option<u64> {
    let Some(words) = incoming.options().query("within") else { return Some(CALL_WITHIN_MILLIS) };
    let secs: u64 = std::str::from_utf8(words).ok()?.parse().ok()?;
    (1..=CALL_WITHIN_SECS_MAX).contains(&secs).then_some(secs * 1000)
}

/// What is done, with its value alone; what is wanted or goes on, in a word.
fn done(outcome: Outcome) -> Result<Response, Refusal> {
    match outcome {
        Outcome::Done(Some(value)) => Ok(words::json(Code::CONTENT, &value)),
        Outcome::Done(None) => Ok(Response::new(Code::CHANGED)),
        Outcome::Refused(refusal) => Err(refusal),
        outcome @ (Outcome::Wanted { .. } | Outcome::GoingOn { .. } | Outcome::Unreadable) => {
            Ok(words::json(Code::CHANGED, &outcome.to_json()))
        }
    }
}
