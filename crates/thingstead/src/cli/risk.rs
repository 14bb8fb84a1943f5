//! `thingstead risk`: what an administrator should know of.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use http::Method;
use serde_json::json;

use super::say::{Say, read};
use super::{Output, block_on};
use crate::failure::{Failure, Outcome};
use crate::operator_client::Target;

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// List risks, and accept one for a time.
///
/// Examples:
///   thingstead risk --data data/a list
///   thingstead risk --data data/a accept one-administrator --days 30 --reason "a second one starts in May"
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Risk {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List them, most urgent first: id, level (act, soon, know), since when, what it is.
    List,
    /// Accept one until a day; it stays in the list, with who and why.
    Accept {
        /// Its id.
        id: String,
        /// For how many days.
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..=366))]
        days: u16,
        /// Why, in a sentence.
        #[arg(long)]
        reason: String,
    },
}

impl Risk {
    pub(crate) fn run(self, output: Output) -> Outcome {
        let client = self.target.client()?;
        let say = Say { output };
        block_on(async move {
            match self.verb {
                Verb::List => {
                    let risks = read(&client, "/v1/risks").await?;
                    say.rows(&risks["risks"], &["id", "level", "since_unix_millis", "detail"])
                }
                Verb::Accept { id, days, reason } => {
                    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
                    if id.is_empty() || !id.bytes().all(is_id) {
                        return Err(Failure::new("not-here", id));
                    }
                    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                    let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
                    let until = now.saturating_add(u64::from(days) * DAY_MILLIS);
                    let body = json!({ "until_unix_millis": until, "reason": reason }).to_string();
                    client.call(Method::PUT, &format!("/v1/risks/{id}/acceptance"), body, &id).await?;
                    say.done("risk", &id, "accepted")
                }
            }
        })
    }
}
