//! `thingstead authority`: what the operator of the registration server does in bad times.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use clap::{Args, Subcommand};
use http::{Method, StatusCode};
use model::{Uuid, hex};
use net::seed;
use serde_json::Value;

use super::say::document_of;
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
    /// Ask the identity server for owner secrets for a device; the answer comes across the air gap.
    ///
    /// Example:
    ///   thingstead authority refill 8f2c41d0-0000-4000-8000-0000000077aa --data data/registration --server 127.0.0.1:8446
    #[command(verbatim_doc_comment)]
    Refill {
        /// The device's UUID.
        device: Uuid,
        #[command(flatten)]
        target: Target,
    },
    /// Show how many owner secrets each device that knows a secret has left.
    Pools {
        #[command(flatten)]
        target: Target,
    },
    /// After the online keys may have been stolen: make new ones and ask for a new generation.
    ///
    /// Writes a request into the folder of the air gap and prints its fingerprint. Nothing changes until the
    /// identity server answers (`thingstead identity generation new`). Asked again, it is the same request.
    Generation {
        #[command(flatten)]
        target: Target,
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
            Verb::Refill { device, target } => {
                let client = target.client()?;
                block_on(async {
                    let path = format!("/v1/devices/{device}/refill");
                    client.call(Method::POST, &path, "", &device.to_string()).await?;
                    let document = serde_json::json!({ "device": device.to_string(), "done": "asked" });
                    if output.json {
                        print_line(document)
                    } else {
                        print_line(format_args!("{device}\tasked"))
                    }
                    Ok(())
                })
            }
            Verb::Pools { target } => {
                let client = target.client()?;
                block_on(pools(&client, output))
            }
            Verb::Generation { target } => {
                let client = target.client()?;
                block_on(async {
                    let answer = client.call(Method::POST, "/v1/generation", "", "a new generation").await?;
                    let request = document_of(&answer)?;
                    if output.json {
                        print_line(&request);
                        return Ok(());
                    }
                    let text = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
                    print_line(format_args!("file         {}", text("file")));
                    print_line(format_args!("fingerprint  {}", text("fingerprint")));
                    Ok(())
                })
            }
        }
    }
}

/// Every device with a pool, page by page.
async fn pools(client: &OperatorClient, output: Output) -> Outcome {
    let mut path = "/v1/pools".to_owned();
    loop {
        let answer = client.call(Method::GET, &path, "", "the owner secrets").await?;
        let page = document_of(&answer)?;
        let page = page.as_array().cloned().unwrap_or_default();
        let Some(last) = page.last().and_then(|pool| pool["device"].as_str()) else { return Ok(()) };
        path = format!("/v1/pools?after={last}");
        for pool in page.iter().filter(|pool| !pool["left"].is_null()) {
            let device = pool["device"].as_str().unwrap_or_default();
            match (output.json, pool["asked"] == true) {
                (true, _) => print_line(pool),
                (false, true) => print_line(format_args!("{device}\t{}\tasked for more", pool["left"])),
                (false, false) => print_line(format_args!("{device}\t{}", pool["left"])),
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
        StatusCode::OK => document_of(&answer)?,
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

async fn recover(client: &OperatorClient, request: &str, output: Output) -> Outcome {
    if !output.json && !output.quiet {
        eprintln!("request {request}: if this is cut short, repeat with --request-id {request}");
    }
    let path = format!("/v1/recovery?request={request}");
    let recovery = loop {
        let answer = client.answer(Method::POST, &path, "").await?;
        let recovery = match answer.status() {
            StatusCode::OK => document_of(&answer)?,
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
