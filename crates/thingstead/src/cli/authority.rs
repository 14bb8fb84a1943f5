//! `thingstead authority`: what the operator of the registration server does in bad times.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use clap::{Args, Subcommand};
use http::{Method, StatusCode};
use model::hex;
use net::seed;
use serde_json::Value;

use super::stdout::print_line;
use super::{Output, block_on};
use crate::failure::{Failure, Outcome};
use crate::operator_client::{OperatorClient, Target, refusal};

/// Recover the authority's online servers. Needs operator.pem of the registration server.
///
/// Examples:
///   thingstead authority recover --data data/registration --server 127.0.0.1:8446 --dry-run
///   thingstead authority recover --data data/registration --server 127.0.0.1:8446
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct AuthorityGroup {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// After registration AND bootstrap server were restored from backups: raise every owner number.
    ///
    /// If only one of the two was restored, do not do this: the other one knows what was lost, and the two
    /// settle by themselves when they start.
    ///
    /// Example:
    ///   thingstead authority recover --data data/registration --server 127.0.0.1:8446
    #[command(verbatim_doc_comment)]
    Recover {
        #[command(flatten)]
        target: Target,
        /// Does it without asking.
        #[arg(long)]
        yes: bool,
        /// Says what would happen and how far an earlier recovery is; changes nothing.
        #[arg(long, conflicts_with = "yes")]
        dry_run: bool,
        /// The name of this recovery, 32 hexadecimal digits: the same name is carried out once.
        #[arg(long, value_name = "HEX")]
        request_id: Option<String>,
    },
}

/// What a recovery does, for the person who decides.
const CONSEQUENCES: &str = "\
Recover after both servers were restored from backups
  At once, for every device
   - its owner number rises by 256, on both servers
   - owner secrets that were issued before and not given are void; the next ones come from the device's
     wrapping secret, until the identity server issues more
   - its stored image is erased: its owner has to fetch a new configuration and leave a new image
   - nobody can claim, transfer or release while this runs
  Owners stay who they are in the backup. A device that was claimed, transferred or released after the
  backup obeys its later owner until it takes an image of the owner in the backup.
  Cannot be undone. Three times within one generation of the authority, not more.";

impl AuthorityGroup {
    pub(crate) fn run(self, output: Output) -> Outcome {
        match self.verb {
            Verb::Recover { target, yes, dry_run, request_id } => {
                if !dry_run {
                    confirm(yes)?;
                }
                let client = target.client()?;
                let request = request_name(request_id)?;
                block_on(async {
                    if dry_run {
                        show(&client, output).await
                    } else {
                        recover(&client, &request, output).await
                    }
                })
            }
        }
    }
}

/// Says what happens and has the person type a word; without a terminal `--yes` is needed.
fn confirm(yes: bool) -> Outcome {
    const WORD: &str = "RECOVER";
    if yes {
        return Ok(());
    }
    let refused = || Failure::new("not-confirmed", "recover");
    if !std::io::stdin().is_terminal() {
        return Err(refused());
    }
    eprintln!("{CONSEQUENCES}");
    eprint!("Type {WORD} to go on: ");
    let mut line = String::new();
    let written = std::io::stderr().flush().is_ok();
    let read = std::io::stdin().lock().read_line(&mut line);
    let read = read.map_err(|error| Failure::new("file-unreadable", "standard input").because(error))?;
    if written && read > 0 && line.trim() == WORD { Ok(()) } else { Err(refused()) }
}

/// The name given, or a fresh one.
fn request_name(given: Option<String>) -> Outcome<String> {
    match given {
        Some(name) if name.len() == 32 && model::bytes_from_hex(&name).is_ok() => Ok(name),
        Some(name) => Err(Failure::new("request-id-malformed", name)),
        None => {
            let mut dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
            Ok(hex(&dice.bytes::<16>()))
        }
    }
}

async fn show(client: &OperatorClient, output: Output) -> Outcome {
    let answer = client.answer(Method::GET, "/v1/recovery", "").await?;
    let latest = match answer.status() {
        StatusCode::OK => read(answer.body())?,
        StatusCode::NOT_FOUND => Value::Null,
        _ => return Err(refusal(&answer, "the latest recovery")),
    };
    if output.json {
        print_line(serde_json::json!({ "consequences": CONSEQUENCES, "latest": latest }));
        return Ok(());
    }
    print_line(CONSEQUENCES);
    match latest["request"].as_str() {
        None => print_line("No recovery was carried out here."),
        Some(request) if latest["finished"] == true => {
            print_line(format_args!(
                "The last one, {request}, is finished: number {} of this generation.",
                latest["count"]
            ));
        }
        Some(request) => {
            print_line(format_args!("Recovery {request} is under way: this would go on with it."))
        }
    }
    Ok(())
}

fn read(body: &[u8]) -> Outcome<Value> {
    serde_json::from_slice(body).map_err(|error| Failure::new("internal", "an answer").because(error))
}

async fn recover(client: &OperatorClient, request: &str, output: Output) -> Outcome {
    if !output.json && !output.quiet {
        eprintln!("request {request}: if this is cut short, repeat with --request-id {request}");
    }
    let path = format!("/v1/recovery?request={request}");
    let recovery = loop {
        let answer = client.answer(Method::POST, &path, "").await?;
        let recovery = match answer.status() {
            StatusCode::OK => read(answer.body())?,
            StatusCode::CONFLICT => return Err(Failure::new("recovered-too-often", request)),
            _ => return Err(refusal(&answer, request)),
        };
        if recovery["finished"] == true {
            break recovery;
        }
    };
    if output.json {
        print_line(&recovery);
    } else if output.quiet {
        print_line(recovery["request"].as_str().unwrap_or_default());
    } else {
        print_line(format_args!("{} devices raised by 256", recovery["raised"]));
    }
    match recovery["unknown"].as_u64() {
        Some(0) | None => Ok(()),
        Some(unknown) => Err(Failure::new("partly-done", request)
            .because(format!("the bootstrap server does not know {unknown} devices; their change waits"))),
    }
}
