//! `thingstead things`: things and what they say; commands to devices in service.

use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use http::Method;
use model::Uuid;
use serde_json::{Value, json};

use super::say::{Say, document_of, read};
use super::thing_records::RecordVerb;
use super::thing_verbs::Use;
use super::{Output, block_on};
use crate::failure::{Failure, Outcome};
use crate::operator_client::{OperatorClient, Target};

/// How often an order is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Read, write, call and watch things; send commands to devices.
///
/// Examples:
///   thingstead things --data data/a list
///   thingstead things --data data/a add --enrol made/TS7Q2K.json
///   thingstead things --data data/a read 8f2c41d0-0000-4000-8000-0000000077aa battery
///   thingstead things --data data/a order 8f2c41d0-0000-4000-8000-0000000077aa bootstrap
///   thingstead things --data data/a order 8f2c41d0-0000-4000-8000-0000000077aa generate-key --with '{"kind":"p-256"}'
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Things {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    #[command(flatten)]
    Use(Use),
    #[command(flatten)]
    Record(RecordVerb),
    /// Send a command and wait for what becomes of it.
    ///
    /// Commands: ping, read-info, list-keys, read-key, put-key, delete-key, generate-key, list-channels,
    /// read-channel, put-channel, open-channel, close-channel, delete-channel, reboot, shutdown, bootstrap.
    Order {
        /// The device's UUID.
        device: Uuid,
        /// The command.
        command: String,
        /// What the command needs, as a JSON object: the call `things.order` of `thingstead api`.
        #[arg(long, value_name = "JSON")]
        with: Option<String>,
        /// Seconds until the command is given up.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
        within: u64,
        /// Does not wait; `things outcome` tells.
        #[arg(long)]
        no_wait: bool,
    },
    /// Show what became of a command.
    Outcome {
        /// The device's UUID.
        device: Uuid,
        /// The number that `things order` printed.
        order: u64,
    },
}

/// The body of a call that places an order.
fn asked(command: &str, with: Option<&str>, within_secs: u64) -> Outcome<String> {
    let malformed = || Failure::new("request-unreadable", "--with").because("it is no JSON object");
    let mut body: Value = serde_json::from_str(with.unwrap_or("{}")).map_err(|_| malformed())?;
    let fields = body.as_object_mut().ok_or_else(malformed)?;
    fields.insert("command".to_owned(), command.into());
    fields.insert("within_secs".to_owned(), within_secs.into());
    Ok(body.to_string())
}

/// What a settled order means for whoever waits.
fn judged(order: &Value, subject: String) -> Outcome {
    let code = order["code"].as_str().unwrap_or_default();
    match order["state"].as_str().unwrap_or_default() {
        "answered" if code.starts_with("2.") => Ok(()),
        "answered" => Err(Failure::new("device-refused", subject).because(format!("it answered {code}"))),
        "late" | "skipped" | "withdrawn" => {
            Err(Failure::new("order-not-sent", subject).because(order["state"].as_str().unwrap_or_default()))
        }
        _ => Err(Failure::new("device-silent", subject)),
    }
}

async fn settled(client: &OperatorClient, path: &str, within: Duration) -> Outcome<Value> {
    // The server settles the order at its deadline; a little later it is certain.
    let deadline = Instant::now() + within + Duration::from_secs(5);
    loop {
        let order = read(client, path).await?;
        let is_under_way = ["waiting", "sent"].map(Value::from).contains(&order["state"]);
        if !is_under_way || Instant::now() >= deadline {
            return Ok(order);
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

impl Things {
    pub(crate) fn run(self, output: Output) -> Outcome {
        let client = self.target.client()?;
        let say = Say { output };
        block_on(async move {
            match self.verb {
                Verb::Use(verb) => verb.run(&client, say).await,
                Verb::Record(verb) => verb.run(&client, say).await,
                Verb::Order { device, command, with, within, no_wait } => {
                    let body = asked(&command, with.as_deref(), within)?;
                    let path = format!("/v1/devices/{device}/orders");
                    let answer = client.call(Method::POST, &path, body, &device.to_string()).await?;
                    let number = document_of(&answer)?["order"].as_u64().unwrap_or_default();
                    if no_wait {
                        return say.value(&number.to_string(), &json!({ "order": number }));
                    }
                    let order =
                        settled(&client, &format!("{path}/{number}"), Duration::from_secs(within)).await?;
                    judged(&order, format!("{command} to {device}"))?;
                    say.document(&order)
                }
                Verb::Outcome { device, order } => {
                    say.document(&read(&client, &format!("/v1/devices/{device}/orders/{order}")).await?)
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_its_command_with_what_it_needs() {
        let body: Value =
            serde_json::from_str(&asked("ping", Some(r#"{"payload":"x"}"#), 5).unwrap()).unwrap();
        assert_eq!(body, json!({ "command": "ping", "payload": "x", "within_secs": 5 }));
        assert_eq!(asked("ping", Some("[]"), 5).map_err(|failure| failure.code()), Err("request-unreadable"));
        assert_eq!(asked("ping", Some("{"), 5).map_err(|failure| failure.code()), Err("request-unreadable"));
    }

    #[test]
    fn only_a_success_of_the_device_is_one() {
        let ended = |order: Value| judged(&order, String::new()).map_err(|failure| failure.code());
        assert_eq!(ended(json!({ "state": "answered", "code": "2.04" })), Ok(()));
        assert_eq!(ended(json!({ "state": "answered", "code": "4.01" })), Err("device-refused"));
        assert_eq!(ended(json!({ "state": "late" })), Err("order-not-sent"));
        assert_eq!(ended(json!({ "state": "no-answer" })), Err("device-silent"));
        assert_eq!(ended(json!({ "state": "sent" })), Err("device-silent"));
    }
}
