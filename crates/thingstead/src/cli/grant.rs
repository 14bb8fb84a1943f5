//! `thingstead grant`: who may use which thing.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use model::Uuid;
use serde_json::json;

use super::owner::escaped;
use super::say::{Say, document_of, read, read_all};
use super::{Output, block_on};
use crate::failure::Outcome;
use crate::operator_client::Target;

/// Grant the use of things, and say who may do what and why.
///
/// Examples:
///   thingstead grant --data data/a add 8f2c41d0-0000-4000-8000-0000000077aa person:birch --act read --name battery
///   thingstead grant --data data/a who 8f2c41d0-0000-4000-8000-0000000077aa read battery
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Grant {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    verb: Verb,
}

/// What can be done with a thing.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Act {
    /// Read properties.
    Read,
    /// Write properties.
    Write,
    /// Invoke actions.
    Call,
    /// Observe properties, receive events.
    Observe,
}

impl Act {
    const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Call => "call",
            Self::Observe => "observe",
        }
    }
}

const HOUR_MILLIS: u64 = 3_600_000;

#[derive(Subcommand)]
enum Verb {
    /// Grant the use of a thing.
    Add {
        /// The thing's UUID.
        thing: Uuid,
        /// To whom: `person:NAME`, `client:NAME` or `thing:UUID`.
        party: String,
        /// What they may do; more than once for more.
        #[arg(long = "act", required = true, value_enum)]
        acts: Vec<Act>,
        /// With which properties, actions and events; all when it is left out.
        #[arg(long = "name", value_name = "NAME")]
        names: Vec<String>,
        /// For so many hours; until it is revoked when it is left out.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        hours: Option<u32>,
    },
    /// List grants.
    List {
        /// Only those on this thing.
        thing: Option<Uuid>,
    },
    /// Take a grant back: what goes on by it ends at once.
    Revoke {
        /// The grant's id.
        grant: Uuid,
    },
    /// Say who may do something, and by which rule.
    Who {
        /// The thing's UUID.
        thing: Uuid,
        /// What.
        #[arg(value_enum)]
        act: Act,
        /// With which property, action or event.
        name: String,
        /// Only about this one: `person:NAME`, `client:NAME`, `thing:UUID`, `stranger`.
        #[arg(long)]
        party: Option<String>,
    },
}

impl Grant {
    pub(crate) fn run(self, output: Output) -> Outcome {
        let client = self.target.client()?;
        let say = Say { output };
        block_on(async move {
            match self.verb {
                Verb::Add { thing, party, acts, names, hours } => {
                    let acts: Vec<_> = acts.into_iter().map(Act::word).collect();
                    let mut body = json!({ "party": party, "thing": thing.to_string(), "acts": acts });
                    if !names.is_empty() {
                        body["names"] = json!(names);
                    }
                    if let Some(hours) = hours {
                        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
                        let until = now.saturating_add(u64::from(hours) * HOUR_MILLIS);
                        body["until_unix_millis"] = json!(until);
                    }
                    let answer = client.call(Method::POST, "/v1/grants", body.to_string(), &party).await?;
                    let grant = document_of(&answer)?;
                    say.value(grant["id"].as_str().unwrap_or_default(), &grant)
                }
                Verb::List { thing } => {
                    let of = thing.map(|thing| format!("?thing={thing}")).unwrap_or_default();
                    let all = read_all(&client, &format!("/v1/grants{of}"), "grants").await?;
                    say.rows(&all, &["id", "thing", "party", "acts", "names", "until_unix_millis"])
                }
                Verb::Revoke { grant } => {
                    let path = format!("/v1/grants/{grant}");
                    client.call(Method::DELETE, &path, "", &grant.to_string()).await?;
                    say.done("grant", &grant.to_string(), "revoked")
                }
                Verb::Who { thing, act, name, party } => {
                    let about = party.map(|party| format!("&party={}", escaped(&party))).unwrap_or_default();
                    let (act, name) = (act.word(), escaped(&name));
                    let path = format!("/v1/grants/who?thing={thing}&act={act}&name={name}{about}");
                    let judged = read(&client, &path).await?;
                    let fields = ["party", "allowed", "rule", "grant", "until_unix_millis"];
                    say.rows(&judged["judgements"], &fields)
                }
            }
        })
    }
}
