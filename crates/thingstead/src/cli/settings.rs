//! `thingstead settings`: how people sign in to a management system, and what its audit log keeps.

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::{Value, json};

use super::say::{Say, read};
use super::stdout::print_line;
use super::{Output, block_on};
use crate::failure::Outcome;
use crate::operator_client::Target;

const PATH: &str = "/v1/settings";

/// Show and set how people sign in, and what the audit log keeps.
///
/// Examples:
///   thingstead settings --data data/a show
///   thingstead settings --data data/a set --idle-minutes 10 --allow 192.0.2.0/24
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Settings {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Show them, one a line.
    Show,
    /// Change those that are named; the others stay.
    Set(Changes),
}

#[derive(Args)]
#[group(required = true, multiple = true)]
struct Changes {
    /// Minutes without activity after which people are signed out: 1 to 60.
    #[arg(long)]
    idle_minutes: Option<u8>,
    /// Failed tries after which an account is locked for an address: 3 to 10.
    #[arg(long)]
    lock_failures: Option<u8>,
    /// Minutes that such a lock lasts: 5 to 60.
    #[arg(long)]
    lock_minutes: Option<u8>,
    /// What a full audit log does.
    #[arg(long, value_enum)]
    audit_mode: Option<AuditMode>,
    /// Entries that the audit log holds: 100 to 1,000,000.
    #[arg(long)]
    audit_limit_entries: Option<u32>,
    /// Whether an audit log is kept; switching it off is its last entry.
    #[arg(long, value_enum)]
    audit: Option<Switch>,
    /// A network that may reach the management system, in place of those before; may be given more than once.
    #[arg(long = "allow", value_name = "NETWORK", conflicts_with = "allow_all")]
    allowed: Vec<String>,
    /// Every address may.
    #[arg(long)]
    allow_all: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum AuditMode {
    /// The oldest entries go.
    Ring,
    /// Nothing more is recorded, and a risk says so.
    StopWarn,
}

#[derive(Clone, Copy, ValueEnum)]
enum Switch {
    On,
    Off,
}

impl Changes {
    /// The settings with what is to change changed.
    fn make(self, settings: &mut Value) {
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                settings[name] = value;
            }
        };
        set("idle_minutes", self.idle_minutes.map(Value::from));
        set("lock_failures", self.lock_failures.map(Value::from));
        set("lock_minutes", self.lock_minutes.map(Value::from));
        set("audit_limit_entries", self.audit_limit_entries.map(Value::from));
        set("audit_on", self.audit.map(|switch| matches!(switch, Switch::On).into()));
        let mode = |mode| match mode {
            AuditMode::Ring => "ring",
            AuditMode::StopWarn => "stop-warn",
        };
        set("audit_mode", self.audit_mode.map(|given| mode(given).into()));
        let changes_addresses = self.allow_all || !self.allowed.is_empty();
        set("allowed_addresses", changes_addresses.then(|| self.allowed.into()));
    }
}

impl Settings {
    pub(crate) fn run(self, output: Output) -> Outcome {
        let client = self.target.client()?;
        let say = Say { output };
        block_on(async move {
            let mut settings = read(&client, PATH).await?;
            match self.verb {
                Verb::Show if output.json => say.document(&settings),
                Verb::Show => {
                    for (name, value) in settings.as_object().into_iter().flatten() {
                        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                        print_line(format_args!("{name}\t{text}"));
                    }
                    Ok(())
                }
                Verb::Set(changes) => {
                    changes.make(&mut settings);
                    client.call(Method::PUT, PATH, settings.to_string(), "the settings").await?;
                    say.step("settings changed");
                    if output.json { say.document(&json!({ "settings": settings })) } else { Ok(()) }
                }
            }
        })
    }
}
