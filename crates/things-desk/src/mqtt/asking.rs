//! Requests: a caller writes, reads and calls.

use std::time::Duration;

use hub::{Command, Refusal};
use model::Uuid;
use mqtt_front::{
    Asked, Place, Property, PropertyList, Publication, QoS, ReasonCode, SessionKey, ThingsCommand, Version,
    is_topic_name,
};
use serde_json::Value;
use tokio::sync::oneshot;

use super::Ground;
use super::hearing::json_message;
use super::line::{Line, reason_of};
use super::topic::{Request, RequestKind};
use crate::words::{Outcome, code_of};

/// How long whoever wants an answer waits for the device.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// How long an operation has when the caller does not say.
const CALL_WITHIN: Duration = Duration::from_secs(30);
/// Where answers go that were asked for by a word.
const ANSWERS: &str = "answers";

/// Where an answer goes.
struct ReplyTo {
    ground: Ground,
    key: SessionKey,
    topic: String,
    correlation: Option<Vec<u8>>,
    qos: QoS,
}

impl ReplyTo {
    async fn answer(&self, outcome: &Outcome) {
        let mut publication = json_message(self.topic.clone(), &outcome.to_json(), &[]);
        if let Some(correlation) = &self.correlation {
            let mut properties = PropertyList::new();
            properties.extend(publication.message.properties.as_properties());
            properties.push(Property::CorrelationData(correlation)).expect("it came in a message");
            std::sync::Arc::make_mut(&mut publication.message).properties = properties;
        }
        let publication = Publication { qos: self.qos, ..publication };
        self.ground.say(ThingsCommand::Answer { key: self.key, publication }).await;
    }
}

