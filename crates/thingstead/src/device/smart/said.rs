//! Events of a smart device in words: for programs a name and fields, for people a sentence. Never a secret.

use agent::osap::{CredentialKind, Offline, Order, OrderKind, SmartEvent, Trouble};
use osap_things::Failure;
use serde_json::Value;

use super::super::voice::Said;

const fn name_of(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Code => "code",
        CredentialKind::Psk => "psk",
        CredentialKind::KeyPair => "key-pair",
        CredentialKind::Ticket => "ticket",
    }
}

pub(super) fn seconds(millis: u64) -> String {
    format!("{}.{} s", millis / 1000, millis % 1000 / 100)
}

/// What an event is called and says.
pub(super) fn of(event: &SmartEvent) -> Said {
    match event {
        SmartEvent::Started { has_enrolled, waiting_events } => {
            let state = if *has_enrolled { "enrolled before" } else { "not enrolled yet" };
            Said::new("started", format!("switched on, {state}, {waiting_events} events wait"))
                .with("enrolled", *has_enrolled)
                .with("waiting_events", *waiting_events)
        }
        SmartEvent::Attempting { protocol, credential } => {
            let sentence =
                format!("asking the load balancer, type {}, with {}", protocol.0, name_of(*credential));
            Said::new("attempting", sentence)
                .with("type", protocol.0)
                .with("credential", name_of(*credential))
        }
        SmartEvent::Failed { trouble, wait_millis } => failed(trouble, *wait_millis),
        SmartEvent::Admitted { devid, protocol, credential, server_id } => {
            let devid = String::from_utf8_lossy(devid.as_bytes()).into_owned();
            Said::new("admitted", format!("admitted as {devid}, access service {server_id}"))
                .with("devid", devid)
                .with("type", protocol.0)
                .with("credential", name_of(*credential))
                .with("server", server_id.clone())
        }
        SmartEvent::FloorRaised(floor) => {
            Said::new("floor-raised", format!("type {} is the weakest from now on", floor.0))
                .with("type", floor.0)
        }
        SmartEvent::Online { conn_no } => {
            Said::new("online", format!("online, connection {conn_no}")).with("connection", *conn_no)
        }
        SmartEvent::Offline { why, wait_millis } => offline(*why, *wait_millis),
        other => of_messages(other),
    }
}

fn of_messages(event: &SmartEvent) -> Said {
    match event {
        SmartEvent::Raised { id } => {
            Said::new("raised", format!("event {id} is safe")).with("id", id.to_string())
        }
        SmartEvent::Delivered { id } => {
            Said::new("delivered", format!("the platform has event {id}")).with("id", id.to_string())
        }
        SmartEvent::EventRefused { id, reason } => {
            Said::new("event-refused", format!("the platform does not want event {id}: {reason:#04x}"))
                .with("id", id.to_string())
                .with("reason", *reason)
        }
        SmartEvent::EventDropped { total } => {
            Said::new("event-dropped", format!("the oldest event was dropped, {total} so far"))
                .with("total", *total)
        }
        SmartEvent::MessageDropped => {
            Said::new("message-dropped", "a message was repeated, late or not genuine")
        }
        other => Said::new("other", format!("{other:?}")),
    }
}

fn failed(trouble: &Trouble, wait_millis: u64) -> Said {
    let (name, why) = match trouble {
        Trouble::NotReached => ("not-reached", "the load balancer was not reached".to_owned()),
        Trouble::Run(end) => ("run", format!("the load balancer and the device did not agree: {end:?}")),
        Trouble::OldRun(end) => ("run", format!("the load balancer and the device did not agree: {end:?}")),
        Trouble::Setup(error) => ("setup", format!("nothing to prove itself with: {error:?}")),
        Trouble::Provider => ("provider", "the cryptography of this program failed".to_owned()),
    };
    Said::new("failed", format!("{why}; again in {}", seconds(wait_millis)))
        .with("why", name)
        .with("detail", why)
        .with("wait_millis", wait_millis)
}

fn offline(why: Offline, wait_millis: u64) -> Said {
    let (name, reason) = match why {
        Offline::LinkLost => ("link-lost", None),
        Offline::Refused(reason) => ("refused", Some(reason)),
        Offline::NotGenuine => ("not-genuine", None),
        Offline::Expired => ("expired", None),
        Offline::Local => ("local", None),
    };
    let said = Said::new("offline", format!("offline ({name}); again in {}", seconds(wait_millis)))
        .with("why", name)
        .with("wait_millis", wait_millis);
    match reason {
        Some(reason) => said.with("reason", reason),
        None => said,
    }
}

/// An order and what became of it.
pub(super) fn of_order(order: &Order, name: &str, result: &Result<Value, Failure>) -> Said {
    let (verb, input) = match &order.kind {
        OrderKind::Set(value) => ("set", value.clone()),
        OrderKind::Operate(input) => ("operate", input.clone()),
        OrderKind::Query => ("query", Value::Null),
    };
    let outcome = match result {
        Ok(_) => "done".to_owned(),
        Err(failure) => format!("refused: {}", failure.message),
    };
    let said = Said::new("order", format!("{verb} {name} {input}: {outcome}"))
        .with("verb", verb)
        .with("name", name)
        .with("input", input);
    match result {
        Ok(output) => said.with("output", output.clone()),
        Err(failure) => said.with("code", failure.code),
    }
}
