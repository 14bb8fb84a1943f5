//! `thingstead account`: who may sign in to the console of a management system.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::audit::time_of;
use super::say::{Say, document_of, read};
use super::stdout::print_line;
use super::{Output, block_on};
use crate::failure::{Failure, Outcome};
use crate::operator_client::{OperatorClient, Target};

/// Manage the accounts of a management system's console.
///
/// Examples:
///   thingstead account --data data/a offer
///   thingstead account --data data/a add olga --duty owner < password
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Account {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Print a one-time link with which somebody becomes an administrator.
    #[command(visible_alias = "activate")]
    Offer,
    /// List the accounts: name, role, duties, sessions, whether locked.
    List,
    /// Make an account; its password is read from standard input, never from the arguments.
    Add {
        /// Its name.
        name: String,
        #[command(flatten)]
        rights: Rights,
    },
    /// Set the role and duties of an account; they hold at once.
    Duties {
        /// Its name.
        name: String,
        #[command(flatten)]
        rights: Rights,
    },
    /// Keep an account from signing in and end its sessions.
    Lock {
        /// Its name.
        name: String,
    },
    /// Let an account sign in again, and forget failed tries.
    Unlock {
        /// Its name.
        name: String,
    },
    /// Remove an account; its sessions end at once.
    Remove {
        /// Its name.
        name: String,
        /// Does it without asking.
        #[arg(long)]
        yes: bool,
    },
    /// List the sessions of an account: began, seen, from where.
    Sessions {
        /// Its name.
        name: String,
    },
    /// End every session of an account.
    SignOut {
        /// Its name.
        name: String,
    },
}

#[derive(Args)]
struct Rights {
    /// What it is.
    #[arg(long, value_enum, default_value_t = Role::User)]
    role: Role,
    /// What a user may do; may be given more than once.
    #[arg(long = "duty", value_enum)]
    duties: Vec<Duty>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Role {
    Administrator,
    User,
}

#[derive(Clone, Copy, ValueEnum)]
enum Duty {
    Owner,
    Installer,
    Auditor,
}

impl Rights {
    fn to_json(&self) -> Value {
        let role = match self.role {
            Role::Administrator => "administrator",
            Role::User => "user",
        };
        let duty = |duty: &Duty| match duty {
            Duty::Owner => "owner",
            Duty::Installer => "installer",
            Duty::Auditor => "auditor",
        };
        json!({ "role": role, "duties": self.duties.iter().map(duty).collect::<Vec<_>>() })
    }
}

/// One line from standard input, without its end.
pub(super) fn line(question: &str) -> Outcome<Zeroizing<String>> {
    if std::io::stdin().is_terminal() {
        eprint!("{question}");
        std::io::stderr()
            .flush()
            .map_err(|error| Failure::new("file-unwritable", "terminal").because(error))?;
    }
    let mut line = Zeroizing::new(String::new());
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|error| Failure::new("file-unreadable", "standard input").because(error))?;
    Ok(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// The path of an account; a name that cannot be one is refused by the server under its own path.
fn path(name: &str, what: &str) -> Outcome<String> {
    let fits =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte));
    if fits {
        Ok(format!("/v1/accounts/{name}{what}"))
    } else {
        Err(Failure::new("name-refused", "the account"))
    }
}

impl Account {
    pub(crate) fn run(self, output: Output) -> Outcome {
        let client = self.target.client()?;
        let server = self.target.server().to_owned();
        block_on(async move {
            let act = async |method: Method, name: &str, what: &str, body: String, done: &str| -> Outcome {
                client.call(method, &path(name, what)?, body, name).await?;
                Say { output }.done("account", name, done)
            };
            match self.verb {
                Verb::Offer => offer(&client, &server, output).await,
                Verb::List => list(&client, Say { output }).await,
                Verb::Add { name, rights } => {
                    let password = line("Password (shown as you type; pipe it in to hide it): ")?;
                    let mut account = rights.to_json();
                    account["name"] = name.as_str().into();
                    account["password"] = password.as_str().into();
                    let body = Zeroizing::new(account.to_string());
                    client.call(Method::POST, "/v1/accounts", body.as_bytes().to_vec(), &name).await?;
                    Say { output }.done("account", &name, "made")
                }
                Verb::Duties { name, rights } => {
                    act(Method::PUT, &name, "/duties", rights.to_json().to_string(), "changed").await
                }
                Verb::Lock { name } => act(Method::PUT, &name, "/lock", String::new(), "locked").await,
                Verb::Unlock { name } => act(Method::DELETE, &name, "/lock", String::new(), "unlocked").await,
                Verb::Remove { name, yes } => {
                    confirm(&name, "can no longer sign in, and is signed out everywhere at once", yes)?;
                    act(Method::DELETE, &name, "", String::new(), "removed").await
                }
                Verb::SignOut { name } => {
                    act(Method::DELETE, &name, "/sessions", String::new(), "signed out everywhere").await
                }
                Verb::Sessions { name } => sessions(&client, &name, Say { output }).await,
            }
        })
    }
}

pub(super) fn confirm(name: &str, what: &str, yes: bool) -> Outcome {
    if yes {
        return Ok(());
    }
    let refused = || Failure::new("not-confirmed", name);
    if !std::io::stdin().is_terminal() {
        return Err(refused());
    }
    eprintln!("{name} {what}.");
    if *line("Type the name to go on: ")? == name { Ok(()) } else { Err(refused()) }
}

async fn offer(client: &OperatorClient, server: &str, output: Output) -> Outcome {
    let answer = client.call(Method::POST, "/v1/activation/offer", "", "an activation link").await?;
    let offer = document_of(&answer)?;
    let until = time_of(offer["until_unix_millis"].as_u64().unwrap_or_default());
    let link = format!("https://{server}/ui/activate#{}", offer["token"].as_str().unwrap_or_default());
    if output.json {
        print_line(json!({ "link": link, "until": until }));
    } else {
        print_line(link);
        eprintln!("once, until {until}");
    }
    Ok(())
}

async fn list(client: &OperatorClient, say: Say) -> Outcome {
    let accounts = read(client, "/v1/accounts").await?;
    if say.output.json || say.output.quiet {
        return say.rows(&accounts["accounts"], &["name"]);
    }
    for account in accounts["accounts"].as_array().into_iter().flatten() {
        let text = |name: &str| account[name].as_str().unwrap_or("-").to_owned();
        let duties: Vec<&str> =
            account["duties"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let duties = if duties.is_empty() { "-".to_owned() } else { duties.join(",") };
        let locked = match account["locked_until_unix_millis"].as_u64() {
            _ if account["locked"] == true => "locked".to_owned(),
            Some(until) => format!("locked until {}", time_of(until)),
            None => "-".to_owned(),
        };
        let sessions = &account["sessions"];
        print_line(format_args!("{}\t{}\t{duties}\t{sessions}\t{locked}", text("name"), text("role")));
    }
    Ok(())
}

async fn sessions(client: &OperatorClient, name: &str, say: Say) -> Outcome {
    let sessions = read(client, &path(name, "/sessions")?).await?;
    say.rows(&sessions["sessions"], &["began_unix_millis", "seen_unix_millis", "address"])
}