impl Line {
    /// Where the answer goes, if one is wanted; `Err`: it can go to no such place.
    fn reply_to(&self, asked: &Asked, request: &Request) -> Result<Option<ReplyTo>, &'static str> {
        let properties = asked.publication.message.properties.as_properties();
        let topic = match (properties.response_topic(), &request.word) {
            (Some(topic), _) => topic.to_owned(),
            (None, Some(word)) => format!("{ANSWERS}/{word}"),
            (None, None) => return Ok(None),
        };
        if !is_topic_name(&topic) || Place::of(&topic) != Place::Free {
            return Err("response-topic");
        }
        let correlation = properties.correlation_data().map(<[u8]>::to_vec);
        let (key, qos) = (asked.key, asked.publication.qos);
        Ok(Some(ReplyTo { ground: self.ground.clone(), key, topic, correlation, qos }))
    }

    pub(super) async fn request(&mut self, asked: Asked, thing: Uuid, request: Request) {
        if asked.publication.retain {
            // Whoever connects later did not ask.
            let reason = ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR;
            return self.refuse(&asked, reason, "retained-request").await;
        }
        let reply_to = match self.reply_to(&asked, &request) {
            Ok(reply_to) => reply_to,
            Err(why) => return self.refuse(&asked, ReasonCode::TOPIC_NAME_INVALID, why).await,
        };
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return self.refused(&asked, reply_to, Refusal::Busy).await;
        };
        match request.kind {
            RequestKind::Get => self.get(asked, thing, request.name, reply_to).await,
            RequestKind::Set | RequestKind::Call => {
                match self.command(&asked, thing, request, reply_to.is_some()) {
                    Some(command) => self.in_two(asked, command, reply_to, place).await,
                    None => self.unreadable(&asked, reply_to).await,
                }
            }
        }
    }

    fn command(&self, asked: &Asked, thing: Uuid, request: Request, waits: bool) -> Option<Command> {
        let payload = &asked.publication.message.payload;
        let wait_millis = if waits { millis(ANSWER_WAIT) } else { 0 };
        let name = request.name;
        if request.kind == RequestKind::Set {
            let value = serde_json::from_slice(payload).ok()?;
            return Some(Command::Write { thing, name, value, wait_millis });
        }
        let input = if payload.is_empty() { Value::Null } else { serde_json::from_slice(payload).ok()? };
        let within =
            asked.publication.expiry_secs.map_or(CALL_WITHIN, |secs| Duration::from_secs(secs.into()));
        let deadline_millis = millis(within);
        let wait_millis = wait_millis.min(deadline_millis);
        Some(Command::Invoke { thing, name, input, deadline_millis, wait_millis })
    }

    /// What is not JSON, whatever it is about.
    async fn unreadable(&self, asked: &Asked, reply_to: Option<ReplyTo>) {
        let why = (ReasonCode::PAYLOAD_FORMAT_INVALID, "request-unreadable");
        self.say_no(asked, reply_to, why, Outcome::Unreadable).await;
    }

    /// Puts a write or an operation to the hub: acknowledged when it is stored, answered when the device has.
    async fn in_two(
        &self,
        asked: Asked,
        command: Command,
        reply_to: Option<ReplyTo>,
        place: tokio::sync::OwnedSemaphorePermit,
    ) {
        let (taken_in, taken) = oneshot::channel();
        let (desk, caller) = (self.ground.desk.clone(), self.caller());
        let call = tokio::spawn(async move {
            let answer = desk.call_in_two(caller, command, taken_in).await;
            drop(place);
            answer
        });
        let is_taken = taken.await.is_ok();
        if is_taken {
            self.ground.taken(&asked, ReasonCode::SUCCESS, None).await;
            if let Some(reply_to) = reply_to {
                tokio::spawn(async move {
                    if let Ok(answer) = call.await {
                        reply_to.answer(&Outcome::of(answer)).await;
                    }
                });
            }
            return;
        }
        match call.await {
            Ok(Err(refusal)) => self.refused(&asked, reply_to, refusal).await,
            // It ended without a commit and without a refusal: our own fault.
            Ok(Ok(_)) | Err(_) => {
                let refusal = Refusal::Fault(hub::Fault::OutcomeUnknown);
                self.refused(&asked, reply_to, refusal).await;
            }
        }
    }

    /// Reads; with `fresh` as payload the device is asked first.
    async fn get(&self, asked: Asked, thing: Uuid, name: String, reply_to: Option<ReplyTo>) {
        let Some(reply_to) = reply_to else {
            return self.refuse(&asked, ReasonCode::TOPIC_NAME_INVALID, "response-topic").await;
        };
        let is_fresh = match asked.publication.message.payload.as_slice() {
            b"" => false,
            b"fresh" => true,
            _ => return self.unreadable(&asked, Some(reply_to)).await,
        };
        let desk = self.ground.desk.clone();
        let read = |fresh| Command::Read { thing, name: name.clone(), fresh };
        match desk.call(self.caller(), read(false)).await {
            Ok(known) if !is_fresh => {
                self.ground.taken(&asked, ReasonCode::SUCCESS, None).await;
                reply_to.answer(&Outcome::of(Ok(known))).await;
            }
            Ok(_) | Err(Refusal::NoValue) if is_fresh => {
                self.ground.taken(&asked, ReasonCode::SUCCESS, None).await;
                let (caller, read) = (self.caller(), read(true));
                tokio::spawn(async move {
                    reply_to.answer(&Outcome::of(desk.call(caller, read).await)).await;
                });
            }
            Ok(_) => {}
            Err(refusal) => self.refused(&asked, Some(reply_to), refusal).await,
        }
    }

    async fn refused(&self, asked: &Asked, reply_to: Option<ReplyTo>, refusal: Refusal) {
        let why = (reason_of(&refusal), code_of(&refusal));
        self.say_no(asked, reply_to, why, Outcome::Refused(refusal)).await;
    }

    /// Refuses a request. Where an answer says so, a 3.1.1 client is acknowledged.
    async fn say_no(
        &self,
        asked: &Asked,
        reply_to: Option<ReplyTo>,
        (reason, why): (ReasonCode, &'static str),
        outcome: Outcome,
    ) {
        match (&reply_to, self.client.version) {
            (Some(_), Version::V3_1_1) => self.ground.taken(asked, ReasonCode::SUCCESS, None).await,
            _ => self.refuse(asked, reason, why).await,
        }
        if let Some(reply_to) = reply_to {
            reply_to.answer(&outcome).await;
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
